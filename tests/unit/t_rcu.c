/*
 * t_rcu.c - grace periods and deferred frees, with membarrier and with the readers' own
 * fences; a torture in which a reader looks for memory freed too early.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sync/lock.h"
#include "sync/rcu.h"
#include "sys/clock.h"
#include "sys/fault.h"

#define MS 1000000ul

static struct rcu_reader self;

static int start_membarrier(void **state)
{
	(void)state;
	sys_fault_disarm_all();
	rcu_init();
	rcu_reader_add(&self);
	return 0;
}

static int start_fences(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_MEMBARRIER, 1, 1, 0, 0);
	rcu_init();
	assert_true(rcu_needs_fence);
	rcu_reader_add(&self);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	rcu_poll(true);
	assert_int_equal(rcu_pending(), 0);
	rcu_reader_del(&self);
	sys_fault_disarm_all();
	return 0;
}

/* ---- a reader that opens and closes on command --------------------------------- */

struct remote {
	pthread_t thread;
	bool anonymous; /* without a record */
	u32 want, is;	/* depth of nesting */
	bool stop;
};

static void follow(struct remote *r, struct rcu_reader *reader)
{
	u32 want = atomic_load_acquire(&r->want);

	for (; r->is < want; atomic_store_release(&r->is, r->is + 1))
		rcu_read_lock(reader);
	for (; r->is > want; atomic_store_release(&r->is, r->is - 1))
		rcu_read_unlock(reader);
	sys_sleep_ns(MS / 20);
}

static void *remote_main(void *arg)
{
	struct rcu_reader record, *reader = NULL;
	struct remote *r = arg;

	if (!r->anonymous)
		rcu_reader_add(reader = &record);
	while (!atomic_load_acquire(&r->stop))
		follow(r, reader);
	if (reader)
		rcu_reader_del(reader);
	return NULL;
}

static void remote_start(struct remote *r, bool anonymous)
{
	*r = (struct remote){.anonymous = anonymous};
	assert_int_equal(pthread_create(&r->thread, NULL, remote_main, r), 0);
}

static void remote_nest(struct remote *r, u32 depth)
{
	atomic_store_release(&r->want, depth);
	while (atomic_load_acquire(&r->is) != depth)
		sys_sleep_ns(MS / 20);
}

static void remote_end(struct remote *r)
{
	remote_nest(r, 0);
	atomic_store_release(&r->stop, true);
	pthread_join(r->thread, NULL);
}

static void *synchronize_main(void *arg)
{
	rcu_synchronize();
	atomic_store_release((bool *)arg, true);
	return NULL;
}

/* ---- synchronize ----------------------------------------------------------------- */

static void quiet_readers_do_not_delay(void **state)
{
	struct remote r;

	(void)state;
	remote_start(&r, false);
	rcu_read_lock(&self);
	rcu_read_unlock(&self);
	rcu_synchronize();
	remote_end(&r);
}

/* Several at once, blocked until the outermost section ends. */
static void check_reader_blocks(bool anonymous)
{
	bool done[3] = {false};
	pthread_t threads[3];
	struct remote r;

	remote_start(&r, anonymous);
	remote_nest(&r, 2);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, synchronize_main, &done[i]);
	sys_sleep_ns(10 * MS);
	remote_nest(&r, 1);
	sys_sleep_ns(10 * MS);
	for (int i = 0; i < 3; i++)
		assert_false(atomic_load_acquire(&done[i]));
	remote_nest(&r, 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	remote_end(&r);
}

static void reader_blocks_synchronize(void **state)
{
	(void)state;
	check_reader_blocks(false);
}

static void reader_without_record_blocks_too(void **state)
{
	(void)state;
	check_reader_blocks(true);
}

/* A section that begins after the call is not waited for. */
static void later_reader_does_not_block(void **state)
{
	struct remote early, late;
	bool done = false;
	pthread_t thread;
	u64 epoch;

	(void)state;
	remote_start(&early, false);
	remote_start(&late, false);
	remote_nest(&early, 1);
	epoch = atomic_load(&rcu_epoch);
	pthread_create(&thread, NULL, synchronize_main, &done);
	while (atomic_load(&rcu_epoch) == epoch) /* until the call has begun */
		sys_sleep_ns(MS / 20);
	remote_nest(&late, 1);
	assert_false(atomic_load_acquire(&done));
	remote_nest(&early, 0);
	pthread_join(thread, NULL);
	remote_end(&late);
	remote_end(&early);
}

