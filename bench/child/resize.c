/*
 * resize.c - blocks that grow by realloc, several side by side so that none can simply be extended
 * at the end of the heap.
 *
 * vector: 16 of them, from 16 B to 64 KiB, half as much again each time, as arrays grow.
 * text:   64 of them, by up to 64 bytes a time to 4 KiB, as lines are put together.
 * large:  2 of them, from 64 KiB to 16 MiB by a quarter each time, as files are read.
 * Every new page is written. The unit is a call of realloc.
 */
#include "child.h"

#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 64u
#define PAGE	   4096u

struct growth {
	const char *name;
	unsigned blocks;
	size_t from, to;
	unsigned share; /* of its size, that a block grows by each time; 0: up to 64 bytes */
};

static const struct growth growths[] = {
	{"vector", 16, 16, 64u << 10, 2},
	{"text", 64, 16, 4u << 10, 0},
	{"large", 2, 64u << 10, 16u << 20, 4},
};

struct growing {
	const struct growth *how;
	uint64_t random;
	struct {
		char *p;
		size_t size;
	} block[BLOCKS_MAX];
};

static size_t next_size(struct growing *g, size_t size)
{
	if (size >= g->how->to)
		return g->how->from;
	if (!size)
		return g->how->from;
	return size + (g->how->share ? size / g->how->share : 1 + bench_below(&g->random, 64));
}

/* One call; a block that is large enough ends, and begins anew. */
static void grow(struct growing *g, unsigned nth)
{
	size_t old = g->block[nth].size, size = next_size(g, old);
	char *p = g->block[nth].p;

	if (size < old) {
		free(p);
		p = NULL;
		old = 0;
	}
	p = bench_need(realloc(p, size));
	for (size_t at = old; at < size; at += PAGE)
		*(volatile char *)&p[at] = 1;
	*(volatile char *)&p[size - 1] = 1;
	g->block[nth].p = p;
	g->block[nth].size = size;
}

static void calls(void *arg, uint64_t n)
{
	struct growing *g = arg;

	for (uint64_t i = 0; i < n; i++)
		grow(g, (unsigned)(i % g->how->blocks));
}

void resize(const struct bench_time *t, const char *arg)
{
	static struct growing g = {.random = CHILD_SEED};
	struct bench_time time = *t;

	for (size_t i = 0; i < sizeof(growths) / sizeof(growths[0]); i++)
		if (!strcmp(arg, growths[i].name))
			g.how = &growths[i];
	if (!g.how)
		bench_die("realloc/KIND: vector, text or large");
	/* Whole lives of all blocks, or a round would be of small ones alone. */
	time.first = g.how->blocks * (g.how->share == 4 ? 26u : 128u);
	bench_pin(0);
	if (groups_present())
		groups_enter(groups_leaf("one"));
	bench_print("ns", bench_measure(&time, calls, &g));
}
