/*
 * account_run.c - see account_run.h.
 *
 * The final numbers are those of the text: both come from section.h. The record adds when things
 * happened, and the groups that had gone by the end.
 */
#include "account_run.h"

#include "section.h"

#include <errno.h>
#include <memcg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct maker {
	struct account *a;
	const struct track *track;
	const struct record *record;
};

static uint64_t since_beginning(const struct maker *m, uint64_t ns)
{
	uint64_t began = m->record->time.began;

	return ns > began ? ns - began : 0;
}

/* ---- groups ---- */

/* The one group of its name in the record that no row has taken yet. */
static const struct record_group *recorded(const struct record_process *p, const char *name,
					   bool *taken)
{
	for (unsigned i = 0; i < p->nr_groups; i++)
		if (!taken[i] && !strncmp(p->groups[i]->name, name, SLOT_NAME_MAX)) {
			taken[i] = true;
			return p->groups[i];
		}
	return NULL;
}

static struct account_group *add_group(struct account_process *p, const char *path)
{
	struct account_group *g = &p->groups[p->nr_groups++];

	*g = (struct account_group){.path = path, .depth = path[1] != 0, .high = ACCOUNT_NONE};
	return g;
}

static void add_row(struct maker *m, struct account_process *p, const struct slot_row *row,
		    const struct record_group *seen)
{
	struct account_group *g = add_group(p, account_keep(m->a, "/%.31s", row->name));

	g->current = row->current;
	g->peak = row->peak;
	g->max = row->max;
	g->refusals = row->refusals;
	g->series = seen ? &seen->series : NULL;
}

static void add_gone(struct maker *m, struct account_process *p, const struct record_group *seen)
{
	struct account_group *g = add_group(p, account_keep(m->a, "/%.31s", seen->name));

	g->current = seen->current;
	g->peak = seen->peak;
	g->max = seen->max;
	g->refusals = seen->refusals;
	g->series = &seen->series;
	g->gone = true;
}

static int add_groups(struct maker *m, struct account_process *p, const struct section *s,
		      const struct record_process *seen)
{
	const struct slot_view *v = &s->view;
	const struct slot_row root = {
		.current = v->current, .peak = v->peak, .max = v->max, .refusals = v->refusals};
	bool taken[RECORD_GROUPS] = {false};

	p->groups = calloc(1 + SLOT_ROWS + RECORD_GROUPS, sizeof(*p->groups));
	if (!p->groups)
		return -ENOMEM;
	add_row(m, p, &root, recorded(seen, "", taken));
	p->groups[0].high = v->high;
	for (uint64_t i = 0; i < v->nr_rows && i < SLOT_ROWS; i++)
		add_row(m, p, &v->rows[i], recorded(seen, v->rows[i].name, taken));
	for (unsigned i = 1; i < seen->nr_groups; i++)
		if (!taken[i])
			add_gone(m, p, seen->groups[i]);
	return 0;
}

/* ---- events ---- */

/* Points in a row that had refusals are one event. */
static void refusals(struct maker *m, const struct account_process *p,
		     const struct account_group *g)
{
	const struct series *s = g->series;
	uint64_t step = m->record->time.step;
	struct account_event e = {.what = EVENT_REFUSED, .pid = p->pid, .path = g->path};

	for (uint32_t i = 0; s && i <= s->n; i++) {
		uint64_t n = i < s->n ? s->cell[i].refusals : 0;

		if (n && !e.count)
			e.when = (s->first + i) * step;
		e.until = (s->first + i) * step;
		e.count += n;
		if (!n && e.count) {
			account_event(m->a, &e);
			e.count = 0;
		}
	}
}

/* The root's tell of every group's. */
static void process_events(struct maker *m, const struct account_process *p)
{
	account_event(m->a, &(struct account_event){.when = p->from,
						    .until = p->from,
						    .what = EVENT_START,
						    .pid = p->pid,
						    .text = p->command});
	if (p->to != ACCOUNT_NONE)
		account_event(m->a, &(struct account_event){.when = p->to,
							    .until = p->to,
							    .what = EVENT_END,
							    .pid = p->pid,
							    .text = p->ended});
	for (size_t i = 0; i < p->nr_groups; i++)
		refusals(m, p, &p->groups[i]);
}

static void limit_events(struct maker *m)
{
	for (unsigned i = 0; i < m->record->nr_changes; i++) {
		const struct record_change *c = &m->record->changes[i];
		struct account_event e = {.when = since_beginning(m, c->when),
					  .what = c->high ? EVENT_HIGH : EVENT_MAX,
					  .from = c->from,
					  .to = c->to,
					  .path = "/"};

		e.until = e.when;
		if (c->slot != RECORD_EVERYBODY) {
			e.pid = (int)room_slot(m->track->room, c->slot)->pid;
			e.path = account_keep(m->a, "/%.31s", c->name);
		}
		account_event(m->a, &e);
	}
}