static void section_without_record_may_lock(void **state)
{
	struct lock l = LOCK_INIT(RANK_TREE);

	(void)state;
	rcu_read_lock(NULL);
	rcu_read_lock(NULL);
	lock_acquire(&l);
	lock_release(&l);
	rcu_read_unlock(NULL);
	rcu_read_unlock(NULL);
	rcu_synchronize();
}

/* ---- deferred frees ---------------------------------------------------------------- */

struct item {
	struct rcu_head head;
	u64 number;
};

static u64 ran, expected; /* callbacks so far; the number the next must have */

static void note(struct rcu_head *head)
{
	assert_int_equal(container_of(head, struct item, head)->number, expected);
	expected++;
	ran++;
}

static void defer_numbered(struct item *items, u64 n)
{
	ran = expected = 0;
	for (u64 i = 0; i < n; i++) {
		items[i].number = i;
		rcu_defer(&items[i].head, note);
	}
}

static void short_queue_is_left_alone(void **state)
{
	struct item items[RCU_BATCH - 1];

	(void)state;
	defer_numbered(items, RCU_BATCH - 1);
	rcu_poll(false);
	assert_int_equal(ran, 0);
	assert_int_equal(rcu_pending(), RCU_BATCH - 1);
	rcu_poll(true);
	assert_int_equal(ran, RCU_BATCH - 1);
	assert_int_equal(rcu_pending(), 0);
}

static void long_queue_runs_in_order(void **state)
{
	struct item items[RCU_BATCH];

	(void)state;
	defer_numbered(items, RCU_BATCH);
	rcu_poll(false);
	assert_int_equal(ran, RCU_BATCH);
	rcu_poll(true);
}

static void poll_does_not_wait_for_readers(void **state)
{
	static struct item items[3 * RCU_BATCH];
	struct remote r;

	(void)state;
	remote_start(&r, false);
	remote_nest(&r, 1);
	defer_numbered(items, 2 * RCU_BATCH);
	for (int i = 0; i < 100; i++)
		rcu_poll(false);
	assert_int_equal(ran, 0);
	remote_nest(&r, 0);
	remote_nest(&r, 1); /* a new section: began after the grace period */
	rcu_poll(false);
	assert_int_equal(ran, 2 * RCU_BATCH);
	remote_end(&r);
}

static void *release_later(void *arg)
{
	sys_sleep_ns(20 * MS);
	remote_nest(arg, 0);
	return NULL;
}

static void full_queue_waits(void **state)
{
	struct item *items = calloc(RCU_BOUND, sizeof(*items));
	pthread_t thread;
	struct remote r;

	(void)state;
	remote_start(&r, false);
	remote_nest(&r, 1);
	defer_numbered(items, RCU_BOUND);
	pthread_create(&thread, NULL, release_later, &r);
	rcu_poll(false);
	assert_int_equal(ran, RCU_BOUND);
	assert_int_equal(atomic_load(&r.want), 0); /* the section was ended first */
	pthread_join(thread, NULL);
	remote_end(&r);
	free(items);
}

static struct item again[2];

static void defer_again(struct rcu_head *head)
{
	(void)head;
	ran++;
	expected = 1;
	again[1].number = 1;
	rcu_defer(&again[1].head, note);
	rcu_poll(true); /* does nothing in here */
	assert_int_equal(ran, 1);
}

static void callback_defers_again(void **state)
{
	(void)state;
	ran = 0;
	rcu_defer(&again[0].head, defer_again);
	rcu_poll(true);
	assert_int_equal(ran, 1);
	assert_int_equal(rcu_pending(), 1);
	rcu_poll(true);
	assert_int_equal(ran, 2);
}

static u64 live, live_most;

static void free_counted(struct rcu_head *head)
{
	atomic_sub(&live, 1ul);
	free(container_of(head, struct item, head));
}

/* What a loop of create and destroy keeps is a batch or two, not the number of rounds. */
static void a_million_defers_stay_bounded(void **state)
{
	(void)state;
	live = live_most = 0;
	for (u64 i = 0; i < 1000000; i++) {
		struct item *item = malloc(sizeof(*item));

		live_most = live_most > ++live ? live_most : live;
		rcu_defer(&item->head, free_counted);
		rcu_poll(false);
	}
	rcu_poll(true);
	assert_int_equal(live, 0);
	assert_in_range(live_most, 1, 2 * RCU_BATCH);
}

/* ---- torture: a pointer replaced while others read it ------------------------------- */

#define ALIVE	0x600df00d600df00dul
#define READERS 2
#define WRITERS 2
#define ROUNDS	20000

struct node {
	struct rcu_head head;
	u64 mark;
};

static struct node *shared[WRITERS];
static bool torture_ends;
static u64 bad_reads;

