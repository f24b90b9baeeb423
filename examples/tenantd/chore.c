/* chore.c - see chore.h. */
#include "chore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

#define STEP 256 /* entries: some 50 us */

struct chore {
	struct store gone;
	struct tenant *tenant; /* a reference; NULL: gone is to be freed */
	uint64_t cursor;
	SLIST_ENTRY(chore) list;
};

static _Thread_local SLIST_HEAD(, chore) chores;

/* ---- moving ---- */

/* The rest of its page is another value's, or a reply's on its way: the piece gets one of its own.
 */
static int copy_piece(struct memcg_frag *f, struct memcg *to)
{
	struct memcg_frag copy;
	ssize_t n = memcg_pool_alloc(server.pool, to, &copy, 1);

	if (n < 0)
		return (int)n;
	copy.length = f->length;
	memcpy(memcg_page_address(copy.page), frag_bytes(f), f->length);
	memcg_frags_put(f, 1);
	*f = copy;
	return 0;
}

static int move_piece(struct memcg_frag *f, struct memcg *to)
{
	struct memcg *owner = memcg_page_owner(f->page);
	int err =
		owner == to ? 0 : memcg_frag_recharge(f, to); /* or it came since the move began */

	memcg_put(owner);
	return err == -EBUSY ? copy_piece(f, to) : err;
}

static int move_entry(struct entry *e, struct memcg *to)
{
	int err = memcg_recharge(e, to);

	for (uint32_t i = 0; i < e->pieces && !err; i++)
		if (e->piece[i].page)
			err = move_piece(&e->piece[i], to);
	return err;
}

/* What does not fit there is let go: its charge must not stay behind. */
static size_t visit(struct entry *e, void *tenant)
{
	struct tenant *t = tenant;

	if (move_entry(e, t->cg))
		store_set_expiry(&t->store, e, 1);
	return 1;
}

static void end_move(struct tenant *t)
{
	struct memcg_shrinker *shrinker = t->shrinker_from;
	struct memcg *from = t->from;

	if (t->store.table)
		memcg_recharge(t->store.table, t->cg);
	if (t->store.old)
		memcg_recharge(t->store.old, t->cg);
	t->from = NULL;
	tenant_unlock(t);
	/* With no lock held: a call of it that is running may be waiting for ours. */
	memcg_shrinker_unregister(shrinker);
	memcg_destroy(from);
}

static bool move_step(struct chore *c)
{
	struct tenant *t = c->tenant;

	tenant_lock(t);
	if (!tenant_is_dropped(t) &&
	    (c->cursor = store_scan(&t->store, c->cursor, STEP, visit, t))) {
		tenant_unlock(t);
		return true;
	}
	end_move(t);
	tenant_put(t);
	return false;
}

/* ---- the list ---- */

static bool chore_step(struct chore *c)
{
	return c->tenant ? move_step(c) : store_free_some(&c->gone, STEP);
}

static void chore_add(struct chore c)
{
	struct chore *new = malloc(sizeof(*new));

	if (new) {
		*new = c;
		SLIST_INSERT_HEAD(&chores, new, list);
		return;
	}
	while (chore_step(&c))
		;
}

void chore_free(struct store *gone)
{
	gone->random = 0; /* where store_free_some is at */
	chore_add((struct chore){.gone = *gone});
}

void chore_move(struct tenant *t)
{
	chore_add((struct chore){.tenant = tenant_get(t)});
}

bool chores_step(void)
{
	struct chore *c, *next;

	for (c = SLIST_FIRST(&chores); c; c = next) {
		next = SLIST_NEXT(c, list);
		if (chore_step(c))
			continue;
		SLIST_REMOVE(&chores, c, chore, list);
		free(c);
		tenants_trim();
	}
	return !SLIST_EMPTY(&chores);
}
