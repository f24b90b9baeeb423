/*
 * charge.h - charging bytes to a handle, with everything that is done before it is refused. The
 * loop "try, reclaim, retry, give up" exists once, in charge.c.
 */
#ifndef MEMCG_RECLAIM_CHARGE_H
#define MEMCG_RECLAIM_CHARGE_H

#include <memcg/alloc.h>

#include "group/charge.h"

/* True: n bytes are charged to the handle. flags: MEMCG_NOWAIT, NOFAIL. Sets no errno. */
__private_ bool memcg__charge_slow(u32 handle, u64 n, unsigned flags);

/* Frees what the library keeps for speed, for the group or all; bytes. Set by the layer above. */
extern __hidden_ u64 (*charge_give_back)(struct memcg *limited);
/* Limits that somebody else may change: looked at on every refill. NULL: none. */
extern __hidden_ void (*charge_refresh)(void);

/* One object or slab: this CPU's stock, else the slow path. */
__always_inline_ bool charge(u32 handle, u32 n)
{
	if (likely(pcpu_take(memcg__stock, STOCK_SHIFT, stock_offset(handle), handle, n)))
		return true;
	return memcg__charge_slow(handle, n, 0);
}

/* Pages and more: no stock. */
__hidden_ bool charge_bytes(u32 handle, u64 n, unsigned flags);

#endif
