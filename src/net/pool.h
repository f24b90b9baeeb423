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
 * 3. Taking: this CPU's stack for up to four pages, else the extents' bits, the longest adjacent
 *    run, then pieces; else a new extent. Coming home: one page to the stack, when that is full
 *    half of it to the bits; several that died together (pages_release) to the bits: neighbours
 *    stay neighbours.
 * 4. The last put (page/put.c) finds the kind after the count is zero, uncharges by the mark, and
 *    calls net_release here. Pushes, and pops, are in RCU sections that have seen the pool LIVE;
 *    memcg_pool_destroy makes it DYING, waits a grace period, and then empties all stacks: nobody
 *    is at them any more. Pages that are out then come home to the bits, and the last one takes
 *    extents, slot and pool with it (pool_end), once it is EMPTIED. The stacks are the slot's: only
 *    who has seen the pool LIVE in its section, or its destroy, may empty them.
 * 5. Who has the pool by its slot, or by a page that it put, is in an RCU section until done with
 *    it: whatever page comes home next may be the last.
 * 6. What free pages are resident counts as the root's `cached`: those of the bits in page_cached,
 *    those on stacks when it is read (net_stacked).
 * 7. A page that the check at free keeps out of use (its kind is no longer NET) is never handed
 *    out again, and its pool never ends: its extent is evidence. What else of it is free goes by
 *    age.
 * 8. lock (RANK_POOL) covers extents and their bits, and is held for a short walk. No page lock, no
 *    system call under it.
 */
#ifndef MEMCG_NET_POOL_H
#define MEMCG_NET_POOL_H

#include <memcg/net.h>

#include "base/hook.h"
#include "base/list.h"
#include "page/managed.h"
#include "sync/lock.h"
#include "sync/percpu_fast.h"
#include "sync/rcu.h"

#define POOLS_MAX  255u /* slots from 1 on */
#define CACHE_KEEP 64u	/* pages on one CPU's stack */
#define FILL_SLOTS 256u /* fill.h */

/* net.flags. NET_OUT: the page's holder's, set before it is published; NET_SENT: atomic. */
enum net_flags {
	NET_OUT = 1u << 0,
	NET_KEPT = NET_PAGE_KEPT,
	NET_STACKED = NET_PAGE_STACKED,
	NET_SENT = 1u << 1 /* the system may still read its memory: not to be used again as it is */
};

/* All but `first` under the pool's lock. */
struct extent {
	struct list link; /* `room` while one is free, else `full` */
	u32 first;	  /* page index; constant */
	u32 pages;    /* that the pool may have: fewer than 512 in the last of one with `bytes` */
	u32 free;     /* bits not set in taken */
	u32 stamp;    /* ms: when one came back */
	u64 taken[8]; /* not free in the bits: out, on a stack, waiting, or not to be had */
	u64 resident[8]; /* free and may have memory: pool's `resident` */
};

enum pool_state {
	POOL_LIVE = 0,
	POOL_DYING = 1,	  /* nobody takes, and after a grace period nobody is at a stack */
	POOL_EMPTIED = 2, /* the stacks are: the last page that comes to the bits ends it */
	POOL_ENDED = 3,
	POOL_FORKED = 4 /* in the child of a fork, the parent's: pages that are put go nowhere */
};

struct memcg_pool {
	u32 slot;	/* constant */
	unsigned flags; /* constant */
	u32 idle_ms;	/* constant */
	u32 max_pages;	/* constant */
	u32 state;	/* enum pool_state, only rising; atomic; from EMPTIED on under the lock */
	struct lock lock;
	struct list room, full; /* extents; lock */
	u32 pages;		/* that it may have in them; lock, read racily */
	u32 taken;		/* of these, not free in the bits; lock, read racily */
	u32 most;		/* of taken, ever; lock */
	u32 resident;		/* free in the bits and may have memory: in page_cached; lock */
	u32 pending;		/* in punch[]; lock */
	u32 punch[32]; /* pages that wait for their memory to be taken; taken all at once */
	u32 aged_ms;   /* when stacks were last looked at for age; cache.c's stop_lock */
	u64 slow, returned, released, refused; /* atomic */
	u64 flushed;			       /* pages from stacks to bits; atomic */
	u64 ops;	      /* pushes and pops, whole 2^20s of each CPU; see cache.c; atomic */
	u64 id;		      /* no other has had it; constant */
	u32 fill[FILL_SLOTS]; /* pages with a rest, by handle: fill.h; atomic */
	struct rcu_head rcu;
	char name[32];
};

/* A pool that may have ended meanwhile, and another be where it was. */
struct pool_ref {
	struct memcg_pool *pool;
	u32 slot;
	u64 id;
};
_Static_assert(EXTENT_PAGES == 512, "struct extent has a bit for each page");

extern __hidden_ struct memcg_pool *pools[POOLS_MAX + 1]; /* RCU; pool.c */
extern __hidden_ u8 *extent_pool; /* slot of the pool that has it; 0: none; see shared_up_locked */

/* For walks. RCU section. NULL: none has the slot. */
static inline struct memcg_pool *pool_at(u32 slot)
{
	return slot ? atomic_load_acquire(&pools[slot]) : NULL;
}

