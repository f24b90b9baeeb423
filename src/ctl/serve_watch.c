/*
 * serve_watch.c - telling clients what happens to groups.
 *
 * 1. A watch of a client has the library's own watch of the group's events (group/event.h) and a
 *    trigger of its pressure (reclaim/psi.h). All of a client's write to one eventfd, its bell,
 * which is lent to them: a client takes two descriptors, however many groups it is told of. When it
 *    rings all of them are looked at: they are few, and events are rare.
 * 2. Looking: the bell is stilled, a watch armed, then its counts are read; what happens after that
 *    rings again. What rose since it was last told becomes a line, so of events in quick
 *    succession the last count is told.
 * 3. Pressure is told when some have waited 150 ms within a second; and when anything else rings,
 *    if it has grown by as much since.
 * 4. Lines wait in a piece of the client's until its answer is out. Who does not take them is
 *    closed when that is full.
 */
#include <errno.h>
#include <string.h>

#include "ctl/serve.h"
#include "page/page.h"
#include "reclaim/psi.h"
#include "sys/directory.h"
#include "sys/file.h"

#define STALL_US  150000ul
#define WINDOW_US 1000000ul

struct serve_watch {
	struct serve_watch *next;
	struct memcg *cg; /* referenced */
	struct event_watch *events;
	struct psi_trigger *pressure; /* NULL: there was no memory for it */
	u64 told[EV_KERNEL_NR];
	u64 some_us;
};

static const char *const event_name[EV_KERNEL_NR] = {
	"low", "high", "max", "oom", "oom_kill", "oom_group_kill", "sock_throttled"};

/* --- what is told -------------------------------------------------------------------------------
 */

static bool need_told(struct serve_client *c)
{
	char *told = c->watch.told ? c->watch.told : meta_alloc(SERVE_TOLD);

	c->watch.told = told;
	return told;
}

/* A line that does not fit any more is the end of a client that does not read. */
static void note(struct serve_client *c, struct memcg *cg, const char *file, const char *name,
		 u64 count)
{
	struct text t;
	int path;

	if (c->over || !need_told(c)) {
		c->over = true;
		return;
	}
	t = (struct text){.buf = c->watch.told, .size = SERVE_TOLD - 1, .len = c->watch.told_len};
	path = memcg_path(cg, t.buf + t.len, t.size - t.len);
	t.len += path < 0 ? t.size : (size_t)path;
	text_say(&t, "\t%s\t%s\t%lu\n", file, name, (unsigned long)count);
	c->over = t.len >= t.size;
	c->watch.told_len = (u32)(c->over ? 0 : t.len);
}

void serve_watch_said(struct serve_client *c)
{
	char *told = c->watch.told;

	serve_lock();
	c->watch.told = NULL;
	c->watch.told_len = 0;
	if (told)
		meta_free(told, SERVE_TOLD);
	serve_unlock();
}

static void look_at_events(struct serve_client *c, struct serve_watch *w)
{
	event_watch_arm(w->events); /* before the counts are read: event.h */
	for (unsigned ev = 0; ev < EV_KERNEL_NR; ev++) {
		u64 now = event_count(w->cg, ev);

		if (now != w->told[ev])
			note(c, w->cg, "memory.events", event_name[ev], now);
		w->told[ev] = now;
	}
}

static void look_at_pressure(struct serve_client *c, struct serve_watch *w)
{
	struct psi_pressure p;

	psi_show(w->cg, &p);
	if (p.some.total_us - w->some_us < STALL_US)
		return;
	w->some_us = p.some.total_us;
	note(c, w->cg, "memory.pressure", "some", w->some_us);
}

/* --- a watch comes and goes
 * ----------------------------------------------------------------------- */

static void unlink_watch(struct serve_client *c, struct serve_watch **at)
{
	struct serve_watch *w = *at;
	struct memcg *cg = w->cg;

	serve_lock();
	*at = w->next;
	c->watch.nr--;
	if (w->pressure)
		psi_trigger_del(w->pressure);
	event_watch_del(w->events);
	meta_free(w, sizeof(*w));
	serve_unlock();
	group_put(cg);
}