/* As they were at the end: those of all, and of a single process those it was given by itself. */
static void add_limits(struct maker *m, const struct run_options *o)
{
	const struct record *r = m->record;
	struct account *a = m->a;

	a->max_was = o->max;
	a->high_was = o->high;
	a->max = r->max;
	a->high = r->high;
	for (unsigned i = 0; i < r->nr_changes && a->nr_processes == 1 && !r->lost_changes; i++)
		if (!r->changes[i].name[0])
			*(r->changes[i].high ? &a->high : &a->max) = r->changes[i].to;
}

static void escape_events(struct maker *m)
{
	for (size_t i = 0; i < m->track->nr_escapes; i++) {
		const struct escape *e = &m->track->escapes[i];
		uint64_t when = since_beginning(m, e->since);

		if (!e->counted)
			continue;
		account_event(m->a, &(struct account_event){.when = when,
							    .until = when,
							    .what = EVENT_ESCAPED,
							    .pid = (int)e->pid,
							    .text = account_keep(m->a, "%.15s: %s",
										 e->comm, e->why)});
	}
}

/* ---- processes ---- */

static void add_values(struct account_process *p, const struct section *s)
{
	uint64_t unmanaged;

	account_value(p, "allocated", s->view.allocated);
	account_value(p, "cached", s->view.cached);
	account_value(p, "metadata", s->view.metadata);
	account_value(p, "maps", s->view.maps);
	account_value(p, "unmanaged", section_unmanaged(s, &unmanaged) ? unmanaged : ACCOUNT_NONE);
	account_value(p, "foreign", s->view.foreign);
}

static int add_process(struct maker *m, uint32_t index, const struct section *s)
{
	const struct record_process *seen = &m->record->processes[index];
	struct account_process *p = &m->a->processes[m->a->nr_processes++];
	char text[SECTION_TEXT];

	*p = (struct account_process){
		.pid = (int)s->slot->pid,
		.ppid = (int)s->slot->ppid,
		.comm = s->slot->comm,
		.command = section_command(s),
		.from = since_beginning(m, s->slot->claimed),
		.to = seen->ended ? since_beginning(m, seen->ended_at) : ACCOUNT_NONE,
		.resident = seen->resident.n ? &seen->resident : NULL,
	};
	snprintf(p->ended, sizeof(p->ended), "%s", section_end(s, text));
	snprintf(p->recount, sizeof(p->recount), "%s", section_recount(s, text));
	add_values(p, s);
	if (add_groups(m, p, s, seen))
		return -ENOMEM;
	process_events(m, p);
	return 0;
}

static int add_processes(struct maker *m)
{
	uint32_t used = room_used(m->track->room);
	struct section s;
	int err = 0;

	m->a->processes = calloc(used ? used : 1, sizeof(*m->a->processes));
	if (!m->a->processes)
		return -ENOMEM;
	for (uint32_t i = 0; i < used && !err; i++)
		if (section_read(m->track, i, &s))
			err = add_process(m, i, &s);
	return err;
}

/* ---- the whole ---- */

static const char *joined(struct account *a, char **command)
{
	const char *all = command[0];

	for (unsigned i = 1; command[i] && strlen(all) < SLOT_COMMAND; i++)
		all = account_keep(a, "%s %s", all, command[i]);
	return account_keep(a, "%.*s", (int)SLOT_COMMAND, all);
}

static void add_notes(struct maker *m)
{
	struct account *a = m->a;
	const struct record *r = m->record;

	if (room_turned_away(m->track->room))
		account_note(a, account_keep(a, "%u processes are not here: there is room for %u.",
					     room_turned_away(m->track->room), SLOT_DEFAULT));
	if (r->lost_groups)
		account_note(a,
			     account_keep(a, "Over time, at most %u groups of a process are shown.",
					  RECORD_GROUPS - 1));
	if (r->time.refused)
		account_note(a, "There was no memory to record all groups over time.");
	if (r->lost_changes)
		account_note(a, account_keep(a, "%u more changes of limits are not listed.",
					     r->lost_changes));
	if (!m->track->seek_escapes)
		account_note(a, "Children ran by themselves (--no-children).");
}

static uint64_t wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec;
}

int account_run(struct account *a, const struct track *t, const struct record *r,
		const struct run_options *o, const char *text)
{
	struct maker m = {a, t, r};
	int err;

	*a = (struct account){.time = &r->time, .text = text};
	a->elapsed = since_beginning(&m, run_clock_ns());
	a->date = wall_clock() - a->elapsed / 1000000000u;
	a->version = memcg_version();
	a->command = joined(a, o->command);
	a->escaped = track_escaped(t);
	err = add_processes(&m);
	add_limits(&m, o);
	limit_events(&m);
	escape_events(&m);
	add_notes(&m);
	account_sort(a);
	return err;
}
