/* grid.c - see grid.h. */
#include "grid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct cell blank = {{{L' '}, 1}, STYLE_PLAIN};

void grid_clear(struct grid *g)
{
	for (int i = 0; i < g->width * g->height; i++)
		g->cell[i] = blank;
}

int grid_resize(struct grid *g, int width, int height)
{
	struct cell *cell = calloc((size_t)width * (size_t)height + 1, sizeof(*cell));

	if (!cell)
		return -ENOMEM;
	free(g->cell);
	g->cell = cell;
	g->width = width;
	g->height = height;
	grid_clear(g);
	return 0;
}

void grid_free(struct grid *g)
{
	free(g->cell);
	g->cell = NULL;
	g->width = g->height = 0;
}

const struct cell *grid_at(const struct grid *g, int y, int x)
{
	return &g->cell[y * g->width + x];
}

static struct cell *inside(struct grid *g, int y, int x)
{
	if (y < 0 || y >= g->height || x < 0 || x >= g->width)
		return NULL;
	return &g->cell[y * g->width + x];
}

/* What is written over half of is gone whole. */
static void unlink_wide(struct grid *g, int y, int x)
{
	struct cell *c = inside(g, y, x), *other;

	if (c->glyph.width == 0 && (other = inside(g, y, x - 1)))
		other->glyph = blank.glyph;
	if (c->glyph.width == 2 && (other = inside(g, y, x + 1)))
		other->glyph = blank.glyph;
}

static void set(struct grid *g, int y, int x, enum style style, const struct glyph *glyph)
{
	struct cell *c = inside(g, y, x);

	if (!c)
		return;
	unlink_wide(g, y, x);
	*c = (struct cell){*glyph, (uint8_t)style};
	if (glyph->width == 2) {
		unlink_wide(g, y, x + 1);
		c[1] = (struct cell){{{0}, 0}, (uint8_t)style};
	}
}

static int clip(const struct grid *g, int x, int room)
{
	return room < g->width - x ? room : g->width - x;
}

int grid_put(struct grid *g, int y, int x, int room, enum style style, const char *text)
{
	struct glyph glyph;
	int used = 0;

	room = clip(g, x, room);
	while (used < room && text_glyph(&text, g->ascii, &glyph)) {
		if (used + glyph.width > room)
			break;
		set(g, y, x + used, style, &glyph);
		used += glyph.width;
	}
	return used;
}

int grid_put_short(struct grid *g, int y, int x, int room, enum style style, const char *text)
{
	int used;

	room = clip(g, x, room);
	if (room < 1 || text_width(text, g->ascii) <= room)
		return grid_put(g, y, x, room, style, text);
	used = grid_put(g, y, x, room - 1, style, text);
	return used + grid_put(g, y, x + used, 1, style, g->ascii ? "~" : "…");
}

void grid_put_right(struct grid *g, int y, int x, int room, enum style style, const char *text)
{
	int width = text_width(text, g->ascii);

	if (width > room)
		grid_put_short(g, y, x, room, style, text);
	else
		grid_put(g, y, x + room - width, width, style, text);
}

void grid_fill(struct grid *g, int y, int x, int room, enum style style, const char *text)
{
	int used;

	for (room = clip(g, x, room); room > 0; room -= used, x += used) {
		used = grid_put(g, y, x, room, style, text);
		if (!used)
			return;
	}
}

void grid_style(struct grid *g, int y, int x, int room, enum style style, bool only_plain)
{
	for (room = clip(g, x, room); room > 0; room--, x++) {
		struct cell *c = inside(g, y, x);

		if (c && (!only_plain || c->style == STYLE_PLAIN))
			c->style = (uint8_t)style;
	}
}
