/*
 * working_set.c - a program that uses 1.5 times what its group may have, against the same program
 * without a limit. Which page a touch is of is Zipf's (s = 1), so a policy that knew the odds, and
 * one that knew nothing, would differ.
 *
 * A touch reads its page and counts in its first word: pages stay as compressible as text is. Or
 * ("changed") it writes all over its page: more and more pages compress no more, and go to the
 * swap file.
 *
 * The part of touches that found their page in memory is held against what the same touches find
 * under LRU with room for as many pages as were in memory. A miss costs what the touches took
 * longer than without limit, by the number of misses: coming in, making room, and finding out what
 * is used. It is held against LZ4 out and in by the bare mechanism.
 */
#include "managed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

#define LIMIT	  (16 * MIB)
#define SET	  (LIMIT / 2 * 3)
#define SET_PAGES (SET / PAGE_SIZE)
#define ROUNDS	  8u
#define TOUCHES	  12500u /* a round */
#define WARM_UP	  2u	 /* rounds before those that are timed */

static void (*use)(volatile char *page);

static void count_in(volatile char *page)
{
	u64 sum = 0;

	for (unsigned k = 0; k < 256; k++)
		sum += (u64)page[k * 16];
	*(volatile u64 *)page += 1 + (sum & 0);
}

static void change(volatile char *page)
{
	for (unsigned k = 0; k < 256; k++)
		page[k * 16] += (char)k;
}

/* Rank by the inverse of the harmonic sum, near enough; ranks are spread over the set. */
static size_t zipf(u64 *seed)
{
	double u = (double)bench_random(seed) / 4294967296.0;
	size_t rank = (size_t)exp(u * log((double)SET_PAGES));

	return rank * 2654435761u % SET_PAGES;
}

static u16 trace[(WARM_UP + ROUNDS) * TOUCHES];

static void trace_make(void)
{
	u64 seed = CHILD_SEED;

	for (size_t i = 0; i < ARRAY_SIZE(trace); i++)
		trace[i] = (u16)zipf(&seed);
}

static double work(char *p, unsigned round)
{
	uint64_t start = bench_now();

	for (unsigned i = 0; i < TOUCHES; i++)
		use(p + (size_t)trace[round * TOUCHES + i] * PAGE_SIZE);
	return (double)(bench_now() - start) / TOUCHES;
}

/* --- the same touches under LRU ----------------------------------------------------------- */

static u16 next[SET_PAGES + 1], prev[SET_PAGES + 1]; /* a ring; the last is its head */

static void ring_add(unsigned page)
{
	next[page] = next[SET_PAGES];
	prev[page] = SET_PAGES;
	prev[next[page]] = next[SET_PAGES] = (u16)page;
}

static void ring_del(unsigned page)
{
	next[prev[page]] = next[page];
	prev[next[page]] = prev[page];
}

/* Hits of the timed rounds, with room for so many pages; the set was filled in order before. */
static double lru_hits(size_t room)
{
	static bool in[SET_PAGES];
	size_t hits = 0;

	next[SET_PAGES] = prev[SET_PAGES] = SET_PAGES;
	for (size_t page = SET_PAGES - room; page < SET_PAGES; page++) {
		ring_add((unsigned)page);
		in[page] = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(trace); i++) {
		unsigned page = trace[i], out = prev[SET_PAGES];

		hits += in[page] && i >= WARM_UP * TOUCHES;
		ring_del(in[page] ? page : out);
		in[out] = in[page] && in[out];
		in[page] = true;
		ring_add(page);
	}
	return (double)hits / (ROUNDS * TOUCHES);
}

/* --- a miss by the bare mechanism ----------------------------------------------------------- */

static void text_in(void)
{
	text_fill(bare.alias, bare.bytes);
	bare.unpack = false;
	bare_map(0, bare.bytes / PAGE_SIZE);
}

static void out(void)
{
	bare_all_out();
	bare.unpack = true;
}

static void text_out(void)
{
	text_in();
	out();
}

static void in_by_faults(void)
{
	for (size_t i = 0; i < bare.bytes; i += PAGE_SIZE)
		(void)*(volatile char *)(bare.window + i);
}

static double bare_miss(void)
{
	double took[2][ROUNDS];

	bare_up(4 * MIB);
	for (unsigned r = 0; r < ROUNDS; r++) {
		took[0][r] = managed_once(&(struct side){text_in, out}, 1024);
		took[1][r] = managed_once(&(struct side){text_out, in_by_faults}, 1024);
	}
	return median(took[0], ROUNDS) + median(took[1], ROUNDS);
}

/* --- with a limit and without ---------------------------------------------------------------- */

static struct memcg *limited;

static struct memcg_stat look(void)
{
	struct memcg_stat s;

	if (memcg_stat(limited, &s, sizeof(s)))
		bench_die("memcg_stat");
	return s;
}

static char *range_of(struct memcg_mm *mm)
{
	char *p = bench_need(memcg_mmap(mm, SET, PROT_READ | PROT_WRITE, 0, NULL, 0));

	text_fill(p, SET);
	return p;
}

static void tell(double ns, double unlimited, double room, double misses)
{
	double missed = misses / (ROUNDS * TOUCHES);

	bench_print("ns", ns);
	bench_print("unlimited", unlimited);
	bench_print("hit", 100 * (1 - missed));
	bench_print("lru", 100 * lru_hits((size_t)room));
	bench_print("miss_ns", (ns - unlimited) / missed);
	bench_print("bare", bare_miss());
}

static void compare(char *p, char *q)
{
	double took[2][ROUNDS], room = 0;
	u64 misses;

	for (unsigned r = 0; r < WARM_UP; r++) {
		work(p, r);
		work(q, r);
	}
	misses = look().pgmajfault;
	for (unsigned r = 0; r < ROUNDS; r++) {
		took[0][r] = work(p, WARM_UP + r);
		took[1][r] = work(q, WARM_UP + r);
		room += (double)look().anon / PAGE_SIZE / ROUNDS;
	}
	tell(median(took[0], ROUNDS), median(took[1], ROUNDS), room,
	     (double)(look().pgmajfault - misses));
}

void managed_working_set(const struct bench_time *t, const char *arg)
{
	struct memcg_mm *small;

	(void)t;
	use = strcmp(arg, "changed") ? count_in : change;
	limited = group_make(NULL, "limited", 0);
	small = bench_need(memcg_mm_create(limited));
	if (memcg_set_limit(limited, MEMCG_MAX, LIMIT))
		bench_die("a limit");
	trace_make();
	compare(range_of(small), range_of(managed_mm()));
}
