/*
 * rows.h - rows as they are put together: begin, add each with its path, settle.
 *
 * Paths lie one behind the other in one text that grows, so until rows_settle() a row's path is
 * an offset in it. Settling makes pointers of them and finds parents: the nearest row before whose
 * path the row's begins with. So no answer, however wrong, makes a circle.
 */
#ifndef MEMCG_SOURCE_ROWS_H
#define MEMCG_SOURCE_ROWS_H

#include "source.h"

#define ROWS_MAX      (1u << 21)
#define ROWS_TEXT_MAX (256u << 20)

struct rows_builder {
	struct rows *rows;
	size_t used;	   /* bytes of text */
	struct row beyond; /* takes what is left out */
};

void rows_begin(struct rows_builder *b, struct rows *rows);

/*
 * Everything but the path is SOURCE_UNKNOWN. NULL: no memory, or past a bound. Past rows->most it
 * is a row that nobody sees.
 */
struct row *rows_add(struct rows_builder *b, const char *path, size_t length);

/* 0; -EPROTO: a row that is not below the first. */
int rows_settle(struct rows_builder *b);

/* Whether `path` is `above`, or below it. */
bool path_is_below(const char *path, const char *above);

#endif
