/*
 * calls.c - what an object or a request pays: a charge, entering a group, looking at it.
 */
#include "cases.h"

#include <stdlib.h>
#include <memcg.h>

#include "reclaim/charge.h"

#define OBJECT	 64u
#define SIBLINGS 1000u
#define GROUPS	 16u
#define DEPTH	 16u

/* --- charge -------------------------------------------------------------- */

/* What hosts write by hand: each level's usage, limit and peak, an atomic each. */
struct level {
	_Alignas(64) uint64_t usage;
	uint64_t max, peak;
	struct level *parent;
};

static void naive(void *arg, uint64_t n)
{
	while (n--) {
		for (struct level *l = arg; l; l = l->parent) {
			uint64_t now = __atomic_add_fetch(&l->usage, OBJECT, __ATOMIC_RELAXED);

			if (now > l->max)
				abort();
			if (now > l->peak)
				__atomic_store_n(&l->peak, now, __ATOMIC_RELAXED);
		}
		for (struct level *l = arg; l; l = l->parent)
			__atomic_sub_fetch(&l->usage, OBJECT, __ATOMIC_RELAXED);
	}
}

static void charges(void *arg, uint64_t n)
{
	u32 handle = *(u32 *)arg;

	while (n--) {
		if (!charge(handle, OBJECT))
			bench_die("charge");
		__asm__ volatile("" ::: "memory");
		uncharge(handle, OBJECT);
	}
}

/* `depth` groups below the root; the walk by hand climbs `depth` levels, one fewer. */
void measure_charge(const struct bench_time *t, const char *arg)
{
	static struct level level[DEPTH];
	unsigned depth = (unsigned)strtoul(arg, NULL, 10);
	struct memcg *cg = NULL;
	u32 handle;

	if (!depth || depth > DEPTH)
		bench_die("charge/DEPTH: depth is 1 to 16");
	for (unsigned i = 0; i < depth; i++) {
		cg = group_make(cg, "level", i);
		level[i].max = UINT64_MAX;
		level[i].parent = i ? &level[i - 1] : NULL;
	}
	memcg_enter(cg);
	handle = cg->handle->index;
	bench_print("ns", bench_measure(t, charges, &handle));
	bench_print("naive", bench_measure(t, naive, &level[depth - 1]));
}

/* --- enter, current, stat --------------------------------------------------- */

static void enters(void *arg, uint64_t n)
{
	struct memcg **group = arg;

	while (n--)
		memcg_leave(memcg_enter(group[n % GROUPS]));
}

void measure_enter_leave(const struct bench_time *t, const char *arg)
{
	struct memcg *group[GROUPS];

	(void)arg;
	for (unsigned i = 0; i < GROUPS; i++)
		group[i] = group_make(NULL, "enter", i);
	bench_print("ns", bench_measure(t, enters, group));
}

/* A group three levels down, with siblings and some memory. */
static struct memcg *busy_leaf(void)
{
	struct memcg *parent = group_make(group_make(NULL, "a", 0), "b", 0), *leaf = NULL;

	for (unsigned i = 0; i < SIBLINGS; i++)
		leaf = group_make(parent, "leaf", i);
	for (unsigned i = 0; i < SIBLINGS; i++)
		if (!memcg_malloc_in(leaf, OBJECT))
			bench_die("memcg_alloc");
	return leaf;
}

static void currents(void *arg, uint64_t n)
{
	uint64_t sum = 0;

	while (n--) {
		sum += memcg_current(arg);
		__asm__ volatile("" : "+r"(sum));
	}
}

void measure_current(const struct bench_time *t, const char *arg)
{
	(void)arg;
	bench_print("ns", bench_measure(t, currents, busy_leaf()));
}

static void stats(void *arg, uint64_t n)
{
	struct memcg_stat stat;

	while (n--)
		if (memcg_stat(arg, &stat, sizeof(stat)))
			bench_die("memcg_stat");
}

void measure_stat(const struct bench_time *t, const char *arg)
{
	(void)arg;
	bench_print("ns", bench_measure(t, stats, busy_leaf()));
}
