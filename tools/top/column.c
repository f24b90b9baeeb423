/* column.c - see column.h. */
#include "column.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ROW(f) offsetof(struct row, f), false
#define OWN(f) offsetof(struct group, f), true

const struct column columns[] = {
	{"group", "GROUP", COLUMN_NAME, 12, 0, OWN(key)},
	{"current", "CURRENT", COLUMN_SIZE, 8, 0, ROW(current)},
	{"use", "USE OF LIMIT", COLUMN_BAR, 21, 1, OWN(use)},
	{"max", "MAX", COLUMN_SIZE, 6, 3, ROW(max)},
	{"reclaimable", "RECLAIM", COLUMN_SIZE, 8, 5, ROW(reclaimable)},
	{"growth", "GROW/S", COLUMN_GROWTH, 7, 2, OWN(growth)},
	{"faults", "FAULT/S", COLUMN_RATE, 8, 6, OWN(faults)},
	{"refusals", "REFUSE/S", COLUMN_RATE, 9, 4, OWN(refusals)},
	{"some", "SOME%", COLUMN_PERCENT, 6, 7, ROW(some_avg10)},
	{"full", "FULL%", COLUMN_PERCENT, 6, 8, ROW(full_avg10)},
	{"threads", "THREADS", COLUMN_COUNT, 8, 9, OWN(threads)},
	{"refused", "REFUSED", COLUMN_COUNT, 8, 11, ROW(refused)},
	{"peak", "PEAK", COLUMN_SIZE, 7, 10, ROW(peak)},
	{"high", "HIGH", COLUMN_SIZE, 7, 12, ROW(high)},
	{"low", "LOW", COLUMN_SIZE, 7, 20, ROW(low)},
	{"min", "MIN", COLUMN_SIZE, 7, 21, ROW(min)},
	{"swap", "SWAP", COLUMN_SIZE, 7, 13, ROW(swap_current)},
	{"zswap", "ZSWAP", COLUMN_SIZE, 7, 14, ROW(zswap_current)},
	{"slab", "SLAB", COLUMN_SIZE, 7, 15, ROW(slab)},
	{"large", "LARGE", COLUMN_SIZE, 7, 16, ROW(large)},
	{"anon", "ANON", COLUMN_SIZE, 7, 17, ROW(anon)},
	{"file", "FILE", COLUMN_SIZE, 7, 18, ROW(file)},
	{"sock", "SOCK", COLUMN_SIZE, 7, 19, ROW(sock)},
	{"shmem", "SHMEM", COLUMN_SIZE, 7, 22, ROW(shmem)},
	{"buffer", "BUFFER", COLUMN_SIZE, 7, 23, ROW(buffer)},
	{"external", "EXTERNAL", COLUMN_SIZE, 9, 24, ROW(external)},
	{"maps", "MAPS", COLUMN_SIZE, 7, 25, ROW(maps)},
	{"cached", "CACHED", COLUMN_SIZE, 7, 26, ROW(cached)},
	{"oom", "OOM", COLUMN_COUNT, 5, 27, ROW(oom)},
	{"children", "CHILDREN", COLUMN_COUNT, 9, 28, ROW(children)},
};
const unsigned nr_columns = sizeof(columns) / sizeof(columns[0]);

const struct column *column_find(const char *name)
{
	for (unsigned i = 0; i < nr_columns; i++)
		if (!strcasecmp(columns[i].name, name) || !strcasecmp(columns[i].heading, name))
			return &columns[i];
	return NULL;
}

double field_value(uint64_t value)
{
	if (value == SOURCE_UNKNOWN)
		return NAN;
	return value == SOURCE_MAX ? INFINITY : (double)value;
}

double column_value(const struct column *c, const struct group *g)
{
	if (c->own)
		return *(const double *)((const char *)g + c->field);
	return field_value(*(const uint64_t *)((const char *)g->row + c->field));
}

static bool is_of_each(const struct column *c, const struct group *g)
{
	return g->row->each > 1 && !c->own && isfinite(column_value(c, g)) &&
	       (c->field == offsetof(struct row, max) || c->field == offsetof(struct row, high));
}

const char *column_text(const struct column *c, const struct group *g, char out[NUMBER_TEXT])
{
	double value = column_value(c, g);
	char size[NUMBER_TEXT];

	if (is_of_each(c, g)) {
		snprintf(out, NUMBER_TEXT, "%ux%.12s", (unsigned)g->row->each,
			 number_size(value, size));
		return out;
	}
	switch (c->kind) {
	case COLUMN_SIZE:
		return number_size(value, out);
	case COLUMN_GROWTH:
		return number_growth(value, out);
	case COLUMN_RATE:
		return number_rate(value, out);
	case COLUMN_COUNT:
		return number_count(value, out);
	case COLUMN_PERCENT:
	case COLUMN_BAR:
		return number_percent(value, out);
	case COLUMN_NAME:
		break;
	}
	return strcpy(out, "");
}

int column_width(const struct column *c, const struct model *m)
{
	char text[NUMBER_TEXT];
	int width;

	if (!m->n || !is_of_each(c, m->at[0]))
		return c->width;
	width = (int)strlen(column_text(c, m->at[0], text));
	return width > c->width ? width : c->width;
}
