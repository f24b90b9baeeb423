/*
 * fast.h - malloc and free as the preload and the library compile them in: the
 * whole fast path on one screen. Everything else is a tail call.
 */
#ifndef MEMCG_ALLOC_FAST_H
#define MEMCG_ALLOC_FAST_H

#include "alloc/thread.h"

/* NULL and ENOMEM over max, or when size is over PTRDIFF_MAX. */
__private_ void *memcg__alloc_slow(size_t size);
/* p: any pointer in the region. Ends the process for what was not handed out. */
__private_ void memcg__free_slow(void *p);
/* This thread holds pg, which has owner entries; off: of p from the slab's start. */
__private_ void memcg__free_entry(struct page *pg, void *p, u64 off);
/* p's bin is full: half of it goes back, then p is parked. */
__private_ void memcg__free_full(struct page *pg, void *p);
__hidden_ __attribute__((noreturn)) void memcg__free_bad(const void *p, const char *call);

__always_inline_ void *alloc_fast(size_t size)
{
	struct bin *b = thread_or_nobody()->bins;

	if (likely(size <= CLASS_SMALL))
		b += class_of_small(size);
	else if (size <= CLASS_MAX_SIZE)
		b += class_of_big(size);
	else
		return memcg__alloc_slow(size);
	if (unlikely(bin_empty(b)))
		return memcg__alloc_slow(size);
	return bin_pop(b);
}

/*
 * Descriptors of memory that is not opened read as zero (region.c), so any index will do.
 * page->hold equals this thread's id exactly when the plain path is right; it
 * is 0 for everything that is not a slab, and no thread's id is 0.
 */
__always_inline_ void free_fast(void *p)
{
	struct thread *t = thread_or_nobody();
	u64 off = (uintptr_t)p - regn.base;
	u32 head = (u32)(off >> PAGE_SHIFT);
	u8 back = regn.back[head];
	struct page *pg;
	u32 hold;

	if (unlikely(back >= BACK_ORDER)) /* no slab's page */
		goto slow;
	head -= back;
	off -= (u64)head << PAGE_SHIFT;
	pg = page_at(head);
	hold = atomic_load(&pg->slab.hold);
	if (unlikely(hold != t->hold)) {
		if (unlikely(hold != (t->hold | SLAB_HOLD_VEC)))
			goto slow;
		memcg__free_entry(pg, p, off);
		return;
	}
	switch (slab_park(pg, p, off)) {
	case FREE_DONE:
		return;
	case FREE_FULL:
		memcg__free_full(pg, p);
		return;
	default:
		break; /* the slow path finds it bad too, and says so */
	}
slow:
	memcg__free_slow(p);
}

#endif
