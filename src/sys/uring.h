/*
 * uring.h - io_uring as one thread uses it for itself: set up, mapped, entered. What is written
 * into the rings, and in which order, is the caller's. By number, like the rest: liburing would be
 * a dependency for four calls, and Debian 12's has no call for rings of buffers. Headers older than
 * a feature lack its numbers: they are here. Errors are -errno, errno itself is untouched; nothing
 * allocates, nothing is a cancellation point.
 */
#ifndef MEMCG_SYS_URING_H
#define MEMCG_SYS_URING_H

#include <linux/io_uring.h>

#include "base/compiler.h"
#include "base/types.h"

#define URING_FEAT_BUNDLE     (1u << 14) /* Linux 6.10: one receive fills several buffers */
#define URING_RECV_BUNDLE     (1u << 4)	 /* asks for that */
#define URING_CQE_F_BUF_MORE  (1u << 4)	 /* the buffer named is not used up */
#define URING_BUFFERS_PARTIAL 2u	 /* Linux 6.12: a receive begins where the last one ended */

struct sys_uring {
	int fd;
	u32 features;
	void *rings;
	size_t rings_len;
	struct io_uring_sqe *sqes;
	size_t sqes_len;
	u32 *sq_head, *sq_tail, *sq_flags, *sq_array; /* shared with the system, as those below */
	u32 *cq_head, *cq_tail;
	u32 sq_mask, cq_mask;
	struct io_uring_cqe *cqes;
};

/*
 * Of the calling thread: no other may enter it, and what it asked for completes while it is in
 * sys_uring_enter, so that no other system call of the thread is interrupted. Not inherited by
 * exec. -ENOSYS, -EINVAL: not this system (before Linux 6.1); -EPERM: forbidden here; -ENOMEM,
 * -EMFILE.
 */
__hidden_ int sys_uring_setup(struct sys_uring *u, u32 sq_entries, u32 cq_entries);
/*
 * The system is done with a closed ring some time later, by a signal of its own to the ring's
 * thread: a call that this sleeps in then would end with -EINTR. So that thread waits here until it
 * is: some ten milliseconds; a second at most, where somebody else has the ring open (the child of
 * a fork).
 */
__hidden_ void sys_uring_close(struct sys_uring *u);

/*
 * Submits so many, and brings what has completed into the ring; waits for one when there is none if
 * `wait`, at most timeout_ns (negative: without limit). How many were submitted; -ETIME; -EINTR.
 */
__hidden_ int sys_uring_enter(const struct sys_uring *u, u32 submit, bool wait, s64 timeout_ns);

/* A page of `entries` struct io_uring_buf, group 0; flags: URING_BUFFERS_PARTIAL, or -EINVAL. */
__hidden_ int sys_uring_buffers(const struct sys_uring *u, void *ring, u32 entries, u32 flags);
__hidden_ int sys_uring_no_buffers(const struct sys_uring *u);

/*
 * An eventfd that is written to when something completes, or could. The ring's own descriptor is
 * readable then, too, but who sleeps on it is not woken (seen on Linux 6.18).
 */
__hidden_ int sys_uring_notify(const struct sys_uring *u, int eventfd);

#endif
