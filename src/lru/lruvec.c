/* lruvec.c - lists by index. Theory in lruvec.h. */
#include "lru/lruvec.h"

void lruvec_init(struct lruvec *lv)
{
	*lv = (struct lruvec){0};
	lock_init(&lv->lock, RANK_LRU);
}

static void count(struct lruvec *lv, unsigned list, u32 n)
{
	atomic_store(&lv->pages[list], lv->pages[list] + n);
}

static void link_newest(struct lruvec *lv, struct page *pg, unsigned list)
{
	u32 i = page_to_index(pg), old = lv->head[list];

	pg->managed.prev = 0;
	pg->managed.next = old;
	*(old ? &page_at(old)->managed.prev : &lv->tail[list]) = i;
	lv->head[list] = i;
}

static void unlink_page(struct lruvec *lv, struct page *pg, unsigned list)
{
	u32 next = pg->managed.next, prev = pg->managed.prev;

	*(prev ? &page_at(prev)->managed.next : &lv->head[list]) = next;
	*(next ? &page_at(next)->managed.prev : &lv->tail[list]) = prev;
}

void lru_add(struct lruvec *lv, struct page *pg, enum lru_list list)
{
	ASSERT(lock_is_held(&lv->lock) && list > LRU_NONE && list < LRU_NR);
	BUG_ON(pg->managed.list);
	link_newest(lv, pg, list);
	atomic_store(&pg->managed.list, (u8)list);
	count(lv, list, 1);
}

void lru_add_old(struct lruvec *lv, struct page *pg, enum lru_list list)
{
	u32 i = page_to_index(pg), old = lv->tail[list];

	ASSERT(lock_is_held(&lv->lock) && list > LRU_NONE && list < LRU_NR);
	BUG_ON(pg->managed.list);
	pg->managed.next = 0;
	pg->managed.prev = old;
	*(old ? &page_at(old)->managed.next : &lv->head[list]) = i;
	lv->tail[list] = i;
	atomic_store(&pg->managed.list, (u8)list);
	count(lv, list, 1);
}

void lru_del(struct lruvec *lv, struct page *pg)
{
	unsigned list = pg->managed.list;

	ASSERT(lock_is_held(&lv->lock));
	BUG_ON(!list || list >= LRU_NR);
	unlink_page(lv, pg, list);
	pg->managed.next = pg->managed.prev = 0;
	atomic_store(&pg->managed.list, (u8)LRU_NONE);
	count(lv, list, -1u);
}

/*
 * Who has a page's lock reads there whether it is on a list, without the lruvec's: so what is only
 * passed over is on it all the time.
 */
unsigned lru_isolate(struct lruvec *lv, enum lru_list list, bool (*claim)(struct page *pg),
		     struct page **out, unsigned n)
{
	unsigned got = 0;

	for (n = MIN(n, lv->pages[list]); n; n--) {
		struct page *pg = page_at(lv->tail[list]);

		if (claim(pg)) {
			lru_del(lv, pg);
			out[got++] = pg;
		} else {
			unlink_page(lv, pg, list);
			link_newest(lv, pg, list);
		}
	}
	return got;
}

static void splice(struct lruvec *to, struct lruvec *from, unsigned list)
{
	u32 first = from->head[list], old = to->tail[list];

	if (!first)
		return;
	page_at(first)->managed.prev = old;
	*(old ? &page_at(old)->managed.next : &to->head[list]) = first;
	to->tail[list] = from->tail[list];
	count(to, list, from->pages[list]);
	from->head[list] = from->tail[list] = 0;
	count(from, list, -from->pages[list]);
}

void lru_splice(struct lruvec *to, struct lruvec *from)
{
	ASSERT(lock_is_held(&to->lock) && lock_is_held(&from->lock));
	for (unsigned list = 1; list < LRU_NR; list++)
		splice(to, from, list);
}
