/* series.c - see series.h. */
#include "series.h"

#include <stdlib.h>

#define FIRST_ROOM 8u

void timeline_init(struct timeline *t, uint64_t began, uint64_t step)
{
	*t = (struct timeline){.began = began, .step = step, .points = 1};
}

void timeline_exit(struct timeline *t)
{
	for (uint32_t i = 0; i < t->nr; i++)
		free(t->list[i]->cell);
	free(t->list);
}

static void fold(struct cell *into, const struct cell *later)
{
	into->last = later->last;
	if (later->max > into->max)
		into->max = later->max;
	into->refusals += later->refusals;
}

/* ---- halving ---- */

/* Memory that a series had at a finer resolution goes back: the bound is on what all have now. */
static void give_room_back(struct series *s)
{
	uint32_t room = s->n > FIRST_ROOM ? s->n : FIRST_ROOM;
	struct cell *smaller = room < s->room ? realloc(s->cell, room * sizeof(*smaller)) : NULL;

	if (!smaller)
		return;
	s->cell = smaller;
	s->room = room;
}

/* Point k becomes point k / 2, so a series that began at an odd one has its first cell alone. */
static void series_halve(struct series *s)
{
	uint32_t first = s->first / 2, n = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t to = (s->first + i) / 2 - first;

		if (to < n) {
			fold(&s->cell[to], &s->cell[i]);
		} else {
			s->cell[to] = s->cell[i];
			n = to + 1;
		}
	}
	s->first = first;
	s->n = n;
	give_room_back(s);
}

static void timeline_halve(struct timeline *t)
{
	t->cells = 0;
	for (uint32_t i = 0; i < t->nr; i++) {
		series_halve(t->list[i]);
		t->cells += t->list[i]->n;
	}
	t->points = (t->points + 1) / 2;
	t->step *= 2;
}

void timeline_open(struct timeline *t, uint64_t now)
{
	uint64_t past = now > t->began ? now - t->began : 0;

	while (past / t->step >= TIMELINE_POINTS)
		timeline_halve(t);
	if (past / t->step >= t->points)
		t->points = (uint32_t)(past / t->step) + 1;
}

/* ---- adding ---- */

static bool introduce(struct timeline *t, struct series *s)
{
	uint32_t more = t->room ? t->room * 2 : 64;
	struct series **grown;

	if (t->nr == TIMELINE_SERIES)
		return false;
	if (t->nr == t->room) {
		grown = realloc(t->list, more * sizeof(struct series *));
		if (!grown)
			return false;
		t->list = grown;
		t->room = more;
	}
	t->list[t->nr++] = s;
	s->first = t->points - 1;
	return s->known = true;
}

static bool make_room(struct series *s, uint32_t n)
{
	uint32_t room = s->room ? s->room : FIRST_ROOM;
	struct cell *grown;

	if (n <= s->room)
		return true;
	while (room < n)
		room *= 2;
	grown = realloc(s->cell, room * sizeof(*grown));
	if (!grown)
		return false;
	s->cell = grown;
	s->room = room;
	return true;
}

/* Cells that are missing up to the open point. */
static uint32_t missing(const struct timeline *t, const struct series *s)
{
	return t->points - (s->first + s->n);
}

/* Up to the open point; those in between repeat what was. */
static bool extend(struct timeline *t, struct series *s, const struct cell *what)
{
	uint32_t n;

	while (t->cells + missing(t, s) > TIMELINE_CELLS && t->points > 1)
		timeline_halve(t);
	n = missing(t, s);
	if (!make_room(s, s->n + n))
		return false;
	for (; n > 1; n--, s->n++, t->cells++) {
		uint64_t was = s->n ? s->cell[s->n - 1].last : what->last;

		s->cell[s->n] = (struct cell){.last = was, .max = was};
	}
	if (n) {
		s->cell[s->n++] = *what;
		t->cells++;
	} else {
		fold(&s->cell[s->n - 1], what); /* halving has brought the open point down to it */
	}
	return true;
}

bool timeline_add(struct timeline *t, struct series *s, const struct cell *what)
{
	bool done = s->known || introduce(t, s);

	if (done && !missing(t, s))
		fold(&s->cell[s->n - 1], what);
	else
		done = done && extend(t, s, what);
	t->refused += !done;
	return done;
}

const struct cell *series_at(const struct series *s, uint32_t point)
{
	return point >= s->first && point - s->first < s->n ? &s->cell[point - s->first] : NULL;
}
