/*
 * rcu.c - grace periods and deferred frees.
 *
 * 1. Epochs. rcu_epoch only grows. A reader stores the epoch it sees when it enters and 0 when it
 *    leaves. A grace period raises the epoch to a target, orders all readers (order_readers),
 *    and is over when every reader shows 0 or at least the target: then every section that was
 *    open at its start has ended. A reader that read the epoch before and stores it only
 *    now shows an old number in a new section: that costs waiting, never safety. Since
 *    epochs are not reused, any number of grace periods may be under way at once.
 * 2. Order. Reader: store the epoch, then load pointers. Writer: unlink, then load the epochs.
 *    Each side needs a full barrier between its two; the writer's membarrier stands for both.
 * 3. Sections without a record are counted in `anonymous`; a grace period is over when the
 *    count was 0 once. Both operations on it are full barriers.
 * 4. Deferred heads go to `queue`, a stack anybody pushes on. The poller moves the whole of
 *    it to `waiting` and starts one grace period for it; the poll that finds it over runs
 *    them. So the number of grace periods is that of batches, not of frees.
 *
 * Who may race with whom: rcu_defer with everything; the registry, `waiting` and `waiting_epoch`
 * are under rcu_lock, which is held for a scan of the readers, never while waiting for one.
 */
#include "sync/rcu.h"

#include "sync/lock.h"
#include "sys/clock.h"
#include "sys/cpu.h"

#include <linux/membarrier.h>

#define EPOCH_STEP 2u

/* Waiting: some scans in a row, some with the CPU given up between, then sleeping longer and
 * longer. */
#define WAIT_SPINS	50u
#define WAIT_YIELDS	20u
#define WAIT_FIRST_NS	20000ul
#define WAIT_LONGEST_NS 1000000ul

/* Far longer than a store stays in a CPU's buffer; see order_readers. */
#define STORE_DRAIN_NS 10000000ul

u64 rcu_epoch = EPOCH_STEP;
bool rcu_needs_fence;

static struct lock rcu_lock = LOCK_INIT(RANK_RCU);
static struct list readers = LIST_INIT(readers);
static struct rcu_head *waiting; /* first queued first */
static u64 waiting_epoch;	 /* its grace period's target */

static struct rcu_head *queue; /* last queued first */
static u64 pending;	       /* on queue, on waiting, or being run */
static u32 anonymous;	       /* open sections of threads without a record */
static __thread bool running;  /* this thread is inside run() */

