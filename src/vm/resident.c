/* resident.c - in and out of memory. Theory in resident.h. */
#include "vm/resident.h"

#include <errno.h>

#include "alloc/alloc.h"
#include "group/vm.h"
#include "vm/dirty.h"
#include "vm/file.h"
#include "vm/lists.h"
#include "vm/rmap.h"
#include "vm/store.h"
#include "vm/swapfile.h"
#include "vm/workingset.h"

#define READ_AHEAD 8u /* pages read at one go, with the one that is needed */

/* --- counting ------------------------------------------------------------------------ */

static void count_kind(u32 handle, unsigned kind, s64 bytes)
{
	if (kind == PAGE_ANON) {
		stat_add(handle, STAT_ANON, bytes);
		return;
	}
	stat_add(handle, STAT_FILE, bytes);
	if (kind == PAGE_SHMEM)
		stat_add(handle, STAT_SHMEM, bytes);
}

void page_tally(const struct page *pg, s64 bytes)
{
	count_kind(page_objcg(pg)->index, pg->kind, bytes);
}

void page_tally_whole(const struct page *pg, s64 bytes)
{
	u32 h = page_objcg(pg)->index;

	page_tally(pg, bytes);
	if (pg->kind != PAGE_ANON && page_mapped(pg))
		stat_add(h, STAT_FILE_MAPPED, bytes);
	if (pg->kind == PAGE_FILE && pg->managed.flags & MG_DIRTY)
		stat_add(h, STAT_FILE_DIRTY, bytes);
	if (pg->managed.flags & MG_SWAPCACHED)
		stat_add(h, STAT_SWAPCACHED, bytes);
}

/* --- charges ------------------------------------------------------------------------------ */

/* As the loop of every allocation, save that nothing of the program's runs. */
bool page_charge(u32 handle)
{
	struct retry r = RETRY(MEMCG_RESERVE | CHARGE_OWN);
	unsigned flags = 0;

	while (!charge_pages(handle, PAGE_SIZE, flags)) {
		if (!charge_again(&r))
			return false;
		flags = r.flags & CHARGE_FORCE;
	}
	return true;
}

static u8 kind_of(const struct object *o)
{
	static const u8 kind[] = {
		[OBJECT_ANON] = PAGE_ANON, [OBJECT_SHMEM] = PAGE_SHMEM, [OBJECT_FILE] = PAGE_FILE};

	return kind[o->kind];
}

/* It has memory and is charged: what follows for the descriptor. Published by the count. */
static void settle(struct object *o, struct page *pg, u32 index)
{
	atomic_store(&pg->kind, kind_of(o));
	pg->npages = 1;
	atomic_store(&pg->managed.where, (u8)WHERE_RESIDENT);
	pg->managed.flags = 0;
	if (o->kind != OBJECT_ANON) {
		pg->managed.object = o;
		pg->managed.index = index;
	}
	atomic_add_relaxed(&o->resident, 1u);
	page_tally(pg, PAGE_SIZE);
	page_thaw(pg);
}

/* Charged, but what was to come into its memory did not: part of it may have. */
static void unsettle(struct page *pg)
{
	managed_punch(page_to_index(pg), 1);
	uncharge_pages(page_objcg(pg)->index, PAGE_SIZE);
}

void page_settle(struct object *o, u32 index, u32 handle)
{
	struct page *pg = object_page(o, index);

	pg->managed.entry = 0;
	page_set_objcg(pg, handle_of(handle), 0);
	settle(o, pg, index);
}

/* --- coming in ------------------------------------------------------------------------------ */

/* The owner of a copy pays for the page again, whoever touches it. */
static int bring_back(struct object *o, u32 index)
{
	struct page *pg = object_page(o, index);
	struct workingset was = workingset_of(pg);
	u32 payer = page_objcg(pg)->index;
	int err = 0;

	if (!page_charge(payer))
		return -ENOMEM;
	/* Either fills the alias, which brings the memory. */
	if (pg->managed.where == WHERE_SWAP && pages_read_ahead(o, index))
		store_drop(pg);
	else
		err = store_load(pg);
	if (err) {
		unsettle(pg);
		return err;
	}
	swap_uncharge(handle_of(payer), PAGE_SIZE);
	settle(o, pg, index);
	workingset_refault(pg, was);
	return 0;
}

