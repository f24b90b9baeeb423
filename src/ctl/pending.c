/* pending.c - see pending.h. */
#include "ctl/pending.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "sys/clock.h"

static struct slot_exec *entry_of(u32 pid, unsigned probe)
{
	return &slot_execs()[(pid + probe) % SLOT_EXECS];
}

/* By hand: a handler may be in the middle of anything, and the name may be long. */
static void copy_name(char to[16], const char *path)
{
	const char *name = path ? path : "";
	unsigned i;

	for (const char *c = name; *c; c++)
		if (*c == '/' && c[1])
			name = c + 1;
	for (i = 0; i < 15 && name[i]; i++)
		to[i] = name[i];
	to[i] = '\0';
}

/* The index + 1; 0: no table, or no room. */
static u32 record(u32 pid, const char *path, u64 since)
{
	if (!slot_execs())
		return 0;
	for (unsigned i = 0; i < EXEC_PROBES; i++) {
		struct slot_exec *e = entry_of(pid, i);
		u32 nobody = 0;

		if (!atomic_cas(&e->pid, &nobody, pid))
			continue;
		copy_name(e->name, path);
		atomic_store_release(&e->since, since); /* pairs with the acquire of who reads */
		return (u32)(e - slot_execs()) + 1;
	}
	atomic_add_relaxed(&slot_header()->lost, 1u);
	return 0;
}

static void forget(struct slot_exec *e)
{
	atomic_store(&e->since, (u64)0);
	atomic_store_release(&e->pid, 0u); /* after: the next owner's time must stay */
}

void pending_settle(u32 pid)
{
	if (!slot_execs())
		return;
	for (unsigned i = 0; i < EXEC_PROBES; i++)
		if (atomic_load(&entry_of(pid, i)->pid) == pid)
			forget(entry_of(pid, i));
}

void memcg__exec_begins(struct pending *p, const char *path)
{
	struct slot *s = slot_mine();
	u32 pid;

	*p = (struct pending){.state = SLOT_EMPTY};
	if (!slot_header())
		return;
	pid = (u32)syscall(SYS_getpid);
	p->entry = record(pid, path, sys_clock_ns());
	if (!s || s->pid != pid)
		return; /* a child of vfork: the slot is its parent's */
	p->state = atomic_load(&s->state);
	atomic_store_release(&s->state, SLOT_EXECED);
}

void memcg__exec_failed(const struct pending *p)
{
	if (p->entry)
		forget(&slot_execs()[p->entry - 1]);
	if (p->state != SLOT_EMPTY)
		atomic_store_release(&slot_mine()->state, p->state);
}

u64 memcg__exec_time(void)
{
	return sys_clock_ns();
}

void memcg__exec_spawned(u32 pid, const char *path, u64 since)
{
	record(pid, path, since);
}
