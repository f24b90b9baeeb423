/* web_table.c - processes, their groups and the events, as tables: what everybody can read. */
#include "quote.h"
#include "size.h"
#include "web.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_AT_FIRST 3u    /* a build starts hundreds */
#define LISTED_EVENTS 1000u /* as rows */
#define BAR	      80u

/* ---- groups ---- */

static unsigned in_bar(uint64_t bytes, uint64_t max)
{
	return (unsigned)((double)(bytes < max ? bytes : max) / (double)max * BAR);
}

/*
 * Current as a part of the limit, the peak as a mark. Where the limit is of each of several
 * processes it is the fullest of them, and their peaks are not of one process.
 */
static void limit_bar(FILE *to, const struct account_group *g)
{
	uint64_t peak = g->each > 1 ? g->fullest : g->peak;
	unsigned mark;

	if (g->max == ACCOUNT_NONE || !g->max)
		return;
	mark = in_bar(peak, g->max);
	fprintf(to,
		"<svg class=\"bar\" viewBox=\"0 0 %u 10\" width=\"%u\" height=\"10\" role=\"img\" "
		"aria-label=\"%s %u %% of the limit\"><rect class=\"all\" width=\"%u\" height=\"10\" "
		"rx=\"2\"/><rect class=\"part\" width=\"%u\" height=\"10\" rx=\"2\"/>"
		"<path class=\"mark\" d=\"M%u 0V10\"/></svg>",
		BAR, BAR, g->each > 1 ? "the fullest process" : "peak", mark * 100 / BAR, BAR,
		in_bar(g->each > 1 ? g->fullest : g->current, g->max), mark ? mark - 1 : 0);
}

static void limit(FILE *to, const struct account_group *g)
{
	if (g->each > 1 && g->max != ACCOUNT_NONE)
		fprintf(to, "%" PRIu64 " × ", g->each);
	web_bytes(to, g->max, "none");
}

/* What it holds by kind, and what happened to it: names as of docs/control.md. */
static const char *const kinds[] = {
	"anon",	      "file",	  "shmem", "sock",  "slab",   "large",	  "buffer", "kernel_stack",
	"pagetables", "external", "maps",  "zswap", "cached", "metadata", "stock",  "swap_current"};
static const char *const happenings[] = {"low_events", "high_events",	 "max_events", "oom",
					 "oom_kill",   "sock_throttled", "pgmajfault", "pswpin",
					 "pswpout",    "zswpin",	 "zswpout"};

#define NR(array) (sizeof(array) / sizeof((array)[0]))

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static void holdings(FILE *to, const struct account_group *g)
{
	const char *comma = "";

	for (size_t i = 0; i < g->nr_values; i++)
		if (is_one_of(g->values[i].name, kinds, NR(kinds))) {
			fprintf(to, "%s%s ", comma, g->values[i].name);
			web_bytes(to, g->values[i].value, "-");
			comma = ", ";
		}
}

static void group_row(FILE *to, const struct account *a, const struct account_group *g)
{
	fprintf(to, "<tr%s><th scope=\"row\" class=\"d%u\"><bdi>", g->gone ? " class=\"gone\"" : "",
		g->depth < 6 ? g->depth : 6);
	quote_html(to, g->path);
	fprintf(to, "</bdi>%s</th><td class=\"n\">",
		g->gone ? " <i>(at the end gone, or one of the others)</i>" : "");
	web_bytes(to, g->current, "-");
	fputs("</td><td class=\"n\">", to);
	web_bytes(to, g->peak, "-");
	fputs("</td><td class=\"n\">", to);
	limit(to, g);
	fputs("</td><td>", to);
	limit_bar(to, g);
	fprintf(to, "</td><td class=\"n%s\">%" PRIu64 "</td>", g->refusals ? " alarm" : "",
		g->refusals);
	fputs("<td>", to);
	if (a->time)
		web_spark(to, a->time, g->series);
	else
		holdings(to, g);
	fputs("</td></tr>\n", to);
}

static void groups(FILE *to, const struct account *a, const struct account_process *p)
{
	size_t *order = web_order_groups(p);

	fprintf(to,
		"<div class=\"wide\"><table><caption class=\"hide\">Groups of process %d</caption>"
		"<thead><tr><th scope=\"col\">group</th><th scope=\"col\" class=\"n\">current</th>"
		"<th scope=\"col\" class=\"n\">peak</th><th scope=\"col\" class=\"n\">limit</th>"
		"<th scope=\"col\">used of it</th><th scope=\"col\" class=\"n\">refusals</th>"
		"<th scope=\"col\">%s</th></tr>"
		"</thead><tbody>\n",
		p->pid, a->time ? "over time" : "of which");
	for (size_t i = 0; i < p->nr_groups; i++)
		group_row(to, a, &p->groups[order ? order[i] : i]);
	free(order);
	fputs("</tbody></table></div>\n", to);
}

/* ---- processes ---- */

static void begin_value(FILE *to, const char *name)
{
	fprintf(to, "<div><dt>%s</dt><dd>", name);
}

static void value(FILE *to, const struct account_value *v)
{
	begin_value(to, !strcmp(v->name, "maps") ? "charged maps" : v->name);
	if (strcmp(v->name, "foreign"))
		web_bytes(to, v->value, "not seen");
	else
		fprintf(to, "%" PRIu64 " blocks", v->value);
	fputs("</dd></div>\n", to);
}

