/*
 * managed.c - managed memory beside the bare mechanism it is made of, measured in turn in one
 * process: a memfd with userfaultfd, SIGBUS and LZ4, and nothing else. Figures are for a page.
 */
#include "cases.h"

#include <lz4.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/memfd.h"
#include "sys/uffd.h"
#include "vm/fault.h"
#include "vm/reclaim.h"

#define PAGES  4096u
#define BYTES  ((size_t)PAGES * PAGE_SIZE)
#define AROUND 16u
#define ROUNDS 32u

/* --- the bare mechanism -------------------------------------------------------------- */

static struct {
	int fd, uffd;
	char *window, *alias;
	size_t around; /* bytes mapped at a fault */
	bool unpack;   /* a fault brings the page from its compressed copy first */
	char (*copy)[PAGE_SIZE];
	int *length;
} bare;

static struct sigaction ours;

static void bare_fault(int sig, siginfo_t *info, void *context)
{
	char *at = (char *)ALIGN_DOWN((uintptr_t)info->si_addr, bare.around);
	size_t i = (size_t)(at - bare.window) / PAGE_SIZE;

	if (at < bare.window || at >= bare.window + BYTES) {
		ours.sa_sigaction(sig, info, context);
		return;
	}
	if (bare.unpack)
		LZ4_decompress_safe(bare.copy[i], bare.alias + i * PAGE_SIZE, bare.length[i],
				    PAGE_SIZE);
	if (sys_uffd_continue(bare.uffd, at, bare.around, false))
		_exit(3);
}

