/* file_event.c - what happened to a group at its limits. */
#include "ctl/files.h"

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
	return say_events(cg->events, t);
}

int show_events_local(struct memcg *cg, struct text *t)
{
	return say_events(cg->events_local, t);
}

/* Nothing is swapped, so nothing happens. */
int show_swap_events(struct memcg *cg, struct text *t)
{
	(void)cg;
	text_line(t, "high", 0);
	text_line(t, "max", 0);
	text_line(t, "fail", 0);
	return 0;
}