static void values(FILE *to, const struct account *a, const struct account_process *p)
{
	fputs("<dl class=\"values\">", to);
	for (size_t i = 0; i < p->nr_values; i++)
		value(to, &p->values[i]);
	if (!a->live) {
		begin_value(to, "ended");
		quote_html(to, p->ended);
		fputs("</dd></div>\n", to);
	}
	begin_value(to, "recount");
	quote_html(to, p->recount);
	fputs("</dd></div></dl>\n", to);
}

/* Those that had most are open from the beginning. */
static bool open_at_first(const struct account *a, const struct account_process *p)
{
	unsigned larger = 0;

	for (size_t i = 0; i < a->nr_processes && larger < OPEN_AT_FIRST; i++)
		larger += a->processes[i].groups[0].peak > p->groups[0].peak;
	return larger < OPEN_AT_FIRST;
}

static void process(FILE *to, const struct account *a, const struct account_process *p)
{
	fprintf(to, "<details class=\"process\"%s><summary><bdi>",
		open_at_first(a, p) ? " open" : "");
	quote_html(to, p->command);
	fprintf(to, "</bdi> <span class=\"pid\">pid %d</span> <span class=\"pid\">peak ", p->pid);
	web_bytes(to, p->groups[0].peak, "-");
	fputs("</span></summary>\n", to);
	groups(to, a, p);
	values(to, a, p);
	fputs("</details>\n", to);
}

void web_processes(FILE *to, const struct account *a)
{
	size_t *order = web_order_processes(a);

	for (size_t i = 0; i < a->nr_processes; i++)
		process(to, a, &a->processes[order ? order[i] : i]);
	free(order);
}

/* ---- events ---- */

static void say_limit(FILE *to, const struct account_event *e)
{
	fputs(e->what == EVENT_MAX ? "limit " : "high ", to);
	web_bytes(to, e->from, "none");
	fputs(" → ", to);
	web_bytes(to, e->to, "none");
}

static void say(FILE *to, const struct account_event *e)
{
	if (e->what == EVENT_MAX || e->what == EVENT_HIGH) {
		say_limit(to, e);
	} else if (e->what == EVENT_REFUSED) {
		fprintf(to, "<span class=\"alarm\">%" PRIu64 " refused</span>", e->count);
		if (e->until > e->when) {
			fputs(" within ", to);
			web_time(to, e->until - e->when);
		}
	} else {
		fputs(e->what == EVENT_START ? "started: "
		      : e->what == EVENT_END ? "ended: "
					     : "escaped: ",
		      to);
		quote_html(to, e->text);
	}
}

static void event(FILE *to, const struct account_event *e)
{
	fputs("<tr><td class=\"n\">", to);
	web_time(to, e->when);
	if (e->pid)
		fprintf(to, "</td><td class=\"n\">%d</td><td><bdi>", e->pid);
	else
		fputs("</td><td class=\"n\">all</td><td><bdi>", to);
	quote_html(to, e->path ? e->path : "");
	fputs("</bdi></td><td>", to);
	say(to, e);
	fputs("</td></tr>\n", to);
}

/* One moment has no times, but counts of what has happened. */
static void counts_row(FILE *to, const struct account_group *g)
{
	bool any = false;

	for (size_t i = 0; i < g->nr_values; i++) {
		if (!is_one_of(g->values[i].name, happenings, NR(happenings)))
			continue;
		if (!any) {
			fputs("<tr><th scope=\"row\"><bdi>", to);
			quote_html(to, g->path);
			fputs("</bdi></th><td>", to);
		}
		fprintf(to, "%s%s %" PRIu64, any ? ", " : "", g->values[i].name,
			g->values[i].value);
		any = true;
	}
	if (any)
		fputs("</td></tr>\n", to);
}

static void counts(FILE *to, const struct account_process *p)
{
	fputs("<section id=\"events\"><h2>Events so far</h2><div class=\"wide tall\" tabindex=\"0\">"
	      "<table><caption class=\"hide\">Groups to which something has happened</caption>"
	      "<thead><tr><th scope=\"col\">group</th><th scope=\"col\">how often</th></tr></thead>"
	      "<tbody>\n",
	      to);
	for (size_t i = 0; i < p->nr_groups; i++)
		counts_row(to, &p->groups[i]);
	fputs("</tbody></table></div></section>\n", to);
}

void web_events(FILE *to, const struct account *a)
{
	size_t shown = a->nr_events < LISTED_EVENTS ? a->nr_events : LISTED_EVENTS;

	if (a->live && a->nr_processes)
		counts(to, a->processes);
	if (!a->nr_events)
		return;
	fputs("<section id=\"events\"><h2>Events</h2><div class=\"wide tall\" tabindex=\"0\"><table>"
	      "<caption class=\"hide\">Events in the order of time</caption><thead><tr>"
	      "<th scope=\"col\" class=\"n\">at</th><th scope=\"col\" class=\"n\">pid</th>"
	      "<th scope=\"col\">group</th><th scope=\"col\">what</th></tr></thead><tbody>\n",
	      to);
	for (size_t i = 0; i < shown; i++)
		event(to, &a->events[i]);
	fputs("</tbody></table></div>\n", to);
	if (a->nr_events + a->lost_events > shown)
		fprintf(to, "<p>And %zu more.</p>\n", a->nr_events + a->lost_events - shown);
	fputs("</section>\n", to);
}
