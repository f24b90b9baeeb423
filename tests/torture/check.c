/*
 * check.c - what must be true when nobody moves.
 *
 * The recount holds every group's counter, and every ancestor's, against the memory. Here it is
 * asked besides that each object is paid for by whom it should be, that sums of protection are
 * those of the children, that no stall is left standing and that no counter ever was below 0.
 */
#include <dirent.h>
#include <stdio.h>

#include "ctl/recount.h"
#include "group/fail.h"
#include "group/group.h"
#include "group/stock.h"
#include "page/page.h"
#include "reclaim/psi.h"
#include "reclaim/shrinker.h"
#include "sys/clock.h"

#include "groups.h"
#include "item.h"
#include "life.h"
#include "limits.h"
#include "lineage.h"
#include "pages.h"
#include "pipes.h"
#include "pools.h"
#include "shrinkers.h"
#include "torture.h"

static u64 claim_of(u64 usage, u64 setting)
{
	return MIN(usage, setting);
}

/* Sums of protection, level by level. */
static void check_claims(struct memcg *cg)
{
	u64 min = 0, low = 0;
	struct list *l;

	list_for_each(l, &cg->children)
	{
		struct counter *c = &list_entry(l, struct memcg, sibling)->counter;

		EXPECT(c->min_usage == claim_of(c->usage, c->min), "a claim of min");
		EXPECT(c->low_usage == claim_of(c->usage, c->low), "a claim of low");
		min += c->min_usage;
		low += c->low_usage;
	}
	EXPECT(cg->counter.children_min == min, "the sum of the children's min");
	EXPECT(cg->counter.children_low == low, "the sum of the children's low");
}

static void check_tree(void)
{
	struct memcg *cg = NULL;
	u64 own = 0;

	while ((cg = memcg_next(NULL, cg))) {
		EXPECT((s64)cg->counter.own >= 0, "group %lu itself is below 0", memcg_id(cg));
		EXPECT((s64)cg->counter.usage >= 0, "group %lu is below 0", memcg_id(cg));
		own += cg->counter.own;
		check_claims(cg);
	}
	EXPECT(own == root_group->counter.usage, "groups own %lu, the root counts %lu", own,
	       root_group->counter.usage);
}

/* A stall that is left standing makes the total grow. */
static void check_no_stall(void)
{
	struct psi_pressure before, after;

	psi_show(root_group, &before);
	sys_sleep_ns(2000000);
	psi_show(root_group, &after);
	EXPECT(before.some.total_us == after.some.total_us, "no thread is left, but its stall is");
}

static void say(void *arg, const char *line)
{
	(void)arg;
	printf("# %s\n", line);
}

static void check_recount(u64 round)
{
	struct recount_result r;

	EXPECT(recount(&r, say, NULL) == 0, "no recount");
	EXPECT(!r.differences, "the recount after round %lu has %lu differences", round,
	       r.differences);
	EXPECT(!r.bad && !page_bad_count, "pages were kept out of use");
}

void check(u64 round)
{
	limits_quiet();
	rcu_poll(true); /* groups that end let go of handles, which let go of theirs */
	if (opt.limits)
		check_no_stall();
	check_tree();
	EXPECT(counter_underflows == 0, "a counter was below 0");
	check_recount(round);
	items_settle();
	shrinkers_settle();
	groups_settle();
	lineage_forget();
}

unsigned check_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* --- nothing is left ------------------------------------------------------------------ */

static void is_empty(struct memcg *cg)
{
	struct memcg_stat s;

	EXPECT(!memcg_stat(cg, &s, sizeof(s)), "no statistics");
	EXPECT(s.current == 0, "group %lu has %lu bytes and nothing in it", memcg_id(cg),
	       s.current);
	EXPECT(!s.kernel && !s.slab && !s.large && !s.buffer && !s.external && !s.sock &&
		       !s.local && !s.stock,
	       "group %lu has nothing, and lines that say otherwise", memcg_id(cg));
}

/* Each level of the dead needs grace periods of its own. */
static void settle(void)
{
	for (unsigned i = 0; i < 8 || (i < 4 * opt.groups && rcu_pending()); i++) {
		memcg_reclaim(NULL, MEMCG_UNLIMITED);
		stock_drain(NULL);
		rcu_poll(true);
	}
}

/* A child has what its parent's threads held, held for ever and charged (alloc/thread.c). */
void check_end(bool child)
{
	struct memcg_stat s;

	memcg_leave(memcg_get(memcg_root()));
	limits_quiet();
	shrinkers_end();
	pipes_end();
	pages_end();
	pools_end(child);
	items_end();
	settle();
	if (!child)
		groups_each(is_empty);
	check_recount(0);
	groups_end();
	settle();
	groups_gone();
	check_tree();
	check_recount(0);
	EXPECT(!root_group->descendants && list_empty(&root_group->children), "a group is left");
	EXPECT(!root_group->shrinkers, "a shrinker's node is left");
	EXPECT(child || !group_dying(root_group), "%u dead handles are still held",
	       group_dying(root_group));
	EXPECT(!fail_rules, "a rule of memory.fail is left");
	EXPECT(!counter_underflows, "a counter was below 0");
	EXPECT(!memcg_stat(memcg_root(), &s, sizeof(s)), "no statistics");
	EXPECT(child || (s.current == s.metadata + s.cached && !s.kernel && !s.external),
	       "the root has %lu, of which metadata %lu and cached %lu", s.current, s.metadata,
	       s.cached);
}
