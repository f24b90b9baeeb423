/* receiver_ring.c - by io_uring. Theory in receiver.h, 3, and ring.h. */
#include "net/receiver.h"

#include <errno.h>

#include "net/rcvbuf.h"
#include "reclaim/owed.h"
#include "sys/clock.h"

#define TAG_CANCEL UINT64_MAX	/* of what takes a receive back, whose own end is what counts */
#define TAG_LOOK   (1ull << 32) /* beside the id */

static int up(struct memcg_receiver *r)
{
	int err = ring_open(&r->ring, r->pages);

	r->enough = r->pages;
	if (!err)
		err = sys_uring_notify(&r->ring.u, r->news);
	if (err)
		ring_close(&r->ring);
	return err;
}

static void down(struct memcg_receiver *r)
{
	ring_close(&r->ring);
}

/* --- pages --------------------------------------------------------------------------------- */

/* A quarter at a time: charging and taking have their price for each go. */
static u32 wanted(const struct memcg_receiver *r)
{
	u32 room = ring_room(&r->ring), most = r->pages - MIN(r->ring.held, r->pages);

	if (receiver_over_high(r))
		return !r->ring.held && room;
	if (r->ring.held > r->enough)
		return 0;
	room = MIN(room, most);
	return room >= MAX(r->pages / 4, 1u) || !r->ring.held ? room : 0;
}

/* As recv.c does of its page: what came out of the stock is owed for all the same. */
static void owe_for(const struct memcg_receiver *r, u32 handle, u32 n, u64 owed_before)
{
	struct task *self = task_self();

	if (handle && self && receiver_over_high(r) && self->high_bytes == owed_before)
		owed_high(handle, (u64)n << PAGE_SHIFT);
}

static u64 owed_now(void)
{
	return task_self() ? task_self()->high_bytes : 0;
}

/* n, or as many as the limits leave; none is reclaimed for. */
static u32 take_free(const struct memcg_receiver *r, u32 handle, struct page **pages, u32 n)
{
	u32 got = (u32)net_try_take(r->pool, handle, pages, n);
	u64 room = got ? 0 : memcg_headroom(r->cg) >> PAGE_SHIFT;

	return room && room < n ? (u32)net_try_take(r->pool, handle, pages, (u32)room) : got;
}

/* Pages that nobody waits for yet. */
static void fill(struct memcg_receiver *r)
{
	struct page *pages[RING_MOST];
	u32 handle = handle_for(r->cg), n = wanted(r), got;
	u64 owed = owed_now();

	if (!n)
		return;
	got = take_free(r, handle, pages, n);
	if (got) {
		owe_for(r, handle, got, owed);
		if (ring_provide(&r->ring, r->pool.pool, pages, got, handle))
			got = 0;
	}
	r->enough =
		got < n ? r->ring.held - MIN(MAX(r->ring.held / 4, 1u), r->ring.held) : r->pages;
}

/* One that a connection waits for. 0; -ENOBUFS, counted; -ESHUTDOWN; -errno. */
static int provide_one(struct memcg_receiver *r)
{
	struct page *pg;
	u32 handle = handle_for(r->cg);
	u64 owed = owed_now();
	int got = net_take_ref(r->pool, handle, r->cg, &pg, 1, true);

	if (got <= 0)
		return got;
	owe_for(r, handle, 1, owed);
	return ring_provide(&r->ring, r->pool.pool, &pg, 1, handle);
}

/* --- asking -------------------------------------------------------------------------------- */

static u64 tag_of(const struct memcg_receiver *r, u32 id)
{
	return id | (r->all[id].looks ? TAG_LOOK : 0);
}

/* For what there is, or where there is no page whether there is something. */
static int ask(struct memcg_receiver *r, u32 id)
{
	struct connection *c = &r->all[id];
	int err;

	c->looks = !r->ring.held;
	if (c->looks)
		err = ring_look(&r->ring, c->fd, tag_of(r, id), &r->byte);
	else
		err = ring_receive(&r->ring, c->fd, tag_of(r, id));
	if (err)
		return err;
	c->waits = false;
	c->asked = true;
	r->asked++;
	return 0;
}

