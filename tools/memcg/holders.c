/* holders.c - see holders.h. */
#include "holders.h"

#include <memcg/base.h>
#include <stdlib.h>
#include <string.h>

static int more_current(const void *a, const void *b)
{
	const struct slot_row *x = a, *y = b;

	return (x->current < y->current) - (x->current > y->current);
}

static int more_peak(const void *a, const void *b)
{
	const struct slot_row *x = a, *y = b;

	return (x->peak < y->peak) - (x->peak > y->peak);
}

static bool is_others(const struct slot_view *v, const struct slot_row *row)
{
	/* With rows left over there is none that sums up, but perhaps a group of that name. */
	return v->nr_rows == SLOT_ROWS && row == &v->rows[SLOT_ROWS - 1] &&
	       !strcmp(row->name, SLOT_OTHERS);
}

static void join(struct slot_row *others, const struct slot_row *row)
{
	others->current += row->current;
	others->peak += row->peak;
	others->refusals += row->refusals;
}

void holders_pick(struct slot_view *v, unsigned n, bool by_peak)
{
	struct slot_row others = {.name = "(others)", .max = MEMCG_UNLIMITED};
	uint64_t nr = v->nr_rows < SLOT_ROWS ? v->nr_rows : SLOT_ROWS;

	if (!n || !nr)
		return;
	v->nr_rows = nr;
	if (is_others(v, &v->rows[nr - 1]))
		join(&others, &v->rows[--nr]);
	qsort(v->rows, nr, sizeof(v->rows[0]), by_peak ? more_peak : more_current);
	while (nr > n)
		join(&others, &v->rows[--nr]);
	if (nr < v->nr_rows)
		v->rows[nr++] = others;
	v->nr_rows = nr;
}
