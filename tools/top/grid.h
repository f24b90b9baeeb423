/*
 * grid.h - a screen before it is one: cells that hold a glyph and a style.
 *
 * The view draws here, a terminal (term.c) or a test shows it. Whatever is put is clipped to its
 * room; a character of two columns has its second cell empty (width 0), and never stands half.
 */
#ifndef MEMCG_TOP_GRID_H
#define MEMCG_TOP_GRID_H

#include "text.h"

#include <stdint.h>

enum style {
	STYLE_PLAIN,
	STYLE_TITLE,
	STYLE_HEADING, /* of the table */
	STYLE_SORTED,  /* the heading it is sorted by */
	STYLE_CURSOR,
	STYLE_DIM,
	STYLE_USED,	   /* of a bar, and what reclaim could not give back */
	STYLE_RECLAIMABLE, /* of a bar */
	STYLE_NEAR,	   /* of a bar: close to its limit */
	STYLE_MARK,	   /* memory.high in a bar */
	STYLE_WARN,
	STYLE_BAD,
	STYLE_GOOD,
	STYLES,
};

struct cell {
	struct glyph glyph; /* width 0: the cell to the left reaches here */
	uint8_t style;
};

struct grid {
	int width, height;
	bool ascii;
	struct cell *cell;
};

/* 0, or -ENOMEM and the grid as it was. All cells are blank then. */
int grid_resize(struct grid *g, int width, int height);
void grid_clear(struct grid *g);
void grid_free(struct grid *g);

const struct cell *grid_at(const struct grid *g, int y, int x);
/* Writes at most `room` columns (and not beyond the edge), says how many were used. */
int grid_put(struct grid *g, int y, int x, int room, enum style style, const char *text);
/* As grid_put; what does not fit ends in an ellipsis. */
int grid_put_short(struct grid *g, int y, int x, int room, enum style style, const char *text);
/* Against the right end of `room`. */
void grid_put_right(struct grid *g, int y, int x, int room, enum style style, const char *text);
void grid_fill(struct grid *g, int y, int x, int room, enum style style, const char *text);
/* Changes the style alone; only_plain: only of cells that have none of their own. */
void grid_style(struct grid *g, int y, int x, int room, enum style style, bool only_plain);

#endif
