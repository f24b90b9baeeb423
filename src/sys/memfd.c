/* memfd.c - by number: older C libraries lack some of the calls, and ours may be taken over. */
#include "sys/memfd.h"

#include "base/bits.h"
#include "sys/fault.h"
#include "sys/file.h"
#include "sys/result.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
/* Linux 5.18; headers may be older. The plain one refuses what the program has locked. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

int sys_memfd(u64 size)
{
	int saved = errno;
	long fd = -EMFILE, err;

	if (sys_fault(SYS_FAULT_MEMFD))
		return (int)fd;
	/* Linux 6.3 warns once about one that does not say whether it may be executed. */
	fd = sys_result(syscall(SYS_memfd_create, "memcg", MFD_CLOEXEC | MFD_NOEXEC_SEAL), saved);
	if (fd == -EINVAL)
		fd = sys_result(syscall(SYS_memfd_create, "memcg", MFD_CLOEXEC), saved);
	if (fd < 0)
		return (int)fd;
	err = sys_result(syscall(SYS_ftruncate, (int)fd, size), saved);
	if (err < 0) {
		sys_close((int)fd);
		return (int)err;
	}
	return (int)fd;
}

/*
 * A dump has the pages through no mapping: the program's own are enough to debug it. Never by huge
 * pages, whatever shmem_enabled says: of one that cannot be split, since a socket has it, the
 * system clears a part where it lies, in place of giving up that memory (sys_punch). Nor are they
 * made later, which is done by mapping. A system without them refuses.
 */
static void advise(void *at, size_t len)
{
	int saved = errno;

	syscall(SYS_madvise, at, len, MADV_DONTFORK);
	syscall(SYS_madvise, at, len, MADV_DONTDUMP);
	syscall(SYS_madvise, at, len, MADV_NOHUGEPAGE);
	errno = saved;
}

/*
 * Accessible only when it stands: after mlockall(MCL_FUTURE) the system brings in all of a mapping
 * that may be accessed, which is the whole file. What becomes accessible later it leaves as it is.
 */
int sys_map_shared(void *at, size_t len, int prot, int fd, u64 offset)
{
	int saved = errno;
	long r;

	if (sys_fault(SYS_FAULT_WINDOW))
		return -ENOMEM;
	r = sys_result(syscall(SYS_mmap, at, len, PROT_NONE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
			       fd, offset),
		       saved);
	if (r < 0 && r > -4096)
		return (int)r;
	advise(at, len);
	if (prot == PROT_NONE)
		return 0;
	r = sys_result(syscall(SYS_mprotect, at, len, prot), saved);
	if (r < 0)
		sys_unreserve_shared(at, len);
	return (int)r;
}

int sys_unreserve_shared(void *at, size_t len)
{
	int saved = errno;
	long r =
		sys_result(syscall(SYS_mmap, at, len, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0L),
			   saved);

	return r < 0 && r > -4096 ? (int)r : 0;
}

int sys_punch(int fd, u64 offset, u64 len)
{
	int saved = errno;

	if (sys_fault(SYS_FAULT_PUNCH))
		return -EIO;
	return (int)sys_result(
		syscall(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len),
		saved);
}

int sys_fill(int fd, u64 offset, u64 len)
{
	int saved = errno;
	long r;

	if (sys_fault(SYS_FAULT_FILL))
		return -ENOSPC;
	do
		r = sys_result(syscall(SYS_fallocate, fd, 0, offset, len), saved);
	while (r == -EINTR);
	return (int)r;
}

int sys_populate(void *at, u64 len)
{
	int saved = errno;
	long r;

	if (sys_fault(SYS_FAULT_FILL))
		return -ENOSPC;
	do
		r = sys_result(syscall(SYS_madvise, at, len, MADV_POPULATE_WRITE), saved);
	while (r == -EINTR || r == -EAGAIN);
	return (int)r;
}

