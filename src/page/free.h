/*
 * free.h - free memory: what the buddy lists, the CPUs' lists, the ranges and
 * the purge share. Not for other layers.
 *
 * A free block is *clean* (PG_ZEROED: it reads as zero and is not resident) or
 * *dirty* (PG_DIRTY: counted in page_cached). Dirty is never taken for clean; lists,
 * coalescing and splitting keep them apart. Clean memory may be joined to dirty memory to make
 * it whole (buddy.c), and then counts. So page_cached is at all times the pages of the
 * dirty blocks, exactly, and of what is resident an upper bound: above the truth by what was
 * joined, or handed out and freed, without anybody having written to it.
 */
#ifndef MEMCG_PAGE_FREE_H
#define MEMCG_PAGE_FREE_H

#include "page/page.h"

#define AGED_ORDER_MIN 4u /* free blocks of this order and above are purged by age */

/* A block off every list: for batches between lists, and on its way to the system. */
struct piece {
	u32 index;
	u32 order; /* the purge's and the buddy's; ranges: 0 */
};

static inline void cached_add(u64 pages)
{
	atomic_add_relaxed(&page_cached, pages << PAGE_SHIFT);
}

static inline void cached_sub(u64 pages)
{
	atomic_add_relaxed(&page_cached, 0 - (pages << PAGE_SHIFT));
}

/*
 * Leaves the descriptor as that of a page which is no head: all zero. The owner
 * word is zero already, and so is the count.
 */
static inline void desc_reset(struct page *pg)
{
	ASSERT(!page_owned(pg) && !page_count(pg));
	kind_set(pg, PAGE_NONE);
	pg->order = 0;
	pg->flags = 0;
	pg->mapcount = 0;
	pg->npages = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(pg->room); i++)
		pg->room[i] = 0;
}

/* buddy.c. A raw block: kind NONE, claimed, order, npages and flags set, count 0. */
__hidden_ unsigned buddy_take(unsigned order, struct page **out, unsigned n); /* how many */
__hidden_ void buddy_put(struct page **blocks, unsigned n); /* raw blocks, flags as they say */
__hidden_ void buddy_put_span(u32 index, u32 npages, unsigned flags); /* in power-of-two pieces */
__hidden_ void buddy_put_cut(u32 index, u32 npages, unsigned flags);  /* off a block in use */
/* Every page of a piece of a block that is handed out leads to its head from now on (split.c). */
__hidden_ void buddy_claim(const struct page *piece);
/* A block off the lists, split if need be; no chunk is opened for it, nothing made whole. NULL:
 * none. */
__hidden_ struct page *buddy_take_free(unsigned order, bool clean);
/* Whole again, claimed, the part cut off counted as cached; false: some of that is not free. */
__hidden_ bool buddy_rejoin(u32 index, u32 npages, unsigned order);
/* The pages behind a block of pg->npages that make it one of npages, part of 2^order; false: not
 * all of them are free. */
__hidden_ bool buddy_grow(struct page *pg, u32 npages, unsigned order);
__hidden_ unsigned buddy_purge_take(unsigned order, u32 min_age_ms, struct piece *out, unsigned n);
__hidden_ void buddy_purge_put(const struct piece *piece, bool purged);

/* pcp.c. A raw block or NULL; false: the CPU's list does not want it now. */
__hidden_ struct page *pcp_take(unsigned order);
__hidden_ bool pcp_give(struct page *pg);

/* range.c: one clean or dirty chunk for the buddy lists, when no new one can be opened. */
__hidden_ bool range_lend_chunk(void);

/* purge.c: one at a time gives memory back, takes it out of use, or forks. */
__hidden_ void purge_lock_acquire(void);
__hidden_ void purge_lock_release(void);

/* purge.c holds its lock around these; range_purge_try gives up when that is taken. */
__hidden_ u64 range_purge_held(u32 min_age_ms, u64 want);
__hidden_ u64 range_purge_try(void); /* everything free; bytes */

/* A fork finds every lock of the layer in the forking thread's hands. */
__hidden_ void meta_fork_lock(void);
__hidden_ void meta_fork_unlock(void);
__hidden_ void range_fork_lock(void);
__hidden_ void range_fork_unlock(void);
__hidden_ void pcp_fork_lock(void);
__hidden_ void pcp_fork_unlock(void);
__hidden_ void buddy_fork_lock(void);
__hidden_ void buddy_fork_unlock(void);

#endif
