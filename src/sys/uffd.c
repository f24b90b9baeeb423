/*
 * uffd.c - the numbers of Linux 6.7 are written out: headers here are from 6.1.
 *
 * O_NONBLOCK is not set because nothing is ever read from the descriptor: with UFFD_FEATURE_SIGBUS
 * the kernel queues nothing.
 */
#include "sys/uffd.h"

#include "sys/fault.h"
#include "sys/file.h"
#include "sys/result.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP_UNPOPULATED (1ull << 13) /* Linux 6.4 */
#define FEATURE_WP_ASYNC       (1ull << 15) /* Linux 6.7 */
#define CONTINUE_MODE_WP       (1ull << 1)  /* Linux 6.4 */

#define FEATURES_NEEDED                                                                \
	(UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM | \
	 UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

static int call(int fd, unsigned long what, void *arg)
{
	int saved = errno;

	return (int)sys_result(syscall(SYS_ioctl, fd, what, arg), saved);
}

int sys_uffd(unsigned flags)
{
	struct uffdio_api api = {.api = UFFD_API, .features = FEATURES_NEEDED};
	int saved = errno, err;
	long fd;

	if (sys_fault(SYS_FAULT_UFFD))
		return -EPERM;
	if (flags & UFFD_ASYNC)
		api.features |= FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED;
	fd = sys_result(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), saved);
	if (fd < 0)
		return (int)fd;
	err = call((int)fd, UFFDIO_API, &api);
	if (!err)
		return (int)fd;
	sys_close((int)fd);
	return err;
}

int sys_uffd_register(int uffd, void *at, size_t len)
{
	struct uffdio_register reg = {
		.range = {(u64)at, len},
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			UFFDIO_REGISTER_MODE_WP,
	};

	if (sys_fault(SYS_FAULT_WINDOW))
		return -ENOMEM;
	return call(uffd, UFFDIO_REGISTER, &reg);
}

/*
 * EEXIST: somebody has mapped the page already; the rest still has to be. EAGAIN: mappings of the
 * process are just changing. Neither is an answer.
 */
int sys_uffd_continue(int uffd, void *at, size_t len, bool protect)
{
	struct uffdio_continue c = {.mode = protect ? CONTINUE_MODE_WP : 0};
	size_t done = 0;
	int err = 0;

	while (done < len) {
		c.range.start = (u64)at + done;
		c.range.len = len - done;
		c.mapped = 0;
		err = call(uffd, UFFDIO_CONTINUE, &c);
		if (!err)
			return 0;
		if (c.mapped > 0)
			done += (size_t)c.mapped;
		else if (err == -EEXIST)
			done += PAGE_SIZE;
		else if (err != -EAGAIN)
			return err;
	}
	return 0;
}

int sys_uffd_zero(int uffd, void *at, size_t len)
{
	struct uffdio_zeropage z = {.mode = 0};
	size_t done = 0;
	int err = 0;

	while (done < len) {
		z.range.start = (u64)at + done;
		z.range.len = len - done;
		z.zeropage = 0;
		err = call(uffd, UFFDIO_ZEROPAGE, &z);
		if (!err)
			return 0;
		if (z.zeropage > 0)
			done += (size_t)z.zeropage;
		else if (err != -EAGAIN)
			return err;
	}
	return 0;
}

int sys_uffd_protect(int uffd, void *at, size_t len, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = {(u64)at, len},
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	int err;

	do
		err = call(uffd, UFFDIO_WRITEPROTECT, &wp);
	while (err == -EAGAIN);
	return err;
}
