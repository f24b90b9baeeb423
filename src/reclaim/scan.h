/* scan.h - getting memory back from a group and all below it. */
#ifndef MEMCG_RECLAIM_SCAN_H
#define MEMCG_RECLAIM_SCAN_H

#include "reclaim/source.h"

/* One request asks for no less: a refusal is soon followed by the next. */
#define RECLAIM_BATCH (128 * KIB)

/*
 * Gets about want bytes back from target and below; bytes by which its usage fell, or that the
 * sources say they freed while others charged. With RECLAIM_QUIET, or on a thread that is in a
 * source's code already, only what is quiet.
 */
__hidden_ u64 reclaim_group(struct memcg *target, u64 want, enum reclaim_how how);
/* It got nothing: but maybe other threads are just getting it? Waits for one of them, some
 * milliseconds at most. True: try again. */
__hidden_ bool reclaim_await(struct memcg *target, enum reclaim_how how);
/* The quiet part, dearest last: round 0 is stock alone. */
__hidden_ u64 reclaim_quiet(struct memcg *target, unsigned round);
/* What the sources keep for target that nobody would miss; bytes. Touches this thread's heaps: a
 * slow path of its own where the caller is in none, so that signal handlers get NULL meanwhile. */
__hidden_ u64 reclaim_drain_sources(struct memcg *target, bool all); /* as drain() */
/* What a refusal of n bytes at limited asks for. */
__hidden_ u64 reclaim_want(struct memcg *limited, u64 n);

#endif
