/*
 * stats.c - see stats.h.
 */
#include "stats.h"

#include <math.h>
#include <stdlib.h>

#include "case.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The largest k such that leaving k samples out at each end still gives 95 %. */
static size_t left_out(size_t n)
{
	double probability = pow(0.5, (double)n), tail = probability;
	size_t k = 0;

	while (k < n / 2) {
		probability *= (double)(n - k) / (double)(k + 1);
		if (tail + probability > 0.025)
			break;
		tail += probability;
		k++;
	}
	return k;
}

struct spread stats_spread(const double *samples, size_t n)
{
	struct spread s = {NAN, NAN, NAN, 0};
	double sorted[REPEATS_MAX];
	size_t k;

	for (size_t i = 0; i < n; i++)
		if (!isnan(samples[i]))
			sorted[s.n++] = samples[i];
	if (!s.n)
		return s;
	qsort(sorted, s.n, sizeof(sorted[0]), compare);
	k = left_out(s.n);
	s.median = (sorted[(s.n - 1) / 2] + sorted[s.n / 2]) / 2;
	s.low = sorted[k];
	s.high = sorted[s.n - 1 - k];
	return s;
}

struct spread stats_ratio(const double *samples, const double *reference, size_t n)
{
	double ratio[REPEATS_MAX];

	for (size_t i = 0; i < n; i++)
		ratio[i] = samples[i] / reference[i];
	return stats_spread(ratio, n);
}

const char *stats_verdict(const struct spread *ratio, double goal)
{
	if (ratio->n < STATS_ENOUGH)
		return "cannot-tell";
	if (ratio->high <= goal)
		return "met";
	return ratio->low > goal ? "missed" : "cannot-tell";
}
