/*
 * send.c - fragments out again, without being copied together first.
 *
 * Fragments whose bytes lie side by side are one entry of the vector, so what was received into
 * adjacent pages is sent as one piece. The system copies; when the call is back it reads them
 * no more, and the pages may be put, taken and written to.
 *
 * Uncopied (MEMCG_SEND_UNCOPIED) the system has the pages themselves until the peer has read them,
 * and nobody says when that is. So they are marked NET_SENT, before the call: the pool takes the
 * memory from under such a page before it is used again (punch.c), and the system keeps the old.
 *
 * By MSG_ZEROCOPY the system has the pages as well, and says when it is through: until then they
 * have references that count (flight.h). A send that cannot be followed so is copied.
 */
#include "net/flight.h"
#include "net/net.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sys/sock.h"

#define SEND_RUNS 256u /* entries in one call: 4 KiB of stack */

struct send {
	struct iovec iov[SEND_RUNS];
	unsigned runs;
	size_t bytes;
};

static bool fits(const struct memcg_frag *f)
{
	return f->offset <= PAGE_SIZE && f->length <= PAGE_SIZE - f->offset;
}

/* In the child of a fork its parent's pages have no memory: there would be zeroes. */
static bool is_here(const struct page *pg)
{
	const struct memcg_pool *p = pg->kind == PAGE_NET ? pool_of(pg) : NULL;

	return !p || atomic_load(&p->state) != POOL_FORKED;
}

static bool may_send(const struct memcg_frag *f)
{
	return !f->page || (fits(f) && is_here((const struct page *)f->page));
}

/* False: there is no room for another piece. */
static bool add(struct send *s, const struct memcg_frag *f)
{
	char *at = (char *)page_address((struct page *)f->page) + f->offset;
	struct iovec *last = &s->iov[s->runs ? s->runs - 1 : 0];

	if (s->runs && (char *)last->iov_base + last->iov_len == at)
		last->iov_len += f->length;
	else if (s->runs == SEND_RUNS)
		return false;
	else
		s->iov[s->runs++] = (struct iovec){at, f->length};
	s->bytes += f->length;
	return true;
}

/* As many fragments as one call takes; how many. */
static size_t gather(struct send *s, const struct memcg_frag *frags, size_t n)
{
	size_t i;

	s->runs = 0;
	s->bytes = 0;
	for (i = 0; i < n; i++)
		if (frags[i].page && frags[i].length && !add(s, &frags[i]))
			break;
	return i;
}

static ssize_t call(int fd, struct send *s, int flags)
{
	struct msghdr m = {.msg_iov = s->iov, .msg_iovlen = s->runs};
	ssize_t sent = sys_sendmsg(fd, &m, flags);

	return sent == -ENOTSOCK && !(flags & ~MSG_MORE) ? sys_writev(fd, s->iov, s->runs) : sent;
}

/*
 * The fragments of s, whose pages the system may read on. -ENOBUFS: it can note down no more;
 * -EOPNOTSUPP: it cannot be followed.
 */
static ssize_t call_followed(int fd, struct send *s, const struct memcg_frag *frags, size_t n,
			     int flags)
{
	struct flight *f = s->bytes ? flight_begin(fd, frags, n) : NULL;
	ssize_t sent;

	if (!f)
		return -EOPNOTSUPP;
	sent = call(fd, s, flags);
	flight_end(f, frags, n, sent > 0 ? (size_t)sent : 0);
	return sent;
}

/* What the system has told of makes room; else, or where it is not done at all, it is copied. */
static ssize_t call_uncopied(int fd, struct send *s, const struct memcg_frag *frags, size_t n,
			     int flags)
{
	ssize_t sent;

	do
		sent = call_followed(fd, s, frags, n, flags);
	while (sent == -ENOBUFS && flight_complete(fd) > 0);
	if (sent == -ENOBUFS || sent == -EOPNOTSUPP)
		return call(fd, s, flags & ~MSG_ZEROCOPY);
	return sent;
}

