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
 *	announce; cpu = rseq->cpu_id; cpu < pcpu_count, else out (a thread without rseq has -1)
 *	area = base + (cpu << shift); area->stopped == 0, else out
 *	check the word, compute; store	<- commit
 *
 * take and give store only the low half: the tag was compared in the same sequence.
 *
 * Who may race: sequences of one CPU are never concurrent. pcpu_stop from another CPU sets
 * `stopped` and membarrier restarts what has not committed; the plain load of `stopped` here
 * is the other half. Readers of a report load the word whole: it is aligned.
 *
 * ThreadSanitizer cannot see into the sequences; its builds have the portable back end only.
 */
#ifndef MEMCG_SYNC_PERCPU_FAST_H
#define MEMCG_SYNC_PERCPU_FAST_H

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

/* ---- rseq ---------------------------------------------------------------- */
#if PCPU_HAVE_RSEQ

extern __hidden_ ptrdiff_t pcpu_rseq_offset; /* of glibc's area from the thread pointer */

/* So many aborts in a row mean a debugger stepping, or signals without end: not our turn. */
#define PCPU_TRIES 8

/*
 * Parts of every sequence, as text. struct rseq: cpu_id_start at 0, cpu_id at 4, rseq_cs at 8.
 * rax becomes the area. The descriptor is: version and flags, start, length, abort handler;
 * the handler is preceded by the signature glibc registered, as bytes of an undefined instruction.
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
	"movl %%fs:4(%[rseq]), %%eax\n\t"    \
	"cmpl %[count], %%eax\n\t"           \
	"jae %l[fail]\n\t"
#define PCPU_SEQ_AREA               \
	"shlq %b[shift], %%rax\n\t" \
	"addq %[base], %%rax\n\t"   \
	"cmpl $0, (%%rax)\n\t"      \
	"jne %l[fail]\n\t"
#define PCPU_SEQ_END                              \
	"\n72:\n\t"                               \
	".pushsection __rseq_failure, \"ax\"\n\t" \
	".byte 0x0f, 0xb9, 0x3d\n\t"              \
	".long 0x53053053\n"                      \
	"74:\n\t"                                 \
	"jmp %l[aborted]\n\t"                     \
	".popsection\n\t"
#define PCPU_SEQ_INPUTS                                                          \
	[rseq] "r"(pcpu_rseq_offset), [count] "m"(pcpu_count), [base] "r"(base), \
		[shift] "ci"(stride_shift), [off] "r"(word_off)

static inline bool pcpu_take_rseq(void *base, unsigned stride_shift, size_t word_off, u32 tag,
				  u32 n)
{
	unsigned tries = 0;

again:
	__asm__ goto(PCPU_SEQ_ENTER PCPU_SEQ_AREA "cmpl %[tag], 4(%%rax,%[off])\n\t"
						  "jne %l[fail]\n\t"
						  "movl (%%rax,%[off]), %%edx\n\t"
						  "subl %[n], %%edx\n\t"
						  "jb %l[fail]\n\t"
						  "movl %%edx, (%%rax,%[off])" PCPU_SEQ_END
		     :
		     : PCPU_SEQ_INPUTS, [tag] "r"(tag), [n] "ri"(n)
		     : "rax", "rdx", "memory", "cc"
		     : fail, aborted);
	return true;
aborted:
	if (++tries < PCPU_TRIES)
		goto again;
fail:
	return false;
}

static inline bool pcpu_give_rseq(void *base, unsigned stride_shift, size_t word_off, u32 tag,
				  u32 n, u32 max)
{
	unsigned tries = 0;

again:
	__asm__ goto(PCPU_SEQ_ENTER PCPU_SEQ_AREA "cmpl %[tag], 4(%%rax,%[off])\n\t"
						  "jne %l[fail]\n\t"
						  "movl (%%rax,%[off]), %%edx\n\t"
						  "addl %[n], %%edx\n\t"
						  "jc %l[fail]\n\t"
						  "cmpl %[max], %%edx\n\t"
						  "ja %l[fail]\n\t"
						  "movl %%edx, (%%rax,%[off])" PCPU_SEQ_END
		     :
		     : PCPU_SEQ_INPUTS, [tag] "r"(tag), [n] "ri"(n), [max] "ri"(max)
		     : "rax", "rdx", "memory", "cc"
		     : fail, aborted);
	return true;
aborted:
	if (++tries < PCPU_TRIES)
		goto again;
fail:
	return false;
}

/* *cpu is written before the commit: an aborted try leaves a number nobody looks at. */
static inline bool pcpu_cas_rseq(void *base, unsigned stride_shift, size_t word_off, u64 old,
				 u64 newval, unsigned *cpu)
{
	unsigned tries = 0;

again:
	__asm__ goto(PCPU_SEQ_ENTER "movl %%eax, (%[cpu])\n\t" PCPU_SEQ_AREA
				    "cmpq %[old], (%%rax,%[off])\n\t"
				    "jne %l[fail]\n\t"
				    "movq %[newval], (%%rax,%[off])" PCPU_SEQ_END
		     :
		     : PCPU_SEQ_INPUTS, [old] "r"(old), [newval] "r"(newval), [cpu] "r"(cpu)
		     : "rax", "memory", "cc"
		     : fail, aborted);
	return true;
aborted:
	if (++tries < PCPU_TRIES)
		goto again;
fail:
	return false;
}

