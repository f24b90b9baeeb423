/*
 * account_live.c - see account_live.h.
 *
 * Of a `memcg run` the rows are its processes and their groups, one tree like any other; what slots
 * do not hold is not known there, and left out.
 */
#include "account_live.h"

#include "procfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What has a column of its own in the page. */
static const char *const apart[] = {"current", "peak", "max", "high", "refused"};

static bool is_apart(const char *name)
{
	for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++)
		if (!strcmp(name, apart[i]))
			return true;
	return false;
}

static uint64_t known(uint64_t value, uint64_t otherwise)
{
	return value == SOURCE_UNKNOWN ? otherwise : value;
}

static int add_values(struct account_group *g, const struct row *r)
{
#define NAME(name) #name,
	static const char *const names[] = {SOURCE_FIELDS(NAME)};
#undef NAME
	size_t n = sizeof(names) / sizeof(names[0]);

	g->values = calloc(n, sizeof(*g->values));
	if (!g->values)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint64_t value = *row_field(r, names[i]);

		if (value && value != SOURCE_UNKNOWN && value != SOURCE_MAX && !is_apart(names[i]))
			g->values[g->nr_values++] = (struct account_value){names[i], value};
	}
	return 0;
}

static int add_group(struct account_process *p, const struct row *r)
{
	struct account_group *g = &p->groups[p->nr_groups++];

	*g = (struct account_group){
		.path = r->path,
		.depth = r->depth,
		.current = known(r->current, 0),
		.peak = known(r->peak, 0),
		.max = known(r->max, ACCOUNT_NONE),
		.high = known(r->high, ACCOUNT_NONE),
		.refusals = known(r->refused, 0),
		.each = r->each,
		.fullest = r->fullest,
	};
	return add_values(g, r);
}

/* The line of the report that gives its verdict. */
static void take_recount(struct account_process *p, const char *text)
{
	static const char begins[] = "recount: ";
	const char *line = text ? strstr(text, begins) : NULL;

	snprintf(p->recount, sizeof(p->recount), "not asked for");
	if (!line)
		return;
	line += strlen(begins);
	snprintf(p->recount, sizeof(p->recount), "%.*s", (int)strcspn(line, "\n"), line);
}

static void add_resident(struct account_process *p)
{
	uint64_t rss, anon;

	if (!procfs_resident(p->pid, &rss, &anon))
		return;
	account_value(p, "resident", rss);
	account_value(p, "resident, anonymous", anon);
}

static int add_process(struct account *a, const struct source_info *info, const struct rows *rows)
{
	struct account_process *p = calloc(1, sizeof(*p));
	int err = 0;

	if (!p)
		return -ENOMEM;
	*p = (struct account_process){
		.pid = info->pid, .comm = info->comm, .command = a->command, .to = ACCOUNT_NONE};
	a->processes = p;
	a->nr_processes = 1;
	p->groups = calloc(rows->n ? rows->n : 1, sizeof(*p->groups));
	if (!p->groups)
		return -ENOMEM;
	for (size_t i = 0; i < rows->n && !err; i++)
		err = add_group(p, &rows->row[i]);
	if (info->kind == SOURCE_SOCKET)
		add_resident(p);
	return err;
}

int account_live(struct account *a, const struct source_info *info, const struct rows *rows,
		 const char *text, const char *owners)
{
	int err;

	*a = (struct account){
		.live = true,
		.command = info->command[0] ? info->command : info->comm,
		.version = info->version,
		.date = (uint64_t)time(NULL),
		.max = ACCOUNT_NONE,
		.high = ACCOUNT_NONE,
		.owners = owners,
		.text = text,
	};
	err = add_process(a, info, rows);
	if (err)
		return err;
	take_recount(a->processes, text);
	a->max = a->max_was = a->processes->groups[0].max;
	a->high = a->high_was = a->processes->groups[0].high;
	if (!text)
		account_note(a, "There is no report as text: this process has no control socket "
				"(memcg run --control).");
	return 0;
}
