/*
 * stock.h - what CPUs have of a group ahead, so that an object's charge, a charge by hand and a
 * reference of a group touch no shared line.
 *
 * 1. Each CPU has words `handle << 32 | n` in three lines, each direct-mapped by handle:
 *    - objects: bytes that are charged (counters and the handle's refs include them) and owned by
 *      no object;
 *    - by hand: the same, and counted as `external` besides: who charges by hand moves one word
 *      and no statistic. The line of memory.stat is what was counted less what lies here;
 *    - references: of the group that the handle was made with (memcg.refs includes them), which
 *      nobody holds. Only who is often seen gets a word: group.c.
 * 2. Bound: CPUs x STOCK_BYTE_WORDS x stock_cap bytes in all, at most 20 MiB or 1/64 of the root's
 *    max a CPU, whatever the number of groups and threads.
 * 3. take and give on this CPU's word are sync/percpu's; what they refuse goes
 *    to charge_slow and uncharge_slow (charge.c), or to the count of references.
 * 4. A batch is folded into whichever group the handle names at that moment; references into that
 *    of the group itself, which they keep.
 */
#ifndef MEMCG_GROUP_STOCK_H
#define MEMCG_GROUP_STOCK_H

#include "base/hook.h"
#include "base/types.h"
#include "sync/percpu_fast.h"

struct memcg;

#define STOCK_SLOTS	 256u /* of objects */
#define STOCK_HAND_SLOTS 64u
#define STOCK_REF_SLOTS	 256u
#define STOCK_BYTE_WORDS (STOCK_SLOTS + STOCK_HAND_SLOTS)
#define STOCK_WORDS	 (STOCK_BYTE_WORDS + STOCK_REF_SLOTS)
#define STOCK_SHIFT	 13 /* area of one CPU: head, words, levels */
#define STOCK_CAP_MAX	 (64 * KIB)
#define STOCK_CAP_MIN	 256u
#define STOCK_REF_CAP	 1024u /* references in a word */

/* In this order in a CPU's words, each from a multiple of 64 on. */
enum stock_line { STOCK_OBJECTS, STOCK_BY_HAND, STOCK_REFS, STOCK_LINES };

struct stock_area {
	struct pcpu_area head;
	u64 word[STOCK_WORDS];
	u8 level[STOCK_BYTE_WORDS]; /* batch is 2^level pages; racy, a hint */
	/* Bit of each slot that ever had a word; set before it, or right after it by who came to
	 * another CPU in between. Never cleared. */
	u64 used[STOCK_WORDS / 64];
};
_Static_assert(sizeof(struct stock_area) <= (1u << STOCK_SHIFT), "the stride holds a CPU's stock");

extern __hidden_ void *memcg__stock; /* constant after stock_init; never NULL */
extern __hidden_ u32 memcg__stock_cap;

__hidden_ int stock_init(void);
__hidden_ void stock_set_root_max(u64 max);
__hidden_ void stock_after_fork(void);
__hidden_ u64 stock_drain(struct memcg *top); /* of the subtree; bytes folded */
/* As stock_drain, and words that hold nothing are nobody's afterwards: a free would fill them. */
__hidden_ void stock_take_out(struct memcg *top);
__hidden_ u64 stock_of(u32 handle);		  /* bytes for it alone: two loads for each CPU */
__hidden_ u64 stock_refs_of(u32 handle);	  /* references of its group */
__hidden_ void stock_leave(u32 handle);		  /* all of it: its group is gone */
__hidden_ u64 stock_sum(const struct memcg *top); /* bytes for the subtree now */
__hidden_ u64 stock_hand_sum(const struct memcg *top); /* those by hand alone */
__hidden_ void stock_each(void (*each)(u32 handle, u32 bytes, void *arg), void *arg);
/* What remains of a batch, or of a free that found no room: into this CPU's word, or folded. */
__hidden_ void stock_put(enum stock_line line, u32 handle, u32 n, bool evict);
HOOK_DECLARE(stock_leaving); /* another CPU's word has been read, and not yet taken */
HOOK_DECLARE(stock_putting); /* the handle lives, the word has been read, and not yet written */
__hidden_ u32 stock_batch(enum stock_line line, u32 handle); /* how much to charge ahead now */
/* Charged bytes go back to the counters: charge.c. */
__hidden_ void charge_fold(u32 handle, u64 bytes);
/* References that nobody holds go back to the group's count: group.c. */
__hidden_ void group_refs_fold(u32 handle, u32 n);

__always_inline_ unsigned stock_slot(enum stock_line line, u32 handle)
{
	switch (line) {
	case STOCK_OBJECTS:
		return handle % STOCK_SLOTS;
	case STOCK_BY_HAND:
		return STOCK_SLOTS + handle % STOCK_HAND_SLOTS;
	default:
		return STOCK_BYTE_WORDS + handle % STOCK_REF_SLOTS;
	}
}

__always_inline_ size_t stock_offset_in(enum stock_line line, u32 handle)
{
	return __builtin_offsetof(struct stock_area, word) + stock_slot(line, handle) * sizeof(u64);
}

__always_inline_ size_t stock_offset(u32 handle)
{
	return stock_offset_in(STOCK_OBJECTS, handle);
}

#endif
