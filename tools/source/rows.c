/* rows.c - see rows.h. */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void rows_free(struct rows *rows)
{
	free(rows->row);
	free(rows->text);
	*rows = (struct rows){0};
}

void rows_begin(struct rows_builder *b, struct rows *rows)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	rows->taken = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	rows->n = rows->left_out = 0;
	*b = (struct rows_builder){.rows = rows};
}

static bool make_row(struct rows *rows)
{
	size_t more = rows->room ? rows->room * 2 : 64;
	struct row *grown;

	if (rows->n < rows->room)
		return true;
	if (rows->n >= ROWS_MAX)
		return false;
	grown = realloc(rows->row, more * sizeof(*grown));
	if (!grown)
		return false;
	rows->row = grown;
	rows->room = more;
	return true;
}

static bool make_text(struct rows *rows, size_t wanted)
{
	size_t more = rows->text_room ? rows->text_room : 4096;
	char *grown;

	if (wanted > ROWS_TEXT_MAX)
		return false;
	while (more < wanted)
		more *= 2;
	if (more == rows->text_room)
		return true;
	grown = realloc(rows->text, more);
	if (!grown)
		return false;
	rows->text = grown;
	rows->text_room = more;
	return true;
}

struct row *rows_add(struct rows_builder *b, const char *path, size_t length)
{
	struct rows *rows = b->rows;
	struct row *row;

	if (rows->most && rows->n >= rows->most) {
		rows->left_out++;
		return &b->beyond;
	}
	if (!make_row(rows) || !make_text(rows, b->used + length + 1))
		return NULL;
	row = &rows->row[rows->n++];
	*row = (struct row){.path = (const char *)b->used};
#define UNKNOWN(name) row->name = SOURCE_UNKNOWN;
	SOURCE_FIELDS(UNKNOWN)
#undef UNKNOWN
	memcpy(rows->text + b->used, path, length);
	rows->text[b->used + length] = '\0';
	b->used += length + 1;
	return row;
}

bool path_is_below(const char *path, const char *above)
{
	size_t length = strlen(above);

	if (length == 1 && above[0] == '/')
		return path[0] == '/';
	return !strncmp(path, above, length) && (!path[length] || path[length] == '/');
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Parents come first, so the row before is the parent, or below it, or below its parent. */
static bool find_parent(struct rows *rows, size_t i)
{
	struct row *row = &rows->row[i];
	size_t at = i - 1;

	while (at && !path_is_below(row->path, rows->row[at].path))
		at = rows->row[at].parent;
	row->parent = at;
	row->depth = rows->row[at].depth + 1;
	return at || path_is_below(row->path, rows->row[0].path);
}

int rows_settle(struct rows_builder *b)
{
	struct rows *rows = b->rows;

	for (size_t i = 0; i < rows->n; i++) {
		rows->row[i].path = rows->text + (size_t)rows->row[i].path;
		rows->row[i].name = name_of(rows->row[i].path);
		rows->row[i].depth = 0;
		rows->row[i].parent = 0;
		if (i && !find_parent(rows, i))
			return -EPROTO;
	}
	return 0;
}

const uint64_t *row_field(const struct row *row, const char *name)
{
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
#define ENTRY(field) {#field, offsetof(struct row, field)},
		SOURCE_FIELDS(ENTRY)
#undef ENTRY
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(fields[i].name, name))
			return (const uint64_t *)((const char *)row + fields[i].offset);
	return NULL;
}