/* --- the swap cache -------------------------------------------------------------------------- */

static bool is_cached(const struct page *pg)
{
	return pg->managed.where == WHERE_RESIDENT && pg->managed.flags & MG_SWAPCACHED;
}

static void leave_cache(struct page *pg, struct handle *h)
{
	stat_add(h->index, STAT_SWAPCACHED, -(s64)PAGE_SIZE);
	pg->managed.flags &= (u8)~MG_SWAPCACHED;
	pg->managed.entry = 0;
}

void page_uncache(struct page *pg)
{
	struct handle *h = page_objcg(pg);
	u32 slot = (u32)pg->managed.entry;

	if (!is_cached(pg))
		return;
	leave_cache(pg, h);
	swap_free(slot);
	swap_uncharge(h, PAGE_SIZE);
}

/* A neighbour that has been read: in memory, and in the file still. */
static void settle_cached(struct object *o, struct page *pg, u32 index)
{
	struct workingset was = workingset_of(pg);
	u64 slot = pg->managed.entry;

	settle(o, pg, index);
	pg->managed.object = o;
	pg->managed.index = index;
	pg->managed.entry = slot;
	pg->managed.flags |= MG_SWAPCACHED;
	stat_add(page_objcg(pg)->index, STAT_SWAPCACHED, PAGE_SIZE);
	workingset_refault(pg, was);
	page_relist(pg, pg->managed.flags & MG_WORKINGSET);
}

/* The neighbour of i by d pages lies d slots from it in the file: locked, and charged if it is. */
static bool take_neighbour(struct object *o, u32 i, s32 d)
{
	struct page *pg = object_page(o, i), *near;

	if ((s64)i + d < 0 || i + (u32)d >= o->npages)
		return false;
	near = object_page(o, i + (u32)d);
	if (atomic_load(&near->managed.where) != WHERE_SWAP || !page_trylock(near, PAGE_BUSY))
		return false;
	if (near->managed.where == WHERE_SWAP &&
	    near->managed.entry == (u64)((s64)pg->managed.entry + d) &&
	    charge_pages(page_objcg(near)->index, PAGE_SIZE, MEMCG_NOWAIT | CHARGE_ONCE))
		return true;
	charge_forgive(); /* nothing was asked for */
	page_unlock(near);
	return false;
}

/* What was read of a neighbour is settled, what was not is as it was. */
static void end_neighbour(struct object *o, struct page *pg, u32 index, bool there)
{
	if (there)
		settle_cached(o, pg, index);
	else
		unsettle(pg);
	page_unlock(pg);
}

/* Nothing is reclaimed for what may not be needed: a neighbour that does not fit ends the run. */
bool pages_read_ahead(struct object *o, u32 i)
{
	struct page *run[READ_AHEAD];
	s32 from = 0, to = 1;
	u32 there;

	while (to - from < (s32)READ_AHEAD / 2 && take_neighbour(o, i, from - 1))
		from--;
	while (to - from < (s32)READ_AHEAD && take_neighbour(o, i, to))
		to++;
	if (to - from == 1)
		return false;
	for (s32 d = from; d < to; d++)
		run[d - from] = object_page(o, i + (u32)d);
	there = store_read_run(run, (unsigned)(to - from));
	for (s32 d = from; d < to; d++)
		if (d)
			end_neighbour(o, run[d - from], i + (u32)d, there >> (d - from) & 1);
	return there >> -from & 1;
}

int page_bring(struct object *o, u32 index, u32 handle, bool *major)
{
	struct page *pg = object_page(o, index);

	*major = false;
	switch (pg->managed.where) {
	case WHERE_RESIDENT:
		return 0;
	case WHERE_NONE:
		if (o->kind != OBJECT_FILE)
			return pages_bring_new(o, index, 1, handle);
		*major = true;
		return file_bring(o, index, handle);
	default:
		*major = true;
		return bring_back(o, index);
	}
}

