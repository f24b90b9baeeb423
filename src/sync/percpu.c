/*
 * percpu.c - choosing the back end, stopping a CPU.
 *
 * 1. rseq is glibc's: it registers an area for each thread, and a second registration is refused.
 * It is absent under valgrind, with the tunable glibc.pthread.rseq=0, on old kernels; then
 *    __rseq_size is 0 or the CPU number negative, and the portable back end serves.
 * 2. Both back ends work on the same words, so the child of a fork, alone, may change from
 *    one to the other.
 * 3. Limits: a vfork child runs on its parent's area without the kernel watching; it may not
 *    allocate, as POSIX says. More than PCPU_MAX possible CPUs: portable.
 */
#include "sync/percpu_fast.h"

#include "base/assert.h"
#include "base/bits.h"
#include "sys/cpu.h"
#include "sys/map.h"

#include <linux/membarrier.h>

/* Failures that pass, of memory say, are tried again so often. */
#define STOP_TRIES 16

enum pcpu_backend pcpu_backend = PCPU_PORTABLE;
unsigned pcpu_count = 1;

/* What a sequence finds that must fail: words of a tag that nobody has, each. */
static const u64 pcpu_nowhere[1024] = {[0 ... 1023] = ~0ul};

static bool has_area; /* the thread's area tells the CPU, whatever the back end */

#if PCPU_HAVE_RSEQ
#include <sys/rseq.h>

_Static_assert(offsetof(struct rseq, cpu_id_start) == 0, "percpu_fast.h");
_Static_assert(offsetof(struct rseq, cpu_id) == 4, "percpu_fast.h");
_Static_assert(offsetof(struct rseq, rseq_cs) == 8, "percpu_fast.h");
_Static_assert(RSEQ_SIG == 0x53053053, "percpu_fast.h");

ptrdiff_t pcpu_rseq_offset;

static ptrdiff_t area_offset; /* where has_area */

static u32 area_load(unsigned at)
{
	u32 v;

	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(v) : "r"(area_offset + at));
	return v;
}

/* Of the calling thread; a thread that glibc could not register shows -1 or -2 later on. */
static bool find_area(void)
{
	if (!__rseq_size)
		return false;
	area_offset = __rseq_offset;
	return (s32)area_load(offsetof(struct rseq, cpu_id)) >= 0;
}

static void use_sequences(bool yes)
{
	BUG_ON(yes && !area_offset);
	atomic_store(&pcpu_rseq_offset, yes ? area_offset : 0);
}

/* 0 for a thread that is not registered: a valid slot. */
static unsigned area_cpu(void)
{
	return area_load(offsetof(struct rseq, cpu_id_start));
}
#else
static bool find_area(void)
{
	return false;
}

static unsigned area_cpu(void)
{
	return 0;
}

static void use_sequences(bool yes)
{
	(void)yes;
}
#endif

static void use(enum pcpu_backend backend)
{
	pcpu_backend = backend;
	use_sequences(backend == PCPU_RSEQ);
}

static bool register_membarrier(void)
{
	return sys_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0;
}

void pcpu_init(bool want_rseq)
{
	unsigned possible = sys_cpu_possible();

	pcpu_count = MIN(possible, PCPU_MAX);
	has_area = find_area();
	use(PCPU_PORTABLE);
	if (want_rseq && has_area && possible <= PCPU_MAX && register_membarrier())
		use(PCPU_RSEQ);
}

void pcpu_after_fork(void)
{
	if (pcpu_backend == PCPU_RSEQ && !register_membarrier())
		use(PCPU_PORTABLE);
}

static void **entry_of(void *base, unsigned cpu)
{
	return (void **)((char *)base - PCPU_TABLE) + cpu;
}

/* More CPUs than are possible: where the system did not say how many are, a thread may come to any.
 */
static void fill_table(void *base, size_t stride)
{
	void **entry = entry_of(base, 0);

	entry[-2] = entry[-1] = (void *)pcpu_nowhere;
	for (unsigned cpu = 0; cpu < PCPU_MAX; cpu++)
		entry[cpu] = cpu < pcpu_count ? (char *)base + cpu * stride : (void *)pcpu_nowhere;
}

void *pcpu_map(size_t stride)
{
	char *front;

	BUG_ON(!is_pow2(stride) || stride < sizeof(struct pcpu_area) ||
	       stride > sizeof(pcpu_nowhere));
	front = sys_map(PCPU_FRONT + pcpu_count * stride);
	if (!front)
		return NULL;
	fill_table(front + PCPU_FRONT, stride);
	return front + PCPU_FRONT;
}

unsigned pcpu_this(void)
{
	unsigned cpu = likely(has_area) ? area_cpu() : sys_cpu_this();

	return likely(cpu < pcpu_count) ? cpu : cpu % pcpu_count;
}

u64 pcpu_swap(struct pcpu_area *area, u64 *word, u64 val)
{
	ASSERT(pcpu_backend == PCPU_PORTABLE || area->stopped);
	(void)area;
	return atomic_xchg(word, val);
}

/*
 * Restarts the sequence under way on that CPU. A kernel that does not take the CPU's number
 * restarts those on all.
 */
