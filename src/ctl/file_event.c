/* file_event.c - what happened to a group at its limits. */
#include <errno.h>

#include "ctl/files.h"
#include "ctl/parse.h"
#include "group/record.h"
#include "group/vm.h"
#include "reclaim/psi.h"

static int say_events(const u64 *events, struct text *t)
{
	static const char *const name[EV_KERNEL_NR] = {
		"low", "high", "max", "oom", "oom_kill", "oom_group_kill", "sock_throttled"};
	unsigned i;

	for (i = 0; i < EV_KERNEL_NR; i++)
		text_line(t, name[i], atomic_load_seq(&events[i])); /* see event.h */
	return 0;
}

int show_events(struct memcg *cg, struct text *t)
{
	return say_events(group_record(cg)->events, t);
}

int show_events_local(struct memcg *cg, struct text *t)
{
	return say_events(group_record(cg)->events_local, t);
}

int show_swap_events(struct memcg *cg, struct text *t)
{
	static const char *const name[SWAP_EVENT_NR] = {"high", "max", "fail"};
	const struct group_vm *vm = atomic_load_acquire(&cg->vm);

	for (unsigned i = 0; i < SWAP_EVENT_NR; i++)
		text_line(t, name[i], vm ? atomic_load(&vm->swap_event[i]) : 0);
	return 0;
}

/* --- pressure ------------------------------------------------------------------ */

static void say_average(struct text *t, const char *name, u32 hundredths)
{
	text_say(t, " %s=%u.%02u", name, hundredths / 100, hundredths % 100);
}

static void say_pressure(struct text *t, const char *name, const struct psi_numbers *n)
{
	text_say(t, "%s", name);
	say_average(t, "avg10", n->avg10);
	say_average(t, "avg60", n->avg60);
	say_average(t, "avg300", n->avg300);
	text_say(t, " total=%lu\n", (unsigned long)n->total_us);
}

int show_pressure(struct memcg *cg, struct text *t)
{
	struct psi_pressure p;

	psi_show(cg, &p);
	say_pressure(t, "some", &p.some);
	say_pressure(t, "full", &p.full);
	return 0;
}

/* A trigger ends with who holds it: without a reader (reader.c) nobody does. */
int store_pressure(struct memcg *cg, const char *buf, size_t len)
{
	struct parsed_trigger trigger;

	(void)cg;
	if (parse_trigger(buf, len, &trigger) < 0)
		return -EINVAL;
	return psi_trigger_valid(trigger.stall_us, trigger.window_us) ? 0 : -EINVAL;
}
