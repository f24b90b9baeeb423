/*
 * store.h - copies of pages that are not in memory: a word, compressed (zswap.h), or in the swap
 * file (swapfile.h). The page lock is held; `where` and `entry` of the page say which, and the
 * owner of the page pays for the copy.
 */
#ifndef MEMCG_VM_STORE_H
#define MEMCG_VM_STORE_H

#include "base/hook.h"
#include "group/group.h"

/*
 * Makes a copy of the resident page in memory; where and entry are the copy's then. -E2BIG: it does
 * not compress, or its group has as much compressed as it may: the file, then. -ENOMEM. Nothing
 * changed.
 */
__hidden_ int store_compress(struct page *pg);
/* The same in the swap file, n <= SWAP_CLUSTER pages of one group: how many of the first. */
__hidden_ unsigned store_write(struct page **pages, unsigned n);
/* The copy counts so many times more in its owner's memory.stat: 1, -1. */
__hidden_ void store_tally(const struct page *pg, s64 times);
/* Whether there is room for a copy of any page of the group. One may still not compress, and a disk
 * be full before its file is. */
__hidden_ bool store_has_room(const struct memcg *cg);
/* Whether what the group has compressed can be written to the file. */
__hidden_ bool store_may_write_back(const struct memcg *cg);
/* Whether the group of the page lets it be written to a file. */
__hidden_ bool store_may_write(const struct page *pg);

/* The copy into the alias; it goes. -EIO: it was damaged, and stays. */
__hidden_ int store_load(struct page *pg);
__hidden_ void store_drop(struct page *pg);
__hidden_ void store_fork_child(void);

/*
 * n <= SWAP_CLUSTER locked pages whose slots follow one another into the alias; the slots stay
 * theirs. Bit i: pages[i] is there.
 */
__hidden_ u32 store_read_run(struct page **pages, unsigned n);

/*
 * Writes compressed copies of the group to the file, the oldest first, until so many bytes of them
 * are free or there is nothing more to be had. Bytes. One thread at a time, others wait: the caller
 * holds no lock of rank.h, and may have pages locked.
 */
__hidden_ u64 store_write_back(struct memcg *cg, u64 bytes);
HOOK_DECLARE(copies_chosen); /* copies are about to be written: they are locked, the room is ours */
HOOK_DECLARE(room_taken);    /* another thread has the room: we are about to wait for it */

#endif
