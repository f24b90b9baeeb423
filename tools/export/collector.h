/*
 * collector.h - one thread that asks the processes when somebody wants to know.
 *
 * Nobody is asked unless there is a scrape; scrapes at the same time, and within FRESH_MS of the
 * last, share a fleet. So a flood of scrapes asks a process no more often than that, and a process
 * that stands still keeps this thread waiting and not the one that serves.
 *
 * Readers that are slow hold fleets. There are FLEETS_MOST of them; beyond, whoever wants another
 * is refused until one is let go.
 *
 * Locks: `lock` covers the list of who waits, the current fleet and `stop`. Who waits is called
 * without it, once, by the collector's thread.
 */
#ifndef MEMCG_EXPORT_COLLECTOR_H
#define MEMCG_EXPORT_COLLECTOR_H

#include "fleet.h"

#define FRESH_MS    200u
#define FLEETS_MOST 4u

struct collector;

/* Belongs to who waits, until it is called. */
struct waiter {
	void (*call)(struct waiter *w, struct fleet *fleet);
	struct waiter *next;
};

/* NULL: no thread, no memory. */
struct collector *collector_start(const struct fleet_wish *wish);
/* Whoever waits is called, with NULL; from then on nobody is. */
void collector_stop(struct collector *c);
void collector_free(struct collector *c);

/* A fleet that is fresh, referenced; NULL: there is none. */
struct fleet *collector_fresh(struct collector *c);

/*
 * Calls w when there is a fleet of from now on, with a reference of it, or NULL: no memory, or the
 * end. False: too many fleets are held, and w is not called.
 */
bool collector_wait(struct collector *c, struct waiter *w);

#endif
