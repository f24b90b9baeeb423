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

static bool has_area; /* the thread's area tells the CPU, whatever the back end */

#if PCPU_HAVE_RSEQ
#include <sys/rseq.h>

_Static_assert(offsetof(struct rseq, cpu_id_start) == 0, "percpu_fast.h");
_Static_assert(offsetof(struct rseq, cpu_id) == 4, "percpu_fast.h");
_Static_assert(offsetof(struct rseq, rseq_cs) == 8, "percpu_fast.h");
_Static_assert(RSEQ_SIG == 0x53053053, "percpu_fast.h");

ptrdiff_t pcpu_rseq_offset;

static u32 area_load(unsigned at)
{
	u32 v;

	__asm__ volatile("movl %%fs:(%1), %0" : "=r"(v) : "r"(pcpu_rseq_offset + at));
	return v;
}

/* Of the calling thread; a thread that glibc could not register shows -1 or -2 later on. */
static bool find_area(void)
{
	if (!__rseq_size)
		return false;
	pcpu_rseq_offset = __rseq_offset;
	return (s32)area_load(offsetof(struct rseq, cpu_id)) >= 0;
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
#endif

static bool register_membarrier(void)
{
	return sys_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) == 0;
}

void pcpu_init(bool want_rseq)
{
	unsigned possible = sys_cpu_possible();

	pcpu_count = MIN(possible, PCPU_MAX);
	has_area = find_area();
	pcpu_backend = PCPU_PORTABLE;
	if (want_rseq && has_area && possible <= PCPU_MAX && register_membarrier())
		pcpu_backend = PCPU_RSEQ;
}

void pcpu_after_fork(void)
{
	if (pcpu_backend == PCPU_RSEQ && !register_membarrier())
		pcpu_backend = PCPU_PORTABLE;
}

void *pcpu_map(size_t stride)
{
	BUG_ON(!is_pow2(stride) || stride < sizeof(struct pcpu_area));
	return sys_map(pcpu_count * stride);
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

bool pcpu_stop(struct pcpu_area *area, unsigned cpu)
{
	/* Pairs, through membarrier, with the load of `stopped` in every sequence. */
	atomic_store(&area->stopped, 1u);
	if (pcpu_backend == PCPU_PORTABLE || restart_sequences(cpu))
		return true;
	pcpu_start(area);
	return false;
}

void pcpu_start(struct pcpu_area *area)
{
	/* Release: what was done to the words is seen by the first sequence that runs again. */
	atomic_store_release(&area->stopped, 0u);
}
