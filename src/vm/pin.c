/*
 * pin.c - pages that are in memory and stay: a reference each, taken while they are mapped.
 * Eviction freezes a count of one, so it leaves them alone. Each pin is a reference of the window
 * as well: unmapped, it keeps its addresses until the last one is given back, by the same address.
 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "alloc/thread.h"
#include "group/stuck.h"
#include "vm/fault.h"

static void unpin_pages(struct window *w, u32 i, u32 n)
{
	for (u32 k = i; k < i + n; k++)
		page_put(window_any_page(w, k));
	stuck_over();
	window_put_many(w, n);
}

struct range {
	uintptr_t at, end;
};

static bool range_of(const void *addr, size_t length, struct range *r)
{
	r->at = ALIGN_DOWN((uintptr_t)addr, PAGE_SIZE);
	return length && !__builtin_add_overflow((uintptr_t)addr, length, &r->end) &&
	       r->end <= UINTPTR_MAX - PAGE_SIZE;
}

/* Of the window the range begins in, how many of its pages it has there. NULL: not managed. */
static struct window *first_of(struct window *w, const struct range *r, u32 *i, u32 *n)
{
	if (!w)
		return NULL;
	*i = window_index(w, r->at);
	*n = (u32)MIN((u64)(w->npages - *i), DIV_ROUND_UP(r->end - r->at, PAGE_SIZE));
	if (*i < w->npages)
		return w;
	window_put(w);
	return NULL;
}

void memcg_unpin(const void *addr, size_t length)
{
	struct range r;
	struct window *w;
	u32 i, n;

	if (!range_of(addr, length, &r))
		return;
	for (; r.at < r.end; r.at += (uintptr_t)n << PAGE_SHIFT) {
		w = first_of(window_find_unmapped(r.at), &r, &i, &n);
		if (!w)
			return;
		unpin_pages(w, i, n);
		window_put(w);
	}
}

int memcg_pin(const void *addr, size_t length)
{
	struct range r;
	struct window *w;
	u32 i, n, done = 0;
	int err = 0;

	if (!length)
		return 0;
	if (!range_of(addr, length, &r))
		return -EFAULT;
	thread_need();
	for (; !err && r.at < r.end; r.at += (uintptr_t)done << PAGE_SHIFT) {
		w = first_of(window_find(r.at), &r, &i, &n);
		if (!w) {
			err = -EFAULT;
			break;
		}
		err = fault_range(w, i, n, FAULT_PIN, &done);
		atomic_add(&w->refs, (u64)done);
		window_put(w);
	}
	if (err && r.at > (uintptr_t)addr)
		memcg_unpin(addr, r.at - (uintptr_t)addr);
	return err;
}

/* --- system calls ----------------------------------------------------------------------- */

/* Any buffer: one that is not managed needs nothing. False: errno. */
static bool io_begin(const void *buf, size_t n)
{
	int err = window_has(buf) ? memcg_pin(buf, n) : 0;

	if (err)
		errno = -err;
	return !err;
}

static void io_end(const void *buf, size_t n)
{
	if (window_has(buf))
		memcg_unpin(buf, n);
}

ssize_t memcg_io_read(int fd, void *buf, size_t n)
{
	ssize_t r;

	if (!io_begin(buf, n))
		return -1;
	r = read(fd, buf, n);
	io_end(buf, n);
	return r;
}

ssize_t memcg_io_write(int fd, const void *buf, size_t n)
{
	ssize_t r;

	if (!io_begin(buf, n))
		return -1;
	r = write(fd, buf, n);
	io_end(buf, n);
	return r;
}

ssize_t memcg_io_recv(int fd, void *buf, size_t n, int flags)
{
	ssize_t r;

	if (!io_begin(buf, n))
		return -1;
	r = recv(fd, buf, n, flags);
	io_end(buf, n);
	return r;
}

ssize_t memcg_io_send(int fd, const void *buf, size_t n, int flags)
{
	ssize_t r;

	if (!io_begin(buf, n))
		return -1;
	r = send(fd, buf, n, flags);
	io_end(buf, n);
	return r;
}

static void vector_end(const struct iovec *iov, int n)
{
	while (n-- > 0)
		io_end(iov[n].iov_base, iov[n].iov_len);
}

/* All of them, or none. A number that the system would refuse is its to refuse. */
static bool vector_begin(const struct iovec *iov, int n)
{
	if (n > IOV_MAX) {
		errno = EINVAL;
		return false;
	}
	for (int i = 0; i < n; i++) {
		int err;

		if (io_begin(iov[i].iov_base, iov[i].iov_len))
			continue;
		err = errno;
		vector_end(iov, i);
		errno = err;
		return false;
	}
	return true;
}

ssize_t memcg_io_readv(int fd, const struct iovec *iov, int n)
{
	ssize_t r;

	if (!vector_begin(iov, n))
		return -1;
	r = readv(fd, iov, n);
	vector_end(iov, n);
	return r;
}

ssize_t memcg_io_writev(int fd, const struct iovec *iov, int n)
{
	ssize_t r;

	if (!vector_begin(iov, n))
		return -1;
	r = writev(fd, iov, n);
	vector_end(iov, n);
	return r;
}
