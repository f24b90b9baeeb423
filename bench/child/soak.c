/*
 * soak.c - fragmentation: a program whose objects change their size as it lives.
 *
 * Each of eight phases fills memory up to the same live size with objects of its own range of
 * sizes, beside the survivors of all before, then frees nine of ten at random. At the end nineteen
 * of twenty are freed, then a few thousand small ones come and go, as they do in an idle program,
 * and the memory is looked at again.
 *
 * peak: the most that was resident at the end of a phase over what was live then; settled: what is
 * resident at the end over what is live then.
 */
#include "child.h"

#include <stdlib.h>
#include <string.h>

#define PHASES	  8u
#define SLOTS	  (1u << 20)
#define LIVE	  (40u << 20)
#define LIVE_LESS (4u << 20)
#define IDLE	  20000u

/* From, to: the sizes of a phase, evenly. Small, then large, then small again between them. */
static const uint32_t range[PHASES][2] = {
	{16, 128},  {48, 512},	   {512, 4096}, {16, 96},
	{100, 300}, {1024, 16384}, {200, 1000}, {24, 72},
};

struct soak {
	uint64_t random, live, ops;
	size_t objects; /* in block[], the first ones */
	struct {
		char *p;
		uint32_t size;
	} block[SLOTS];
};

static void fill(struct soak *s, unsigned phase, uint64_t live)
{
	uint32_t from = range[phase][0], span = range[phase][1] - from + 1;

	while (s->live < live && s->objects < SLOTS) {
		uint32_t size = from + bench_below(&s->random, span);
		char *p = bench_need(malloc(size));

		memset(p, 1, size);
		s->block[s->objects].p = p;
		s->block[s->objects++].size = size;
		s->live += size;
		s->ops++;
	}
}

/* At random, down to one in `keep`. */
static void thin(struct soak *s, uint32_t keep)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->objects; i++) {
		if (!bench_below(&s->random, keep)) {
			s->block[kept++] = s->block[i];
			continue;
		}
		free(s->block[i].p);
		s->live -= s->block[i].size;
	}
	s->objects = kept;
}

static void idle(struct soak *s)
{
	for (unsigned i = 0; i < IDLE; i++) {
		char *p = bench_need(malloc(16 + bench_below(&s->random, 256)));

		*(volatile char *)p = 1;
		free(p);
	}
}

static double resident(uint64_t empty)
{
	uint64_t now = bench_rss();

	return now > empty ? (double)(now - empty) : 0;
}

void soak(const struct bench_time *t, const char *arg)
{
	static struct soak s = {.random = CHILD_SEED};
	uint64_t live = t->ms <= 1 ? LIVE_LESS : LIVE, empty, start, took = 0;
	double peak = 0;

	(void)arg;
	bench_pin(0);
	if (groups_present())
		groups_enter(groups_leaf("one"));
	memset(s.block, 0, sizeof(s.block)); /* touched now: not the allocator's */
	empty = bench_rss();
	for (unsigned phase = 0; phase < PHASES; phase++) {
		double over;

		start = bench_now();
		fill(&s, phase, live);
		took += bench_now() - start;
		over = resident(empty) / (double)s.live;
		peak = over > peak ? over : peak;
		start = bench_now();
		thin(&s, phase == PHASES - 1 ? 20 : 10);
		took += bench_now() - start;
	}
	idle(&s);
	bench_print("ns", (double)took / (double)s.ops);
	bench_print("peak", peak);
	bench_print("settled", resident(empty) / (double)s.live);
}
