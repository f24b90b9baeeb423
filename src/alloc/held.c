/* held.c - a source of reclaim: empty slabs and parked slots that threads keep for speed. */
#include "alloc/alloc.h"
#include "slab/slab.h"

/*
 * Slabs of all groups: they hold room in shared ancestors too. Other threads are asked, and give
 * back at their next slow path; their heaps are nobody else's to touch. At a limit this runs for
 * each refusal, on threads of all tenants: so it does not look at every slab there is.
 */
static u64 held_drain(struct memcg *target, bool all)
{
	struct thread *t = thread_self();
	u64 bytes = target == root_group ? hollow_purge() : 0;

	threads_trim_others(t, all);
	return bytes + (t ? thread_trim(t, all) : 0);
}

const struct reclaim_source held_slabs = {.name = "held slabs", .drain = held_drain};
