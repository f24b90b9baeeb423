/*
 * memcg/page.h - typed, counted pages, uncharged by whoever drops the last
 * reference. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_PAGE_H
#define MEMCG_PAGE_H

#include <memcg/alloc.h>

MEMCG_BEGIN_DECLS

struct memcg_page;

/* The kinds that can be asked for; numbers as in the library's own table. */
enum memcg_page_kind { MEMCG_PAGE_BUFFER = 6, MEMCG_PAGE_TABLE = 7 };

/**
 * 2^order pages (order 0..10) with one reference. flags: MEMCG_ACCOUNT charges
 * the active group, MEMCG_ZERO, NOWAIT, NOFAIL, RESERVE. NULL and ENOMEM or EINVAL.
 */
MEMCG_API MEMCG_NODISCARD struct memcg_page *memcg_pages_alloc(unsigned order, unsigned kind,
							       unsigned flags);
MEMCG_API void *memcg_page_address(struct memcg_page *page);
/** The page an address lies in (any inner address); NULL: not a counted page of ours. Borrowed. */
MEMCG_API struct memcg_page *memcg_page_of(const void *address);
MEMCG_API struct memcg_page *memcg_page_get(struct memcg_page *page); /**< caller holds one */
/**
 * A reference for who has no more than the address of a page that may be gone: from a table that is
 * read without a lock, say. False once its count was zero. True: the caller has a reference on
 * the page that lies there now, which may be another than was looked for: *look again* where the
 * address was found, and put it when it is not there any more. Never a hold on anything but a
 * counted page, nor a write to it. Any thread; lock-free.
 */
MEMCG_API bool memcg_page_tryget(struct memcg_page *page);
MEMCG_API void memcg_page_put(struct memcg_page *page);
/**
 * Splits a page of which the caller has the only reference into pages of 2^order: each with one
 * reference, the caller's, with the kind and the owner that the whole had, and its own last put.
 * They lie side by side from the page's address on (memcg_page_of); the first is `page`. What is
 * charged does not change, nor what stands in the memory. 0; -EBUSY: somebody else has a reference
 * (also one that tryget took); -EINVAL: not MEMCG_PAGE_BUFFER or _TABLE, or order above the page's.
 * Nothing has changed then. Split to the order it has: 0. Any thread. Costs a line and a lock for
 * each piece.
 */
MEMCG_API int memcg_page_split(struct memcg_page *page, unsigned order);
/** Puts n pages, any mix, with one counter update per run of equal owners. NULLs are skipped. */
MEMCG_API void memcg_pages_release(struct memcg_page **pages, size_t n);
/**
 * As memcg_recharge: 0; -ENOMEM over `to`'s max (nothing changed); -EINVAL for NULL. A network page
 * (memcg/net.h) is recharged by who has its only reference; else -EBUSY, nothing changed.
 */
MEMCG_API int memcg_page_recharge(struct memcg_page *page, struct memcg *to);
MEMCG_API MEMCG_NODISCARD struct memcg *memcg_page_owner(struct memcg_page *page); /**< new ref */

MEMCG_END_DECLS

#endif