void serve_watch_look(struct serve_client *c)
{
	struct serve_watch **at = &c->watch.first;

	sys_eventfd_clear(c->watch.bell);
	while (*at) {
		struct serve_watch *w = *at;

		look_at_events(c, w);
		look_at_pressure(c, w);
		if (memcg_online(w->cg)) {
			at = &w->next;
			continue;
		}
		note(c, w->cg, "cgroup.events", "offline", 1);
		unlink_watch(c, at);
	}
}

/* Made with the first watch, there until the client goes. */
static int need_bell(struct serve_client *c)
{
	int bell, err;

	if (c->watch.bell >= 0)
		return 0;
	bell = sys_eventfd();
	if (bell < 0)
		return bell;
	bell = sys_fd_high(bell);
	err = serve_poll_add(bell, SERVE_KEY_WATCH(c->key));
	if (err) {
		sys_close(bell);
		return err;
	}
	c->watch.bell = bell;
	return 0;
}

static int watch_events(struct serve_watch *w, int bell)
{
	w->events = event_watch_add_lent(w->cg, BIT(EV_KERNEL_NR) - 1, bell);
	return w->events ? 0 : -errno;
}

static int watch_pressure(struct serve_watch *w, int bell)
{
	w->pressure = psi_trigger_add_lent(w->cg, false, STALL_US, WINDOW_US, bell);
	return w->pressure ? 0 : -errno;
}

/* Counts from here on: what was before is not told. */
static void note_counts(struct serve_watch *w)
{
	struct psi_pressure p;

	psi_show(w->cg, &p);
	w->some_us = p.some.total_us;
	for (unsigned ev = 0; ev < EV_KERNEL_NR; ev++)
		w->told[ev] = event_count(w->cg, ev);
}

/* The reference becomes the watch's when it is there. */
static int watch_new(struct serve_client *c, struct memcg *cg)
{
	struct serve_watch *w = meta_alloc(sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	*w = (struct serve_watch){.cg = cg};
	note_counts(w);
	serve_lock();
	err = watch_events(w, c->watch.bell);
	if (!err)
		err = watch_pressure(w, c->watch.bell);
	if (!err) {
		w->next = c->watch.first;
		c->watch.first = w;
		c->watch.nr++;
	} else if (w->events) {
		event_watch_del(w->events);
	}
	serve_unlock();
	if (err)
		meta_free(w, sizeof(*w));
	return err;
}

static struct serve_watch **find_watch(struct serve_client *c, const struct memcg *cg)
{
	struct serve_watch **at;

	for (at = &c->watch.first; *at; at = &(*at)->next)
		if ((*at)->cg == cg)
			return at;
	return NULL;
}

static int watch_group(struct serve_client *c, struct memcg *cg)
{
	int err;

	if (c->watch.nr >= SERVE_WATCHES)
		return -EMFILE;
	err = need_bell(c);
	return err ? err : watch_new(c, cg);
}

int serve_watch(struct serve_call *call)
{
	struct memcg *cg;
	int err = 0;
	bool kept;

	cg = serve_group(call, 0, &err);
	if (!cg)
		return err;
	kept = !find_watch(call->client, cg);
	if (kept) {
		err = watch_group(call->client, cg);
		kept = !err;
	}
	if (!kept)
		group_put(cg);
	return err;
}

int serve_unwatch(struct serve_call *call)
{
	struct text why = {.buf = call->why, .size = sizeof(call->why)};
	struct serve_watch **at;
	struct memcg *cg;
	int err;

	cg = serve_group(call, 0, &err);
	if (!cg)
		return err;
	at = find_watch(call->client, cg);
	if (at)
		unlink_watch(call->client, at);
	group_put(cg);
	if (at)
		return 0;
	text_say(&why, "%.200s is not watched by this connection", call->arg[0]);
	return -ENOENT;
}

void serve_watch_end(struct serve_client *c)
{
	while (c->watch.first)
		unlink_watch(c, &c->watch.first);
	serve_watch_said(c);
	if (c->watch.bell >= 0) {
		serve_poll_remove(c->watch.bell);
		sys_close(c->watch.bell);
	}
}
