/* rmap.c - the count of mappings, and finding them. Theory in rmap.h. */
#include "vm/rmap.h"

#include "count/stat.h"
#include "group/handle.h"
#include "group/task.h"
#include "vm/dirty.h"
#include "vm/mech.h"

/* --- counting ------------------------------------------------------------------------ */

static void settle(struct mapped_run *run)
{
	if (run->bytes)
		stat_add(run->owner, STAT_FILE_MAPPED, run->bytes);
	run->bytes = 0;
}

void mapped_run_begin(struct mapped_run *run)
{
	*run = (struct mapped_run){.self = self_rcu()};
	rcu_read_lock(run->self);
}

void mapped_run_end(struct mapped_run *run)
{
	settle(run);
	rcu_read_unlock(run->self);
}

/* Anonymous pages are counted by being in memory, those of the network by being out. */
static void count_mapped(struct mapped_run *run, unsigned kind, const struct handle *owner,
			 s64 bytes)
{
	if (kind == PAGE_ANON || kind == PAGE_NET)
		return;
	if (run->owner != owner->index)
		settle(run);
	run->owner = owner->index;
	run->bytes += bytes;
}

/*
 * The count of an anonymous page's mappings can only leave 0 here: what the page is of is written
 * down now, whatever way brought it in.
 */
void rmap_add(struct page *pg, struct object *o, u32 index, struct mapped_run *run)
{
	bool first = (u32)atomic_add(&pg->maps, 1ul) == 1;

	ASSERT(page_locked(pg));
	if (first) {
		count_mapped(run, pg->kind, page_objcg(pg), PAGE_SIZE);
		pg->managed.object = o;
		pg->managed.index = index;
	}
	BUG_ON(pg->managed.object != o || pg->managed.index != index);
}

HOOK_DEFINE(owner_read);

/* Pairs with page_moved: a move between the two loads of a round makes the exchange fail. */
void rmap_remove(struct page *pg, struct mapped_run *run)
{
	/* While it is mapped: when it is not, it may be evicted, and be nothing. */
	unsigned kind = atomic_load(&pg->kind);
	const struct handle *owner;
	u64 maps = atomic_load_acquire(&pg->maps);

	do {
		BUG_ON(!(u32)maps);
		owner = page_objcg_rcu(pg);
		HOOK(owner_read);
	} while (!atomic_cas(&pg->maps, &maps, maps - 1));
	if ((u32)maps == 1)
		count_mapped(run, kind, owner, -(s64)PAGE_SIZE);
}

/* --- from a page to its mappings --------------------------------------------------------- */

/*
 * Takes the page out of the window's table, if it is in it; with a reference of the window then. It
 * is taken in the same section: an entry that is present keeps the window mapped, one that is not
 * does not, and munmap may be through with it before we look again.
 */
static bool unmap_in(struct window *w, struct page *pg, uintptr_t *addr)
{
	u32 i = pg->managed.index - w->offset, slot = i % BLOCK_PAGES;
	struct mapped_run run;
	struct page *t;
	bool was;

	*addr = window_address(w, i);
	t = atomic_load_acquire(&block_at(*addr)->table);
	if (!t)
		return false;
	table_lock(t);
	was = table_entries(t)[slot] == pte_make(PTE_PRESENT, page_to_index(pg));
	if (was) {
		BUG_ON(!window_tryget(w));
		table_set(t, slot, pte_make(PTE_SWAPPED, page_to_index(pg)));
		mapped_run_begin(&run);
		rmap_remove(pg, &run);
		mapped_run_end(&run);
	}
	table_unlock(t);
	return was;
}

static bool shows(const struct window *w, u32 index)
{
	return index >= w->offset && index - w->offset < w->npages;
}

static void zap_add(struct zap *z, struct window *w, uintptr_t addr)
{
	struct span *last = z->n ? &z->span[z->n - 1] : NULL;

	if (last && z->window[z->n - 1] == w && (uintptr_t)last->at + last->len == addr) {
		last->len += PAGE_SIZE;
		window_put(w); /* one for the run is enough; never the last */
		return;
	}
	z->span[z->n] = (struct span){(void *)addr, PAGE_SIZE};
	z->window[z->n++] = w;
}

HOOK_DEFINE(unmapped_in);

/* The object's lock keeps every window on the list, and a window on the list has its tables. */
bool rmap_unmap(struct page *pg, struct zap *z)
{
	struct object *o = pg->managed.object;
	struct list *at;
	uintptr_t addr;

	if (!page_mapped(pg))
		return true;
	lock_acquire(&o->lock);
	list_for_each(at, &o->windows)
	{
		struct window *w = list_entry(at, struct window, of_object);

		if (zap_full(z) || !page_mapped(pg))
			break;
		if (!shows(w, pg->managed.index) || !unmap_in(w, pg, &addr))
			continue;
		HOOK(unmapped_in);
		zap_add(z, w, addr);
	}
	lock_release(&o->lock);
	return !zap_full(z) || !page_mapped(pg);
}

/* What is behind the end of a file is mapped nowhere again: its memory is punched next. */
static bool may_be_mapped(const struct window *w, u32 i)
{
	return w->offset + i < atomic_load_seq(&w->object->limit);
}

/*
 * Page i, locked, was to be taken out of the window and was not. The entry says so again; but not
 * where somebody has made it a hole meanwhile, whose addresses go (mm.c).
 */
static void stays_in(struct window *w, u32 i)
{
	struct page *t = atomic_load_acquire(&block_at(window_address(w, i))->table);
	struct page *pg = window_page(w, i);
	u32 slot = i % BLOCK_PAGES, page = page_to_index(pg);
	struct mapped_run run;

	table_lock(t);
	if (table_entries(t)[slot] == pte_make(PTE_SWAPPED, page) && may_be_mapped(w, i)) {
		table_set(t, slot, pte_make(PTE_PRESENT, page));
		mapped_run_begin(&run);
		rmap_add(pg, w->object, w->offset + i, &run);
		mapped_run_end(&run);
	}
	table_unlock(t);
}

/* Something was refused: what, is told one by one. */
static void zap_each(struct zap *z)
{
	for (unsigned k = 0; k < z->n; k++) {
		struct window *w = z->window[k];
		u32 i = window_index(w, (uintptr_t)z->span[k].at);
		u32 end = i + (u32)(z->span[k].len >> PAGE_SHIFT);

		if (!mech_zap(&z->span[k], 1))
			continue;
		for (; i < end; i++)
			stays_in(w, i);
	}
}

HOOK_DEFINE(zap_pending);

void zap_flush(struct zap *z)
{
	if (!z->n)
		return;
	HOOK(zap_pending);
	if (unlikely(mech_zap(z->span, z->n)))
		zap_each(z);
	for (unsigned i = 0; i < z->n; i++) {
		dirty_after_zap(z->window[i], (uintptr_t)z->span[i].at, z->span[i].len);
		window_put_later(z->window[i]);
	}
	z->n = 0;
}