/* Each that nobody reads from is asked for again, but who waits for a page. */
static int ask_idle(struct memcg_receiver *r)
{
	u32 *at = &r->idle;

	while (*at != NO_CONNECTION) {
		struct connection *c = &r->all[*at];
		bool stays = c->waits && !r->ring.held;
		int err = stays ? 0 : ask(r, *at);

		if (err)
			return err;
		if (stays)
			at = &c->next;
		else
			*at = c->next;
	}
	return 0;
}

/* Pages for who is asked for, who is to be asked for, and the system told. Why somebody is not. */
static int go(struct memcg_receiver *r)
{
	int err, submitted = 0;

	if (r->asked || r->idle != NO_CONNECTION)
		fill(r);
	else if (r->ring.held)
		(void)ring_empty(&r->ring); /* refused: it is asked again, and they stay charged */
	err = ask_idle(r);
	if (r->ring.unsubmitted)
		submitted = ring_enter(&r->ring, false, 0);
	receiver_set_news(r);
	return err ? err : submitted;
}

/* Some are idle, and each of those waits for a page. */
static bool is_stuck(const struct memcg_receiver *r)
{
	u32 id = r->idle;

	while (id != NO_CONNECTION && r->all[id].waits)
		id = r->all[id].next;
	return id == NO_CONNECTION && !r->ring.held;
}

/* --- what has come ------------------------------------------------------------------------- */

/* The window of a socket whose group is over its high, and the count, as for other reads. */
static void set_window(const struct memcg_receiver *r, int fd)
{
	if (receiver_over_high(r)) {
		rcvbuf_lower(fd);
		group_event(r->cg, EV_SOCK_THROTTLED);
	} else {
		rcvbuf_restore(fd);
	}
}

/* What of it has not been told, as far as there is room. */
static u32 take(struct memcg_receiver *r, struct memcg_frag *frags, size_t n, s64 *bytes)
{
	u32 i;

	for (i = 0, *bytes = 0; i < n && r->left; i++) {
		u32 got = ring_take(&r->ring, r->pool.pool, r->place, r->left, &frags[i]);

		*bytes += got;
		r->left -= got;
		r->place++;
	}
	return i;
}

/* A buffer may have been used for nothing. */
static void drop_empty(struct memcg_receiver *r, const struct io_uring_cqe *c)
{
	struct memcg_frag f;

	if (!(c->flags & IORING_CQE_F_BUFFER) || r->ring.partial)
		return;
	(void)ring_take(&r->ring, r->pool.pool, c->flags >> IORING_CQE_BUFFER_SHIFT, 0, &f);
	memcg_frags_put(&f, 1);
}

/* The system has no receive of it any more. */
static void ended(struct memcg_receiver *r, u32 id)
{
	r->all[id].asked = r->all[id].looks = false;
	r->asked--;
}

/* It was stopped for what is no fault of its own. */
static bool is_to_go_on(s32 result)
{
	return result > 0 || result == -ENOBUFS || result == -ECANCELED || result == -EINTR ||
	       result == -EAGAIN;
}

static void go_on(struct memcg_receiver *r, u32 id)
{
	receiver_push(r, r->all[id].out ? &r->leaving : &r->idle, id);
}

static int tell_bytes(struct memcg_receiver *r, const struct io_uring_cqe *cqe,
		      struct memcg_received *out, struct memcg_frag *frags, size_t n)
{
	u32 id = (u32)cqe->user_data;
	bool last = !ring_goes_on(cqe);

	if (!r->left) {
		r->place = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
		r->left = (u32)cqe->res;
		set_window(r, r->all[id].fd);
	}
	*out = (struct memcg_received){.data = r->all[id].data, .id = id};
	out->frags = take(r, frags, n, &out->bytes);
	if (r->left)
		return 1; /* it stays the oldest, and the descriptor readable */
	ring_seen(&r->ring);
	if (last) {
		ended(r, id);
		go_on(r, id);
	}
	return 1;
}

static bool is_look(const struct io_uring_cqe *c)
{
	return c->user_data != TAG_CANCEL && c->user_data & TAG_LOOK;
}

