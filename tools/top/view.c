/* view.c - the screen as a whole, its head and its last line; see view.h. */
#include "view.h"

#include "bar.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TALL	  12 /* rows from which there is room for totals */
#define WRAP_MOST 3  /* rows of a message */

/* Text piece by piece, each in its style. */
struct pen {
	struct grid *g;
	int y, x;
};

static void write_piece(struct pen *p, enum style style, const char *text)
{
	p->x += grid_put_short(p->g, p->y, p->x, p->g->width - p->x, style, text);
}

/* Nothing of what is not known. */
static void write_number(struct pen *p, const char *what, const char *number, const char *unit,
			 enum style style)
{
	if (!strcmp(number, "-"))
		return;
	write_piece(p, STYLE_DIM, what);
	write_piece(p, style, number);
	write_piece(p, style, unit);
	write_piece(p, STYLE_PLAIN, "  ");
}

static void draw_title(const struct view *v, struct grid *g)
{
	struct pen p = {g, 0, 0};
	char text[128];

	grid_style(g, 0, 0, g->width, STYLE_TITLE, false);
	snprintf(text, sizeof(text), "%s %d", v->info->comm, (int)v->info->pid);
	write_piece(&p, STYLE_TITLE, text);
	snprintf(text, sizeof(text), "  %zu group%s%s%s", v->model->n, v->model->n == 1 ? "" : "s",
		 v->model->flat ? ", flat" : "", v->info->kind == SOURCE_RUN ? ", memcg run" : "");
	write_piece(&p, STYLE_TITLE, text);
	snprintf(text, sizeof(text), "  every %gs  %s", v->delay, v->clock);
	if (p.x + (int)strlen(text) <= g->width)
		grid_put_right(g, 0, 0, g->width, STYLE_TITLE, text);
}

static void draw_totals(const struct group *root, struct grid *g, int y)
{
	char text[NUMBER_TEXT];
	struct pen p = {g, y, 0};
	const struct row *r = root->row;

	write_number(&p, "used ", number_size(field_value(r->current), text), "", STYLE_PLAIN);
	write_number(&p, "reclaimable ", number_size(field_value(r->reclaimable), text), "",
		     STYLE_PLAIN);
	write_number(&p, "peak ", number_size(field_value(r->peak), text), "", STYLE_PLAIN);
	write_number(&p, "max ", column_text(column_find("max"), root, text), "", STYLE_PLAIN);
	if (field_value(r->swap_current) > 0)
		write_number(&p, "swap ", number_size(field_value(r->swap_current), text), "",
			     STYLE_PLAIN);
	if (g->width - p.x > 20 && root->scale != SCALE_SHARE)
		bar_draw(g, y, p.x, g->width - p.x, root);
}

static void draw_pressure(const struct group *root, struct grid *g, int y)
{
	char text[NUMBER_TEXT];
	struct pen p = {g, y, 0};
	const struct row *r = root->row;

	write_number(&p, "pressure some ", number_percent(field_value(r->some_avg10), text), "%",
		     field_value(r->some_avg10) >= 1000 ? STYLE_WARN : STYLE_PLAIN);
	write_number(&p, "full ", number_percent(field_value(r->full_avg10), text), "%",
		     field_value(r->full_avg10) >= 1000 ? STYLE_BAD : STYLE_PLAIN);
	write_number(&p, "growth ", number_growth(root->growth, text), "/s", STYLE_PLAIN);
	write_number(&p, "faults ", number_rate(root->faults, text), "/s", STYLE_PLAIN);
	write_number(&p, "refused ", number_rate(root->refusals, text), "/s",
		     root->refusals > 0 ? STYLE_BAD : STYLE_PLAIN);
}

int view_head(const struct view *v, struct grid *g)
{
	const struct group *root = v->model->n ? v->model->at[0] : NULL;

	if (g->height < 4)
		return 0;
	draw_title(v, g);
	if (g->height < TALL || !root)
		return 1;
	draw_totals(root, g, 1);
	draw_pressure(root, g, 2);
	return 3;
}

/* The keys that matter most, as many as fit. */
static void draw_keys(struct grid *g, int y)
{
	static const char *const keys[][2] = {
		{"q", "quit"},	{"?", "help"},	    {"/", "search"},
		{"<>", "sort"}, {"space", "fold"},  {"enter", "details"},
		{"l", "limit"}, {"t", "tree/flat"}, {"r", "reverse"},
	};
	struct pen p = {g, y, 0};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (p.x + (int)(strlen(keys[i][0]) + strlen(keys[i][1])) + 1 > g->width)
			return;
		write_piece(&p, STYLE_HEADING, keys[i][0]);
		write_piece(&p, STYLE_DIM, " ");
		write_piece(&p, STYLE_DIM, keys[i][1]);
		p.x += 2;
	}
}

/* Over as many rows as it needs, from the last one up: reasons are long, and screens narrow. */
static int draw_wrapped(struct grid *g, enum style style, const char *text)
{
	int rows = text_width(text, g->ascii) / g->width + 1;
	struct pen p = {g, 0, 0};
	struct glyph glyph;

	if (rows > WRAP_MOST)
		rows = WRAP_MOST;
	if (rows > g->height)
		rows = g->height;
	for (p.y = g->height - rows; p.y < g->height; p.y++) {
		const char *end = text;
		int width = 0;

		grid_fill(g, p.y, 0, g->width, STYLE_PLAIN, " ");
		p.x = grid_put(g, p.y, 0, g->width, style, text);
		while (width < p.x && text_glyph(&end, g->ascii, &glyph))
			width += glyph.width;
		text = end;
	}
	return p.x;
}

/* A question's end is where one types: of a long one the beginning goes. */
static void draw_question(const struct view *v, struct grid *g)
{
	const char *text = v->question;
	struct glyph glyph;
	int x;

	while (text_width(text, g->ascii) >= WRAP_MOST * g->width &&
	       text_glyph(&text, g->ascii, &glyph))
		continue;
	x = draw_wrapped(g, STYLE_WARN, text);
	grid_put(g, g->height - 1, x, 1, STYLE_CURSOR, " ");
}

static void draw_last(const struct view *v, struct grid *g)
{
	if (v->question)
		draw_question(v, g);
	else if (v->status[0])
		draw_wrapped(g, v->status_style, v->status);
	else
		draw_keys(g, g->height - 1);
}

static int detail_rows(const struct view *v, int rows)
{
	if (!v->details || rows < 6)
		return 0;
	return rows / 2 < 12 ? rows / 2 : 12;
}

void view_draw(struct view *v, struct grid *g)
{
	int y, rows, details;

	grid_clear(g);
	if (g->height < 1 || g->width < 1)
		return;
	y = view_head(v, g);
	rows = g->height - y - 1;
	details = detail_rows(v, rows);
	view_table(v, g, y, rows - details);
	if (details)
		view_detail(v, g, y + rows - details, details);
	if (v->help)
		view_help(g);
	draw_last(v, g);
}
