/*
 * limits.c - looking at groups while there are many of them: memcg_current and memcg_stat beside
 * N children, what a change costs the next reader, readers on two CPUs, and 100 000 groups.
 */
#include "cases.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "count/stat.h"
#include "group/group.h"

#define OBJECT	 64u
#define MANY	 100000u
#define TENTH	 (MANY / 10)
#define BLOCK	 100u
#define FEW	 1000u /* rounds of what is timed call by call */
#define CALLS	 1000u
#define TAGS_MAX 64u

static void look(struct memcg *cg)
{
	struct memcg_stat stat;

	if (memcg_stat(cg, &stat, sizeof(stat)))
		bench_die("memcg_stat");
}

static void stats(void *arg, uint64_t n)
{
	while (n--)
		look(arg);
}

/* Short rounds: few of them hold somebody else's turn on the CPU. */
static double calls_of(struct memcg *cg)
{
	static double took[FEW];
	uint64_t start;

	for (unsigned round = 0; round < FEW; round++) {
		start = bench_now();
		stats(cg, CALLS);
		took[round] = (double)(bench_now() - start) / CALLS;
	}
	return median(took, FEW);
}

/* --- N children ------------------------------------------------------------- */

/* An object for every group below, which charges ahead for more: on this CPU. */
static void use_all(struct memcg *parent)
{
	struct memcg *cg = NULL;

	while ((cg = memcg_next(parent, cg)))
		if (!memcg_malloc_in(cg, OBJECT))
			bench_die("memcg_alloc");
}

static void *use_elsewhere(void *parent)
{
	bench_pin(1);
	use_all(parent);
	return NULL;
}

/* The parent of n groups; `used`: of n groups that have memory, from both CPUs. */
static struct memcg *parent_of(unsigned n, bool used)
{
	struct memcg *parent = group_make(group_make(NULL, "a", 0), "b", 0);
	pthread_t thread;

	for (unsigned i = 0; i < n; i++)
		(void)group_make(parent, "child", i);
	if (!used)
		return parent;
	use_all(parent);
	if (pthread_create(&thread, NULL, use_elsewhere, parent) || pthread_join(thread, NULL))
		bench_die("pthread_create");
	return parent;
}

/* "10000" or "10000-used" */
static void measure_stat_of(const struct bench_time *t, const char *arg)
{
	struct memcg *parent = parent_of((unsigned)strtoul(arg, NULL, 10), strchr(arg, '-'));

	(void)t;
	bench_print("ns", calls_of(parent));
}

static void currents(void *arg, uint64_t n)
{
	uint64_t sum = 0;

	while (n--) {
		sum += memcg_current(arg);
		__asm__ volatile("" : "+r"(sum));
	}
}

static void measure_current_of(const struct bench_time *t, const char *arg)
{
	bench_print("ns", bench_measure(t, currents, parent_of((unsigned)atoi(arg), true)));
}

/* --- folding --------------------------------------------------------------------- */

/* memcg_stat right after n groups changed, each by a little: the median call. */
static double fold_of(struct memcg **group, unsigned n)
{
	static double took[FEW];
	uint64_t start;

	for (unsigned round = 0; round < FEW; round++) {
		for (unsigned i = 0; i < n; i++)
			stat_add(group[i]->handle->index, STAT_EXTERNAL, round % 2 ? -1 : 1);
		start = bench_now();
		look(group[0]);
		took[round] = (double)(bench_now() - start);
	}
	return median(took, FEW);
}

/* `change`: what one more costs; held against the same with half as many. Siblings' numbers
 * follow each other, so up to 64 groups have a slot each (count/stat.c). */
static void measure_fold(const struct bench_time *t, const char *arg)
{
	unsigned n = (unsigned)strtoul(arg, NULL, 10);
	struct memcg *group[TAGS_MAX], *parent = parent_of(0, false);
	double none, half, all;

	(void)t;
	if (n < 2 || n > TAGS_MAX)
		bench_die("limits/fold/N: N is 2 to 64");
	for (unsigned i = 0; i < n; i++)
		group[i] = group_make(parent, "fold", i);
	none = fold_of(group, 0);
	half = fold_of(group, n / 2);
	all = fold_of(group, n);
	bench_print("ns", all);
	bench_print("change_ns", (all - none) / n);
	bench_print("half_ns", (half - none) / (n / 2));
}

/* --- two readers ------------------------------------------------------------------- */

static struct {
	struct memcg *group;
	bool runs, stop;
} other;

static void *read_on(void *arg)
{
	bench_pin(1);
	__atomic_store_n(&other.runs, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&other.stop, __ATOMIC_RELAXED))
		look(other.group);
	return arg;
}

/* Beside a reader of the same group on another CPU, against alone. */
static void measure_readers(const struct bench_time *t, const char *arg)
{
	double alone;
	pthread_t thread;

	(void)t;
	(void)arg;
	other.group = parent_of(1, true);
	alone = calls_of(other.group);
	if (pthread_create(&thread, NULL, read_on, NULL))
		bench_die("pthread_create");
	while (!__atomic_load_n(&other.runs, __ATOMIC_RELAXED))
		sched_yield();
	bench_print("ns", calls_of(other.group));
	bench_print("alone", alone);
	__atomic_store_n(&other.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* --- 100 000 groups ------------------------------------------------------------------ */

/* One of n, in the median hundred. */
static double make_some(struct memcg *parent, unsigned from, unsigned n)
{
	static double took[MANY / BLOCK];
	unsigned blocks = n / BLOCK;

	for (unsigned b = 0; b < blocks; b++) {
		uint64_t start = bench_now();

		for (unsigned i = 0; i < BLOCK; i++)
			(void)group_make(parent, "t", from + b * BLOCK + i);
		took[b] = (double)(bench_now() - start) / BLOCK;
	}
	return median(took, blocks);
}

static void measure_groups(const struct bench_time *t, const char *arg)
{
	struct memcg *parent = group_make(NULL, "t", 0);
	double before = group_metadata(), first;

	(void)t;
	(void)arg;
	first = make_some(parent, 0, TENTH);
	make_some(parent, TENTH, MANY - 2 * TENTH);
	bench_print("ns", make_some(parent, MANY - TENTH, TENTH));
	bench_print("first_ns", first);
	bench_print("bytes", (group_metadata() - before) / MANY);
}

/* --- by name ---------------------------------------------------------------------------- */

static const struct group_case limits[] = {
	{"stat/", measure_stat_of},	 {"current/", measure_current_of},
	{"fold/", measure_fold},	 {"readers", measure_readers},
	{"groups", measure_groups},	 {"slabs", measure_slabs},
	{"pages", measure_pages},	 {"shrinkers/", measure_shrinkers},
	{"throttle/", measure_throttle}, {"walk/", measure_walk},
	{"refused", measure_refused},
};

void measure_limits(const struct bench_time *t, const char *arg)
{
	if (!measure_named(limits, sizeof(limits) / sizeof(limits[0]), t, arg))
		bench_die("limits/: no such case");
}
