/*
 * recv.c - payload into pages of a pool that are paid for before it leaves the socket.
 *
 * 1. A call takes pages, as many as it may use and as fit under every max; they are charged and
 *    nobody else's. One recvmsg fills them, adjacent ones as one entry of its vector. Those
 *    with payload are published, the rest goes back with its charge. A call that fails has
 *    changed nothing.
 * 2. The filling call never waits (MSG_DONTWAIT). Where the program may wait, everything goes back
 *    first, and the thread sleeps in a recvmsg that peeks at one byte: the socket's own
 *    time-outs and interruptions, and nobody is charged for a thread that has nothing. What
 *    cannot be waited for so (MSG_WAITALL, MSG_OOB, MSG_ERRQUEUE, what is no socket) is slept for
 *    with the pages in hand: charged, no lock, no section, no count of ours.
 * 3. A pool may be destroyed meanwhile: it stays as long as a page of it is out, taken ones
 *    too. After the last page has gone back it is not looked at any more.
 * 4. Flags that would tell the program less than the truth are refused: known_flags().
 */
#include "net/net.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sys/sock.h"

#define FLAGS_BYTES   (MSG_DONTWAIT | MSG_PEEK | MSG_WAITALL | MSG_OOB | MSG_NOSIGNAL | MSG_TRUNC)
#define FLAGS_MESSAGE (FLAGS_BYTES | MSG_ERRQUEUE | MSG_CMSG_CLOEXEC)
#define FLAGS_IN_HAND (MSG_WAITALL | MSG_OOB | MSG_ERRQUEUE) /* slept for with the pages */

struct receive {
	struct memcg_pool *pool;
	struct memcg *cg;
	u32 handle; /* 0: nobody pays */
	int fd, flags;
	struct msghdr *msg; /* the program's; NULL: only bytes are wanted */
	int msg_flags;	    /* the last call's */
	u32 most, n;	    /* pages wanted, and taken */
	unsigned runs;
	struct page *pages[NET_BATCH];
	struct iovec iov[NET_BATCH];
};

/* --- the system's call ------------------------------------------------------------------- */

static void runs_make(struct receive *r)
{
	r->runs = 0;
	for (u32 i = 0; i < r->n; i++) {
		struct iovec *last = &r->iov[r->runs - 1];
		char *at = page_address(r->pages[i]);

		if (r->runs && (char *)last->iov_base + last->iov_len == at)
			last->iov_len += PAGE_SIZE;
		else
			r->iov[r->runs++] = (struct iovec){at, PAGE_SIZE};
	}
}

/* Into iov; name, control and what came of the flags are the program's. */
static ssize_t call(struct receive *r, struct iovec *iov, unsigned n, int flags)
{
	struct msghdr m = r->msg ? *r->msg : (struct msghdr){0};
	ssize_t got;

	m.msg_iov = iov;
	m.msg_iovlen = n;
	m.msg_flags = 0;
	got = sys_recvmsg(r->fd, &m, flags);
	if (got == -ENOTSOCK && !r->msg && !r->flags)
		return sys_readv(r->fd, iov, n);
	if (got < 0)
		return got;
	r->msg_flags = m.msg_flags;
	if (r->msg) {
		r->msg->msg_namelen = m.msg_namelen;
		r->msg->msg_controllen = m.msg_controllen;
		r->msg->msg_flags = m.msg_flags;
	}
	return got;
}

static ssize_t fill(struct receive *r)
{
	runs_make(r);
	return call(r, r->iov, r->runs, r->flags | (r->flags & FLAGS_IN_HAND ? 0 : MSG_DONTWAIT));
}

/* Until there is something to read, or an end or an error to be told: >= 0; or why not. */
static ssize_t wait_for(struct receive *r)
{
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	return sys_recvmsg(r->fd, &m, (r->flags & ~MSG_TRUNC) | MSG_PEEK);
}

