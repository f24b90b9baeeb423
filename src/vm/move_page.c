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
HOOK_DEFINE(move_halfway);

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

/* Of a page, of a moment. */
struct seen {
	unsigned where, flags;
	u64 entry;
};

/*
 * With the page lock exact, but for who lets go of a page that was dropped, without it: so the
 * flags first, by acquire (page_clear). Without the lock another is writing: the first pass takes
 * what it gets.
 */
static __racy_ struct seen see(const struct page *pg)
{
	struct seen s = {.flags = racy_load_acquire(&pg->managed.flags)};

	s.where = pg->managed.where;
	s.entry = pg->managed.entry;
	return s;
}

/*
 * Without the page lock the copy may go meanwhile, and its entry mean something else: so what it
 * names is read as an address that may lead anywhere, to a descriptor that is being written.
 */
static __racy_ u64 copy_cost(u64 entry)
{
	const void *copy = (const void *)entry;
	const struct page *slab;
	u32 size;

	if (!region_has(copy) || !region_opened(page_index(copy)))
		return ZSWAP_MAX;
	slab = page_head(page_index(copy));
	size = slab->slab.size;
	return slab->kind == PAGE_SLAB && size <= PAGE_SIZE ? slab_cost(size) : ZSWAP_MAX;
}

/* A page of the network has flags of its own, and is in memory as long as somebody has it. */
static bool is_net(const struct page *pg)
{
	return atomic_load(&pg->kind) == PAGE_NET;
}

static struct move_cost cost_of(struct seen s)
{
	bool cached = s.flags & MG_SWAPCACHED;

	switch (s.where) {
	case WHERE_RESIDENT: /* in the swap cache: swapped out and in memory at once */
		return (struct move_cost){.mem = PAGE_SIZE, .swap = cached ? PAGE_SIZE : 0};
	case WHERE_ZSWAP:
		return (struct move_cost){.mem = copy_cost(s.entry), .swap = PAGE_SIZE};
	default:
		return (struct move_cost){.swap = PAGE_SIZE};
	}
}

/* One that was dropped while somebody holds it is no page of the range any more. */
enum move_verdict move_look(const struct move *m, const struct page *pg, bool present,
			    struct move_cost *cost)
{
	struct seen s = see(pg);

	if (is_net(pg))
		s.flags = 0;
	if (s.where == WHERE_NONE || s.flags & MG_DROPPED)
		return MOVE_NOTHING;
	if (!present && page_mapped(pg))
		return MOVE_ELSEWHERE;
	if (!is_from(m, pg))
		return MOVE_NOT_OURS;
	if (s.where != WHERE_RESIDENT && atomic_load(&pg->kind) == PAGE_SHMEM)
		return MOVE_SWAPPED;
	*cost = cost_of(s);
	return MOVE_TAKE;
}

/* --- moving --------------------------------------------------------------------------------- */

static void change_owner(struct move *m, struct page *pg)
{
	(void)page_replace_objcg(pg, m->payer);
	page_moved(pg);
}

/* In memory. The lists are the only thing that finds a page without its object or a table. */
static bool move_resident(struct move *m, struct page *pg)
{
	enum lru_list list = page_delist(pg);

	if (!list)
		return false;
	page_tally_whole(pg, -(s64)PAGE_SIZE);
	HOOK(move_halfway);
	change_owner(m, pg);
	page_tally_whole(pg, PAGE_SIZE);
	page_putback(pg, list);
	return true;
}

/* On no list at all: its entry keeps it here, the page lock keeps other movers away. */
static bool move_net(struct move *m, struct page *pg)
{
	/* It is being received into. Pairs with net/fill.c: claimed, then found unlocked. */
	if (unlikely(atomic_load_seq(&pg->net.fill) == NET_FILL_WRITING))
		return false;
	stat_add(page_objcg(pg)->index, STAT_SOCK, -(s64)PAGE_SIZE);
	HOOK(move_halfway);
	change_owner(m, pg);
	stat_add(m->payer->index, STAT_SOCK, PAGE_SIZE);
	return true;
}

/* A compressed copy has an owner of its own, the page's, and a list; a damaged one is on none. */
static bool move_compressed(struct move *m, struct page *pg)
{
	enum lru_list list;

	if (zswap_recharge(pg->managed.entry, page_objcg(pg)->index, m->payer->index, true))
		return false;
	list = page_delist(pg);
	store_tally(pg, -1);
	change_owner(m, pg);
	store_tally(pg, 1);
	if (list)
		page_putback(pg, list);
	return true;
}

/* A word, or a slot of the swap file: whose it is says the page alone. */
static bool move_swapped(struct move *m, struct page *pg)
{
	change_owner(m, pg);
	return true;
}

bool move_page(struct move *m, struct page *pg, struct move_cost cost)
{
	struct handle *h = page_objcg(pg);
	bool moved;

	HOOK(move_chosen);
	switch (pg->managed.where) {
	case WHERE_RESIDENT:
		moved = is_net(pg) ? move_net(m, pg) : move_resident(m, pg);
		break;
	case WHERE_ZSWAP:
		moved = move_compressed(m, pg);
		break;
	default:
		moved = move_swapped(m, pg);
	}
	if (moved)
		move_spend(m, h, cost);
	return moved;
}

struct move_cost move_table_cost(const struct move *m, const struct page *t)
{
	return (struct move_cost){.mem = is_from(m, t) ? PAGE_SIZE : 0};
}

/* Nobody else changes a table's owner, and the window keeps the table. */
bool move_table(struct move *m, struct page *t)
{
	struct move_cost cost = move_table_cost(m, t);
	struct handle *h = page_objcg(t);

	if (!cost.mem || !move_charged(m, cost))
		return false;
	(void)page_replace_objcg(t, m->payer);
	stat_add(h->index, STAT_TABLE, -(s64)PAGE_SIZE);
	stat_add(m->payer->index, STAT_TABLE, PAGE_SIZE);
	move_spend(m, h, cost);
	return true;
}
