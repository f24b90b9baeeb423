/* account.c - see account.h. */
#include "account.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void account_free(struct account *a)
{
	for (size_t i = 0; i < a->nr_processes; i++) {
		struct account_process *p = &a->processes[i];

		for (size_t j = 0; j < p->nr_groups; j++)
			free(p->groups[j].values);
		free(p->groups);
	}
	free(a->processes);
	free(a->events);
	for (size_t i = 0; i < a->nr_kept; i++)
		free(a->kept[i]);
	free(a->kept);
}

const char *account_keep(struct account *a, const char *format, ...)
{
	char **grown = realloc(a->kept, (a->nr_kept + 1) * sizeof(*grown)), *text;
	va_list ap;
	int n;

	if (!grown)
		return "";
	a->kept = grown;
	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		return "";
	a->kept[a->nr_kept++] = text;
	return text;
}

static bool room_for_event(struct account *a)
{
	size_t more = a->room_events ? a->room_events * 2 : 64;
	struct account_event *grown;

	if (a->nr_events < a->room_events)
		return true;
	if (a->nr_events >= ACCOUNT_EVENTS)
		return false;
	grown = realloc(a->events, more * sizeof(*grown));
	if (!grown)
		return false;
	a->events = grown;
	a->room_events = more;
	return true;
}

void account_event(struct account *a, const struct account_event *event)
{
	if (room_for_event(a))
		a->events[a->nr_events++] = *event;
	else
		a->lost_events++;
}

void account_note(struct account *a, const char *text)
{
	if (a->nr_notes < sizeof(a->notes) / sizeof(a->notes[0]))
		a->notes[a->nr_notes++] = text;
}

/* At one time: what starts before what it does, what it does before its end. */
static int by_time(const void *a, const void *b)
{
	const struct account_event *x = a, *y = b;

	if (x->when != y->when)
		return x->when < y->when ? -1 : 1;
	return (x->what == EVENT_END) - (y->what == EVENT_END);
}

void account_sort(struct account *a)
{
	if (a->nr_events)
		qsort(a->events, a->nr_events, sizeof(*a->events), by_time);
}

void account_value(struct account_process *p, const char *name, uint64_t value)
{
	if (p->nr_values < ACCOUNT_VALUES)
		p->values[p->nr_values++] = (struct account_value){name, value};
}

uint64_t account_find(const struct account_process *p, const char *name)
{
	for (size_t i = 0; i < p->nr_values; i++)
		if (!strcmp(p->values[i].name, name))
			return p->values[i].value;
	return ACCOUNT_NONE;
}
