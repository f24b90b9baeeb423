/*
 * guard.h - the page below a stack that nobody may write to.
 *
 * 1. Three ways, the first that can be had: marks in the page tables, which cost the mapping
 *    nothing (Linux 6.13; not where the program locks its memory); protection, which splits the
 *    mapping, so that guards take at most a quarter of the mappings a process may have; and a page
 *    filled with a pattern, which stops nobody: that it was written to is found when the
 *    stack is freed, and ends the process. The last is counted, and said once.
 * 2. Who holds the block holds its guard, and no lock is needed. The page layer knows of none: a
 *    block goes back to it with the guard lifted or not at all. What it does to other blocks
 *    (purging, coalescing) does not reach into one that is handed out.
 * 3. Marks are in no list of mappings: who reads memory by that meets them. The kernel's core dumps
 *    have the rest of the heap all the same; gcore of gdb before 18 leaves out what lies behind
 *    the first mark. MEMCG_GUARDS=pages is for those.
 * 4. The child of a fork has the guards its parent had, by each of the ways.
 */
#ifndef MEMCG_ALLOC_GUARD_H
#define MEMCG_ALLOC_GUARD_H

#include "base/compiler.h"
#include "base/types.h"

enum guard_kind {
	GUARD_NONE = 0,
	GUARD_MARKED = 1,
	GUARD_PROTECTED = 2,
	GUARD_FILLED = 3,
};

/* A page of the caller's becomes inaccessible, or at least recognisable: how. */
__hidden_ enum guard_kind guard_make(void *page);
/* And the caller's again. False: it cannot, the page must stay out of use. */
__hidden_ __must_check_ bool guard_lift(void *page, enum guard_kind how);

/* n bytes of pattern, multiples of 8, of their own for each address. */
__hidden_ void guard_fill(void *at, size_t n);
__hidden_ bool guard_intact(const void *at, size_t n);

extern __hidden_ bool guards_by_pages; /* MEMCG_GUARDS=pages: no marks */
extern __hidden_ u32 guards_budget;    /* guards by protection at most; 0: not looked up yet */
extern __hidden_ u32 guards_protected; /* now */
extern __hidden_ u64 guards_filled;    /* that were made: stacks that are only checked when freed */

#endif
