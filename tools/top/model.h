/*
 * model.h - rows as they come, made into a tree that is looked at.
 *
 * Groups outlive the rows. Each refresh brings all rows anew; a group is known again by its path,
 * and keeps whether it is folded and what it counted when it was last seen. From that come the
 * rates. A group of another id under the same path is another group: it has no rates until it is
 * seen again, and neither has a count that went down; a rate is never negative. What a folded
 * group shows is what it shows unfolded: usage and events of the rows hold what is below already,
 * and threads are summed here.
 *
 * Order. Siblings are sorted by one column, numbers from the largest down, names from A; unknown
 * ones come last whatever the direction, equal ones stay in the order of the rows, so that lines
 * do not jump. Flat, all groups are sorted as if they were siblings.
 *
 * Lines are what is visible, in order. The cursor is on a group, not on a line: it follows the
 * group when the order changes, and goes to its neighbour, or the group it was folded into, when
 * the line is gone.
 *
 * Rows given to model_update must stay until the next ones are.
 */
#ifndef MEMCG_TOP_MODEL_H
#define MEMCG_TOP_MODEL_H

#include "../source/source.h"

struct column;

/* How far things are from their limit, for the bar. */
enum scale {
	SCALE_OWN,	 /* memory.max of the group */
	SCALE_HIGH,	 /* it has only memory.high */
	SCALE_INHERITED, /* the nearest max above */
	SCALE_SHARE,	 /* no limit anywhere: a part of all there is; the root has no bar */
};

#define GROUP_LABEL 16

struct group {
	char *path;
	const char *name;	 /* in path */
	char label[GROUP_LABEL]; /* what else it is called: the program of a process; may be "" */
	const struct row *row;
	struct group *parent;	    /* NULL: the first row */
	struct group *first, *next; /* children in the order shown; of the next sibling */
	unsigned depth;
	bool folded;
	bool fresh; /* seen for the first time, or instead of another */

	/* To columns; NAN: not known. */
	double faults, refusals, growth; /* per second */
	double threads;			 /* here and below */
	double used;			 /* what is held against `limit`: see struct row's `each` */
	double use;			 /* hundredths of a percent of `limit` */
	double limit;			 /* what the bar ends at */
	enum scale scale;

	/* model.c's own */
	uint64_t seen;				/* the refresh */
	uint64_t id, pgfault, refused, current; /* then */
	uint32_t hash;
	struct group *chain;
	size_t index; /* of the row */
	double key;   /* of the order */
};

struct model {
	struct group **at; /* by row */
	struct group **line;
	struct group **found; /* by row, while a refresh comes in */
	size_t n, lines, groups, room;
	struct group **bucket;
	size_t buckets; /* a power of two */
	uint64_t refresh, taken;
	uint64_t known; /* a bit for each column of which some group had a value */
	double elapsed; /* seconds between the last two; NAN before */

	const struct column *sort;
	bool reversed, flat;
	size_t cursor; /* a line */
	char *search;  /* NULL: none yet */
};

int model_init(struct model *m);
void model_exit(struct model *m);
/* 0; -ENOMEM: nothing changed. */
int model_update(struct model *m, const struct rows *rows);
/* Of the group in that row; stays until it is given another. */
void model_label(struct model *m, size_t row, const char *label);
/* After sort, reversed, flat or a fold changed. */
void model_arrange(struct model *m);

/* NULL while there are no rows. */
struct group *model_cursor(const struct model *m);
void model_move(struct model *m, long by);
bool model_select(struct model *m, const char *path);
/* Folds or unfolds the cursor's group; a leaf goes to its parent when folded. */
void model_fold(struct model *m, bool fold);
void model_fold_all(struct model *m, bool fold);

/* The next (step 1) or last (-1) line whose name has `text`, from the cursor on; unfolds what hides
 * it. Case counts only where text has capitals. False: there is none, nothing changed. */
bool model_search(struct model *m, const char *text, int step);

#endif
