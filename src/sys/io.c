/* io.c - by number, as in file.c. */
#include "sys/io.h"

#include "sys/clock.h"
#include "sys/fault.h"
#include "sys/file.h"
#include "sys/result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- opening ---- */

static int open_unnamed(const char *dir)
{
	if (sys_fault(SYS_FAULT_TMPFILE))
		return -EOPNOTSUPP;
	return sys_open(dir, O_TMPFILE | O_RDWR | O_EXCL, 0600);
}

/* For file systems without O_TMPFILE. A name that is there already is nobody's to open. */
static int open_named(const char *dir)
{
	char path[512];
	int saved = errno, fd, n;

	n = snprintf(path, sizeof(path), "%s/.memcg-swap-%d-%lx", dir, getpid(),
		     (unsigned long)sys_clock_ns());
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd >= 0)
		syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	errno = saved;
	return fd;
}

int sys_open_temp(const char *dir)
{
	int fd = open_unnamed(dir);

	/* EISDIR, ENOENT: what kernels say that do not know the flag. */
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -ENOENT || fd == -EINVAL)
		fd = open_named(dir);
	return fd;
}

int sys_file_info(int fd, struct sys_file_info *info)
{
	int saved = errno, err;
	struct stat st;

	if (sys_fault(SYS_FAULT_STAT))
		return -EIO;
	err = (int)sys_result(fstat(fd, &st), saved);
	if (err)
		return err;
	*info = (struct sys_file_info){
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = (u64)st.st_size,
		.owner = st.st_uid,
		.mode = st.st_mode & 07777,
		.regular = S_ISREG(st.st_mode),
	};
	return 0;
}

u32 sys_user_id(void)
{
	return (u32)syscall(SYS_geteuid);
}

int sys_lock_file(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int saved = errno;

	if (sys_fault(SYS_FAULT_LOCK))
		return -EAGAIN;
	return (int)sys_result(syscall(SYS_fcntl, fd, F_OFD_SETLK, &whole), saved);
}

int sys_direct(int fd, bool on)
{
	int saved = errno, flags;

	if (on && sys_fault(SYS_FAULT_DIRECT))
		return -EINVAL;
	flags = (int)sys_result(syscall(SYS_fcntl, fd, F_GETFL), saved);
	if (flags < 0)
		return flags;
	flags = on ? flags | O_DIRECT : flags & ~O_DIRECT;
	return (int)sys_result(syscall(SYS_fcntl, fd, F_SETFL, flags), saved);
}

/* ---- space ---- */

int sys_allocate(int fd, u64 offset, u64 len)
{
	int saved = errno, err;

	if (sys_fault(SYS_FAULT_ALLOCATE))
		return -ENOSPC;
	do
		err = (int)sys_result(syscall(SYS_fallocate, fd, 0, offset, len), saved);
	while (err == -EINTR);
	return err;
}

u64 sys_file_size_limit(void)
{
	int saved = errno;
	struct rlimit limit;

	if (sys_result(syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit), saved))
		return UINT64_MAX;
	return limit.rlim_cur;
}

/* ---- pages ---- */

struct transfer {
	struct iovec iov[SYS_IO_PAGES];
	struct iovec *at; /* what is left */
	int left;
};

static void transfer_begin(struct transfer *t, void *const pages[], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		t->iov[i] = (struct iovec){.iov_base = pages[i], .iov_len = PAGE_SIZE};
	t->at = t->iov;
	t->left = (int)n;
}

static void transfer_advance(struct transfer *t, size_t bytes)
{
	while (t->left && bytes >= t->at->iov_len) {
		bytes -= t->at->iov_len;
		t->at++;
		t->left--;
	}
	if (bytes) {
		t->at->iov_base = (char *)t->at->iov_base + bytes;
		t->at->iov_len -= bytes;
	}
}

static ssize_t write_some(int fd, const struct transfer *t, u64 offset)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_PWRITEV))
		return -ENOSPC;
	return sys_result(syscall(SYS_pwritev, fd, t->at, t->left, offset, 0L), saved);
}

int sys_write_pages(int fd, const void *const pages[], unsigned n, u64 offset)
{
	struct transfer t;

	transfer_begin(&t, (void *const *)pages, n);
	while (t.left) {
		ssize_t r = write_some(fd, &t, offset);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return (int)r;
		if (!r) /* no device says so for ever; do not spin on one that does */
			return -EIO;
		offset += (u64)r;
		transfer_advance(&t, (size_t)r);
	}
	return 0;
}

static ssize_t read_some(int fd, const struct transfer *t, u64 offset)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_PREADV))
		return -EIO;
	return sys_result(syscall(SYS_preadv, fd, t->at, t->left, offset, 0L), saved);
}

int sys_read_pages(int fd, void *const pages[], unsigned n, u64 offset)
{
	struct transfer t;

	transfer_begin(&t, pages, n);
	while (t.left) {
		ssize_t r = read_some(fd, &t, offset);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return (int)r;
		if (!r)
			break;
		offset += (u64)r;
		transfer_advance(&t, (size_t)r);
	}
	return (int)n - t.left;
}
