/*
 * reclaim.c - getting memory back, in bytes a second, and what memory.high makes a thread wait.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#include "reclaim/shrinker.h"

#define CACHE	 (64 * MIB)
#define PIECE	 1024u
#define REQUESTS (CACHE / 2 / MIB)
#define GROUPS	 16u /* as many as have slabs of their own at once */
#define SOME	 (256 * 1024ul)
#define SMALLEST 16ul
#define LARGEST	 32768ul
#define HIGH	 (100 * MIB)
#define UNIT	 (64 * 4096ull) /* the kernel's batch, which its table is for */

static double mib_per_s(uint64_t bytes, uint64_t ns)
{
	return (double)bytes / (double)MIB / ((double)ns / 1e9);
}

/* --- what the library keeps ------------------------------------------------------ */

/* Of every size in every group: enough for slabs of its own, which stay when all is freed. */
static void use_and_free(struct memcg *cg)
{
	struct memcg *before = memcg_enter(cg);
	static void *object[SOME / SMALLEST];

	for (size_t size = SMALLEST; size <= LARGEST; size *= 2) {
		for (size_t i = 0; i < SOME / size; i++) {
			object[i] = bench_need(memcg_malloc(size));
			memset(object[i], 1, size);
		}
		for (size_t i = 0; i < SOME / size; i++)
			memcg_free(object[i]);
	}
	memcg_leave(before);
}

static void print_reclaim(struct memcg *cg)
{
	uint64_t bytes = memcg_current(cg), start = bench_now(), ns;

	(void)memcg_reclaim(cg, bytes);
	ns = bench_now() - start;
	bytes -= memcg_current(cg);
	bench_print("mib_s", mib_per_s(bytes, ns));
	bench_print("mib", (double)bytes / (double)MIB);
}

/* Empty slabs and parked slots, charged to their groups until somebody asks. */
void measure_slabs(const struct bench_time *t, const char *arg)
{
	struct memcg *parent = group_make(NULL, "slabs", 0);

	(void)t;
	(void)arg;
	for (unsigned i = 0; i < GROUPS; i++)
		use_and_free(group_make(parent, "cg", i));
	print_reclaim(parent);
}

/* Free pages on their way back to the system: one madvise for each run of them. */
void measure_pages(const struct bench_time *t, const char *arg)
{
	static void *piece[CACHE / PIECE];

	(void)t;
	(void)arg;
	for (size_t i = 0; i < CACHE / PIECE; i++) {
		piece[i] = bench_need(memcg_malloc(PIECE));
		memset(piece[i], 1, PIECE);
	}
	for (size_t i = 0; i < CACHE / PIECE; i++)
		memcg_free(piece[i]);
	print_reclaim(memcg_root());
}

/* --- shrinkers ---------------------------------------------------------------------- */

/* A cache of pieces in a list, the next one's address in each. */
struct cache {
	void *first;
	size_t bytes;
};

static size_t cache_count(struct memcg *cg, void *arg)
{
	(void)cg;
	return ((struct cache *)arg)->bytes;
}

static size_t cache_scan(struct memcg *cg, size_t bytes, uint64_t deadline, void *arg)
{
	struct cache *c = arg;
	size_t freed = 0;

	(void)cg;
	(void)deadline;
	while (c->first && freed < bytes) {
		void *p = c->first;

		c->first = *(void **)p;
		memcg_free(p);
		freed += PIECE;
	}
	c->bytes -= freed;
	return freed;
}

static void cache_make(struct cache *c, struct memcg *cg, size_t bytes)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg *before = memcg_enter(cg);

	for (c->bytes = 0; c->bytes < bytes; c->bytes += PIECE) {
		void *p = bench_need(memcg_malloc(PIECE));

		*(void **)p = c->first;
		c->first = p;
	}
	memcg_leave(before);
	config.name = "bench";
	config.count = cache_count;
	config.scan = cache_scan;
	config.arg = c;
	if (!memcg_shrinker_register(cg, &config))
		bench_die("memcg_shrinker_register");
}

/* N caches of a group each, 64 MiB in all: half of it back in requests of 1 MiB, by the time of the
 * median request. `by_hand`: the rest freed by the program itself. */
