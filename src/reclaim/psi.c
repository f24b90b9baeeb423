/* psi.c - stalls of threads and groups. Theory in psi.h, the arithmetic in psi_time.c. */
#include "reclaim/psi.h"
#include "group/record.h"

#include <errno.h>

#include "page/page.h"
#include "reclaim/psi_time.h"
#include "sync/lock.h"
#include "sys/clock.h"
#include "sys/file.h"

#define WINDOW_LEAST_US 500000ul
#define WINDOW_MOST_US	10000000ul
#define THREADS_MANY	128u
#define PER_THREAD_NS	200ul /* ten times what one costs */
#define NOBODY		(-1)  /* deeper than this: every level */

enum psi_kind { PSI_SOME, PSI_FULL, PSI_KINDS };

/* All under psi_lock. */
struct psi_group {
	u32 stalls; /* going on in the subtree */
	s32 busy;   /* what busy_depth said, and may be asked again then */
	u64 look_again;
	struct psi_time time[PSI_KINDS];
	struct list triggers;
	struct list link; /* all_groups */
};

struct psi_trigger {
	struct psi_group *group; /* NULL: it stayed behind in a fork */
	struct list link;
	enum psi_kind kind;
	struct psi_window window;
	bool lent; /* fd is another's to close */
	int fd;
};

static struct lock psi_lock = LOCK_INIT(RANK_PSI);
static struct list all_groups = LIST_INIT(all_groups);
static u32 generation; /* of the process: forks so far */

static void stalls_lock(void)
{
	task_busy_begin();
	lock_acquire(&psi_lock);
}

static void stalls_unlock(void)
{
	lock_release(&psi_lock);
	task_busy_end();
}

/* --- state -------------------------------------------------------------------- */

static bool make_one(struct memcg *cg)
{
	struct group_record *r = group_record_make(cg);
	struct psi_group *g;
	bool mine;
	u64 now;

	if (!r)
		return false;
	if (atomic_load_acquire(&r->psi))
		return true;
	g = meta_alloc(sizeof(*g));
	if (!g)
		return false;
	list_init(&g->triggers);
	now = sys_clock_ns();
	psi_time_init(&g->time[PSI_SOME], now);
	psi_time_init(&g->time[PSI_FULL], now);
	stalls_lock();
	mine = !r->psi;
	if (mine) {
		list_add(&all_groups, &g->link);
		atomic_store_release(&r->psi, g); /* pairs with the look above */
	}
	stalls_unlock();
	if (!mine)
		meta_free(g, sizeof(*g));
	return true;
}

/* Of all levels or, as far as psi_begin goes, of none: what it counts up, psi_end counts down. */
static bool make_all(struct memcg *cg)
{
	for (; cg; cg = cg->parent)
		if (!make_one(cg))
			return false;
	return true;
}

void psi_group_free(struct memcg *cg)
{
	struct psi_group *g = group_record(cg)->psi;

	if (!g)
		return;
	BUG_ON(g->stalls || !list_empty(&g->triggers));
	stalls_lock();
	list_del(&g->link);
	stalls_unlock();
	meta_free(g, sizeof(*g));
}

/* --- who is not stalled ---------------------------------------------------------- */

/* The chain of parents is constant, of groups that are offline too. */
static u32 common_depth(const struct memcg *a, const struct memcg *b)
{
	while (a != b) {
		if (a->depth >= b->depth)
			a = a->parent;
		else
			b = b->parent;
	}
	return a->depth;
}

struct busy {
	const struct memcg *cg;
	s32 depth; /* levels of cg's chain down to this have a thread that is not stalled */
	u32 seen;
};

static bool look(struct task *t, void *arg)
{
	/* Acquire pairs with the release in thread_use: the group's depth and parent. */
	const struct memcg *active = atomic_load_acquire(&t->active);
	struct busy *b = arg;

	b->seen++;
	if (t->ours || atomic_load(&t->stalls))
		return true;
	b->depth = MAX(b->depth, (s32)common_depth(active ? active : root_group, b->cg));
	return b->depth < (s32)b->cg->depth;
}

/*
 * One walk over the threads answers for all levels. Where there are many, the answer stands for a
 * while: ten times what the walk takes, so that stalls in quick succession do not add up to more.
 */
static s32 busy_depth(const struct memcg *cg, u64 now)
{
	struct busy b = {.cg = cg, .depth = NOBODY};
	struct rcu_reader *self = self_rcu();
	struct psi_group *g = group_record(cg)->psi;

	if (now < g->look_again)
		return g->busy;
	rcu_read_lock(self); /* what others are in stays valid memory */
	tasks_each(look, &b);
	rcu_read_unlock(self);
	g->busy = b.depth;
	if (b.seen > THREADS_MANY)
		g->look_again = now + b.seen * PER_THREAD_NS;
	return b.depth;
}

/* --- bringing up to date ------------------------------------------------------------ */

/* One that cannot be written to is tried again next time. */
static void trigger_check(struct psi_trigger *t, u64 now)
{
	if (psi_window_due(&t->window, now) && sys_eventfd_signal(t->fd) == 0)
		psi_window_told(&t->window, now);
}

static void advance_locked(struct psi_group *g, u64 now)
{
	struct list *at;
	unsigned k;

	list_for_each(at, &g->triggers)
	{
		struct psi_trigger *t = list_entry(at, struct psi_trigger, link);
		const struct psi_time *time = &g->time[t->kind];

		psi_window_advance(&t->window, time->at, now, time->on);
		trigger_check(t, now);
	}
	for (k = 0; k < PSI_KINDS; k++)
		psi_time_advance(&g->time[k], now);
}

