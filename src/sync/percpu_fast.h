/*
 * percpu_fast.h - the operations on this CPU's word, inline.
 *
 * The rseq sequences (x86-64). A thread announces a sequence by storing the address of its
 * descriptor in the area glibc registered; from the first instruction after that to the
 * commit, the kernel sends it to the abort handler whenever it is preempted, moved or
 * signalled. So what was read (CPU number, stopped, word) still holds at the commit,
 * which is one store. Leaving a sequence early needs nothing: the kernel drops the
 * announcement when it finds the thread outside.
 *
 *	announce; area = table[rseq->cpu_id]; change the word, check; store	<- commit
 *
 * The table (percpu.h) has the area of each CPU, or, for a CPU that is stopped, for those there are
 * not, and for a thread without rseq, which has -1 or -2: pcpu_nowhere, whose words are nobody's
 * and refuse everything. So one load finds the area and asks three questions.
 *
 * Tag and value are checked by one comparison of what the word less its tag would become: with
 * another tag that is 2^32 and more off, and neither values nor what is asked for reach PCPU_MOST.
 * The word is stored whole: a load of 64 bits right after a store of 32 waits for it.
 *
 * Who may race: sequences of one CPU are never concurrent. pcpu_stop from another CPU changes the
 * table's entry and membarrier restarts what has not committed; the plain load of the entry here
 * is the other half. Readers of a report load the word whole: it is aligned.
 *
 * ThreadSanitizer cannot see into the sequences; its builds have the portable back end only.
 */
#ifndef MEMCG_SYNC_PERCPU_FAST_H
#define MEMCG_SYNC_PERCPU_FAST_H

#include "base/assert.h"
#include "base/compiler.h"
#include "sync/percpu.h"

#if defined(__x86_64__) && defined(__linux__) && !defined(MEMCG_TSAN)
#if __has_include(<sys/rseq.h>)
#define PCPU_HAVE_RSEQ 1
#endif
#endif
#ifndef PCPU_HAVE_RSEQ
#define PCPU_HAVE_RSEQ 0
#endif

#define PCPU_VALUE_BITS	      32
#define PCPU_WORD(tag, value) ((u64)(tag) << PCPU_VALUE_BITS | (u32)(value))
#define PCPU_TAG(word)	      ((u32)((word) >> PCPU_VALUE_BITS))
#define PCPU_VALUE(word)      ((u32)(word))

static inline struct pcpu_area *pcpu_area_at(void *base, unsigned stride_shift, unsigned cpu)
{
	return (struct pcpu_area *)((char *)base + ((size_t)cpu << stride_shift));
}

enum pcpu_result { PCPU_DONE, PCPU_REFUSED, PCPU_ABORTED };

/* ---- rseq ---------------------------------------------------------------- */
#if PCPU_HAVE_RSEQ

/* Of glibc's area from the thread pointer, where it is never; 0: the back end is the portable one.
 */
extern __hidden_ ptrdiff_t pcpu_rseq_offset;

/*
 * Parts of every sequence, as text. struct rseq: cpu_id_start at 0, cpu_id at 4, rseq_cs at 8.
 * rax becomes the CPU, then its area. The descriptor is: version and flags, start, length, abort
 * handler; the handler is preceded by the signature glibc registered, as bytes of an undefined
 * instruction.
 */
#define PCPU_SEQ_ENTER                       \
	".pushsection __rseq_cs, \"aw\"\n\t" \
	".balign 32\n"                       \
	"77:\n\t"                            \
	".long 0, 0\n\t"                     \
	".quad 71f, 72f - 71f, 74f\n\t"      \
	".popsection\n\t"                    \
	"leaq 77b(%%rip), %%rax\n\t"         \
	"movq %%rax, %%fs:8(%[rseq])\n"      \
	"71:\n\t"                            \
	"movslq %%fs:4(%[rseq]), %%rax\n\t"
#define PCPU_SEQ_AREA "movq %c[table](%[base],%%rax,8), %%rax\n\t"
#define PCPU_SEQ_END                              \
	"\n72:\n\t"                               \
	".pushsection __rseq_failure, \"ax\"\n\t" \
	".byte 0x0f, 0xb9, 0x3d\n\t"              \
	".long 0x53053053\n"                      \
	"74:\n\t"                                 \
	"jmp %l[aborted]\n\t"                     \
	".popsection\n\t"
#define PCPU_SEQ_INPUTS \
	[rseq] "r"(offset), [table] "i"(-PCPU_TABLE), [base] "r"(base), [off] "r"(word_off)

static inline enum pcpu_result pcpu_take_rseq(ptrdiff_t offset, void *base, size_t word_off,
					      u32 tag, u32 n)
{
	__asm__ goto(PCPU_SEQ_ENTER PCPU_SEQ_AREA "movq (%%rax,%[off]), %%rdx\n\t"
						  "subq %[n], %%rdx\n\t"
						  "movq %%rdx, %%rcx\n\t"
						  "subq %[tag], %%rcx\n\t"
						  "cmpq %[most], %%rcx\n\t"
						  "ja %l[fail]\n\t"
						  "movq %%rdx, (%%rax,%[off])" PCPU_SEQ_END
		     :
		     : PCPU_SEQ_INPUTS, [tag] "r"(PCPU_WORD(tag, 0)), [n] "er"((u64)n),
		       [most] "i"(PCPU_MOST)
		     : "rax", "rcx", "rdx", "memory", "cc"
		     : fail, aborted);
	return PCPU_DONE;
fail:
	return PCPU_REFUSED;
aborted:
	return PCPU_ABORTED;
}

