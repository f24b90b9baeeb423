/*
 * net.h - from groups to pools: charged first, then taken, then published. A page that is taken is
 * the caller's alone until it is published; until then it can be given back with its charge.
 */
#ifndef MEMCG_NET_NET_H
#define MEMCG_NET_NET_H

#include "alloc/alloc.h"
#include "net/pool.h"
#include "reclaim/charge.h"

#define NET_BATCH 256ul /* pages in one call */

/*
 * Up to n pages charged to the handle (0: nobody pays) of cg, whose reference the caller has. How
 * many; -ENOBUFS, counted; -ESHUTDOWN. May reclaim, and run the program's inline shrinkers.
 */
__hidden_ int net_take(struct memcg_pool *p, u32 handle, struct memcg *cg, struct page **out,
		       u32 n);
/*
 * The same of a pool that may have ended since the call began: a thread has slept. Not counted:
 * the caller has room without.
 */
__hidden_ int net_take_ref(struct pool_ref ref, u32 handle, struct memcg *cg, struct page **out,
			   u32 n, bool counted);
/* The same where they may be wanted: all n by one look at the counters, or none, and nobody hears
 * of it. How many. */
__hidden_ int net_try_take(struct pool_ref ref, u32 handle, struct page **out, u32 n);
/* Back, the charge not: net_uncharge_pages. A STRICT pool's without their memory. */
__hidden_ void net_untake(struct memcg_pool *p, struct page **pages, u32 n);
__hidden_ u32 net_charge(u32 handle, struct memcg *cg, u32 n); /* how many fit; 0: none */
__hidden_ void net_uncharge_pages(u32 handle, u32 n);
__hidden_ int net_refused(struct memcg_pool *p, struct memcg *cg);    /* counts it; -ENOBUFS */
__hidden_ int net_refused_ref(struct pool_ref ref, struct memcg *cg); /* or -ESHUTDOWN */

#endif
