/* run_rows.c - rows made from slots; below a process with a socket, those it answers with. */
#include "rows.h"
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The root is 1. A slot is claimed once, so its number names a process for good; groups are
 * told apart by their names, which is all a slot says of them.
 */
static uint64_t process_id(uint32_t index)
{
	return ((uint64_t)index + 1) << 32;
}

static uint64_t group_id(uint32_t index, const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return process_id(index) | (hash | 1);
}

static bool add_group(struct rows_builder *b, const char *process, uint32_t index,
		      const struct slot_row *from)
{
	char path[16 + SLOT_NAME_MAX + 2];
	int n = snprintf(path, sizeof(path), "%s/%s", process[1] ? process : "",
			 slots_row_name(from));
	struct row *row = rows_add(b, path, (size_t)n);

	if (!row)
		return false;
	row->id = group_id(index, from->name);
	row->current = from->current;
	row->peak = from->peak > from->current ? from->peak : from->current;
	row->max = from->max;
	row->refused = row->oom = row->max_events = from->refusals;
	row->children = 0;
	return true;
}

static bool add_groups(struct rows_builder *b, const char *process, const struct process_view *p)
{
	for (uint64_t i = 0; i < p->view.nr_rows; i++)
		if (p->view.rows[i].name[0] && !add_group(b, process, p->index, &p->view.rows[i]))
			return false;
	return true;
}

static bool add_slot(struct rows_builder *b, const char *path, unsigned depth,
		     const struct process_view *p)
{
	const struct slot_view *v = &p->view;
	struct row *row = rows_add(b, path, strlen(path));

	if (!row)
		return false;
	row->id = process_id(p->index);
	row->current = v->current;
	row->peak = v->peak;
	row->max = v->max;
	row->high = v->high;
	row->maps = v->maps;
	row->cached = v->cached;
	row->metadata = v->metadata;
	row->refused = row->oom = row->max_events = v->refusals;
	row->children = v->nr_rows;
	return !depth || add_groups(b, path, p);
}

/* Where a row of its own belongs among ours; as long as it is: a process may nest deeply. */
static struct row *add_below_process(struct rows_builder *b, const char *process, const char *path)
{
	bool own = !process[1], root = !strcmp(path, "/");
	struct row *row;
	char *whole;
	int n = asprintf(&whole, "%s%s", own ? "" : process, root && !own ? "" : path);

	if (n < 0)
		return NULL;
	row = rows_add(b, whole, (size_t)n);
	free(whole);
	return row;
}

/* What a process says of itself, put below its own path. */
static bool add_answer(struct rows_builder *b, const char *process, const struct rows *answer,
		       uint32_t index)
{
	for (size_t i = 0; i < answer->n; i++) {
		const struct row *from = &answer->row[i];
		bool root = !strcmp(from->path, "/");
		struct row *row = add_below_process(b, process, from->path);
		const char *at = row ? row->path : NULL;

		if (!row)
			return false;
		*row = *from;
		row->path = at;
		row->id = root ? process_id(index) : process_id(index) | (from->id & 0xffffffffu);
	}
	return true;
}

/* A process that does not answer has its slot still. */
static bool add_process(struct run *r, struct rows_builder *b, unsigned depth,
			const struct process_view *p, const char *rest)
{
	struct source *peer = run_peer(r, p->pid, p->start);
	struct rows answer = {.most = b->rows->most};
	char path[16];
	bool ok;

	run_process_path(r, p->pid, path, sizeof(path));
	if (peer && !source_rows(peer, rest, depth, &answer) && answer.n) {
		ok = add_answer(b, path, &answer, p->index);
		b->rows->left_out += answer.left_out;
	} else
		ok = add_slot(b, path, depth, p);
	rows_free(&answer);
	return ok;
}

static bool add_run(struct run *r, struct rows_builder *b, unsigned depth)
{
	struct row *row = rows_add(b, "/", 1);
	struct run_totals t;
	struct process_view p;
	uint32_t at = 0;

	if (!row)
		return false;
	run_totals(r, &t);
	row->id = 1;
	row->current = t.current;
	row->peak = t.peak;
	row->max = atomic_load(&r->slots.header->max);
	row->high = atomic_load(&r->slots.header->high);
	row->maps = t.maps;
	row->cached = t.cached;
	row->metadata = t.metadata;
	row->refused = row->oom = row->max_events = t.refused;
	row->children = row->each = t.processes;
	row->fullest = t.fullest;
	while (depth && slots_next(&r->slots, &at, &p))
		if (!add_process(r, b, depth == UINT32_MAX ? depth : depth - 1, &p, "/"))
			return false;
	return true;
}

static int add_below(struct run *r, struct rows_builder *b, const struct place *at, unsigned depth)
{
	char path[16];

	run_process_path(r, at->process.pid, path, sizeof(path));
	if (at->kind == PLACE_GROUP)
		return add_group(b, path, at->process.index, at->row) ? 0 : -ENOMEM;
	return add_slot(b, path, depth, &at->process) ? 0 : -ENOMEM;
}

static int add_peer(struct run *r, struct rows_builder *b, const struct place *at, unsigned depth)
{
	struct rows answer = {0};
	char path[16];
	int err = source_rows(at->peer, at->rest, depth, &answer);

	run_process_path(r, at->process.pid, path, sizeof(path));
	if (err)
		source_fail(&r->base, err, "%s", source_why(at->peer));
	else if (!add_answer(b, path, &answer, at->process.index))
		err = -ENOMEM;
	rows_free(&answer);
	return err;
}

int run_rows(struct source *s, const char *path, unsigned depth, struct rows *rows)
{
	struct run *r = (struct run *)s;
	struct rows_builder b;
	struct place at;
	int err = run_place(r, path, &at);

	if (err)
		return err;
	rows_begin(&b, rows);
	if (at.kind == PLACE_RUN)
		err = add_run(r, &b, depth) ? 0 : -ENOMEM;
	else if (at.peer)
		err = add_peer(r, &b, &at, depth);
	else
		err = add_below(r, &b, &at, depth);
	if (!err)
		err = rows_settle(&b);
	else
		rows->n = 0;
	return err;
}