#undef PCPU_SEQ_ENTER
#undef PCPU_SEQ_AREA
#undef PCPU_SEQ_END
#undef PCPU_SEQ_INPUTS

#define PCPU_ON_RSEQ likely(pcpu_backend == PCPU_RSEQ)

#else

#define PCPU_ON_RSEQ					  false
#define pcpu_take_rseq(base, shift, off, tag, n)	  false
#define pcpu_give_rseq(base, shift, off, tag, n, max)	  false
#define pcpu_cas_rseq(base, shift, off, old, newval, cpu) false

#endif

/* pcpu_this() without a call, where the thread's area tells. */
static inline unsigned pcpu_here(void)
{
#if PCPU_HAVE_RSEQ
	if (PCPU_ON_RSEQ) {
		unsigned cpu;

		__asm__ volatile("movl %%fs:(%1), %0" : "=r"(cpu) : "r"(pcpu_rseq_offset));
		if (likely(cpu < pcpu_count))
			return cpu;
	}
#endif
	return pcpu_this();
}

/* ---- portable ------------------------------------------------------------ */

/*
 * The word of the slot this thread was last seen on, or NULL when that is stopped. Several
 * threads may be at it at once; a stale slot is as good as any.
 */
static inline u64 *pcpu_word_portable(void *base, unsigned stride_shift, size_t word_off,
				      unsigned *cpu)
{
	struct pcpu_area *area;

	*cpu = pcpu_this();
	area = pcpu_area_at(base, stride_shift, *cpu);
	if (unlikely(atomic_load(&area->stopped)))
		return NULL;
	return (u64 *)((char *)area + word_off);
}

static inline bool pcpu_take_portable(void *base, unsigned stride_shift, size_t word_off, u32 tag,
				      u32 n)
{
	unsigned cpu;
	u64 *word = pcpu_word_portable(base, stride_shift, word_off, &cpu), old;

	if (!word)
		return false;
	old = atomic_load(word);
	do
		if (PCPU_TAG(old) != tag || PCPU_VALUE(old) < n)
			return false;
	while (!atomic_cas(word, &old, old - n));
	return true;
}

static inline bool pcpu_give_portable(void *base, unsigned stride_shift, size_t word_off, u32 tag,
				      u32 n, u32 max)
{
	unsigned cpu;
	u64 *word = pcpu_word_portable(base, stride_shift, word_off, &cpu), old;

	if (!word)
		return false;
	old = atomic_load(word);
	do
		if (PCPU_TAG(old) != tag || (u64)PCPU_VALUE(old) + n > max)
			return false;
	while (!atomic_cas(word, &old, old + n));
	return true;
}

static inline bool pcpu_cas_portable(void *base, unsigned stride_shift, size_t word_off, u64 old,
				     u64 newval, unsigned *cpu)
{
	u64 *word = pcpu_word_portable(base, stride_shift, word_off, cpu);

	return word && atomic_cas(word, &old, newval);
}

/* ---- what callers use ------------------------------------------------------ */

static inline bool pcpu_take(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n)
{
	if (PCPU_ON_RSEQ)
		return pcpu_take_rseq(base, stride_shift, word_off, tag, n);
	return pcpu_take_portable(base, stride_shift, word_off, tag, n);
}

static inline bool pcpu_give(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n,
			     u32 max)
{
	if (PCPU_ON_RSEQ)
		return pcpu_give_rseq(base, stride_shift, word_off, tag, n, max);
	return pcpu_give_portable(base, stride_shift, word_off, tag, n, max);
}

/*
 * Installs a whole word. True: this CPU's word was `old`, now is `newval`, and *cpu is the
 * CPU it was. `old` may have been read from another CPU's word before the thread moved:
 * when the values are the same, so is the effect.
 */
static inline bool pcpu_cas(void *base, unsigned stride_shift, size_t word_off, u64 old, u64 newval,
			    unsigned *cpu)
{
	if (PCPU_ON_RSEQ)
		return pcpu_cas_rseq(base, stride_shift, word_off, old, newval, cpu);
	return pcpu_cas_portable(base, stride_shift, word_off, old, newval, cpu);
}

#endif
