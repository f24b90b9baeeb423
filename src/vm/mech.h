/*
 * mech.h - how the system is made to show a page in a window, and to take it out. Two mechanisms,
 * chosen once by a probe:
 *
 *   faults	windows are registered with userfaultfd; what is touched and not mapped comes as
 *		SIGBUS to the thread that touched it (fault.c)
 *   pins	userfaultfd is refused: windows are inaccessible but for what memcg_pin has brought
 *		in; every change of that costs an mprotect
 *
 * The page lock of every page named is held, and the lock of the table; of a view's pages that are
 * mapped, the table's.
 */
#ifndef MEMCG_VM_MECH_H
#define MEMCG_VM_MECH_H

#include "sys/memfd.h"
#include "vm/window.h"

enum mech { MECH_UNKNOWN = 0, MECH_FAULTS = 1, MECH_PINS = 2 };
extern __hidden_ enum mech mech; /* constant after mech_up */

/* Probes and says which in one line when it is pins. 0, or -errno: neither. */
__hidden_ int mech_up(void);
/* The window's addresses show its object from now on, nothing mapped. -errno. */
__hidden_ int mech_open(struct window *w);
/* [addr, addr + len) is gone for good. */
__hidden_ void mech_close(uintptr_t addr, size_t len);
/* n pages that have memory appear at once. write_noticed: the first write to each is. -errno. */
__hidden_ int mech_map(struct window *w, uintptr_t addr, u32 n, bool write_noticed);
/*
 * They disappear; when it returns 0 nobody reaches them through these addresses any more. -errno:
 * some may be reached still, which is told by doing it again, one span at a time.
 */
__hidden_ int mech_zap(const struct span *spans, unsigned n);
/*
 * Sets bit i, of bits that are zero, when page i from addr on has not been written to since it was
 * mapped so that writes are noticed, also when it was zapped after. What cannot be known is not.
 * The addresses are a file's window's.
 */
__hidden_ void mech_unwritten(uintptr_t addr, u32 n, u64 *bits);
__hidden_ void mech_fork_child(void);

#endif
