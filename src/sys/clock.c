/* clock.c - reading is done in the vDSO, without entering the kernel. */
#include "sys/clock.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC  1000000000ul
#define NSEC_PER_MSEC 1000000ul

/* Cannot fail: both clocks exist wherever the library can run. */
static u64 read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

u64 sys_clock_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

u64 sys_clock_coarse_ns(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

u32 sys_clock_coarse_ms(void)
{
	return (u32)(sys_clock_coarse_ns() / NSEC_PER_MSEC);
}

void sys_sleep_ns(u64 ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NSEC_PER_SEC),
			      .tv_nsec = (long)(ns % NSEC_PER_SEC)};
	int saved = errno;

	/* By number: libc's nanosleep is a point where a thread may be cancelled. */
	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL);
	errno = saved;
}
