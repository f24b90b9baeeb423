/*
 * shrinker.h - caches of the program that give memory back when they are asked.
 *
 * 1. A registration serves one group, and after that group's destroy its parent. It holds no
 *    reference: a group has registrations only while it is online.
 * 2. Nodes. A group has a node while there is a registration at it or below it. Nodes form a
 *    tree of their own, so that a walk of 10 000 groups of which three have shrinkers looks at
 *    those three and their ancestors. A group without costs one pointer.
 * 3. Calling. Under the lock a thread claims a shrinker by writing its number into `runner`; it
 *    leaves the lock and calls; under the lock it gives the claim up and takes the next. A claimed
 *    one stays on its list, so it is the place in the list: whatever the program does
 *    meanwhile. Others pass it by. Two wait for a claimed one: who unregisters it; and an
 *    allocation that found nothing else, for ten of its deadlines at most and AWAIT_MOST at once:
 *    else many threads that share a cache would be refused while one of them makes room. That
 *    cannot be waiting for them: it is inline, and only tries what is held around allocations.
 *    One that never returns holds its caller, and is named by the next thread that passes it by.
 * 4. A thread inside a callback has task.reclaiming set and gets no further: there is no recursion.
 * 5. A pass is one walk of the groups; it counts each group once (shrinker_call.c). What a
 *    shrinker says is held against what the group got back (shrinker_record.c).
 *
 * shrinkers_lock (RANK_SHRINKER, below the tree's) covers nodes, lists, claims and records. It is
 * held for a step of a walk or list, and never while program code runs: save that of a signal
 * handler, which gets NULL if it allocates then, as the thread is marked busy.
 *
 * Limits: moving registrations to a parent is linear in their number; a group's first
 * registration is linear in those younger siblings of it (and of its ancestors) that have a node.
 */
#ifndef MEMCG_RECLAIM_SHRINKER_H
#define MEMCG_RECLAIM_SHRINKER_H

#include <memcg/event.h>

#include "reclaim/source.h"
#include "sync/lock.h"

#define SHRINKER_NAME 48u
#define SHRINKER_SURE 1024u /* credit of one that was never found wrong */

/* What a shrinker has shown of itself. Shrinkers lock. */
struct shrinker_record {
	u32 late;      /* calls past the deadline */
	u32 late_rank; /* grows with each, falls with a pass without one: 2^rank passes skipped */
	u32 skip;      /* of those, still to come */
	u32 credit;    /* of SHRINKER_SURE: what part of its claims the group got back, lately */
	u32 calls;     /* since credit was last looked at, with the sums: */
	u64 claimed, measured;
	bool was_late; /* in the last pass it was called in */
	bool stuck;    /* the call that is running was counted and named as late already */
	bool liar;     /* named */
};

struct memcg_shrinker {
	/* Constant. */
	size_t (*count)(struct memcg *cg, void *arg);
	size_t (*scan)(struct memcg *cg, size_t bytes, u64 deadline_ns, void *arg);
	void *arg;
	u64 deadline; /* ns one call may take */
	u32 priority, flags;
	char name[SHRINKER_NAME];
	/* Shrinkers lock. */
	struct list link;  /* node->own */
	struct memcg *cg;  /* whom it serves */
	u64 seq;	   /* order of registration */
	u64 counted;	   /* what it is believed to have, as of the last count */
	u64 started;	   /* ns, of the running call */
	u32 runner;	   /* tid of who is in it, 0: nobody. Also slept on */
	bool awaited;	   /* by allocations: the end of the call wakes them */
	bool gone;	   /* unregistered: not claimed again */
	bool runner_frees; /* from inside its own callback */
	struct shrinker_record record;
};

/* Of a group with registrations at it or below. Shrinkers lock. */
struct shrinker_node {
	struct memcg *cg;
	struct list own;	    /* memcg_shrinker.link */
	struct list children, link; /* nodes below, in order of group id */
	struct shrinker_node *at;   /* the child a walk stopped in, see shrinkers_rotate */
	u32 below;		    /* registrations at it and below; never 0 */
	bool resume;		    /* the next walk of this group begins behind `at` */
};

