/*
 * bar.h - usage against a limit, in two tones: what is in use, and what of it could be reclaimed.
 *
 *     [######+++  |   ]  62.1     of memory.max; | stands at memory.high
 *     (######+++      )  62.1     of memory.high, or of the nearest limit above
 *      ######+++          3.1     no limit anywhere: a part of all there is
 *
 * Both tones are there without colours, too. Something in use is never shown as nothing.
 */
#ifndef MEMCG_TOP_BAR_H
#define MEMCG_TOP_BAR_H

#include "grid.h"
#include "model.h"

void bar_draw(struct grid *g, int y, int x, int room, const struct group *group);

/* Cells of `room` for each tone. */
struct bar_parts {
	int used, reclaimable;
	int mark; /* -1: none */
};
struct bar_parts bar_parts(const struct group *group, int room);

#endif
