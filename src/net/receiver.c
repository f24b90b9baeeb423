/* receiver.c - receivers and their connections; which way they go. Theory in receiver.h. */
#include "net/receiver.h"

#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "net/rcvbuf.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/id.h"
#include "sys/sock.h"

#define SIZE_LEAST     offsetof(struct memcg_receiver_config, pages)
#define PAGES_DEFAULT  64u
#define RECEIVER_FLAGS ((unsigned)MEMCG_RECEIVER_POLL)
#define FIRST_SIZE     16u
#define ENDING_MS      1000u

/* --- lists ----------------------------------------------------------------------------------- */

void receiver_push(struct memcg_receiver *r, u32 *list, u32 id)
{
	r->all[id].next = *list;
	*list = id;
}

u32 receiver_pop(struct memcg_receiver *r, u32 *list)
{
	u32 id = *list;

	if (id != NO_CONNECTION)
		*list = r->all[id].next;
	return id;
}

static int grow(struct memcg_receiver *r)
{
	u32 size = r->size ? 2 * r->size : FIRST_SIZE;
	struct connection *all = meta_alloc(size * sizeof(*all));

	if (!all)
		return -ENOMEM;
	if (r->size) {
		memcpy(all, r->all, r->size * sizeof(*all));
		meta_free(r->all, r->size * sizeof(*all));
	}
	r->all = all;
	r->size = size;
	return 0;
}

static u32 connection_new(struct memcg_receiver *r, int fd, u64 data)
{
	u32 id = receiver_pop(r, &r->free);

	if (id == NO_CONNECTION) {
		if (r->used == r->size && grow(r))
			return NO_CONNECTION;
		id = r->used++;
	}
	r->all[id] = (struct connection){.data = data, .fd = fd};
	return id;
}

/* The child of a fork leaves its parent's socket alone. */
static void connection_close(const struct memcg_receiver *r, struct connection *c)
{
	if (r->process == sys_process_id())
		rcvbuf_restore(c->fd);
	sys_close(c->fd);
	c->fd = -1;
}

static void connection_free(struct memcg_receiver *r, u32 id)
{
	struct connection *c = &r->all[id];

	r->way->let_go(r, id);
	connection_close(r, c);
	receiver_push(r, &r->free, id);
}

/* --- for both ways --------------------------------------------------------------------------- */

bool receiver_over_high(const struct memcg_receiver *r)
{
	return handle_for(r->cg) && counter_over_high(&r->cg->counter);
}

int receiver_tell_end(struct memcg_receiver *r, u32 id, s64 result, struct memcg_received *out)
{
	*out = (struct memcg_received){.data = r->all[id].data, .bytes = result, .id = id};
	connection_free(r, id);
	return 1;
}

int receiver_tell_leaving(struct memcg_receiver *r, struct memcg_received *out)
{
	u32 id = receiver_pop(r, &r->leaving);

	return id == NO_CONNECTION ? 0 : receiver_tell_end(r, id, -ECANCELED, out);
}

static void tell_loop(struct memcg_receiver *r)
{
	(void)sys_eventfd_signal(r->news);
	r->news_told = true;
}

void receiver_set_news(struct memcg_receiver *r)
{
	if (!r->news_told && (r->leaving != NO_CONNECTION || r->ring.unsubmitted))
		tell_loop(r);
}

/* Cleared, then looked: receiver.h, 5. */
void receiver_clear_news(struct memcg_receiver *r)
{
	sys_eventfd_clear(r->news);
	r->news_told = false;
	if (r->way == &receiver_ring && ring_has(&r->ring))
		tell_loop(r);
}

/* Kept in its record by each thread that has one, also after a fork. */
static u32 this_thread(void)
{
	return task_self() ? task_self()->system_id : sys_thread_id();
}

/* Which of all threads there have been; not 0. A fork's child has it too, but not the process. */
static u64 this_owner(void)
{
	static __thread u64 own;
	static u64 last;

	if (unlikely(!own))
		own = atomic_add(&last, 1ul);
	return own;
}

static bool is_owner(const struct memcg_receiver *r)
{
	return r->thread == this_thread() && r->owner == this_owner();
}

/* --- coming and going ------------------------------------------------------------------------ */

static int config_take(const struct memcg_receiver_config *from, struct memcg_receiver_config *to)
{
	int err;

	*to = (struct memcg_receiver_config)MEMCG_RECEIVER_CONFIG_INIT;
	err = from ? config_copy(to, sizeof(*to), from, SIZE_LEAST) : 0;
	if (!err && (to->flags & ~RECEIVER_FLAGS || to->pages > RING_MOST))
		return -EINVAL;
	return err;
}

static void files_close(struct memcg_receiver *r)
{
	if (r->poll >= 0)
		sys_close(r->poll);
	if (r->news >= 0)
		sys_close(r->news);
}

static int files_open(struct memcg_receiver *r)
{
	int err;

	r->news = -1;
	r->poll = sys_poll_new();
	if (r->poll >= 0)
		r->news = sys_eventfd();
	err = r->poll < 0 ? r->poll : r->news < 0 ? r->news : 0;
	if (!err)
		err = sys_poll_add(r->poll, r->news, RECEIVER_NEWS, SYS_POLL_IN);
	if (err)
		files_close(r);
	return err;
}

