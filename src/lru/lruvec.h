/*
 * lruvec.h - the lists of managed pages that a group pays for, oldest at the tail. Knows no group:
 * which lruvec a page is on is group/vm.h's to say.
 *
 * 1. A page is on one list or on none. `managed.list`, next and prev are written under the lock of
 *    the lruvec it is on. Who isolates a page claims it first (the page lock, in a layer above), so
 *    that nobody frees it while it is on no list.
 * 2. Links are page indices, so that a list costs a page eight bytes, and two lists are joined by
 *    writing four links, whatever their lengths: a group that dies gives its pages to its
 *    parent without a page being visited.
 * 3. A page on a list is resident and has the reference of its object; on LRU_COPIES it has
 * neither.
 * 4. age counts evictions and activations. A page keeps what it was when it was evicted (shadow);
 *    the difference when it comes back is how far it was from staying.
 */
#ifndef MEMCG_LRU_LRUVEC_H
#define MEMCG_LRU_LRUVEC_H

#include "page/page.h"
#include "sync/lock.h"

enum lru_list {
	LRU_NONE = 0,
	LRU_INACTIVE_ANON = 1,
	LRU_ACTIVE_ANON = 2,
	LRU_INACTIVE_FILE = 3,
	LRU_ACTIVE_FILE = 4,
	LRU_UNEVICTABLE = 5,
	LRU_COPIES = 6, /* pages that are not in memory but compressed: oldest copy at the tail */
	LRU_NR = 7
};

struct lruvec {
	struct lock lock;  /* RANK_LRU */
	u32 age;	   /* atomic */
	u32 head[LRU_NR];  /* newest; page indices, 0: empty */
	u32 tail[LRU_NR];  /* oldest */
	u32 pages[LRU_NR]; /* read without the lock */
};

__hidden_ void lruvec_init(struct lruvec *lv);

static inline bool lru_is_active(unsigned list)
{
	return list == LRU_ACTIVE_ANON || list == LRU_ACTIVE_FILE;
}

static inline u64 lru_bytes(const struct lruvec *lv, enum lru_list list)
{
	return (u64)atomic_load(&lv->pages[list]) << PAGE_SHIFT;
}

/* The lock is held. The page is on no list; it is the newest of this one then. */
__hidden_ void lru_add(struct lruvec *lv, struct page *pg, enum lru_list list);
/* The same, as the oldest. */
__hidden_ void lru_add_old(struct lruvec *lv, struct page *pg, enum lru_list list);
/* The page is on a list of lv. */
__hidden_ void lru_del(struct lruvec *lv, struct page *pg);
/*
 * Of the n oldest those that claim() takes leave the list: how many. The others become the newest,
 * so that the next look is at others. claim must not wait.
 */
__hidden_ unsigned lru_isolate(struct lruvec *lv, enum lru_list list,
			       bool (*claim)(struct page *pg), struct page **out, unsigned n);

/* Both locks are held: everything on from's lists is the oldest of to's. */
__hidden_ void lru_splice(struct lruvec *to, struct lruvec *from);

#endif
