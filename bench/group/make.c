/*
 * make.c - what several cases need: groups, what these cost the library, and a median.
 */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>

struct memcg *group_make(struct memcg *parent, const char *prefix, unsigned n)
{
	char name[32];
	struct memcg *cg;

	snprintf(name, sizeof(name), "%s%u", prefix, n);
	cg = memcg_create(parent, name);
	if (!cg)
		bench_die("memcg_create");
	return cg;
}

double group_metadata(void)
{
	struct memcg_stat stat;

	if (memcg_stat(memcg_root(), &stat, sizeof(stat)))
		bench_die("memcg_stat");
	return (double)stat.metadata;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *value, size_t n)
{
	qsort(value, n, sizeof(value[0]), compare);
	return value[n / 2];
}