static void bury(struct rcu_head *head)
{
	struct node *n = container_of(head, struct node, head);

	atomic_store(&n->mark, 0xdeadul);
	free(n);
}

static void *torture_read(void *arg)
{
	struct rcu_reader record, *reader = arg ? NULL : &record;

	if (reader)
		rcu_reader_add(reader);
	while (!atomic_load(&torture_ends)) {
		for (int i = 0; i < WRITERS; i++) {
			rcu_read_lock(reader);
			if (atomic_load(&atomic_load_acquire(&shared[i])->mark) != ALIVE)
				atomic_add(&bad_reads, 1ul);
			rcu_read_unlock(reader);
		}
		if (!reader)
			sys_sleep_ns(MS); /* rare by contract, so that others find a pause */
	}
	if (reader)
		rcu_reader_del(reader);
	return NULL;
}

static struct node *new_node(void)
{
	struct node *n = calloc(1, sizeof(*n));

	n->mark = ALIVE;
	return n;
}

static void *torture_write(void *arg)
{
	struct node **slot = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct node *old = atomic_xchg(slot, new_node());

		if (i % 512) {
			rcu_defer(&old->head, bury);
			rcu_poll(false);
		} else {
			rcu_synchronize();
			bury(&old->head);
		}
	}
	return NULL;
}

static void nothing_is_freed_under_a_reader(void **state)
{
	pthread_t threads[READERS + 1 + WRITERS];
	int n = 0;

	(void)state;
	torture_ends = false;
	bad_reads = 0;
	for (int i = 0; i < WRITERS; i++)
		shared[i] = new_node();
	for (int i = 0; i <= READERS; i++)
		pthread_create(&threads[n++], NULL, torture_read, i == READERS ? &bad_reads : NULL);
	for (int i = 0; i < WRITERS; i++)
		pthread_create(&threads[n++], NULL, torture_write, &shared[i]);
	while (n > READERS + 1)
		pthread_join(threads[--n], NULL);
	atomic_store(&torture_ends, true);
	while (n)
		pthread_join(threads[--n], NULL);
	assert_int_equal(bad_reads, 0);
	for (int i = 0; i < WRITERS; i++)
		free(shared[i]);
}

/* ---- fork, and membarrier taken away ------------------------------------------------- */

static int child_goes_on(void)
{
	rcu_after_fork(&self);
	if (rcu_pending() != 2)
		return 1;
	rcu_poll(true); /* would wait for ever for the remote reader, who is not here */
	if (rcu_pending() || ran != 2)
		return 2;
	rcu_read_lock(&self);
	rcu_read_unlock(&self);
	rcu_synchronize();
	return 0;
}

static void child_has_one_reader(void **state)
{
	static struct item items[2]; /* the parent runs them in finish() */
	struct remote r;
	int status;
	pid_t pid;

	(void)state;
	remote_start(&r, false);
	remote_nest(&r, 1);
	defer_numbered(items, 2);
	rcu_before_fork();
	pid = fork();
	if (!pid)
		_exit(child_goes_on());
	rcu_after_fork_parent();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	remote_end(&r);
}

static void membarrier_taken_away_turns_to_fences(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_MEMBARRIER, 2, 1, 0, 0);
	rcu_synchronize();
	assert_false(rcu_needs_fence);
	rcu_synchronize();
	assert_true(rcu_needs_fence);
	check_reader_blocks(false);
}

static void child_may_lose_membarrier(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		sys_fault_arm(SYS_FAULT_MEMBARRIER, 1, 1, 0, 0);
		rcu_after_fork(NULL);
		rcu_synchronize();
		_exit(rcu_needs_fence ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define T(f, start) cmocka_unit_test_setup_teardown(f, start, finish)
#define BOTH(f)	    T(f, start_membarrier), T(f, start_fences)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(quiet_readers_do_not_delay),
		BOTH(reader_blocks_synchronize),
		BOTH(reader_without_record_blocks_too),
		BOTH(later_reader_does_not_block),
		BOTH(section_without_record_may_lock),
		BOTH(short_queue_is_left_alone),
		BOTH(long_queue_runs_in_order),
		BOTH(poll_does_not_wait_for_readers),
		BOTH(full_queue_waits),
		BOTH(callback_defers_again),
		BOTH(a_million_defers_stay_bounded),
		BOTH(nothing_is_freed_under_a_reader),
		BOTH(child_has_one_reader),
		T(membarrier_taken_away_turns_to_fences, start_membarrier),
		BOTH(child_may_lose_membarrier),
	};

	return cmocka_run_group_tests_name("rcu", tests, NULL, NULL);
}
