/*
 * top_fixture.h - rows as a source gives them, made by hand: paths, parents first, and what counts.
 *
 * A limit that is left 0 is none, an id that is left 0 comes from the path.
 */
#ifndef MEMCG_TESTS_TOP_FIXTURE_H
#define MEMCG_TESTS_TOP_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "top/column.h"
#include "top/model.h"

#define SECOND 1000000000ull
#define MIB    1048576.0

static inline void rows_begin(struct rows *rows, double seconds)
{
	rows->n = 0;
	rows->taken = (uint64_t)(seconds * 1e9) + SECOND;
}

static inline uint64_t id_of(const char *path)
{
	uint64_t id = 7;

	while (*path)
		id = id * 31 + (unsigned char)*path++;
	return id;
}

/* The row of everything above the last slash. */
static inline size_t parent_of(const struct rows *rows, const char *path)
{
	size_t length = (size_t)(strrchr(path, '/') - path);

	for (size_t i = 0; i < rows->n; i++)
		if (strlen(rows->row[i].path) == (length ? length : 1) &&
		    !strncmp(rows->row[i].path, path, length ? length : 1))
			return i;
	return 0;
}

static inline void rows_add(struct rows *rows, const char *path, struct row row)
{
	struct row *r;

	if (rows->n >= rows->room) {
		rows->room = rows->room * 2 + 64;
		rows->row = (struct row *)realloc(rows->row, rows->room * sizeof(struct row));
	}
	row.path = path;
	row.name = strcmp(path, "/") != 0 ? strrchr(path, '/') + 1 : path;
	row.id = row.id ? row.id : id_of(path);
	row.max = row.max ? row.max : SOURCE_MAX;
	row.high = row.high ? row.high : SOURCE_MAX;
	row.parent = parent_of(rows, path);
	row.depth = rows->n ? rows->row[row.parent].depth + 1 : 0;
	r = &rows->row[rows->n++];
	*r = row;
}

#define ROW(rows, path, ...) rows_add(rows, path, (struct row){__VA_ARGS__})

static inline struct group *group_at(const struct model *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->at[i]->path, path))
			return m->at[i];
	return NULL;
}

/* The lines' names with blanks between. */
static inline const char *lines_of(const struct model *m)
{
	static char text[4096];

	text[0] = '\0';
	for (size_t i = 0; i < m->lines; i++) {
		strcat(text, i ? " " : "");
		strcat(text, m->line[i]->name);
	}
	return text;
}

#endif
