/*
 * pipe.c - a byte channel inside the process, on counted pages.
 *
 * 1. A pipe is a ring of slots; a slot is a reference to a page and the part of it that is data.
 *    head and tail count slots taken out and put in: there are tail - head, the oldest first.
 * 2. Everything of a pipe is under its lock, which is a leaf: pages are taken, filled, copied
 *    from, charged and put without it. So a reader takes the slot (or a part of it, and a
 *    reference more) before it copies, and a writer brings its page along. Two exceptions: a
 *    merge copies under the lock, since readers must not see the bytes before; and
 *    descriptors are written to under it, so that they say what was true last.
 * 3. Merging. The last page takes what fits as long as the pipe alone has it: bytes behind a slot's
 *    end may be somebody else's data when the page is in another pipe too. References begin under
 *    the lock (tee, a reader of a part), or by a tryget of who has an address of the page: he
 *    sees a page that is still being written, tolerated, as he was given none of it. A network
 *    page takes nothing: what lies behind may be about to be received (net/fill.h), with no
 *    reference yet.
 * 4. Stealing. The count is frozen from 1 to 0 by compare-and-swap, never looked at: whoever has
 *    got a reference meanwhile makes that fail. Only then is the payer looked at, as nobody else
 *    can move the charge any more. If it is not the taker, the page is thawed, the taker charged
 *    with no lock held, because that may reclaim, and all of it done again. A frozen page that is
 *    charged for is the taker's alone: uncharged from whoever the mark names, marked anew,
 *    and only then has it a count again. Refused or failed, the slot has not been touched.
 * 5. Waiting is by a futex word for each end, outside the lock. Its value is taken under the lock
 *    that saw nothing to do; who changes that changes the word under the lock, if there are
 *    waiters, and wakes all: each looks again, for one may leave something for the next.
 * 6. Limits: PAGES_MAX slots. A reader has the page it copies from beyond the capacity, a
 *    writer the page it is about to put in. Closed for reading the ring is the closer's.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <memcg/pipe.h>

#include "alloc/alloc.h"
#include "group/owner.h"
#include "sync/lock.h"
#include "sys/file.h"
#include "sys/futex.h"

#define PAGES_DEFAULT 16u
#define PAGES_MAX     1024u
#define NO_FD	      (-1)
#define ENDS	      2

struct slot {
	struct page *pg;
	u32 begin, end; /* of the data; end > begin */
};

/* All under the pipe's lock; seq is read by the system besides. */
struct end {
	u32 seq;     /* changes when who waits should look again */
	u32 waiters; /* threads in await */
	int fd;	     /* eventfd, or NO_FD; set once */
	bool told;   /* fd is readable */
	bool closed; /* for ever */
};

struct memcg_pipe {
	struct lock lock;
	u32 slots; /* constant */
	bool nonblock;
	u64 head, tail;
	struct end ends[ENDS]; /* by enum memcg_pipe_end */
	struct slot ring[];
};

static size_t pipe_size(u32 slots)
{
	return sizeof(struct memcg_pipe) + slots * sizeof(struct slot);
}

static struct slot *slot_at(struct memcg_pipe *p, u64 number)
{
	return &p->ring[number % p->slots];
}

/* --- telling and waiting -------------------------------------------------------------- */

static bool has_room_locked(const struct memcg_pipe *p)
{
	return p->tail - p->head < p->slots;
}

static bool ready_locked(const struct memcg_pipe *p, unsigned end)
{
	if (p->ends[MEMCG_PIPE_READ].closed || p->ends[MEMCG_PIPE_WRITE].closed)
		return true;
	return end == MEMCG_PIPE_READ ? p->head != p->tail : has_room_locked(p);
}

/* A descriptor that could not be written to is tried again at the next change. */
static void tell_fd_locked(struct end *e, bool ready)
{
	if (e->fd == NO_FD || e->told == ready)
		return;
	if (!ready)
		sys_eventfd_clear(e->fd);
	e->told = ready && !sys_eventfd_signal(e->fd);
}

/* Ends every section that may have changed what somebody waits for. */
static void pipe_unlock(struct memcg_pipe *p)
{
	bool wake[ENDS];

	for (unsigned i = 0; i < ENDS; i++) {
		bool ready = ready_locked(p, i);

		tell_fd_locked(&p->ends[i], ready);
		wake[i] = ready && p->ends[i].waiters;
		if (wake[i])
			atomic_store(&p->ends[i].seq, p->ends[i].seq + 1);
	}
	lock_release(&p->lock);
	/* The pipe may be gone by now: its memory stays ours, and a wake too many harms nobody. */
	for (unsigned i = 0; i < ENDS; i++)
		if (wake[i])
			sys_futex_wake(&p->ends[i].seq, INT_MAX);
}

