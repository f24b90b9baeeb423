/* bar.c - see bar.h. */
#include "bar.h"

#include "column.h"

#include <math.h>

#define PERCENT_WIDTH 6

static int cells(double bytes, double limit, int room)
{
	double n = limit > 0 ? bytes / limit * room : 0;

	return n >= room ? room : (int)(n + 0.5);
}

struct bar_parts bar_parts(const struct group *group, int room)
{
	const struct row *r = group->row;
	double current = group->used, reclaimable = field_value(r->reclaimable);
	struct bar_parts p = {0, 0, -1};
	int all;

	if (isnan(group->limit) || !(current > 0))
		return p;
	all = cells(current, group->limit, room);
	if (!all && room > 0)
		all = 1;
	/* An estimate may be above what there is. */
	if (reclaimable > 0)
		p.reclaimable = cells(reclaimable < current ? reclaimable : current, current, all);
	p.used = all - p.reclaimable;
	if (group->scale == SCALE_OWN && field_value(r->high) < group->limit)
		p.mark = cells(field_value(r->high), group->limit, room - 1);
	return p;
}

static enum style used_style(const struct group *group)
{
	if (group->scale == SCALE_SHARE || !(group->use >= 8000))
		return STYLE_USED;
	return group->use >= 9500 ? STYLE_BAD : STYLE_NEAR;
}

static void draw_frame(struct grid *g, int y, int x, int room, enum scale scale)
{
	static const char *const left[] = {"[", "(", "(", " "}, *const right[] = {"]", ")", ")",
										  " "};

	grid_put(g, y, x, 1, STYLE_DIM, left[scale]);
	grid_put(g, y, x + room - 1, 1, STYLE_DIM, right[scale]);
}

void bar_draw(struct grid *g, int y, int x, int room, const struct group *group)
{
	int inner = room - PERCENT_WIDTH - 2;
	struct bar_parts p = bar_parts(group, inner);
	char percent[NUMBER_TEXT];

	if (inner > 1) {
		draw_frame(g, y, x, inner + 2, group->scale);
		grid_fill(g, y, x + 1, p.used, used_style(group), g->ascii ? "#" : "█");
		grid_fill(g, y, x + 1 + p.used, p.reclaimable, STYLE_RECLAIMABLE,
			  g->ascii ? "+" : "▒");
		if (p.mark >= p.used + p.reclaimable)
			grid_put(g, y, x + 1 + p.mark, 1, STYLE_MARK, g->ascii ? "|" : "│");
	}
	number_percent(group->use, percent);
	grid_put_right(g, y, x + room - PERCENT_WIDTH, PERCENT_WIDTH,
		       used_style(group) == STYLE_USED ? STYLE_PLAIN : used_style(group), percent);
}