/* One completion without bytes: 1: told; 0: nothing to be told. */
static int tell_rest(struct memcg_receiver *r, const struct io_uring_cqe *cqe,
		     struct memcg_received *out)
{
	u32 id = (u32)cqe->user_data;
	s32 result = cqe->res;
	bool last = !ring_goes_on(cqe), looked = is_look(cqe);

	drop_empty(r, cqe);
	ring_seen(&r->ring);
	if (cqe->user_data == TAG_CANCEL || !last)
		return 0;
	ended(r, id);
	r->all[id].waits = looked && result > 0;
	if (!is_to_go_on(result))
		return receiver_tell_end(r, id, result, out);
	go_on(r, id);
	return receiver_tell_leaving(r, out);
}

static int tell(struct memcg_receiver *r, struct memcg_received *out, struct memcg_frag *frags,
		size_t n)
{
	const struct io_uring_cqe *c = ring_peek(&r->ring);
	int told = 0;

	while (c && !told) {
		if (c->res > 0 && c->user_data != TAG_CANCEL && !is_look(c))
			told = tell_bytes(r, c, out, frags, n);
		else
			told = tell_rest(r, c, out);
		c = told ? NULL : ring_peek(&r->ring);
	}
	return told;
}

/* --- the calls ------------------------------------------------------------------------------- */

static int add(struct memcg_receiver *r, u32 id)
{
	receiver_push(r, &r->idle, id);
	(void)go(r); /* why not, the next call says */
	return 0;
}

static void let_go(struct memcg_receiver *r, u32 id)
{
	(void)r;
	(void)id;
}

static void unlink_idle(struct memcg_receiver *r, u32 id)
{
	u32 *at = &r->idle;

	while (*at != id)
		at = &r->all[*at].next;
	*at = r->all[id].next;
}

static int take_out(struct memcg_receiver *r, u32 id)
{
	if (r->all[id].asked) {
		int err = ring_cancel(&r->ring, tag_of(r, id), TAG_CANCEL);

		if (!err)
			(void)ring_enter(&r->ring, false, 0); /* refused: the next call does */
		return err;
	}
	unlink_idle(r, id);
	receiver_push(r, &r->leaving, id);
	return 0;
}

static int told_and_gone_on(struct memcg_receiver *r)
{
	if (r->idle != NO_CONNECTION || !r->asked)
		(void)go(r);
	return 1;
}

static int next(struct memcg_receiver *r, struct memcg_received *out, struct memcg_frag *frags,
		size_t n, s64 timeout_ns)
{
	u64 start = sys_clock_ns();
	s64 left = timeout_ns;
	int err;

	for (;;) {
		err = go(r);
		if (receiver_tell_leaving(r, out) || tell(r, out, frags, n))
			return told_and_gone_on(r);
		if (r->idle != NO_CONNECTION) {
			if (!err && is_stuck(r))
				err = provide_one(r);
			if (err)
				return err;
			continue;
		}
		if (timeout_ns >= 0)
			left = MAX(timeout_ns - (s64)(sys_clock_ns() - start), (s64)0);
		if (!left)
			return 0;
		err = ring_enter(&r->ring, true, left);
		if (err && err != -ETIME)
			return err;
	}
}

/* What it has received nobody wants. */
static void drop(struct memcg_receiver *r)
{
	struct memcg_frag frags[16];
	struct memcg_received out;

	while (tell(r, &out, frags, ARRAY_SIZE(frags)))
		memcg_frags_put(frags, out.bytes > 0 ? out.frags : 0);
}

static int stop(struct memcg_receiver *r)
{
	int err = r->asked ? ring_cancel_all(&r->ring, TAG_CANCEL) : 0;

	while (!err) {
		drop(r);
		if (!r->asked)
			return 0;
		err = ring_enter(&r->ring, true, -1);
		err = err == -EINTR ? 0 : err;
	}
	return err;
}

const struct receiver_way receiver_ring = {
	.up = up,
	.down = down,
	.let_go = let_go,
	.add = add,
	.take_out = take_out,
	.next = next,
	.stop = stop,
};
