/* event.c - counting events, and telling who watches. Theory in event.h. */
#include "group/event.h"

#include <errno.h>
#include <string.h>

#include "group/record.h"
#include "page/page.h"
#include "sync/lock.h"
#include "sys/file.h"

#define FD_BUCKETS 64u
#define NO_FD	   (-1)

/* All under event_lock. */
struct event_watch {
	struct event_set *set; /* NULL: its group is gone, or it stayed behind in a fork */
	struct event_watch *next;
	struct event_watch *fd_next; /* in by_fd */
	u32 mask;
	bool armed;
	bool lent;   /* fd is another's to close */
	int fd;	     /* the end that is written to */
	int user_fd; /* the other, of memcg_eventfd(); NO_FD: made by event_watch_add() */
};

/* The watches of a group. Made with the first one, gone with the struct. */
struct event_set {
	u32 armed; /* masks of armed watches, perhaps some more; written under the lock */
	struct event_watch *first;
	struct list link; /* all_sets */
};

_Static_assert(MEMCG_EVENT_LOW == BIT(EV_LOW) && MEMCG_EVENT_HIGH == BIT(EV_HIGH) &&
		       MEMCG_EVENT_MAX == BIT(EV_MAX) && MEMCG_EVENT_OOM == BIT(EV_OOM) &&
		       MEMCG_EVENT_OOM_KILL == BIT(EV_OOM_KILL) &&
		       MEMCG_EVENT_OOM_GROUP_KILL == BIT(EV_OOM_GROUP_KILL) &&
		       MEMCG_EVENT_SOCK_THROTTLED == BIT(EV_SOCK_THROTTLED),
	       "the public bits are those of enum group_event");
#define EVENT_ALL ((u32)BIT(EV_KERNEL_NR) - 1)

static struct lock event_lock = LOCK_INIT(RANK_EVENT);
static struct list all_sets = LIST_INIT(all_sets);
static struct event_watch *by_fd[FD_BUCKETS]; /* those of memcg_eventfd(), newest first */

static void events_lock(void)
{
	task_busy_begin();
	lock_acquire(&event_lock);
}

static void events_unlock(void)
{
	lock_release(&event_lock);
	task_busy_end();
}

/* --- raising ------------------------------------------------------------------ */

/* One that could not be written to stays armed: the next event tries again. */
static __cold_ void notify(struct event_set *set, u32 bits)
{
	struct event_watch *w;
	u32 armed = 0;

	events_lock();
	for (w = set->first; w; w = w->next) {
		if (w->armed && w->mask & bits)
			w->armed = sys_eventfd_signal(w->fd) != 0;
		if (w->armed)
			armed |= w->mask;
	}
	atomic_store(&set->armed, armed);
	events_unlock();
}

void group_event(struct memcg *cg, enum group_event ev)
{
	u32 bit = ev < EV_KERNEL_NR ? (u32)BIT(ev) : 0, bits = bit | EVENT_LOCAL(bit);

	for (; cg; cg = cg->parent, bits = bit) {
		struct group_record *r = group_record_make(cg);
		struct event_set *set;

		if (unlikely(!r))
			continue;
		if (bits != bit)
			(void)atomic_add(&r->events_local[ev], 1ul);
		/* Counted, then looked: pairs with arm_locked and event_count. */
		(void)atomic_add(&r->events[ev], 1ul);
		set = atomic_load_seq(&r->watches);
		if (unlikely(set) && atomic_load_seq(&set->armed) & bits)
			notify(set, bits);
	}
}

/* --- watches ------------------------------------------------------------------ */

/* Armed, then the counts are read: pairs with group_event. */
static void arm_locked(struct event_watch *w)
{
	w->armed = true;
	(void)atomic_or(&w->set->armed, w->mask);
}

static struct event_watch **bucket_of(int fd)
{
	return &by_fd[(u32)fd % FD_BUCKETS];
}

/*
 * False: offline. `made` becomes the group's set unless it has one; then it is NULL. The set
 * is there before online is looked at, as event_offline looks at them the other way round.
 */
static bool attach_locked(struct memcg *cg, struct event_watch *w, struct event_set **made)
{
	struct event_watch **bucket = bucket_of(w->user_fd);
	struct group_record *r = cg->record; /* watch_new's */

	if (!r->watches) {
		list_add(&all_sets, &(*made)->link);
		(void)atomic_xchg(&r->watches, *made); /* pairs with group_event, event_offline */
		*made = NULL;
	}
	if (!atomic_load_seq(&cg->online))
		return false;
	w->set = r->watches;
	w->next = w->set->first;
	w->set->first = w;
	if (w->user_fd != NO_FD) {
		w->fd_next = *bucket;
		*bucket = w;
	}
	arm_locked(w);
	return true;
}

