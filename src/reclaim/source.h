/*
 * source.h - where memory can be had back from. One list, filled at bring-up; the policy (scan.c)
 * knows nothing else about what a source is, so a new one changes no policy.
 *
 * drain() is quiet: no code of the program, no waiting, allowed with allocator structures open.
 * next, count and scan are for what belongs to single groups and may run the program's code: no
 * lock of ours is held and no slow path is open when they are called.
 */
#ifndef MEMCG_RECLAIM_SOURCE_H
#define MEMCG_RECLAIM_SOURCE_H

#include "group/group.h"

/* What may run now. */
enum reclaim_how {
	RECLAIM_QUIET = 0,  /* nothing of the program's, and structures of ours may be open */
	RECLAIM_INLINE = 1, /* what said that it may run on a thread that allocates */
	RECLAIM_ANY = 2,
	RECLAIM_OWN = 3 /* nothing of the program's: for page faults */
};

/* Beside one of them, to count and scan: also what is otherwise left out for being slow. */
#define RECLAIM_LATE_TOO 8u

struct reclaim_source {
	const char *name;
	bool own; /* next, count and scan run no code of the program */
	/* Frees what it keeps for target and below that nobody would miss; bytes. NULL: nothing.
	 * all: whatever it takes; else it is soon done, however much there is. */
	u64 (*drain)(struct memcg *target, bool all);
	/* Groups at or below top that have something, in pre-order: as memcg_next. NULL: none. */
	struct memcg *(*next)(struct memcg *top, struct memcg *prev);
	u64 (*count)(struct memcg *cg, unsigned how);		/* what it could free of cg's own */
	u64 (*scan)(struct memcg *cg, u64 bytes, unsigned how); /* frees about bytes of it */
	/* What is theirs may be coming back on another thread: waits for that, a little. True: it
	 * is worth another try. NULL: never. */
	bool (*await)(struct memcg *top, unsigned how);
	/* The next walk of top begins behind last. */
	void (*rotate)(struct memcg *top, struct memcg *last);
};

#define RECLAIM_SOURCES 8

/* Bring-up only. */
__hidden_ void reclaim_source_add(const struct reclaim_source *source);
extern __hidden_ const struct reclaim_source *reclaim_sources[RECLAIM_SOURCES + 1]; /* NULL ends */

#endif
