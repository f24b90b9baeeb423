/*
 * t_torture.c - memory and its owners: eight threads, a thousand groups made and destroyed under
 * them, objects freed by other threads in other groups, limits that refuse and nobody that
 * reclaims. Own, shared, promoted, demoted and recharged slabs must all have occurred.
 *
 * Usage: t_torture [SECONDS [SEED]]. What is done and what must hold: tests/torture/torture.h.
 */
#include <stdio.h>

#include "slab/slab.h"

#include "../torture/torture.h"

static const struct slab_counts *const n = &slab_counts;

static bool of_every_sort(void)
{
	return n->own && n->shared && n->promoted && n->demoted && n->recharged;
}

int main(int argc, char **argv)
{
	struct options o = {
		.threads = 8,
		.groups = 1000,
		.steps = 200,
		.exchange = EXCHANGE,
		.mix = MIX_MEMORY,
		.limits = true,
		.top_max = MEMCG_UNLIMITED,
		.enough = of_every_sort,
	};

	options_of_test(&o, argc, argv);
	torture(&o);
	printf("# slabs own %lu shared %lu promoted %lu demoted %lu recharged %lu orphaned %lu "
	       "hollow %lu\n",
	       n->own, n->shared, n->promoted, n->demoted, n->recharged, n->orphaned, n->hollow);
	return 0;
}
