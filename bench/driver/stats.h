/*
 * stats.h - medians, and how well they are known.
 *
 * The interval is the one of order statistics: the k-th smallest and k-th largest of n samples
 * enclose the true median with the confidence the binomial distribution gives, whatever the
 * samples' own distribution is. A shared machine's is not normal. Below six samples even the
 * extremes do not reach 95 %: they are shown, and no verdict rests on them.
 */
#ifndef MEMCG_BENCH_STATS_H
#define MEMCG_BENCH_STATS_H

#include <stddef.h>

#define STATS_ENOUGH 6

struct spread {
	double median, low, high;
	size_t n; /* samples that there were; 0: the others are NaN */
};

/* NaN among the samples: not measured, left out. */
struct spread stats_spread(const double *samples, size_t n);
/* Of samples[i] / reference[i]: what happened in the same repeat is compared. */
struct spread stats_ratio(const double *samples, const double *reference, size_t n);

/* "met", "missed" or "cannot-tell": does the interval lie on one side of the goal? */
const char *stats_verdict(const struct spread *ratio, double goal);

#endif
