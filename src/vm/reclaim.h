/*
 * reclaim.h - giving memory of managed pages back: which pages, and taking them out.
 */
#ifndef MEMCG_VM_RECLAIM_H
#define MEMCG_VM_RECLAIM_H

#include "reclaim/source.h"
#include "vm/mm.h"

extern __hidden_ const struct reclaim_source managed_pages;

/*
 * Takes n locked pages that are on no list out of memory: out of every window by batches, then
 * their content to where it lasts. What cannot go (pinned, no room) is on its list again. All are
 * unlocked. Bytes that are free now. n <= EVICT_MAX.
 */
#define EVICT_MAX 128u
__hidden_ u64 evict_pages(struct page **pages, unsigned n);

/* Out of every window, with one zap for many; page_mapped: the system keeps it in one (rmap.h). */
__hidden_ void pages_take_out(struct page **pages, unsigned n);

/* Of a range of a window, for advice: page by page where a page is in use, they are left. */
__hidden_ void pages_deactivate(struct window *w, u32 i, u32 n);
__hidden_ void pages_evict(struct window *w, u32 i, u32 n);
/* Not mapped in this window any more; what is pinned stays so. -errno: some the system keeps. */
__hidden_ int pages_unmap(struct window *w, u32 i, u32 n);

#endif
