/*
 * charge.h - charging bytes to a handle, with everything that is done before it is refused. The
 * loop "try, reclaim, retry, give up" exists once, in charge.c, in two halves:
 *
 *   The inner half (charge, memcg__charge_slow, charge_quiet) is called with allocator structures
 *   open. It tries, and frees what can be freed quietly. A refusal is noted in the thread's record
 *   and unwinds.
 *   The outer half (charge_again) is called where a public call returns: nothing is open, no lock
 *   is held. It may run the program's code, and says whether to try again. So the allocator is
 *   written as
 *
 *	struct retry r = RETRY(flags);
 *	do
 *		p = attempt(..., r.flags);
 *	while (!p && charge_again(&r));
 */
#ifndef MEMCG_RECLAIM_CHARGE_H
#define MEMCG_RECLAIM_CHARGE_H

#include <memcg/alloc.h>

#include "group/charge.h"

/* Internal, beside MEMCG_NOWAIT and the like: charge whatever the limits say. Decided by
 * charge_again for NOFAIL and RESERVE, or by who charges memory that is in use already. */
#define CHARGE_FORCE (1u << 30)
/* One look at the counters and no more, not even an event: the caller can do with less. */
#define CHARGE_ONCE (1u << 29)

/* Reclaim runs none of the program's code and no handler is asked: a page fault. */
#define CHARGE_OWN (1u << 28)

/* What attempts and the inner half need of a caller's flags. */
#define CHARGE_FLAGS (MEMCG_NOWAIT | MEMCG_NOFAIL | MEMCG_RESERVE | CHARGE_FORCE | CHARGE_OWN)

struct retry {
	unsigned flags;
	unsigned rounds;
};
#define RETRY(f) ((struct retry){.flags = (f)})

/* True: n bytes are charged to the handle. False: refused, and noted. Sets no errno. */
__private_ bool memcg__charge_slow(u32 handle, u64 n, unsigned flags);
__hidden_ bool charge_quiet(u32 handle, u64 n, unsigned flags); /* without a batch for the stock */

/* The same for a charge that moves: group/charge.h. */
__hidden_ bool charge_quiet_below(u32 handle, const struct memcg *top, u64 n, unsigned flags);

/* An attempt failed: true when another is worth while. False: given up, and said why. */
__hidden_ bool charge_again(struct retry *r);
/* A refusal that was got round after all. */
__hidden_ void charge_forgive(void);

HOOK_DECLARE(batch_charged); /* a batch has been, and is nowhere yet */

/* Limits that somebody else may change: looked at on every refill. NULL: none. */
extern __hidden_ void (*charge_refresh)(void);
/* Told after a slow charge of the handle's, made or refused; no lock held. NULL: nobody. */
extern __hidden_ void (*charge_told)(u32 handle);

/* One object or slab: this CPU's stock, else the slow path. */
__always_inline_ bool charge_slot(u32 handle, u32 n, unsigned flags)
{
	if (likely(pcpu_take_once(memcg__stock, stock_offset(handle), handle, n)))
		return true;
	return memcg__charge_slow(handle, n, flags);
}

__always_inline_ bool charge(u32 handle, u32 n)
{
	return charge_slot(handle, n, 0);
}

/* Charged by hand: from this CPU's words of that line (group/charge.h), else ahead. The inner half.
 */
__hidden_ bool charge_hand_slow(u32 handle, u32 n, unsigned flags);

__always_inline_ bool charge_hand_fast(u32 handle, u32 n)
{
	return pcpu_take_once(memcg__stock, stock_offset_in(STOCK_BY_HAND, handle), handle, n);
}

/* Both halves, for who has nothing open. No stock. flags: MEMCG_NOWAIT, NOFAIL, RESERVE. */
__hidden_ bool charge_bytes(u32 handle, u64 n, unsigned flags);

#endif
