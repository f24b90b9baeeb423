/* move_page.c - whether a page moves, and moving it. Theory in move.h. */
#include "vm/move.h"

#include "alloc/alloc.h"
#include "group/owner.h"
#include "vm/lists.h"
#include "vm/resident.h"
#include "vm/rmap.h"
#include "vm/store.h"
#include "vm/zswap.h"

HOOK_DEFINE(move_chosen);
HOOK_DEFINE(move_isolated);

/* --- the rule ---------------------------------------------------------------------------- */

/* Almost all are charged through the mm's own handle. */
static bool is_from(const struct move *m, const struct page *pg)
{
	struct rcu_reader *self = self_rcu();
	const struct handle *h;
	bool is;

	rcu_read_lock(self);
	h = page_objcg_check(pg);
	is = h && (h == m->old || handle_group(h) == handle_group(m->old));
	rcu_read_unlock(self);
	return is && h != m->payer;
}

/*
 * Without the page lock the copy may go meanwhile, and its entry mean something else: so what it
 * names is read as an address that may lead anywhere.
 */
static u64 copy_cost(u64 entry)
{
	const void *copy = (const void *)entry;
	const struct page *slab;
	u32 size;

	if (!region_has(copy) || !region_opened(page_index(copy)))
		return ZSWAP_MAX;
	slab = page_head(page_index(copy));
	size = atomic_load(&slab->slab.size);
	return atomic_load(&slab->kind) == PAGE_SLAB && size <= PAGE_SIZE ? slab_cost(size)
									  : ZSWAP_MAX;
}

static struct move_cost cost_of(const struct page *pg, unsigned where)
{
	u64 entry = atomic_load(&pg->managed.entry);

	switch (where) {
	case WHERE_RESIDENT: /* with a slot that it still has: swapped out and in memory at once */
		return (struct move_cost){.mem = PAGE_SIZE, .swap = entry ? PAGE_SIZE : 0};
	case WHERE_ZSWAP:
		return (struct move_cost){.mem = copy_cost(entry), .swap = PAGE_SIZE};
	default:
		return (struct move_cost){.swap = PAGE_SIZE};
	}
}

/* One that was dropped while somebody holds it is no page of the range any more. */
enum move_verdict move_look(const struct move *m, const struct page *pg, bool present,
			    struct move_cost *cost)
{
	unsigned where = atomic_load(&pg->managed.where);

	if (where == WHERE_NONE || atomic_load(&pg->managed.flags) & MG_DROPPED)
		return MOVE_NOTHING;
	if (!present && page_mapped(pg))
		return MOVE_ELSEWHERE;
	if (!is_from(m, pg))
		return MOVE_NOT_OURS;
	*cost = cost_of(pg, where);
	return MOVE_TAKE;
}

/* --- moving --------------------------------------------------------------------------------- */

/* In memory. The lists are the only thing that finds a page without its object or a table. */
static bool move_resident(struct move *m, struct page *pg)
{
	enum lru_list list = page_delist(pg);

	if (!list)
		return false;
	HOOK(move_isolated);
	page_tally_whole(pg, -(s64)PAGE_SIZE);
	(void)page_replace_objcg(pg, m->payer);
	page_tally_whole(pg, PAGE_SIZE);
	page_putback(pg, list);
	return true;
}

/* Not in memory. A compressed copy has an owner of its own, which is the page's. */
static bool move_copy(struct move *m, struct page *pg)
{
	u32 from = page_objcg(pg)->index;

	if (pg->managed.where == WHERE_ZSWAP &&
	    zswap_recharge(pg->managed.entry, from, m->payer->index, true))
		return false;
	store_tally(pg, -1);
	(void)page_replace_objcg(pg, m->payer);
	store_tally(pg, 1);
	return true;
}

bool move_page(struct move *m, struct page *pg, struct move_cost cost)
{
	struct handle *h = page_objcg(pg);
	bool moved;

	HOOK(move_chosen);
	moved = pg->managed.where == WHERE_RESIDENT ? move_resident(m, pg) : move_copy(m, pg);
	if (moved)
		move_spend(m, h, cost);
	return moved;
}

/* Nobody else changes a table's owner, and the window keeps the table. */
bool move_table(struct move *m, struct page *t)
{
	struct move_cost cost = {.mem = PAGE_SIZE};
	struct handle *h = page_objcg(t);

	if (!is_from(m, t) || !move_charged(m, cost))
		return false;
	(void)page_replace_objcg(t, m->payer);
	stat_add(h->index, STAT_TABLE, -(s64)PAGE_SIZE);
	stat_add(m->payer->index, STAT_TABLE, PAGE_SIZE);
	move_spend(m, h, cost);
	return true;
}
