/* columns.h - rows as lines of columns, for people: aligned, to the width of the terminal. */
#ifndef MEMCG_TOOL_COLUMNS_H
#define MEMCG_TOOL_COLUMNS_H

#include "look.h"

#define COLUMNS_MAX 24

struct columns {
	const char *names[COLUMNS_MAX];
	unsigned nr;
	char *text; /* behind the names, where they were chosen */
};

/* The command's own, or those of --columns; 0, or STATUS_USAGE after a line. */
int columns_choose(struct columns *c, const struct look *l);
void columns_free(struct columns *c);

/* One line: what stands before the name (branches of a tree), the name, the row's numbers. */
struct line {
	char *branches, *name; /* to be freed */
	const struct row *row;
};

/* The title is that of the column of names. */
void columns_print(const struct columns *c, const struct look *l, const char *title,
		   const struct line *lines, size_t n);

/* Whether standard output is a terminal where colours are wanted; and where UTF-8 is. */
bool out_colours(void);
bool out_utf8(void);

/* As columns show it: "12.3M", "max", "-". */
const char *columns_value(const char *name, uint64_t value, bool exact, char buf[32]);

/* The same of a row's column; "3 x 64M" where it is a limit of each of three processes. */
#define CELL_TEXT 64
const char *columns_cell(const struct row *row, const char *name, bool exact, char buf[CELL_TEXT]);

#endif
