/*
 * charge.h - bytes and the counters they are charged to: one try, one force, one fold. Who wants a
 * charge made whatever it takes includes reclaim/charge.h.
 */
#ifndef MEMCG_GROUP_CHARGE_H
#define MEMCG_GROUP_CHARGE_H

#include "group/group.h"
#include "group/stock.h"

__private_ void memcg__uncharge_slow(u32 handle, u32 n);

/* Told after every slow charge, refusal and fold: a few loads and stores, no lock. NULL: nobody. */
extern __hidden_ void (*charge_watch)(void);

HOOK_DECLARE(charge_found); /* a charge's group has been looked up, and nothing counted */
HOOK_DECLARE(fold_found);   /* a fold's */

/*
 * One try. False: *limited is the group whose max refused, with a reference; or NULL, when it
 * is dying (its ancestors may have room), or when n is more than a handle can count.
 */
__hidden_ bool charge_try(u32 handle, u64 n, struct memcg **limited);
/*
 * A charge that moves between two handles is counted below top alone, a group at or above both: top
 * and all above it have the bytes, and no peak of theirs may move. So the bytes are
 * tried for one handle and folded for the other, in any order. top NULL: as charge_try,
 * charge_fold.
 */
__hidden_ bool charge_try_below(u32 handle, const struct memcg *top, u64 n, struct memcg **limited);
__hidden_ void charge_fold_below(u32 handle, const struct memcg *top, u64 n);
/* Where counting for cg, which pays now, ends: at top, or at once when it was inherited past it. */
__hidden_ bool group_counts_below(const struct memcg *cg, const struct memcg *top);
/* Whatever the limits say. */
__hidden_ void charge_force(u32 handle, u64 n);

__always_inline_ void uncharge(u32 handle, u32 n)
{
	if (unlikely(!pcpu_give_once(memcg__stock, stock_offset(handle), handle, n,
				     memcg__stock_cap)))
		memcg__uncharge_slow(handle, n);
}

/*
 * Charged by hand, by who does so again and again: from this CPU's words of that line, whose bytes
 * are counted as `external` already; reclaim/charge.h has the other half. Without a place there,
 * this parks them.
 */
__hidden_ void uncharge_hand_slow(u32 handle, u32 n);

__always_inline_ bool uncharge_hand_fast(u32 handle, u32 n)
{
	return pcpu_give_once(memcg__stock, stock_offset_in(STOCK_BY_HAND, handle), handle, n,
			      memcg__stock_cap);
}

/* Pages and more: no stock. */
__hidden_ void uncharge_bytes(u32 handle, u64 n);

#endif