/* Up to date by what was, then what is from here on. */
static void update_locked(struct memcg *cg, u64 now)
{
	s32 busy;

	while (cg &&
	       !group_record(cg)->psi) /* state is made upwards: below there is nothing to update */
		cg = cg->parent;
	if (!cg)
		return;
	busy = busy_depth(cg, now);
	for (; cg; cg = cg->parent) {
		struct psi_group *g = group_record(cg)->psi;

		if (!g)
			continue; /* a trigger's group alone */
		advance_locked(g, now);
		g->time[PSI_SOME].on = g->stalls > 0;
		g->time[PSI_FULL].on = g->stalls > 0 && (s32)cg->depth > busy;
	}
}

/* A thread that is short elsewhere than where it is makes both wait. */
static void change(struct memcg *cg, s32 by)
{
	struct memcg *active = group_active(), *up;
	u64 now;

	stalls_lock();
	now = sys_clock_ns();
	for (up = cg; by && up; up = up->parent)
		group_record(up)->psi->stalls += (u32)by;
	update_locked(cg, now);
	if (active != cg)
		update_locked(active, now);
	stalls_unlock();
}

/* --- stalls --------------------------------------------------------------------------- */

void psi_begin(struct psi_stall *s, struct memcg *cg)
{
	bool made;

	cg = cg ? cg : group_active();
	*s = (struct psi_stall){.generation = generation};
	task_busy_begin(); /* for the lock of our own structures */
	made = make_all(cg);
	task_busy_end();
	if (!made || !group_tryget(cg))
		return;
	s->cg = cg;
	s->task = task_self();
	if (s->task)
		atomic_store(&s->task->stalls, s->task->stalls + 1);
	change(cg, 1);
}

void psi_end(struct psi_stall *s)
{
	if (!s->cg)
		return;
	if (s->task)
		atomic_store(&s->task->stalls, s->task->stalls - 1);
	change(s->cg, s->generation == generation ? -1 : 0);
	group_put(s->cg);
	s->cg = NULL;
}

void psi_tick(struct psi_stall *s)
{
	if (s->cg)
		change(s->cg, 0);
}

static struct psi_numbers numbers_of(const struct psi_time *t)
{
	return (struct psi_numbers){
		.avg10 = psi_time_avg(t, 0),
		.avg60 = psi_time_avg(t, 1),
		.avg300 = psi_time_avg(t, 2),
		.total_us = t->total / 1000,
	};
}

void psi_show(struct memcg *cg, struct psi_pressure *out)
{
	cg = cg ? cg : group_active();
	*out = (struct psi_pressure){.some.total_us = 0};
	if (!atomic_load_acquire(&group_record(cg)->psi))
		return;
	stalls_lock();
	update_locked(cg, sys_clock_ns());
	out->some = numbers_of(&group_record(cg)->psi->time[PSI_SOME]);
	out->full = numbers_of(&group_record(cg)->psi->time[PSI_FULL]);
	stalls_unlock();
}

/* --- triggers ---------------------------------------------------------------------------- */

bool psi_trigger_valid(u64 stall_us, u64 window_us)
{
	return window_us >= WINDOW_LEAST_US && window_us <= WINDOW_MOST_US && stall_us &&
	       stall_us <= window_us;
}

static struct psi_trigger *trigger_add(struct memcg *cg, bool full, u64 stall_us, u64 window_us,
				       int fd, bool lent)
{
	struct psi_trigger *t = NULL;

	errno = EINVAL;
	if (!psi_trigger_valid(stall_us, window_us))
		return NULL;
	errno = ENODEV;
	if (!memcg_online(cg))
		return NULL;
	errno = ENOMEM;
	if (make_one(cg))
		t = meta_alloc(sizeof(*t));
	if (!t)
		return NULL;
	t->kind = full ? PSI_FULL : PSI_SOME;
	t->fd = fd;
	t->lent = lent;
	stalls_lock();
	t->group = group_record(cg)->psi;
	psi_window_init(&t->window, window_us * 1000, stall_us * 1000, sys_clock_ns());
	list_add(&t->group->triggers, &t->link);
	stalls_unlock();
	return t;
}

struct psi_trigger *psi_trigger_add(struct memcg *cg, bool full, u64 stall_us, u64 window_us,
				    int fd)
{
	return trigger_add(cg, full, stall_us, window_us, fd, false);
}

struct psi_trigger *psi_trigger_add_lent(struct memcg *cg, bool full, u64 stall_us, u64 window_us,
					 int fd)
{
	return trigger_add(cg, full, stall_us, window_us, fd, true);
}

void psi_trigger_del(struct psi_trigger *t)
{
	stalls_lock();
	list_del(&t->link);
	stalls_unlock();
	if (t->group && !t->lent)
		sys_close(t->fd);
	meta_free(t, sizeof(*t));
}

/* --- forks ---------------------------------------------------------------------------------- */

void psi_fork_prepare(void)
{
	lock_acquire(&psi_lock);
}

void psi_fork_parent(void)
{
	lock_release(&psi_lock);
}

/* Whoever stalled is not here; triggers are their holders' to delete. */
static void forget(struct psi_group *g, u64 now)
{
	unsigned k;

	while (!list_empty(&g->triggers)) {
		struct psi_trigger *t = list_entry(g->triggers.next, struct psi_trigger, link);

		list_del(&t->link);
		if (!t->lent)
			sys_close(t->fd);
		t->group = NULL;
	}
	g->stalls = 0;
	for (k = 0; k < PSI_KINDS; k++) {
		psi_time_advance(&g->time[k], now);
		g->time[k].on = false;
	}
}

void psi_fork_child(void)
{
	u64 now = sys_clock_ns();
	struct list *at;

	generation++;
	list_for_each(at, &all_groups) forget(list_entry(at, struct psi_group, link), now);
	lock_release(&psi_lock);
}
