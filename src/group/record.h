/*
 * record.h - what a group has only once something happened to it: counts of events and statistics,
 * limits that few set, pressure, who watches.
 *
 * 1. Most groups of many are idle, or have not been used yet. What every group has is in struct
 *    memcg, in six lines with its name; the rest is here. Nothing of it is on the way of a charge
 *    from stock.
 * 2. Made by the first charge (before it is tried, for the group and all above it), or by who sets
 *    or watches something, by compare-and-swap; gone with the struct. Until then its readers
 *    see no_record: nothing counted, nothing limited.
 * 3. Without memory for it a charge is refused, a setting is -ENOMEM. Who must count and
 *    cannot (group_event, group_stat_sink, a charge that is made whatever it takes, all of a group
 *    that was never charged) drops the number: tolerated, the region is at its end then.
 */
#ifndef MEMCG_GROUP_RECORD_H
#define MEMCG_GROUP_RECORD_H

#include "group/group.h"

struct group_record {
	/* Atomics. */
	u64 events[EV_NR];		/* of the subtree */
	u64 events_local[EV_KERNEL_NR]; /* of this group's limits */
	s64 stat[STAT_BASIC_NR];	/* of the subtree, less what CPUs hold back */
	u64 swap_high, swap_max, zswap_max;
	u32 max_descendants, max_depth;
	u64 rests_until;	   /* reclaim/owed.c: not worth a look before, ns */
	struct oom_hook *oom;	   /* reclaim/oom.c; NULL: no handler was ever set */
	struct psi_group *psi;	   /* reclaim/psi.c; NULL until memory was short here */
	struct event_set *watches; /* NULL until there is one; see event.h */
	/* ctl/reader.c, under its lock: readers with a peak of their own. */
	struct memcg_ctl *peak_readers;
};
_Static_assert(sizeof(struct group_record) <= 5 * CACHELINE, "a class of page/meta.c");

#define GROUP_NO_MAX UINT32_MAX /* of descendants and depth */

extern __hidden_ const struct group_record no_record;

/* What there is to read: acquire pairs with group_record_make. */
static inline const struct group_record *group_record(const struct memcg *cg)
{
	const struct group_record *r = atomic_load_seq(&cg->record);

	return r ? r : &no_record;
}

/* To write to. NULL: no memory. Takes RANK_META and what that takes. */
__hidden_ struct group_record *group_record_make(struct memcg *cg);
/* Of cg and all above. False: no memory. cg is valid memory to the caller. */
__hidden_ bool group_records_make_slow(struct memcg *cg);
__hidden_ void group_record_free(struct memcg *cg);

/* Who is charged has a record, and so have all above: one load. */
static inline bool group_records_make(struct memcg *cg)
{
	return likely(atomic_load(&cg->record)) || group_records_make_slow(cg);
}

#endif
