/* receiver_poll.c - by epoll and one read at a time. Theory in receiver.h, 4. */
#include "net/receiver.h"

#include <errno.h>

#include "sys/clock.h"

/* The place may be another connection's by now: reading from that is tried in vain at worst. */
static bool is_watched(const struct memcg_receiver *r, u64 tag)
{
	return tag < r->used && r->all[tag].fd >= 0 && r->all[tag].asked;
}

static int up(struct memcg_receiver *r)
{
	(void)r;
	return 0;
}

static void down(struct memcg_receiver *r)
{
	(void)r;
}

static void unwatch(struct memcg_receiver *r, u32 id)
{
	struct connection *c = &r->all[id];

	if (!c->asked)
		return;
	c->asked = false;
	r->asked--;
	sys_poll_remove(r->poll, c->fd);
}

static int add(struct memcg_receiver *r, u32 id)
{
	int err = sys_poll_add(r->poll, r->all[id].fd, id, SYS_POLL_IN);

	if (err)
		return err;
	r->all[id].asked = true;
	r->asked++;
	return 0;
}

/* Nothing of it is on its way. */
static int take_out(struct memcg_receiver *r, u32 id)
{
	unwatch(r, id);
	receiver_push(r, &r->leaving, id);
	return 0;
}

static u32 pages_in(const struct memcg_frag *frags, size_t n)
{
	u32 i = 0;

	while (i < n && frags[i].page)
		i++;
	return i;
}

/* Should the system refuse, it is told of more often than need be. */
static void set_quiet(const struct memcg_receiver *r, u32 id, bool quiet)
{
	struct connection *c = &r->all[id];
	int err;

	if (c->quiet == quiet)
		return;
	err = sys_poll_change(r->poll, c->fd, id, SYS_POLL_IN | (quiet ? SYS_POLL_CHANGE : 0));
	c->quiet = quiet && !err;
}

/* 1: told; 0: there is nothing. */
static int read_one(struct memcg_receiver *r, u32 id, struct memcg_received *out,
		    struct memcg_frag *frags, size_t n, bool ended)
{
	struct connection *c = &r->all[id];
	ssize_t got = net_receive(r->pool, c->fd, r->cg, frags, n);

	if (got != -EAGAIN)
		set_quiet(r, id, false); /* what this read has left is told of */
	else if (ended)
		set_quiet(r, id, true); /* it is not, and would be told of for ever */
	if (got == -EAGAIN || got == -EINTR)
		return 0;
	if (got == -ENOBUFS || got == -ESHUTDOWN)
		return (int)got;
	if (got <= 0)
		return receiver_tell_end(r, id, got, out);
	*out = (struct memcg_received){
		.data = c->data, .bytes = got, .id = id, .frags = pages_in(frags, n)};
	return 1;
}

static int read_ready(struct memcg_receiver *r, struct memcg_received *out,
		      struct memcg_frag *frags, size_t n)
{
	int got;

	while (r->ready_at < r->ready_n) {
		const struct sys_polled *at = &r->ready[r->ready_at++];
		u64 tag = at->key;
		bool ended = at->what & SYS_POLL_END;

		if (tag == RECEIVER_NEWS)
			receiver_clear_news(r);
		got = is_watched(r, tag) ? read_one(r, (u32)tag, out, frags, n, ended) : 0;
		if (got)
			return got;
	}
	return 0;
}

/* Rounded up: who waits too short would spin. */
static int ms_of(s64 ns)
{
	return ns < 0 ? -1 : (int)MIN((u64)(ns + 999999) / 1000000, (u64)INT32_MAX);
}

static int next(struct memcg_receiver *r, struct memcg_received *out, struct memcg_frag *frags,
		size_t n, s64 timeout_ns)
{
	u64 start = sys_clock_ns();
	s64 left = timeout_ns;

	for (bool looked = false;; looked = true) {
		int got = receiver_tell_leaving(r, out);

		if (!got)
			got = read_ready(r, out, frags, n);
		if (got || (looked && !left))
			return got; /* the time is up, though there was news that came to nothing */
		got = sys_poll_wait(r->poll, r->ready, READY_MOST, ms_of(left));
		if (got < 0)
			return got;
		r->ready_at = 0;
		r->ready_n = (u32)got;
		if (timeout_ns >= 0)
			left = MAX(timeout_ns - (s64)(sys_clock_ns() - start), (s64)0);
		if (!got)
			return left ? -EINTR : 0;
	}
}

static int stop(struct memcg_receiver *r)
{
	(void)r;
	return 0;
}

const struct receiver_way receiver_poll = {
	.up = up,
	.down = down,
	.let_go = unwatch,
	.add = add,
	.take_out = take_out,
	.next = next,
	.stop = stop,
};