/* One page is needed. Several may come one by one: nothing is reclaimed for all, nor refused. */
static bool charge_new(u32 handle, u32 n)
{
	if (n == 1)
		return page_charge(handle);
	if (charge_pages(handle, (u64)n << PAGE_SHIFT, MEMCG_NOWAIT | CHARGE_ONCE))
		return true;
	charge_forgive();
	return false;
}

int pages_bring_new(struct object *o, u32 index, u32 n, u32 handle)
{
	if (!charge_new(handle, n))
		return -ENOMEM;
	if (managed_fill(o->first + index, n)) {
		uncharge_pages(handle, (u64)n << PAGE_SHIFT);
		return -ENOMEM;
	}
	for (u32 i = index; i < index + n; i++)
		page_settle(o, i, handle);
	return 0;
}

/* --- going away ------------------------------------------------------------------------------- */

static void forget_copy(struct page *pg)
{
	struct handle *h = page_objcg(pg);

	store_drop(pg);
	page_clear_objcg(pg);
	swap_uncharge(h, PAGE_SIZE);
}

HOOK_DEFINE(page_clearing);

/* As it was before it ever had content. */
static void page_clear(struct page *pg)
{
	atomic_store(&pg->kind, (u8)PAGE_NONE);
	pg->npages = 0;
	pg->managed.entry = 0;
	pg->managed.object = NULL;
	pg->managed.index = 0;
	pg->managed.shadow = 0;
	atomic_store(&pg->managed.written, (u8)0);
	/* Last, and the flags after all: page_left has no page lock, MG_DROPPED is what keeps
	 * others away until then. Release: pairs with who looks at the flags first. */
	atomic_store_release(&pg->managed.where, (u8)WHERE_NONE);
	HOOK(page_clearing);
	atomic_store_release(&pg->managed.flags, (u8)0);
}

/* page_ops: also of a page that was dropped while somebody held it. */
static void leave(struct handle *h, unsigned kind, u64 bytes)
{
	count_kind(h->index, kind, -(s64)bytes);
}

void page_forget(struct object *o, struct page *pg)
{
	struct handle *h = page_objcg_check(pg);

	BUG_ON(page_count(pg) || page_mapped(pg));
	page_uncache(pg);
	if (pg->managed.where == WHERE_RESIDENT) {
		page_clean(pg); /* whatever it is: it is nowhere from now on */
		page_clear_objcg(pg);
		leave(h, pg->kind, PAGE_SIZE);
		pages_uncharge(h, PAGE_SIZE);
		atomic_add_relaxed(&o->resident, -1u);
	} else if (pg->managed.where != WHERE_NONE) {
		forget_copy(pg);
	}
	page_clear(pg);
}

/*
 * A copy has been made and charged; what the page was of is forgotten, so that only a mapping, or
 * its next coming in, says it again.
 */
void page_evicted(struct object *o, struct page *pg)
{
	u32 payer = page_objcg(pg)->index;

	workingset_keep(pg, workingset_left(pg));
	page_tally(pg, -(s64)PAGE_SIZE);
	uncharge_pages(payer, PAGE_SIZE);
	atomic_add_relaxed(&o->resident, -1u);
	if (pg->managed.flags & MG_SWAPCACHED)
		stat_add(payer, STAT_SWAPCACHED, -(s64)PAGE_SIZE);
	pg->managed.flags &= MG_WORKINGSET;
	pg->managed.object = NULL;
	pg->managed.index = 0;
}

/*
 * The last one who held a page that its object had dropped. Of any other page the object's own
 * reference is left: somebody has given back one that he did not have.
 */
static void page_left(struct page *pg)
{
	struct object *o = pg->managed.object;

	ASSERT(!lock_holds_any());
	if (unlikely(!(pg->managed.flags & MG_DROPPED)))
		memcg_bug("a page of managed memory is unpinned and was not pinned (%p)",
			  page_address(pg));
	managed_punch(page_to_index(pg), 1);
	atomic_add_relaxed(&o->resident, -1u);
	page_clear(pg);
	object_put(o);
}

void object_init(void)
{
	static const struct page_ops managed = {
		.leave = leave, .uncharge = pages_uncharge, .release = page_left};

	page_ops[PAGE_ANON] = page_ops[PAGE_FILE] = page_ops[PAGE_SHMEM] = managed;
}
