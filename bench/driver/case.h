/*
 * case.h - what is measured, on what, and against what: one table of cases, one of allocators.
 *
 * An object case runs in memcg-bench-child under each allocator, chosen by LD_PRELOAD; libmemcg
 * appears there three times, as the variants that are judged. A group case runs in
 * memcg-bench-group, which is linked with the library and has no peers.
 *
 * A line of the result, a row, is named CASE[/VARIANT][/METRIC]: "pair/64/own",
 * "tenants/16/local/own/slab-per-live", "create-destroy".
 */
#ifndef MEMCG_BENCH_CASE_H
#define MEMCG_BENCH_CASE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define CASES_MAX    256
#define REPEATS_MAX  32
#define METRICS_MAX  3
#define ROW_NAME_MAX 96

enum allocator_id { GLIBC, JEMALLOC, MIMALLOC, TCMALLOC, OWN, SHARED, UNACCOUNTED, LINKED };
#define FIRST_PEER GLIBC
#define PEERS	   4
#define ALLOCATORS 8
#define FIRST_OURS OWN
#define OURS	   3
#define GOAL_OFF   1.05

struct allocator {
	const char *name;
	const char *library; /* to preload; NULL: nothing */
	const char *env;     /* "NAME=value", or NULL */
};

enum against {
	AGAINST_NOTHING = 0,
	AGAINST_PEERS = 1,  /* the best of the other allocators, same metric */
	AGAINST_KEY = 2,    /* another key of the same run */
	AGAINST_TARGET = 3, /* a number */
};

struct metric {
	const char *key;    /* as the child prints it */
	const char *suffix; /* of the row's name; NULL: the case's main figure */
	const char *unit;
	enum against against;
	const char *other; /* AGAINST_KEY: the key; its name in the result */
	double target;	   /* AGAINST_TARGET */
	double goal;	   /* highest ratio wanted of the variant `own`; 0: none was set. Against
			    * peers, one of `unaccounted` goes with it: GOAL_OFF */
};

/* When a case runs that nobody has named. */
enum weight {
	WEIGHT_ALWAYS = 0,
	WEIGHT_CURVE = 1, /* with --curves: one of many points */
	WEIGHT_HEAVY = 2, /* with --full: gigabytes, or minutes */
};

struct bench_case {
	const char *name;
	enum weight weight;
	bool linked;	  /* memcg-bench-group */
	unsigned ms;	  /* of a round */
	unsigned repeats; /* at most; 0: as many as asked for */
	struct metric metric[METRICS_MAX];
};

extern const struct allocator allocators[ALLOCATORS];
extern const struct bench_case object_cases[], call_cases[];
extern const size_t object_case_count, call_case_count;

/* Of all cases, those with peers first. */
size_t case_count(void);
const struct bench_case *case_at(size_t nth);
size_t case_nth(const struct bench_case *c);

static inline bool case_runs_on(const struct bench_case *c, unsigned allocator)
{
	return c->linked == (allocator == LINKED);
}

/* Row's name into buf. */
void case_row_name(const struct bench_case *c, unsigned allocator, const struct metric *m,
		   char buf[ROW_NAME_MAX]);

/* True when `name` is the row's, or names it with others: whole parts from its start. */
bool case_name_covers(const char *name, const char *row);

/* Calls each for every row there is. */
typedef void (*case_each)(const struct bench_case *c, unsigned allocator, unsigned metric,
			  const char *row, void *arg);
void case_rows(case_each each, void *arg);

#endif
