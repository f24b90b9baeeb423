/*
 * crowd.c - many threads. crowd: N at once, each in a group of its own with a thousand live blocks,
 * one replaced at random; nothing is handed on, so what one costs the other is the allocator's
 * doing. With more threads than CPUs the unit cannot cost less than on all CPUs at once, and
 * ought not to cost more. short: threads that come and go by the thousand.
 */
#include "child.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS_MAX 64u
#define SLOTS	    1000u
#define SIZES	    497u /* 16 .. 512 */

struct one {
	uint64_t random;
	struct crowd *crowd;
	struct memcg *group;
	char *block[SLOTS];
};

struct crowd {
	unsigned threads;
	uint64_t each; /* operations of a thread in this round; written between the barriers */
	pthread_barrier_t start, end;
	struct one one[THREADS_MAX];
};

static void work(struct one *o, uint64_t n)
{
	while (n--) {
		char **slot = &o->block[bench_below(&o->random, SLOTS)];

		free(*slot);
		*slot = bench_need(malloc(16 + bench_below(&o->random, SIZES)));
		*(volatile char *)*slot = 1;
	}
}

static void *one_main(void *arg)
{
	struct one *o = arg;

	bench_spread((unsigned)(o - o->crowd->one));
	if (o->group)
		groups_enter(o->group);
	for (;;) {
		pthread_barrier_wait(&o->crowd->start);
		work(o, o->crowd->each);
		pthread_barrier_wait(&o->crowd->end);
	}
	return NULL;
}

static void all(void *arg, uint64_t n)
{
	struct crowd *c = arg;

	c->each = (n + c->threads - 1) / c->threads;
	pthread_barrier_wait(&c->start);
	pthread_barrier_wait(&c->end);
}

void threads_crowd(const struct bench_time *t, const char *arg)
{
	static struct crowd c;
	struct bench_time time = *t;
	char name[32];

	c.threads = (unsigned)strtoul(arg, NULL, 10);
	if (!c.threads || c.threads > THREADS_MAX)
		bench_die("crowd/N: 1 to 64 threads");
	pthread_barrier_init(&c.start, NULL, c.threads + 1);
	pthread_barrier_init(&c.end, NULL, c.threads + 1);
	for (unsigned i = 0; i < c.threads; i++) {
		snprintf(name, sizeof(name), "thread-%u", i);
		c.one[i].random = CHILD_SEED * (2 * i + 1);
		c.one[i].crowd = &c;
		c.one[i].group = groups_present() ? groups_leaf(name) : NULL;
		bench_thread(one_main, &c.one[i]);
	}
	time.first = 4ull * SLOTS * c.threads; /* windows are full after the first try */
	bench_print_cost(bench_measure_cost(&time, all, &c));
}

/* --- short threads ------------------------------------------------------------------ */

#define AT_ONCE 4u
#define OBJECTS 100u
#define LEFT	25u /* to be freed by the thread that comes after it */

struct life {
	uint64_t random;
	unsigned nth;
	struct memcg *group;
	char *left[LEFT];
};

static void *live(void *arg)
{
	struct life *l = arg;
	char *block[OBJECTS];

	bench_spread(l->nth);
	if (l->group)
		groups_enter(l->group);
	for (unsigned i = 0; i < OBJECTS; i++) {
		block[i] = bench_need(malloc(16 + bench_below(&l->random, SIZES)));
		*(volatile char *)block[i] = 1;
	}
	for (unsigned i = 0; i < LEFT; i++) {
		free(l->left[i]);
		l->left[i] = block[i];
	}
	for (unsigned i = LEFT; i < OBJECTS; i++)
		free(block[i]);
	return NULL;
}

struct lives {
	struct life life[AT_ONCE];
	pthread_t thread[AT_ONCE];
};

static void join(pthread_t thread)
{
	errno = pthread_join(thread, NULL);
	if (errno)
		bench_die("pthread_join");
}

static void come_and_go(void *arg, uint64_t n)
{
	struct lives *l = arg;

	for (uint64_t i = 0; i < n; i++) {
		if (i >= AT_ONCE)
			join(l->thread[i % AT_ONCE]);
		errno = pthread_create(&l->thread[i % AT_ONCE], NULL, live, &l->life[i % AT_ONCE]);
		if (errno)
			bench_die("pthread_create");
	}
	for (uint64_t i = n < AT_ONCE ? 0 : n - AT_ONCE; i < n; i++)
		join(l->thread[i % AT_ONCE]);
}

void threads_short(const struct bench_time *t, const char *arg)
{
	static struct lives l;
	uint64_t empty = bench_rss();
	char name[32];

	(void)arg;
	for (unsigned i = 0; i < AT_ONCE; i++) {
		snprintf(name, sizeof(name), "short-%u", i);
		l.life[i].nth = i;
		l.life[i].random = CHILD_SEED * (2 * i + 1);
		l.life[i].group = groups_present() ? groups_leaf(name) : NULL;
	}
	bench_print_cost(bench_measure_cost(t, come_and_go, &l));
	bench_print("rss_mib", (double)(bench_rss() - empty) / 1048576);
}
