/*
 * managed.h - the region's second half: the pages of one sparse file in memory (memfd), which the
 * alias shows to the library alone and windows (vm/window.h) show to the program.
 *
 * 1. The file is as long as the half; a page of it has memory only while something is in it. So
 *    offsets are free, and page -> offset -> alias address is arithmetic.
 * 2. Extents of whole 2 MiB are given to objects. Descriptors of an extent are opened with it,
 *    zero but for `kind` and what a page keeps while it has no content.
 * 3. The alias is writable and not inherited by fork: the child of a fork has no managed memory.
 */
#ifndef MEMCG_PAGE_MANAGED_H
#define MEMCG_PAGE_MANAGED_H

#include "page/page.h"

#define EXTENT_SHIFT 21
#define EXTENT_SIZE  ((size_t)1 << EXTENT_SHIFT)
#define EXTENT_PAGES (1u << (EXTENT_SHIFT - PAGE_SHIFT))

/* Makes the file and the alias, at the first call. 0 or -errno; then the next call tries again. */
__hidden_ int managed_up(void);
__hidden_ bool managed_is_up(void);
__hidden_ int managed_fd(void);

/*
 * npages, rounded up to extents: index of the first page; 0: no addresses or no descriptors left.
 * Their descriptors are zero; the pages have no memory.
 */
__hidden_ u32 extent_alloc(u32 npages);
/* The pages have no memory any more, their descriptors nothing that counts: they are cleared. */
__hidden_ void extent_free(u32 first, u32 npages);

/* The memory of n pages from the first on goes back to the system, out of every window. -errno:
 * it stays, and is zero. */
__hidden_ int managed_punch(u32 first, u32 n);
/* They have memory, zero where they had none: for mapping them at one go. -errno. */
__hidden_ int managed_fill(u32 first, u32 n);
/* The same through the alias: by single pages, which a part of can be punched whoever has it. */
__hidden_ int managed_fill_singly(u32 first, u32 n);
/* Bytes that the system has given to the file, by its own count. */
__hidden_ u64 managed_resident(void);

__hidden_ void managed_fork_prepare(void);
__hidden_ void managed_fork_parent(void);
__hidden_ void managed_fork_child(void);

static inline u64 managed_offset(u32 index)
{
	return (u64)(index - regn.managed) << PAGE_SHIFT;
}

static inline bool page_is_managed(const struct page *pg)
{
	return page_to_index(pg) >= regn.managed;
}

#endif
