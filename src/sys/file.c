/* file.c - by number, because libc's open, read and write are cancellation points. */
#include "sys/file.h"

#include "sys/fault.h"
#include "sys/result.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int sys_open(const char *path, int flags, unsigned mode)
{
	int saved = errno;
	ssize_t fd;

	if (sys_fault(SYS_FAULT_OPEN))
		return -EMFILE;
	do
		fd = sys_result(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode),
				saved);
	while (fd == -EINTR);
	return (int)fd;
}

/* Not repeated when interrupted: Linux has freed the number by then, it may be another file's. */
void sys_close(int fd)
{
	int saved = errno;

	syscall(SYS_close, fd);
	errno = saved;
}

static ssize_t read_once(int fd, void *buf, size_t n)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_READ))
		return -EIO;
	return sys_result(syscall(SYS_read, fd, buf, n), saved);
}

ssize_t sys_read_full(int fd, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read_once(fd, (char *)buf + done, n - done);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (!r)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

static ssize_t pread_once(int fd, void *buf, size_t n, u64 offset)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_READ))
		return -EIO;
	return sys_result(syscall(SYS_pread64, fd, buf, n, offset), saved);
}

ssize_t sys_pread_full(int fd, void *buf, size_t n, u64 offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread_once(fd, (char *)buf + done, n - done, offset + done);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (!r)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

static ssize_t write_once(int fd, const void *buf, size_t n)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_WRITE))
		return -ENOSPC;
	return sys_result(syscall(SYS_write, fd, buf, n), saved);
}

int sys_write_full(int fd, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write_once(fd, (const char *)buf + done, n - done);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return (int)r;
		if (!r) /* no device says so for ever; do not spin on one that does */
			return -EIO;
		done += (size_t)r;
	}
	return 0;
}

static ssize_t pwrite_once(int fd, const void *buf, size_t n, u64 offset)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_PWRITEV))
		return -ENOSPC;
	return sys_result(syscall(SYS_pwrite64, fd, buf, n, offset), saved);
}

int sys_pwrite_full(int fd, const void *buf, size_t n, u64 offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pwrite_once(fd, (const char *)buf + done, n - done, offset + done);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return (int)r;
		if (!r)
			return -EIO;
		done += (size_t)r;
	}
	return 0;
}

int sys_fsync(int fd)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_FSYNC))
		return -EIO;
	return (int)sys_result(syscall(SYS_fsync, fd), saved);
}

int sys_open_flags(int fd)
{
	int saved = errno;

	return (int)sys_result(syscall(SYS_fcntl, fd, F_GETFL), saved);
}

int sys_eventfd(void)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_EVENTFD))
		return -EMFILE;
	return (int)sys_result(syscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK), saved);
}

int sys_dup(int fd)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_DUP))
		return -EMFILE;
	return (int)sys_result(syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0), saved);
}

int sys_eventfd_signal(int fd)
{
	const u64 one = 1;
	int err = sys_write_full(fd, &one, sizeof(one));

	return err == -EAGAIN ? 0 : err;
}

void sys_eventfd_clear(int fd)
{
	u64 n;

	(void)sys_read_full(fd, &n, sizeof(n));
}

int sys_read_text(const char *path, char *buf, size_t n)
{
	ssize_t len;
	char more;
	int fd;

	buf[0] = '\0';
	fd = sys_open(path, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	len = sys_read_full(fd, buf, n - 1);
	buf[len < 0 ? 0 : len] = '\0';
	if (len == (ssize_t)(n - 1) && sys_read_full(fd, &more, 1) == 1)
		len = -EFBIG;
	sys_close(fd);
	return (int)len;
}