static inline enum pcpu_result pcpu_give_rseq(ptrdiff_t offset, void *base, size_t word_off,
					      u32 tag, u32 n, u32 max)
{
	__asm__ goto(PCPU_SEQ_ENTER PCPU_SEQ_AREA "movq (%%rax,%[off]), %%rdx\n\t"
						  "addq %[n], %%rdx\n\t"
						  "movq %%rdx, %%rcx\n\t"
						  "subq %[tag], %%rcx\n\t"
						  "cmpq %[max], %%rcx\n\t"
						  "ja %l[fail]\n\t"
						  "movq %%rdx, (%%rax,%[off])" PCPU_SEQ_END
		     :
		     : PCPU_SEQ_INPUTS, [tag] "r"(PCPU_WORD(tag, 0)), [n] "er"((u64)n),
		       [max] "er"((u64)max)
		     : "rax", "rcx", "rdx", "memory", "cc"
		     : fail, aborted);
	return PCPU_DONE;
fail:
	return PCPU_REFUSED;
aborted:
	return PCPU_ABORTED;
}

/*
 * *cpu is written before the commit: an aborted try leaves a number nobody looks at. One that
 * fails has told the CPU whose word is another; it is looked at by who goes on with that.
 */
static inline enum pcpu_result pcpu_cas_rseq(ptrdiff_t offset, void *base, size_t word_off, u64 old,
					     u64 newval, unsigned *cpu)
{
	__asm__ goto(PCPU_SEQ_ENTER "cmpl %[count], %%eax\n\t"
				    "jae %l[fail]\n\t"
				    "movl %%eax, (%[cpu])\n\t" PCPU_SEQ_AREA
				    "cmpq %[old], (%%rax,%[off])\n\t"
				    "jne %l[fail]\n\t"
				    "movq %[newval], (%%rax,%[off])" PCPU_SEQ_END
		     :
		     : PCPU_SEQ_INPUTS, [count] "m"(pcpu_count), [old] "r"(old),
		       [newval] "r"(newval), [cpu] "r"(cpu)
		     : "rax", "memory", "cc"
		     : fail, aborted);
	return PCPU_DONE;
fail:
	return PCPU_REFUSED;
aborted:
	return PCPU_ABORTED;
}

#undef PCPU_SEQ_ENTER
#undef PCPU_SEQ_AREA
#undef PCPU_SEQ_END
#undef PCPU_SEQ_INPUTS

/* One load serves the question and the sequence. */
static inline ptrdiff_t pcpu_rseq(void)
{
	return pcpu_rseq_offset;
}

#else

static inline ptrdiff_t pcpu_rseq(void)
{
	return 0;
}
#define pcpu_take_rseq(offset, base, off, tag, n) \
	((void)(base), (void)(off), (void)(tag), (void)(n), PCPU_REFUSED)
#define pcpu_give_rseq(offset, base, off, tag, n, max) \
	((void)(base), (void)(off), (void)(tag), (void)(n), (void)(max), PCPU_REFUSED)
#define pcpu_cas_rseq(offset, base, off, old, newval, cpu) PCPU_REFUSED

#endif

/* pcpu_this() without a call, where the thread's area tells. */
static inline unsigned pcpu_here(void)
{
#if PCPU_HAVE_RSEQ
	ptrdiff_t offset = pcpu_rseq();

	if (likely(offset)) {
		unsigned cpu;

		__asm__ volatile("movl %%fs:(%1), %0" : "=r"(cpu) : "r"(offset));
		if (likely(cpu < pcpu_count))
			return cpu;
	}
#endif
	return pcpu_this();
}

/* ---- what callers use ------------------------------------------------------ */

/* One go, by a sequence: false also where another would do, and on the portable back end. So who
 * has a slow path of his own spares the fast one a call, and asks again there. */
static inline bool pcpu_take_once(void *base, size_t word_off, u32 tag, u32 n)
{
	ptrdiff_t offset = pcpu_rseq();

	return likely(offset) && pcpu_take_rseq(offset, base, word_off, tag, n) == PCPU_DONE;
}

static inline bool pcpu_give_once(void *base, size_t word_off, u32 tag, u32 n, u32 max)
{
	ptrdiff_t offset = pcpu_rseq();

	return likely(offset) && pcpu_give_rseq(offset, base, word_off, tag, n, max) == PCPU_DONE;
}

/* Whatever it takes: percpu.c. */
__hidden_ bool pcpu_take_slow(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n);
__hidden_ bool pcpu_give_slow(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n,
			      u32 max);

static inline bool pcpu_take(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n)
{
	return likely(pcpu_take_once(base, word_off, tag, n)) ||
	       pcpu_take_slow(base, stride_shift, word_off, tag, n);
}

static inline bool pcpu_give(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n,
			     u32 max)
{
	return likely(pcpu_give_once(base, word_off, tag, n, max)) ||
	       pcpu_give_slow(base, stride_shift, word_off, tag, n, max);
}

/*
 * Installs a whole word. True: this CPU's word was `old`, now is `newval`, and *cpu is the
 * CPU it was. `old` may have been read from another CPU's word before the thread moved:
 * when the values are the same, so is the effect.
 */
__hidden_ bool pcpu_cas(void *base, unsigned stride_shift, size_t word_off, u64 old, u64 newval,
			unsigned *cpu);

#endif
