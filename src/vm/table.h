/*
 * table.h - our page tables: a page of 512 entries for each 2 MiB block that has something in it.
 *
 * 1. An entry is none, present (mapped: it names the page), swapped (not mapped, the page it names
 *    is not in memory or was unmapped to be evicted), or a hole (unmapped for good; while that is
 * under way it names the page).
 * 2. The table is a kernel-style page, charged to the group of the address space (`pagetables`),
 *    and freed with the window's others in batches when nobody is in the window any more.
 * 3. Its lock guards its entries and what the system maps at its addresses: an entry becomes
 * present in the section that also maps, and none before the section that unmaps ends or is
 * followed by the zap. A reader who meets a cleared slot of the array has met an unmapped block.
 */
#ifndef MEMCG_VM_TABLE_H
#define MEMCG_VM_TABLE_H

#include "base/hook.h"
#include "vm/window.h"

enum pte { PTE_NONE = 0, PTE_PRESENT = 1, PTE_SWAPPED = 2, PTE_HOLE = 3 };

static inline u64 pte_make(enum pte type, u32 page)
{
	return (u64)page << 2 | type;
}

static inline enum pte pte_type(u64 pte)
{
	return (enum pte)(pte & 3);
}

static inline struct page *pte_page(u64 pte)
{
	return page_at((u32)(pte >> 2));
}

static inline u64 *table_entries(const struct page *t)
{
	return page_address(t);
}

/* The block's table, made if need be and charged to handle; NULL: over max, or no memory. */
__hidden_ struct page *table_need(struct block *b, u32 handle);
HOOK_DECLARE(table_made); /* and is nobody's yet */

static inline void table_lock(struct page *t)
{
	task_paging_begin();
	lock_acquire(&t->table.lock);
}

static inline void table_unlock(struct page *t)
{
	lock_release(&t->table.lock);
	task_paging_end();
}

/* Whether page i is still the window's to map. Lock held. */
static inline bool table_stands(struct window *w, struct page *t, u32 i)
{
	struct block *b = block_at(window_address(w, i));

	/* Pairs with mark_block (mm.c), which clears the slot, then looks for the table. */
	return atomic_load_seq(&b->window) == w &&
	       pte_type(table_entries(t)[i % BLOCK_PAGES]) != PTE_HOLE;
}

static inline bool table_all_stand(struct window *w, struct page *t, u32 i, u32 n)
{
	for (u32 k = i; k < i + n; k++)
		if (!table_stands(w, t, k))
			return false;
	return true;
}

/* Lock held. */
static inline void table_set(struct page *t, u32 slot, u64 pte)
{
	u64 *e = &table_entries(t)[slot];

	t->table.used += (pte != 0) - (*e != 0);
	atomic_store(e, pte);
}

#endif
