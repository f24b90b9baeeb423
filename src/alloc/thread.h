/*
 * thread.h - the record of a thread: who pays, the bins in use, its heaps.
 *
 * Made at the thread's first slow path, given up by the destructor of one
 * pthread key. A thread without a record (start-up, after its destructor) frees like
 * a stranger; when it allocates it gets a record again.
 *
 * bins points at what the fast path may use for the active group: an own heap's
 * bins, the shared heap's while accounting is off, else empty ones. memcg_enter
 * only sets that pointer.
 */
#ifndef MEMCG_ALLOC_THREAD_H
#define MEMCG_ALLOC_THREAD_H

#include "alloc/crowd.h"
#include "alloc/external.h"
#include "reclaim/charge.h"
#include "slab/slab_fast.h"

#define OWN_HEAPS CROWD_PLACES /* own heaps a thread keeps, direct-mapped by handle */

/* What others ask of a thread; bits. */
enum trim {
	TRIM_OWN = 1u << 0,
	TRIM_ALL = 1u << 1,
	TRIM_REGROUP = 1u << 2, /* to call memcg__thread_hook again: regroup.h */
};

struct thread {
	struct task task; /* first: memcg__self points at it */
	struct bin *bins; /* for the fast path */
	u32 hold;	  /* slab_hold_of(task.tid) */
	u32 trim;  /* enum trim, set by others: what to do at the next slow path, most of all to
		    * give back what is empty */
	bool lent; /* task.active is without a reference of ours: memcg__thread_pay */
	u32 mode;  /* accounting_mode this thread has taken over */
	struct heap *own_now; /* the active group's own heap, or NULL */
	struct heap *own[OWN_HEAPS];
	u8 displaced[OWN_HEAPS];     /* promotions refused because another group has the place */
	struct charge_stack charges; /* external.c: free records, and who was charged */
	struct charge_heat heat[CHARGE_HEATS];
	struct heap shared;
	struct crowd crowd; /* who fills it */
};
_Static_assert(__builtin_offsetof(struct thread, task) == 0, "memcg__self is the thread");

/* This thread's record, or nobody's: bins that are empty, an id no slab is held by. */
__always_inline_ struct thread *thread_or_nobody(void)
{
	return (struct thread *)memcg__self;
}

/* NULL while this thread has no record. */
__always_inline_ struct thread *thread_self(void)
{
	return (struct thread *)task_self();
}

extern __hidden_ u32 accounting_off; /* memory.accounting; threads take it over in slow paths */
extern __hidden_ bool promote_off;   /* MEMCG_PROMOTE=0: shared slabs only, for measuring */
/* Called in each new thread, with its record made and nothing locked; again when one is asked to.
 */
extern __private_ void (*memcg__thread_hook)(void);

__hidden_ int threads_init(void);
__hidden_ struct thread *thread_make(void);	 /* NULL: no memory */
__hidden_ struct thread *thread_make_ours(void); /* of a thread that the library made */
__hidden_ void thread_use(struct thread *t, struct memcg *cg); /* active group: handle and bins */
__hidden_ void thread_follow_mode(struct thread *t);
__hidden_ void threads_trim_others(struct thread *self, bool all);
__hidden_ void
thread_regroup(struct thread *t); /* it was asked; its record is its own, idle or busy */
__hidden_ void threads_fork_child(void);

/* The record, made if need be. NULL: no memory, or a slow path of this thread is interrupted. */
static inline struct thread *thread_get(void)
{
	struct thread *t = thread_self();

	return likely(t) ? t : thread_make();
}

/*
 * At the start of calls that charge: a refusal, and what a charge owes, are noted in the record
 * (reclaim/charge.h). Without memory for one the call goes on, and what is refused stays so.
 */
static inline void thread_need(void)
{
	(void)thread_get();
}

/* heaps.c */
__hidden_ struct heap *heap_of_slab(struct thread *t, const struct page *pg);
/* Sets how far its stacks may grow: by the limits, and by whether accounting is off. */
__hidden_ void heap_follow_max(struct heap *h);
__hidden_ struct heap *heap_promote(struct thread *t, unsigned class);
/* CROWD_TURNS slots of the class were taken off the shared stack. As heap_promote. */
__hidden_ struct heap *heap_promote_alone(struct thread *t, unsigned class);
__hidden_ void slab_drop(struct page *pg, bool hollow);
__hidden_ void thread_dissolve(struct thread *t);
__hidden_ void thread_count_grown(const struct thread *t); /* heap_count_grown for all its heaps */
/* Gives back what is empty; bytes. all: as heap_trim. */
__hidden_ u64 thread_trim(struct thread *t, bool all);
__hidden_ u32 slab_payer(const struct page *pg); /* handle an own slab is charged to */
/* The handle the slab's exceptions hold a pin on; 0: none. To be read before it goes, and given
 * back after. */
__hidden_ u32 slab_pinned(const struct page *pg);
__hidden_ void slab_unpin(u32 pinned);

#endif