static bool may_wait(const struct receive *r)
{
	return !(r->flags & (MSG_DONTWAIT | FLAGS_IN_HAND));
}

/* --- pages ----------------------------------------------------------------------------------- */

static int take(struct receive *r)
{
	int got = net_take(r->pool, r->handle, r->cg, r->pages, r->most);

	r->n = got > 0 ? (u32)got : 0;
	return got < 0 ? got : 0;
}

/* Those from the first on go back; the pool may go with the last. */
static void untake(struct receive *r, u32 first)
{
	u32 n = r->n - first;

	net_uncharge_pages(r->handle, n);
	net_untake(r->pool, r->pages + first, n);
	r->n = first;
}

static void hand_over(struct receive *r, size_t bytes, struct memcg_frag *frags)
{
	struct handle *h = r->handle ? handle_of(r->handle) : NULL;
	u32 used = (u32)((MIN(bytes, (size_t)r->n << PAGE_SHIFT) + PAGE_SIZE - 1) >> PAGE_SHIFT);

	for (u32 i = 0; i < used; i++) {
		u32 length = (u32)MIN(bytes, PAGE_SIZE);

		net_publish(r->pages[i], h);
		frags[i] = (struct memcg_frag){(struct memcg_page *)r->pages[i], 0, length};
		bytes -= length;
	}
	if (used && h)
		stat_add(r->handle, STAT_SOCK, (s64)used << PAGE_SHIFT);
	untake(r, used);
}

/* One attempt: bytes, or -errno with nothing taken. */
static ssize_t receive_once(struct receive *r, struct memcg_frag *frags)
{
	int err = take(r);
	ssize_t got;

	if (err)
		return err;
	got = fill(r);
	if (got > 0 && r->msg_flags & MSG_TRUNC && !r->msg && !(r->flags & MSG_TRUNC))
		got = -EMSGSIZE; /* the system has cut it: recv would not even have said so */
	if (got > 0)
		hand_over(r, (size_t)got, frags);
	else
		untake(r, 0);
	return got;
}

/* --- the calls ------------------------------------------------------------------------------- */

static ssize_t receive(struct receive *r, struct memcg_frag *frags)
{
	ssize_t got;

	for (;;) {
		got = receive_once(r, frags);
		if (got != -EAGAIN || !may_wait(r))
			return got;
		got = wait_for(r);
		if (got < 0)
			return got;
	}
}

/* MSG_TRUNC of a stream means that nothing is stored. */
static bool known_flags(int fd, int flags, int known)
{
	return !(flags & ~known) && (!(flags & MSG_TRUNC) || sys_keeps_messages(fd));
}

static ssize_t receive_into(struct memcg_pool *p, int fd, struct memcg *cg, struct msghdr *msg,
			    struct memcg_frag *frags, size_t n, int flags)
{
	struct receive r;

	if (!p || !frags || !n || !known_flags(fd, flags, msg ? FLAGS_MESSAGE : FLAGS_BYTES))
		return -EINVAL;
	thread_need();
	r.pool = p;
	r.cg = cg ? cg : group_active();
	r.handle = handle_for(r.cg);
	r.fd = fd;
	r.flags = flags;
	r.msg = msg;
	r.msg_flags = 0;
	r.most = (u32)MIN(n, NET_BATCH);
	for (size_t i = 0; i < n; i++)
		frags[i] = (struct memcg_frag){0};
	return receive(&r, frags);
}

ssize_t memcg_pool_recv(struct memcg_pool *p, int fd, struct memcg *cg, struct memcg_frag *frags,
			size_t n, int flags)
{
	return receive_into(p, fd, cg, NULL, frags, n, flags);
}

ssize_t memcg_pool_recvmsg(struct memcg_pool *p, int fd, struct memcg *cg, struct msghdr *msg,
			   struct memcg_frag *frags, size_t n, int flags)
{
	return msg ? receive_into(p, fd, cg, msg, frags, n, flags) : -EINVAL;
}
