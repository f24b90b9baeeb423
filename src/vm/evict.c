/*
 * evict.c - pages leave memory, in batches because of what an unmapping costs: an interrupt of
 * every other CPU, for one page or for hundreds.
 *
 *	entries cleared under table locks	who touches the page now faults, and waits for it
 *	one zap for all addresses		no CPU reaches the pages after it
 *	count frozen, 1 -> 0			nobody else has the page, nor can get it
 *	copy made from the alias, charged as swap
 *	uncharged; one punch for each run of neighbours
 *	unlocked				a fault finds the copy
 *
 * A page that fails a step goes back on its list as it was, but unmapped. The lock is held from
 * before the first step until after the last.
 */
#include "alloc/alloc.h"
#include "group/owner.h"
#include "group/vm.h"
#include "vm/dirty.h"
#include "vm/file.h"
#include "vm/lists.h"
#include "vm/mech.h"
#include "vm/reclaim.h"
#include "vm/resident.h"
#include "vm/rmap.h"
#include "vm/store.h"
#include "vm/swapfile.h"

void pages_take_out(struct page **pages, unsigned n)
{
	struct zap z = {.n = 0};

	for (unsigned i = 0; i < n; i++)
		while (!rmap_unmap(pages[i], &z))
			zap_flush(&z);
	zap_flush(&z);
}

static void put_back(struct page *pg)
{
	page_enlist(pg);
	page_unlock(pg);
}

/* Nobody else has the page, and its place in swap is charged: it can go. */
static bool evict_begin(struct page *pg)
{
	BUG_ON(!pg->managed.object); /* its first mapping, or its coming in, has set it */
	if (pg->kind == PAGE_FILE)
		return file_page_leave(pg);
	if (page_mapped(pg) || !page_freeze(pg))
		return false; /* mapped: a window of it is being unmapped this moment */
	if (pg->managed.flags & MG_SWAPCACHED || swap_charge(page_objcg(pg), PAGE_SIZE))
		return true;
	page_thaw(pg);
	return false;
}

/* It was read ahead and nobody came for it: what is in the file is it. */
static bool page_has_copy(struct page *pg)
{
	if (!(pg->managed.flags & MG_SWAPCACHED))
		return false;
	atomic_store(&pg->managed.where, (u8)WHERE_SWAP);
	return true;
}

static void evict_cancel(struct page *pg)
{
	struct rcu_reader *self = self_rcu();

	swap_uncharge(page_objcg(pg), PAGE_SIZE);
	page_thaw(pg);
	rcu_read_lock(self);
	group_swap_event(page_memcg_rcu(pg), SWAP_FAIL);
	rcu_read_unlock(self);
	put_back(pg);
}

/* Pages that did not compress: to the file, a cluster at a time. Those that go are in gone[]. */
static void evict_to_file(struct page **pages, unsigned n, struct page **gone, unsigned *ngone)
{
	for (unsigned i = 0, done, batch; i < n; i += batch) {
		batch = MIN(n - i, SWAP_CLUSTER);
		done = store_write(pages + i, batch);
		for (unsigned k = i; k < i + batch; k++)
			if (k < i + done)
				gone[(*ngone)++] = pages[k];
			else
				evict_cancel(pages[k]);
	}
}

/* Neighbours go with one call: whoever chose the pages has them in the order of their addresses. */
static void punch_runs(struct page **pages, unsigned n)
{
	for (unsigned i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && pages[k] == pages[k - 1] + 1; k++)
			;
		managed_punch(page_to_index(pages[i]), k - i);
	}
}

static void sort(struct page **pages, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct page *pg = pages[i];
		unsigned k = i;

		for (; k && pages[k - 1] > pg; k--)
			pages[k] = pages[k - 1];
		pages[k] = pg;
	}
}

static void page_gone(struct page *pg)
{
	if (pg->kind == PAGE_FILE) {
		file_page_gone(pg);
		return;
	}
	page_evicted(pg->managed.object, pg);
	if (pg->managed.where == WHERE_ZSWAP && store_may_write(pg))
		page_enlist_copy(pg);
}

/*
 * The array is used for three: what is not looked at yet, behind it; what has a copy, from its
 * begin; and what has to be written, on the stack, a cluster at a time.
 */
