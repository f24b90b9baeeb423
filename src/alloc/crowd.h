/*
 * crowd.h - who fills a thread's shared slabs: what a group must show to get slabs of its own.
 *
 * An own slab costs a group 16 KiB or more for each thread and class, and spares it a charge for
 * each object. It pays when the group keeps as much of a class alive as sixteen slabs hold. That is
 * estimated from owner entries, whenever the current shared slab of a class is used up: up to
 * CROWD_SAMPLE of its entries are counted by group, and a group's share of them, times the shared
 * slabs that the thread holds of the class, is what it keeps. A third as many slabs as the thread
 * holds are looked at before that is decided: one slab with a few of a group's objects in it says
 * nothing where there are hundreds. One that is full of them is enough.
 *
 * A group that keeps little, and takes and gives in turn, never uses a slab up. Who alone does so
 * on a thread gets own slabs as well: each CROWD_TURNS objects taken off a shared class's stack the
 * taker is noted, and CROWD_VOTES times the same one is enough. So a program of one group pays by
 * the slab, soon after its start; two groups in turn come to it seldom, and more of them hardly
 * ever.
 *
 * Counts stand in the places that own heaps have, by handle. Groups that share a place take
 * from each other, so that a place where nobody prevails promotes nobody.
 *
 * All of it is the thread's own. Entries are read while others free: a hint.
 */
#ifndef MEMCG_ALLOC_CROWD_H
#define MEMCG_ALLOC_CROWD_H

#include "slab/class.h"

#define CROWD_PLACES 16u /* as many as own heaps */
#define CROWD_SAMPLE 32u
#define CROWD_TURNS  128u
#define CROWD_VOTES  8u

struct page;

struct crowd_place {
	u32 handle; /* whose count this is */
	u32 n;
	u32 earned; /* the handle that did, at the last decision; 0: nobody */
};

struct crowd {
	struct crowd_place place[CLASS_NR][CROWD_PLACES];
	u32 looked[CLASS_NR]; /* slabs, since the last decision */
	struct {
		u32 handle; /* who was found taking, the last times */
		u32 times;
	} taker[CLASS_NR];
};

/* pg, of so many shared slabs of its class, is used up. True: the handle has earned own ones. */
__hidden_ bool crowd_look(struct crowd *c, const struct page *pg, u32 slabs, u32 handle);

/* The handle is found taking slots of the class. True: it alone was, often enough. */
__hidden_ bool crowd_vote(struct crowd *c, unsigned class, u32 handle);

#endif
