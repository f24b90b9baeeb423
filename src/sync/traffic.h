/*
 * traffic.h - which lines are written by several CPUs, and from where; only in builds configured
 * with -Dcount_traffic=true (bench/traffic.sh), where every write of atomic.h comes by here.
 *
 * A write is a move when the line was last written by another CPU: then it had to travel, and on a
 * machine with many CPUs that is what does not scale. Not seen: plain stores (under a lock, whose
 * word is seen; or by the only writer), restartable sequences (of one CPU by their nature), and
 * lines that travel because they are read.
 */
#ifndef MEMCG_SYNC_TRAFFIC_H
#define MEMCG_SYNC_TRAFFIC_H

#ifdef MEMCG_COUNT_TRAFFIC
#include "base/compiler.h"
#include "base/types.h"

__private_ void memcg__traffic_note(const void *line, const char *site);
__private_ void memcg__traffic_reset(void);
/* On standard error, by site: writes, moves, and writes to the one line that was written most; for
 * each million of `operations`. */
__private_ void memcg__traffic_report(u64 operations);

#define TRAFFIC_TEXT_(x) #x
#define TRAFFIC_TEXT(x)	 TRAFFIC_TEXT_(x)
#define traffic_note(p)	 memcg__traffic_note((const void *)(p), __FILE__ ":" TRAFFIC_TEXT(__LINE__))
#else
#define traffic_note(p) ((void)0)
#endif

#endif
