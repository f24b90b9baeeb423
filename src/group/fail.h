/*
 * fail.h - charges that are refused on demand: memory.fail.
 *
 * 1. A rule (sys/fault.h: nth, every, ppm, seed) is a group's. It is about the charges made for
 *    the group and all below it since the rule was set, numbered as they come; of rules on the way
 *    up the nearest that says so refuses a charge, and those above it do not see that one.
 * 2. A charge is seen when the slow path makes it: fail_charge, once for each, whatever rounds of
 *    reclaim it would have had. So under a rule there is no stock: what there was is drained
 *    when the rule is set, and stock_put keeps nothing. A thread that was inside stock_put at that
 *    moment may leave one batch: tolerated, its charges are not seen.
 * 3. What is no charge is not seen: an object in a slab that was charged whole, a slot whose
 *    bytes stayed with it.
 * 4. struct fail is constant but for its two counts. Setting replaces it; readers are in
 *    an RCU section. It goes with the group at the latest.
 */
#ifndef MEMCG_GROUP_FAIL_H
#define MEMCG_GROUP_FAIL_H

#include "base/types.h"
#include "base/compiler.h"
#include "sync/atomic.h"
#include "sys/fault.h"

struct memcg;

struct fail_counts {
	u64 seen, failed;
};

extern __hidden_ u32 fail_rules; /* groups that have one; 0 nearly always */

__hidden_ bool fail_armed_slow(u32 handle);
__hidden_ struct memcg *fail_charge_slow(u32 handle);

/* Does a rule apply to charges of this handle now? Then there is no batch and no stock. */
static inline bool fail_armed(u32 handle)
{
	return unlikely(atomic_load(&fail_rules)) && fail_armed_slow(handle);
}

/*
 * Asked once for each charge, before it is tried. NULL: go on. Else the group whose
 * rule refuses it, with a reference: like its max, but nothing is reclaimed for it.
 */
static inline struct memcg *fail_charge(u32 handle)
{
	return unlikely(atomic_load(&fail_rules)) ? fail_charge_slow(handle) : NULL;
}

/* NULL: no rule any more. The counts start at 0. 0, -ENOMEM. */
__hidden_ int fail_set(struct memcg *cg, const struct fault_rule *rule);
/* False: the group has none. */
__hidden_ bool fail_get(struct memcg *cg, struct fault_rule *rule, struct fail_counts *counts);
__hidden_ void fail_free(struct memcg *cg); /* the struct goes: nobody reads it any more */

#endif
