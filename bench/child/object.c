/*
 * object.c - one thread, in one group: the same block again and again (pair), a thousand
 * taken and then given back in order (batch), a window of live blocks replaced at random
 * (rndwin). Every block is written once, as programs do.
 */
#include "child.h"

#include <stdlib.h>

#define BATCH	     1000u
#define PRIME_BYTES  (4u << 20)
#define PRIME_MOST   4096u
#define WINDOW	     20000u
#define WINDOW_BYTES 1024u

struct object {
	size_t size;
	char *block[BATCH];
};

static void start(void)
{
	bench_pin(0);
	if (groups_present())
		groups_enter(groups_leaf("one"));
}

static size_t size_of(const char *arg)
{
	long size = strtol(arg, NULL, 10);

	if (size <= 0)
		bench_die("the case's name ends in no size");
	return (size_t)size;
}

/*
 * One block of a size says nothing of what a group is: enough of them first, that an allocator
 * which treats a busy group (or thread, or size) in its own way has begun to.
 */
static void prime(size_t size)
{
	static char *block[PRIME_MOST];
	size_t n = PRIME_BYTES / size < PRIME_MOST ? PRIME_BYTES / size : PRIME_MOST;

	for (unsigned time = 0; time < 2; time++) {
		for (size_t i = 0; i < n; i++) {
			block[i] = bench_need(malloc(size));
			*(volatile char *)block[i] = 1;
		}
		for (size_t i = 0; i < n; i++)
			free(block[i]);
	}
}

static void pair(void *arg, uint64_t n)
{
	size_t size = *(size_t *)arg;

	while (n--) {
		char *p = bench_need(malloc(size));

		*(volatile char *)p = 1;
		free(p);
	}
}

void object_pair(const struct bench_time *t, const char *arg)
{
	size_t size = size_of(arg);

	start();
	prime(size);
	bench_print("ns", bench_measure(t, pair, &size));
}

static void batch(void *arg, uint64_t n)
{
	struct object *o = arg;

	for (uint64_t done = 0; done < n; done += BATCH) {
		for (unsigned i = 0; i < BATCH; i++) {
			o->block[i] = bench_need(malloc(o->size));
			*(volatile char *)o->block[i] = 1;
		}
		for (unsigned i = 0; i < BATCH; i++)
			free(o->block[i]);
	}
}

void object_batch(const struct bench_time *t, const char *arg)
{
	static struct object o;

	o.size = size_of(arg);
	start();
	bench_print("ns", bench_measure(t, batch, &o));
}

struct window {
	uint64_t random;
	char *block[WINDOW];
};

static void rndwin(void *arg, uint64_t n)
{
	struct window *w = arg;

	while (n--) {
		char **slot = &w->block[bench_below(&w->random, WINDOW)];

		free(*slot);
		*slot = bench_need(malloc(16 + bench_below(&w->random, WINDOW_BYTES - 15)));
		*(volatile char *)*slot = 1;
	}
}

void object_rndwin(const struct bench_time *t, const char *arg)
{
	static struct window w = {.random = CHILD_SEED};

	(void)arg;
	start();
	/* Full, and mixed, before the first round. */
	rndwin(&w, 6 * WINDOW);
	bench_print("ns", bench_measure(t, rndwin, &w));
}
