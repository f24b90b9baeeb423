/* view_table.c - headings and lines; see view.h. */
#include "view.h"

#include "bar.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_LEAST 12 /* columns that a name has before another column is added */
#define NAME_GOOD  28 /* and before those go in that nobody would miss */
#define NAME_MOST  48 /* beyond this the bar gets what is over */
#define RANK_GOOD  6
#define BAR_MORE   24
#define BAR_LEAST  14
#define BAR_SCREEN 64 /* columns, below which it has those */

/* Where a column goes in: its rank, but among the first what is sorted by. */
static unsigned rank_of(const struct model *m, const struct column *c)
{
	return c == m->sort ? 0 : c->rank;
}

/* A narrow screen has a short bar rather than none. */
static int width_at(const struct model *m, const struct column *c, int screen)
{
	return c->kind == COLUMN_BAR && screen < BAR_SCREEN ? BAR_LEAST : column_width(c, m);
}

/* What this source knows of no group is not shown, except where it was asked for. */
static bool is_wanted(const struct model *m, unsigned i)
{
	return columns[i].kind != COLUMN_NAME && (m->known >> i & 1 || &columns[i] == m->sort);
}

static int least_name(const struct column *c)
{
	return c->rank < RANK_GOOD ? NAME_LEAST : NAME_GOOD;
}

unsigned view_columns(const struct model *m, int width, const struct column **out, int *name_width)
{
	const int screen = width;
	unsigned n = 0;
	bool in[64] = {false};

	for (unsigned rank = 0; rank < nr_columns; rank++)
		for (unsigned i = 0; i < nr_columns; i++) {
			const struct column *c = &columns[i];
			int left = width - width_at(m, c, screen) - 1;

			if (!is_wanted(m, i) || rank_of(m, c) != rank ||
			    left < (c == m->sort ? NAME_LEAST : least_name(c)))
				continue;
			in[i] = true;
			width = left;
		}
	for (unsigned i = 0; i < nr_columns; i++)
		if (in[i])
			out[n++] = &columns[i];
	*name_width = width;
	return n;
}

static int indent_of(const struct model *m, const struct group *g, int width)
{
	int indent = m->flat ? 0 : 2 * (int)(g->depth < 1000 ? g->depth : 1000);

	/* However deep, there is room for some of the name. */
	return indent < width - 10 ? indent : width > 10 ? width - 10 : 0;
}

static const char *fold_mark(const struct grid *g, const struct group *group)
{
	if (!group->first)
		return " ";
	if (group->folded)
		return g->ascii ? "+" : "▸";
	return g->ascii ? "-" : "▾";
}

static void draw_name(const struct view *v, struct grid *g, int y, int width,
		      const struct group *group)
{
	int indent = indent_of(v->model, group, width);
	const char *name = v->model->flat ? group->path : group->name;

	if (!v->model->flat) {
		grid_put(g, y, indent, 1, STYLE_DIM, fold_mark(g, group));
		indent += 2;
	}
	indent += grid_put_short(g, y, indent, width - indent, STYLE_PLAIN, name);
	if (group->label[0] && indent + 2 < width)
		grid_put_short(g, y, indent + 1, width - indent - 1, STYLE_DIM, group->label);
}

static enum style style_of(const struct column *c, const struct group *group)
{
	double value = column_value(c, group);

	if (isnan(value) || isinf(value) || value == 0)
		return STYLE_DIM;
	if (c->own && c->kind == COLUMN_RATE && c->field == offsetof(struct group, refusals))
		return STYLE_BAD;
	if (c->kind == COLUMN_PERCENT && value >= 1000)
		return STYLE_WARN;
	return STYLE_PLAIN;
}

struct layout {
	const struct model *model;
	const struct column *column[64];
	unsigned n;
	int name_width;
	int screen;
	int bar_more;
};

static int width_of(const struct layout *l, const struct column *c)
{
	return width_at(l->model, c, l->screen) + (c->kind == COLUMN_BAR ? l->bar_more : 0);
}