static bool register_membarrier(void)
{
	return sys_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void rcu_init(void)
{
	atomic_store(&rcu_needs_fence, !register_membarrier());
}

void rcu_reader_add(struct rcu_reader *r)
{
	r->epoch = 0;
	r->nest = 0;
	lock_acquire(&rcu_lock);
	list_add_tail(&readers, &r->link);
	lock_release(&rcu_lock);
}

void rcu_reader_del(struct rcu_reader *r)
{
	BUG_ON(r->nest);
	lock_acquire(&rcu_lock);
	list_del(&r->link);
	lock_release(&rcu_lock);
}

#ifdef MEMCG_DEBUG
static __thread u32 debug_depth;

void rcu_debug_enter(void)
{
	debug_depth++;
}

void rcu_debug_leave(void)
{
	BUG_ON(!debug_depth);
	debug_depth--;
}

bool rcu_read_lock_held(void)
{
	return debug_depth;
}
#endif

void rcu_read_lock_noreader(void)
{
	(void)atomic_add(&anonymous, 1u); /* pairs with order_readers */
}

void rcu_read_unlock_noreader(void)
{
	(void)atomic_sub(&anonymous, 1u); /* pairs with the load in passed_locked */
}

/*
 * After this, a reader whose epoch is not seen yet enters its section later, and
 * sees what was unlinked before. Pairs with rcu_read_lock.
 */
static void order_readers(void)
{
	if (!atomic_load(&rcu_needs_fence) &&
	    sys_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
		return;
	if (!atomic_load(&rcu_needs_fence)) {
		/*
		 * Taken away while we run, by a seccomp filter say. Readers fence themselves
		 * from here on. One that entered before it saw that has its store still
		 * in its CPU's buffer, which drains in microseconds also when the thread is
		 * preempted: time does what the barrier no longer can.
		 */
		atomic_store(&rcu_needs_fence, true);
		sys_sleep_ns(STORE_DRAIN_NS);
	}
	smp_mb(); /* pairs with the smp_mb in rcu_read_lock */
}

/* Returns the target of a new grace period. The caller's unlinking comes before it. */
static u64 start_grace_period(void)
{
	u64 target = atomic_add(&rcu_epoch, (u64)EPOCH_STEP);

	order_readers();
	return target;
}

static bool passed_locked(u64 target)
{
	struct list *l;

	if (atomic_load_acquire(&anonymous))
		return false;
	list_for_each(l, &readers)
	{
		/* Acquire pairs with the release in rcu_read_unlock: the section's loads are done.
		 */
		u64 e = atomic_load_acquire(&list_entry(l, struct rcu_reader, link)->epoch);

		if (e && e < target)
			return false;
	}
	return true;
}

static bool passed(u64 target)
{
	bool done;

	lock_acquire(&rcu_lock);
	done = passed_locked(target);
	lock_release(&rcu_lock);
	return done;
}

static void wait_a_little(unsigned round)
{
	u64 ns = WAIT_FIRST_NS;

	if (round < WAIT_SPINS) {
		cpu_relax();
		return;
	}
	round -= WAIT_SPINS;
	if (round < WAIT_YIELDS) {
		sys_cpu_yield();
		return;
	}
	for (round -= WAIT_YIELDS; round && ns < WAIT_LONGEST_NS; round--)
		ns *= 2;
	sys_sleep_ns(ns);
}

void rcu_synchronize(void)
{
	u64 target = start_grace_period();

	for (unsigned round = 0; !passed(target); round++)
		wait_a_little(round);
}

void rcu_defer(struct rcu_head *head, void (*func)(struct rcu_head *))
{
	struct rcu_head *top = atomic_load(&queue);

	head->func = func;
	head->epoch = atomic_load(&rcu_epoch);
	atomic_add_relaxed(&pending, 1ul);
	do
		head->next = top;
	while (!atomic_cas(&queue, &top, head)); /* release pairs with the exchange in take_queue */
}

u64 rcu_pending(void)
{
	return atomic_load(&pending);
}

/* Everything on the stack, in the order it was queued. */
static struct rcu_head *take_queue(void)
{
	struct rcu_head *stack = atomic_xchg(&queue, (struct rcu_head *)NULL), *list = NULL;

	while (stack) {
		struct rcu_head *next = stack->next;

		stack->next = list;
		list = stack;
		stack = next;
	}
	return list;
}

/* The batch whose grace period is over, or NULL; starts one where none is under way. Never waits.
 */
static struct rcu_head *take_due(void)
{
	struct rcu_head *due = NULL;

	if (!lock_try(&rcu_lock))
		return NULL; /* somebody else is at it */
	if (!waiting) {
		waiting = take_queue();
		if (waiting)
			waiting_epoch = start_grace_period();
	}
	if (waiting && passed_locked(waiting_epoch)) {
		due = waiting;
		waiting = NULL;
	}
	lock_release(&rcu_lock);
	return due;
}

/* All of it, after waiting for the readers. */
static struct rcu_head *take_all(void)
{
	struct rcu_head *all, **end = &all;

	lock_acquire(&rcu_lock);
	all = waiting;
	waiting = NULL;
	while (*end)
		end = &(*end)->next;
	*end = take_queue();
	lock_release(&rcu_lock);
	if (all)
		rcu_synchronize();
	return all;
}

static void run(struct rcu_head *head)
{
	running = true;
	while (head) {
		struct rcu_head *next = head->next; /* the callback frees head */

		ASSERT(head->epoch < atomic_load(&rcu_epoch));
		head->func(head);
		(void)atomic_sub(&pending, 1ul);
		head = next;
	}
	running = false;
}

void rcu_poll(bool force)
{
	u64 n = atomic_load(&pending);

	if (likely(n < RCU_BATCH && !force))
		return;
	if (!n || running)
		return;
	run(force || n >= RCU_BOUND ? take_all() : take_due());
}

void rcu_before_fork(void)
{
	lock_acquire(&rcu_lock);
}

void rcu_after_fork_parent(void)
{
	lock_release(&rcu_lock);
}

static u64 count_heads(const struct rcu_head *head)
{
	u64 n = 0;

	for (; head; head = head->next)
		n++;
	return n;
}

void rcu_after_fork(struct rcu_reader *self)
{
	lock_init(&rcu_lock, RANK_RCU);
	list_init(&readers);
	if (self)
		list_add(&readers, &self->link);
	anonymous = 0;
	/* Counted anew: another thread may have been between counting and queueing, or running
	 * some. */
	pending = count_heads(queue) + count_heads(waiting);
	if (!rcu_needs_fence && !register_membarrier())
		rcu_needs_fence = true;
}
