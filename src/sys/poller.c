/* poller.c - by number, as in file.c. */
#include "sys/poller.h"

#include "base/bits.h"
#include "sys/fault.h"
#include "sys/result.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

int sys_poll_new(void)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_POLL))
		return -EMFILE;
	return (int)sys_result(syscall(SYS_epoll_create1, EPOLL_CLOEXEC), saved);
}

static int control(int poll, int op, int fd, u64 key, unsigned what)
{
	struct epoll_event e = {.data.u64 = key};
	int saved = errno;

	e.events |= what & SYS_POLL_IN ? EPOLLIN : 0u;
	e.events |= what & SYS_POLL_OUT ? EPOLLOUT : 0u;
	e.events |= what & SYS_POLL_CHANGE ? EPOLLET : 0u;
	return (int)sys_result(syscall(SYS_epoll_ctl, poll, op, fd, &e), saved);
}

int sys_poll_add(int poll, int fd, u64 key, unsigned what)
{
	if (sys_fault(SYS_FAULT_POLL))
		return -ENOSPC;
	return control(poll, EPOLL_CTL_ADD, fd, key, what);
}

int sys_poll_change(int poll, int fd, u64 key, unsigned what)
{
	if (sys_fault(SYS_FAULT_POLL))
		return -ENOSPC;
	return control(poll, EPOLL_CTL_MOD, fd, key, what);
}

void sys_poll_remove(int poll, int fd)
{
	(void)control(poll, EPOLL_CTL_DEL, fd, 0, 0);
}

/* By adding it: that tells what is there and changes nothing of it. Nobody has the key. */
bool sys_poll_has(int poll, int fd)
{
	int err = control(poll, EPOLL_CTL_ADD, fd, UINT64_MAX, 0);

	if (!err)
		sys_poll_remove(poll, fd);
	return err == -EEXIST;
}

static unsigned what_of(u32 events)
{
	unsigned what = 0;

	what |= events & EPOLLIN ? SYS_POLL_IN : 0;
	what |= events & EPOLLOUT ? SYS_POLL_OUT : 0;
	what |= events & (EPOLLHUP | EPOLLERR) ? SYS_POLL_END : 0;
	return what;
}

int sys_poll_wait(int poll, struct sys_polled *out, unsigned n, int ms)
{
	struct epoll_event e[SYS_POLLED_MAX];
	int saved = errno, got;

	got = (int)sys_result(
		syscall(SYS_epoll_pwait, poll, e, (int)MIN(n, SYS_POLLED_MAX), ms, NULL, 8), saved);
	if (got == -EINTR)
		return 0;
	for (int i = 0; i < got; i++)
		out[i] = (struct sys_polled){.key = e[i].data.u64, .what = what_of(e[i].events)};
	return got;
}
