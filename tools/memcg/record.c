/* record.c - see record.h. */
#include "record.h"

#include <stdlib.h>
#include <string.h>

struct record *record_create(const struct room *room, uint64_t began)
{
	struct record *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->processes = calloc(SLOT_DEFAULT, sizeof(*r->processes));
	if (!r->processes) {
		free(r);
		return NULL;
	}
	timeline_init(&r->time, began, RECORD_STEP_NS);
	r->max = atomic_load(&room->header->max);
	r->high = atomic_load(&room->header->high);
	return r;
}

void record_destroy(struct record *r)
{
	if (!r)
		return;
	timeline_exit(&r->time);
	for (uint32_t i = 0; i < SLOT_DEFAULT; i++) {
		for (unsigned j = 0; j < r->processes[i].nr_groups; j++)
			free(r->processes[i].groups[j]);
		free(r->processes[i].groups);
	}
	free(r->processes);
	free(r);
}

/* ---- limits ---- */

static void changed(struct record *r, const struct record_change *change)
{
	if (r->nr_changes < RECORD_CHANGES)
		r->changes[r->nr_changes++] = *change;
	else
		r->lost_changes++;
}

static void look_at_header(struct record *r, const struct room *room, uint64_t now)
{
	uint64_t max = atomic_load(&room->header->max), high = atomic_load(&room->header->high);

	if (max != r->max)
		changed(r, &(struct record_change){now, RECORD_EVERYBODY, false, "", r->max, max});
	if (high != r->high)
		changed(r, &(struct record_change){now, RECORD_EVERYBODY, true, "", r->high, high});
	r->max = max;
	r->high = high;
}

/* A process follows the header some time later: that was told once, for everybody. */
static bool follows(const struct record *r, const char *name, bool high, uint64_t to)
{
	return !*name && to == (high ? r->high : r->max);
}

static void limit_seen(struct record *r, struct record_change *c)
{
	if (c->from != c->to && !follows(r, c->name, c->high, c->to))
		changed(r, c);
}

/* ---- groups ---- */

static struct record_group *group_add(struct record_process *p, const char *name)
{
	struct record_group *g, **grown;

	if (p->nr_groups == RECORD_GROUPS)
		return NULL;
	g = calloc(1, sizeof(*g));
	grown = g ? realloc(p->groups, (p->nr_groups + 1) * sizeof(struct record_group *)) : NULL;
	if (!grown) {
		free(g);
		return NULL;
	}
	p->groups = grown;
	strncpy(g->name, name, sizeof(g->name) - 1);
	p->groups[p->nr_groups++] = g;
	return g;
}

/* Of groups with one name the first of the table is the first here. */
static struct record_group *group_find(struct record_process *p, const struct slot_view *v,
				       uint64_t row)
{
	const char *name = v->rows[row].name;
	unsigned before = 0;

	for (uint64_t i = 0; i < row; i++)
		before += !strncmp(v->rows[i].name, name, SLOT_NAME_MAX);
	for (unsigned i = 1; i < p->nr_groups; i++)
		if (!strncmp(p->groups[i]->name, name, SLOT_NAME_MAX) && !before--)
			return p->groups[i];
	return NULL;
}

/* What rose since the last look did so in this point. A row that sums up others may also fall. */
static void group_look(struct record *r, struct record_group *g, const struct slot_row *now)
{
	bool rose = now->peak > g->peak;
	struct cell c = {
		.last = now->current,
		.max = rose && now->peak > now->current ? now->peak : now->current,
		.refusals = now->refusals > g->refusals ? now->refusals - g->refusals : 0,
	};

	timeline_add(&r->time, &g->series, &c);
	g->current = now->current;
	g->refusals = now->refusals;
	g->max = now->max;
	if (rose)
		g->peak = now->peak;
}

static void look_at_row(struct record *r, uint32_t slot, const struct slot_view *v, uint64_t row,
			uint64_t now)
{
	struct record_process *p = &r->processes[slot];
	struct record_group *g = group_find(p, v, row);
	struct record_change c = {.when = now, .slot = slot, .to = v->rows[row].max};

	if (!g) {
		g = group_add(p, v->rows[row].name);
		if (!g) {
			r->lost_groups = true;
			return;
		}
		g->max = v->rows[row].max;
	}
	memcpy(c.name, g->name, sizeof(c.name));
	c.from = g->max;
	limit_seen(r, &c);
	group_look(r, g, &v->rows[row]);
}

static void look_at_root(struct record *r, uint32_t slot, const struct slot_view *v, uint64_t now)
{
	struct record_process *p = &r->processes[slot];
	const struct slot_row root = {
		.current = v->current, .peak = v->peak, .max = v->max, .refusals = v->refusals};
	struct record_change max = {.when = now, .slot = slot, .to = v->max};
	struct record_change high = {.when = now, .slot = slot, .high = true, .to = v->high};

	if (!p->nr_groups) {
		if (!group_add(p, ""))
			return;
		p->groups[0]->max = v->max;
		p->high = v->high;
	}
	max.from = p->groups[0]->max;
	high.from = p->high;
	limit_seen(r, &max);
	limit_seen(r, &high);
	p->high = v->high;
	group_look(r, p->groups[0], &root);
}

/* ---- processes ---- */

static void look_at_process(struct record *r, const struct track *t, uint32_t slot, uint64_t now)
{
	struct record_process *p = &r->processes[slot];
	struct slot_view v;

	/* Nothing has been published: zeros would be taken for numbers. */
	if (atomic_load_acquire(&room_slot(t->room, slot)->state) != SLOT_RUNNING &&
	    !room_slot(t->room, slot)->refreshed)
		return;
	p->refreshed = room_slot(t->room, slot)->refreshed;
	room_read(room_slot(t->room, slot), &v);
	look_at_root(r, slot, &v, now);
	if (!p->nr_groups)
		return;
	for (uint64_t i = 0; i < v.nr_rows && i < SLOT_ROWS; i++)
		look_at_row(r, slot, &v, i, now);
}

static void look_at_resident(struct record *r, const struct track *t, uint32_t slot)
{
	uint64_t rss = t->slots[slot].rss;
	struct cell c = {.last = rss, .max = rss};

	if (rss)
		timeline_add(&r->time, &r->processes[slot].resident, &c);
}

/*
 * A process that came after the look at /proc is not found there, and lives: it has ended when it
 * was missed twice. Its numbers are final then.
 */
static void look_at_slot(struct record *r, const struct track *t, uint32_t slot, uint64_t now)
{
	struct record_process *p = &r->processes[slot];
	uint32_t state = atomic_load_acquire(&room_slot(t->room, slot)->state);

	if (state == SLOT_EMPTY || p->ended)
		return;
	if (t->slots[slot].alive && state != SLOT_EXECED) {
		p->missed = 0;
		look_at_process(r, t, slot, now);
		look_at_resident(r, t, slot);
		return;
	}
	if (!p->missed++)
		p->ended_at = now;
	if (p->missed == 1 || room_slot(t->room, slot)->refreshed != p->refreshed)
		look_at_process(r, t, slot, now);
	p->ended = p->missed > 1;
}

void record_look(struct record *r, const struct track *t, uint64_t now)
{
	timeline_open(&r->time, now);
	look_at_header(r, t->room, now);
	for (uint32_t i = 0; i < room_used(t->room); i++)
		look_at_slot(r, t, i, now);
}

void record_finish(struct record *r, const struct track *t, uint64_t now)
{
	record_look(r, t, now);
	for (uint32_t i = 0; i < room_used(t->room); i++)
		r->processes[i].ended |= r->processes[i].missed > 0;
}
