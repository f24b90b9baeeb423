/*
 * holders.h - --top N: the groups that held most, instead of all in the order they were made.
 *
 * In lines while the program runs, those that hold most now; in the report, those that held most at
 * once, by their peaks. The rest becomes one row, "(others)", which is there in large trees
 * anyway (ctl/slot.h); it is always the last.
 */
#ifndef MEMCG_TOOL_HOLDERS_H
#define MEMCG_TOOL_HOLDERS_H

#include "ctl/slot.h"

#include <stdbool.h>

#define HOLDERS_DEFAULT 10

/* Orders the rows of v and leaves the first n, and others. n 0: nothing was asked for, all is as it
 * is. */
void holders_pick(struct slot_view *v, unsigned n, bool by_peak);

#endif
