/*
 * window.h - where the program sees an object, and from an address to that.
 *
 * 1. Windows lie in a reserved range of addresses, in whole blocks of 2 MiB. For each block an
 *    array has the window and the table with the block's 512 entries, so that a fault finds
 *    both by arithmetic. A block's slot is set after its addresses are mapped; it is cleared before
 *    they go when the block goes whole, else when all of the window has gone.
 * 2. A window has a reference for being mapped, one for each pin of a page through it, and those of
 *    who works on it. Readers of the array get it in an RCU section by window_tryget. Its
 *    addresses are another window's only when the last reference has gone: so zapping an
 *    address that a window had a moment ago harms nobody, and a pin that has outlived its range
 *    is given back to the window it is of (`whose`).
 * 3. Unmapping part of a block leaves holes in its table: the addresses are inaccessible.
 */
#ifndef MEMCG_VM_WINDOW_H
#define MEMCG_VM_WINDOW_H

#include "sync/rcu.h"
#include "vm/view.h"

#define BLOCK_SHIFT EXTENT_SHIFT
#define BLOCK_SIZE  EXTENT_SIZE
#define BLOCK_PAGES EXTENT_PAGES

struct memcg_mm;

struct window {
	struct memcg_mm *mm;   /* constant, referenced */
	struct object *object; /* constant, referenced */
	uintptr_t start;       /* constant; of a block */
	u32 npages;	       /* constant */
	u32 offset;	       /* constant; index in the object of the first page */
	bool writable;	       /* constant */
	bool locked;	       /* each of its pages has a reference of it */
	u64 refs;
	u32 left; /* pages that are no holes; atomic */
	u32 pass; /* the last walk over the mm's windows that it was in; mm's lock */
	struct list of_object, of_mm;
	struct window *later; /* of windows_reap */
	struct rcu_head rcu;
};

struct block {
	struct window *window; /* RCU; NULL: unmapped as a whole */
	struct window *whose;  /* RCU; whose addresses they are, mapped or not */
	struct page *table;    /* RCU; installed by compare-and-swap, cleared by munmap */
};

struct window_zone {
	uintptr_t base; /* constant after window_up */
	u32 nr;		/* blocks; constant */
	struct block *block;
};
extern __hidden_ struct window_zone zone;

__hidden_ int window_up(void);

static inline bool window_has(const void *p)
{
	return (uintptr_t)p - zone.base < (size_t)zone.nr << BLOCK_SHIFT;
}

static inline struct block *block_at(uintptr_t addr)
{
	return &zone.block[(addr - zone.base) >> BLOCK_SHIFT];
}

__hidden_ void windows_fork_child(void);

/* Addresses for npages, rounded up to blocks; 0: none left. */
__hidden_ uintptr_t window_reserve(u32 npages);
__hidden_ void window_unreserve(uintptr_t start, u32 npages);

/* The window an address lies in, with a reference; NULL. Any address. */
__hidden_ struct window *window_find(uintptr_t addr);
/* The same; also one that is unmapped, while somebody has a reference. */
__hidden_ struct window *window_find_unmapped(uintptr_t addr);
__hidden_ bool window_tryget(struct window *w); /* RCU section */
__hidden_ void window_put(struct window *w);
__hidden_ void window_put_many(struct window *w, u32 n);
/* The addresses lead to w from now on; no more, once all of it is unmapped. */
__hidden_ void window_find_on(struct window *w);
__hidden_ void window_find_off(struct window *w);
/*
 * For who evicts, with page locks: the last reference may end an object, and that waits for its
 * pages, which may be the same. So the end is left to windows_reap, to be called when those are
 * unlocked; no lock of rank.h is held, and of page locks at most what page_lock.h 3 allows.
 */
__hidden_ void window_put_later(struct window *w);
__hidden_ void windows_reap(void);

static inline u32 window_index(const struct window *w, uintptr_t addr)
{
	return (u32)((addr - w->start) >> PAGE_SHIFT);
}

/* Of pages [i, end) of a window how many lie in the block that i lies in. */
static inline u32 block_step(u32 i, u32 end)
{
	return MIN(BLOCK_PAGES - i % BLOCK_PAGES, end - i);
}

static inline uintptr_t window_address(const struct window *w, u32 i)
{
	return w->start + ((uintptr_t)i << PAGE_SHIFT);
}

/* Not of a view. */
static inline struct page *window_page(const struct window *w, u32 i)
{
	ASSERT(w->object->kind != OBJECT_NET);
	return object_page(w->object, w->offset + i);
}

/* Of any window. */
static inline struct page *window_any_page(const struct window *w, u32 i)
{
	u32 run;

	if (unlikely(w->object->kind == OBJECT_NET))
		return page_at(view_run(w->object, i, &run));
	return window_page(w, i);
}

/* The same: the index of page i, and how many of its pages from there on are adjacent. */
static inline u32 window_run(const struct window *w, u32 i, u32 *n)
{
	*n = w->npages - i;
	if (w->object->kind == OBJECT_NET)
		return view_run(w->object, i, n);
	return w->object->first + w->offset + i;
}

#endif
