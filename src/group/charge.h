/*
 * charge.h - charging bytes to a handle. The loop "try, give back, retry,
 * give up" exists once, in charge.c.
 */
#ifndef MEMCG_GROUP_CHARGE_H
#define MEMCG_GROUP_CHARGE_H

#include <memcg/alloc.h>

#include "group/group.h"
#include "group/stock.h"

/* True: n bytes are charged to the handle. flags: MEMCG_NOWAIT, NOFAIL. Sets no errno. */
__private_ bool memcg__charge_slow(u32 handle, u64 n, unsigned flags);
__private_ void memcg__uncharge_slow(u32 handle, u32 n);

/* Frees what the library keeps for speed, for the group or all; bytes. Set by the layer above. */
extern __hidden_ u64 (*charge_give_back)(struct memcg *limited);
/* Limits that somebody else may change: looked at on every refill. NULL: none. */
extern __hidden_ void (*charge_refresh)(void);
/* Told after every slow charge, refusal and fold: a few loads and stores, no lock. NULL: nobody. */
extern __hidden_ void (*charge_watch)(void);

/* One object or slab: this CPU's stock, else the slow path. */
__always_inline_ bool charge(u32 handle, u32 n)
{
	if (likely(pcpu_take(memcg__stock, STOCK_SHIFT, stock_offset(handle), handle, n)))
		return true;
	return memcg__charge_slow(handle, n, 0);
}

__always_inline_ void uncharge(u32 handle, u32 n)
{
	if (unlikely(!pcpu_give(memcg__stock, STOCK_SHIFT, stock_offset(handle), handle, n,
				memcg__stock_cap)))
		memcg__uncharge_slow(handle, n);
}

/* Pages and more: no stock. */
__hidden_ bool charge_bytes(u32 handle, u64 n, unsigned flags);
__hidden_ void uncharge_bytes(u32 handle, u64 n);

#endif
