/*
 * t_torture_limits.c - limits, protection, reclaim and handlers, all at once and changing: six
 * threads in a tree of forty groups that is always short of memory. Shrinkers, handlers and
 * refusals must all have occurred.
 *
 * Usage: t_torture_limits [SECONDS [SEED]]. What is done and what must hold:
 * tests/torture/torture.h.
 */
#include "../torture/torture.h"

static bool was_short(void)
{
	return did.scans && did.ooms && did.refused;
}

int main(int argc, char **argv)
{
	struct options o = {
		.threads = 6,
		.groups = 40,
		.steps = 40,
		.exchange = 256,
		.mix = MIX_LIMITS,
		.limits = true,
		.top_max = 24 * MIB,
		.enough = was_short,
	};

	options_of_test(&o, argc, argv);
	return torture(&o);
}
