/*
 * tally.h - the lines of memory.stat that are counted per CPU by one sequence each, because what
 * moves them is fast otherwise: `external` (charged by hand, counted by no page), `sock` and
 * `large`.
 *
 * 0. What is charged by hand again and again is counted here when its batch is, not each time: what
 *    of that lies in stock is taken off where the line is read (stock.h, 1).
 * 1. For each of them a CPU has TALLY_SLOTS words `handle << 32 | TALLY_ZERO + delta`,
 *    direct-mapped by handle: bytes that came through the handle on that CPU, less those that
 *    went there, since the word was last handed to the groups' sums. A word is nobody's reference;
 * the bytes are (handle.h).
 * 2. memcg_stat adds what CPUs hold to a group's sum, word by word, and stops nobody: so nothing
 *    is ever folded for a reader. Exact when nothing is in motion.
 * 3. A word is handed on when its delta would pass 1 GiB, or when another handle needs the
 *    place: no reader goes by the sums alone, so nothing is gained by handing on sooner, and large
 *    objects come and go without a climb. Memory is CPUs x table, whatever the number of groups.
 * 4. Whoever takes a word out credits the group that lives by then, and does both in one RCU
 *    section. So when an index is to be another group's (handle.c), its words are taken out, and a
 *    grace period later nobody is delivering any.
 */
#ifndef MEMCG_GROUP_TALLY_H
#define MEMCG_GROUP_TALLY_H

#include "base/hook.h"
#include "count/stat.h"
#include "sync/percpu_fast.h"

struct handle;

#define TALLY_SLOTS 256u
#define TALLY_SHIFT 13 /* area of one CPU: head, words, bits */
#define TALLY_ZERO  (1u << 30)
#define TALLY_MOST  (2 * TALLY_ZERO - 1) /* what a word may hold: PCPU_MOST */

enum tally_line { TALLY_EXTERNAL = 0, TALLY_SOCK = 1, TALLY_LARGE = 2, TALLY_NR = 3 };

/* A line's words: what is said of "the word" below is said of each line's. */
struct tally_words {
	u64 word[TALLY_SLOTS];
	u64 used[TALLY_SLOTS / 64]; /* of each slot that ever had a word; as in stock.h */
};
struct tally_area {
	struct pcpu_area head;
	struct tally_words line[TALLY_NR];
};
_Static_assert(sizeof(struct tally_area) <= (1u << TALLY_SHIFT), "the stride holds a CPU's words");

extern __hidden_ void *tally_areas; /* constant after tally_init */

HOOK_DECLARE(tally_adding); /* this CPU's word has been read, and not yet written */
HOOK_DECLARE(tally_ending); /* another CPU's word has been read, and not yet taken */

__hidden_ int tally_init(void);
__hidden_ void tally_after_fork(void);
__hidden_ void tally_add_slow(enum tally_line line, u32 handle, s64 n);
/* What CPUs hold of handles below top (NULL: of all). */
__hidden_ s64 tally_sum(enum tally_line line, const struct handle *top);
/* Nobody counts under it any more: what CPUs hold goes to the heir. False: a CPU could not be
 * stopped (percpu.h). No lock held. */
__hidden_ __must_check_ bool tally_end(u32 handle);

__always_inline_ size_t tally_offset(enum tally_line line, u32 handle)
{
	return __builtin_offsetof(struct tally_area, line) + line * sizeof(struct tally_words) +
	       (handle % TALLY_SLOTS) * sizeof(u64);
}

__always_inline_ void tally_add(enum tally_line line, u32 handle, u64 n)
{
	if (unlikely(n > TALLY_ZERO ||
		     !pcpu_give(tally_areas, TALLY_SHIFT, tally_offset(line, handle), handle,
				(u32)n, TALLY_MOST)))
		tally_add_slow(line, handle, (s64)n);
}

__always_inline_ void tally_sub(enum tally_line line, u32 handle, u64 n)
{
	if (unlikely(n > TALLY_ZERO || !pcpu_take(tally_areas, TALLY_SHIFT,
						  tally_offset(line, handle), handle, (u32)n)))
		tally_add_slow(line, handle, -(s64)n);
}

#endif
