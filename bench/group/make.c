/*
 * make.c - groups for the cases, and what they cost the library.
 */
#include "cases.h"

#include <stdio.h>

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
