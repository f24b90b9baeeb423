/*
 * web_data.c - the account as JSON, for the page's script and for anybody who reads pages by
 * program. Times are milliseconds from the beginning, `step` of them to a point; sizes are bytes;
 * null is no limit, or not known. `last` has a value for each point from `first` on, `max`
 * the highest of each point where any differs, `refused` pairs of point and number. Where a group
 * has `each`, it is all of so many processes: its limits are for each, and `fullest` is what one
 * has.
 */
#include "quote.h"
#include "web.h"

#include <inttypes.h>

#define MS 1000000u

static void put_number(FILE *to, const char *name, uint64_t n)
{
	fprintf(to, ",\"%s\":", name);
	if (n == ACCOUNT_NONE)
		fputs("null", to);
	else
		fprintf(to, "%" PRIu64, n);
}

static void put_ms(FILE *to, const char *name, uint64_t ns)
{
	put_number(to, name, ns == ACCOUNT_NONE ? ns : ns / MS);
}

static void put_text(FILE *to, const char *name, const char *text)
{
	fprintf(to, ",\"%s\":", name);
	if (text)
		quote_json(to, text);
	else
		fputs("null", to);
}

/* ---- series ---- */

static bool has_spikes(const struct series *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->cell[i].max != s->cell[i].last)
			return true;
	return false;
}

static void put_refused(FILE *to, const struct series *s)
{
	const char *comma = "";

	fputs(",\"refused\":[", to);
	for (uint32_t i = 0; i < s->n; i++)
		if (s->cell[i].refusals) {
			fprintf(to, "%s[%u,%" PRIu64 "]", comma, s->first + i, s->cell[i].refusals);
			comma = ",";
		}
	fputs("]", to);
}

static void put_series(FILE *to, const char *name, const struct series *s)
{
	if (!s || !s->n)
		return;
	fprintf(to, ",\"%s\":{\"first\":%u,\"last\":[", name, s->first);
	for (uint32_t i = 0; i < s->n; i++)
		fprintf(to, "%s%" PRIu64, i ? "," : "", s->cell[i].last);
	fputs("]", to);
	if (has_spikes(s)) {
		fputs(",\"max\":[", to);
		for (uint32_t i = 0; i < s->n; i++)
			fprintf(to, "%s%" PRIu64, i ? "," : "", s->cell[i].max);
		fputs("]", to);
	}
	put_refused(to, s);
	fputs("}", to);
}

/* ---- processes ---- */

static void put_values(FILE *to, const struct account_value *v, size_t n)
{
	fputs(",\"values\":{", to);
	for (size_t i = 0; i < n; i++) {
		fprintf(to, "%s\"%s\":", i ? "," : "", v[i].name);
		if (v[i].value == ACCOUNT_NONE)
			fputs("null", to);
		else
			fprintf(to, "%" PRIu64, v[i].value);
	}
	fputs("}", to);
}

static void put_group(FILE *to, const struct account_group *g)
{
	fputs("{\"path\":", to);
	quote_json(to, g->path);
	fprintf(to, ",\"depth\":%u,\"gone\":%s", g->depth, g->gone ? "true" : "false");
	put_number(to, "current", g->current);
	put_number(to, "peak", g->peak);
	put_number(to, "max", g->max);
	put_number(to, "high", g->high);
	if (g->each) {
		put_number(to, "each", g->each);
		put_number(to, "fullest", g->fullest);
	}
	put_number(to, "refusals", g->refusals);
	if (g->nr_values)
		put_values(to, g->values, g->nr_values);
	put_series(to, "series", g->series);
	fputs("}", to);
}

static void put_process(FILE *to, const struct account_process *p)
{
	fprintf(to, "{\"pid\":%d,\"ppid\":%d", p->pid, p->ppid);
	put_text(to, "comm", p->comm);
	put_text(to, "command", p->command);
	put_text(to, "ended", p->ended);
	put_text(to, "recount", p->recount);
	put_ms(to, "from", p->from);
	put_ms(to, "to", p->to);
	put_values(to, p->values, p->nr_values);
	put_series(to, "resident", p->resident);
	fputs(",\"groups\":[", to);
	for (size_t i = 0; i < p->nr_groups; i++) {
		fputs(i ? ",\n" : "", to);
		put_group(to, &p->groups[i]);
	}
	fputs("]}", to);
}

/* ---- events ---- */

static void put_event(FILE *to, const struct account_event *e)
{
	static const char *const names[] = {"start", "end", "refused", "max", "high", "escaped"};

	fprintf(to, "{\"what\":\"%s\",\"pid\":%d", names[e->what], e->pid);
	put_ms(to, "when", e->when);
	put_ms(to, "until", e->until);
	put_text(to, "path", e->path);
	if (e->text)
		put_text(to, "text", e->text);
	if (e->what == EVENT_REFUSED)
		put_number(to, "count", e->count);
	if (e->what == EVENT_MAX || e->what == EVENT_HIGH) {
		put_number(to, "from", e->from);
		put_number(to, "to", e->to);
	}
	fputs("}", to);
}

void web_data(FILE *to, const struct account *a)
{
	fprintf(to, "{\"format\":1,\"live\":%s", a->live ? "true" : "false");
	put_text(to, "command", a->command);
	put_number(to, "date", a->date);
	put_ms(to, "elapsed", a->elapsed);
	put_number(to, "max", a->max);
	put_number(to, "high", a->high);
	put_number(to, "max_was", a->max_was);
	put_number(to, "high_was", a->high_was);
	put_ms(to, "step", a->time ? a->time->step : ACCOUNT_NONE);
	put_number(to, "points", a->time ? a->time->points : 0);
	put_number(to, "escaped", a->escaped);
	put_number(to, "lost_events", a->lost_events);
	fputs(",\n\"processes\":[", to);
	for (size_t i = 0; i < a->nr_processes; i++) {
		fputs(i ? ",\n" : "", to);
		put_process(to, &a->processes[i]);
	}
	fputs("],\n\"events\":[", to);
	for (size_t i = 0; i < a->nr_events; i++) {
		fputs(i ? ",\n" : "", to);
		put_event(to, &a->events[i]);
	}
	fputs("]}\n", to);
}
