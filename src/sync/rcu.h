/*
 * rcu.h - our own read-copy-update. RCU shared with the host program would let
 * its readers stop ours, so nothing here is visible outside and no helper thread exists.
 *
 * Readers are threads with a `struct rcu_reader` that lives in their thread
 * record. A read section stores the current epoch in it (one plain store and a
 * compiler barrier); the writer pays for the order with
 * membarrier(PRIVATE_EXPEDITED) (fallback: readers issue a full barrier).
 * A thread without a record (start-up and tear-down) passes NULL and is counted in one shared
 * word instead: such sections nest and may take any lock, but cost two atomic operations.
 *
 * Deferred frees: rcu_defer() queues the head; queues are bounded and run by
 * slow paths (rcu_poll), never by a thread of ours. Callbacks run in the order
 * they were queued, without any lock of ours held, and may take any, and defer again.
 */
#ifndef MEMCG_SYNC_RCU_H
#define MEMCG_SYNC_RCU_H

#include "base/assert.h"
#include "base/list.h"
#include "base/types.h"
#include "sync/atomic.h"

struct rcu_reader {
	u64 epoch; /* 0: quiescent; else the epoch seen at entry. Written by the thread only. */
	u32 nest;  /* depth of nested sections; the thread's own */
	struct list link; /* registry */
};

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *);
	u64 epoch; /* when it was queued: only a later grace period covers it */
};

extern __hidden_ u64 rcu_epoch;	       /* even numbers, from 2; grows by rcu_advance only */
extern __hidden_ bool rcu_needs_fence; /* no membarrier here: readers fence themselves */

__hidden_ void rcu_init(void); /* once, single-threaded; probes membarrier */
/*
 * Around fork: before_fork takes the lock of the registry (after all locks of lower rank), the
 * parent gives it back. In the child only `self` (or nobody) reads; what was deferred stays,
 * save what another thread of the parent was just running, which is lost there.
 */
__hidden_ void rcu_before_fork(void);
__hidden_ void rcu_after_fork_parent(void);
__hidden_ void rcu_after_fork(struct rcu_reader *self);
__hidden_ void rcu_reader_add(struct rcu_reader *r);
__hidden_ void rcu_reader_del(struct rcu_reader *r); /* outside any section */
__hidden_ void rcu_read_lock_noreader(void);
__hidden_ void rcu_read_unlock_noreader(void);

/*
 * Debug builds count the sections this thread is in, of whatever reader, for assertions: "in an
 * RCU section" is true of every release build.
 */
#ifdef MEMCG_DEBUG
__hidden_ void rcu_debug_enter(void);
__hidden_ void rcu_debug_leave(void);
__hidden_ bool rcu_read_lock_held(void);
#else
static inline void rcu_debug_enter(void)
{
}
static inline void rcu_debug_leave(void)
{
}
static inline bool rcu_read_lock_held(void)
{
	return true;
}
#endif

static inline void rcu_read_lock(struct rcu_reader *r)
{
	rcu_debug_enter();
	if (unlikely(!r)) {
		rcu_read_lock_noreader();
		return;
	}
	if (r->nest++)
		return;
	/*
	 * Release, though nothing is published: a writer that sees this value has seen the
	 * end of the section before it. Costs nothing on x86-64.
	 */
	atomic_store_release(&r->epoch, atomic_load(&rcu_epoch));
	if (unlikely(atomic_load(&rcu_needs_fence)))
		smp_mb(); /* pairs with the smp_mb in order_readers, rcu.c */
	barrier();	  /* pairs with membarrier there */
}

static inline void rcu_read_unlock(struct rcu_reader *r)
{
	rcu_debug_leave();
	if (unlikely(!r)) {
		rcu_read_unlock_noreader();
		return;
	}
	ASSERT(r->nest > 0);
	if (--r->nest)
		return;
	atomic_store_release(&r->epoch, 0ul);
}

/*
 * Waits until every section that was open at the call has ended. Not inside a section.
 * Several may wait at once.
 */
__hidden_ void rcu_synchronize(void);
/* Calls func(head) after a grace period, from some thread's rcu_poll. Never blocks. */
__hidden_ void rcu_defer(struct rcu_head *head, void (*func)(struct rcu_head *));
/*
 * Runs what is due. Below RCU_BATCH queued it is one load. From there on it never waits:
 * it starts a grace period, or looks once whether the one under way is over, and runs what
 * that one covered. It waits for the readers only with `force`, or when RCU_BOUND are queued:
 * memory must not grow for ever because one reader sleeps. With `force` all that was
 * queued before the call has run after it, save what another thread is just running.
 * Not inside a section, no lock held; inside a callback it does nothing.
 */
#define RCU_BATCH 128
#define RCU_BOUND 16384
__hidden_ void rcu_poll(bool force);
__hidden_ u64 rcu_pending(void); /* queued and not yet run */

#endif