static bool restart_sequences(unsigned cpu)
{
	const int cmd = MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ;

	for (int i = 0; i < STOP_TRIES; i++) {
		if (!sys_membarrier(cmd, MEMBARRIER_CMD_FLAG_CPU, (int)cpu))
			return true;
		if (!sys_membarrier(cmd, 0, 0))
			return true;
		sys_cpu_yield();
	}
	return false;
}

bool pcpu_stop(void *base, unsigned stride_shift, unsigned cpu)
{
	struct pcpu_area *area = pcpu_area_at(base, stride_shift, cpu);

	atomic_store(&area->stopped, 1u);
	/* Pairs, through membarrier, with the load of the entry in every sequence. */
	atomic_store(entry_of(base, cpu), (void *)pcpu_nowhere);
	if (pcpu_backend == PCPU_PORTABLE || restart_sequences(cpu))
		return true;
	pcpu_start(base, stride_shift, cpu);
	return false;
}

void pcpu_start(void *base, unsigned stride_shift, unsigned cpu)
{
	struct pcpu_area *area = pcpu_area_at(base, stride_shift, cpu);

	/* Release: what was done to the words is seen by the first sequence that runs again. */
	atomic_store_release(&area->stopped, 0u);
	atomic_store_release(entry_of(base, cpu), (void *)area);
}

/* Areas that nobody stopped are left untouched: most were never used. */
void pcpu_start_all(void *base, unsigned stride_shift)
{
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		if (atomic_load(entry_of(base, cpu)) == (void *)pcpu_nowhere)
			pcpu_start(base, stride_shift, cpu);
}

/* --- the portable back end ------------------------------------------------------ */

/*
 * The word of the slot this thread was last seen on, or NULL when that is stopped. Several
 * threads may be at it at once; a stale slot is as good as any.
 */
static u64 *word_portable(void *base, unsigned stride_shift, size_t word_off, unsigned *cpu)
{
	struct pcpu_area *area;

	*cpu = pcpu_this();
	area = pcpu_area_at(base, stride_shift, *cpu);
	if (atomic_load(&area->stopped))
		return NULL;
	return (u64 *)((char *)area + word_off);
}

static bool take_portable(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n)
{
	unsigned cpu;
	u64 *word = word_portable(base, stride_shift, word_off, &cpu), old;

	if (!word)
		return false;
	old = atomic_load(word);
	do
		if (PCPU_TAG(old) != tag || PCPU_VALUE(old) < n)
			return false;
	while (!atomic_cas(word, &old, old - n));
	return true;
}

static bool give_portable(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n,
			  u32 max)
{
	unsigned cpu;
	u64 *word = word_portable(base, stride_shift, word_off, &cpu), old;

	if (!word)
		return false;
	old = atomic_load(word);
	do
		if (PCPU_TAG(old) != tag || (u64)PCPU_VALUE(old) + n > max)
			return false;
	while (!atomic_cas(word, &old, old + n));
	return true;
}

static bool cas_portable(void *base, unsigned stride_shift, size_t word_off, u64 old, u64 newval,
			 unsigned *cpu)
{
	u64 *word = word_portable(base, stride_shift, word_off, cpu);

	return word && atomic_cas(word, &old, newval);
}

/* --- both ------------------------------------------------------------------------- */

/* So many aborts in a row mean a debugger stepping, or signals without end: not our turn. */
#define PCPU_TRIES 8

bool pcpu_take_slow(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n)
{
	ptrdiff_t offset = pcpu_rseq();
	enum pcpu_result r = PCPU_ABORTED;

	ASSERT(n <= PCPU_MOST);
	if (!offset)
		return take_portable(base, stride_shift, word_off, tag, n);
	for (unsigned tries = 0; r == PCPU_ABORTED && tries < PCPU_TRIES; tries++)
		r = pcpu_take_rseq(offset, base, word_off, tag, n);
	return r == PCPU_DONE;
}

bool pcpu_give_slow(void *base, unsigned stride_shift, size_t word_off, u32 tag, u32 n, u32 max)
{
	ptrdiff_t offset = pcpu_rseq();
	enum pcpu_result r = PCPU_ABORTED;

	ASSERT(n <= PCPU_MOST && max <= PCPU_MOST);
	if (!offset)
		return give_portable(base, stride_shift, word_off, tag, n, max);
	for (unsigned tries = 0; r == PCPU_ABORTED && tries < PCPU_TRIES; tries++)
		r = pcpu_give_rseq(offset, base, word_off, tag, n, max);
	return r == PCPU_DONE;
}

bool pcpu_cas(void *base, unsigned stride_shift, size_t word_off, u64 old, u64 newval,
	      unsigned *cpu)
{
	ptrdiff_t offset = pcpu_rseq();
	enum pcpu_result r = PCPU_ABORTED;

	ASSERT(old != ~0ul); /* as the words are that refuse */
	if (!offset)
		return cas_portable(base, stride_shift, word_off, old, newval, cpu);
	for (unsigned tries = 0; r == PCPU_ABORTED && tries < PCPU_TRIES; tries++)
		r = pcpu_cas_rseq(offset, base, word_off, old, newval, cpu);
	return r == PCPU_DONE;
}
