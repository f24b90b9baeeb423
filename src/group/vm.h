/*
 * vm.h - what a group has when managed memory is charged to it: its lists of pages, its swap, and
 * the statistics of both.
 *
 * 1. Made with the first address space of the group (group_vm_need), for it and every group above
 *    it; it goes with the struct. A group without managed memory pays a pointer.
 * 2. Pages name a handle. The lruvec a page is on is that of the group which the handle names now;
 *    it is found by looking, locking, and looking again (page_lruvec_lock). A group that dies
 *    redirects its handle and gives its lists to its parent in one section of both locks
 *    (group_vm_offline), so that whoever holds a lruvec's lock finds the handles of its pages
 *    naming its group.
 * 3. Swap is charged to a counter of its own, through the same handles: what is swapped out keeps
 *    its handle by its bytes, as what is in memory does (handle.h).
 * 4. Events are counted at the group and everything above it at once: they are as rare as faults.
 */
#ifndef MEMCG_GROUP_VM_H
#define MEMCG_GROUP_VM_H

#include "base/hook.h"
#include "group/group.h"
#include "lru/lruvec.h"

/* In the order of memory.stat. */
enum vm_event {
	VM_REFAULT_ANON,
	VM_REFAULT_FILE,
	VM_ACTIVATE_ANON,
	VM_ACTIVATE_FILE,
	VM_RESTORE_ANON,
	VM_RESTORE_FILE,
	VM_STEAL_KSWAPD,    /* the reclaimer thread's */
	VM_STEAL_DIRECT,    /* by who charged, or set a limit */
	VM_STEAL_PROACTIVE, /* asked for: memory.reclaim, memcg_reclaim */
	VM_SCAN_KSWAPD,
	VM_SCAN_DIRECT,
	VM_SCAN_PROACTIVE,
	VM_REFILL,
	VM_SWPIN,
	VM_SWPOUT,
	VM_FAULT,
	VM_MAJFAULT,
	VM_ACTIVATED,
	VM_DEACTIVATED,
	VM_SWPIN_ZERO,
	VM_SWPOUT_ZERO,
	VM_ZSWPIN,
	VM_ZSWPOUT,
	VM_ZSWPWB,
	VM_EVENT_NR
};

enum swap_event { SWAP_HIGH, SWAP_MAX, SWAP_FAIL, SWAP_EVENT_NR };

/* Until when, and with fewer than how many of them, none of the pages can go: group/stuck.h. */
struct stuck {
	u64 until; /* ns of the coarse clock; each word is atomic, by who has tried them all */
	u32 pages, epoch;
};

struct group_vm {
	struct counter swap;
	struct lruvec lru;
	s64 stat[STAT_NR - STAT_BASIC_NR]; /* of the subtree, less what CPUs hold back */
	u64 event[VM_EVENT_NR];		   /* of the subtree; atomic */
	u64 swap_event[SWAP_EVENT_NR];	   /* of the subtree; atomic */
	struct stuck stuck;
	struct group_ref stopped; /* see group_vm_stopped; id 0: none. Both words atomic */
};

/*
 * The last walk over top's groups for reclaim had enough at `last`, which has managed memory: the
 * next one begins behind it. Who resumes gets it, with a reference, and the walk after that begins
 * at top again; NULL: so does this one. Of two walks at once one is remembered, or a mixture of two
 * references, which names no group.
 */
__hidden_ void group_vm_stopped(struct memcg *top, struct memcg *last);
__hidden_ struct memcg *group_vm_resume(struct memcg *top);

/* cg and every group above it have one from now on. -ENOMEM. cg is referenced. */
__hidden_ int group_vm_need(struct memcg *cg);
__hidden_ void group_vm_free(struct memcg *cg);
/* The pages on its lists are the parent's: here is nothing that could be reclaimed. */
__hidden_ void group_vm_fork_child(struct memcg *cg);
/* swap.max and swap.high of cg have been written: its counter follows, if there is one. */
__hidden_ void group_swap_limits(struct memcg *cg);
/* Tree lock held: h is redirected to the parent's, and what is on cg's lists is on its parent's. */
__hidden_ void group_vm_offline(struct memcg *cg);
__hidden_ void group_vm_sink(struct memcg *cg, const s64 delta[STAT_NR]);
__hidden_ void group_vm_event(struct memcg *cg, enum vm_event event, u64 n);
/* The same at the group of a handle that the caller pins, whose charges are managed memory's. */
__hidden_ void handle_vm_event(const struct handle *h, enum vm_event event, u64 n);
/* The same at the group that pays for the page now; the caller holds the page. */
__hidden_ void page_vm_event(const struct page *pg, enum vm_event event);
/* Whether cg, or a group above it, has more in swap than its swap.high. A load without managed
 * memory. */
__hidden_ bool group_swap_over_high(const struct memcg *cg);
__hidden_ void group_swap_event(struct memcg *cg, enum swap_event event);

/* The item of memory.stat that says how long a list is. */
static inline unsigned lru_stat(enum lru_list list)
{
	return STAT_LISTS + list - 1;
}
_Static_assert(STAT_LISTS + LRU_COPIES - 1 == STAT_NR, "an item for each list of pages in memory");

/* Filled in by who knows of windows: dirty pages are looked for before cg's number is read. */
extern __hidden_ void (*group_vm_look)(const struct memcg *cg);

/* An item of memory.stat, as far as CPUs have told; 0 without managed memory. */
__hidden_ u64 group_vm_stat(const struct memcg *cg, unsigned item);

/*
 * The lruvec of an owned page, locked. The caller has the page's lock, so that nobody changes its
 * owner between the second look and what is done under the lruvec's.
 */
__hidden_ struct lruvec *page_lruvec_lock(struct page *pg);
HOOK_DECLARE(lruvec_found); /* it has been looked up and is not locked; an RCU section */

/* n bytes of h's go to swap, and h is held by them. False: over a swap.max; counted as its event.
 */
__hidden_ bool swap_charge(struct handle *h, u64 n);
HOOK_DECLARE(swap_payer_found); /* and nothing counted; an RCU section */
__hidden_ void swap_uncharge(struct handle *h, u64 n);
/* Of a charge that moves, counted below top alone: group/charge.h. */
__hidden_ bool swap_charge_below(struct handle *h, const struct memcg *top, u64 n);
__hidden_ void swap_uncharge_below(struct handle *h, const struct memcg *top, u64 n);

#endif
