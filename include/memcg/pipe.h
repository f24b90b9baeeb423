/*
 * memcg/pipe.h - a byte channel inside the process, on counted pages. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_PIPE_H
#define MEMCG_PIPE_H

#include <memcg/page.h>

MEMCG_BEGIN_DECLS

/**
 * As pipe(2), without the system: what is written lies in MEMCG_PAGE_BUFFER pages until it is read,
 * or in the program's own (memcg_pipe_write_page). Each page it takes is charged to the group that
 * was active where it was taken; once that is destroyed, to its parent. Any thread may use either
 * end; several may at once. Up to 4096 bytes are written in one piece; of larger writes, and of
 * reads, two threads' pages may alternate.
 */
struct memcg_pipe;

enum memcg_pipe_flags {
	MEMCG_PIPE_NONBLOCK = 1u << 0 /**< -EAGAIN rather than to wait */
};

enum memcg_pipe_end { MEMCG_PIPE_READ = 0, MEMCG_PIPE_WRITE = 1 };

/**
 * A pipe that holds up to `pages` pages of 4096 bytes (1 to 1024; 0: 16). NULL and errno: EINVAL,
 * ENOMEM. Costs 16 bytes for each page of capacity, charged to nobody. The child of a fork
 * must not use its parent's pipes.
 */
MEMCG_API MEMCG_NODISCARD struct memcg_pipe *memcg_pipe_create(unsigned pages, unsigned flags);

/** Ends a pipe: drops what is in it, closes its descriptors. No thread is in a call of it. NULL is
 * allowed. */
MEMCG_API void memcg_pipe_destroy(struct memcg_pipe *pipe);

/**
 * Closes one end for all threads, and wakes who waits. READ: what is in it is dropped, and writes
 * are -EPIPE (there is no signal). WRITE: reads get what is left, and then 0. Calls of an
 * end that is closed are -EBADF. 0; again: 0; -EINVAL for another end.
 */
MEMCG_API int memcg_pipe_close(struct memcg_pipe *pipe, unsigned end);

/**
 * Writes up to n bytes, charged to the active group; what fits into the last page is put there, as
 * long as that page is nowhere else, and charges nobody. Waits until all is written. Bytes, fewer
 * when stopped on the way; or when none were written -EAGAIN (full), -EPIPE, -EBADF, -ENOMEM (over
 * a max, after reclaim), -EINTR (a signal handler ran). A copy and a short lock a page.
 */
MEMCG_API ssize_t memcg_pipe_write(struct memcg_pipe *pipe, const void *buf, size_t n);

/**
 * Writes n bytes of a page from offset on, uncopied: the pipe has a reference of its own, and
 * whoever pays for the page goes on doing so. For network pages (a fragment's page, offset and
 * length) and MEMCG_PAGE_BUFFER pages of 4096 bytes; what the caller changes in it later is read
 * so. Takes a place of `pages` for itself, and waits for one as a write does. n; -EAGAIN (full),
 * -EPIPE, -EBADF, -EINTR; -EINVAL: another page, no bytes, or not all in it. A short lock.
 */
MEMCG_API ssize_t memcg_pipe_write_page(struct memcg_pipe *pipe, struct memcg_page *page,
					size_t offset, size_t n);

/** Reads up to n bytes, and waits for the first. Bytes; 0: the end; -EAGAIN (empty), -EBADF,
 * -EINTR. */
MEMCG_API ssize_t memcg_pipe_read(struct memcg_pipe *pipe, void *buf, size_t n);

/**
 * Puts the next n bytes of `from` into `to` too: the same pages, counted once more, copied and
 * charged no second time. They stay in `from`. All at one moment, as many as there are and there is
 * room for; waits for the first. Bytes; 0: the end of `from`; -EAGAIN (the
 * one to wait for is non-blocking), -EPIPE, -EBADF, -EINTR; -EINVAL when both are one.
 */
MEMCG_API ssize_t memcg_pipe_tee(struct memcg_pipe *from, struct memcg_pipe *to, size_t n);

/**
 * Takes the next page out, uncopied: its bytes, at *offset in it; *page is the caller's, to be
 * given back with memcg_page_put(), and paid for by the active group, no more by the
 * writer's; a network page goes home to its pool by that put. Waits as a read. 0: the end; -EBUSY:
 * somebody else has the page too (a tee, a memcg_page_tryget), -ENOMEM: over the active group's
 * max, after reclaim; then it can be read still. -EAGAIN, -EBADF, -EINTR.
 */
MEMCG_API ssize_t memcg_pipe_steal(struct memcg_pipe *pipe, struct memcg_page **page,
				   size_t *offset);

/**
 * An eventfd to poll(2) for POLLIN: READ: there is something to read, or an end is closed; WRITE:
 * there is room for a page, or an end is closed. It is the pipe's, the same at every call, until
 * memcg_pipe_destroy(): not to be read, written or closed. The descriptor; -EINVAL, -EMFILE,
 * -ENFILE, -ENOMEM. From then on a system call each time that changes.
 */
MEMCG_API int memcg_pipe_eventfd(struct memcg_pipe *pipe, unsigned end);

MEMCG_END_DECLS

#endif