/* What its set says of armed watches may be too much from here on: notify looks at each. */
static void detach_locked(struct event_watch *w)
{
	struct event_watch **at;

	for (at = &w->set->first; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	w->set = NULL;
	if (w->user_fd == NO_FD)
		return;
	for (at = bucket_of(w->user_fd); *at != w; at = &(*at)->fd_next)
		;
	*at = w->fd_next;
}

/* 0, -ENOMEM, -ENODEV. */
static int watch_new(struct memcg *cg, struct event_watch **out, struct event_watch is)
{
	struct event_watch *w = meta_alloc(sizeof(*w));
	struct event_set *set = meta_alloc(sizeof(*set));
	int err = -ENOMEM;

	if (w && set && group_record_make(cg)) {
		*w = is;
		events_lock();
		err = attach_locked(cg, w, &set) ? 0 : -ENODEV;
		events_unlock();
	}
	if (err && w)
		meta_free(w, sizeof(*w));
	if (set)
		meta_free(set, sizeof(*set));
	*out = w;
	return err;
}

static void give_back_end(struct event_watch *w)
{
	if (w->fd != NO_FD && !w->lent)
		sys_close(w->fd);
	w->fd = NO_FD;
}

static void watch_free(struct event_watch *w)
{
	give_back_end(w);
	meta_free(w, sizeof(*w));
}

static struct event_watch *watch_add(struct memcg *cg, u32 mask, int fd, bool lent)
{
	struct event_watch is = {.mask = mask, .fd = fd, .lent = lent, .user_fd = NO_FD}, *w;
	int err = watch_new(cg, &w, is);

	if (!err)
		return w;
	errno = -err;
	return NULL;
}

struct event_watch *event_watch_add(struct memcg *cg, u32 mask, int fd)
{
	return watch_add(cg, mask, fd, false);
}

struct event_watch *event_watch_add_lent(struct memcg *cg, u32 mask, int fd)
{
	return watch_add(cg, mask, fd, true);
}

void event_watch_del(struct event_watch *w)
{
	events_lock();
	if (w->set)
		detach_locked(w);
	events_unlock();
	watch_free(w);
}

void event_watch_arm(struct event_watch *w)
{
	events_lock();
	if (w->set)
		arm_locked(w);
	events_unlock();
}

/* Those of memcg_eventfd: other watches are armed by who reads for them. */
static void arm_eventfds(struct memcg *cg)
{
	struct event_set *set = atomic_load_seq(&group_record(cg)->watches);
	struct event_watch *w;

	if (!set)
		return;
	events_lock();
	for (w = set->first; w; w = w->next)
		if (w->user_fd != NO_FD)
			arm_locked(w);
	events_unlock();
}

/* --- the end of a group; forks ------------------------------------------------- */

void event_offline(struct memcg *cg)
{
	const struct group_record *r = group_record(cg);
	struct event_watch *w;

	if (!atomic_load_seq(&r->watches))
		return; /* pairs with attach_locked: who attaches one now finds it offline */
	events_lock();
	for (w = r->watches->first; w; w = w->next)
		sys_eventfd_signal(w->fd);
	events_unlock();
}

/* memcg_eventfd's are left only: others hold a reference of the group. */
void event_free(struct memcg *cg)
{
	struct event_set *set = group_record(cg)->watches;
	struct event_watch *w;

	if (!set)
		return;
	do {
		events_lock();
		w = set->first;
		if (w)
			detach_locked(w);
		else
			list_del(&set->link);
		events_unlock();
		if (w)
			watch_free(w);
	} while (w);
	meta_free(set, sizeof(*set));
}

void event_fork_prepare(void)
{
	lock_acquire(&event_lock);
}

void event_fork_parent(void)
{
	lock_release(&event_lock);
}

/* Dropped unwritten, and our ends closed. Those somebody holds are his to delete. */
static void drop_all_locked(struct event_set *set)
{
	struct event_watch *w;

	while ((w = set->first)) {
		detach_locked(w);
		give_back_end(w);
		if (w->user_fd != NO_FD)
			meta_free(w, sizeof(*w));
	}
	atomic_store(&set->armed, 0u);
}

/* The lock is made anew before: nobody else is here, and structures are freed on the way. */
void event_fork_child(void)
{
	struct list *at;

	lock_init(&event_lock, RANK_EVENT);
	list_for_each(at, &all_sets) drop_all_locked(list_entry(at, struct event_set, link));
}

/* --- for the program ------------------------------------------------------------ */

int memcg_eventfd(struct memcg *cg, unsigned events)
{
	struct event_watch is = {.mask = events}, *w;
	int err;

	cg = cg ? cg : group_active();
	if (!events || events & ~EVENT_ALL)
		return -EINVAL;
	is.user_fd = sys_eventfd();
	if (is.user_fd < 0)
		return is.user_fd;
	err = is.fd = sys_dup(is.user_fd);
	if (err < 0)
		goto close_user;
	err = watch_new(cg, &w, is);
	if (err)
		goto close_ours;
	return is.user_fd;
close_ours:
	sys_close(is.fd);
close_user:
	sys_close(is.user_fd);
	return err;
}

int memcg_eventfd_close(int fd)
{
	struct event_watch *w;

	events_lock();
	for (w = fd < 0 ? NULL : *bucket_of(fd); w && w->user_fd != fd; w = w->fd_next)
		;
	if (w)
		detach_locked(w);
	events_unlock();
	if (!w)
		return -EBADF;
	watch_free(w);
	sys_close(fd);
	return 0;
}

u64 event_count(const struct memcg *cg, enum group_event ev)
{
	return atomic_load_seq(&group_record(cg)->events[ev]);
}

int memcg_event_read(struct memcg *cg, struct memcg_events *ev, size_t size)
{
	struct memcg_events now = {.rose = 0}, before = {.rose = 0};
	u64 *count = &now.low, *was = &before.low;
	unsigned i;

	cg = cg ? cg : group_active();
	if (!ev || !size)
		return -EINVAL;
	memcpy(&before, ev, MIN(size, sizeof(before)));
	arm_eventfds(cg);
	for (i = 0; i < EV_KERNEL_NR; i++) {
		count[i] = event_count(cg, i);
		now.rose |= count[i] > was[i] ? BIT(i) : 0;
	}
	memset(ev, 0, size);
	memcpy(ev, &now, MIN(size, sizeof(now)));
	return 0;
}
