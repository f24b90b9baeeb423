/* model.c - groups from one refresh to the next, and their rates; see model.h. */
#include "model.h"

#include "column.h"
#include "order.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64

int model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	m->elapsed = NAN;
	m->buckets = FIRST_BUCKETS;
	m->bucket = calloc(m->buckets, sizeof(struct group *));
	m->sort = column_find("current");
	return m->bucket ? 0 : -ENOMEM;
}

static void group_free(struct group *g)
{
	free(g->path);
	free(g);
}

void model_exit(struct model *m)
{
	for (size_t i = 0; i < m->buckets && m->bucket; i++)
		for (struct group *g = m->bucket[i], *next; g; g = next) {
			next = g->chain;
			group_free(g);
		}
	free(m->bucket);
	free(m->at);
	free(m->line);
	free(m->found);
	free(m->search);
	memset(m, 0, sizeof(*m));
}

/* ---- groups by path ---- */

static uint32_t hash_of(const char *path)
{
	uint32_t hash = 2166136261u;

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * 16777619u;
	return hash;
}

static struct group *find(const struct model *m, const char *path, uint32_t hash)
{
	for (struct group *g = m->bucket[hash & (m->buckets - 1)]; g; g = g->chain)
		if (g->hash == hash && !strcmp(g->path, path))
			return g;
	return NULL;
}

/* More buckets; stays as it is when there is no memory for them. */
static void grow(struct model *m)
{
	size_t buckets = m->buckets * 4;
	struct group **bucket = calloc(buckets, sizeof(struct group *));

	if (!bucket)
		return;
	for (size_t i = 0; i < m->buckets; i++)
		for (struct group *g = m->bucket[i], *next; g; g = next) {
			next = g->chain;
			g->chain = bucket[g->hash & (buckets - 1)];
			bucket[g->hash & (buckets - 1)] = g;
		}
	free(m->bucket);
	m->bucket = bucket;
	m->buckets = buckets;
}

static struct group *find_or_add(struct model *m, const char *path)
{
	uint32_t hash = hash_of(path);
	struct group *g = find(m, path, hash);

	if (g)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g || !(g->path = strdup(path))) {
		free(g);
		return NULL;
	}
	g->name = strrchr(g->path, '/') && g->path[1] ? strrchr(g->path, '/') + 1 : g->path;
	g->hash = hash;
	if (m->groups++ >= m->buckets)
		grow(m);
	g->chain = m->bucket[hash & (m->buckets - 1)];
	m->bucket[hash & (m->buckets - 1)] = g;
	return g;
}

/* Groups that this refresh did not bring. */
static void drop_unseen(struct model *m)
{
	for (size_t i = 0; i < m->buckets; i++)
		for (struct group **link = &m->bucket[i], *g; (g = *link);) {
			if (g->seen == m->refresh) {
				link = &g->chain;
				continue;
			}
			*link = g->chain;
			group_free(g);
			m->groups--;
		}
}

/* ---- what a refresh brings ---- */

static double rate(uint64_t now, uint64_t before, double elapsed)
{
	if (now == SOURCE_UNKNOWN || before == SOURCE_UNKNOWN || now < before)
		return NAN;
	return (double)(now - before) / elapsed;
}

static void take_rates(struct group *g, double elapsed)
{
	const struct row *r = g->row;

	g->faults = rate(r->pgfault, g->pgfault, elapsed);
	g->refusals = rate(r->refused, g->refused, elapsed);
	g->growth = NAN;
	if (r->current != SOURCE_UNKNOWN && g->current != SOURCE_UNKNOWN)
		g->growth = ((double)r->current - (double)g->current) / elapsed;
}

static void take_row(struct model *m, struct group *g, const struct row *r, size_t index)
{
	bool known = g->seen && g->seen + 1 == m->refresh && g->id == r->id;

	g->row = r;
	g->index = index;
	g->depth = r->depth;
	g->parent = index ? m->at[r->parent < index ? r->parent : 0] : NULL;
	g->first = g->next = NULL;
	g->fresh = !known;
	take_rates(g, known ? m->elapsed : NAN);
	g->id = r->id;
	g->pgfault = r->pgfault;
	g->refused = r->refused;
	g->current = r->current;
	g->threads = field_value(r->threads);
	g->seen = m->refresh;
}

