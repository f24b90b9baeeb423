/*
 * stack.h - stacks for threads and coroutines, charged like other pages.
 *
 * 1. A stack is a block of kind PAGE_STACK: a guard page, then its pages upwards; of more than
 *    2^MAX_ORDER pages a range. It is charged whole, with its guard, and uncharged on the one
 *    free path (page/put.c) as every kernel-style page is.
 * 2. A stack that is freed is kept, with its guard, on its CPU (stack_cache.c): what takes
 *    system calls to make is made once. Kept means nobody's: the mark is gone and the payer
 *    credited before it is put there, and whoever takes it out is charged first. It is of
 *    kind PAGE_STACK_KEPT, has no count, and is part of the root's `cached`.
 * 3. Up to STACK_SMALL_MAX bytes a guard page would cost more than the stack. Such a one is an
 *    object of a cache, below it a canary, checked when it is freed; it counts as `slab`.
 * 4. pg->stack.live is 1 while the program has the stack. memcg_stack_free exchanges it with 0,
 *    and drops one reference: the second free is found also while others hold references.
 */
#ifndef MEMCG_ALLOC_STACK_H
#define MEMCG_ALLOC_STACK_H

#include "alloc/alloc.h"

#define STACK_SMALL_MAX 4096u

__hidden_ void stacks_init(void); /* bring-up */

/* npages with the lowest one guarded, kind NONE, live, not published. NULL: no memory. */
__hidden_ struct page *stack_take(u32 npages);
/* page_ops[PAGE_STACK].release: count is 0, uncharged. */
__hidden_ void stack_release(struct page *pg);
/* A block of kind NONE that is on no list: the guard lifted, back to the page layer. */
__hidden_ void stack_unmake(struct page *pg);
/* What recharging the stack that p lies in is about: a block's start, a slot's; else p. */
__hidden_ const void *stack_object(const struct page *pg, const void *p);

/* stack_cache.c. take: of npages exactly, kind NONE, not published. put: false, it is not wanted.
 */
__hidden_ void stack_cache_init(void);
__hidden_ struct page *stack_cache_take(u32 npages);
__hidden_ bool stack_cache_put(struct page *pg);
__hidden_ u64 stack_cache_drain(void); /* all CPUs', to the page layer; bytes */
extern __hidden_ const struct reclaim_source kept_stacks;
HOOK_DECLARE(stack_keeping); /* a stack is half kept, under its CPU's lock */
__hidden_ void stack_cache_fork_prepare(void);
__hidden_ void stack_cache_fork_done(void);

#endif
