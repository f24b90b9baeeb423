/*
 * balloon.c - free memory that is kept out of use: nobody can be given it, and the system has it.
 *
 * 1. What is out are blocks taken off the buddy lists, of kind BALLOON, held on one list here
 *    until the balloon is made smaller. Their memory went to the system: they read as zero, cost
 *    nothing, and are charged to nobody. An allocation that would have had them opens other
 *    chunks, or fails where the region ends.
 * 2. Only what is free is taken: first what is resident, so that the system gets something; then
 *    what is clean; at last what the ranges keep, a chunk at a time and for good, as when the
 *    region ends (range_lend_chunk). No chunk is opened for it. So it may be less than what was
 *    asked for, and who asked reads how much it is.
 * 3. A block that the system does not take goes back dirty, and no more is tried: the next ones
 *    would be refused as well.
 * 4. purge_lock covers all of this: the balloon is a purge whose blocks stay away. A fork finds
 *    no block between two lists; the child has a balloon of the same size.
 */
#include "page/free.h"

#include "sys/map.h"

u64 page_balloon;

static u32 first; /* of the blocks held, linked through free.next; 0: none */

static void hold(struct page *pg)
{
	pg->flags = PG_ZEROED;
	pg->free.next = first;
	first = page_to_index(pg);
	atomic_store(&page_balloon, page_balloon + page_bytes(pg));
}

static struct page *let_go(void)
{
	struct page *pg = page_at(first);

	first = pg->free.next;
	pg->free.next = 0;
	atomic_store(&page_balloon, page_balloon - page_bytes(pg));
	return pg;
}

/* Dirty blocks count as cached until they are the system's. */
static bool purge_block(struct page *pg)
{
	if (pg->flags & PG_ZEROED)
		return true;
	if (sys_purge(page_address(pg), page_bytes(pg))) {
		atomic_add_relaxed(&page_purge_failed, 1ul);
		buddy_put(&pg, 1);
		return false;
	}
	cached_sub(pg->npages);
	return true;
}

/* Blocks of one sort, the largest first. False: the system refuses. */
static bool take_free(u64 *pages, bool clean)
{
	for (unsigned order = MAX_ORDER + 1; order--;)
		while (*pages >> order) {
			struct page *pg = buddy_take_free(order, clean);

			if (!pg)
				break;
			kind_set(pg, PAGE_BALLOON);
			if (!purge_block(pg))
				return false;
			hold(pg);
			*pages -= pg->npages;
		}
	return true;
}

static void grow(u64 pages)
{
	pcp_drain_all();
	do {
		if (!take_free(&pages, false) || !take_free(&pages, true))
			return;
	} while (pages && range_lend_chunk());
}

/* Of the last block perhaps only a part goes back. */
static void shrink(u64 pages)
{
	while (pages) {
		struct page *pg = let_go();
		u32 back = (u32)MIN(pages, (u64)pg->npages), kept = pg->npages - back;
		u32 index = page_to_index(pg);

		pages -= back;
		if (kept) {
			pg->npages = kept;
			hold(pg);
		} else {
			desc_reset(pg);
		}
		buddy_put_span(index + kept, back, PG_ZEROED);
	}
}

void page_balloon_set(u64 bytes)
{
	u64 want = bytes >> PAGE_SHIFT, have;

	purge_lock_acquire();
	have = page_balloon >> PAGE_SHIFT;
	if (want > have)
		grow(want - have);
	else
		shrink(have - want);
	purge_lock_release();
}