/* What the bar ends at. Parents have theirs already. */
static void take_limit(const struct model *m, struct group *g)
{
	const struct row *r = g->row;

	g->used = field_value(r->current);
	if (field_value(r->max) < INFINITY) {
		g->scale = SCALE_OWN;
		g->limit = (double)r->max;
	} else if (field_value(r->high) < INFINITY) {
		g->scale = SCALE_HIGH;
		g->limit = (double)r->high;
	} else if (g->parent && g->parent->scale != SCALE_SHARE) {
		g->scale = SCALE_INHERITED;
		g->limit = g->parent->limit;
	} else {
		g->scale = SCALE_SHARE;
		/* The whole is no part of itself. */
		g->limit = g->parent ? field_value(m->at[0]->row->current) : NAN;
	}
	/* A limit of each process is near when the fullest is near it. */
	if (r->each && (g->scale == SCALE_OWN || g->scale == SCALE_HIGH))
		g->used = field_value(r->fullest);
	g->use = g->limit > 0 ? g->used / g->limit * 10000 : NAN;
}

static int make_room(struct model *m, size_t n)
{
	struct group ***arrays[] = {&m->at, &m->line, &m->found};

	if (n <= m->room)
		return 0;
	n += n / 2;
	for (unsigned i = 0; i < 3; i++) {
		struct group **larger = realloc(*arrays[i], n * sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		*arrays[i] = larger;
	}
	m->room = n;
	return 0;
}

/* All groups before anything changes, so that there is no half refresh. */
static int find_all(struct model *m, const struct rows *rows)
{
	int err = make_room(m, rows->n);

	for (size_t i = 0; !err && i < rows->n; i++) {
		m->found[i] = find_or_add(m, rows->row[i].path);
		if (!m->found[i])
			err = -ENOMEM;
	}
	return err;
}

/* What is not known of some is left out; of all, the sum is not known either. */
static void sum_threads(struct model *m)
{
	for (size_t i = m->n; i-- > 1;) {
		struct group *g = m->at[i], *up = g->parent;

		if (g->index == i && !isnan(g->threads))
			up->threads = isnan(up->threads) ? g->threads : up->threads + g->threads;
	}
}

/* What this source tells of any group at all. */
static uint64_t known_columns(const struct model *m)
{
	uint64_t known = 0;

	for (unsigned c = 0; c < nr_columns; c++)
		for (size_t i = 0; i < m->n && !(known >> c & 1); i++)
			known |= (uint64_t)!isnan(column_value(&columns[c], m->at[i])) << c;
	return known;
}

int model_update(struct model *m, const struct rows *rows)
{
	struct group *cursor = model_cursor(m);
	int err = find_all(m, rows);

	if (err)
		return err;
	m->elapsed =
		m->refresh && rows->taken > m->taken ? (double)(rows->taken - m->taken) / 1e9 : NAN;
	m->taken = rows->taken;
	m->refresh++;
	m->n = rows->n;
	for (size_t i = 0; i < m->n; i++) {
		const struct row *r = &rows->row[i];

		m->at[i] = m->found[i];
		/* The same path again: whoever made these rows errs, and a tree has no rings. */
		if (m->at[i]->seen == m->refresh)
			continue;
		take_row(m, m->at[i], r, i);
		take_limit(m, m->at[i]);
	}
	sum_threads(m);
	/* Once known, always shown: rates are not at first, and columns that come and go hide the
	 * rest. */
	m->known |= known_columns(m);
	order_arrange(m, cursor && cursor->seen == m->refresh ? cursor : NULL);
	drop_unseen(m);
	return 0;
}

void model_label(struct model *m, size_t row, const char *label)
{
	if (row < m->n)
		snprintf(m->at[row]->label, sizeof(m->at[row]->label), "%s", label);
}

void model_arrange(struct model *m)
{
	order_arrange(m, model_cursor(m));
}

/* ---- the cursor ---- */

struct group *model_cursor(const struct model *m)
{
	return m->cursor < m->lines ? m->line[m->cursor] : NULL;
}

void model_move(struct model *m, long by)
{
	size_t last = m->lines ? m->lines - 1 : 0;

	if (by < 0)
		m->cursor = m->cursor > (size_t)-by ? m->cursor - (size_t)-by : 0;
	else
		m->cursor = (size_t)by < last - m->cursor ? m->cursor + (size_t)by : last;
}

/* A group is visible when nothing above it is folded. */
static void show(struct model *m, struct group *g)
{
	for (struct group *up = g->parent; up; up = up->parent)
		up->folded = false;
	order_arrange(m, g);
}

bool model_select(struct model *m, const char *path)
{
	struct group *g = find(m, path, hash_of(path));

	if (g)
		show(m, g);
	return g;
}

void model_fold(struct model *m, bool fold)
{
	struct group *g = model_cursor(m);

	if (!g)
		return;
	if (fold && g->parent && (!g->first || g->folded || m->flat))
		order_arrange(m, g->parent);
	else if (g->first)
		g->folded = fold;
	model_arrange(m);
}

/* The first row stays open: a single line says nothing. */
void model_fold_all(struct model *m, bool fold)
{
	for (size_t i = 0; i < m->n; i++)
		m->at[i]->folded = fold && i && m->at[i]->first;
	model_arrange(m);
}
