/* section.c - see section.h. */
#include "section.h"

#include "procfs.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>

/* ---- how it ended ---- */

static void say_status(char *buf, int status)
{
	const char *name;

	if (!WIFSIGNALED(status)) {
		snprintf(buf, SECTION_TEXT, "exit status %d", WEXITSTATUS(status));
		return;
	}
	name = sigabbrev_np(WTERMSIG(status));
	snprintf(buf, SECTION_TEXT, "killed by signal %d (SIG%s)", WTERMSIG(status),
		 name ? name : "?");
}

const char *section_end(const struct section *s, char buf[SECTION_TEXT])
{
	if (s->execed)
		return "became another program (exec)";
	if (!s->seen->reaped && s->state == SLOT_EXITED)
		return "by itself; its status went to its parent";
	if (!s->seen->reaped)
		return s->alive ? "not yet: it runs on without us" : "unseen: killed, or by _exit";
	say_status(buf, s->seen->status);
	return buf;
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

const char *section_recount(const struct section *s, char buf[SECTION_TEXT])
{
	const struct slot_recount *r = &s->view.recount;

	if (s->execed || r->state != SLOT_RECOUNT_TAKEN)
		snprintf(buf, SECTION_TEXT, "not taken (%s)", why_not_taken(s));
	else if (r->differences)
		snprintf(buf, SECTION_TEXT,
			 "%" PRIu64 " differences: the memory holds %" PRIu64
			 " bytes, the counters say %" PRIu64,
			 r->differences, r->memory, r->counters);
	else
		snprintf(buf, SECTION_TEXT, "closed (%" PRIu64 " bytes in %" PRIu64 " groups)",
			 r->memory, r->groups);
	return buf;
}

/* ---- numbers ---- */

bool section_unmanaged(const struct section *s, uint64_t *bytes)
{
	uint64_t rss = s->seen->rss_anon, ours = s->seen->ours;

	if (s->view.rss_anon) {
		rss = s->view.rss_anon;
		ours = s->view.current;
	}
	*bytes = rss > ours ? rss - ours : 0;
	return rss;
}

const char *section_command(const struct section *s)
{
	return s->slot->command[0] ? s->slot->command : s->slot->comm;
}

/* ---- reading one ---- */

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

bool section_read(const struct track *t, uint32_t index, struct section *s)
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
