/* cpu.c - nothing allocates: sysconf and CPU_ALLOC of libc may. */
#include "sys/cpu.h"

#include "sys/fault.h"
#include "sys/file.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More than any kernel is built for; a smaller mask than the kernel's own is refused. */
#define CPU_LIMIT 16384u
#define WORD_BITS 64u

/* Moves *s past the digits; false when there are none or the number is absurd. */
static bool parse_cpu(const char **s, unsigned *cpu)
{
	const char *p = *s;
	unsigned n = 0;

	for (; *p >= '0' && *p <= '9' && n < CPU_LIMIT; p++)
		n = n * 10 + (unsigned)(*p - '0');
	if (p == *s || n >= CPU_LIMIT)
		return false;
	*s = p;
	*cpu = n;
	return true;
}

unsigned sys_cpu_parse_list(const char *s)
{
	unsigned last = 0, count = 0;

	for (;;) {
		if (!parse_cpu(&s, &last))
			return 0;
		if (*s == '-' && (s++, !parse_cpu(&s, &last)))
			return 0;
		if (last >= count)
			count = last + 1;
		if (*s != ',')
			break;
		s++;
	}
	return *s == '\0' || *s == '\n' ? count : 0;
}

static unsigned count_allowed(void)
{
	u64 mask[CPU_LIMIT / WORD_BITS];
	int saved = errno;
	long bytes = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);

	errno = saved;
	for (long i = bytes / 8 - 1; i >= 0; i--)
		if (mask[i])
			return (unsigned)i * WORD_BITS + WORD_BITS -
			       (unsigned)__builtin_clzll(mask[i]);
	return 1;
}

unsigned sys_cpu_possible(void)
{
	char list[1024];
	unsigned n = 0;

	if (sys_read_text("/sys/devices/system/cpu/possible", list, sizeof(list)) > 0)
		n = sys_cpu_parse_list(list);
	return n ? n : count_allowed();
}

unsigned sys_cpu_this(void)
{
	int saved = errno;
	int cpu = sched_getcpu();

	errno = saved;
	return cpu < 0 ? 0 : (unsigned)cpu;
}

void sys_cpu_yield(void)
{
	sched_yield();
}

int sys_membarrier(int cmd, unsigned flags, int cpu)
{
	int saved = errno;
	long r;

	if (sys_fault(SYS_FAULT_MEMBARRIER))
		return -ENOSYS;
	r = syscall(SYS_membarrier, cmd, flags, cpu);
	if (r == -1)
		r = -errno;
	errno = saved;
	return (int)r;
}
