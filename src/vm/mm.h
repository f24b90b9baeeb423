/*
 * mm.h - an address space: windows that one group pays for.
 *
 * 1. Whoever touches a page first pays for it: the group of the mm it was touched through, as it is
 *    at that moment. The mm names a handle, which it pins, so it keeps no group; when its group is
 *    destroyed the parent pays.
 * 2. lock (RANK_MM) covers the list of windows and which blocks they have. Faults do not take it.
 * 3. References: the program's, one of each window, and those of who walks over all of them
 *    (mm_next). Windows go before it.
 */
#ifndef MEMCG_VM_MM_H
#define MEMCG_VM_MM_H

#include <memcg/mm.h>

#include "base/hook.h"
#include "group/vm.h"
#include "vm/window.h"

struct memcg_mm {
	struct lock lock;
	u64 refs;
	struct handle *handle; /* who pays; changed by a move; see mm_payer */
	struct list windows;   /* struct window, of_mm */
	struct list link;      /* of all there are: RANK_MMS */
	u32 moving;	       /* somebody moves its charges: move.h; atomic */
	u32 pass;	       /* of a walk over the windows: move.h; lock */
};

__hidden_ void mm_put(struct memcg_mm *mm);
/*
 * All address spaces, in the order in which they were made: pass NULL, then what came back. New
 * reference; gives up that of prev. NULL at the end.
 */
__hidden_ struct memcg_mm *mm_next(struct memcg_mm *prev);
__hidden_ void mms_fork_prepare(void);
__hidden_ void mms_fork_done(void);
/* The mm's handle, with a pin: handle_sub(h, HANDLE_PIN) gives it back. */
__hidden_ struct handle *mm_payer(struct memcg_mm *mm);

/* Opens a window of the object's pages, a reference of whose is taken. NULL and errno. */
__hidden_ struct window *window_new(struct memcg_mm *mm, struct object *o, u32 offset, u32 npages,
				    bool writable);
/*
 * n pages from i on are not in the window any more; with the last one it ends. The caller has a
 * reference, and no lock. -ENOMEM: no table for part of a block; what lies before it is done.
 */
__hidden_ int window_cut(struct window *w, u32 i, u32 n);

HOOK_DECLARE(
	cut_marked); /* entries are holes, the addresses are mapped still; the mm's lock is held */
HOOK_DECLARE(payer_read); /* the mm's handle has been read and is not pinned; an RCU section */

#endif
