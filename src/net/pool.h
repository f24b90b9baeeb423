/*
 * pool.h - pools of network pages: what they are made of, and where a page is between two lives.
 *
 * 1. A pool has extents of managed memory (page/managed.h), so its pages can be mapped and sent,
 *    and runs of them are adjacent in the file. Each page is of kind NET from when its extent came
 *    until that goes; whose an extent is says extent_pool[], and nothing in the page: a kind that
 *    stands where it should not leads to no pool.
 * 2. A page is *out* (NET_OUT, counted, mostly charged), or free: on a CPU's stack (cache.c), in
 *    its extent's bits (extent.c), or waiting to have its memory taken (STRICT, NET_SENT). Free
 *    pages have the count 0: who has an old address gets no reference. It becomes 1 when the
 *    page is handed out (net_publish), and nobody ever looks for a 1. Nobody has a reference that
 *    is not counted, the pool neither.
 * 3. Taking: this CPU's stack for one page, else the extents' bits, the longest adjacent run; else
 *    a new extent. Coming home: the stack, when it is full half of it goes to the bits.
 * 4. The last put (page/put.c) finds the kind after the count is zero, uncharges by the mark, and
 *    calls net_release here. That is in an RCU section; memcg_pool_destroy sets `state`, waits a
 *    grace period, and then empties all stacks: nobody pushes any more. Pages that are out then
 *    come home to the bits, and the last one takes extents, slot and pool with it.
 * 5. What free pages are resident counts as the root's `cached`: those of the bits in page_cached,
 *    those on stacks when it is read (net_cached).
 * 6. lock (RANK_POOL) covers extents and their bits, and is held for a short walk. No page lock, no
 *    system call under it.
 */
#ifndef MEMCG_NET_POOL_H
#define MEMCG_NET_POOL_H

#include <memcg/net.h>

#include "page/managed.h"
#include "sync/lock.h"
#include "sync/percpu_fast.h"
#include "sync/rcu.h"

#define POOLS_MAX  255u /* slots from 1 on */
#define CACHE_KEEP 64u	/* pages on one CPU's stack */

/* net.flags. NET_OUT: the page's holder's, set before it is published; NET_SENT: atomic. */
enum net_flags {
	NET_OUT = 1u << 0,
	NET_KEPT = NET_PAGE_KEPT,
	NET_SENT = 1u << 1 /* the system may still read its memory: not to be used again as it is */
};

struct extent {
	struct extent *next;
	u32 first;	 /* page index; constant */
	u32 free;	 /* bits not set in taken */
	u32 stamp;	 /* ms: when one came back */
	u64 taken[8];	 /* not free in the bits: out, or on a stack */
	u64 resident[8]; /* free and may have memory; counts in page_cached */
};

enum pool_state {
	POOL_LIVE = 0,
	POOL_DYING = 1,	  /* nobody takes, and after a grace period nobody pushes on a stack */
	POOL_EMPTIED = 2, /* the stacks are: the last page that comes to the bits ends it */
	POOL_ENDED = 3
};

struct memcg_pool {
	u32 slot;	/* constant */
	unsigned flags; /* constant */
	u32 idle_ms;	/* constant */
	u32 max_pages;	/* constant */
	u32 state;	/* enum pool_state, only rising; atomic */
	struct lock lock;
	struct extent *extents; /* lock */
	u32 pages;		/* in extents; lock, read racily */
	u32 taken;		/* bits set in them; lock, read racily */
	u32 most;		/* of taken, ever */
	u32 pending;		/* in punch[]; lock */
	u32 punch[32]; /* pages that wait for their memory to be taken; taken all at once */
	u64 slow, returned, released, refused; /* atomic */
	u64 refilled, flushed;		       /* pages between stacks and bits; atomic */
	u64 ops; /* pushes and pops, whole 2^20s of each CPU; see cache.c; atomic */
	struct rcu_head rcu;
	char name[32];
};
_Static_assert(EXTENT_PAGES == 512, "struct extent has a bit for each page");

/* The live pool a page index belongs to; NULL. Any index. RCU section, or a page that is out. */
__hidden_ struct memcg_pool *pool_of(const struct page *pg);
/* Every pool that is or was: for walks. RCU section. NULL: none has the slot. */
__hidden_ struct memcg_pool *pool_at(u32 slot);
__hidden_ int net_init(void);	   /* once, at start-up: page_ops, the purge */
__hidden_ u64 net_cached(void);	   /* bytes on all stacks of all pools */
__hidden_ u64 net_purge(bool all); /* free pages' memory goes to the system; bytes */
__hidden_ void net_fork_child(void);

/*
 * Up to n pages, adjacent as far as they can be had so: how many; 0: the pool is at its bytes, or
 * the system's memory at its end. They are the caller's and uncounted: net_publish or pool_untake.
 */
__hidden_ u32 pool_take(struct memcg_pool *p, struct page **out, u32 n);
__hidden_ void pool_untake(struct memcg_pool *p, struct page **pages, u32 n);

/* A taken page whose 4096 bytes are charged to h becomes a page with one reference. */
__hidden_ void net_publish(struct page *pg, struct handle *h);

/* --- extent.c ---------------------------------------------------------------------- */

/* From the bits, the longest run first; from a new extent where none is free. */
__hidden_ u32 extents_take(struct memcg_pool *p, struct page **out, u32 n);
/* To the bits, their memory with them when resident. The last of a dying pool ends it. */
__hidden_ void extents_give(struct memcg_pool *p, struct page **pages, u32 n, bool resident);
/* Their memory first. In batches: some may wait in punch[] until others come. */
__hidden_ void extents_give_punched(struct memcg_pool *p, struct page *pg);
/* The memory of pages free for min_age_ms goes to the system, up to want bytes; bytes. */
__hidden_ u64 extents_purge(struct memcg_pool *p, u32 min_age_ms, u64 want);
__hidden_ void extents_unmake(struct extent *list);

/* --- pool.c -------------------------------------------------------------------------- */

__hidden_ void extent_set_pool(u32 first, u32 slot); /* 0: nobody's */
__hidden_ void pool_end(struct memcg_pool *p);	     /* nothing of it is anywhere */

/* --- cache.c ------------------------------------------------------------------------ */

__hidden_ int cache_init(void);
__hidden_ struct page *cache_pop(struct memcg_pool *p); /* NULL: empty, or another was faster */
__hidden_ bool cache_push(struct memcg_pool *p, struct page *pg); /* false: full, or as above */
/* Half of what the CPU has goes to the bits; `all`: everything, of all CPUs. */
__hidden_ void cache_flush(struct memcg_pool *p, bool all);
__hidden_ u32 cache_pages(const struct memcg_pool *p); /* on all CPUs' stacks, about */
__hidden_ void cache_ops(const struct memcg_pool *p, u64 *pops, u64 *pushes);

#endif
