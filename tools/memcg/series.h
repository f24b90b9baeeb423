/*
 * series.h - numbers over time, in memory that does not grow with it.
 *
 * A timeline is a row of points of equal length, `step`, from its beginning on; the last is still
 * open. A series has a cell for each point from the one it began in. What is added to the open
 * point is folded into its cell: the last value stays, the highest stays, refusals add up. So a
 * spike between two points is kept however long a point is.
 *
 * When there would be more than TIMELINE_POINTS points, or TIMELINE_CELLS cells in all series
 * together, the resolution is halved: two points become one by the same rule, and `step` doubles.
 * An hour ends with points of some seconds, and no cell has forgotten its highest value. Series
 * are bounded too (TIMELINE_SERIES), so that cells are enough for a few points of each.
 *
 * A point in which nobody added anything repeats the last value: the onlooker was late.
 * Of one thread. A series belongs to its timeline, which frees its cells.
 */
#ifndef MEMCG_TOOL_SERIES_H
#define MEMCG_TOOL_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMELINE_POINTS 512u
#define TIMELINE_CELLS	(1u << 18)
#define TIMELINE_SERIES (1u << 16)

struct cell {
	uint64_t last; /* of the point */
	uint64_t max;
	uint64_t refusals; /* during the point */
};

struct series {
	uint32_t first; /* its first point */
	uint32_t n;
	uint32_t room;
	bool known; /* to the timeline */
	struct cell *cell;
};

struct timeline {
	uint64_t began, step; /* ns */
	uint32_t points;
	uint32_t nr, room;
	size_t cells;	      /* in all series */
	size_t refused;	      /* additions there was no memory for */
	struct series **list; /* where they are: series must not move */
};

void timeline_init(struct timeline *t, uint64_t began, uint64_t step);
void timeline_exit(struct timeline *t);

/* Opens the point of `now`; before the additions of that moment. */
void timeline_open(struct timeline *t, uint64_t now);

/* To the open point. False: too many series, or no memory; it is as if nobody had looked. */
bool timeline_add(struct timeline *t, struct series *s, const struct cell *what);

/* The cell of a point, NULL: it had not begun, or had ended. */
const struct cell *series_at(const struct series *s, uint32_t point);

#endif
