/*
 * report.c - a section for each process, then who is missing.
 *
 * Sizes are bytes, all digits: a report is compared and added up by programs too.
 */
#include "run.h"

#include "section.h"
#include "size.h"
#include "holders.h"
#include "quote.h"

#include <errno.h>
#include <inttypes.h>

/* ---- numbers ---- */

static void print_row(FILE *to, const char *name, const struct slot_row *r)
{
	char max[SIZE_TEXT];

	fprintf(to, "  %-24s %14" PRIu64 " %14" PRIu64 " %14s %9" PRIu64 "\n", name, r->current,
		r->peak, size_exact(r->max, max), r->refusals);
}

static void print_table(FILE *to, const struct slot_view *v)
{
	struct slot_row root = {
		.current = v->current, .peak = v->peak, .max = v->max, .refusals = v->refusals};
	char name[SLOT_NAME_MAX + 2];

	fprintf(to, "  %-24s %14s %14s %14s %9s\n", "group", "current", "peak", "limit",
		"refusals");
	print_row(to, "/", &root);
	for (uint64_t i = 0; i < v->nr_rows && i < SLOT_ROWS; i++) {
		snprintf(name, sizeof(name), "/%.31s", v->rows[i].name);
		print_row(to, quote_plain(name), &v->rows[i]);
	}
}

static void print_unmanaged(FILE *to, const struct section *s)
{
	uint64_t bytes;

	if (section_unmanaged(s, &bytes))
		fprintf(to, "  unmanaged      %14" PRIu64 "\n", bytes);
	else
		fprintf(to, "  unmanaged      %14s\n", "not seen");
}

static void print_numbers(FILE *to, const struct section *s)
{
	const struct slot_view *v = &s->view;

	print_table(to, v);
	fprintf(to, "  allocated      %14" PRIu64 "\n", v->allocated);
	fprintf(to, "  cached         %14" PRIu64 "\n", v->cached);
	fprintf(to, "  metadata       %14" PRIu64 "\n", v->metadata);
	fprintf(to, "  charged maps   %14" PRIu64 "\n", v->maps);
	print_unmanaged(to, s);
	fprintf(to, "  foreign        %14" PRIu64 " blocks\n", v->foreign);
	if (!s->whole)
		fputs("  (it ended while it wrote these numbers: some are older than others)\n",
		      to);
}

/* ---- sections ---- */

static void print_section(FILE *to, const struct section *s)
{
	char text[SECTION_TEXT], command[SLOT_COMMAND];

	snprintf(command, sizeof(command), "%s", section_command(s));
	fprintf(to, "\n%s (pid %u, started by %u)\n", quote_plain(command), s->slot->pid,
		s->slot->ppid);
	fprintf(to, "  ended:         %s\n", section_end(s, text));
	print_numbers(to, s);
	fprintf(to, "  recount: %s\n", section_recount(s, text));
}

static void print_escapes(FILE *to, const struct track *t)
{
	unsigned n = track_escaped(t);
	char comm[sizeof(t->escapes->comm) + 1];

	fprintf(to, "escaped: %u%s\n", n,
		t->seek_escapes ? "" : " (children run by themselves: --no-children)");
	for (size_t i = 0; i < t->nr_escapes; i++)
		if (t->escapes[i].counted) {
			snprintf(comm, sizeof(comm), "%.15s", t->escapes[i].comm);
			fprintf(to, "  %s (pid %d): %s\n", quote_plain(comm),
				(int)t->escapes[i].pid, t->escapes[i].why);
		}
	if (t->seek_escapes && t->room->header->lost)
		fprintf(to, "execs that were not followed, because too many were under way: %u\n",
			t->room->header->lost);
}

/* "max 64, high max": as they are at the end, and where somebody changed them as they were. */
static void print_limit(FILE *to, const char *name, uint64_t now, uint64_t was)
{
	char text[SIZE_TEXT];

	fprintf(to, "%s %s", name, size_exact(now, text));
	if (now != was)
		fprintf(to, " (was %s)", size_exact(was, text));
}

int report_write(FILE *to, const struct track *t, const struct run_options *o)
{
	unsigned sections = 0;
	struct section s;

	fputs("memcg run: ", to);
	print_limit(to, "max", atomic_load(&t->room->header->max), o->max);
	print_limit(to, ", high", atomic_load(&t->room->header->high), o->high);
	fputs(", for each process\n", to);
	for (uint32_t i = 0; i < room_used(t->room); i++)
		if (section_read(t, i, &s)) {
			holders_pick(&s.view, o->top, true);
			print_section(to, &s);
			sections++;
		}
	fprintf(to, "\nprocesses: %u\n", sections);
	print_escapes(to, t);
	if (room_turned_away(t->room))
		fprintf(to, "without a section, because %u is all there is room for: %u\n",
			SLOT_DEFAULT, room_turned_away(t->room));
	return fflush(to) || ferror(to) ? -(errno ? errno : EIO) : 0;
}
