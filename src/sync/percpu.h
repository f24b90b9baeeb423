/*
 * percpu.h - the words a CPU keeps to itself, by one of two back ends chosen at
 * start-up: rseq in glibc's own area (x86-64), or portable atomics on the
 * slot of the CPU the thread was last seen on.
 *
 * A `pcpu word' is a u64 in a table that belongs to one CPU: tag << 32 | value; tag 0 is
 * empty. Operations on the word of the CPU the thread is on, each all or nothing (inline in
 * percpu_fast.h; `base' from pcpu_map, area of a CPU = base + (cpu << stride_shift), word at
 * area + word_off):
 *   pcpu_take(base, stride_shift, word_off, tag, n)	  tag matches and value >= n: value -= n
 *   pcpu_give(base, stride_shift, word_off, tag, n, max)  tag matches, value + n <= max: value += n
 *   pcpu_cas(base, stride_shift, word_off, old, new, &cpu) the word is `old': it becomes `new'
 * They return false also while the CPU is stopped, or when preempted too often in a row: the
 * caller goes its slow way. On the word of any CPU:
 *   pcpu_swap(area, word, val)	  exchange it whole; the CPU is stopped
 *
 * Neither n nor a value may pass PCPU_MOST, and no word is ever ~0.
 *
 * With rseq, the first three are restartable sequences with a plain store as
 * commit; they find their CPU's area by a table in front of the areas. Another CPU's word may be
 * touched only after pcpu_stop(cpu), which makes every sequence on that CPU fail (the table leads
 * them to words that refuse) and restarts those under way (membarrier RSEQ). With the portable back
 * end every operation is one compare-and-swap and stopping only turns new operations away: one that
 * is under way may still change the word after it was read, so what counts is what pcpu_swap
 * returns, tag and all. Reading a word (a report) is a plain atomic load at any time.
 */
#ifndef MEMCG_SYNC_PERCPU_H
#define MEMCG_SYNC_PERCPU_H

#include "base/bits.h"
#include "base/types.h"
#include "sync/atomic.h"

#define PCPU_MAX 1022 /* CPUs above share slots modulo this (portable back end only) */

/* The table of areas, so many bytes before the first: an entry for each CPU there may be, and
 * before those the ones that threads without rseq come to, -2 and -1. */
#define PCPU_TABLE ((long)(PCPU_MAX * sizeof(void *)))
#define PCPU_FRONT (PCPU_TABLE + 2 * (long)sizeof(void *))
_Static_assert(PCPU_FRONT % PAGE_SIZE == 0, "areas begin with a page");

#define PCPU_MOST 0x7fffffff /* largest value, and largest change of one */

enum pcpu_backend { PCPU_PORTABLE = 0, PCPU_RSEQ = 1 };

extern __hidden_ enum pcpu_backend pcpu_backend; /* constant after pcpu_init */
extern __hidden_ unsigned pcpu_count;		 /* number of areas: possible CPUs, <= PCPU_MAX */

struct pcpu_area {
	/* Operations on this CPU fail while non-zero: the portable ones look here. Written by
	 * pcpu_stop and pcpu_start under the lock of whoever owns the areas. */
	u32 stopped;
	u32 pad[15];
	/* the user's words follow at offset sizeof(struct pcpu_area) */
} __cacheline_aligned_;

/*
 * Chooses the back end: rseq when `want_rseq`, glibc registered it, and the kernel has membarrier's
 * rseq command; else portable. MEMCG_PCPU=portable, read in lib/, forces the other.
 */
__hidden_ void pcpu_init(bool want_rseq);

/*
 * Child: registers for membarrier anew, or becomes portable. Whoever owns areas also calls
 * pcpu_start_all: another thread of the parent may have had one stopped.
 */
__hidden_ void pcpu_after_fork(void);

/*
 * Areas: one zeroed block per CPU, `stride` bytes apart (a power of two >=
 * sizeof(struct pcpu_area)+words); memory appears where it is touched. NULL when the system
 * refuses. Never unmapped by the library.
 */
__hidden_ void *pcpu_map(size_t stride);

static inline struct pcpu_area *pcpu_area_of(void *base, size_t stride, unsigned cpu)
{
	return (struct pcpu_area *)((char *)base + cpu * stride);
}

/* The CPU (slot) this thread is on; a hint, may be stale when it returns. < pcpu_count. */
__hidden_ unsigned pcpu_this(void);

__hidden_ u64 pcpu_swap(struct pcpu_area *area, u64 *word, u64 val);

/*
 * False: the system denies membarrier now (a seccomp filter); the CPU runs on and its words must be
 * left alone. What other CPUs hold then stays theirs until they give it up themselves.
 */
__hidden_ __must_check_ bool pcpu_stop(void *base, unsigned stride_shift, unsigned cpu);
__hidden_ void pcpu_start(void *base, unsigned stride_shift, unsigned cpu);
__hidden_ void pcpu_start_all(void *base, unsigned stride_shift);

/*
 * A bit for each slot that ever had a word. Who walks the words looks at no others: most CPUs of a
 * large machine, and most slots of a small program, never have one.
 */
static inline void pcpu_note_used(u64 *used, unsigned slot)
{
	u64 *at = &used[slot / 64], bit = BIT(slot % 64);

	if (unlikely(!(atomic_load(at) & bit)))
		atomic_or(at, bit);
}

#endif
