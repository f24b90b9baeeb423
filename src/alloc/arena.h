/*
 * arena.h - charged objects that are the library's own, in slabs that no thread holds.
 *
 * 1. An arena is a heap (slab/heap.h) under one lock instead of one thread's: compressed copies of
 *    pages live long and belong to no thread, and in the program's slabs they would keep those from
 *    ever being empty. Its slabs are shared ones: each object has an owner entry and is
 *    charged by itself. They are held by a number that no thread has, so a free by anybody who
 *    does not know better (memcg_free) takes the way of a stranger, and is right.
 * 2. Used from where faults are served, on threads in any state: nothing here needs a record, runs
 *    the program's code or reclaims, and a charge is made whatever the limits say: who makes a copy
 *    frees more than it takes. It is no reason to throttle the thread either.
 * 3. The lock is held for a walk of bits, and to take a slab from or give it to the page layer. A
 *    thread in it is `busy`. Who serves a fault looks whether its thread was busy before: then the
 *    fault is a signal handler's that came in between, and nothing may be allocated
 *    here. To free is right always: a busy thread does it as a stranger, which takes no lock.
 * 4. An object's payer may change at any moment (object_recharge), also while it is freed: the
 * entry is exchanged, and whoever is found in it is credited.
 */
#ifndef MEMCG_ALLOC_ARENA_H
#define MEMCG_ALLOC_ARENA_H

#include "slab/heap.h"
#include "sync/lock.h"

struct arena {
	struct lock lock;  /* RANK_ARENA */
	bool made;	   /* heap is; lock */
	struct heap *heap; /* constant; what it names: lock */
};

/* With room for a heap, apart: it stays untouched until the first object. */
#define ARENA_INIT(h)                                      \
	{                                                  \
		.lock = LOCK_INIT(RANK_ARENA), .heap = (h) \
	}

/*
 * Charged to the handle, past max if need be; 0: nobody pays. The handle may be that of a group
 * that is gone, as long as something is charged to it. size <= CLASS_MAX_SIZE. NULL: no memory.
 */
__hidden_ void *arena_alloc(struct arena *a, u32 handle, size_t size);
__hidden_ void arena_free(struct arena *a, void *p);
/*
 * Gives slabs without objects back; bytes. 0 also when the arena is in use this moment. all: looks
 * at every slab, also for what strangers emptied. For a drain (reclaim/source.h): the thread is
 * busy, and holds no lock of the page layer.
 */
__hidden_ u64 arena_trim(struct arena *a, bool all);

/* In both, and again in the child, which has the same objects. */
__hidden_ void arena_fork_prepare(struct arena *a);
__hidden_ void arena_fork_done(struct arena *a);

#endif
