/*
 * owner.h - whose is a page, the second step: from what memory names to the group that pays.
 *
 * 1. The first step, page -> handle, is page/owner.h's: each function here is the one of that
 *    name there, and asks the same of its caller as to the page and what pins the binding.
 * 2. The second, handle -> group, is always one of a moment: the group may be destroyed right
 *    after, and then its parent pays. So all three want an RCU section or the tree lock, whatever
 *    the caller holds of the page, and what they give is valid memory for that long. A reference
 *    is taken with group_tryget; when that fails the group has died: look again.
 * 3. Loads: the handle's word by acquire, paired with the release in handle_redirect. On x86-64
 *    and for page_memcg that is two plain loads.
 * NULL: nobody's.
 */
#ifndef MEMCG_GROUP_OWNER_H
#define MEMCG_GROUP_OWNER_H

#include "group/handle.h"

/* Caller pins the binding; the page is no slab that has a vector or may get one. */
static inline struct memcg *page_memcg(const struct page *pg)
{
	const struct handle *h = page_objcg(pg);

	return h ? handle_group(h) : NULL;
}

/* Caller holds the page, not the binding; RCU section (the tree lock does not pin the handle). */
static inline struct memcg *page_memcg_rcu(const struct page *pg)
{
	const struct handle *h = page_objcg_rcu(pg);

	return h ? handle_group(h) : NULL;
}

/* Any page at all, whatever is done to it meanwhile; a slab that has a vector gives NULL. */
static inline struct memcg *page_memcg_check(const struct page *pg)
{
	const struct handle *h = page_objcg_check(pg);

	return h ? handle_group(h) : NULL;
}

#endif
