/*
 * report.c - a section for each process, then who is missing.
 *
 * Sizes are bytes, all digits: a report is compared and added up by programs too.
 */
#include "run.h"

#include "procfs.h"
#include "size.h"
#include "holders.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

struct section {
	const struct track *track;
	const struct slot *slot;
	const struct tracked *seen;
	struct slot_view view;
	enum slot_state state;
	bool alive;  /* its process is still there */
	bool whole;  /* the view is of one moment */
	bool execed; /* it became another program */
};

/* ---- how it ended ---- */

static void print_status(FILE *to, int status)
{
	if (WIFSIGNALED(status))
		fprintf(to, "killed by signal %d (SIG%s)", WTERMSIG(status),
			sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
	else
		fprintf(to, "exit status %d", WEXITSTATUS(status));
}

static void print_end(FILE *to, const struct section *s)
{
	fputs("  ended:         ", to);
	if (s->execed)
		fputs("became another program (exec)", to);
	else if (s->seen->reaped)
		print_status(to, s->seen->status);
	else if (s->state == SLOT_EXITED)
		fputs("by itself; its status went to its parent", to);
	else if (s->alive)
		fputs("not yet: it runs on without us", to);
	else
		fputs("unseen: killed, or by _exit", to);
	fputc('\n', to);
}

/* ---- the recount ---- */

static const char *why_not_taken(const struct section *s)
{
	if (s->execed)
		return "exec";
	if (s->view.recount.state == SLOT_RECOUNT_BUSY)
		return "threads were still running";
	if (s->seen->reaped)
		return WIFSIGNALED(s->seen->status) ? "killed" : "_exit";
	if (s->state == SLOT_EXITED)
		return "_exit";
	return s->alive ? "still running" : "killed or _exit";
}

static void print_recount(FILE *to, const struct section *s)
{
	const struct slot_recount *r = &s->view.recount;

	if (s->execed || r->state != SLOT_RECOUNT_TAKEN)
		fprintf(to, "  recount: not taken (%s)\n", why_not_taken(s));
	else if (r->differences)
		fprintf(to,
			"  recount: %" PRIu64 " differences: the memory holds %" PRIu64
			" bytes, the counters say %" PRIu64 "\n",
			r->differences, r->memory, r->counters);
	else
		fprintf(to, "  recount: closed (%" PRIu64 " bytes in %" PRIu64 " groups)\n",
			r->memory, r->groups);
}

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
		print_row(to, name, &v->rows[i]);
	}
}

/*
 * What the process has besides ours: stacks, data of libraries, maps made past the hooks. Of one
 * moment: its own last, or our last look.
 */
static void print_unmanaged(FILE *to, const struct section *s)
{
	uint64_t rss = s->seen->rss_anon, ours = s->seen->ours;

	if (s->view.rss_anon) {
		rss = s->view.rss_anon;
		ours = s->view.current;
	}
	if (rss)
		fprintf(to, "  unmanaged      %14" PRIu64 "\n", rss > ours ? rss - ours : 0);
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

/*
 * Between fork and exec a process is a copy of its parent, with its parent's numbers. What it
 * became has a section; the copy is worth none.
 */
static bool passing(const struct section *s)
{
	return s->execed && s->slot->forked;
}

/* Asked now: a slot may have been claimed since the last look. */
static bool still_there(const struct slot *s)
{
	struct process p;

	return procfs_read((pid_t)s->pid, &p) && p.start == s->start && p.state != 'Z' &&
	       p.state != 'X';
}

static bool read_section(const struct track *t, uint32_t index, struct section *s)
{
	*s = (struct section){.track = t, .slot = room_slot(t->room, index)};
	s->seen = &t->slots[index];
	s->state = atomic_load_acquire(&s->slot->state);
	if (s->state == SLOT_EMPTY)
		return false;
	s->whole = room_read(s->slot, &s->view);
	s->execed = track_was_execed(t, index);
	s->alive = !s->seen->reaped && still_there(s->slot);
	/* On its way from fork to a slot of its new image: this one is all there is of it. */
	if (s->slot->forked && s->alive && t->seek_escapes && !track_has_later(t, index))
		s->execed = false;
	return !passing(s);
}

static void print_section(FILE *to, const struct section *s)
{
	fprintf(to, "\n%s (pid %u, started by %u)\n",
		s->slot->command[0] ? s->slot->command : s->slot->comm, s->slot->pid,
		s->slot->ppid);
	print_end(to, s);
	print_numbers(to, s);
	print_recount(to, s);
}

static void print_escapes(FILE *to, const struct track *t)
{
	unsigned n = track_escaped(t);

	fprintf(to, "escaped: %u%s\n", n,
		t->seek_escapes ? "" : " (children run by themselves: --no-children)");
	for (size_t i = 0; i < t->nr_escapes; i++)
		if (t->escapes[i].counted)
			fprintf(to, "  %.15s (pid %d): %s\n", t->escapes[i].comm,
				(int)t->escapes[i].pid, t->escapes[i].why);
	if (t->seek_escapes && t->room->header->lost)
		fprintf(to, "execs that were not followed, because too many were under way: %u\n",
			t->room->header->lost);
}

int report_write(FILE *to, const struct track *t, const struct run_options *o)
{
	unsigned sections = 0;
	struct section s;
	char max[SIZE_TEXT], high[SIZE_TEXT];

	fprintf(to, "memcg run: max %s, high %s, for each process\n", size_exact(o->max, max),
		size_exact(o->high, high));
	for (uint32_t i = 0; i < room_used(t->room); i++)
		if (read_section(t, i, &s)) {
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