static void make_layout(const struct model *m, int width, struct layout *l)
{
	int more;

	_Static_assert(sizeof(l->column) / sizeof(l->column[0]) == 64, "as `in` of view_columns");
	l->model = m;
	l->n = view_columns(m, width, l->column, &l->name_width);
	more = l->name_width - NAME_MOST;
	l->screen = width;
	l->bar_more = 0;
	for (unsigned i = 0; i < l->n; i++)
		if (l->column[i]->kind == COLUMN_BAR && more > 0)
			l->bar_more = more < BAR_MORE ? more : BAR_MORE;
	l->name_width -= l->bar_more;
}

static void draw_line(const struct view *v, struct grid *g, int y, const struct layout *l,
		      const struct group *group)
{
	char text[NUMBER_TEXT];
	int x = l->name_width;

	draw_name(v, g, y, l->name_width, group);
	for (unsigned i = 0; i < l->n; i++) {
		const struct column *c = l->column[i];
		int width = width_of(l, c);

		if (c->kind == COLUMN_BAR)
			bar_draw(g, y, x + 1, width, group);
		else
			grid_put_right(g, y, x + 1, width, style_of(c, group),
				       column_text(c, group, text));
		x += width + 1;
	}
}

static void draw_heading(const struct view *v, struct grid *g, int y, int x, const struct column *c,
			 int width)
{
	bool sorted = c == v->model->sort;
	char text[32];

	/* The arrow says which way the largest are. */
	snprintf(text, sizeof(text), "%s%s", c->heading,
		 !sorted					  ? ""
		 : v->model->reversed == (c->kind == COLUMN_NAME) ? (g->ascii ? "v" : "▼")
								  : (g->ascii ? "^" : "▲"));
	if (c->kind == COLUMN_NAME || c->kind == COLUMN_BAR)
		grid_put(g, y, x, width, sorted ? STYLE_SORTED : STYLE_HEADING, text);
	else
		grid_put_right(g, y, x, width, sorted ? STYLE_SORTED : STYLE_HEADING, text);
}

static void draw_headings(const struct view *v, struct grid *g, int y, const struct layout *l)
{
	int x = l->name_width;

	grid_style(g, y, 0, g->width, STYLE_HEADING, false);
	draw_heading(v, g, y, 0, &columns[0], l->name_width);
	for (unsigned i = 0; i < l->n; i++) {
		draw_heading(v, g, y, x + 1, l->column[i], width_of(l, l->column[i]));
		x += width_of(l, l->column[i]) + 1;
	}
}

/* The cursor's line is always among those shown: a step scrolls a line, a jump puts it into the
 * middle. */
static size_t scrolled(size_t top, size_t cursor, size_t page)
{
	if (cursor + 1 < top || cursor > top + page)
		return cursor > page / 2 ? cursor - page / 2 : 0;
	if (cursor < top)
		return cursor;
	return cursor >= top + page ? cursor - page + 1 : top;
}

static void scroll(struct view *v, int rows)
{
	const struct model *m = v->model;
	size_t page = rows > 0 ? (size_t)rows : 1;

	v->page = rows;
	v->top = scrolled(v->top, m->cursor, page);
	/* No empty lines below while there are groups above. */
	if (v->top + page > m->lines)
		v->top = m->lines > page ? m->lines - page : 0;
}

void view_table(struct view *v, struct grid *g, int y, int rows)
{
	const struct model *m = v->model;
	struct layout l;

	make_layout(m, g->width, &l);
	if (rows > 1) {
		draw_headings(v, g, y++, &l);
		rows--;
	}
	scroll(v, rows);
	for (int i = 0; i < rows && v->top + (size_t)i < m->lines; i++) {
		draw_line(v, g, y + i, &l, m->line[v->top + (size_t)i]);
		if (v->top + (size_t)i == m->cursor)
			grid_style(g, y + i, 0, l.name_width, STYLE_CURSOR, false);
	}
}
