/*
 * steps.c - what a worker does in a step, and how often for each mix. MIX_MEMORY is objects, owners
 * and groups; MIX_LIMITS is a tree that is always short of memory; MIX_ALL is everything.
 */
#include "groups.h"
#include "item.h"
#include "life.h"
#include "limits.h"
#include "onlook.h"
#include "pages.h"
#include "pipes.h"
#include "pools.h"
#include "shrinkers.h"
#include "torture.h"

static void few_objects(struct chance *c)
{
	for (unsigned i = 0; i < 20; i++) {
		struct item *it = item_object(item_size(c), c);

		if (it)
			onlook_note(it->p);
		item_pass_on(it, c);
	}
}

static void few_of_any(struct chance *c)
{
	for (unsigned i = 0; i < 16; i++) {
		struct item *it = item_any(c);

		if (it && it->size)
			onlook_note(it->p);
		if (it)
			item_look(it, c);
		item_pass_on(it, c);
	}
}

/* Many of one size: the group becomes hot on this thread. Every third stays for others to free. */
static void burst(struct chance *c)
{
	size_t size = 24 + below(c, 400);
	struct item *it[1000];

	for (unsigned i = 0; i < ARRAY_SIZE(it); i++)
		it[i] = item_object(size, c);
	for (unsigned i = 0; i < ARRAY_SIZE(it); i++)
		if (i % 3)
			item_free(it[i]);
		else
			item_pass_on(it[i], c);
}

static void move_charges(struct chance *c)
{
	for (unsigned i = 0; i < 24; i++) {
		struct item *it = item_take(c);

		if (!it)
			continue;
		item_look(it, c);
		item_recharge(it, c);
		item_look(it, c);
		if (item_split(it, c))
			continue;
		if (one_in(c, 2))
			item_regrow(it, c);
		item_pass_on(it, c);
	}
}

/* Nothing of the world outside: what is taken is charged elsewhere than where the thread is. */
static void elsewhere(struct chance *c)
{
	for (unsigned i = 0; i < 12; i++) {
		struct memcg *cg = group_random(c);

		item_pass_on(item_object_in(cg, item_size(c), 0, c), c);
		memcg_put(cg);
	}
}

static void group_works(struct chance *c)
{
	for (unsigned i = 0; i < 6; i++)
		group_flip(c, false);
	group_destroy_again(c);
	group_data(c);
}

static const struct op {
	const char *name;
	void (*run)(struct chance *c);
	u8 weight[MIX_NR]; /* all, memory, limits */
	bool limits;	   /* not without them */
} ops[] = {
	{"few objects", few_objects, {24, 48, 4}, false},
	{"few of any", few_of_any, {12, 8, 6}, false},
	{"burst", burst, {8, 8, 0}, false},
	{"move charges", move_charges, {10, 8, 4}, false},
	{"elsewhere", elsewhere, {6, 4, 4}, false},
	{"groups", group_works, {8, 4, 2}, false},
	{"shared pages", pages_shared, {6, 4, 2}, false},
	{"replace pages", pages_replace, {4, 2, 1}, false},
	{"page batch", pages_batch, {4, 2, 1}, false},
	{"pool pages", pool_pages, {8, 8, 4}, false},
	{"pool renew", pool_renew, {2, 2, 1}, false},
	{"pipe write", pipe_write_some, {8, 4, 2}, false},
	{"pipe read", pipe_read_some, {8, 4, 2}, false},
	{"pipe wait", pipe_wait, {1, 1, 1}, false},
	{"pipe renew", pipe_renew, {1, 1, 1}, false},
	{"thread", life_thread, {2, 1, 2}, false},
	{"fork", life_fork, {1, 0, 1}, false},
	{"files", onlook_files, {2, 0, 2}, false},
	{"tree", onlook_tree, {3, 1, 2}, false},
	{"watch", onlook_watch, {2, 0, 2}, false},
	{"stray", onlook_stray, {6, 4, 2}, false},
	{"balloon", limits_balloon, {1, 1, 1}, false},
	{"set limits", limits_set, {6, 0, 4}, true},
	{"refuse", limits_refuse, {2, 0, 2}, true},
	{"reclaim", limits_reclaim, {3, 0, 4}, true},
	{"shape", limits_shape, {1, 0, 1}, true},
	{"reclaimer", limits_reclaimer, {2, 0, 4}, true},
	{"flip cache", cache_flip, {4, 0, 4}, true},
	{"fill cache", cache_fill, {10, 0, 40}, true},
	{"flip handler", handler_flip, {3, 0, 4}, true},
};

static const struct op accounting = {"accounting", limits_account, {0}, false};

/* One round in eight is one of those in which accounting is switched. */
static const struct op *choose(u64 round, struct chance *c)
{
	u64 sum = 0, at;
	unsigned i;

	if (round % 8 == 5 && opt.mix != MIX_LIMITS && one_in(c, 16))
		return &accounting;
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		sum += ops[i].limits && !opt.limits ? 0 : ops[i].weight[opt.mix];
	at = below(c, sum);
	for (i = 0;; i++) {
		u64 weight = ops[i].limits && !opt.limits ? 0 : ops[i].weight[opt.mix];

		if (at < weight)
			return &ops[i];
		at -= weight;
	}
}

void step(struct worker *w, struct chance *c)
{
	const struct op *op = choose(w->round, c);
	struct memcg *cg, *previous;

	atomic_store(&w->doing, "flip group");
	group_flip(c, false);
	cg = group_random(c);
	atomic_store(&w->doing, op->name);
	previous = memcg_enter(cg);
	memcg_put(cg);
	op->run(c);
	memcg_leave(previous);
	atomic_store(&w->doing, "between steps");
	DID(steps);
}
