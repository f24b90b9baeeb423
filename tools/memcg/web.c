/* web.c - see web.h. */
#include "web.h"

#include "quote.h"
#include "size.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

int web_write(FILE *to, const struct account *a)
{
	for (const struct web_part *part = web_parts;; part++) {
		fwrite(part->text, 1, part->size, to);
		if (!part->then)
			break;
		part->then(to, a);
	}
	return fflush(to) || ferror(to) ? -(errno ? errno : EIO) : 0;
}

/* ---- numbers ---- */

/* "12.3M" is for a terminal's columns. */
static void human(FILE *to, uint64_t bytes)
{
	char text[SIZE_TEXT];
	size_t n = strlen(size_human(bytes, text));

	if (strchr("KMGT", text[n - 1]))
		fprintf(to, "%.*s %ciB", (int)n - 1, text, text[n - 1]);
	else
		fprintf(to, "%s B", text);
}

void web_bytes(FILE *to, uint64_t bytes, const char *none)
{
	if (bytes == ACCOUNT_NONE) {
		fputs(none, to);
		return;
	}
	fprintf(to, "<data value=\"%" PRIu64 "\" title=\"%" PRIu64 " bytes\">", bytes, bytes);
	human(to, bytes);
	fputs("</data>", to);
}

void web_time(FILE *to, uint64_t ns)
{
	unsigned long long tenths = ns / 100000000u, s = tenths / 10;

	if (s < 60)
		fprintf(to, "%llu.%llu s", s, tenths % 10);
	else if (s < 3600)
		fprintf(to, "%llu:%02llu min", s / 60, s % 60);
	else
		fprintf(to, "%llu:%02llu:%02llu h", s / 3600, s / 60 % 60, s % 60);
}

/* ---- heading ---- */

void web_title(FILE *to, const struct account *a)
{
	quote_html(to, a->command);
}

static void begin_card(FILE *to, const char *name)
{
	fprintf(to, "<div class=\"card\"><dt>%s</dt><dd>", name);
}

static void end_card(FILE *to)
{
	fputs("</dd></div>\n", to);
}

static void number_card(FILE *to, const char *name, uint64_t n, bool alarm)
{
	begin_card(to, name);
	fprintf(to, "<span%s>%" PRIu64 "</span>", alarm && n ? " class=\"alarm\"" : "", n);
	end_card(to);
}

static void bytes_card(FILE *to, const char *name, uint64_t bytes)
{
	begin_card(to, name);
	web_bytes(to, bytes, "none");
	end_card(to);
}

static void limit_card(FILE *to, const char *name, uint64_t now, uint64_t was)
{
	begin_card(to, name);
	web_bytes(to, now, "none");
	if (now != was) {
		fputs(" <span class=\"was\">was ", to);
		web_bytes(to, was, "none");
		fputs("</span>", to);
	}
	end_card(to);
}

struct sums {
	uint64_t current, peak, refusals, differing, closed;
	bool each; /* one row is all of several processes */
};

static struct sums sum_up(const struct account *a)
{
	struct sums s = {0};

	for (size_t i = 0; i < a->nr_processes; i++) {
		const struct account_process *p = &a->processes[i];

		s.current += p->groups[0].current;
		s.refusals += p->groups[0].refusals;
		if (p->groups[0].peak > s.peak)
			s.peak = p->groups[0].peak;
		s.each |= p->groups[0].each > 1;
		s.closed += !strncmp(p->recount, "closed", 6);
		s.differing += !!strstr(p->recount, " differences");
	}
	return s;
}

static void recount_card(FILE *to, const struct sums *s)
{
	begin_card(to, "recount");
	if (s->differing)
		fprintf(to, "<span class=\"alarm\">%" PRIu64 " differ</span>", s->differing);
	else if (s->closed)
		fputs("<span class=\"good\">closed</span>", to);
	else
		fputs("not taken", to);
	end_card(to);
}

static void when(FILE *to, const struct account *a)
{
	time_t date = (time_t)a->date;
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&date, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(to, "<p class=\"when\">%s, %s",
		a->live ? "a look at a running process" : "memcg run", text);
	if (!a->live) {
		fputs(", for ", to);
		web_time(to, a->elapsed);
	}
	if (a->version && *a->version) {
		fputs("; libmemcg ", to);
		quote_html(to, a->version);
	}
	fputs("</p>\n", to);
}

void web_heading(FILE *to, const struct account *a)
{
	struct sums s = sum_up(a);

	fputs("<h1>", to);
	quote_html(to, a->command);
	fputs("</h1>\n", to);
	when(to, a);
	fputs("<dl class=\"cards\">\n", to);
	if (a->live)
		bytes_card(to, "in use", s.current);
	bytes_card(to,
		   s.each		 ? "peaks of all processes"
		   : a->nr_processes > 1 ? "highest peak of a process"
					 : "peak",
		   s.peak);
	limit_card(to, s.each || a->nr_processes > 1 ? "limit of each process" : "limit", a->max,
		   a->max_was);
	if (a->high != ACCOUNT_NONE || a->high_was != ACCOUNT_NONE)
		limit_card(to, "slowed down beyond", a->high, a->high_was);
	number_card(to, "refusals", s.refusals, true);
	if (!a->live) {
		number_card(to, "processes", a->nr_processes, false);
		number_card(to, "escaped", a->escaped, true);
	}
	recount_card(to, &s);
	fputs("</dl>\n", to);
}

/* ---- the end ---- */

static void details(FILE *to, const char *id, const char *name, const char *text)
{
	if (!text)
		return;
	fprintf(to, "<details id=\"%s\"><summary>%s</summary><pre>", id, name);
	quote_html(to, text);
	fputs("</pre></details>\n", to);
}

void web_notes(FILE *to, const struct account *a)
{
	if (a->nr_notes) {
		fputs("<section><h2>What is not here</h2><ul class=\"notes\">\n", to);
		for (size_t i = 0; i < a->nr_notes; i++) {
			fputs("<li>", to);
			quote_html(to, a->notes[i]);
			fputs("</li>\n", to);
		}
		fputs("</ul></section>\n", to);
	}
}

void web_text(FILE *to, const struct account *a)
{
	details(to, "leftovers", "Left over from groups that were destroyed", a->leftovers);
	details(to, "owners", "Owners (memory.owners)", a->owners);
	details(to, "text", a->live ? "The report as text (memory.report)" : "The report as text",
		a->text);
}
