/*
 * many.c - N live objects of 16 to 64 bytes, one replaced at random: what an operation costs as
 * the heap grows. Beyond some ten thousand the misses are the program's own, and every allocator
 * has them; rss is what is resident over what was asked for.
 */
#include "child.h"

#include <stdlib.h>
#include <string.h>

#define SIZES 49u

struct many {
	uint64_t random, bytes;
	uint32_t n;
	char **block;
	uint8_t *size;
};

static void set(struct many *m, uint32_t i)
{
	m->size[i] = (uint8_t)(16 + bench_below(&m->random, SIZES));
	m->block[i] = bench_need(malloc(m->size[i]));
	*(volatile char *)m->block[i] = 1;
	m->bytes += m->size[i];
}

static void replace(void *arg, uint64_t n)
{
	struct many *m = arg;

	while (n--) {
		uint32_t i = bench_below(&m->random, m->n);

		free(m->block[i]);
		m->bytes -= m->size[i];
		set(m, i);
	}
}

void many(const struct bench_time *t, const char *arg)
{
	static struct many m = {.random = CHILD_SEED};
	uint64_t empty;

	m.n = (uint32_t)strtoul(arg, NULL, 10);
	if (!m.n)
		bench_die("many/N: how many objects");
	bench_pin(0);
	m.block = bench_need(calloc(m.n, sizeof(*m.block)));
	m.size = bench_need(calloc(m.n, 1));
	memset(m.block, 0, m.n * sizeof(*m.block)); /* touched now */
	memset(m.size, 0, m.n);
	if (groups_present())
		groups_enter(groups_leaf("one"));
	empty = bench_rss();
	for (uint32_t i = 0; i < m.n; i++)
		set(&m, i);
	bench_print("ns", bench_measure(t, replace, &m));
	bench_print("rss_per_live", (double)(bench_rss() - empty) / (double)m.bytes);
}