/* Gives the lock up until that end may be ready. 0, -EINTR; and -EAGAIN where nobody waits. */
static int await_locked(struct memcg_pipe *p, unsigned end)
{
	struct end *e = &p->ends[end];
	u32 seq = e->seq;
	int err;

	if (p->nonblock)
		return -EAGAIN;
	e->waiters++;
	lock_release(&p->lock);
	err = sys_futex_wait(&e->seq, seq, 0);
	lock_acquire(&p->lock);
	e->waiters--;
	return err == -EINTR ? err : 0;
}

/* 1: there is a slot to take; 0: the end; -EAGAIN: there is none now; -EBADF. */
static int look_locked(const struct memcg_pipe *p)
{
	if (p->ends[MEMCG_PIPE_READ].closed)
		return -EBADF;
	if (p->head != p->tail)
		return 1;
	return p->ends[MEMCG_PIPE_WRITE].closed ? 0 : -EAGAIN;
}

/* The same, waiting if `wait` and the pipe's flags say so. */
static int need_data_locked(struct memcg_pipe *p, bool wait)
{
	int found = look_locked(p), err;

	while (found == -EAGAIN && wait) {
		err = await_locked(p, MEMCG_PIPE_READ);
		if (err)
			return err;
		found = look_locked(p);
	}
	return found;
}

static int writable_locked(const struct memcg_pipe *p)
{
	if (p->ends[MEMCG_PIPE_WRITE].closed)
		return -EBADF;
	return p->ends[MEMCG_PIPE_READ].closed ? -EPIPE : 0;
}

/* --- writing -------------------------------------------------------------------------- */

/* Acquire: pairs with the drop in page_put, after which who had the page reads it no more. */
static bool merges_locked(const struct memcg_pipe *p, const struct slot *last, size_t n)
{
	return p->head != p->tail && last->end + n <= PAGE_SIZE && last->pg->kind == PAGE_BUFFER &&
	       atomic_load_acquire(page_count_of(last->pg)) == 1;
}

static void push_locked(struct memcg_pipe *p, struct slot s)
{
	*slot_at(p, p->tail++) = s;
}

/* Bytes on their way in, on a page that nobody pays for until it has to be pushed. */
struct filled {
	struct page *pg;
	u32 begin;
	bool paid;
	bool whole; /* it is to be pushed: a reference to the program's page */
};

/* The first time it makes the page, which may do for a merge; the second time it is paid for. */
static bool fill(struct filled *f, const void *buf, size_t n)
{
	int saved = errno;

	if (f->pg) {
		f->paid = atomic_load(&accounting_off) ||
			  !memcg_page_recharge((struct memcg_page *)f->pg, group_active());
		errno = saved;
		return f->paid;
	}
	f->paid = n == PAGE_SIZE; /* merges with nothing */
	f->pg = (struct page *)memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, f->paid ? MEMCG_ACCOUNT : 0);
	if (f->pg)
		memcpy(page_address(f->pg), buf, n);
	errno = saved;
	return f->pg;
}

/*
 * One step under the lock. n: it is done, and f->pg used up if there was need of it; 0: fill() is
 * needed first, without the lock; or -errno. copy: of the bytes, NULL: they are in f->pg or nowhere
 * yet. The program's buffer may be managed memory, which is not touched with a lock held.
 */
static ssize_t put_locked(struct memcg_pipe *p, const void *copy, size_t n, struct filled *f)
{
	struct slot *last;
	int err;

	for (;;) {
		err = writable_locked(p);
		if (err)
			return err;
		last = slot_at(p, p->tail - 1);
		if (!f->whole && merges_locked(p, last, n)) {
			if (!copy && !f->pg)
				return 0;
			memcpy((char *)page_address(last->pg) + last->end,
			       copy ? copy : page_address(f->pg), n);
			last->end += (u32)n;
			return (ssize_t)n;
		}
		if (has_room_locked(p))
			break;
		err = await_locked(p, MEMCG_PIPE_WRITE);
		if (err)
			return err;
	}
	if (!f->paid)
		return 0;
	push_locked(p, (struct slot){f->pg, f->begin, f->begin + (u32)n});
	f->pg = NULL;
	return (ssize_t)n;
}

