/*
 * track.c - what became of each process, and who escaped.
 *
 * A process that ends by itself says so in its slot; one that is killed cannot. `run` is the
 * subreaper of its descendants, so it learns the status of CMD and of every orphan; of the
 * others it sees in /proc only that they are gone.
 *
 * Who runs below us without a slot has escaped. A process stands there without one for a
 * moment also when all is well: between fork and exec, and until the loader has come to our
 * library. So there must be a reason (statically linked, privileged, LD_PRELOAD
 * gone from its environment), or it must stay without a slot for GRACE_NS. One that lives
 * shorter than the time between two looks is known by the exec that nobody answered
 * (ctl/pending.h), unless the call was made past the hooks: the number is a lower bound.
 */
#include "run.h"

#include "procfs.h"
#include "program.h"
#include "source/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_NS 500000000ull

int track_init(struct track *t, const struct room *room, bool seek_escapes)
{
	*t = (struct track){.room = room, .self = getpid(), .seek_escapes = seek_escapes};
	t->slots = calloc(SLOT_DEFAULT, sizeof(*t->slots));
	return t->slots ? 0 : -ENOMEM;
}

void track_exit(struct track *t)
{
	free(t->slots);
	free(t->escapes);
}

/* ---- slots ---- */

static bool claimed(const struct slot *s)
{
	return atomic_load_acquire(&s->state) != SLOT_EMPTY;
}

/* The latest slot of a process: what it is now. -1: none. */
static int64_t latest_slot(const struct track *t, pid_t pid, uint64_t start)
{
	for (uint32_t i = room_used(t->room); i-- > 0;) {
		const struct slot *s = room_slot(t->room, i);

		if (claimed(s) && s->pid == (uint32_t)pid && (!start || s->start == start))
			return i;
	}
	return -1;
}

bool track_has_later(const struct track *t, uint32_t index)
{
	const struct slot *s = room_slot(t->room, index);

	return latest_slot(t, (pid_t)s->pid, s->start) > (int64_t)index;
}

bool track_was_execed(const struct track *t, uint32_t index)
{
	return room_slot(t->room, index)->state == SLOT_EXECED || track_has_later(t, index);
}

static void sample(struct track *t, uint32_t index)
{
	const struct slot *s = room_slot(t->room, index);
	struct tracked *seen = &t->slots[index];
	struct slot_view v;

	seen->alive = true;
	if (atomic_load_acquire(&s->state) == SLOT_EXECED)
		return; /* what is there now is another program's */
	room_read(s, &v);
	procfs_resident((pid_t)s->pid, &seen->rss, &seen->rss_anon);
	seen->ours = v.current;
}

/* ---- escapes ---- */

static struct escape *add_suspect(struct track *t, const struct process *p, uint64_t now)
{
	if (t->nr_escapes == t->room_escapes) {
		size_t more = t->room_escapes ? t->room_escapes * 2 : 16;
		struct escape *grown = realloc(t->escapes, more * sizeof(*grown));

		if (!grown)
			return NULL;
		t->escapes = grown;
		t->room_escapes = more;
	}
	t->escapes[t->nr_escapes] = (struct escape){.pid = p->pid, .start = p->start, .since = now};
	return &t->escapes[t->nr_escapes++];
}

static struct escape *suspect(struct track *t, const struct process *p, uint64_t now)
{
	for (size_t i = 0; i < t->nr_escapes; i++)
		if (t->escapes[i].pid == p->pid && t->escapes[i].start == p->start)
			return &t->escapes[i];
	return add_suspect(t, p, now);
}

static void count_escape(struct escape *e, const struct process *p, const char *why)
{
	e->counted = true;
	memcpy(e->comm, p->comm, sizeof(e->comm));
	snprintf(e->why, sizeof(e->why), "%s", why);
}

/* NULL: no reason to be seen. A file that is refused is one that nothing is preloaded into. */
static const char *escape_reason(pid_t pid)
{
	struct verdict verdict;
	uint64_t dev, ino;
	bool readable, preloads = proc_environment_has(pid, "LD_PRELOAD", &readable);
	char path[64];

	if (!readable && errno == EACCES)
		return "not ours to look at: setuid";
	if (!procfs_image(pid, &dev, &ino))
		return NULL; /* it is ending */
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	program_judge_file(path, path, &verdict);
	if (verdict.status)
		return "static, privileged, or of another libc";
	return preloads ? NULL : "LD_PRELOAD is not in its environment";
}

/* An exec that keeps the pid leaves the slot of before, and another program in /proc. */
static bool still_the_image(const struct process *p, const struct slot *s)
{
	uint64_t dev, ino;

	return !s->exe_ino || !procfs_image(p->pid, &dev, &ino) ||
	       (dev == s->exe_dev && ino == s->exe_ino);
}

