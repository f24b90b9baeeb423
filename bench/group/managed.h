/*
 * managed.h - the cases of managed memory: one file for each question, and what they share.
 */
#ifndef MEMCG_BENCH_GROUP_MANAGED_H
#define MEMCG_BENCH_GROUP_MANAGED_H

#include "bare.h"

#include <memcg/mm.h>

/* --- turns.c ---------------------------------------------------------------------------- */

/* An address space of a group two levels down. */
struct memcg_mm *managed_mm(void);

struct side {
	void (*before)(void); /* not timed */
	void (*run)(void);
};

/* Prints what a page costs: "ns" by a, "bare" by b, medians of rounds in turn. */
void managed_in_turn(const struct side *a, const struct side *b, unsigned pages);
double managed_once(const struct side *s, unsigned pages);

/* --- the cases; arg is what follows the case's name -------------------------------------- */

/* working_set.c: "", or "changed" */
void managed_working_set(const struct bench_time *t, const char *arg);
/* mapping.c: "", or one side of it, for counting its instructions */
void managed_map(const struct bench_time *t, const char *arg);
/* pageout.c: how many threads */
void managed_reclaim(const struct bench_time *t, const char *arg);
/* footprint.c */
void managed_memory(const struct bench_time *t, const char *arg);

#endif
