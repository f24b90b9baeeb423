/*
 * goals.c - what groups and statistics are to cost at most, a case for each such number: charging
 * inside the library and by hand, references, coming and going, being there, being asked.
 *
 * What is done by two CPUs at once is done to the same group.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#include "count/stat.h"
#include "group/group.h"
#include "reclaim/charge.h"
#include "sync/rcu.h"

#define BYTES	   64u
#define BATCH	   1000u
#define MANY	   1000000u
#define MANY_QUICK 50000u
#define LIVES	   200000u
#define CHANGED	   10000u
#define ROUNDS	   25u

static unsigned how_many(const struct bench_time *t)
{
	return quick(t) ? MANY_QUICK : MANY;
}

/* `depth` groups, one below the other. */
static struct memcg *levels(const char *depth)
{
	unsigned n = (unsigned)strtoul(depth, NULL, 10);
	struct memcg *cg = NULL;

	for (unsigned i = 0; i < n; i++)
		cg = group_make(cg, "level", i);
	return bench_need(cg);
}

/* --- charge and uncharge ------------------------------------------------------------ */

static inline __attribute__((always_inline)) void take(u32 handle)
{
	if (!charge(handle, BYTES))
		bench_die("charge");
	__asm__ volatile("" ::: "memory");
}

static void inlined(void *cg, uint64_t n)
{
	u32 handle = ((struct memcg *)cg)->handle->index;

	while (n--) {
		take(handle);
		uncharge(handle, BYTES);
	}
}

static void inlined_batch(void *cg, uint64_t n)
{
	u32 handle = ((struct memcg *)cg)->handle->index;

	for (; n; n -= n < BATCH ? n : BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			take(handle);
		for (unsigned i = 0; i < BATCH; i++)
			uncharge(handle, BYTES);
	}
}

static struct memcg_charge *charge_one(struct memcg *cg)
{
	struct memcg_charge *c = memcg_charge(cg, BYTES);

	if (!c)
		bench_die("memcg_charge");
	return c;
}

static void by_hand(void *cg, uint64_t n)
{
	while (n--)
		memcg_uncharge(charge_one(cg));
}

static void by_hand_batch(void *cg, uint64_t n)
{
	static __thread struct memcg_charge *charge_of[BATCH];

	for (; n; n -= n < BATCH ? n : BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			charge_of[i] = charge_one(cg);
		for (unsigned i = 0; i < BATCH; i++)
			memcg_uncharge(charge_of[i]);
	}
}

static void references(void *cg, uint64_t n)
{
	while (n--)
		memcg_put(memcg_get(cg));
}

static void alone_and_beside(const struct bench_time *t, bench_run run, void *cg)
{
	bench_print("ns", bench_measure(t, run, cg));
	bench_print("two", measure_beside(t, run, cg, cg));
}

static void goal_inlined(const struct bench_time *t, const char *depth)
{
	struct memcg *cg = levels(depth);

	alone_and_beside(t, inlined, cg);
	bench_print("batch", bench_measure(t, inlined_batch, cg));
}

static void goal_by_hand(const struct bench_time *t, const char *depth)
{
	struct memcg *cg = levels(depth);

	alone_and_beside(t, by_hand, cg);
	bench_print("batch", bench_measure(t, by_hand_batch, cg));
}

static void goal_references(const struct bench_time *t, const char *depth)
{
	alone_and_beside(t, references, levels(depth));
}

/* --- coming, going, being there ------------------------------------------------------- */

/* With all that was put off: the last of it is waited for inside the time. */
static void goal_create_destroy(const struct bench_time *t, const char *siblings)
{
	unsigned n = (unsigned)strtoul(siblings, NULL, 10);
	unsigned lives = quick(t) ? LIVES / 10 : LIVES;
	struct memcg *parent = group_make(NULL, "t", 0);
	uint64_t start;

	n = n < how_many(t) ? n : how_many(t);
	for (unsigned i = 0; i < n; i++)
		(void)group_make(parent, "t", i);
	start = bench_now();
	for (unsigned i = 0; i < lives; i++)
		if (memcg_destroy(group_make(parent, "t", n + i)))
			bench_die("memcg_destroy");
	rcu_poll(true);
	bench_print("ns", (double)(bench_now() - start) / lives);
}