static void consider_escape(struct track *t, const struct process *p, uint64_t now)
{
	struct escape *e = suspect(t, p, now);
	const char *why;

	if (!e || e->counted)
		return;
	why = escape_reason(p->pid);
	if (!why && now - e->since > GRACE_NS)
		why = "never took a slot";
	if (why)
		count_escape(e, p, why);
}

static bool counted_already(const struct track *t, pid_t pid)
{
	for (size_t i = 0; i < t->nr_escapes; i++)
		if (t->escapes[i].pid == pid && t->escapes[i].counted)
			return true;
	return false;
}

/* posix_spawn's entry is made when the image may have come already. A fork is no new image. */
static bool answered(const struct track *t, pid_t pid, uint64_t since)
{
	for (uint32_t i = 0; i < room_used(t->room); i++) {
		const struct slot *s = room_slot(t->room, i);

		if (claimed(s) && s->pid == (uint32_t)pid && !s->forked && s->claimed >= since)
			return true;
	}
	return false;
}

/* Who lives has been judged by the last look: it may be on its way to a slot. */
static void judge_pending(struct track *t, const struct slot_exec *e)
{
	struct process p;
	struct escape *escape;

	if (procfs_read((pid_t)e->pid, &p) && p.state != 'Z' && p.state != 'X')
		return;
	if (counted_already(t, (pid_t)e->pid) || answered(t, (pid_t)e->pid, e->since))
		return;
	p = (struct process){.pid = (pid_t)e->pid};
	memcpy(p.comm, e->name, sizeof(p.comm) - 1);
	escape = add_suspect(t, &p, 0);
	if (escape)
		count_escape(escape, &p, "it was executed and never took a slot");
}

/* In the middle of an exec the environment of a process reads as empty: it came after all. */
static void acquit(struct track *t)
{
	for (size_t i = 0; i < t->nr_escapes; i++)
		if (answered(t, t->escapes[i].pid, t->escapes[i].since))
			t->escapes[i].counted = false;
}

void track_pending(struct track *t)
{
	const struct slot_exec *e = room_execs(t->room);

	if (!t->seek_escapes || room_turned_away(t->room))
		return;
	acquit(t);
	for (uint32_t i = 0; i < SLOT_EXECS; i++)
		if (atomic_load_acquire(&e[i].since) && e[i].pid)
			judge_pending(t, &e[i]);
}

unsigned track_escaped(const struct track *t)
{
	unsigned n = 0;

	for (size_t i = 0; i < t->nr_escapes; i++)
		n += t->escapes[i].counted;
	return n;
}

/* ---- looking ---- */

static void look_at(struct track *t, const struct process *p, uint64_t now)
{
	int64_t index;

	if (p->state == 'Z' || p->state == 'X')
		return;
	index = latest_slot(t, p->pid, p->start);
	if (index < 0)
		index = latest_slot(t, p->pid, 0);
	if (index >= 0)
		sample(t, (uint32_t)index);
	if (!t->seek_escapes || room_turned_away(t->room))
		return;
	if (index < 0 || !still_the_image(p, room_slot(t->room, (uint32_t)index)))
		consider_escape(t, p, now);
}

/*
 * Who runs below us has an ancestor among our children, because orphans become ours: without a
 * child there is nobody, and all of /proc need not be read.
 */
static bool nobody_below(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && errno == ECHILD;
}

void track_look(struct track *t, uint64_t now)
{
	struct process *list = NULL;
	size_t n;

	for (uint32_t i = 0; i < room_used(t->room); i++)
		t->slots[i].alive = false;
	n = nobody_below() ? 0 : procfs_descendants(t->self, &list);
	for (size_t i = 0; i < n; i++)
		look_at(t, &list[i], now);
	free(list);
}

/* The program itself is known to have escaped when it ends without ever having had a slot. */
static void judge_main(struct track *t)
{
	struct process p = {.pid = t->main, .comm = "the program"};
	struct escape *e;

	if (!t->seek_escapes || room_turned_away(t->room) || latest_slot(t, t->main, 0) >= 0)
		return;
	for (size_t i = 0; i < t->nr_escapes; i++)
		if (t->escapes[i].pid == t->main && t->escapes[i].counted)
			return;
	e = suspect(t, &p, 0);
	if (e)
		count_escape(e, &p, "never took a slot");
}

void track_reaped(struct track *t, pid_t pid, int status)
{
	int64_t index = latest_slot(t, pid, 0);

	if (index >= 0) {
		t->slots[index].reaped = true;
		t->slots[index].alive = false;
		t->slots[index].status = status;
	}
	if (pid != t->main)
		return;
	t->main_ended = true;
	t->main_ended_at = run_clock_ns();
	t->main_status = status;
	judge_main(t);
}
