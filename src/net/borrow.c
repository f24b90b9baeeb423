/*
 * borrow.c - the system's own pages, mapped from a socket (TCP_ZEROCOPY_RECEIVE) and paid for.
 *
 * 1. The pages that payload arrived in are the system's: no descriptor of ours, no pool, and who
 *    maps them takes them out of the socket's account. So the reader is charged by amount, as for
 *    any memory that is not ours (external.h): for as much as may be mapped, before that; what was
 *    not is returned at once (external_shrink), the rest when the window is zapped, and not before
 *    the system has said that nothing is mapped any more.
 * 2. A window is addresses of a socket of its own that is connected to nothing: the system maps
 *    payload of any socket there. Of the one that is read it would keep the end from the peer.
 * 3. It fills from the front, a part and a charge with each call, and is zapped as a whole. When
 *    it is full, over a max, and where mapping is not wanted (borrow_on) or not done, the payload
 *    is copied to the program's buffer, which somebody pays for already, or left in the socket.
 * 4. What can be mapped: pages that the system has filled to the end and that are nobody else's. So
 *    what the peer's card has put into pages of its own, header apart; hardly what comes over
 *    loopback. The system says how many bytes to read otherwise before it can map again.
 * 5. One thread at a time; no lock. The child of a fork has a copy of the window and of its
 *    charges, and may zap and destroy it: its books are its own.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "alloc/alloc.h"
#include "alloc/external.h"
#include "net/borrow.h"
#include "net/net.h"
#include "sys/map.h"
#include "sys/sock.h"

#define PARTS 64u
#define LEAST (2 * PAGE_SIZE)

u32 borrow_on;

struct memcg_zerocopy {
	char *at;
	size_t bytes, used;
	u32 parts;
	struct memcg_charge *charge[PARTS]; /* of each part */
};

struct borrow {
	struct memcg_zerocopy *z;
	int fd;
	struct memcg *cg;
	char *buf;
	size_t n;
	struct memcg_zerocopy_part *part;
};

/* --- windows --------------------------------------------------------------------------- */

struct memcg_zerocopy *memcg_zerocopy_create(size_t bytes)
{
	struct memcg_zerocopy *z;

	if (bytes < LEAST || bytes > PTRDIFF_MAX) {
		errno = EINVAL;
		return NULL;
	}
	thread_need();
	z = meta_alloc(sizeof(*z));
	if (!z) {
		errno = ENOMEM;
		return NULL;
	}
	*z = (struct memcg_zerocopy){.bytes = ALIGN_UP(bytes, PAGE_SIZE)};
	z->at = sys_zerocopy_window(z->bytes);
	if (z->at)
		return z;
	meta_free(z, sizeof(*z));
	return NULL;
}

static void give_back(struct memcg_zerocopy *z)
{
	for (u32 i = 0; i < z->parts; i++)
		memcg_uncharge(z->charge[i]);
	z->parts = 0;
	z->used = 0;
}

int memcg_zerocopy_zap(struct memcg_zerocopy *z)
{
	int err;

	if (!z)
		return -EINVAL;
	err = z->used ? sys_purge(z->at, ALIGN_UP(z->used, PAGE_SIZE)) : 0;
	if (!err)
		give_back(z);
	return err;
}

void memcg_zerocopy_destroy(struct memcg_zerocopy *z)
{
	if (!z)
		return;
	sys_unmap(z->at, z->bytes);
	give_back(z);
	meta_free(z, sizeof(*z));
}

/* --- mapping ------------------------------------------------------------------------------ */

/* Whole pages of what can be read, that there are addresses for. */
static size_t mappable(const struct borrow *b)
{
	long readable;

	if (!borrow_on || b->z->parts == PARTS || b->z->used == b->z->bytes)
		return 0;
	readable = sys_readable(b->fd);
	if (readable < (long)PAGE_SIZE)
		return 0;
	return ALIGN_DOWN(MIN((size_t)readable, b->z->bytes - b->z->used), PAGE_SIZE);
}

/* For *bytes, or for what there is room for under every max. NULL: not one page. */
static struct memcg_charge *charge_most(struct memcg *cg, size_t *bytes)
{
	struct memcg_charge *c = memcg_charge(cg, *bytes);
	u64 room;

	if (c)
		return c;
	room = ALIGN_DOWN(memcg_headroom(cg), PAGE_SIZE);
	if (!room || room >= *bytes)
		return NULL;
	*bytes = room;
	return memcg_charge(cg, room);
}

/* Bytes that are mapped, and paid for. *skip: that have to be read before more can be. */
static size_t map(struct borrow *b, size_t bytes, size_t *skip)
{
	struct memcg_zerocopy *z = b->z;
	struct memcg_charge *c = charge_most(b->cg, &bytes);
	size_t got;

	if (!c) {
		group_event(b->cg, EV_SOCK_THROTTLED);
		return 0;
	}
	got = sys_zerocopy_receive(b->fd, z->at + z->used, bytes, skip);
	if (!got) {
		memcg_uncharge(c);
		return 0;
	}
	external_shrink(c, got);
	z->charge[z->parts++] = c;
	b->part->mapped = z->at + z->used;
	b->part->mapped_bytes = got;
	z->used += got;
	return got;
}

/* --- copying -------------------------------------------------------------------------------- */

static ssize_t receive(int fd, char *buf, size_t n, int flags)
{
	struct iovec iov = {buf, n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	return sys_recvmsg(fd, &m, flags);
}

/* Payload stays where it is: -ENOBUFS; or the end, or an error, that the socket has to tell. */
static ssize_t left(const struct borrow *b)
{
	char byte;
	ssize_t got = receive(b->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return got > 0 ? -ENOBUFS : got;
}

static ssize_t copy(struct borrow *b, size_t most)
{
	ssize_t got = receive(b->fd, b->buf, MIN(b->n, most), MSG_DONTWAIT);

	if (got > 0)
		b->part->copied = (size_t)got;
	return got;
}

/* --- the call ------------------------------------------------------------------------------- */

static ssize_t receive_once(struct borrow *b)
{
	size_t bytes = mappable(b), skip = 0, mapped = bytes ? map(b, bytes, &skip) : 0;
	ssize_t got;

	if (!mapped)
		return b->n ? copy(b, skip ? skip : b->n) : left(b);
	got = b->n && skip ? copy(b, skip) : 0;
	return (ssize_t)mapped + (got > 0 ? got : 0); /* what is wrong the next call tells */
}

static ssize_t wait_for(int fd)
{
	char byte;

	return receive(fd, &byte, 1, MSG_PEEK);
}

ssize_t memcg_zerocopy_recv(struct memcg_zerocopy *z, int fd, struct memcg *cg, void *buf, size_t n,
			    struct memcg_zerocopy_part *part, int flags)
{
	struct borrow b = {z, fd, cg, buf, n, part};
	int saved = errno;
	ssize_t got;

	if (!z || !part || (n && !buf) || flags & ~MSG_DONTWAIT)
		return -EINVAL;
	thread_need();
	b.cg = cg ? cg : group_active();
	*part = (struct memcg_zerocopy_part){0};
	do
		got = receive_once(&b);
	while (got == -EAGAIN && !(flags & MSG_DONTWAIT) && (got = wait_for(fd)) > 0);
	errno = saved;
	return got;
}
