/* uring.c - by number, as in file.c. */
#include "sys/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/time_types.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys/fault.h"
#include "sys/file.h"
#include "sys/result.h"

#define SETUP                                                                            \
	(IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | \
	 IORING_SETUP_TASKRUN_FLAG)
#define GOING_TURNS 50u
#define GOING_NS    20000000
#define FEATURES    (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG)

/* --- set up ---------------------------------------------------------------------------------- */

/* Not for the child of a fork: entries it completes would be its parent's. */
static void *map(int fd, size_t len, u64 what)
{
	void *at =
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)what);

	return at == MAP_FAILED ? NULL : at;
}

static void find_rings(struct sys_uring *u, const struct io_uring_params *p)
{
	char *at = u->rings;

	u->sq_head = (u32 *)(at + p->sq_off.head);
	u->sq_tail = (u32 *)(at + p->sq_off.tail);
	u->sq_flags = (u32 *)(at + p->sq_off.flags);
	u->sq_array = (u32 *)(at + p->sq_off.array);
	u->sq_mask = p->sq_entries - 1;
	u->cq_head = (u32 *)(at + p->cq_off.head);
	u->cq_tail = (u32 *)(at + p->cq_off.tail);
	u->cqes = (struct io_uring_cqe *)(at + p->cq_off.cqes);
	u->cq_mask = p->cq_entries - 1;
}

static size_t rings_length(const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(u32);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	return sq > cq ? sq : cq;
}

static int map_rings(struct sys_uring *u, const struct io_uring_params *p)
{
	u->rings_len = rings_length(p);
	u->sqes_len = p->sq_entries * sizeof(*u->sqes);
	u->rings = map(u->fd, u->rings_len, IORING_OFF_SQ_RING);
	u->sqes = map(u->fd, u->sqes_len, IORING_OFF_SQES);
	if (!u->rings || !u->sqes)
		return -ENOMEM;
	find_rings(u, p);
	return 0;
}

int sys_uring_setup(struct sys_uring *u, u32 sq_entries, u32 cq_entries)
{
	struct io_uring_params p = {.flags = SETUP, .cq_entries = cq_entries};
	int saved = errno, err;

	*u = (struct sys_uring){.fd = -1};
	if (sys_fault(SYS_FAULT_URING_SETUP))
		return -EPERM;
	u->fd = (int)sys_result(syscall(SYS_io_uring_setup, sq_entries, &p), saved);
	if (u->fd < 0)
		return u->fd;
	u->features = p.features;
	err = (p.features & FEATURES) == FEATURES ? map_rings(u, &p) : -EINVAL;
	errno = saved;
	if (err)
		sys_uring_close(u);
	return err;
}

/*
 * Written to by nobody: the system has the one end with the ring, and closes it when it is done
 * with that, and so has told the thread. -1: not the thread's own ring, or there is no pipe to be
 * had.
 */
static int end_of_ring(const struct sys_uring *u)
{
	int ends[2];
	bool kept;

	if (u->fd < 0 || syscall(SYS_pipe2, ends, O_CLOEXEC))
		return -1;
	kept = !syscall(SYS_io_uring_register, u->fd, IORING_REGISTER_FILES, &ends[1], 1);
	sys_close(ends[1]);
	if (kept)
		return ends[0];
	sys_close(ends[0]);
	return -1;
}

/* In turns, not by the clock: where this thread does not run for long, nor does who is waited for.
 */
static void wait_for_end(int fd)
{
	struct pollfd p = {.fd = fd};
	long told = 0;

	for (unsigned i = 0; i < GOING_TURNS && told <= 0; i++) {
		struct timespec turn = {0, GOING_NS};

		told = syscall(SYS_ppoll, &p, 1, &turn, NULL, 8); /* interrupted: by a signal */
	}
}

void sys_uring_close(struct sys_uring *u)
{
	int saved = errno, end = end_of_ring(u);

	if (u->rings)
		munmap(u->rings, u->rings_len);
	if (u->sqes)
		munmap(u->sqes, u->sqes_len);
	if (u->fd >= 0)
		sys_close(u->fd);
	if (end >= 0) {
		wait_for_end(end);
		sys_close(end);
	}
	*u = (struct sys_uring){.fd = -1};
	errno = saved;
}

/* --- used ------------------------------------------------------------------------------------ */

int sys_uring_enter(const struct sys_uring *u, u32 submit, bool wait, s64 timeout_ns)
{
	struct __kernel_timespec ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
	struct io_uring_getevents_arg arg = {.ts = timeout_ns < 0 ? 0 : (u64)(uintptr_t)&ts};
	unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	int saved = errno;

	if (sys_fault(SYS_FAULT_URING))
		return -EINTR;
	return (int)sys_result(
		syscall(SYS_io_uring_enter, u->fd, submit, wait, flags, &arg, sizeof(arg)), saved);
}

/* The kernel's struct io_uring_buf_reg, which has no name for the flags before Linux 6.4. */
struct buffers {
	u64 ring;
	u32 entries;
	u16 group, flags;
	u64 unused[3];
};
_Static_assert(sizeof(struct buffers) == sizeof(struct io_uring_buf_reg), "the system's");

static int call_register(const struct sys_uring *u, unsigned what, void *arg)
{
	int saved = errno;

	return (int)sys_result(syscall(SYS_io_uring_register, u->fd, what, arg, 1), saved);
}

int sys_uring_buffers(const struct sys_uring *u, void *ring, u32 entries, u32 flags)
{
	struct buffers b = {(u64)(uintptr_t)ring, entries, 0, (u16)flags, {0}};

	if (sys_fault(SYS_FAULT_URING_BUFFERS))
		return -EINVAL;
	return call_register(u, IORING_REGISTER_PBUF_RING, &b);
}

int sys_uring_no_buffers(const struct sys_uring *u)
{
	struct buffers b = {0};

	if (sys_fault(SYS_FAULT_URING_BUFFERS))
		return -EINVAL;
	return call_register(u, IORING_UNREGISTER_PBUF_RING, &b);
}

int sys_uring_notify(const struct sys_uring *u, int eventfd)
{
	return call_register(u, IORING_REGISTER_EVENTFD, &eventfd);
}
