/*
 * resident.h - a page's content comes into memory, and leaves it. The page lock is held throughout.
 *
 * What is charged and counted with it: in memory a page costs its payer 4096 bytes of memory and is
 * `anon`, or `file` (and `shmem`); swapped out it costs 4096 of swap, through the same handle,
 * which stays in the page's owner word. A page of nobody's has no content at all.
 */
#ifndef MEMCG_VM_RESIDENT_H
#define MEMCG_VM_RESIDENT_H

#include "base/hook.h"
#include "vm/object.h"

/*
 * The page is in memory, charged (to handle, when it had no owner), with the object's reference, on
 * no list yet. *major: it had to be read or decompressed. -ENOMEM: over max and over the reserve;
 * -EIO; -ENXIO: the file ends before it. handle is pinned by the caller.
 */
__hidden_ int page_bring(struct object *o, u32 index, u32 handle, bool *major);
/*
 * n pages that never had content, all locked: as page_bring for each, with one call for the memory.
 * -ENOMEM: none of them. One is reclaimed for; of more none comes unless all fit as it is, and that
 * is no event: the caller does with fewer.
 */
__hidden_ int pages_bring_new(struct object *o, u32 index, u32 n, u32 handle);

/*
 * The page is in memory and in the swap file (it was read ahead): the slot goes, because it is
 * about to be mapped and written to.
 */
__hidden_ void page_uncache(struct page *pg);
/*
 * Pages around i that lie around it in the swap file, read at one go with it: in memory then, on
 * their lists, not mapped, with their slots. The page i is locked, and in the file still; true: its
 * content is in the alias.
 */
__hidden_ bool pages_read_ahead(struct object *o, u32 i);

/* For who brings content in by himself: a page's worth charged, with everything that reclaim does
 * for it; then, with the content there, it is resident, charged to handle. */
__hidden_ bool page_charge(u32 handle);
__hidden_ void page_settle(struct object *o, u32 index, u32 handle);

/* Its count is 0, where and entry name a copy that is charged: uncharged, and no page of memory. */
__hidden_ void page_evicted(struct object *o, struct page *pg);

/* In memory no more, nor swapped: uncharged. Its count is 0 and its memory the caller's to punch.
 */
__hidden_ void page_forget(struct object *o, struct page *pg);

HOOK_DECLARE(
	page_clearing); /* a page that is nobody's any more has lost all but one of its words */

/* So many bytes more of what the resident page counts as in memory.stat. */
__hidden_ void page_tally(const struct page *pg, s64 bytes);
/*
 * Of everything a resident page counts as, for who changes its owner; its list is lists.h's. Page
 * lock held, and it is mapped nowhere or stays mapped. A page that is being written back is none of
 * his: who writes it has the lock.
 */
__hidden_ void page_tally_whole(const struct page *pg, s64 bytes);

#endif
