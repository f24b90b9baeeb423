/*
 * counter.h - hierarchical byte counters: a usage, its limits, and a parent
 * that counts the same bytes too. Knows no group.
 *
 * 1. A charge climbs from a counter to the root, one atomic add a level, and is
 *    compared with each level's max *after* the add: no lock, no retry loop, and no
 *    two chargers can both see the last byte free. A level that says no gives
 *    the bytes back on the levels below, exactly.
 * 2. What follows from adding first: while a charge that will be refused stands,
 *    a smaller one beside it may be refused although it would fit. The error
 *    is at most the refused charge, and in the safe direction: a successful
 *    counter_try_charge never leaves a level above the max it was compared with.
 * 3. Counters are touched once per batch of pages, not per object: what costs
 *    there is the cache lines, so these are laid out by who writes them.
 *
 * Synchronization: every function may be called by any thread at any time, with
 * one exception: a counter's parent and `extra` are set before others see it.
 * The caller keeps the counter and its ancestors alive.
 */
#ifndef MEMCG_COUNT_COUNTER_H
#define MEMCG_COUNT_COUNTER_H

#include "base/compiler.h"
#include "base/types.h"
#include "sync/atomic.h"

#define MEMCG_UNLIMITED UINT64_MAX /* as in the public headers, which this layer does not see */

/* No memory is as large: from here on charges go the careful way (counter.c). */
#define COUNTER_HUGE ((u64)1 << 48)

struct counter {
	/* Written by every charger and uncharger. Alone: nothing that is only read may share it. */
	u64 usage __cacheline_aligned_;
	u64 own; /* the part of it charged to this level itself; may be below 0 for a moment */

	/* Written by chargers now and then, until usage stops growing; hence not beside the limits.
	 */
	u64 peak __cacheline_aligned_; /* racy maximum, see counter.c */
	u64 local_peak;		       /* the same since counter_reset_local_peak, below */
	u64 failcnt;		       /* charges this level refused */
	/* What of usage lies under min and low, as the parent's two sums have it; and those sums
	 * of this counter's children. Written only where protection is set: see counter.c, 5. */
	u64 min_usage, low_usage;
	u64 children_min, children_low;

	/* Read by every charger, written by counter_set_*: stays shared in every CPU's cache. */
	u64 min __cacheline_aligned_;
	u64 low;
	u64 high;
	u64 max;
	struct counter *parent; /* constant; NULL: the root */
	const u64 *
		extra; /* constant; bytes that nobody was charged for but max must cover, or NULL */
} __cacheline_aligned_;

_Static_assert(sizeof(struct counter) == 3 * CACHELINE, "one line for each kind of writer");

/* Underflows clamped so far, all counters. Non-zero is a bug of the accounting above. */
extern __hidden_ u64 counter_underflows;

/* Usage 0, no limits, no protection, no extra. The parent is initialised. */
__hidden_ void counter_init(struct counter *c, struct counter *parent);

/*
 * Charges n to c and every ancestor, or to none of them. False: some level's max, or
 * u64, does not allow it; *fail (when fail is not NULL) is that level and its failcnt has grown by
 * one.
 */
__hidden_ __must_check_ bool counter_try_charge(struct counter *c, u64 n, struct counter **fail);
/*
 * The same for a charge that is to move here from another counter below top: the levels from c up
 * to top, without it, because top and all above it have the bytes. c is top: none; NULL: all.
 */
__hidden_ __must_check_ bool counter_try_charge_below(struct counter *c, const struct counter *top,
						      u64 n, struct counter **fail);
/* Charges memory that exists already, whatever the limits say. */
__hidden_ void counter_charge(struct counter *c, u64 n);
/* More than is charged: the level is clamped to 0, the rest of the levels are done as asked. */
__hidden_ void counter_uncharge(struct counter *c, u64 n);
/* On the levels from c up to top, without it, as counter_try_charge_below. */
__hidden_ void counter_uncharge_below(struct counter *c, const struct counter *top, u64 n);

/* Returns the max it replaces. Usage may be above the new one: making it fit is the caller's. */
__hidden_ u64 counter_set_max(struct counter *c, u64 max);
__hidden_ void counter_set_min(struct counter *c, u64 min);
__hidden_ void counter_set_low(struct counter *c, u64 low);
__hidden_ void counter_set_high(struct counter *c, u64 high);

/* Bytes of a counter that reclaim in a subtree must leave alone, and should. */
struct protection {
	u64 min, low;
};

/*
 * c's share of what is protected on the way down from top, whose reclaim it is: top's own settings
 * do not count, its children's count in full, below them a child has at most its share of what
 * its parent has, and protection that no child claims goes to all of them by what they use. The
 * kernel's formula with recursive protection (reference: page_counter_calculate_protection).
 * c is top or below it. Cost: the levels between.
 */
__hidden_ struct protection counter_protection(const struct counter *c, const struct counter *top);
/* Bytes charged to c itself and not to a level below it. One load. */
__hidden_ u64 counter_own(const struct counter *c);
/* All of from's own bytes become to's, which is a level above: their usages hold them already. A
 * charge of from that is under way may leave bytes behind; whoever made it passes them on again. */
__hidden_ void counter_pass_own(struct counter *from, struct counter *to);
/* c goes out of use with its parent staying: min, low and what the parent sums of them become 0. */
__hidden_ void counter_unprotect(struct counter *c);
/* The first level, from c up, whose usage is over its high; NULL. */
__hidden_ struct counter *counter_over_high(struct counter *c);

/* What a charge could be at most, now: the least room below any max on the way up. */
__hidden_ u64 counter_headroom(const struct counter *c);
/*
 * The local peak starts again from the usage of this moment, which is returned; *before is
 * what it had reached. The peak stays. Callers keep each other out.
 */
__hidden_ u64 counter_reset_local_peak(struct counter *c, u64 *before);

/* Sequentially consistent, for the caller of counter_set_max: see there. A plain load on x86. */
static inline u64 counter_read(const struct counter *c)
{
	return __atomic_load_n(&c->usage, __ATOMIC_SEQ_CST);
}

/* The highest usage seen; may miss a maximum that stood for an instant: see counter.c. */
static inline u64 counter_peak(const struct counter *c)
{
	u64 peak = atomic_load(&c->peak), local = atomic_load(&c->local_peak);

	return peak > local ? peak : local; /* a race may have left the smaller one in peak */
}

/* The highest since counter_reset_local_peak. */
static inline u64 counter_local_peak(const struct counter *c)
{
	return atomic_load(&c->local_peak);
}

static inline u64 counter_failcnt(const struct counter *c)
{
	return atomic_load(&c->failcnt);
}

#endif
