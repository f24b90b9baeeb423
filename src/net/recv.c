/*
 * recv.c - payload into pages of a pool that are paid for before it leaves the socket.
 *
 * 1. A call takes pages, as many as it may use and as fit under every max; they are charged and
 *    nobody else's. One recvmsg fills them, adjacent ones as one entry of its vector. Those
 *    with payload are published, the rest goes back with its charge. A call that fails has
 *    changed nothing.
 * 2. Bytes of a stream go on in the page where the group's last ones ended (fill.h). What there is
 *    to be read is asked for first (FIONREAD) where that may spare many pages, or where those
 *    behind such a page are not to be had at once: a small read that fits in what is left is not
 *    refused by a max. Messages begin a page, however they are read, and as many pages are offered
 *    as the call may use: who comes second must not find his cut. What a socket keeps is asked of
 *    the system only where that makes a difference.
 * 3. The filling call never waits (MSG_DONTWAIT). Where the program may wait, everything goes back
 *    first, and the thread sleeps in a recvmsg that peeks at one byte: the socket's own
 *    time-outs and interruptions, and nobody is charged for a thread that has nothing. What
 *    cannot be waited for so (MSG_WAITALL, MSG_OOB, MSG_ERRQUEUE, what is no socket) is slept for
 *    with the pages in hand: charged, no lock, no section, no count of ours.
 * 4. A pool may be destroyed meanwhile. It stays as long as a page of it is out, taken ones
 *    too; who has none has a pool_ref, and after a sleep the pool may be no more.
 * 5. A group over its memory.high gets a page at a time: what is left of one, or a fresh one; of
 *    messages one at a time, whole. That is owed for (reclaim/owed.h) as any charge is. Its
 * socket's window is lowered (rcvbuf.h), and sock_throttled counts the calls that were answered so.
 * 6. Refused is only who could have read something. When nothing fits without reclaim, the socket
 * is peeked at first: its end, its error and that it is empty are told as they are, and a thread
 *    that may wait sleeps. So polling costs no reclaim. A message that needs more pages than fit is
 *    left where it is, too. Two readers of one socket: what another takes between the look and
 * the read is tolerated; the read tells what it finds.
 * 7. Flags that would tell the program less than the truth are refused: known_flags().
 */
#include "net/fill.h"
#include "net/net.h"
#include "net/rcvbuf.h"
#include "net/receiver.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "group/tally.h"
#include "sys/sock.h"

#define FLAGS_BYTES \
	(MSG_DONTWAIT | MSG_PEEK | MSG_WAITALL | MSG_OOB | MSG_NOSIGNAL | MEMCG_RECV_STREAM)
#define FLAGS_MESSAGE \
	((FLAGS_BYTES & ~MEMCG_RECV_STREAM) | MSG_TRUNC | MSG_ERRQUEUE | MSG_CMSG_CLOEXEC)
#define FLAGS_IN_HAND (MSG_WAITALL | MSG_OOB | MSG_ERRQUEUE) /* slept for with the pages */

/* Pages: to take so many and give them back costs no more than asking for what can be read. */
#define UNCOUNTED   20u
#define TAKEN_AHEAD 4u /* from the stock and the stack */

struct receive {
	struct pool_ref ref;
	struct memcg_pool *pool; /* while a page of it is in hand */
	struct memcg *cg;
	u32 handle; /* 0: nobody pays */
	int fd, flags;
	struct msghdr *msg; /* the program's; NULL: only bytes are wanted */
	int msg_flags;	    /* the last call's */
	bool plain;	    /* no socket */
	int message;	    /* what is read begins a page; -1: not asked yet */
	bool high;	    /* a page at a time */
	bool looked;	    /* nothing was in hand, and the socket said why not */
	struct fill fill;   /* comes first */
	u32 wanted, most;   /* fragments; by high */
	u32 n;		    /* pages taken */
	unsigned runs;
	struct page *pages[NET_BATCH];
	struct iovec iov[NET_BATCH + 1];
};

/* Asked when the answer matters for the first time: each costs a call of the system's. */
static bool is_message(struct receive *r)
{
	if (r->message < 0)
		r->message = sys_keeps_messages(r->fd);
	return r->message;
}

/* Nothing of it is to be kept while the thread sleeps, as it may when it has pages in hand. */
static bool in_hand(const struct receive *r)
{
	return r->plain || r->flags & FLAGS_IN_HAND;
}

/* --- the system's call ------------------------------------------------------------------- */

