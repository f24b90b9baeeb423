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
 * the active group, MEMCG_ZERO, NOWAIT, NOFAIL. NULL and ENOMEM or EINVAL.
 */
MEMCG_API MEMCG_NODISCARD struct memcg_page *memcg_pages_alloc(unsigned order, unsigned kind,
							       unsigned flags);
MEMCG_API void *memcg_page_address(struct memcg_page *page);
/** The page an address lies in (any inner address); NULL: not a counted page of ours. Borrowed. */
MEMCG_API struct memcg_page *memcg_page_of(const void *address);
MEMCG_API struct memcg_page *memcg_page_get(struct memcg_page *page); /**< caller holds one */
MEMCG_API bool memcg_page_tryget(struct memcg_page *page); /**< false once the count was zero */
MEMCG_API void memcg_page_put(struct memcg_page *page);
/** Puts n pages, any mix, with one counter update per run of equal owners. NULLs are skipped. */
MEMCG_API void memcg_pages_release(struct memcg_page **pages, size_t n);
MEMCG_API int memcg_page_recharge(struct memcg_page *page, struct memcg *to);
MEMCG_API MEMCG_NODISCARD struct memcg *memcg_page_owner(struct memcg_page *page); /**< new ref */

MEMCG_END_DECLS

#endif
