/* lists.c - which list. Theory in lists.h. */
#include "vm/lists.h"

#include "group/vm.h"

/* Shared anonymous memory is swapped, so it lives with what is. */
static enum lru_list list_of(const struct page *pg, bool active)
{
	if (pg->kind != PAGE_FILE)
		return active ? LRU_ACTIVE_ANON : LRU_INACTIVE_ANON;
	return active ? LRU_ACTIVE_FILE : LRU_INACTIVE_FILE;
}

/* What is read from a file is often read once. */
static bool begins_active(const struct page *pg)
{
	return pg->kind != PAGE_FILE || pg->managed.flags & MG_WORKINGSET;
}

/* How many copies there are is counted by what they stand for: see store.c. */
static void count(const struct page *pg, enum lru_list list, s64 pages)
{
	if (list != LRU_COPIES)
		stat_add(page_objcg(pg)->index, lru_stat(list), pages * (s64)PAGE_SIZE);
}

void page_putback(struct page *pg, enum lru_list list)
{
	struct lruvec *lv = page_lruvec_lock(pg);

	lru_add(lv, pg, list);
	lock_release(&lv->lock);
	count(pg, list, 1);
}

void page_relist(struct page *pg, bool active)
{
	page_putback(pg, list_of(pg, active));
}

void page_enlist_copy(struct page *pg)
{
	struct lruvec *lv = page_lruvec_lock(pg);

	lru_add(lv, pg, LRU_COPIES);
	lock_release(&lv->lock);
}

void page_enlist(struct page *pg)
{
	page_relist(pg, begins_active(pg));
}

void pages_enlist(struct object *o, u32 index, u32 n)
{
	struct page *first = object_page(o, index);
	enum lru_list list = list_of(first, begins_active(first));
	struct lruvec *lv = page_lruvec_lock(first);

	for (u32 i = index; i < index + n; i++)
		lru_add(lv, object_page(o, i), list);
	lock_release(&lv->lock);
	count(first, list, n);
}

enum lru_list page_delist(struct page *pg)
{
	struct lruvec *lv = page_lruvec_lock(pg);
	enum lru_list list = pg->managed.list;

	if (list)
		lru_del(lv, pg);
	lock_release(&lv->lock);
	if (list)
		count(pg, list, -1);
	return list;
}

void page_make_old(struct page *pg)
{
	struct lruvec *lv;
	enum lru_list list = list_of(pg, false);

	page_delist(pg);
	pg->managed.flags &= (u8)~MG_REFERENCED;
	pg->managed.flags |= MG_PROBATION;
	lv = page_lruvec_lock(pg);
	lru_add_old(lv, pg, list);
	lock_release(&lv->lock);
	count(pg, list, 1);
}
