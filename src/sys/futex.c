/* futex.c - by number: libc has no futex function. */
#include "sys/futex.h"

#include "sys/fault.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC 1000000000ul

int sys_futex_wait(u32 *word, u32 expected, u64 timeout_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(timeout_ns / NSEC_PER_SEC),
			      .tv_nsec = (long)(timeout_ns % NSEC_PER_SEC)};
	int saved = errno, err = 0;

	if (sys_fault(SYS_FAULT_FUTEX))
		return -EINTR;
	if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns ? &ts : NULL))
		err = -errno;
	errno = saved;
	return err;
}

void sys_futex_wake(u32 *word, int n)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n);
	errno = saved;
}
