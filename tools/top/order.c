/*
 * order.c - see order.h.
 *
 * All groups are sorted at once, in m->line, which is not needed for anything else meanwhile. Then
 * each is put before the children its parent has already, from the last one back: that leaves
 * every list of children in order without a sort of its own.
 */
#include "order.h"

#include "column.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers from the largest down; what is not known last. Equal ones as the rows come. */
static int by_number(const void *a, const void *b, void *reversed)
{
	const struct group *g = *(struct group *const *)a, *h = *(struct group *const *)b;
	bool up = *(bool *)reversed;

	if (isnan(g->key) != isnan(h->key))
		return isnan(g->key) ? 1 : -1;
	if (g->key > h->key)
		return up ? 1 : -1;
	if (g->key < h->key)
		return up ? -1 : 1;
	return g->index < h->index ? -1 : 1;
}

static int by_name(const void *a, const void *b, void *reversed)
{
	const struct group *g = *(struct group *const *)a, *h = *(struct group *const *)b;
	int order = strcmp(g->name, h->name);

	if (order)
		return *(bool *)reversed ? -order : order;
	return g->index < h->index ? -1 : 1;
}

static void sort_all(struct model *m)
{
	bool name = m->sort->kind == COLUMN_NAME;

	m->lines = 0;
	for (size_t i = 0; i < m->n; i++) {
		struct group *g = m->at[i];

		if (g->index != i)
			continue;
		g->key = name ? 0 : column_value(m->sort, g);
		g->first = NULL;
		m->line[m->lines++] = g;
	}
	qsort_r(m->line, m->lines, sizeof(*m->line), name ? by_name : by_number, &m->reversed);
}

static void link_children(struct model *m)
{
	for (size_t i = m->lines; i-- > 0;) {
		struct group *g = m->line[i];

		if (!g->parent)
			continue;
		g->next = g->parent->first;
		g->parent->first = g;
	}
}

static struct group *next_line(struct group *g)
{
	if (g->first && !g->folded)
		return g->first;
	while (g && !g->next)
		g = g->parent;
	return g ? g->next : NULL;
}

static void make_lines(struct model *m)
{
	m->lines = 0;
	for (struct group *g = m->n ? m->at[0] : NULL; g; g = next_line(g))
		m->line[m->lines++] = g;
}

static bool shows(const struct model *m, size_t line, const struct group *g)
{
	return line < m->lines && m->line[line] == g;
}

static void put_cursor(struct model *m, const struct group *g)
{
	const struct group *shown = g;

	for (const struct group *up = g; up && !m->flat; up = up->parent)
		if (up != g && up->folded)
			shown = up;
	if (!shows(m, m->cursor, shown))
		for (size_t i = 0; shown && i < m->lines; i++)
			if (m->line[i] == shown)
				m->cursor = i;
	if (m->cursor >= m->lines)
		m->cursor = m->lines ? m->lines - 1 : 0;
}

void order_arrange(struct model *m, struct group *cursor)
{
	sort_all(m);
	link_children(m);
	if (!m->flat)
		make_lines(m);
	put_cursor(m, cursor);
}
