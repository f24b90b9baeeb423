/*
 * owed.h - what an allocation may not do itself: sleep for memory.high, and run code of the program
 * that did not say it may run inside one; and what a fault may not, run any of it. It is noted in
 * the thread's record and served where the program can expect it: at memcg_leave and
 * memcg_throttle. Where a reclaimer thread runs, it does what is reclaim of that, and begins before
 * a max is reached; the waiting stays with whoever charged.
 */
#ifndef MEMCG_RECLAIM_OWED_H
#define MEMCG_RECLAIM_OWED_H

#include "group/group.h"

enum owed {
	OWED_HIGH = 1u << 0,  /* charged past a high: give back, then wait */
	OWED_SHORT = 1u << 1, /* refused at a max */
	OWED_NEAR = 1u << 2,  /* soon to be: the reclaimer's only */
	OWED_ASK = 1u << 3,   /* beside SHORT: a fault was refused, and no handler was asked */
};

/* n bytes were charged to the handle: is anybody over its high? */
__hidden_ void owed_high(u32 handle, u64 n);
/* limited refused n bytes, and what may run inside an allocation did not help. asked: among that
 * was an OOM handler, if there is one that may. */
__hidden_ void owed_reclaim(struct memcg *limited, u64 n, bool asked);
__hidden_ void owed_serve_slow(struct task *self);
/* The reclaimer thread's part of what cg owes. */
__hidden_ void owed_work(struct memcg *cg, unsigned what);

/* Serves what this thread owes. Runs the program's code, may sleep: nothing of ours is open. */
static inline void owed_serve(struct task *self)
{
	if (unlikely(self->owed) && !self->busy && !self->reclaiming)
		owed_serve_slow(self);
}

/* `memcg run --high`: also at the end of an allocation. */
extern __hidden_ bool owed_in_malloc;

static inline void owed_serve_in_malloc(void)
{
	if (unlikely(atomic_load(&owed_in_malloc)) && task_self())
		owed_serve(task_self());
}

#endif