u64 evict_pages(struct page **pages, unsigned n)
{
	struct page *to_file[SWAP_CLUSTER];
	unsigned gone = 0, writing = 0;

	sort(pages, n); /* mostly in order: neighbours were touched one after the other */
	pages_take_out(pages, n);
	file_write_pages(pages, n);
	for (unsigned i = 0; i < n; i++) {
		struct page *pg = pages[i];

		if (!evict_begin(pg))
			put_back(pg);
		else if (pg->kind == PAGE_FILE || page_has_copy(pg))
			pages[gone++] = pg;
		else if (!store_compress(pg))
			pages[gone++] = pg;
		else if (store_may_write(pg))
			to_file[writing++] = pg;
		else
			evict_cancel(pg);
		if (writing == SWAP_CLUSTER || (writing && i + 1 == n)) {
			evict_to_file(to_file, writing, pages, &gone);
			writing = 0;
		}
	}
	for (unsigned i = 0; i < gone; i++)
		page_gone(pages[i]);
	sort(pages, gone);
	punch_runs(pages, gone);
	for (unsigned i = 0; i < gone; i++)
		page_unlock(pages[i]);
	windows_reap();
	return (u64)gone << PAGE_SHIFT;
}

/* --- by address ------------------------------------------------------------------------- */

static bool claim(struct page *pg)
{
	if (atomic_load(&pg->managed.where) != WHERE_RESIDENT || !page_trylock(pg, PAGE_EVICTING))
		return false;
	if (pg->managed.where == WHERE_RESIDENT && atomic_load(&pg->managed.list) &&
	    !page_pinned(pg))
		return true;
	page_unlock(pg);
	return false;
}

static unsigned claim_range(struct window *w, u32 *i, u32 end, struct page **out)
{
	unsigned n = 0;

	for (; *i < end && n < EVICT_MAX; ++*i)
		if (claim(window_page(w, *i)))
			out[n++] = window_page(w, *i);
	return n;
}

void pages_evict(struct window *w, u32 i, u32 n)
{
	struct page *pages[EVICT_MAX];
	u32 end = i + n;

	while (i < end) {
		unsigned got = claim_range(w, &i, end, pages);

		for (unsigned k = 0; k < got; k++)
			page_delist(pages[k]);
		evict_pages(pages, got);
	}
}

void pages_deactivate(struct window *w, u32 i, u32 n)
{
	struct page *pages[EVICT_MAX];
	u32 end = i + n;

	while (i < end) {
		unsigned got = claim_range(w, &i, end, pages);

		pages_take_out(pages, got);
		for (unsigned k = 0; k < got; k++) {
			page_make_old(pages[k]);
			page_unlock(pages[k]);
		}
		windows_reap();
	}
}

/* Mapped, and somebody relies on that: who pins a page does it before he maps it (fault.c). */
static bool stays_mapped(const struct page *t, u32 i)
{
	u64 pte = table_entries(t)[i % BLOCK_PAGES];

	return pte_type(pte) == PTE_PRESENT && page_pinned(pte_page(pte));
}

/*
 * Without page locks, so the system's mapping goes first, in the section of the table lock: who
 * finds the page unmapped, under its lock, may rely on it. What the system keeps, stays.
 */
static int unmap_run(struct window *w, struct page *t, u32 i, u32 n)
{
	struct span span = {(void *)window_address(w, i), (size_t)n << PAGE_SHIFT};
	u32 slot = i % BLOCK_PAGES;
	struct mapped_run run;
	int err = mech_zap(&span, 1);

	if (unlikely(err))
		return err;
	dirty_when_zapped(w, t, i, n);
	mapped_run_begin(&run);
	for (u32 end = slot + n; slot < end; slot++) {
		u64 pte = table_entries(t)[slot];

		if (pte_type(pte) != PTE_PRESENT)
			continue;
		table_set(t, slot, PTE_NONE);
		rmap_remove(pte_page(pte), &run);
	}
	mapped_run_end(&run);
	return 0;
}

/* What is not pinned of n pages of one block. */
static int unmap_block(struct window *w, u32 i, u32 n)
{
	struct page *t = atomic_load_acquire(&block_at(window_address(w, i))->table);
	int err = 0, one;

	if (!t)
		return 0;
	table_lock(t);
	for (u32 end = i + n, k = i; i < end; i = ++k) {
		while (k < end && !stays_mapped(t, k))
			k++;
		one = k > i ? unmap_run(w, t, i, k - i) : 0;
		err = err ? err : one;
	}
	table_unlock(t);
	return err;
}

int pages_unmap(struct window *w, u32 i, u32 n)
{
	int err = 0, one;

	for (u32 end = i + n, step; i < end; i += step) {
		step = block_step(i, end);
		one = unmap_block(w, i, step);
		err = err ? err : one;
		dirty_after_cut(w, i, step);
	}
	return err;
}
