/*
 * pageout.c - a gibibyte that leaves memory because a group is at its limit: one thread, or two,
 * bring new pages in and write text to them, as many as it takes. Against the bare mechanism that
 * is held to the same limit by as many threads, each with its half: the oldest page first.
 *
 * Bytes that went out, by the time it all took. Copies count against the limit, in both.
 */
#include "managed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK	(32 * PAGE_SIZE) /* brought in by one call: what one refusal asks for */
#define TEXT	(256 * KIB)
#define THREADS 2u

static struct {
	size_t out, limit, range; /* bytes: to go, of the group, of addresses for a thread */
	unsigned threads;
	char *text;
} run;

static size_t round_up(size_t n)
{
	return (n + CHUNK - 1) / CHUNK * CHUNK;
}

static void text_at(char *p, size_t at)
{
	memcpy(p + at, run.text + at % TEXT, CHUNK);
	for (size_t i = 0; i < CHUNK; i += PAGE_SIZE)
		*(u64 *)(p + at + i) = at + i; /* no two alike */
}

struct worker {
	pthread_t thread;
	char *range;
	size_t at, out;		   /* brought in so far; gone out: bare */
	size_t oldest, kept, from; /* bare: first page in memory, bytes of copies */
	char *copies;
	unsigned nth;
};
static struct worker workers[THREADS];

/* --- the library ----------------------------------------------------------------------------- */

static struct memcg_mm *mm;
static struct memcg *cg;

static u64 gone(void)
{
	struct memcg_stat s;

	if (memcg_stat(cg, &s, sizeof(s)))
		bench_die("memcg_stat");
	return s.pgsteal * PAGE_SIZE;
}

static void bring_ours(struct worker *w)
{
	if (w->at + CHUNK > run.range)
		bench_die("enough addresses");
	if (memcg_madvise(mm, w->range + w->at, CHUNK, MEMCG_WILLNEED))
		bench_die("memcg_madvise");
	text_at(w->range, w->at);
	w->at += CHUNK;
}

static void *ours(void *arg)
{
	struct worker *w = arg;

	bench_pin(w->nth);
	while (gone() < run.out)
		bring_ours(w);
	return NULL;
}

static void ours_up(void)
{
	cg = group_make(NULL, "limited", 0);
	mm = bench_need(memcg_mm_create(cg));
	if (memcg_set_limit(cg, MEMCG_MAX, run.limit))
		bench_die("a limit");
	for (unsigned i = 0; i < run.threads; i++)
		workers[i].range =
			bench_need(memcg_mmap(mm, run.range, PROT_READ | PROT_WRITE, 0, NULL, 0));
	while (!gone())
		for (unsigned i = 0; i < run.threads; i++)
			bring_ours(&workers[i]);
}

/* --- the bare mechanism ------------------------------------------------------------------------
 */

static size_t bare_used(const struct worker *w)
{
	return w->at - w->oldest + w->kept;
}

static void bring_bare(struct worker *w)
{
	bare_bring((w->from + w->at) / PAGE_SIZE, CHUNK / PAGE_SIZE);
	text_at(w->range, w->at);
	w->at += CHUNK;
	while (bare_used(w) > run.limit / run.threads) {
		w->kept += bare_out((w->from + w->oldest) / PAGE_SIZE, CHUNK / PAGE_SIZE,
				    w->copies + w->kept);
		w->oldest += CHUNK;
	}
}

static void *by_bare(void *arg)
{
	struct worker *w = arg;

	bench_pin(w->nth);
	while (w->oldest < run.out / run.threads)
		bring_bare(w);
	return NULL;
}

static void bare_limited_up(void)
{
	bare_up(run.range * run.threads);
	for (unsigned i = 0; i < run.threads; i++) {
		workers[i] = (struct worker){.nth = i, .from = i * run.range};
		workers[i].range = bare.window + workers[i].from;
		workers[i].copies = bench_need(malloc(run.range + run.range / 64));
		while (!workers[i].oldest)
			bring_bare(&workers[i]);
	}
}

/* --- both --------------------------------------------------------------------------------------
 */

/* MiB a second; what went before it began is little. */
static double rate(void *(*body)(void *))
{
	uint64_t start = bench_now();

	for (unsigned i = 0; i < run.threads; i++)
		if (pthread_create(&workers[i].thread, NULL, body, &workers[i]))
			bench_die("a thread");
	for (unsigned i = 0; i < run.threads; i++)
		pthread_join(workers[i].thread, NULL);
	return (double)run.out / (double)MIB / ((double)(bench_now() - start) / 1e9);
}

void managed_reclaim(const struct bench_time *t, const char *threads)
{
	run.threads = (unsigned)strtoul(threads, NULL, 10);
	run.out = quick(t) ? 32 * MIB : 1024 * MIB;
	run.limit = run.out / 4 * 3;
	run.range = round_up(2 * run.out);
	run.text = bench_need(malloc(TEXT));
	text_fill(run.text, TEXT);
	for (unsigned i = 0; i < THREADS; i++)
		workers[i].nth = i;
	ours_up();
	bench_print("mib_s", rate(ours));
	memcg_mm_destroy(mm);
	bare_limited_up();
	bench_print("bare", rate(by_bare));
}
