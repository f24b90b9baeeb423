/*
 * external.h - memory we did not allocate, charged by hand.
 *
 * 1. A charge is a record that names a handle and so survives its group. Its bytes are the
 *    handle's reference, like an object's; a charge of no bytes names nobody.
 * 2. Records lie in pages of their own that never go away, on one list: a walk over them finds
 *    every charge there is, and nothing but that walk knows that the bytes exist.
 * 3. A record that is free lies on a thread's stack (its own only: no lock, no atomic), or in the
 *    depot, under external_lock. A thread takes a page or a batch of the depot when it has none,
 *    gives a batch back past CHARGES_KEPT, and everything when it ends. (In the child of a fork
 *    the stacks of the other threads are lost: some pages, once.)
 * 4. So a charge and its return touch what their CPU and thread have to themselves: the word of
 *    stock by hand (group/stock.h: it is in the line `external` already), the stack, and the
 * record.
 * 5. Only who charges a group again and again charges ahead for it, and parks what it returns: a
 *    thread's first CHARGE_HOT charges to a group are made to the byte. What is charged once shows
 *    as what it is, and leaves no slack behind.
 * 6. Who returns a charge that is not one, or not any more, is found out: by the thread that made
 *    it with a plain load, by others with an exchange. Two threads that return the same charge at
 *    the same moment, one of them its maker, may both get through: tolerated, as for free().
 */
#ifndef MEMCG_ALLOC_EXTERNAL_H
#define MEMCG_ALLOC_EXTERNAL_H

#include "base/compiler.h"
#include "base/types.h"
#include "group/stock.h"

#define CHARGE_LIVE 0x63686172u
#define CHARGE_BY_STOCK \
	(STOCK_CAP_MAX / 2) /* from here on a word of stock would overflow: charge_pages */

struct memcg_charge {
	u32 live;   /* CHARGE_LIVE: the rest means something */
	u32 handle; /* 0: of no bytes */
	u64 bytes;
	struct memcg_charge *next; /* while free */
	u32 home;		   /* tid of the thread that made the charge; 0: it had none */
	u32 spare;
};
_Static_assert(sizeof(struct memcg_charge) == 32, "two to a line");

#define CHARGE_PAGE_NR (PAGE_SIZE / sizeof(struct memcg_charge) - 1)

struct charge_page {
	struct charge_page *next; /* constant once the page is on the list */
	u64 spare[3];
	struct memcg_charge charge[CHARGE_PAGE_NR];
};
_Static_assert(sizeof(struct charge_page) == PAGE_SIZE,
	       "records begin at a multiple of their size");

/* Free records of a thread. */
struct charge_stack {
	struct memcg_charge *top;
	u32 n;
};

/* A group that a thread charges by hand, direct-mapped by handle: how often it came the slow way.
 */
struct charge_heat {
	u64 group; /* its id: handles are used again */
	u32 handle, turns;
};
#define CHARGE_HEATS  16u
#define CHARGE_HOT    8u
#define CHARGES_KEPT  1024u
#define CHARGES_BATCH 512u

/* The first page, for who reads it from outside: ctl/layout.h. */
extern __hidden_ struct charge_page *external_pages;

/* Every live charge, for the recount. Quiet moments only. */
__hidden_ void external_each(void (*each)(u32 handle, u64 bytes, unsigned stat_item, void *arg),
			     void *arg);
/* A live charge becomes one of fewer bytes, not 0, at once: its caller's alone. */
__hidden_ void external_shrink(struct memcg_charge *c, u64 bytes);
__hidden_ void external_give_up(struct charge_stack *s); /* its thread ends */
__hidden_ void external_fork_prepare(void);
__hidden_ void external_fork_done(void);

#endif