extern __hidden_ struct lock shrinkers_lock;
extern __hidden_ u64 shrinkers_seq;   /* the last registration's. Shrinkers lock; atomic */
extern __hidden_ u64 shrinkers_steps; /* nodes looked at by walks. Shrinkers lock */

static inline void shrinkers_hold(void)
{
	task_busy_begin();
	lock_acquire(&shrinkers_lock);
}

static inline void shrinkers_release(void)
{
	lock_release(&shrinkers_lock);
	task_busy_end();
}

/* The source, for reclaim_source_add(). Its count is a pass of the group; scan goes by that. */
extern __hidden_ const struct reclaim_source shrinkers;

/*
 * count: bytes the shrinkers of cg itself could free, believed. how: reclaim_how.
 * scan: asks them for `bytes` in all, in proportion to (count >> priority), none for more than
 * it has; bytes the group got back, at most what was claimed. Both run the program's code: no lock,
 * no RCU section; 0 at once on a thread that has no record, is in a slow path, or is in a callback.
 */
__hidden_ u64 shrinkers_count(struct memcg *cg, unsigned how);
__hidden_ u64 shrinkers_scan(struct memcg *cg, u64 bytes, unsigned how);

/* Whether there are any at cg or below: one load, a hint. */
static inline bool shrinkers_any(const struct memcg *cg)
{
	return atomic_load(&cg->shrinkers);
}

/*
 * The next group at top or below, in pre-order, that has shrinkers of its own: a new reference,
 * prev's is dropped (without running a drop of the program's). NULL at the end, which comes
 * whatever is registered and destroyed meanwhile: ids rise along every list.
 */
__hidden_ struct memcg *shrinkers_next(struct memcg *top, struct memcg *prev);
/* The next walk of top begins behind last and goes to the end; the one after it at top again. */
__hidden_ void shrinkers_rotate(struct memcg *top, struct memcg *last);

__hidden_ void shrinkers_offlined(struct memcg *cg); /* tree lock held */
__hidden_ void shrinkers_fork_prepare(void);
__hidden_ void shrinkers_fork_parent(void);
__hidden_ void shrinkers_fork_child(void);

/* --- between the files of shrinker_* -------------------------------------------- */

/* May it be called where `how` is allowed? */
static inline bool shrinker_allowed(const struct memcg_shrinker *s, unsigned how)
{
	return !s->gone && (how == RECLAIM_ANY || s->flags & MEMCG_SHRINK_INLINE);
}

/* Puts s on cg's list; false: no memory for nodes. */
__hidden_ bool shrinker_link_locked(struct memcg_shrinker *s, struct memcg *cg);
__hidden_ void shrinker_unlink_locked(struct memcg_shrinker *s);
/* One at top or below that another thread is in, and not for too long; NULL. */
__hidden_ struct memcg_shrinker *shrinker_running_locked(struct memcg *top, unsigned how);
/* Nobody is in it and nobody can find it. */
__hidden_ void shrinker_free(struct memcg_shrinker *s);

/* A line to be written once the lock is not held: s may be gone by then. */
struct shrinker_complaint {
	enum { SHRINKER_FINE, SHRINKER_LATE, SHRINKER_STUCK, SHRINKER_LIES } what;
	char name[SHRINKER_NAME];
	u64 a, b;
	u32 times;
};

__hidden_ void shrinker_complain(const struct shrinker_complaint *c, struct memcg *cg);
/* The call that took `ns` is over. */
__hidden_ void record_time(struct memcg_shrinker *s, u64 ns, struct shrinker_complaint *c);
/* Another thread has been in it for `ns`. */
__hidden_ void record_stuck(struct memcg_shrinker *s, u64 ns, struct shrinker_complaint *c);
/* It claimed to have freed `claimed`, and the group got back `measured`. */
__hidden_ void record_claim(struct memcg_shrinker *s, u64 claimed, u64 measured,
			    struct shrinker_complaint *c);
/* True: this pass goes by without it. */
__hidden_ bool record_skips(struct memcg_shrinker *s);
/* What its word for n bytes is worth. */
__hidden_ u64 record_believed(const struct memcg_shrinker *s, u64 n);

#endif
