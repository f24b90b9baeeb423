/*
 * lists.h - a managed page and the lists of who pays for it (lru/lruvec.h). The page lock is held.
 *
 * Active pages are mapped; nothing says whether they are used. Reclaim takes the oldest of them out
 * of their windows, many at a time, and puts them on the inactive list: one that is used comes back
 * by a fault and is active again, one that arrives at the end of the list unused is evicted. So
 * new pages begin as active ones, and the length of the inactive list is how long a page
 * has to show that it is used.
 */
#ifndef MEMCG_VM_LISTS_H
#define MEMCG_VM_LISTS_H

#include "lru/lruvec.h"
#include "vm/object.h"

/* A page that has come into memory joins its owner's list. */
__hidden_ void page_enlist(struct page *pg);
/* The same for n new pages of one owner. */
__hidden_ void pages_enlist(struct object *o, u32 index, u32 n);
/* A page that is compressed now: the newest of its owner's copies. */
__hidden_ void page_enlist_copy(struct page *pg);
/* It leaves the list it is on, which is returned; LRU_NONE: it was on none. */
__hidden_ enum lru_list page_delist(struct page *pg);
/* Off its list before, on that of its owner after: as the newest. */
__hidden_ void page_putback(struct page *pg, enum lru_list list);
/* It is among the first to go: the oldest of the inactive. */
__hidden_ void page_make_old(struct page *pg);
/* Off its list before, on the active or the inactive one of its kind after: as the newest. */
__hidden_ void page_relist(struct page *pg, bool active);

#endif
