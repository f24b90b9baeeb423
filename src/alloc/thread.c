/* thread.c - records of threads: making, finding, giving up. Theory in thread.h. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "alloc/regroup.h"
#include "alloc/thread.h"
#include "reclaim/owed.h"

void (*memcg__thread_hook)(void);
u32 accounting_off;
bool promote_off;

static pthread_key_t key;
static bool key_made;

/* Bins that are always empty: those of a group without own slabs on this thread. */
static struct bin empty_bins[CLASS_NR];

#define NOBODYS_HOLD (~0u << SLAB_HOLD_SHIFT) /* tids are far below */
static struct thread nobody = {.bins = empty_bins, .hold = NOBODYS_HOLD};
__thread struct task *memcg__self __attribute__((tls_model("initial-exec"))) = &nobody.task;

static void thread_exit(void *arg);

int threads_init(void)
{
	tasks_init();
	if (pthread_key_create(&key, thread_exit) == 0)
		key_made = true;
	return 0;
}

/*
 * The key's slot is one of the first 32 (it is made at start-up), so
 * setspecific does not allocate. The record is in TLS before, so that should it
 * do so after all, it finds one.
 */
static struct thread *make(bool ours)
{
	struct thread *t;

	lib_up();
	t = meta_alloc(sizeof(*t));
	if (!t)
		return NULL;
	t->task.ours = ours;
	if (!task_register(&t->task)) {
		meta_free(t, sizeof(*t));
		return NULL;
	}
	t->hold = slab_hold_of(t->task.tid);
	heap_init(&t->shared, t->task.tid, 0, OWN_HEAPS);
	rcu_reader_add(&t->task.rcu);
	t->mode = ~0u;
	memcg__self = &t->task;
	thread_follow_mode(t);
	if (key_made)
		pthread_setspecific(key, t);
	if (memcg__thread_hook && !ours)
		memcg__thread_hook();
	return t;
}

struct thread *thread_make(void)
{
	return make(false);
}

struct thread *thread_make_ours(void)
{
	return make(true);
}

static void thread_exit(void *arg)
{
	struct thread *t = arg;
	struct memcg *active;

	if (t != thread_self())
		return;
	active = t->task.active;
	t->task.busy++; /* no allocation from here on gets into these heaps */
	thread_dissolve(t);
	external_give_up(&t->charges);
	memcg__self = &nobody.task;
	atomic_store(&t->task.active, (struct memcg *)NULL); /* psi.c may still look */
	/* May run the program's drop, which may allocate: as a new thread would. */
	if (!t->lent)
		memcg_put(active);
	rcu_reader_del(&t->task.rcu);
	task_unregister(&t->task);
	meta_free(t, sizeof(*t));
}

/* --- who pays --------------------------------------------------------------- */

static void use_handle(struct thread *t, u32 handle)
{
	struct heap *own;

	t->task.handle = handle;
	own = t->own[handle % OWN_HEAPS];
	t->own_now = own && own->handle == handle ? own : NULL;
	if (likely(!t->mode))
		t->bins = t->own_now ? own->bin : empty_bins;
}

void thread_use(struct thread *t, struct memcg *cg)
{
	atomic_store_release(&t->task.active, cg); /* pairs with look() in reclaim/psi.c */
	use_handle(t, cg ? cg->handle->index : HANDLE_ROOT);
}

/* memory.accounting was switched: while it is off the shared heap's bare slabs are used directly.
 */
void thread_follow_mode(struct thread *t)
{
	u32 off = atomic_load(&accounting_off);

	if (t->mode == off)
		return;
	t->mode = off;
	heap_unpark(&t->shared, slab_drop); /* only slots of bare slabs may be parked while off */
	heap_follow_max(&t->shared);
	t->bins = t->shared.bin;
	use_handle(t, t->task.active ? t->task.active->handle->index : HANDLE_ROOT);
}

/* With the reference that goes with it: what is only lent, or nobody's, gets one. */
static struct memcg *take_active(struct thread *t)
{
	struct memcg *active = t->task.active;

	if (unlikely(!active || t->lent))
		active = memcg_get(active ? active : root_group);
	t->lent = false;
	return active;
}

struct memcg *memcg_enter(struct memcg *cg)
{
	struct thread *t = thread_get();
	struct memcg *previous;

	if (unlikely(!t)) /* no memory for a record: the root goes on paying */
		return memcg_get(root_group);
	cg = group_or_root(cg);
	previous = take_active(t);
	thread_use(t, memcg_get(cg));
	return previous;
}

void memcg_leave(struct memcg *previous)
{
	struct thread *t = thread_get();
	struct memcg *was;

	if (unlikely(!t))
		return;
	owed_serve(&t->task);
	was = t->lent ? NULL : t->task.active;
	t->lent = false;
	thread_use(t, previous ? previous : memcg_get(root_group));
	memcg_put(was);
}

/* Inside malloc: drops of the program wait for a call that it makes of us. */
void memcg__thread_pay(struct memcg *cg)
{
	struct thread *t = thread_get();
	struct memcg *was;

	if (unlikely(!t))
		return;
	was = t->lent ? NULL : t->task.active;
	thread_use(t, cg);
	t->lent = true;
	group_put(was);
}

struct memcg *memcg_active(void)
{
	return group_active();
}

/* --- limits and fork ---------------------------------------------------------- */

struct trim_order {
	const struct thread *self;
	u32 what;
};

static bool ask_to_trim(struct task *task, void *arg)
{
	struct thread *t = container_of(task, struct thread, task);
	const struct trim_order *order = arg;

	if (t != order->self && !(atomic_load(&t->trim) & order->what))
		(void)atomic_or(&t->trim, order->what);
	return true;
}

/* Heaps are touched by their thread only: others are asked, and give back at their next slow path.
 */
void threads_trim_others(struct thread *self, bool all)
{
	struct trim_order order = {.self = self, .what = all ? TRIM_ALL : TRIM_OWN};

	tasks_each(ask_to_trim, &order);
}

void memcg__threads_regroup(void)
{
	struct trim_order order = {.self = thread_self(), .what = TRIM_REGROUP};

	tasks_each(ask_to_trim, &order);
}

/* Before the call looks at who pays. In a signal handler inside a slow path it is left for later.
 */
__cold_ void thread_regroup(struct thread *t)
{
	if (t->task.busy || t->task.ours || !memcg__thread_hook)
		return;
	(void)atomic_and(&t->trim, ~(u32)TRIM_REGROUP);
	memcg__thread_hook();
}

/*
 * Only the forking thread exists here. Slabs of the others stay held by
 * numbers that are not given out again: frees of their objects work as frees by strangers do,
 * their free slots are lost to the child. Tolerated: such a child mostly execs. Lists of freed
 * slots, its own too, are looked through before they are believed (slab_list_lost).
 */
void threads_fork_child(void)
{
	struct thread *self = thread_self();

	slab_inherited = true;
	tasks_fork_child();
	rcu_after_fork(self ? &self->task.rcu : NULL);
	heap_grown =
		0; /* the stacks of threads that are not here any more are lost, with their slabs */
	if (self)
		thread_count_grown(self);
}
