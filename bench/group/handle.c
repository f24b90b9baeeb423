/*
 * handle.c - what counting costs: a charge by hand, a reference of a group, being in a group, each
 * alone and while a second thread does the same to the same group on another CPU; and destroying
 * a group, by how much it leaves and by how many groups have left theirs to it.
 */
#include "cases.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <memcg/alloc.h>

#define BYTES  64u
#define OBJECT 16u
#define LEVELS 5u
#define REPEAT 15u

/* --- calls, by one thread and by two ---------------------------------------------- */

static void charges(void *arg, uint64_t n)
{
	while (n--) {
		struct memcg_charge *c = memcg_charge(arg, BYTES);

		if (!c)
			bench_die("memcg_charge");
		memcg_uncharge(c);
	}
}

static void references(void *arg, uint64_t n)
{
	while (n--)
		memcg_put(memcg_get(arg));
}

static void enters(void *arg, uint64_t n)
{
	while (n--)
		memcg_leave(memcg_enter(arg));
}

static const struct call {
	const char *name;
	bench_run run;
} calls[] = {
	{"charge", charges},
	{"get-put", references},
	{"enter-leave", enters},
};

static void measure_call(const struct bench_time *t, const struct call *call)
{
	struct memcg *cg = NULL;

	for (unsigned i = 0; i < LEVELS; i++)
		cg = group_make(cg, "level", i);
	bench_print("alone", bench_measure(t, call->run, cg));
	bench_print("ns", measure_beside(t, call->run, cg, cg));
}

/* --- destroying --------------------------------------------------------------------- */

static double destroy_one(struct memcg *cg)
{
	uint64_t start = bench_now();

	if (memcg_destroy(cg))
		bench_die("memcg_destroy");
	return (double)(bench_now() - start);
}

/* The group's own objects, so that it is used as groups are; freed when it has gone. */
static void fill(void **object, struct memcg *cg, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		object[i] = bench_need(memcg_malloc_in(cg, OBJECT));
}

static void empty(void **object, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memcg_free(object[i]);
}

/* n objects left behind. */
static double leaves(unsigned n)
{
	void **object = bench_need(calloc(n, sizeof(*object)));
	struct memcg *cg = group_make(NULL, "leaves", n);
	double ns;

	fill(object, cg, n);
	ns = destroy_one(cg);
	empty(object, n);
	free(object);
	return ns;
}

/* n groups below it have gone, each with an object left. */
static double inherits(unsigned n)
{
	void **object = bench_need(calloc(n, sizeof(*object)));
	struct memcg *cg = group_make(NULL, "inherits", n);
	double ns;

	for (unsigned i = 0; i < n; i++) {
		struct memcg *child = group_make(cg, "c", i);

		fill(&object[i], child, 1);
		(void)destroy_one(child);
	}
	ns = destroy_one(cg);
	empty(object, n);
	free(object);
	return ns;
}

static void *use_there(void *arg)
{
	bench_pin(1);
	memcg_free(bench_need(memcg_malloc_in(arg, OBJECT)));
	return arg;
}

/* n CPUs have charged ahead for it: this one, and another, which must be stopped for that. */
static double charged_on(unsigned n)
{
	struct memcg *cg = group_make(NULL, "charged", n);
	pthread_t thread;

	memcg_free(bench_need(memcg_malloc_in(cg, OBJECT)));
	if (n > 1 && pthread_create(&thread, NULL, use_there, cg))
		bench_die("pthread_create");
	if (n > 1)
		pthread_join(thread, NULL);
	return destroy_one(cg);
}

/* In turn with what it is held against, so that both see the same machine. */
static void measure_destroy(double (*one)(unsigned n), const char *arg)
{
	double much[REPEAT], least[REPEAT];
	unsigned n = (unsigned)strtoul(arg, NULL, 10);

	for (unsigned i = 0; i < REPEAT; i++) {
		least[i] = one(1);
		much[i] = one(n);
	}
	bench_print("ns", median(much, REPEAT));
	bench_print("least", median(least, REPEAT));
}

void measure_handle(const struct bench_time *t, const char *arg)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(arg, calls[i].name)) {
			measure_call(t, &calls[i]);
			return;
		}
	if (!strncmp(arg, "leaves/", 7))
		measure_destroy(leaves, arg + 7);
	else if (!strncmp(arg, "inherits/", 9))
		measure_destroy(inherits, arg + 9);
	else if (!strncmp(arg, "charged-on/", 11))
		measure_destroy(charged_on, arg + 11);
	else
		bench_die("handle/CASE: no such case");
}