static void goal_leaves(const struct bench_time *t, const char *objects)
{
	unsigned n = (unsigned)strtoul(objects, NULL, 10);
	struct memcg *cg = group_make(NULL, "leaves", 0);
	uint64_t start;

	n = n < how_many(t) ? n : how_many(t);
	for (unsigned i = 0; i < n; i++)
		(void)bench_need(memcg_malloc_in(cg, 16));
	start = bench_now();
	if (memcg_destroy(cg))
		bench_die("memcg_destroy");
	bench_print("ns", (double)(bench_now() - start));
}

/* Bytes: by the library's own account with their handles, and what the process has grown by. */
static void goal_idle(const struct bench_time *t, const char *arg)
{
	struct memcg *parent = group_make(NULL, "t", 0);
	double rss = (double)bench_rss(), before = group_metadata();
	unsigned n = how_many(t);
	uint64_t start = bench_now();

	(void)arg;
	for (unsigned i = 0; i < n; i++)
		(void)group_make(parent, "t", i);
	bench_print("s", (double)(bench_now() - start) / 1e9 * MANY / n);
	bench_print("mib", ((double)bench_rss() - rss) / (double)MIB * MANY / n);
	bench_print("bytes", (group_metadata() - before) / n + sizeof(struct handle));
}

/* --- being asked ------------------------------------------------------------------------ */

static void stats(void *cg, uint64_t n)
{
	struct memcg_stat stat;

	while (n--)
		if (memcg_stat(cg, &stat, sizeof(stat)))
			bench_die("memcg_stat");
}

static void goal_stat(const struct bench_time *t, const char *depth)
{
	struct memcg *cg = levels(depth);

	(void)bench_need(memcg_malloc_in(cg, BYTES));
	alone_and_beside(t, stats, cg);
}

/* A page more for each of n groups, told to the table of this CPU, and the next memcg_stat of their
 * parent: all that it takes until their numbers and all above them have it. */
static double fold_once(struct memcg *parent, struct memcg *const *group, unsigned n)
{
	uint64_t start = bench_now();

	for (unsigned i = 0; i < n; i++)
		stat_add(group[i]->handle->index, STAT_LARGE, PAGE_SIZE);
	stats(parent, 1);
	return (double)(bench_now() - start);
}

static void goal_fold(const struct bench_time *t, const char *groups)
{
	unsigned n = (unsigned)strtoul(groups, NULL, 10);
	struct memcg *parent = group_make(group_make(NULL, "a", 0), "b", 0);
	struct memcg **group = bench_need(calloc(n, sizeof(struct memcg *)));
	double took[ROUNDS];

	(void)t;
	for (unsigned i = 0; i < n; i++)
		group[i] = group_make(parent, "t", i);
	for (unsigned i = 0; i < ROUNDS; i++)
		took[i] = fold_once(parent, group, n);
	bench_print("ns", median(took, ROUNDS));
	free(group);
}

/* --- by name ------------------------------------------------------------------------------ */

static const struct group_case goals[] = {
	{"inlined/", goal_inlined},    {"by-hand/", goal_by_hand},
	{"get-put/", goal_references}, {"create-destroy/", goal_create_destroy},
	{"leaves/", goal_leaves},      {"idle", goal_idle},
	{"stat/", goal_stat},	       {"fold/", goal_fold},
};

void measure_goals(const struct bench_time *t, const char *arg)
{
	if (!measure_named(goals, sizeof(goals) / sizeof(goals[0]), t, arg))
		bench_die("groups/: no such case");
}