void measure_shrinkers(const struct bench_time *t, const char *arg)
{
	unsigned n = (unsigned)strtoul(arg, NULL, 10);
	struct memcg *parent = group_make(NULL, "parent", 0);
	struct cache *cache = calloc(n, sizeof(*cache));
	double took[REQUESTS];
	uint64_t bytes, start;

	(void)t;
	if (!n || !cache)
		bench_die("limits/shrinkers/N");
	for (unsigned i = 0; i < n; i++)
		cache_make(&cache[i], group_make(parent, "cache", i), CACHE / n);
	bytes = memcg_current(parent);
	for (unsigned i = 0; i < REQUESTS; i++) {
		start = bench_now();
		(void)memcg_reclaim(parent, MIB);
		took[i] = (double)(bench_now() - start);
	}
	bytes -= memcg_current(parent);
	bench_print("mib_s", mib_per_s(bytes, (uint64_t)median(took, REQUESTS) * REQUESTS));
	bench_print("mib", (double)bytes / (double)MIB);
	start = bench_now();
	bytes = 0;
	for (unsigned i = 0; i < n; i++)
		bytes += cache_scan(NULL, SIZE_MAX, 0, &cache[i]);
	bench_print("by_hand", mib_per_s(bytes, bench_now() - start));
}

/* --- the walk -------------------------------------------------------------------------- */

#define VISITED 3u

static void walks(void *arg, uint64_t n)
{
	while (n--) {
		struct memcg *cg = NULL;

		while ((cg = shrinkers_next(arg, cg)))
			;
	}
}

/* A parent of n groups, of which three have a shrinker. */
static struct memcg *parent_of_caches(const char *name, unsigned n)
{
	static struct cache none[VISITED];
	struct memcg *parent = group_make(NULL, name, 0);

	for (unsigned i = 0; i < n; i++) {
		struct memcg *cg = group_make(parent, "cg", i);

		if (i % (n / VISITED) == 0 && i / (n / VISITED) < VISITED)
			cache_make(&none[i / (n / VISITED)], cg, 0);
	}
	return parent;
}

/* Finding the groups to ask among N, against the same three with nobody beside them. */
void measure_walk(const struct bench_time *t, const char *arg)
{
	unsigned n = (unsigned)strtoul(arg, NULL, 10);

	if (n < VISITED)
		bench_die("limits/walk/N: N is 3 or more");
	bench_print("ns", bench_measure(t, walks, parent_of_caches("many", n)));
	bench_print("alone", bench_measure(t, walks, parent_of_caches("few", VISITED)));
}

/* --- refusals ----------------------------------------------------------------------------- */

#define OBJECT	 4000u
#define REFUSALS 200u
#define FULL	 256u /* MiB */
#define LITTLE	 4u

static struct memcg *full_group(unsigned mib)
{
	struct memcg *cg = group_make(NULL, "full", mib), *before = memcg_enter(cg);

	if (memcg_set_limit(cg, MEMCG_MAX, mib * MIB))
		bench_die("memcg_set_limit");
	while (memcg_malloc(OBJECT))
		;
	memcg_leave(before);
	return cg;
}

/* One malloc there. */
static double refused_ns(struct memcg *full)
{
	struct memcg *before = memcg_enter(full);
	static double took[REFUSALS];

	for (unsigned i = 0; i < REFUSALS; i++) {
		uint64_t start = bench_now();

		if (memcg_malloc(OBJECT))
			bench_die("limits/refused: there is room");
		took[i] = (double)(bench_now() - start);
	}
	memcg_leave(before);
	return median(took, REFUSALS);
}

/* Of much memory, against little: it must not be looked through. */
void measure_refused(const struct bench_time *t, const char *arg)
{
	struct memcg *much = full_group(FULL), *little = full_group(LITTLE);

	(void)t;
	(void)arg;
	bench_print("ns", refused_ns(much));
	bench_print("little", refused_ns(little));
}

/* --- memory.high ----------------------------------------------------------------------- */

/* 64 pages that bring a group with high = 100M to M megabytes: how long memcg_throttle takes. */
void measure_throttle(const struct bench_time *t, const char *arg)
{
	uint64_t usage = strtoul(arg, NULL, 10) * MIB, start;
	struct memcg *cg = group_make(NULL, "high", 0);

	(void)t;
	(void)memcg_enter(cg);
	/* high is set when all but the last 64 pages stand: nothing is owed for those. */
	if (!memcg_charge(cg, usage - UNIT) || memcg_set_limit(cg, MEMCG_HIGH, HIGH))
		bench_die("memcg_charge");
	if (!memcg_charge(cg, UNIT))
		bench_die("memcg_charge");
	start = bench_now();
	memcg_throttle();
	bench_print("ms", (double)(bench_now() - start) / 1e6);
}
