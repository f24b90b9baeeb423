/*
 * case.c - the allocators, and the two tables as one.
 */
#include "case.h"

#include <stdio.h>
#include <string.h>

#define PRELOAD "libmemcg-preload.so"

const struct allocator allocators[ALLOCATORS] = {
	[GLIBC] = {"glibc", NULL, NULL},
	[JEMALLOC] = {"jemalloc", "libjemalloc.so.2", NULL},
	[MIMALLOC] = {"mimalloc", "libmimalloc.so.2.0", NULL},
	[TCMALLOC] = {"tcmalloc", "libtcmalloc_minimal.so.4", NULL},
	[OWN] = {"own", PRELOAD, NULL},
	[SHARED] = {"shared", PRELOAD, "MEMCG_PROMOTE=0"},
	[UNACCOUNTED] = {"unaccounted", PRELOAD, "MEMCG_UNACCOUNTED=1"},
	[LINKED] = {"linked", NULL, NULL},
};

size_t case_count(void)
{
	return object_case_count + call_case_count;
}

const struct bench_case *case_at(size_t nth)
{
	return nth < object_case_count ? &object_cases[nth] : &call_cases[nth - object_case_count];
}

size_t case_nth(const struct bench_case *c)
{
	return c->linked ? object_case_count + (size_t)(c - call_cases)
			 : (size_t)(c - object_cases);
}

void case_row_name(const struct bench_case *c, unsigned allocator, const struct metric *m,
		   char buf[ROW_NAME_MAX])
{
	snprintf(buf, ROW_NAME_MAX, "%s%s%s%s%s", c->name, c->linked ? "" : "/",
		 c->linked ? "" : allocators[allocator].name, m->suffix ? "/" : "",
		 m->suffix ? m->suffix : "");
}

bool case_name_covers(const char *name, const char *row)
{
	size_t length = strlen(name);

	return !strncmp(name, row, length) && (row[length] == '/' || !row[length]);
}

static void rows_of(const struct bench_case *c, unsigned allocator, case_each each, void *arg)
{
	char name[ROW_NAME_MAX];

	for (unsigned m = 0; m < METRICS_MAX && c->metric[m].key; m++) {
		case_row_name(c, allocator, &c->metric[m], name);
		each(c, allocator, m, name, arg);
	}
}

void case_rows(case_each each, void *arg)
{
	for (size_t i = 0; i < case_count(); i++)
		for (unsigned a = FIRST_OURS; a < ALLOCATORS; a++)
			if (case_runs_on(case_at(i), a))
				rows_of(case_at(i), a, each, arg);
}
