/*
 * column.h - one table of what there is to see and to sort by.
 *
 * A column's value is a double: NAN where it is not known, INFINITY for no limit. Rank says which
 * columns go first when the screen is narrow (0 stays longest); the order of the table is the
 * order on the screen.
 */
#ifndef MEMCG_TOP_COLUMN_H
#define MEMCG_TOP_COLUMN_H

#include "model.h"
#include "text.h"

enum column_kind {
	COLUMN_NAME, /* takes what the others leave */
	COLUMN_BAR,
	COLUMN_SIZE,
	COLUMN_GROWTH,
	COLUMN_RATE,
	COLUMN_COUNT,
	COLUMN_PERCENT, /* hundredths of one */
};

struct column {
	const char *name; /* to sort by, and in plain lines */
	const char *heading;
	enum column_kind kind;
	int width;
	unsigned rank;
	size_t field; /* in struct row; or, if `own`, in struct group */
	bool own;
};

extern const struct column columns[];
extern const unsigned nr_columns;

const struct column *column_find(const char *name); /* by name or heading, any case; NULL */
double column_value(const struct column *c, const struct group *g);
/* A limit of each of several processes is "3x64.0M". */
const char *column_text(const struct column *c, const struct group *g, char out[NUMBER_TEXT]);
/* In the table, or what such a limit of the first row takes. */
int column_width(const struct column *c, const struct model *m);

/* A field of a row: NAN, INFINITY or the number. */
double field_value(uint64_t value);

#endif
