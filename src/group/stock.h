/*
 * stock.h - bytes charged ahead, per CPU, so that an object's charge touches no
 * shared line.
 *
 * 1. Each CPU has STOCK_SLOTS words `handle << 32 | bytes`, direct-mapped by
 *    handle. Bytes in a slot are charged (counters and the handle's refs
 *    include them) and owned by no object.
 * 2. Bound: CPUs x STOCK_SLOTS x stock_cap bytes in all, at most 16 MiB or 1/64 of the root's max a
 *    CPU, whatever the number of groups and threads.
 * 3. take and give on this CPU's word are sync/percpu's; what they refuse goes
 *    to charge_slow and uncharge_slow (charge.c).
 * 4. A batch is folded into whichever group the handle names at that moment.
 */
#ifndef MEMCG_GROUP_STOCK_H
#define MEMCG_GROUP_STOCK_H

#include "base/hook.h"
#include "base/types.h"
#include "sync/percpu_fast.h"

struct memcg;

#define STOCK_SLOTS   256u
#define STOCK_USED    (STOCK_SLOTS / 64)
#define STOCK_SHIFT   12 /* area of one CPU: head, words, levels */
#define STOCK_CAP_MAX (64 * KIB)
#define STOCK_CAP_MIN 256u

struct stock_area {
	struct pcpu_area head;
	u64 word[STOCK_SLOTS];
	u8 level[STOCK_SLOTS]; /* batch is 2^level pages; racy, a hint */
	/* Bit of each slot that ever had a word; set before it, or right after it by who came to
	 * another CPU in between. Never cleared. */
	u64 used[STOCK_USED];
};
_Static_assert(sizeof(struct stock_area) <= (1u << STOCK_SHIFT), "one page holds a CPU's stock");

/* In the private version node: the preload compiles the fast path in. */
extern __private_ void *memcg__stock; /* constant after stock_init; never NULL */
extern __private_ u32 memcg__stock_cap;

__hidden_ int stock_init(void);
__hidden_ void stock_set_root_max(u64 max);
__hidden_ void stock_after_fork(void);
__hidden_ u64 stock_drain(struct memcg *top); /* of the subtree; bytes folded */
__hidden_ u64 stock_of(u32 handle);	      /* held for it alone: a load for each CPU */
__hidden_ void stock_leave(u32 handle);	      /* all of it: its group is gone */
__hidden_ u64 stock_sum(struct memcg *top);   /* held for the subtree now */
__hidden_ void stock_each(void (*each)(u32 handle, u32 bytes, void *arg), void *arg);
/* What remains of a batch, or of a free that found no room: into this CPU's word, or folded. */
__hidden_ void stock_put(u32 handle, u32 bytes, bool evict);
HOOK_DECLARE(stock_leaving); /* another CPU's word has been read, and not yet taken */
HOOK_DECLARE(stock_putting); /* the handle lives, the word has been read, and not yet written */
__hidden_ u32 stock_batch(u32 handle); /* how much to charge ahead now */
/* Charged bytes go back to the counters: charge.c. */
__hidden_ void charge_fold(u32 handle, u64 bytes);

__always_inline_ size_t stock_offset(u32 handle)
{
	return __builtin_offsetof(struct stock_area, word) + (handle % STOCK_SLOTS) * sizeof(u64);
}

#endif
