/*
 * move.h - an address space goes to another group, with what it brought in: memcg_mm_move.
 *
 * 1. Two passes over the tables of the mm's windows. The first takes no page lock: it adds up what
 *    may move, and that much is charged to the target, on the counters below the common ancestor
 *    alone: the ancestor and all above it have the bytes, and their peaks stay. A refusal ends it
 *    there and nothing has moved. Then the mm is the target's, so that what is touched from now on
 *    is charged there; and the second pass moves pages, each with bytes charged before. What is
 *    left of those is given back.
 * 2. The rule for a page, under the lock of the table whose entry led to it:
 *	- its lock is taken by trying, where it is looked up; a mover never waits for a page. Who
 *	  asked for the page unlocks it.
 *	- an entry that is present: the page is mapped here, and stays so while the table lock is
 *	  held. It moves, whoever else maps it.
 *	- an entry that is not: the page of that object and index may be in memory or a copy. It
 *moves only if it is mapped nowhere: then it cannot become mapped while it is locked. Mapped only
 *	  elsewhere it stays: a munmap there takes neither of our locks, and would take the mapping
 *	  off a statistic that is on its way to another group.
 *	- shared memory that is swapped out stays, as in the kernel, whose walk does not see it: it
 *	  is the object's, which others may have windows of, more than it is this mm's. Private
 *	  memory's copies go with the mm. What is in memory moves, in the swap file too or not.
 *    Only mapped or not is asked, never by how many: how many changes under any lock of ours.
 *    A present entry is treated alike whatever the kind of its page: a page of the network that is
 *    mapped has its count of mappings and its page lock as all others have. Its view holds it while
 *    the entry is present, so nobody changes its payer by having it alone (alloc/recharge.c).
 * 3. The page, if it is of a kind that has lists, is off every list of pages from before its owner
 *changes until after (lists.h): a list's lock finds all its pages the list's group's. A page that
 *is on none stays.
 * 4. What is not `from`'s stays. A page is from's if its handle leads to the group that the mm's
 *old handle leads to, at that moment: groups may be destroyed meanwhile, and what theirs was is
 *    their parents'.
 * 5. Bytes: a page's are in its handle's refs (handle.h), so with each that moves the old handle
 *    gives some up. That, and the counters of `from`, are done for a run of pages of one handle at
 *    a time, after the table lock.
 * 6. One mover for an mm at a time: `moving`. A walk over the windows marks each it has been in
 *    with its number (`pass`), under the lock of the mm, which is given back at each window.
 *Windows that come meanwhile count as seen.
 */
#ifndef MEMCG_VM_MOVE_H
#define MEMCG_VM_MOVE_H

#include "base/hook.h"
#include "vm/mm.h"
#include "vm/table.h"

extern __hidden_ u64 move_rate; /* bytes a second; 0: as fast as it goes. Constant after start */

struct move {
	struct memcg_mm *mm;
	unsigned what;		    /* MEMCG_MOVE_ANON, _FILE */
	struct memcg *from, *to;    /* referenced */
	struct memcg *top;	    /* at or above both; they keep it */
	struct handle *old, *payer; /* the mm's before, and to's; pinned */
	u64 mem, swap;		    /* charged to payer, and no page's yet */
	struct handle *run;	    /* whose pages have moved and whose bytes have not; NULL */
	u64 run_mem, run_swap;
	struct memcg_move out;
	u64 begin; /* ns */
};

/* --- move_page.c: one page ----------------------------------------------------------------- */

/* What it costs whom it belongs to. */
struct move_cost {
	u64 mem, swap;
};

enum move_verdict { MOVE_NOTHING, MOVE_TAKE, MOVE_ELSEWHERE, MOVE_NOT_OURS, MOVE_SWAPPED };

/* Without the page lock: what was so a moment ago. */
__hidden_ enum move_verdict move_look(const struct move *m, const struct page *pg, bool present,
				      struct move_cost *cost);
/* The page is locked, to be taken, and its cost charged to payer: it is payer's. False: it stays.
 */
__hidden_ bool move_page(struct move *m, struct page *pg, struct move_cost cost);
/* What a table of the mm's costs: nothing when it is not from's. The caller keeps its window. */
__hidden_ struct move_cost move_table_cost(const struct move *m, const struct page *t);
/* A table of the mm's, its lock held. False: it is not from's, or its cost is not charged. */
__hidden_ bool move_table(struct move *m, struct page *t);

HOOK_DECLARE(move_chosen);  /* a page is locked and has been found movable */
HOOK_DECLARE(move_halfway); /* in memory: it is on no list and in no statistic */

/* --- move_charge.c: bytes ---------------------------------------------------------------- */

/* All the first pass has found, to payer; reclaims, and may run the program's code. -ENOMEM. */
__hidden_ int move_charge(struct move *m, struct move_cost cost);
/* A page that nobody had counted: one look. False: over max. No table lock. */
__hidden_ bool move_charge_more(struct move *m, struct move_cost cost);
/* A page of h's has moved: what it cost is payer's, and h's to give up. */
__hidden_ void move_spend(struct move *m, struct handle *h, struct move_cost cost);
__hidden_ void move_settle(struct move *m); /* it does; no table lock */
__hidden_ void move_give_back(struct move *m);

static inline bool move_charged(const struct move *m, struct move_cost cost)
{
	return cost.mem <= m->mem && cost.swap <= m->swap;
}

/* --- move_walk.c: the passes ----------------------------------------------------------- */

__hidden_ void move_count(struct move *m, struct move_cost *all); /* into out, as if it were done */
__hidden_ void move_pages(struct move *m);

HOOK_DECLARE(move_lets_go); /* move.c: the mm is the target's, and its old handle pinned still */

#endif
