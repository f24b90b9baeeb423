/*
 * block.c - blocks of up to 2^10 pages: from this CPU's lists, the buddy lists,
 * and at last from what other CPUs and the ranges keep.
 *
 * The descriptor of a block on its way out: kind NONE, PG_ZEROED when the memory
 * reads as zero. On its way back everything in it is cleared, so that
 * descriptors that are no heads are zero throughout; debug builds check that whoever held the
 * block left its tails so.
 */
#include "page/free.h"

/* Ends what the lists know of it: from here on it is the caller's. */
static struct page *hand_out(struct page *pg)
{
	if (pg->flags & PG_DIRTY)
		cached_sub(pg->npages);
	pg->flags &= PG_ZEROED;
	return pg;
}

static __noinline_ struct page *block_alloc_slow(unsigned order)
{
	struct page *pg;

	if (buddy_take(order, &pg, 1))
		return pg;
	pcp_drain_all();
	if (buddy_take(order, &pg, 1))
		return pg;
	while (range_lend_chunk())
		if (buddy_take(order, &pg, 1))
			return pg;
	return NULL;
}

struct page *block_alloc(unsigned order)
{
	struct page *pg = pcp_take(order);

	if (unlikely(!pg))
		pg = block_alloc_slow(order);
	return pg ? hand_out(pg) : NULL;
}

static bool tails_are_zero(u32 index, u32 npages)
{
	static const struct page zero;

	for (u32 i = 1; i < npages; i++)
		if (__builtin_memcmp(page_at(index + i), &zero, sizeof(zero)))
			return false;
	return true;
}

void block_free(struct page *pg)
{
	u32 index = page_to_index(pg), npages = pg->npages;
	unsigned order = pg->order;

	BUG_ON(pg->kind != PAGE_NONE || page_owned(pg) || !npages || npages > 1u << order);
	ASSERT(tails_are_zero(index, npages));
	(void)tails_are_zero;
	desc_reset(pg);
	cached_add(npages);
	if (npages < 1u << order && !buddy_rejoin(index, npages, order)) {
		buddy_put_span(index, npages, PG_DIRTY);
		return;
	}
	pg->order = (u8)order;
	pg->npages = 1u << order;
	pg->flags = PG_DIRTY;
	if (!pcp_give(pg))
		buddy_put(&pg, 1);
}

/*
 * While the block is of kind NONE nobody has written to it, so the part cut off
 * is as clean as the block; afterwards it is dirty.
 */
void block_trim(struct page *pg, u32 npages)
{
	u32 index = page_to_index(pg), cut = pg->npages - npages;
	bool clean = pg->kind == PAGE_NONE && pg->flags & PG_ZEROED;

	BUG_ON(!npages || npages > pg->npages || pg->kind == PAGE_SLAB);
	if (!cut)
		return;
	pg->npages = npages;
	if (!clean)
		cached_add(cut);
	buddy_put_cut(index + npages, cut, clean ? PG_ZEROED : PG_DIRTY);
}

/* Aligned to the order it has then, it may lie at the start of a larger block that is free. */
bool block_grow(struct page *pg, u32 npages)
{
	unsigned order = MAX(log2_up(npages), (unsigned)pg->order);

	return order <= MAX_ORDER && IS_ALIGNED(page_to_index(pg), 1u << order) &&
	       buddy_grow(pg, npages, order);
}
