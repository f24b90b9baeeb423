/*
 * heap.h - one thread's slabs: for each class a bin with a stack of slots ready
 * to be handed out, a current slab that refills it, a list of partial slabs and
 * a list of full ones. Everything here is touched by its thread only, without locks or atomics.
 *
 * Parked slots. What the holder frees goes on the stack of the slab's bin, what it
 * allocates comes from there. To the slab a parked slot is in use: no list or count moves when a
 * program frees and allocates in turn. An entry names the slot's idle bit, so that
 * taking it needs no look at the slab. A full stack gives its older half back.
 *
 * A stack grows. It begins small: most threads use few sizes, and what is parked is charged. When
 * slots are wanted again that a full stack has given back, it was too small, and its room doubles,
 * up to what heap_allow says (the layer above knows the limits), and to HEAP_GROWN_MOST bytes of
 * slots in all stacks of the process that have grown. A trim makes them small again. (Slots of the
 * shared heap need owner entries: alloc/shared.c takes them off its stacks.)
 *
 * A slab goes current -> full (nothing free and nothing to collect) -> partial
 * (first slot back) -> current again, oldest first, so that slots gather. Slabs
 * that others freed into are found by looking at the oldest few
 * full slabs whenever the bin would need a new one: no free has to tell.
 */
#ifndef MEMCG_SLAB_HEAP_H
#define MEMCG_SLAB_HEAP_H

#include "slab/slab.h"

#define HEAP_LOOK 16 /* full slabs looked at before a new one is made */

/* A slot, and its idle bit: address of the word, bit number in the top six bits. */
struct parked {
	void *p;
	u64 idle;
};
#define PARKED_BIT_SHIFT  58
#define PARKED_WORD(idle) ((u64 *)((idle) & (BIT(PARKED_BIT_SHIFT) - 1)))

struct bin {
	struct parked *top;    /* one past the last */
	struct parked *bottom; /* top == bottom: empty */
	struct parked *limit;  /* top == limit: full */
	struct page *slab;     /* current; NULL: none */
	u32 slabs;	       /* held for this class: current, partial and full */
	u32 room;	       /* entries between bottom and limit */
	u32 most;	       /* up to which it may grow */
	u16 home;	       /* where in heap.entry it begins while it is small */
	bool spilled;	       /* it was full since the last refill */
	u32 turns; /* shared: taken off it since who takes was looked at (alloc/crowd.h) */
} __cacheline_aligned_;

struct slab_list {
	u32 head, tail;
};

#define HEAP_GROWN_MOST (64 * MIB)
extern __hidden_ u64 heap_grown; /* what stacks that have grown have room for, bytes; atomic */

#define HEAP_ENTRIES 844u /* of all stacks while they are small; see heap_init */

struct heap {
	struct bin bin[CLASS_NR];
	struct slab_list partial[CLASS_NR], full[CLASS_NR];
	u32 tid;
	u32 handle;   /* own: the handle its slabs are charged to; 0: the shared set */
	u64 promoted; /* own: classes it serves */
	u64 allowed;  /* by heap_allow, bytes */
	u8 slot;      /* which of the thread's heaps; slab_local.heap of its slabs */
	struct parked entry[HEAP_ENTRIES];
};

__hidden_ void heap_init(struct heap *h, u32 tid, u32 handle, u8 slot);
/* A class may park so many bytes when it has shown that it needs to; an empty stack with room for
 * more becomes small. At first: none may grow. */
__hidden_ void heap_allow(struct heap *h, u64 bytes);

/* What the layer above does with a slab that is given up. hollow: uncharged already. */
typedef void (*heap_drop)(struct page *pg, bool hollow);

/*
 * Brings a slab with free slots to the bin from what the heap has. False: one must be
 * installed. Slabs found empty or hollow on the way go to drop.
 */
__hidden_ bool heap_refill(struct heap *h, unsigned class, heap_drop drop);
/* Makes pg, held by this thread and not on any list, the current slab. */
__hidden_ void heap_install(struct heap *h, unsigned class, struct page *pg);
/* In the child of a fork, which has one thread's heaps: they alone count in heap_grown from now on.
 */
__hidden_ void heap_count_grown(const struct heap *h);
/* A slot from the current slab, in use now; NULL: there is none, heap_refill. */
__hidden_ void *heap_take(struct heap *h, unsigned class, unsigned *slot);
/* As heap_take, and more slots of the same slab onto the bin's stack. */
__hidden_ void *heap_take_more(struct heap *h, unsigned class);
/* The stack is empty: slots of the current slab's words go onto it. */
__hidden_ void heap_park(struct heap *h, struct bin *b);
/* A free by the holder past the stack: idle and free at once. p is in use. */
__hidden_ void heap_give(struct heap *h, struct page *pg, unsigned slot, heap_drop drop);
/* The bin's stack is full: its older half goes back to the slabs. */
__hidden_ void heap_spill(struct heap *h, struct bin *b, heap_drop drop);
/* All stacks are emptied: a limit, another mode, the heap's end. */
__hidden_ void heap_unpark(struct heap *h, heap_drop drop);
/* Lets go of every slab: `each` gets slabs with live slots, drop the others. */
__hidden_ void heap_dissolve(struct heap *h, void (*each)(struct page *), heap_drop drop);
/*
 * Gives up slabs that are empty, the current ones too; bytes. all: also those that others emptied,
 * which costs a look at every slab there is. They hold no charge: frees by others took it off.
 */
__hidden_ u64 heap_trim(struct heap *h, bool all, heap_drop drop);

#endif