/* At most a page, in one piece. */
static ssize_t write_piece(struct memcg_pipe *p, const void *buf, size_t n)
{
	struct filled f = {0};
	char small[256]; /* not worth a page of their own when they merge */
	ssize_t r;

	if (n <= sizeof(small))
		memcpy(small, buf, n);
	do {
		lock_acquire(&p->lock);
		r = put_locked(p, n <= sizeof(small) ? small : NULL, n, &f);
		pipe_unlock(p);
		if (!r && !fill(&f, buf, n))
			r = -ENOMEM;
	} while (!r);
	if (f.pg)
		page_put(f.pg); /* not pushed: merged, or refused */
	return r;
}

ssize_t memcg_pipe_write(struct memcg_pipe *p, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write_piece(p, (const char *)buf + done, MIN(n - done, PAGE_SIZE));

		if (r < 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* One page of ours: the kinds whose last put needs nothing of who has them. */
static bool page_fits(const struct page *pg, size_t offset, size_t n)
{
	return pg && (pg->kind == PAGE_BUFFER || pg->kind == PAGE_NET) && pg->npages == 1 && n &&
	       offset < PAGE_SIZE && n <= PAGE_SIZE - offset;
}

ssize_t memcg_pipe_write_page(struct memcg_pipe *p, struct memcg_page *page, size_t offset,
			      size_t n)
{
	struct filled f = {
		.pg = (struct page *)page, .begin = (u32)offset, .paid = true, .whole = true};
	ssize_t r;

	if (!page_fits(f.pg, offset, n))
		return -EINVAL;
	page_get(f.pg);
	lock_acquire(&p->lock);
	r = put_locked(p, NULL, n, &f);
	pipe_unlock(p);
	if (f.pg)
		page_put(f.pg); /* refused */
	return r;
}

/* --- reading -------------------------------------------------------------------------- */

/* Up to n bytes of the oldest slot, with a reference to its page. */
static struct slot take_locked(struct memcg_pipe *p, size_t n)
{
	struct slot *first = slot_at(p, p->head), part = *first;

	if (n >= part.end - part.begin) {
		p->head++;
		return part;
	}
	page_get(part.pg);
	part.end = part.begin + (u32)n;
	first->begin = part.end;
	return part;
}

static ssize_t read_piece(struct memcg_pipe *p, void *buf, size_t n, bool wait)
{
	struct slot part = {.pg = NULL};
	int found;

	lock_acquire(&p->lock);
	found = need_data_locked(p, wait);
	if (found > 0)
		part = take_locked(p, n);
	pipe_unlock(p);
	if (found <= 0)
		return found;
	n = part.end - part.begin;
	memcpy(buf, (char *)page_address(part.pg) + part.begin, n);
	page_put(part.pg);
	return (ssize_t)n;
}

ssize_t memcg_pipe_read(struct memcg_pipe *p, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read_piece(p, (char *)buf + done, n - done, !done);

		if (r <= 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* --- by reference --------------------------------------------------------------------- */

/* Two of one rank: the second is tried only, so that whoever has one waits for nobody. */
static void lock_two(struct memcg_pipe *a, struct memcg_pipe *b)
{
	for (;;) {
		struct memcg_pipe *other = b;

		lock_acquire(&a->lock);
		if (lock_try(&b->lock))
			return;
		lock_release(&a->lock);
		b = a;
		a = other;
	}
}

/* With both locks. -EAGAIN: what both were waited for is gone again. */
static ssize_t share_locked(struct memcg_pipe *from, struct memcg_pipe *to, size_t n)
{
	int err = writable_locked(to), found = look_locked(from);
	size_t done = 0;

	if (err || found <= 0)
		return err ? err : found;
	for (u64 i = from->head; i != from->tail && done < n && has_room_locked(to); i++) {
		struct slot s = *slot_at(from, i);

		s.end = s.begin + (u32)MIN(s.end - s.begin, n - done);
		page_get(s.pg);
		push_locked(to, s);
		done += s.end - s.begin;
	}
	return done ? (ssize_t)done : -EAGAIN;
}

static int await_ready(struct memcg_pipe *p, unsigned end)
{
	int err = 0;

	lock_acquire(&p->lock);
	while (!err && !ready_locked(p, end))
		err = await_locked(p, end);
	lock_release(&p->lock);
	return err;
}

ssize_t memcg_pipe_tee(struct memcg_pipe *from, struct memcg_pipe *to, size_t n)
{
	ssize_t r;

	if (from == to)
		return -EINVAL;
	if (!n)
		return 0;
	do {
		r = await_ready(from, MEMCG_PIPE_READ);
		r = r ? r : await_ready(to, MEMCG_PIPE_WRITE);
		if (r)
			return r;
		lock_two(from, to);
		r = share_locked(from, to, n);
		pipe_unlock(from);
		pipe_unlock(to);
	} while (r == -EAGAIN);
	return r;
}

HOOK_DEFINE(steal_found);

/* The oldest slot, its page frozen; or why not. *charged: a page is charged to `to`, used or not.
 */
static ssize_t steal_slot(struct memcg_pipe *p, u32 to, struct slot *got, bool *charged)
{
	ssize_t r;

	lock_acquire(&p->lock);
	while ((r = need_data_locked(p, true)) > 0) {
		*got = *slot_at(p, p->head);
		HOOK(steal_found);
		r = page_freeze(got->pg) ? (ssize_t)(got->end - got->begin) : -EBUSY;
		if (r < 0 || *charged || frozen_is_paid(got->pg, to)) {
			p->head += r > 0;
			break;
		}
		page_thaw(got->pg);
		lock_release(&p->lock);
		*charged = charge_bytes(to, PAGE_SIZE, 0);
		if (!*charged)
			return -ENOMEM;
		lock_acquire(&p->lock); /* and look again */
	}
	pipe_unlock(p);
	return r;
}

ssize_t memcg_pipe_steal(struct memcg_pipe *p, struct memcg_page **page, size_t *offset)
{
	bool charged = false;
	struct slot got = {.pg = NULL};
	ssize_t r;
	u32 to;

	thread_need();
	to = handle_for(NULL);
	r = steal_slot(p, to, &got, &charged);
	if (r > 0) {
		if (charged || !to) /* else another handle perhaps, but the group's already */
			frozen_take_over(got.pg, to);
		page_thaw(got.pg);
		*page = (struct memcg_page *)got.pg;
		*offset = got.begin;
	} else if (charged) {
		uncharge_pages(to, PAGE_SIZE);
	}
	return r;
}

/* --- life ----------------------------------------------------------------------------- */

struct memcg_pipe *memcg_pipe_create(unsigned pages, unsigned flags)
{
	u32 slots = pages ? pages : PAGES_DEFAULT;
	struct memcg_pipe *p;

	lib_up();
	if (slots > PAGES_MAX || flags & ~(unsigned)MEMCG_PIPE_NONBLOCK) {
		errno = EINVAL;
		return NULL;
	}
	p = meta_alloc(pipe_size(slots));
	if (!p) {
		errno = ENOMEM;
		return NULL;
	}
	lock_init(&p->lock, RANK_PIPE);
	p->slots = slots;
	p->nonblock = flags & MEMCG_PIPE_NONBLOCK;
	for (unsigned i = 0; i < ENDS; i++)
		p->ends[i].fd = NO_FD;
	return p;
}

int memcg_pipe_close(struct memcg_pipe *p, unsigned end)
{
	bool drop;

	if (end >= ENDS)
		return -EINVAL;
	lock_acquire(&p->lock);
	drop = end == MEMCG_PIPE_READ && !p->ends[end].closed;
	p->ends[end].closed = true;
	pipe_unlock(p);
	while (drop && p->head != p->tail) /* nobody else looks at the ring any more */
		page_put(slot_at(p, p->head++)->pg);
	return 0;
}

void memcg_pipe_destroy(struct memcg_pipe *p)
{
	int saved = errno;

	if (!p)
		return;
	memcg_pipe_close(p, MEMCG_PIPE_READ);
	for (unsigned i = 0; i < ENDS; i++)
		if (p->ends[i].fd != NO_FD)
			sys_close(p->ends[i].fd);
	meta_free(p, pipe_size(p->slots));
	errno = saved;
}

int memcg_pipe_eventfd(struct memcg_pipe *p, unsigned end)
{
	int fd;

	if (end >= ENDS)
		return -EINVAL;
	lock_acquire(&p->lock);
	fd = p->ends[end].fd;
	if (fd == NO_FD)
		fd = sys_eventfd();
	if (fd >= 0)
		p->ends[end].fd = fd;
	pipe_unlock(p);
	return fd;
}
