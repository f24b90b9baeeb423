/*
 * tenants.c - many groups in random turn, as a server sees its tenants.
 *
 * A visit enters a group, allocates 20 objects of 16 to 512 bytes, frees 18 of them and
 * leaves. The two it keeps go into one window of KEPT objects over all groups, so that live memory
 * is the same whatever the number of groups; what falls out at the window's old end is freed by
 * then from within whichever group is visited (local), or by a second thread (remote). The
 * same program without groups is what the other allocators run.
 */
#include "child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define VISIT 20u
#define KEEP  2u
#define KEPT  32768u /* objects, about 8.6 MB */
#define SIZES 497u   /* 16 .. 512 */

struct kept {
	void *block;
	size_t size;
};

struct tenants {
	uint64_t random;
	unsigned groups;
	bool remote;
	struct memcg **group;
	struct ring ring;
	uint64_t next; /* of the window */
	uint64_t live; /* bytes asked for */
	struct kept kept[KEPT];
};

static void let_go(struct tenants *t, void *block)
{
	if (t->remote && block)
		ring_push(&t->ring, block);
	else
		free(block);
}

static void keep(struct tenants *t, void *block, size_t size)
{
	struct kept *k = &t->kept[t->next++ % KEPT];

	let_go(t, k->block);
	t->live += size - k->size;
	*k = (struct kept){block, size};
}

static void visit(struct tenants *t)
{
	struct memcg *previous = groups_enter(t->group[bench_below(&t->random, t->groups)]);
	char *block[VISIT];
	size_t size[VISIT];

	for (unsigned i = 0; i < VISIT; i++) {
		size[i] = 16 + bench_below(&t->random, SIZES);
		block[i] = bench_need(malloc(size[i]));
		*(volatile char *)block[i] = 1;
	}
	for (unsigned i = KEEP; i < VISIT; i++)
		free(block[i]);
	for (unsigned i = 0; i < KEEP; i++)
		keep(t, block[i], size[i]);
	groups_leave(previous);
}

static void visits(void *arg, uint64_t n)
{
	struct tenants *t = arg;

	for (uint64_t done = 0; done < n; done += VISIT)
		visit(t);
	if (t->remote)
		ring_wait(&t->ring);
}

static void *freeing(void *arg)
{
	struct ring *ring = arg;

	bench_pin(1);
	for (;;)
		free(ring_pop(ring));
	return NULL;
}

static void make_groups(struct tenants *t)
{
	bool present = groups_present();
	char name[32];

	t->group = bench_need(calloc(t->groups, sizeof(*t->group)));
	for (unsigned i = 0; present && i < t->groups; i++) {
		snprintf(name, sizeof(name), "tenant-%u", i);
		t->group[i] = groups_leaf(name);
	}
}

static void parse(struct tenants *t, const char *arg)
{
	char *end;

	t->groups = (unsigned)strtoul(arg, &end, 10);
	t->remote = !strcmp(end, "/remote");
	if (!t->groups || (!t->remote && strcmp(end, "/local"))) {
		fprintf(stderr,
			"memcg-bench-child: tenants/%s: want tenants/GROUPS/local or /remote\n",
			arg);
		exit(2);
	}
}

void tenants(const struct bench_time *t, const char *arg)
{
	static struct tenants all = {.random = CHILD_SEED};
	uint64_t empty;

	parse(&all, arg);
	if (all.remote)
		bench_thread(freeing, &all.ring);
	bench_pin(0);
	make_groups(&all);
	memset(all.kept, 0, sizeof(all.kept)); /* touched now, or it would count as live memory */
	empty = bench_rss();
	/* The window filled, and turned over once more, before the first round. */
	visits(&all, (uint64_t)KEPT * 2 * VISIT / KEEP);
	bench_print("ns", bench_measure(t, visits, &all));
	if (t->ops)
		return;
	bench_print("rss_per_live", (double)(bench_rss() - empty) / (double)all.live);
	if (slabs_bytes())
		bench_print("slab_per_live", (double)slabs_bytes() / (double)all.live);
}
