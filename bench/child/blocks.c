/*
 * blocks.c - ten live blocks of 5 to 25 MiB, one replaced at random; each page of a new one is
 * written (touch), or it was asked for as zeros (zero) and every page is read and written. What
 * this measures is whether an allocator keeps such memory, and at which cost it gives it back.
 * The unit is a MiB allocated.
 */
#include "child.h"

#include <stdlib.h>
#include <string.h>

#define LIVE  10u
#define LEAST 5u
#define MOST  25u
#define MIB   1048576u
#define PAGE  4096u

struct live {
	uint64_t random;
	bool zero;
	char *block[LIVE];
};

static void touch(char *p, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE)
		++*(volatile char *)&p[at];
}

static void replace(void *arg, uint64_t n)
{
	struct live *l = arg;

	for (uint64_t done = 0; done < n;) {
		char **slot = &l->block[bench_below(&l->random, LIVE)];
		size_t size = LEAST * MIB + bench_below(&l->random, (MOST - LEAST) * MIB);

		free(*slot);
		*slot = bench_need(l->zero ? calloc(1, size) : malloc(size));
		touch(*slot, size);
		done += size / MIB;
	}
}

void large_blocks(const struct bench_time *t, const char *arg)
{
	static struct live l = {.random = CHILD_SEED};
	struct bench_time time = *t;
	uint64_t empty = bench_rss();

	l.zero = !strcmp(arg, "zero");
	if (!l.zero && strcmp(arg, "touch"))
		bench_die("blocks/KIND: touch or zero");
	time.first = 5 * MOST; /* the sizes of a round are like those of any other */
	bench_pin(0);
	if (groups_present())
		groups_enter(groups_leaf("one"));
	replace(&l, 160 * MOST); /* before that every allocator still asks the system for more */
	bench_print("ns", bench_measure(&time, replace, &l));
	bench_print("rss_mib", (double)(bench_rss() - empty) / MIB);
}
