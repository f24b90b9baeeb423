/*
 * crowd.h - who fills a thread's shared slabs: what a group must show to get slabs of its own.
 *
 * An own slab costs a group 16 KiB or more for each thread and class, and spares it a charge for
 * each object. It pays when the group keeps about as much of a class alive as a slab holds. That is
 * estimated from owner entries, whenever the current shared slab of a class is used up: up to
 * CROWD_SAMPLE of its entries are counted by group, and a group's share of them, times the shared
 * slabs that the thread holds of the class, is what it keeps. A third as many slabs as the thread
 * holds are looked at before that is decided: one slab with a few of a group's objects in it says
 * nothing where there are hundreds. One that is full of them is enough.
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

struct page;

struct crowd_place {
	u32 handle; /* whose count this is */
	u32 n;
	u32 earned; /* the handle that did, at the last decision; 0: nobody */
};

struct crowd {
	struct crowd_place place[CLASS_NR][CROWD_PLACES];
	u32 looked[CLASS_NR]; /* slabs, since the last decision */
};

/* pg, of so many shared slabs of its class, is used up. True: the handle has earned own ones. */
__hidden_ bool crowd_look(struct crowd *c, const struct page *pg, u32 slabs, u32 handle);

#endif
