/*
 * swapfile.h - pages on disk.
 *
 * 1. The file is opened when the first slot is asked for (swap_open.h), and grows as more are
 *    (swap_map.h), each time by space that the file system has set aside for it: so a full disk is
 *    met when slots are asked for, by a caller that still has the page.
 * 2. A slot belongs to whoever got it from swap_alloc, until swap_free or a swap_write that failed.
 *    Nobody else reads or writes it; the page's descriptor names it. No content of the file means
 *    anything to another process, or to the next.
 * 3. Every page has a checksum in memory, made before it is written and held against what comes
 *    back. Damage is -EIO and one line that names file and slot, never a wrong page.
 * 4. A full file, a full or failing disk, no file at all: an error, the slots are given back, and
 *    the page is where it was. A line is said when it begins, not for each page.
 *    Stack: 1.5 KiB at most, and 2 more where there is a line to say.
 * 5. The lock (RANK_SWAP) is for the map's bits. Nothing is held across a call of the system; one
 *    thread at a time opens or extends the file, others that find no slot meanwhile wait for it.
 * 6. Programs close descriptors that are not theirs, and the number may be another file's by then.
 *    So each transfer looks first that it is the same file; when it is not, swapping has
 *    ended: what was put out is lost (-EIO), nothing more is. (A program that does so between look
 *    and transfer is not caught on writing. Tolerated: the alternative is none.)
 * 7. The child of a fork has no managed memory: it forgets the file, and opens one of its own.
 */
#ifndef MEMCG_VM_SWAPFILE_H
#define MEMCG_VM_SWAPFILE_H

#include "base/hook.h"
#include "vm/swap_map.h"
#include "vm/swap_open.h"

/*
 * Up to n slots, SWAP_CLUSTER at most, in a row where there is one: how many. -ENOSPC: none, or no
 * swap file. May call the system, and wait for another thread that does.
 */
__hidden_ int swap_alloc(u32 slots[], unsigned n);
__hidden_ void swap_free(u32 slot); /* waits for nobody */

/*
 * Pages to their slots, each row of slots by one call. 0; or -errno, and all the slots are given
 * back. The pages are page aligned, and do not change meanwhile.
 */
__hidden_ int swap_write(const void *const pages[], const u32 slots[], unsigned n);

/*
 * 0; -EIO: the page's content is undefined. The slot is still the caller's. The page is of a shared
 * mapping: of private memory a fork might give the system's half-done transfer to the child.
 */
__hidden_ int swap_read(u32 slot, void *page);
/*
 * n <= SWAP_CLUSTER slots from the first on, all the caller's but those whose page is NULL. Bit i:
 * pages[i] is there. One bad sector spoils its neighbours here; swap_read tells which.
 */
__hidden_ u32 swap_read_run(u32 first, unsigned n, void *const pages[]);

__hidden_ u64 swap_slots(void);	     /* there can be, in use or not; 0: no swap file */
__hidden_ u64 swap_slots_free(void); /* of them; a disk may be full before */

HOOK_DECLARE(swap_grows); /* this thread opens or extends the file, and holds no lock */

__hidden_ void swapfile_fork_prepare(void);
__hidden_ void swapfile_fork_parent(void);
__hidden_ void swapfile_fork_child(void);

#endif
