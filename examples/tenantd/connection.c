/* connection.c - see connection.h. */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "server.h"

#define READS	 4u	     /* in one turn, so that the others have theirs */
#define PATIENCE 20u	     /* ticks without memory */
#define TURN_NS	 1000000ul   /* of requests, in one turn */
#define ROOM	 (64u << 10) /* evicted for a read that was refused */

struct connection *connection_new(int fd)
{
	struct connection *c = memcg_calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	c->events = EPOLLIN;
	c->pages = 1;
	c->tenant = *server.password ? tenant_guest() : tenant_database(0);
	if (!c->tenant) {
		memcg_free(c);
		return NULL;
	}
	input_init(&c->in);
	resp_init(&c->resp);
	__atomic_add_fetch(&server.clients, 1, __ATOMIC_RELAXED);
	return c;
}

static void wait_not(struct worker *w, struct connection *c)
{
	if (c->waiting)
		TAILQ_REMOVE(&w->waiting, c, list);
	c->waiting = false;
}

static void wait_for_tick(struct worker *w, struct connection *c)
{
	if (c->waiting)
		return;
	TAILQ_INSERT_TAIL(&w->waiting, c, list);
	c->waiting = true;
	c->since = wall_ms;
}

void connection_end(struct worker *w, struct connection *c)
{
	wait_not(w, c);
	close(c->fd);
	backlog_clear(&c->backlog);
	resp_end(&c->resp);
	input_clear(&c->in);
	memcg_put(c->cg);
	tenant_put(c->tenant);
	memcg_free(c);
	__atomic_sub_fetch(&server.clients, 1, __ATOMIC_RELAXED);
}

void connection_switch(struct connection *c, struct tenant *t)
{
	tenant_put(c->tenant);
	c->tenant = t;
	tenant_group(t, &c->cg);
	memcg_put(memcg_enter(c->cg));
}

/* ---- requests ---- */

/* Who is dropped has no limit any more, so nothing more is taken from its clients. */
static bool is_gone(struct worker *w, struct connection *c)
{
	if (!tenant_is_dropped(c->tenant))
		return false;
	reply_error(&w->reply, "ERR the tenant was dropped");
	c->closing = true;
	return true;
}

static bool may_go_on(const struct connection *c, const struct reply *reply)
{
	return !c->closing && !c->late && !c->backlog.first && !reply->broken;
}

/* Those that are there, while the client takes the replies and its turn is not over. */
static void serve(struct worker *w, struct connection *c)
{
	enum resp_result result = RESP_REQUEST;

	while (may_go_on(c, &w->reply) && (result = resp_next(&c->resp, &c->in)) == RESP_REQUEST) {
		command_run(c, &w->reply);
		resp_end(&c->resp);
		c->late = mono_ns() > w->deadline;
		__atomic_store_n(&w->commands, w->commands + 1, __ATOMIC_RELAXED);
	}
	if (result == RESP_ERROR) {
		reply_error(&w->reply, "ERR %s", c->resp.error);
		c->closing = true;
	}
	input_drop(&c->in, &c->resp.at);
}

/*
 * As much as the last read brought, or as the argument needs that is coming in, or twice what this
 * turn has brought; and one more, because the first is the rest of a page that others have begun.
 */
static unsigned pages_to_offer(const struct connection *c, size_t sum)
{
	size_t wants = resp_wants(&c->resp) / PAGE + (resp_wants(&c->resp) > 1);

	wants = wants < c->pages ? c->pages : wants;
	wants = wants < 2 * sum / PAGE ? 2 * sum / PAGE : wants;
	wants += wants > 1;
	return wants < INPUT_PAGES_MAX ? (unsigned)wants : INPUT_PAGES_MAX;
}

/*
 * No page for it, though the shrinker was asked. On another thread somebody may have had the
 * store's lock; or there is nothing to evict, and then the memory is in requests or in replies.
 */
static ssize_t receive(struct connection *c, unsigned pages)
{
	ssize_t n = input_receive(&c->in, server.pool, c->fd, c->cg, pages);

	while (n == -ENOBUFS && tenant_evict(c->tenant, ROOM))
		n = input_receive(&c->in, server.pool, c->fd, c->cg, pages);
	return n;
}

