/*
 * fault.h - a page that is touched and not mapped: bringing it in and mapping it, by the handler of
 * SIGBUS in the thread that touched it, or asked for before.
 */
#ifndef MEMCG_VM_FAULT_H
#define MEMCG_VM_FAULT_H

#include "base/hook.h"
#include "vm/mm.h"

/* Installs the handler of SIGBUS, once. */
__hidden_ void fault_up(void);

enum fault_flags {
	FAULT_WRITE = 1u << 0,
	FAULT_PIN = 1u << 1,   /* the page gets a reference */
	FAULT_ASKED = 1u << 2, /* nobody has touched it: what is mapped counts as no fault */
};

/*
 * Page i of the window is in memory and mapped. 0; -EFAULT: it is not in the window any more;
 * -ENOMEM, -EIO, -ENXIO as page_bring. May sleep; no lock is held.
 */
__hidden_ int fault_page(struct window *w, u32 i, unsigned flags);
/* Pages [i, i + n), in batches where they are alike. -errno: only the first *done of them are in.
 */
__hidden_ int fault_range(struct window *w, u32 i, u32 n, unsigned flags, u32 *done);

HOOK_DECLARE(
	fault_begun); /* a window has been found, nothing is locked and there may be no table */
HOOK_DECLARE(fault_ready);    /* there is a table, nothing is locked */
HOOK_DECLARE(fault_installs); /* the handler is about to be installed, by the first address space */
HOOK_DECLARE(fault_mapped);   /* mapped, pinned if it is to be, and locked still */
HOOK_DECLARE(neighbour_seen); /* it is in memory, and not locked; the page that was touched is */

#endif