u64 sys_file_memory(int fd)
{
	int saved = errno;
	struct stat st;

	if (sys_result(syscall(SYS_fstat, fd, &st), saved) < 0)
		return 0;
	return (u64)st.st_blocks * 512;
}

/* --- zapping ----------------------------------------------------------------------- */

/* Linux's PIDFD_SELF_THREAD, since 6.14: where a call wants a descriptor of a process. */
#define PIDFD_OF_SELF (-10000)

/* One advice for many ranges. */
static int advise_vector(int pidfd, const struct span *spans, unsigned n)
{
	struct iovec iov[64];
	int saved = errno;
	long r = 0;
	unsigned i, at = 0;

	while (at < n && r >= 0) {
		unsigned batch = MIN(n - at, (unsigned)ARRAY_SIZE(iov));
		size_t len = 0;

		for (i = 0; i < batch; i++) {
			iov[i] = (struct iovec){spans[at + i].at, spans[at + i].len};
			len += spans[at + i].len;
		}
		r = sys_result(syscall(SYS_process_madvise, pidfd, iov, (size_t)batch,
				       MADV_DONTNEED_LOCKED, 0u),
			       saved);
		if (r >= 0 && (size_t)r != len)
			r = -EAGAIN; /* part of it: the caller does all of it again, singly */
		at += batch;
	}
	return r < 0 ? (int)r : 0;
}

/*
 * Not kept: the program could close it, and to the child of a fork it would be the parent. It is
 * dearer than the rest of the call.
 */
static int zap_by_pidfd(const struct span *spans, unsigned n)
{
	int saved = errno, err;
	long pidfd = sys_result(syscall(SYS_pidfd_open, (int)syscall(SYS_getpid), 0), saved);

	if (pidfd < 0)
		return (int)pidfd;
	err = advise_vector((int)pidfd, spans, n);
	sys_close((int)pidfd);
	return err;
}

/* Of the own process: since Linux 6.13. */
static int zap_vector(const struct span *spans, unsigned n)
{
	static bool self_refused; /* racy; a second try does no harm */
	int err;

	if (sys_fault(SYS_FAULT_ZAP))
		return -ENOSYS;
	if (!__atomic_load_n(&self_refused, __ATOMIC_RELAXED)) {
		err = sys_fault(SYS_FAULT_PIDFD) ? -EBADF : advise_vector(PIDFD_OF_SELF, spans, n);
		if (err != -EBADF)
			return err;
		__atomic_store_n(&self_refused, true, __ATOMIC_RELAXED);
	}
	return zap_by_pidfd(spans, n);
}

static int advise_one(const struct span *s, int advice)
{
	int saved = errno;
	long r;

	do
		r = sys_result(syscall(SYS_madvise, s->at, s->len, advice), saved);
	while (r == -EINTR || r == -EAGAIN);
	return (int)r;
}

/* ENOMEM: nothing is mapped in part of it, and the rest is done. */
static int zap_one(const struct span *s)
{
	int err;

	if (sys_fault(SYS_FAULT_DONTNEED))
		return -EINVAL;
	err = advise_one(s, MADV_DONTNEED_LOCKED);
	if (err == -EINVAL) /* a system that does not know it */
		err = advise_one(s, MADV_DONTNEED);
	return err == -ENOMEM ? 0 : err;
}

int sys_zap(const struct span *spans, unsigned n)
{
	static bool vectored_refused; /* racy; a second try does no harm */
	int err = 0;

	if (n > 1 && !__atomic_load_n(&vectored_refused, __ATOMIC_RELAXED)) {
		err = zap_vector(spans, n);
		if (!err)
			return 0;
		if (err == -ENOSYS || err == -EPERM || err == -EINVAL)
			__atomic_store_n(&vectored_refused, true, __ATOMIC_RELAXED);
	}
	err = 0;
	for (unsigned i = 0; i < n; i++) {
		int one = zap_one(&spans[i]);

		err = err ? err : one;
	}
	return err;
}