/* Whatever the system says of rings, there is another way. */
static void choose(struct memcg_receiver *r, unsigned flags)
{
	r->ring.u.fd = -1;
	r->way = &receiver_ring;
	if (flags & MEMCG_RECEIVER_POLL || r->way->up(r))
		r->way = &receiver_poll;
}

static struct memcg_receiver *receiver_new(struct memcg_pool *p, struct memcg *cg,
					   const struct memcg_receiver_config *c, int *err)
{
	struct memcg_receiver *r = meta_alloc(sizeof(*r));

	*err = -ENOMEM;
	if (!r)
		return NULL;
	*err = files_open(r);
	if (*err) {
		meta_free(r, sizeof(*r));
		return NULL;
	}
	r->pool = pool_ref(p);
	r->cg = memcg_get(cg ? cg : group_active());
	r->process = sys_process_id();
	r->thread = this_thread();
	r->owner = this_owner();
	r->pages = c->pages ? c->pages : PAGES_DEFAULT;
	r->free = r->idle = r->leaving = NO_CONNECTION;
	choose(r, c->flags);
	return r;
}

struct memcg_receiver *memcg_receiver_create(struct memcg_pool *pool, struct memcg *cg,
					     const struct memcg_receiver_config *config)
{
	struct memcg_receiver *r = NULL;
	struct memcg_receiver_config c;
	int err = pool ? config_take(config, &c) : -EINVAL;

	thread_need();
	if (!err)
		r = receiver_new(pool, cg, &c, &err);
	if (err)
		errno = -err;
	return r;
}

static void receiver_free(struct memcg_receiver *r)
{
	files_close(r);
	for (u32 id = 0; id < r->used; id++)
		if (r->all[id].fd >= 0)
			connection_close(r, &r->all[id]);
	r->way->down(r);
	memcg_put(r->cg);
	if (r->size)
		meta_free(r->all, r->size * sizeof(*r->all));
	meta_free(r, sizeof(*r));
}

/*
 * What a thread has asked for ends with it, in the system, which is done with that before the
 * thread's number is nobody's. One that has been joined may have a moment to go.
 */
static bool thread_has_ended(u32 thread)
{
	if (thread == this_thread())
		return true; /* it is this one's now */
	for (unsigned i = 0; i < ENDING_MS && sys_thread_is(thread); i++)
		sys_sleep_ns(1000000);
	return !sys_thread_is(thread);
}

int memcg_receiver_destroy(struct memcg_receiver *r)
{
	int err = 0;

	if (!r)
		return 0;
	thread_need();
	if (r->busy)
		return -EBUSY;
	if (is_owner(r)) {
		r->ending = true;
		err = r->way->stop(r);
	} else if (!thread_has_ended(r->thread)) {
		err = -EPERM;
	}
	if (!err)
		receiver_free(r);
	return err;
}

/* --- the calls ------------------------------------------------------------------------------- */

static int enter(struct memcg_receiver *r)
{
	if (!r)
		return -EINVAL;
	if (!is_owner(r))
		return -EPERM;
	if (r->ending)
		return -ESHUTDOWN;
	if (r->busy)
		return -EBUSY;
	r->busy = true;
	return 0;
}

static int leave(struct memcg_receiver *r, int result)
{
	receiver_set_news(r);
	r->busy = false;
	return result;
}

/* What keeps messages apart is read with memcg_pool_recvmsg. */
static int copy_of(int fd)
{
	int err = sys_is_stream(fd);

	return err ? err : sys_dup(fd);
}

static int add(struct memcg_receiver *r, int fd, u64 data)
{
	int copy = copy_of(fd), err;
	u32 id;

	if (copy < 0)
		return copy;
	id = connection_new(r, copy, data);
	if (id == NO_CONNECTION) {
		sys_close(copy);
		return -ENOMEM;
	}
	err = r->way->add(r, id);
	if (err)
		connection_free(r, id);
	return err ? err : (int)id;
}

int memcg_receiver_add(struct memcg_receiver *r, int fd, uint64_t data)
{
	int err = enter(r);

	return err ? err : leave(r, add(r, fd, data));
}

static int take_out(struct memcg_receiver *r, int id)
{
	struct connection *c = id >= 0 && (u32)id < r->used ? &r->all[id] : NULL;

	if (!c || c->fd < 0)
		return -ENOENT;
	if (c->out)
		return -EALREADY;
	c->out = true;
	return r->way->take_out(r, (u32)id);
}

int memcg_receiver_remove(struct memcg_receiver *r, int id)
{
	int err = enter(r);

	return err ? err : leave(r, take_out(r, id));
}

static s64 ns_of(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : (s64)timeout_ms * 1000000;
}

int memcg_receiver_next(struct memcg_receiver *r, struct memcg_received *out, size_t size,
			struct memcg_frag *frags, size_t n, int timeout_ms)
{
	struct memcg_received got = {0};
	int err = out && size && frags && n ? enter(r) : -EINVAL;

	if (err)
		return err;
	thread_need();
	err = r->way->next(r, &got, frags, MIN(n, NET_BATCH), ns_of(timeout_ms));
	memset(out, 0, size);
	memcpy(out, &got, MIN(size, sizeof(got)));
	if (!err)
		receiver_clear_news(r);
	return leave(r, err);
}

int memcg_receiver_fd(const struct memcg_receiver *r)
{
	return r ? r->poll : -EINVAL;
}

bool memcg_receiver_uses_ring(const struct memcg_receiver *r)
{
	return r && r->way == &receiver_ring;
}
