/*
 * growth.c - what groups cost as there are more of them: points of curves (docs/scaling.md).
 *
 * create/N: one more group, created and destroyed, beside N that stay; make: what each of the N
 * took to create, and bytes of it by the library's own account. depth/N: the same at the end of a
 * path of N. stat/N: memcg_stat, alone, of the parent of N groups, of which 64 have changed since
 * the last call; median. charge and uncharge by depth are the rows charge/N.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>
#include <memcg.h>
#include <memcg/alloc.h>

#define OBJECT	64u
#define CHANGED 64u
#define CALLS	201u

struct siblings {
	struct memcg *parent;
	unsigned next;
};

static void lives(void *arg, uint64_t n)
{
	struct siblings *s = arg;

	while (n--)
		if (memcg_destroy(group_make(s->parent, "more", s->next++)))
			bench_die("memcg_destroy");
}

static void beside(const struct bench_time *t, unsigned n)
{
	struct siblings s = {.parent = group_make(NULL, "growth", 0)};
	double before = group_metadata();
	uint64_t start = bench_now();

	for (unsigned i = 0; i < n; i++)
		(void)group_make(s.parent, "stays", i);
	bench_print("make", (double)(bench_now() - start) / n);
	bench_print("bytes", (group_metadata() - before) / n);
	bench_print("ns", bench_measure(t, lives, &s));
}

static void below(const struct bench_time *t, unsigned n)
{
	struct siblings s = {.parent = NULL};

	for (unsigned i = 0; i < n; i++)
		s.parent = group_make(s.parent, "level", i);
	bench_print("ns", bench_measure(t, lives, &s));
}

/* Scattered, and others each time: a step that shares no factor with n. */
static void change(struct memcg **child, unsigned n, unsigned *next)
{
	for (unsigned i = 0; i < CHANGED; i++, *next = (*next + 7919) % n)
		memcg_free(bench_need(memcg_malloc_in(child[*next], OBJECT)));
}

static void parent_of(const struct bench_time *t, unsigned n)
{
	struct memcg *parent = group_make(NULL, "growth", 0);
	struct memcg **child = bench_need(calloc(n, sizeof(struct memcg *)));
	unsigned next = 0, times = quick(t) ? 15 : CALLS;
	double took[CALLS];
	struct memcg_stat stat;

	for (unsigned i = 0; i < n; i++)
		child[i] = group_make(parent, "child", i);
	for (unsigned i = 0; i < times; i++) {
		uint64_t start;

		change(child, n, &next);
		start = bench_now();
		if (memcg_stat(parent, &stat, sizeof(stat)))
			bench_die("memcg_stat");
		took[i] = (double)(bench_now() - start);
	}
	bench_print("ns", median(took, times));
	free(child);
}

void measure_growth(const struct bench_time *t, const char *arg)
{
	static const struct {
		const char *name;
		void (*run)(const struct bench_time *t, unsigned n);
	} curve[] = {{"create/", beside}, {"depth/", below}, {"stat/", parent_of}};

	for (size_t i = 0; i < sizeof(curve) / sizeof(curve[0]); i++) {
		size_t length = strlen(curve[i].name);
		unsigned long n;

		if (strncmp(arg, curve[i].name, length))
			continue;
		n = strtoul(arg + length, NULL, 10);
		if (!n || n > 1000000)
			bench_die("growth/CURVE/N: 1 to a million");
		curve[i].run(t, (unsigned)n);
		return;
	}
	bench_die("growth/CURVE/N: create, depth or stat");
}
