/*
 * workingset.h - how far a page was from staying: when it comes back, the number of pages that left
 * or were activated since, against the number that a longer inactive list would have taken
 * its place from. Near enough, it is active at once. Page lock held.
 *
 * A page keeps the age of its group's lists in `shadow`. The page of a file has no owner while it
 * is out: whose age it was, and whether it had been active, is in `entry` then. The handle
 * in it is a number and no reference: if it is another group's by now the distance is a
 * guess, which is tolerated.
 */
#ifndef MEMCG_VM_WORKINGSET_H
#define MEMCG_VM_WORKINGSET_H

#include "vm/object.h"

struct workingset {
	u32 age;    /* 0: it never was in memory */
	u32 handle; /* whose */
	bool active;
};

/* The resident page is about to leave; its group's lists are one older. */
__hidden_ struct workingset workingset_left(struct page *pg);
/* Kept with a page that is out, or was until now. */
__hidden_ void workingset_keep(struct page *pg, struct workingset w);
__hidden_ struct workingset workingset_of(const struct page *pg);
/* It has come back, is charged and on no list yet. */
__hidden_ void workingset_refault(struct page *pg, struct workingset was);

#endif
