/*
 * life.c - what a group costs: to come and go a million times, and to be there and do nothing.
 */
#include "cases.h"

#include <stdlib.h>
#include <memcg.h>

#define TIMES	    1000000u
#define TIMES_QUICK 50000u
#define TENTHS	    10u
#define SIBLINGS    1000u
#define IDLE	    100000u
#define MIB	    1048576.0

static double lives(struct memcg *parent, unsigned from, unsigned n)
{
	uint64_t start = bench_now();

	for (unsigned i = from; i < from + n; i++)
		if (memcg_destroy(group_make(parent, "t", i)))
			bench_die("memcg_destroy");
	return (double)(bench_now() - start) / n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * The last tenth is held against the first: what is put off (grace periods, handles) must not
 * pile up. rss_mib is what is resident when the last group has gone.
 */
void measure_create_destroy(const struct bench_time *t, const char *arg)
{
	unsigned n = (quick(t) ? TIMES_QUICK : TIMES) / TENTHS;
	struct memcg *parent = group_make(NULL, "t", 0);
	double tenth[TENTHS];

	(void)arg;
	for (unsigned i = 0; i < SIBLINGS; i++)
		(void)group_make(parent, "t", i);
	for (unsigned i = 0; i < TENTHS; i++)
		tenth[i] = lives(parent, SIBLINGS + i * n, n);
	bench_print("first_ns", tenth[0]);
	bench_print("last_ns", tenth[TENTHS - 1]);
	qsort(tenth, TENTHS, sizeof(tenth[0]), compare);
	bench_print("ns", (tenth[TENTHS / 2 - 1] + tenth[TENTHS / 2]) / 2);
	bench_print("rss_mib", (double)bench_rss() / MIB);
}

/* By the library's own account, and by what the process has grown. */
void measure_idle(const struct bench_time *t, const char *arg)
{
	struct memcg *parent = group_make(NULL, "t", 0);
	double before = group_metadata(), rss = (double)bench_rss();

	(void)arg;
	(void)t;
	for (unsigned i = 0; i < IDLE; i++)
		(void)group_make(parent, "t", i);
	bench_print("bytes", (group_metadata() - before) / IDLE);
	bench_print("rss_bytes", ((double)bench_rss() - rss) / IDLE);
}
