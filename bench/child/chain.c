/*
 * chain.c - blocks that pass through N threads, as requests pass through the stages of a server.
 *
 * The first stage allocates, the last frees; each between them frees every second block and puts
 * one of its own in its place. Blocks travel in parcels of 64, which come back empty from the last
 * stage to the first: what is on its way is bounded, and no stage depends on when another runs.
 * The unit is a block put in by the first stage.
 */
#include "child.h"

#include <stdio.h>
#include <stdlib.h>

#include "hatch.h"

#define STAGES_MAX 8u
#define PARCELS	   16u
#define PARCEL	   64u
#define SIZES	   497u /* 16 .. 512 */

struct parcel {
	char *block[PARCEL];
};

struct stage {
	uint64_t random;
	unsigned nth;
	struct hatch inbox;
	struct stage *next;
	struct memcg *group;
};

struct line {
	unsigned stages;
	struct stage stage[STAGES_MAX];
	struct parcel parcel[PARCELS];
};

static char *new_block(struct stage *s)
{
	char *block = bench_need(malloc(16 + bench_below(&s->random, SIZES)));

	*(volatile char *)block = 1;
	return block;
}

static void fill(struct stage *s, struct parcel *p)
{
	for (unsigned i = 0; i < PARCEL; i++)
		p->block[i] = new_block(s);
}

static void replace(struct stage *s, struct parcel *p)
{
	for (unsigned i = s->nth % 2; i < PARCEL; i += 2) {
		free(p->block[i]);
		p->block[i] = new_block(s);
	}
}

static void empty(struct parcel *p)
{
	for (unsigned i = 0; i < PARCEL; i++)
		free(p->block[i]);
}

static void *stage_main(void *arg)
{
	struct stage *s = arg;

	bench_spread(s->nth);
	if (s->group)
		groups_enter(s->group);
	for (;;) {
		struct parcel *p = hatch_take(&s->inbox);

		if (s->next->nth)
			replace(s, p);
		else
			empty(p);
		hatch_put(&s->next->inbox, p);
	}
	return NULL;
}

/* The first stage is the thread that measures; at the end all parcels are at home again. */
static void pass(void *arg, uint64_t n)
{
	struct line *line = arg;
	struct stage *first = &line->stage[0];
	struct parcel *home[PARCELS];

	for (uint64_t done = 0; done < n; done += PARCEL) {
		struct parcel *p = hatch_take(&first->inbox);

		fill(first, p);
		hatch_put(&first->next->inbox, p);
	}
	for (unsigned i = 0; i < PARCELS; i++)
		home[i] = hatch_take(&first->inbox);
	for (unsigned i = 0; i < PARCELS; i++)
		hatch_put(&first->inbox, home[i]);
}

static void set_up(struct line *line)
{
	char name[16];

	for (unsigned i = 0; i < line->stages; i++) {
		struct stage *s = &line->stage[i];

		s->nth = i;
		s->random = CHILD_SEED * (2 * i + 1);
		s->next = &line->stage[(i + 1) % line->stages];
		snprintf(name, sizeof(name), "stage-%u", i);
		s->group = groups_present() ? groups_leaf(name) : NULL;
		hatch_init(&s->inbox);
	}
	for (unsigned i = 0; i < PARCELS; i++)
		hatch_put(&line->stage[0].inbox, &line->parcel[i]);
	for (unsigned i = 1; i < line->stages; i++)
		bench_thread(stage_main, &line->stage[i]);
}

void chain(const struct bench_time *t, const char *arg)
{
	static struct line line;

	line.stages = (unsigned)strtoul(arg, NULL, 10);
	if (line.stages < 2 || line.stages > STAGES_MAX)
		bench_die("chain/N: two to eight threads");
	set_up(&line);
	bench_spread(0);
	if (line.stage[0].group)
		groups_enter(line.stage[0].group);
	bench_print_cost(bench_measure_cost(t, pass, &line));
}
