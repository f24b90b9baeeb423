/*
 * cases.h - the program that measures what has no peer: charging, groups, statistics. Linked
 * with the library's own archive, so that charge() is compiled in as it is in the library.
 */
#ifndef MEMCG_BENCH_GROUP_CASES_H
#define MEMCG_BENCH_GROUP_CASES_H

#include "../child/child.h"

#include <memcg.h>

/* --- make.c ----------------------------------------------------------------- */

struct memcg *group_make(struct memcg *parent, const char *prefix, unsigned n); /* or the end */
double group_metadata(void);		/* the library's own structures, bytes */
double median(double *value, size_t n); /* sorts them */
/* Beside a second thread on another CPU that does the same with `its`. beside.c */
double measure_beside(const struct bench_time *t, bench_run run, void *mine, void *its);

static inline bool quick(const struct bench_time *t)
{
	return t->ms <= 1;
}

/* --- the cases; arg is what follows the first '/' of the name ------------------- */

void measure_charge(const struct bench_time *t, const char *depth);
void measure_enter_leave(const struct bench_time *t, const char *arg);
void measure_current(const struct bench_time *t, const char *arg);
void measure_stat(const struct bench_time *t, const char *arg);
void measure_create_destroy(const struct bench_time *t, const char *arg);
void measure_idle(const struct bench_time *t, const char *arg);

/* owner.c: arg is a helper or a kind of memory */
void measure_owner(const struct bench_time *t, const char *arg);

/* free.c: arg is page or object */
void measure_free(const struct bench_time *t, const char *arg);

/* handle.c: arg is a call, or "leaves/1000", "inherits/1000" */
void measure_handle(const struct bench_time *t, const char *arg);

/* growth.c: arg is a curve and a point of it, "create/1000" */
void measure_growth(const struct bench_time *t, const char *arg);

/* goals.c: arg is a case and what it is for, "by-hand/16" */
void measure_goals(const struct bench_time *t, const char *arg);

/* stack.c: arg is a case */
void measure_stack(const struct bench_time *t, const char *arg);

/* limits.c: arg is a case and what it is for, "stat/10000" */
void measure_limits(const struct bench_time *t, const char *arg);

/* managed.c: arg is a case */
void measure_managed(const struct bench_time *t, const char *arg);

/* swap.c: store, load, same */
void measure_swap(const struct bench_time *t, const char *arg);
/* receive.c: KiB of a message, and connections, "64/4"; in family net */
void measure_receive(const struct bench_time *t, const char *arg);
/* the same by receivers */
void measure_receiver(const struct bench_time *t, const char *arg);
/* uncopied.c: a way and KiB, "zerocopy/64"; how the sender sends; both in family net */
void measure_send(const struct bench_time *t, const char *arg);
void measure_borrow(const struct bench_time *t, const char *arg);
/* move.c: arg is a case */
void measure_move(const struct bench_time *t, const char *arg);
/* net.c: page, run, hand-over */
void measure_net(const struct bench_time *t, const char *arg);

/* reclaim.c */
void measure_slabs(const struct bench_time *t, const char *arg);
void measure_pages(const struct bench_time *t, const char *arg);
void measure_shrinkers(const struct bench_time *t, const char *caches);
void measure_walk(const struct bench_time *t, const char *groups);
void measure_refused(const struct bench_time *t, const char *arg);
void measure_throttle(const struct bench_time *t, const char *mib);

/* A case of a family; the name is what its argument begins with. */
struct group_case {
	const char *name;
	void (*run)(const struct bench_time *t, const char *arg);
};
/* Runs the first whose name arg begins with, with the rest of arg. False: there is none. */
bool measure_named(const struct group_case *cases, size_t n, const struct bench_time *t,
		   const char *arg);

#endif
