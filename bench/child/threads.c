/*
 * threads.c - two threads. prodcons: one allocates, the other frees, through a ring. two-groups:
 * each works in a group of its own, below shared parents: what they meet at is the parents'
 * counters.
 */
#include "child.h"

#include <pthread.h>
#include <stdlib.h>

#include "ring.h"

struct producer {
	struct ring ring;
	size_t size;
};

static void *consumer(void *arg)
{
	struct ring *ring = arg;

	bench_pin(1);
	for (;;)
		free(ring_pop(ring));
	return NULL;
}

static void prodcons(void *arg, uint64_t n)
{
	struct producer *p = arg;

	while (n--) {
		char *block = bench_need(malloc(p->size));

		*(volatile char *)block = 1;
		ring_push(&p->ring, block);
	}
	ring_wait(&p->ring);
}

void threads_prodcons(const struct bench_time *t, const char *arg)
{
	static struct producer p;

	p.size = (size_t)strtol(arg, NULL, 10);
	bench_thread(consumer, &p.ring);
	bench_pin(0);
	if (groups_present())
		groups_enter(groups_leaf("producer"));
	bench_print("ns", bench_measure(t, prodcons, &p));
}

#define SLOTS 1000u

struct worker {
	uint64_t random, n;
	char *block[SLOTS];
};

struct pair_of_workers {
	struct worker worker[2];
	pthread_barrier_t start, end;
};

static void work(struct worker *w, uint64_t n)
{
	while (n--) {
		char **slot = &w->block[bench_below(&w->random, SLOTS)];

		free(*slot);
		*slot = bench_need(malloc(16 + bench_below(&w->random, 497)));
		*(volatile char *)*slot = 1;
	}
}

static void *second(void *arg)
{
	struct pair_of_workers *p = arg;

	bench_pin(1);
	if (groups_present())
		groups_enter(groups_leaf("second"));
	for (;;) {
		pthread_barrier_wait(&p->start);
		work(&p->worker[1], p->worker[1].n);
		pthread_barrier_wait(&p->end);
	}
	return NULL;
}

static void both(void *arg, uint64_t n)
{
	struct pair_of_workers *p = arg;

	p->worker[1].n = n;
	pthread_barrier_wait(&p->start);
	work(&p->worker[0], n);
	pthread_barrier_wait(&p->end);
}

void threads_two_groups(const struct bench_time *t, const char *arg)
{
	static struct pair_of_workers p = {
		.worker = {{.random = CHILD_SEED}, {.random = CHILD_SEED * 3}}};

	(void)arg;
	/* Here, not in the two threads: the parents are made once. */
	if (groups_present())
		groups_enter(groups_leaf("first"));
	pthread_barrier_init(&p.start, NULL, 2);
	pthread_barrier_init(&p.end, NULL, 2);
	bench_thread(second, &p);
	bench_pin(0);
	bench_print("ns", bench_measure(t, both, &p));
}
