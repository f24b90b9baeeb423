/* reclaimer.c - the queue of groups that owe reclaim, and the thread. Theory in reclaimer.h. */
#include <errno.h>

#include "reclaim/reclaimer.h"

#include <memcg/event.h>

#include "sys/futex.h"
#include "sys/thread.h"

#define NAME	  "memcg-reclaim"
#define WHAT_BITS 8u
#define WHAT_MASK ((1u << WHAT_BITS) - 1)

enum state { NONE, STARTING, RUNNING, STOPPING };

void (*reclaimer_work)(struct memcg *cg, unsigned what);

static u32 state;	    /* enum state; by compare-and-swap */
static u32 generation = 1;  /* of processes; written in the child of a fork */
static u32 bell;	    /* slept on by the thread */
static u32 thread_tid;	    /* the thread's number, once it runs */
static struct memcg *queue; /* last queued first; by compare-and-swap */
static pthread_t thread;    /* of who is RUNNING or STOPPING */

bool reclaimer_running(void)
{
	return atomic_load_acquire(&state) == RUNNING;
}

static bool change(u32 from, u32 to)
{
	return atomic_cas(&state, &from, to);
}

static void ring(void)
{
	(void)atomic_add(&bell, 1u);
	sys_futex_wake(&bell, 1);
}

/* --- the queue ------------------------------------------------------------------ */

/* True: it owed nothing before, so it is not on the queue. */
static bool owe_more(struct memcg *cg, unsigned what)
{
	u32 was = atomic_load(&cg->owed), now, bits;

	do {
		bits = was >> WHAT_BITS == generation ? was & WHAT_MASK : 0;
		now = generation << WHAT_BITS | bits | (what & WHAT_MASK);
		if (bits && now == was)
			return false;
	} while (!atomic_cas(&cg->owed, &was, now));
	return !bits;
}

static bool push(struct memcg *cg)
{
	struct memcg *first = atomic_load(&queue);

	do {
		cg->owed_next = first;
	} while (!atomic_cas(&queue, &first, cg)); /* pairs with the exchange in take_all */
	return !first;
}

/* The whole queue, first queued first. Nobody pushes these again until their bits are cleared. */
static struct memcg *take_all(void)
{
	struct memcg *cg = atomic_xchg(&queue, (struct memcg *)NULL), *list = NULL, *next;

	for (; cg; cg = next) {
		next = cg->owed_next;
		cg->owed_next = list;
		list = cg;
	}
	return list;
}

static unsigned take_bits(struct memcg *cg)
{
	return atomic_xchg(&cg->owed, 0u) & WHAT_MASK;
}

/* Runs no code of the program. */
static void drop_all(void)
{
	struct memcg *cg = take_all(), *next;

	for (; cg; cg = next) {
		next = cg->owed_next;
		take_bits(cg);
		group_put(cg);
	}
}

void reclaimer_owe(struct memcg *cg, unsigned what)
{
	if (!what || !reclaimer_running() || !owe_more(cg, what) || !group_tryget(cg))
		return;
	if (push(cg))
		ring();
	if (unlikely(atomic_load_acquire(&state) == NONE))
		drop_all(); /* stopped between the look and the push: nobody else would */
}

/* --- the thread -------------------------------------------------------------------- */

static void serve_all(u32 mine)
{
	struct memcg *cg = take_all(), *next;

	for (; cg; cg = next) {
		unsigned what;

		next = cg->owed_next;
		what = take_bits(cg);
		if (what && mine == generation && reclaimer_work)
			reclaimer_work(cg, what);
		memcg_put(cg);
	}
}

/* A callback that forks finds itself the only thread of the child: it ends with the callback. */
static void *reclaimer(void *arg)
{
	u32 mine = generation;
	bool last;

	(void)arg;
	memcg_leave(memcg_enter(NULL)); /* a record, as every thread's */
	atomic_store(&thread_tid, memcg__self->tid);
	do {
		u32 heard = atomic_load_acquire(&bell);

		last = atomic_load_acquire(&state) == STOPPING;
		serve_all(mine);
		if (!last && mine == generation)
			sys_futex_wait(&bell, heard, 0); /* any answer: looks again */
	} while (!last && mine == generation);
	return NULL;
}

int memcg_reclaimer_start(void)
{
	struct memcg *before;
	int err;

	lib_up();
	if (!change(NONE, STARTING))
		return -EALREADY;
	before = memcg_enter(NULL); /* what libc allocates for it */
	err = sys_thread_start(&thread, NAME, reclaimer, NULL);
	atomic_store_release(&state, err ? NONE : RUNNING);
	memcg_leave(before);
	return err;
}

bool reclaimer_is_self(void)
{
	const struct task *self = task_self();

	return self && self->tid == atomic_load(&thread_tid);
}

static bool inside(void)
{
	return reclaimer_is_self() || (task_self() && task_self()->reclaiming);
}

int memcg_reclaimer_stop(void)
{
	if (reclaimer_running() && inside())
		return -EDEADLK;
	if (!change(RUNNING, STOPPING))
		return -ESRCH;
	ring();
	sys_thread_join(thread);
	atomic_store(&thread_tid, 0u);
	atomic_store_release(&state, NONE);
	drop_all(); /* pushed after its last look */
	return 0;
}

void reclaimer_fork_child(void)
{
	generation = (generation + 1) & (UINT32_MAX >> WHAT_BITS);
	state = NONE;
	thread_tid = 0;
	drop_all();
}
