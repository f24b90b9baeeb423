/*
 * slab_fast.h - the two paths that must be short: take a parked slot, and park
 * a slot of a slab that this thread holds. No atomic, no list, no count.
 */
#ifndef MEMCG_SLAB_FAST_H
#define MEMCG_SLAB_FAST_H

#include "slab/heap.h"

__always_inline_ bool bin_empty(const struct bin *b)
{
	return b->top == b->bottom;
}

/* The program has it from now on. */
__always_inline_ void parked_clear_idle(u64 idle)
{
	u64 *word = PARKED_WORD(idle);

	atomic_store(word, atomic_load(word) & ~(1ul << (idle >> PARKED_BIT_SHIFT)));
}

/* The bin is not empty. */
__always_inline_ void *bin_pop(struct bin *b)
{
	struct parked *e = b->top - 1;

	b->top = e;
	parked_clear_idle(e->idle);
	return e->p;
}

enum free_verdict {
	FREE_DONE = 0,
	FREE_FULL = 1, /* the stack is full: nothing changed, heap_spill and once more */
	FREE_BAD = 2   /* inner pointer, or idle already; nothing changed */
};

/* Slot i, which starts at p, onto the stack. Caller: holds pg, and has dealt with its owner entry.
 */
__always_inline_ enum free_verdict slab_park_slot(struct page *pg, void *p, unsigned i)
{
	struct bin *b = pg->slab.bin;
	struct parked *top = b->top;
	u64 *word = &slab_idle(pg)[i / 64], w = atomic_load(word);

	if (unlikely(w >> (i % 64) & 1))
		return FREE_BAD;
	if (unlikely(top == b->limit))
		return FREE_FULL;
	atomic_store(word, w | BIT(i % 64));
	top->p = p;
	top->idle = (u64)word | (u64)i << PARKED_BIT_SHIFT;
	b->top = top + 1;
	return FREE_DONE;
}

/* The same for any p; off: of p from the slab's start. */
__always_inline_ enum free_verdict slab_park(struct page *pg, void *p, u64 off)
{
	unsigned i;

	return likely(slab_offset_start(pg, off, &i)) ? slab_park_slot(pg, p, i) : FREE_BAD;
}

#endif