static void out_of_memory(struct worker *w, struct connection *c)
{
	if (c->resp.todo < 0 && !c->in.count && ++c->refused < PATIENCE) {
		c->paused = true;
		wait_for_tick(w, c);
		return;
	}
	reply_error(&w->reply, "OOM the tenant's memory is at its limit");
	c->closing = true;
}

/* Bytes; 0: there is nothing to read, or nothing that this client may have read now. */
static size_t read_once(struct worker *w, struct connection *c, unsigned pages)
{
	ssize_t n;

	if (is_gone(w, c))
		return 0;
	n = receive(c, pages);
	if (n > 0) {
		c->refused = 0;
		return (size_t)n;
	}
	if (n == -ENOBUFS) {
		out_of_memory(w, c);
	} else if (n != -EAGAIN && n != -EINTR) {
		w->reply.broken = n < 0;
		c->closing = true;
	}
	return 0;
}

/* What was offered is full: there may be more. */
static bool is_full(const struct connection *c, size_t n, unsigned pages)
{
	const struct memcg_frag *last = &c->in.frag[c->in.count - 1];

	return n > (pages - 1) * (size_t)PAGE && last->offset + last->length == PAGE;
}

/* What a turn brought is what the next is likely to: offered at once, or half as much less. */
static void learn(struct connection *c, size_t n)
{
	unsigned used = (unsigned)((n + PAGE - 1) / PAGE);

	c->pages = used >= c->pages ? used : (c->pages + used) / 2;
	if (c->pages > INPUT_PAGES_MAX)
		c->pages = INPUT_PAGES_MAX;
}

static void read_and_serve(struct worker *w, struct connection *c)
{
	bool more = true;
	size_t sum = 0;

	for (unsigned i = 0; i < READS && more && may_go_on(c, &w->reply); i++) {
		unsigned pages = pages_to_offer(c, sum);
		size_t n = read_once(w, c, pages);

		more = n && is_full(c, n, pages);
		sum += n;
		serve(w, c);
	}
	if (sum)
		learn(c, sum);
}

/* ---- turns ---- */

static void turn_in_group(struct worker *w, struct connection *c, uint32_t events)
{
	int sent;

	if (is_gone(w, c)) {
		reply_send(&w->reply);
		return;
	}
	sent = c->backlog.first ? backlog_send(&c->backlog, c->fd) : 1;
	if (events & EPOLLOUT)
		c->since = wall_ms; /* it has taken something */
	w->reply.broken = sent < 0;
	c->late = false;
	w->deadline = mono_ns() + TURN_NS;
	if (sent > 0 && c->in.count)
		serve(w, c); /* what was left when the client took no more, or when there was no
				memory */
	if (sent > 0 && events & EPOLLIN)
		read_and_serve(w, c);
	reply_send(&w->reply);
}

static uint32_t events_for(const struct connection *c)
{
	return c->backlog.first || c->late ? EPOLLOUT : c->paused ? 0 : EPOLLIN;
}

static void watch(struct worker *w, struct connection *c)
{
	struct epoll_event event = {.events = events_for(c), .data.ptr = c};

	if (c->backlog.first || c->late)
		wait_for_tick(w, c);
	else if (!c->paused)
		wait_not(w, c);
	if (event.events == c->events)
		return;
	c->events = event.events;
	epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

void connection_turn(struct worker *w, struct connection *c, uint32_t events)
{
	struct memcg *before;

	if (events & (EPOLLERR | EPOLLHUP) || (c->backlog.first && tenant_is_dropped(c->tenant))) {
		connection_end(w, c);
		return;
	}
	tenant_group(c->tenant, &c->cg);
	before = memcg_enter(c->cg);
	reply_begin(&w->reply, c->fd, &c->backlog);
	turn_in_group(w, c, events);
	memcg_leave(before);
	if (w->reply.broken || (c->closing && !c->backlog.first))
		connection_end(w, c);
	else
		watch(w, c);
}

void connection_tick(struct worker *w, struct connection *c)
{
	if (c->paused) {
		c->paused = false;
		connection_turn(w, c, EPOLLIN);
	} else if (wall_ms - c->since > server.timeout_ms || tenant_is_dropped(c->tenant)) {
		connection_end(w, c);
	}
}