static void run_add(struct receive *r, char *at, size_t len)
{
	struct iovec *last = r->runs ? &r->iov[r->runs - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == at)
		last->iov_len += len;
	else
		r->iov[r->runs++] = (struct iovec){at, len};
}

static void runs_make(struct receive *r)
{
	r->runs = 0;
	if (r->fill.pg)
		run_add(r, (char *)page_address(r->fill.pg) + r->fill.at, fill_room(&r->fill));
	for (u32 i = 0; i < r->n; i++)
		run_add(r, page_address(r->pages[i]), PAGE_SIZE);
}

/* What mostly is read: a stream into pages side by side. recvfrom is the cheaper call. */
static bool is_simple(const struct receive *r)
{
	return !r->message && r->runs == 1 && !r->plain;
}

/* Name, control and what came of the flags are the program's. */
static ssize_t call(struct receive *r, int flags)
{
	struct msghdr m = r->msg ? *r->msg : (struct msghdr){0};
	ssize_t got;

	if (is_simple(r))
		return sys_recv(r->fd, r->iov[0].iov_base, r->iov[0].iov_len, flags);
	m.msg_iov = r->iov;
	m.msg_iovlen = r->runs;
	m.msg_flags = 0;
	if (r->plain)
		return sys_readv(r->fd, r->iov, r->runs);
	got = sys_recvmsg(r->fd, &m, flags);
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

static ssize_t read_in(struct receive *r)
{
	runs_make(r);
	return call(r, in_hand(r) ? r->flags : r->flags | MSG_DONTWAIT);
}

/*
 * At one byte, or an end or error. Where the program keeps an offset for its own peeks, that stays
 * what it is; what others peek at meanwhile is tolerated. MSG_TRUNC: how long a message is.
 */
static ssize_t peek(const struct receive *r, int flags)
{
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int offset = sys_peek_offset(r->fd);
	ssize_t got;

	if (offset > 0 && !(r->flags & MSG_PEEK))
		sys_peek_offset_set(r->fd, 0);
	got = sys_recvmsg(r->fd, &m, (r->flags & ~MSG_TRUNC) | MSG_PEEK | flags);
	if (offset >= 0)
		sys_peek_offset_set(r->fd, offset);
	return got;
}

/* Until there is something to read, or an end or an error to be told: >= 0; or why not. */
static ssize_t wait_for(struct receive *r)
{
	return peek(r, 0);
}

/* It has no pages, whatever it would sleep with. */
static bool may_wait(const struct receive *r)
{
	return !(r->flags & MSG_DONTWAIT) && (r->looked || !in_hand(r));
}

/* An error queue cannot be peeked at: what is looked at there is gone. */
static bool can_look(const struct receive *r)
{
	return !r->plain && !(r->flags & MSG_ERRQUEUE);
}

/* A message of no length needs no page. */
static ssize_t read_nothing(struct receive *r)
{
	r->n = r->runs = 0;
	return call(r, r->flags | MSG_DONTWAIT);
}

/* > 0: there may be something to read; else there is nothing, and that is what the call tells. */
static ssize_t look(struct receive *r)
{
	ssize_t got = can_look(r) ? peek(r, MSG_DONTWAIT) : 1;

	r->looked = got <= 0;
	return got || !is_message(r) ? got : read_nothing(r);
}

/* --- pages ----------------------------------------------------------------------------------- */

/* Pages for what can be read now, besides what is left of one; at least `least`. */
static u32 pages_readable(struct receive *r, u32 least, u32 most)
{
	u64 room = fill_room(&r->fill);
	long bytes = sys_readable(r->fd);

	if (bytes < 0)
		return most;
	bytes = (u64)bytes > room ? bytes - (long)room : 0;
	return (u32)MIN(MAX((u64)bytes + PAGE_SIZE - 1, (u64)least << PAGE_SHIFT) >> PAGE_SHIFT,
			(u64)most);
}

/* Pages besides what is left of one: for what is there to be read, or for all that may come. */
static u32 pages_wanted(struct receive *r)
{
	u32 most = r->most - (r->fill.pg != NULL), least = r->fill.pg == NULL, n;

	if (most <= (least ? UNCOUNTED : 0) || r->message > 0 || in_hand(r))
		return most;
	n = pages_readable(r, least, most);
	return n < most && is_message(r) ? most : n;
}

static bool over_high(const struct receive *r)
{
	return r->handle && counter_over_high(&r->cg->counter);
}

/*
 * A page came out of what was charged before: its time is owed for all the same. What a message was
 * offered, and goes back, is not.
 */
static void owe_for(struct receive *r, u64 owed_before, size_t bytes)
{
	u64 used = MIN(ALIGN_UP(bytes, PAGE_SIZE), (u64)r->n << PAGE_SHIFT);
	struct task *self = task_self();

	if (!r->high || !self)
		return;
	if (r->most > 1)
		self->high_bytes = MIN(self->high_bytes, owed_before + used);
	if (used && self->high_bytes == owed_before)
		owed_high(r->handle, used);
}

static u64 owed_now(void)
{
	return task_self() ? task_self()->high_bytes : 0;
}

static void set_window(struct receive *r)
{
	r->high = over_high(r);
	r->most = r->high && !is_message(r) ? 1 : r->wanted; /* what is cut of one is lost */
	if (r->plain)
		return;
	if (r->high)
		rcvbuf_lower(r->fd);
	else
		rcvbuf_restore(r->fd);
}

/* A few besides what is left of one, in case they are wanted: as cheap as asking whether. */
static bool take_ahead(struct receive *r)
{
	u32 n = r->most - 1;

	if (!r->fill.pg || !n || n > TAKEN_AHEAD)
		return false;
	r->n = (u32)net_try_take(r->ref, r->handle, r->pages, n);
	return r->n;
}

/* Nothing would come without reclaim, and that somebody reclaims is for something to read. */
static bool is_full(const struct receive *r)
{
	return r->handle && !r->fill.pg && memcg_headroom(r->cg) < PAGE_SIZE;
}

static ssize_t refused(struct receive *r)
{
	ssize_t got = look(r);

	return got > 0 ? net_refused_ref(r->ref, r->cg) : got;
}

/* > 0: some of them, or there is room without; else what the call tells. */
static ssize_t take_pages(struct receive *r, u32 n)
{
	int got = net_try_take(r->ref, r->handle, r->pages, n);
	ssize_t told = 1;

	if (!got && is_full(r))
		told = look(r);
	if (told <= 0)
		return told;
	if (!got)
		got = net_take_ref(r->ref, r->handle, r->cg, r->pages, n, false);
	if (got > 0)
		r->n = (u32)got;
	if (got > 0 || r->fill.pg)
		return 1;
	return got == -ENOBUFS ? refused(r) : got;
}

/* > 0: there is room for a byte at least; else what the call tells. */
static ssize_t take(struct receive *r)
{
	u32 n;

	r->n = 0;
	r->looked = false;
	set_window(r);
	r->fill = (struct fill){0};
	if (!in_hand(r) && fill_may_claim(r->ref, r->handle) && !is_message(r))
		r->fill = fill_claim(r->ref, r->handle);
	if (take_ahead(r))
		return 1;
	n = pages_wanted(r);
	return n ? take_pages(r, n) : 1;
}

/* Those from the first on go back; the pool may go with the last. */
static void untake(struct receive *r, u32 first)
{
	u32 n = r->n - first;

	r->n = first;
	if (!n)
		return;
	net_uncharge_pages(r->handle, n);
	net_untake(r->pool, r->pages + first, n);
}

static void give_all_back(struct receive *r)
{
	fill_unclaim(r->pool, r->handle, &r->fill);
	untake(r, 0);
}

/* The bytes behind those that are somebody's already; how many. The claim's reference is the
 * fragment's. */
static size_t hand_over_fill(struct receive *r, size_t bytes, struct memcg_frag *frag)
{
	u32 length = (u32)MIN(bytes, (size_t)fill_room(&r->fill));

	*frag = (struct memcg_frag){(struct memcg_page *)r->fill.pg, r->fill.at, length};
	fill_offer(r->pool, r->handle, r->fill.pg, r->fill.at + length);
	r->fill.pg = NULL;
	return length;
}

/* How many pages; the rest of the last is offered, not that of a message. */
static u32 hand_over_pages(struct receive *r, size_t bytes, struct memcg_frag *frags)
{
	struct handle *h = r->handle ? handle_of(r->handle) : NULL;
	u32 i;

	for (i = 0; bytes && i < r->n; i++) {
		u32 length = (u32)MIN(bytes, PAGE_SIZE);

		net_publish(r->pages[i], h);
		frags[i] = (struct memcg_frag){(struct memcg_page *)r->pages[i], 0, length};
		bytes -= length;
		if (fill_worth(length) && !is_message(r))
			fill_offer(r->pool, r->handle, r->pages[i], length);
	}
	if (i && h)
		tally_add(TALLY_SOCK, r->handle, (u64)i << PAGE_SHIFT);
	return i;
}

/* bytes: more than there is room for, where a message was cut and the program wants to know. */
static void hand_over(struct receive *r, size_t bytes, struct memcg_frag *frags)
{
	size_t done = r->fill.pg ? hand_over_fill(r, bytes, frags) : 0;

	untake(r, hand_over_pages(r, bytes - done, frags + (done != 0)));
}

/*
 * A message that fewer pages would cut than the call may use: it stays in the socket. > 0: there is
 * none; else what the call tells.
 */
static ssize_t fits_message(struct receive *r)
{
	ssize_t length;

	if (r->n >= r->most || !can_look(r) || !is_message(r))
		return 1;
	length = peek(r, MSG_DONTWAIT | MSG_TRUNC);
	if (length < 0)
		return length == -EAGAIN ? 1 : length; /* the read may sleep */
	if (MIN(DIV_ROUND_UP((u64)length, PAGE_SIZE), (u64)r->most) <= r->n)
		return 1;
	return net_refused_ref(r->ref, r->cg);
}

/* One attempt: bytes, or -errno with nothing taken. */
static ssize_t receive_once(struct receive *r, struct memcg_frag *frags)
{
	u64 owed = owed_now();
	ssize_t got = take(r);

	if (got <= 0)
		return got;
	got = fits_message(r);
	if (got > 0)
		got = read_in(r);
	if (got > 0 && r->msg_flags & MSG_TRUNC && !r->msg)
		got = -EMSGSIZE; /* the system has cut it: recv would not even have said so */
	if (got > 0) {
		owe_for(r, owed, (size_t)got);
		hand_over(r, (size_t)got, frags);
		if (r->high)
			group_event(r->cg, EV_SOCK_THROTTLED);
	} else {
		owe_for(r, owed, 0);
		give_all_back(r);
	}
	return got;
}

/* --- the calls ------------------------------------------------------------------------------- */

static ssize_t receive(struct receive *r, struct memcg_frag *frags)
{
	ssize_t got;

	for (;;) {
		got = receive_once(r, frags);
		if (got == -ENOTSOCK && !r->plain && !r->msg && !r->flags) {
			r->plain = true;
			continue;
		}
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

static ssize_t receive_into(struct pool_ref ref, int fd, struct memcg *cg, struct msghdr *msg,
			    struct memcg_frag *frags, size_t n, int flags)
{
	struct receive r;

	thread_need();
	r.ref = ref;
	r.pool = ref.pool;
	r.plain = false;
	r.message = msg ? 1 : flags & MEMCG_RECV_STREAM ? 0 : -1;
	r.cg = cg ? cg : group_active();
	r.handle = handle_for(r.cg);
	r.fd = fd;
	r.flags = flags & ~MEMCG_RECV_STREAM;
	r.msg = msg;
	r.msg_flags = 0;
	r.wanted = (u32)MIN(n, NET_BATCH);
	for (size_t i = 0; i < n; i++)
		frags[i] = (struct memcg_frag){0};
	return receive(&r, frags);
}

static ssize_t receive_of(struct memcg_pool *p, int fd, struct memcg *cg, struct msghdr *msg,
			  struct memcg_frag *frags, size_t n, int flags)
{
	if (!p || !frags || !n || !known_flags(fd, flags, msg ? FLAGS_MESSAGE : FLAGS_BYTES))
		return -EINVAL;
	return receive_into(pool_ref(p), fd, cg, msg, frags, n, flags);
}

ssize_t memcg_pool_recv(struct memcg_pool *p, int fd, struct memcg *cg, struct memcg_frag *frags,
			size_t n, int flags)
{
	return receive_of(p, fd, cg, NULL, frags, n, flags);
}

ssize_t memcg_pool_recvmsg(struct memcg_pool *p, int fd, struct memcg *cg, struct msghdr *msg,
			   struct memcg_frag *frags, size_t n, int flags)
{
	return msg ? receive_of(p, fd, cg, msg, frags, n, flags) : -EINVAL;
}

ssize_t net_receive(struct pool_ref ref, int fd, struct memcg *cg, struct memcg_frag *frags,
		    size_t n)
{
	return receive_into(ref, fd, cg, NULL, frags, n, MSG_DONTWAIT | MEMCG_RECV_STREAM);
}