/* The pool that a page, of whatever kind, lies in; NULL. RCU section, or a page that is out. */
static inline struct memcg_pool *pool_of(const struct page *pg)
{
	const u8 *slots = atomic_load_acquire(&extent_pool); /* pairs with shared_up_locked */
	u32 at = page_to_index(pg) - regn.managed;	     /* below it: a large number */

	if (unlikely(!slots || at >= regn.managed_pages))
		return NULL;
	return pool_at(atomic_load_acquire(&slots[at / EXTENT_PAGES]));
}

/* RCU section. NULL: it is destroyed, and may be gone. */
__hidden_ struct memcg_pool *pool_live(struct pool_ref ref);
static inline struct pool_ref pool_ref(struct memcg_pool *p)
{
	return (struct pool_ref){p, p->slot, p->id};
}
__hidden_ int net_init(void);	   /* once, at start-up: page_ops, the purge */
__hidden_ u64 net_stacked(void);   /* bytes of pages on all stacks of all pools */
__hidden_ u64 net_purge(bool all); /* free pages' memory goes to the system; bytes */
__hidden_ void net_fork_child(void);

/*
 * Up to n pages, adjacent as far as they can be had so: how many; 0: the pool is at its bytes, or
 * the system's memory at its end. They are the caller's and uncounted: net_publish or pool_untake.
 * Both in an RCU section; pool_take where that has seen the pool LIVE.
 */
__hidden_ u32 pool_take(struct memcg_pool *p, struct page **out, u32 n);
__hidden_ void pool_untake(struct memcg_pool *p, struct page **pages, u32 n);

/* A taken page whose 4096 bytes are charged to h becomes a page with one reference. */
__hidden_ void net_publish(struct page *pg, struct handle *h);

/* --- extent.c ---------------------------------------------------------------------- */

__hidden_ int extents_up(void); /* the table; 0, or ENOMEM */
/* From the bits, the longest run first, then pieces; from a new extent where none is free. */
__hidden_ u32 extents_take(struct memcg_pool *p, struct page **out, u32 n);
/* To the bits, their memory with them when resident. The last of an emptied pool ends it. */
__hidden_ void extents_give(struct memcg_pool *p, struct page **pages, u32 n, bool resident);
/* Nothing of it is on stacks: the last page that comes ends it, now when none is out. */
__hidden_ void extents_emptied(struct memcg_pool *p);
__hidden_ void extents_unmake(struct list *list);
/* The next n pages of the first extent that has been idle so long, with memory, side by side;
 * *first names them. They are taken: extents_give. 0: none. */
__hidden_ u32 extents_take_old(struct memcg_pool *p, u32 now, u32 min_age_ms, u32 *first);
/* Extents that have been free as a whole for so long go. */
__hidden_ void extents_drop_idle(struct memcg_pool *p, u32 now, u32 min_age_ms);

/* --- punch.c ---------------------------------------------------------------------- */

/* Their memory first. In batches: some may wait in punch[] until others come. */
__hidden_ void punch_give(struct memcg_pool *p, struct page **pages, u32 n);
__hidden_ void punch_flush(struct memcg_pool *p); /* those that wait */
/* The memory of pages free for min_age_ms goes to the system; bytes. */
__hidden_ u64 punch_old(struct memcg_pool *p, u32 min_age_ms);

HOOK_DECLARE(cache_looked); /* a pop knows what is on top */
HOOK_DECLARE(untake_live);  /* a page goes to the stack of a pool that lives */
HOOK_DECLARE(purge_found);  /* a purge has the pool by its slot */
HOOK_DECLARE(purge_taken);  /* pages are taken for their memory */
HOOK_DECLARE(pool_dying);   /* nobody may begin to take, and somebody may be at a stack */

/* --- pool.c -------------------------------------------------------------------------- */

__hidden_ void extent_set_pool(u32 first, u32 slot); /* 0: nobody's */
__hidden_ void pool_end(struct memcg_pool *p);	     /* nothing of it is anywhere */

/* --- cache.c ------------------------------------------------------------------------ */

__hidden_ int cache_up(void);				/* 0, or ENOMEM */
__hidden_ void cache_begin(struct memcg_pool *p);	/* before it has its slot for all to see */
__hidden_ struct page *cache_pop(struct memcg_pool *p); /* NULL: empty, or another was faster */
__hidden_ bool cache_push(struct memcg_pool *p, struct page *pg); /* false: full, or as above */
__hidden_ void cache_flush(struct memcg_pool *p); /* half of what this CPU has goes to the bits */
__hidden_ void cache_flush_all(struct memcg_pool *p);  /* what all CPUs have */
__hidden_ void cache_flush_old(struct memcg_pool *p);  /* of CPUs that have not moved for idle_ms */
__hidden_ void cache_end(struct memcg_pool *p);	       /* everything; nobody is at it any more */
__hidden_ u32 cache_pages(const struct memcg_pool *p); /* on all CPUs' stacks, about */
__hidden_ void cache_ops(const struct memcg_pool *p, u64 *pops, u64 *pushes);
__hidden_ void cache_fork_child(void);

#endif
