/*
 * oom.c - what happens when nothing can be reclaimed. The kernel kills processes; a program has a
 * handler that ends tenants: those of the group it is told, and below it.
 */
#include <pthread.h>
#include <string.h>

#include "row.h"
#include "rows.h"
#include "stay.h"
#include "tenant.h"

#define TENANTS 4

static struct tenant *tenants[TENANTS];
static unsigned ended;
static struct memcg *told;

static bool is_below(struct memcg *cg, struct memcg *top)
{
	struct memcg *up = memcg_get(cg), *next;

	while (up && up != top) {
		next = memcg_parent(up);
		memcg_put(up);
		up = next;
	}
	memcg_put(up);
	return up;
}

static unsigned end_all(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)wanted, (void)arg;
	told = limited;
	for (unsigned i = 0; i < TENANTS && tenants[i]; i++) {
		if (tenants[i]->exempt || !is_below(tenants[i]->cg, limited))
			continue;
		tenant_end(tenants[i]);
		ended++;
	}
	return ended ? MEMCG_OOM_KILLED : MEMCG_OOM_FAIL;
}

static void set_handler(struct memcg *cg)
{
	struct memcg_oom_config config = MEMCG_OOM_CONFIG_INIT;

	config.oom = end_all;
	config.flags = MEMCG_OOM_INLINE;
	EXPECT_IS(memcg_set_oom_handler(cg, &config), ==, 0);
}

static void refused_once(struct memcg *cg, bool reclaimer)
{
	uint64_t oom = event_of(cg, "oom");
	struct tenant anon = TENANT(cg);

	EXPECT(!reclaimer || !memcg_reclaimer_start());
	EXPECT(!tenant_grow(&anon, MIB(100)));
	EXPECT(!reclaimer || !memcg_reclaimer_stop()); /* done with all it was asked for */
	EXPECT_IS(event_of(cg, "oom"), ==, oom + 1);
	EXPECT_IS(event_of(cg, "oom_kill"), ==, 0);
	tenant_free(&anon);
}

/* Without a handler first: alone, and with a reclaimer that tries again after the refusal. */
void row_oom_events(void)
{
	struct memcg *cg = group_make(NULL, "oom_events");
	struct tenant anon = TENANT(cg);

	file_write(cg, "memory.max", "30M");
	file_write(cg, "memory.swap.max", "0");
	refused_once(cg, false);
	refused_once(cg, true);

	set_handler(cg);
	tenants[0] = &anon;
	EXPECT(!tenant_grow(&anon, MIB(100)));
	EXPECT_IS(anon.bytes, ==, 0); /* the kernel's empty cgroup.procs */
	EXPECT_IS(current_of(cg), <=, maxerr(1));
	EXPECT_IS(event_of(cg, "oom"), ==, 3);
	EXPECT_IS(event_of(cg, "oom_kill"), ==, 1);
	note("oom 1 each, oom_kill 1");
	group_end(cg);
}

static struct memcg *parent, *child;
static struct tenant in_parent, small[2], big;

/* 60M in the parent, 1M and 1M in the child, and a fourth that will want too much. */
static void make_family(void)
{
	parent = group_make(NULL, "parent");
	child = group_make(parent, "child");
	file_write(parent, "memory.swap.max", "0");
	file_write(child, "memory.swap.max", "0");
	set_handler(parent);
	in_parent = (struct tenant)TENANT(parent);
	small[0] = small[1] = big = (struct tenant)TENANT(child);
	tenants[0] = &in_parent;
	tenants[1] = &small[0];
	tenants[2] = &small[1];
	tenants[3] = &big;
}

static void grow_60M(void *arg)
{
	EXPECT(tenant_grow(arg, MIB(60)));
}

static void grow_1M(void *arg)
{
	EXPECT(tenant_grow(arg, MIB(1)));
}

/* Each on a thread of its own, which stays: a handler frees what others allocated. */
static void run_family(void)
{
	struct stay process[3];

	stay_start(&process[0], grow_60M, &in_parent);
	stay_start(&process[1], grow_1M, &small[0]);
	stay_start(&process[2], grow_1M, &small[1]);
	EXPECT(!tenant_grow(&big, MIB(100)));
	EXPECT(big.ended);
	for (unsigned i = 0; i < 3; i++)
		stay_end(&process[i]);
}

static void end_family(void)
{
	tenant_free(&in_parent);
	tenant_free(&small[0]);
	tenant_free(&small[1]);
	group_end(child);
	group_end(parent);
}

void row_oom_group_leaf(void)
{
	make_family();
	file_write(child, "memory.max", "50M");
	file_write(child, "memory.oom.group", "1");
	run_family();
	EXPECT(told == child);
	EXPECT(small[0].ended && small[1].ended && !in_parent.ended);
	EXPECT_IS(in_parent.bytes, ==, MIB(60));
	EXPECT_IS(current_of(child), <=, maxerr(1));
	EXPECT_IS(event_of(child, "oom_kill"), ==, 1);
	EXPECT_IS(event_of(parent, "oom_kill"), ==, 1);
	EXPECT_IS(event_of(child, "oom_group_kill"), ==, 1);
	end_family();
}

void row_oom_group_parent(void)
{
	make_family();
	file_write(parent, "memory.max", "80M");
	file_write(parent, "memory.oom.group", "1");
	run_family();
	EXPECT(told == parent);
	EXPECT(small[0].ended && small[1].ended && in_parent.ended);
	EXPECT_IS(current_of(parent), <=, maxerr(2));
	EXPECT_IS(event_of(parent, "oom_group_kill"), ==, 1);
	end_family();
}

/*
 * The kernel counts processes, and the first of them twice: 3. A handler ends whatever it ends
 * in one call, which is counted once.
 */
void row_oom_group_score(void)
{
	make_family();
	file_write(child, "memory.max", "50M");
	file_write(child, "memory.oom.group", "1");
	small[0].exempt = true;
	run_family();
	EXPECT(!small[0].ended && small[1].ended && !in_parent.ended);
	EXPECT_IS(small[0].bytes, ==, MIB(1));
	EXPECT_IS(event_of(child, "oom_kill"), ==, 1);
	EXPECT_IS(ended, ==, 2);
	note("oom_kill 1 for 2 tenants ended");
	end_family();
}
