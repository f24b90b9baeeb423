/* file_stat.c - the lines of memory.stat and memory.numa_stat, from the list of stat_lines.h. */
#include <string.h>

#include "ctl/files.h"
#include "group/stat_lines.h"

#define NAME(line) #line,
static const char *const names[] = {STAT_LINES(NAME)};
#undef NAME

/* The struct is its lines in order, behind current: group/stat.c asserts it. */
static const u64 *stat_values(const struct memcg_stat *s)
{
	return (const u64 *)s + 1;
}

int show_stat(struct memcg *cg, struct text *t)
{
	struct memcg_stat s;
	size_t i;

	memcg_stat(cg, &s, sizeof(s));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		text_line(t, names[i], stat_values(&s)[i]);
	return 0;
}

/*
 * The kernel's table has numbers of a node only for what its nodes count: not for sums,
 * what is charged in bytes, and (all lines from pgscan on) the events of its virtual memory.
 */
static bool per_node(const char *name)
{
	static const char *const not [] = {"kernel",   "percpu",       "sock", "zswap",
					   "zswapped", "zswap_incomp", "slab"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(not ); i++)
		if (!strcmp(name, not [i]))
			return false;
	return true;
}

/* Where a page lies is the system's business and not known here: all of it stands at node 0. */
int show_numa_stat(struct memcg *cg, struct text *t)
{
	struct memcg_stat s;
	size_t i;

	memcg_stat(cg, &s, sizeof(s));
	for (i = 0; strcmp(names[i], "pgscan"); i++)
		if (per_node(names[i]))
			text_say(t, "%s N0=%lu\n", names[i], (unsigned long)stat_values(&s)[i]);
	return 0;
}