/* A byte is in them: the system is told of more only if more comes, or it would wait for it. */
static bool any_bytes(const struct memcg_frag *frags, size_t n)
{
	size_t i = 0;

	while (i < n && (!frags[i].page || !frags[i].length))
		i++;
	return i < n;
}

static ssize_t send_gathered(int fd, const struct memcg_frag *frags, size_t n, int flags)
{
	bool zerocopy = flags & MSG_ZEROCOPY;
	struct send s;
	size_t at = 0, done = 0;
	ssize_t sent;
	bool left;

	do {
		size_t most = zerocopy ? MIN(n - at, (size_t)FLIGHT_FRAGS) : n - at;
		size_t more = gather(&s, frags + at, most);
		int with;

		left = any_bytes(frags + at + more, n - at - more);
		with = flags | (left ? MSG_MORE : 0);
		/* A message goes out whole or not at all. */
		if (!at && left && sys_keeps_messages(fd))
			return -EMSGSIZE;
		sent = zerocopy ? call_uncopied(fd, &s, frags + at, more, with)
				: call(fd, &s, with);
		at += more;
		if (sent < 0)
			return done ? (ssize_t)done : sent;
		done += (size_t)sent;
	} while (left && (size_t)sent == s.bytes);
	return (ssize_t)done;
}

/* --- uncopied ------------------------------------------------------------------------------- */

static u64 file_offset(const struct memcg_frag *f)
{
	return managed_offset(page_to_index((struct page *)f->page)) + f->offset;
}

/* Bytes that lie side by side in the file, from the first fragment on; *n: in how many. */
static size_t run_of(const struct memcg_frag *frags, size_t left, size_t *n)
{
	size_t bytes = frags[0].length;

	for (*n = 1; *n < left && frags[*n].page; ++*n) {
		if (file_offset(&frags[*n]) != file_offset(&frags[0]) + bytes)
			break;
		bytes += frags[*n].length;
	}
	return bytes;
}

static void mark_sent(const struct memcg_frag *frags, size_t n)
{
	for (size_t i = 0; i < n; i++)
		atomic_or(&((struct page *)frags[i].page)->net.flags, (u8)NET_SENT);
}

static bool all_network(const struct memcg_frag *frags, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (frags[i].page && ((struct page *)frags[i].page)->kind != PAGE_NET)
			return false;
	return true;
}

static ssize_t send_uncopied(int fd, const struct memcg_frag *frags, size_t n)
{
	size_t done = 0, step, bytes;
	ssize_t sent;

	if (!all_network(frags, n) || sys_keeps_messages(fd))
		return -EINVAL;
	for (size_t i = 0; i < n; i += step) {
		step = 1;
		if (!frags[i].page || !frags[i].length)
			continue;
		bytes = run_of(frags + i, n - i, &step);
		mark_sent(frags + i, step);
		sent = sys_sendfile(fd, managed_fd(), file_offset(&frags[i]), bytes);
		if (sent < 0)
			return done ? (ssize_t)done : sent;
		done += (size_t)sent;
		if ((size_t)sent < bytes)
			break;
	}
	return (ssize_t)done;
}

/* A message is not to be cut into several sends. */
static bool may_be_followed(int fd, const struct memcg_frag *frags, size_t n)
{
	return all_network(frags, n) && (n <= FLIGHT_FRAGS || !sys_keeps_messages(fd));
}

ssize_t memcg_frags_send(int fd, const struct memcg_frag *frags, size_t n, int flags)
{
	if (!frags)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!may_send(&frags[i]))
			return -EINVAL;
	if (flags & MEMCG_SEND_UNCOPIED)
		return flags == MEMCG_SEND_UNCOPIED ? send_uncopied(fd, frags, n) : -EINVAL;
	if (flags & MSG_ZEROCOPY && !may_be_followed(fd, frags, n))
		flags &= ~MSG_ZEROCOPY;
	return send_gathered(fd, frags, n, flags);
}