static void bare_up(void)
{
	struct sigaction sa = {.sa_sigaction = bare_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	char *at = mmap(NULL, 2 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	bare.fd = sys_memfd(BYTES);
	bare.uffd = sys_uffd(0);
	bare.window = at;
	bare.alias = at + BYTES;
	bare.around = PAGE_SIZE;
	if (at == MAP_FAILED || bare.fd < 0 || bare.uffd < 0 ||
	    sys_map_shared(bare.window, BYTES, PROT_READ | PROT_WRITE, bare.fd, 0) ||
	    sys_map_shared(bare.alias, BYTES, PROT_READ | PROT_WRITE, bare.fd, 0) ||
	    sys_uffd_register(bare.uffd, bare.window, BYTES))
		bench_die("the bare mechanism");
	sigfillset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, &ours);
}

/* --- ours ------------------------------------------------------------------------------ */

static struct memcg_mm *mm;
static struct memcg *group;
static char *range;

static void ours_up(void)
{
	group = group_make(group_make(NULL, "a", 0), "b", 0);
	mm = memcg_mm_create(group);
	range = bench_need(memcg_mmap(mm, BYTES, PROT_READ | PROT_WRITE, 0, NULL, 0));
}

static void up(void)
{
	ours_up();
	bare_up();
}

/* Text-like: compresses to about half. */
static void fill(char *p)
{
	static const char *const word[] = {"charge", "uncharge", " the ", "memory", "of a ",
					   "group",  "\n\t",	 "page",  "limit",  "0x7f"};
	uint64_t seed = CHILD_SEED;
	size_t at = 0;

	while (at < BYTES) {
		const char *w = word[bench_below(&seed, 10)];
		size_t n = strlen(w);

		memcpy(p + at, w, MIN(n, BYTES - at));
		at += n;
		if (at < BYTES)
			p[at++] = (char)bench_random(&seed);
	}
}

static void touch(volatile char *p, size_t step)
{
	for (size_t i = 0; i < BYTES; i += step)
		p[i] = 1;
}

static void read_all(const volatile char *p, size_t step)
{
	for (size_t i = 0; i < BYTES; i += step)
		(void)p[i];
}

static void unmap_ours(void)
{
	struct window *w = window_find((uintptr_t)range);

	pages_unmap(w, 0, PAGES);
	window_put(w);
}

static void unmap_bare(void)
{
	sys_zap(&(struct span){bare.window, BYTES}, 1);
}

/* --- measuring in turn ------------------------------------------------------------------- */

struct side {
	void (*before)(void);
	void (*run)(void);
};

static double once(const struct side *s, unsigned pages)
{
	uint64_t start;

	s->before();
	start = bench_now();
	s->run();
	return (double)(bench_now() - start) / pages;
}

static void in_turn(const struct side *a, const struct side *b, unsigned pages)
{
	static double took[2][ROUNDS];

	for (unsigned r = 0; r < ROUNDS; r++) {
		took[0][r] = once(a, pages);
		took[1][r] = once(b, pages);
	}
	bench_print("ns", median(took[0], ROUNDS));
	bench_print("bare", median(took[1], ROUNDS));
}

/* --- faults ------------------------------------------------------------------------------------
 */

static void read_ours(void)
{
	read_all(range, PAGE_SIZE);
}

static void read_bare(void)
{
	read_all(bare.window, PAGE_SIZE);
}

static void read_ours_sparse(void)
{
	read_all(range, AROUND * PAGE_SIZE);
}

static void read_bare_sparse(void)
{
	read_all(bare.window, AROUND * PAGE_SIZE);
}

/* One page of sixteen is in memory, so none comes with another. */
static void minor(void)
{
	touch(range, AROUND * PAGE_SIZE);
	touch(bare.alias, AROUND * PAGE_SIZE);
	in_turn(&(struct side){unmap_ours, read_ours_sparse},
		&(struct side){unmap_bare, read_bare_sparse}, PAGES / AROUND);
}

static void around(void)
{
	touch(range, PAGE_SIZE);
	touch(bare.alias, PAGE_SIZE);
	bare.around = AROUND * PAGE_SIZE;
	in_turn(&(struct side){unmap_ours, read_ours}, &(struct side){unmap_bare, read_bare},
		PAGES);
}

static void prefault_ours(void)
{
	if (memcg_madvise(mm, range, BYTES, MEMCG_WILLNEED))
		bench_die("memcg_madvise");
}

static void prefault_bare(void)
{
	for (size_t i = 0; i < BYTES; i += 128 * PAGE_SIZE)
		if (sys_uffd_continue(bare.uffd, bare.window + i, 128 * PAGE_SIZE, false))
			bench_die("UFFDIO_CONTINUE");
}

static void prefault(void)
{
	touch(range, PAGE_SIZE);
	touch(bare.alias, PAGE_SIZE);
	in_turn(&(struct side){unmap_ours, prefault_ours},
		&(struct side){unmap_bare, prefault_bare}, PAGES);
}

/* --- out and in --------------------------------------------------------------------------------
 */

static void bring_ours(void)
{
	read_all(range, PAGE_SIZE);
}

static void evict_ours(void)
{
	if (memcg_madvise(mm, range, BYTES, MEMCG_PAGEOUT))
		bench_die("memcg_madvise");
}

static void bring_bare(void)
{
	fill(bare.alias);
	bare.unpack = false;
	bare.around = 128 * PAGE_SIZE;
	read_all(bare.window, 128 * PAGE_SIZE);
}

static void evict_bare(void)
{
	static LZ4_stream_t state;

	for (size_t i = 0; i < PAGES; i += 128) {
		sys_zap(&(struct span){bare.window + i * PAGE_SIZE, 128 * PAGE_SIZE}, 1);
		for (size_t k = i; k < i + 128; k++)
			bare.length[k] =
				LZ4_compress_fast_extState(&state, bare.alias + k * PAGE_SIZE,
							   bare.copy[k], PAGE_SIZE, PAGE_SIZE, 1);
		sys_punch(bare.fd, i * PAGE_SIZE, 128 * PAGE_SIZE);
	}
}

static void copies_up(void)
{
	bare.copy = bench_need(malloc(BYTES));
	bare.length = bench_need(malloc(PAGES * sizeof(int)));
	memset(bare.copy, 1, BYTES);
	fill(range);
	fill(bare.alias);
}

static void evict(void)
{
	copies_up();
	in_turn(&(struct side){bring_ours, evict_ours}, &(struct side){bring_bare, evict_bare},
		PAGES);
}

static void evicted_bare(void)
{
	evict_bare();
	bare.unpack = true;
	bare.around = PAGE_SIZE;
}

static void refault(void)
{
	copies_up();
	in_turn(&(struct side){evict_ours, read_ours}, &(struct side){evicted_bare, read_bare},
		PAGES);
}

/* --- a working set over the limit
 * ------------------------------------------------------------------ */

#define LIMIT	  (16 * MIB)
#define SET	  (LIMIT / 2 * 3)
#define SET_PAGES (SET / PAGE_SIZE)
#define TOUCHES	  200000u

/* Zipf, s = 1: rank by the inverse of the harmonic sum, near enough; ranks are spread over the set.
 */
static size_t zipf(uint64_t *seed)
{
	double u = (double)bench_random(seed) / 4294967296.0;
	size_t rank = (size_t)exp(u * log((double)SET_PAGES));

	return rank * 2654435761u % SET_PAGES;
}

static double work(volatile char *p)
{
	uint64_t seed = CHILD_SEED, start = bench_now();

	for (unsigned i = 0; i < TOUCHES; i++) {
		size_t at = zipf(&seed) * PAGE_SIZE;

		for (unsigned k = 0; k < 256; k++) /* what a request does with its page */
			p[at + k * 16] += (char)k;
	}
	return (double)(bench_now() - start) / TOUCHES;
}

static void working_set(void)
{
	struct memcg_mm *small = memcg_mm_create(group_make(NULL, "limited", 0));
	struct memcg *limited = bench_need(memcg_lookup("/limited0"));
	char *p, *q;

	if (!small || memcg_set_limit(limited, MEMCG_MAX, LIMIT))
		bench_die("a limited group");
	p = bench_need(memcg_mmap(small, SET, PROT_READ | PROT_WRITE, 0, NULL, 0));
	q = bench_need(memcg_mmap(mm, SET, PROT_READ | PROT_WRITE, 0, NULL, 0));
	fill(p);
	fill(q);
	work(p);
	work(q);
	bench_print("ns", work(p));
	bench_print("bare", work(q));
}

/* --- the cases
 * ---------------------------------------------------------------------------------------- */

void measure_managed(const struct bench_time *t, const char *arg)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"minor", minor},     {"around", around}, {"prefault", prefault},
		{"refault", refault}, {"evict", evict},	  {"working-set", working_set},
	};

	(void)t;
	up();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, arg)) {
			cases[i].run();
			return;
		}
	bench_die("no such case");
}
