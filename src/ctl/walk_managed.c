/*
 * walk_managed.c - the walk over the descriptors of managed pages. What is in memory is charged
 * there, what is not, as swap.
 */
#include <errno.h>

#include "ctl/walk.h"

/* As in walk_pages.c, by extents: the half begins where one begins. */
static const struct page *page_of(struct walk *w, u32 index)
{
	u32 extent = ALIGN_DOWN(index, CHUNK_PAGES / 2);

	if (extent != w->chunk &&
	    !w->env->read(w->env->arg, (u64)w->region.desc + (u64)extent * sizeof(struct page),
			  w->desc, CHUNK_PAGES / 2 * sizeof(struct page)))
		return NULL;
	w->chunk = extent;
	return &w->desc[index - extent];
}

static void count_items(struct walk *w, const struct page *pg)
{
	u64 *item = w->sum.item;

	if (pg->kind == PAGE_NET) { /* what free ones hold is nobody's */
		item[STAT_SOCK] += PAGE_SIZE;
		return;
	}
	item[pg->kind == PAGE_ANON ? STAT_ANON : STAT_FILE] += PAGE_SIZE;
	if (pg->kind == PAGE_SHMEM)
		item[STAT_SHMEM] += PAGE_SIZE;
	if (pg->kind != PAGE_ANON && pg->mapcount)
		item[STAT_FILE_MAPPED] += PAGE_SIZE;
	if (pg->kind == PAGE_FILE && pg->managed.flags & MANAGED_DIRTY)
		item[STAT_FILE_DIRTY] += PAGE_SIZE;
}

static bool count_resident(struct walk *w, const struct page *pg, u32 handle)
{
	struct walk_find f = {.kind = pg->kind, .objects = 1, .bytes = PAGE_SIZE};

	if (!walk_charge(w, handle, f))
		return false;
	count_items(w, pg);
	return true;
}

/* In memory, and in the swap file still: it costs both. */
static bool is_cached(const struct page *pg)
{
	return pg->managed.where == WHERE_RESIDENT && pg->managed.flags & MANAGED_SWAPCACHED;
}

static void count_net(struct walk *w, const struct page *pg)
{
	w->sum.net_out += pg->net.where == WHERE_RESIDENT;
	w->sum.net_free += !!(pg->net.flags & (NET_PAGE_KEPT | NET_PAGE_STACKED));
}

/* In its pool, or out and charged to nobody. */
static void count_nobodys_net(struct walk *w, const struct page *pg)
{
	if (pg->net.flags & NET_PAGE_KEPT) {
		w->sum.cached += PAGE_SIZE;
	} else if (pg->net.flags & NET_PAGE_STACKED) {
		w->sum.stacked += PAGE_SIZE;
	} else if (pg->net.where == WHERE_RESIDENT) {
		w->sum.unaccounted += PAGE_SIZE;
		w->sum.unaccounted_pages++;
	}
}

static void count_page(struct walk *w, u32 index, const struct page *pg)
{
	u32 handle = walk_handle_at(w, owner_address(page_owner_word(pg)));
	bool known;

	if (pg->kind == PAGE_NET)
		count_net(w, pg);
	if (pg->kind == PAGE_NET && !page_owned(pg)) {
		count_nobodys_net(w, pg);
		return;
	}
	if (pg->managed.where == WHERE_NONE && !page_owned(pg))
		return;
	if (pg->managed.where == WHERE_RESIDENT)
		known = count_resident(w, pg, handle);
	else
		known = walk_charge_swap(w, handle, PAGE_SIZE);
	if (known && is_cached(pg))
		known = walk_charge_swap(w, handle, PAGE_SIZE);
	if (!known)
		walk_say(w,
			 "managed page %u (kind %u, where %u): its owner word %#lx names no "
			 "handle in use",
			 index, pg->kind, pg->managed.where, (unsigned long)page_owner_word(pg));
}

int walk_managed(struct walk *w)
{
	w->chunk = UINT32_MAX;
	for (u32 i = w->region.managed; i < w->region.managed_end; i++) {
		const struct page *pg = page_of(w, i);

		if (!pg)
			return -EFAULT;
		count_page(w, i, pg);
	}
	w->chunk = UINT32_MAX;
	return 0;
}
