/*
 * view.h - the screen, drawn from what is known into a grid; knows no terminal.
 *
 *     title      program, pid, groups, time
 *     totals     the first row as one bar          } where there is height for them
 *     pressure   and rates                         }
 *     headings   of the columns that fit
 *     lines      as many as there is room for, the cursor's among them
 *     details    of the cursor's group, when asked for
 *     status     a question, a message, or the keys
 *
 * Columns go by rank when the screen is narrow; the one sorted by stays.
 */
#ifndef MEMCG_TOP_VIEW_H
#define MEMCG_TOP_VIEW_H

#include "column.h"
#include "grid.h"
#include "model.h"

#define DETAIL_TEXT 16384
#define STATUS_TEXT 512

struct view {
	/* What to draw. */
	struct model *model;
	const struct source_info *info;
	double delay; /* seconds between refreshes */
	char clock[16];
	const char *question; /* with what was typed, or NULL */
	char status[STATUS_TEXT];
	enum style status_style;
	bool details, help;
	char detail_path[4096];	  /* whose they are */
	char detail[DETAIL_TEXT]; /* "FILE\n" and "NAME VALUE" lines; see view_detail.c */
	unsigned detail_top;

	/* The view's own. */
	size_t top; /* first line shown */
	int page;   /* lines of the last drawing */
};

void view_draw(struct view *v, struct grid *g);

/* ---- parts, for each other ---- */

int view_head(const struct view *v, struct grid *g); /* rows it took */
void view_table(struct view *v, struct grid *g, int y, int rows);
void view_detail(const struct view *v, struct grid *g, int y, int rows);
void view_help(struct grid *g);

/* The columns that fit, in the order of the table; how many. out has nr_columns entries. */
unsigned view_columns(const struct model *m, int width, const struct column **out, int *name_width);

#endif
