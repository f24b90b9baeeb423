/*
 * publish.h - a process under `memcg run`: numbers go to its slot, limits come from there.
 *
 * Published: the root's numbers after every slow charge, refusal and fold, by plain stores, so that
 * a process that is killed leaves true ones behind; the row of the group that was charged likewise,
 * so that a program at rest is seen as it rests (what it frees then is seen by the root alone); all
 * groups now and then from the slow path of whichever thread is charging (no thread of ours
 * exists), at the first refusal, and finally at exit. The numbers in between are those of the
 * counters, not folded: they may be off by what CPUs hold back. The last ones are exact. Limits are
 * looked at whenever a stock is refilled: two loads.
 */
#ifndef MEMCG_CTL_PUBLISH_H
#define MEMCG_CTL_PUBLISH_H

#include "base/hook.h"
#include "ctl/slot.h"

/*
 * Once, single-threaded. path: MEMCG_SLOT. False: no slot could be had and nothing is
 * published; limits are followed when at least the header could be read.
 */
__private_ bool memcg__publish_start(const char *path);
/* Numbers, then a recount, then the mark SLOT_EXITED. */
__private_ void memcg__publish_exit(void);
/*
 * The limit was too small for what has been charged up to now: says so in the slot, if there
 * is one. What is charged; 0: all is well.
 */
__private_ u64 memcg__publish_too_small(void);

/*
 * A group below the root is to have a high: what its allocations owe for that is served in malloc,
 * as with
 * --high. Once, while no other thread is there.
 */
__private_ void memcg__publish_hold(void);

/* The root's numbers, as they stand: for who changed them after the charge was made. */
__private_ void memcg__publish_watch(void);

HOOK_DECLARE(publish_usage); /* the root's usage has been loaded, and what is cached not yet */

/* For tests: what would be published. */
__hidden_ void publish_view(struct slot_view *v);

#endif
