/* t_reclaimer.c - the queue of what is owed, the thread that serves it, its end, and forks. */
#include "shrinker_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "reclaim/reclaimer.h"
#include "sys/fault.h"

/* What the work function saw. */
static struct {
	u32 calls, what; /* what: all bits together */
	u32 hold;	 /* 1: the work waits until this is 0 */
	u32 entered;
	u64 id[64]; /* groups, in order */
	char name[32];
	sigset_t blocked;
	struct memcg *active;
} seen;

static void look(struct memcg *cg, unsigned what)
{
	u32 n = atomic_load(&seen.calls);

	if (!n) {
		pthread_getname_np(pthread_self(), seen.name, sizeof(seen.name));
		pthread_sigmask(SIG_BLOCK, NULL, &seen.blocked);
		seen.active = memcg_active();
	}
	if (n < ARRAY_SIZE(seen.id))
		seen.id[n] = memcg_id(cg);
	(void)atomic_or(&seen.what, what);
	(void)atomic_add(&seen.entered, 1u);
	while (atomic_load_acquire(&seen.hold))
		sys_sleep_ns(100000);
	(void)atomic_add(&seen.calls, 1u);
}

static int set_up(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	reclaimer_work = look;
	return 0;
}

static void test_start_and_stop(void **state)
{
	unsigned i;

	(void)state;
	assert_false(reclaimer_running());
	assert_int_equal(memcg_reclaimer_stop(), -ESRCH);
	for (i = 0; i < 20; i++) {
		assert_int_equal(memcg_reclaimer_start(), 0);
		assert_true(reclaimer_running());
		assert_int_equal(memcg_reclaimer_start(), -EALREADY);
		assert_int_equal(memcg_reclaimer_stop(), 0);
		assert_false(reclaimer_running());
		assert_int_equal(memcg_reclaimer_stop(), -ESRCH);
	}
}

static void test_no_thread_to_be_had(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_THREAD, 1, 0, 0, 0);
	assert_int_equal(memcg_reclaimer_start(), -EAGAIN);
	assert_false(reclaimer_running());
	assert_int_equal(memcg_reclaimer_stop(), -ESRCH);
	sys_fault_disarm_all();
	assert_int_equal(memcg_reclaimer_start(), 0);
	assert_int_equal(memcg_reclaimer_stop(), 0);
}

/* Without the thread nothing is queued, and no group is kept. */
static void test_nobody_to_do_it(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	reclaimer_owe(cg, 1);
	assert_int_equal(group_refs(cg), 2);
	assert_int_equal(cg->owed, 0);
	destroy(cg);
}

/* Each group once, with all it owes, in order; on a thread that looks as it should. */
static void test_serves(void **state)
{
	struct memcg *first = group(NULL, "first"), *a = group(NULL, "a"), *b = group(NULL, "b");
	struct memcg *before = memcg_enter(a);
	sigset_t all;

	(void)state;
	atomic_store(&seen.hold, 1u);
	assert_int_equal(memcg_reclaimer_start(), 0);
	reclaimer_owe(first, 1);
	wait_for(&seen.entered, 1); /* it is at work: what follows waits on the queue */
	reclaimer_owe(a, 1);
	reclaimer_owe(b, 2);
	reclaimer_owe(a, 4);
	reclaimer_owe(a, 4);
	reclaimer_owe(b, 0);
	assert_int_equal(group_refs(a), 4); /* the tree's, ours, this thread's, the queue's */
	atomic_store_release(&seen.hold, 0u);
	wait_for(&seen.calls, 3);
	assert_int_equal(memcg_reclaimer_stop(), 0);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(seen.what, 7);
	assert_int_equal(seen.id[0], memcg_id(first));
	assert_int_equal(seen.id[1], memcg_id(a));
	assert_int_equal(seen.id[2], memcg_id(b));
	assert_string_equal(seen.name, "memcg-reclaim");
	assert_ptr_equal(seen.active, memcg_root());
	sigfillset(&all);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			assert_int_equal(sigismember(&seen.blocked, sig), 1);
	memcg_leave(before);
	assert_int_equal(group_refs(first), 2);
	assert_int_equal(group_refs(a), 2);
	destroy(first);
	destroy(a);
	destroy(b);
}

/* What is owed while the group is being served is served after that. */
static void test_owed_during_the_work(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	atomic_store(&seen.hold, 1u);
	assert_int_equal(memcg_reclaimer_start(), 0);
	reclaimer_owe(cg, 1);
	wait_for(&seen.entered, 1);
	reclaimer_owe(cg, 1);
	reclaimer_owe(cg, 1);
	atomic_store_release(&seen.hold, 0u);
	wait_for(&seen.calls, 2);
	assert_int_equal(memcg_reclaimer_stop(), 0);
	assert_int_equal(seen.calls, 2);
	destroy(cg);
}

/* The queue's reference outlives the group's end; the last one frees it. */
static void test_group_goes_while_queued(void **state)
{
	struct memcg *cg = group(NULL, "cg"), *other = group(NULL, "other");

	(void)state;
	atomic_store(&seen.hold, 1u);
	assert_int_equal(memcg_reclaimer_start(), 0);
	reclaimer_owe(other, 1);
	wait_for(&seen.entered, 1);
	reclaimer_owe(cg, 1);
	destroy(cg);
	atomic_store_release(&seen.hold, 0u);
	wait_for(&seen.calls, 2);
	assert_int_equal(memcg_reclaimer_stop(), 0);
	destroy(other);
	rcu_poll(true);
}

/* What was owed before stop is done before it returns. */
static void *stopper(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)memcg_reclaimer_stop();
}

static void test_stop_serves_first(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(NULL, "b");
	pthread_t thread;
	void *result;

	(void)state;
	atomic_store(&seen.hold, 1u);
	assert_int_equal(memcg_reclaimer_start(), 0);
	reclaimer_owe(a, 1);
	wait_for(&seen.entered, 1);
	reclaimer_owe(b, 1);
	pthread_create(&thread, NULL, stopper, NULL);
	while (reclaimer_running())
		sys_sleep_ns(100000);
	reclaimer_owe(a, 1); /* too late: not queued */
	assert_int_equal(a->owed & 0xff, 0);
	atomic_store_release(&seen.hold, 0u);
	pthread_join(thread, &result);
	assert_null(result);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(group_refs(a), 2);
	assert_int_equal(group_refs(b), 2);
	destroy(a);
	destroy(b);
}

/* --- from callbacks ---------------------------------------------------------------- */

static int stop_said;

static size_t stop_in_count(struct memcg *cg, void *arg)
{
	(void)cg;
	(void)arg;
	stop_said = memcg_reclaimer_stop();
	return 0;
}

static void stop_in_drop(void *data)
{
	(void)data;
	stop_said = memcg_reclaimer_stop();
	(void)atomic_add(&seen.entered, 1u);
}

static void reclaim(struct memcg *cg, unsigned what)
{
	(void)what;
	(void)memcg_reclaim(cg, 1 * MIB);
	(void)atomic_add(&seen.calls, 1u);
}

static void test_not_from_a_callback(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache cache = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);

	(void)state;
	c.count = stop_in_count;
	reclaimer_work = reclaim;
	assert_int_equal(memcg_reclaimer_start(), 0);
	cache.shrinker = memcg_shrinker_register(cg, &c);
	stop_said = 0;
	(void)memcg_reclaim(cg, 1); /* on this thread */
	assert_int_equal(stop_said, -EDEADLK);
	stop_said = 0;
	reclaimer_owe(cg, 1);
	wait_for(&seen.calls, 1);
	assert_int_equal(stop_said, -EDEADLK);
	/* The last reference goes on that thread: what that runs is the program's too. */
	cache_end(&cache);
	stop_said = 0;
	reclaimer_work = look;
	atomic_store(&seen.hold, 1u);
	memset(&seen.calls, 0, sizeof(seen.calls));
	reclaimer_owe(cg, 1);
	wait_for(&seen.entered, 1);
	memcg_set_data(cg, &stop_said, stop_in_drop);
	destroy(cg);
	atomic_store_release(&seen.hold, 0u);
	wait_for(&seen.entered, 2);
	assert_int_equal(stop_said, -EDEADLK);
	assert_int_equal(memcg_reclaimer_stop(), 0);
}

/* A real cache shrinks there, with no help from any other thread. */
static void test_reclaims(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache cache = CACHE_INIT;

	(void)state;
	reclaimer_work = reclaim;
	cache_add(&cache, cg, 4 * MIB);
	cache_register(&cache, cg);
	assert_int_equal(memcg_reclaimer_start(), 0);
	reclaimer_owe(cg, 1);
	wait_for(&seen.calls, 1);
	assert_int_equal(memcg_reclaimer_stop(), 0);
	assert_true(cache.freed >= 1 * MIB && cache.freed <= 2 * MIB);
	cache_end(&cache);
	destroy(cg);
}

/* --- many at once --------------------------------------------------------------------- */

#define OWERS  4
#define GROUPS 16
#define TURNS  20000

static struct memcg *many[GROUPS];
static u32 owers_done;

static void *owes(void *arg)
{
	u64 i, n = (u64)(uintptr_t)arg;

	for (i = 0; i < TURNS; i++)
		reclaimer_owe(many[(i * 7 + n) % GROUPS], 1u << i % 8);
	(void)atomic_add(&owers_done, 1u);
	return NULL;
}

/* Started and stopped under them. Nothing is lost that would be needed, no reference is kept. */
static void test_many_owers(void **state)
{
	pthread_t thread[OWERS];
	char name[8];
	unsigned i;

	(void)state;
	atomic_store(&owers_done, 0u);
	for (i = 0; i < GROUPS; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		many[i] = group(NULL, name);
	}
	for (i = 0; i < OWERS; i++)
		pthread_create(&thread[i], NULL, owes, (void *)(uintptr_t)i);
	do {
		assert_int_equal(memcg_reclaimer_start(), 0);
		assert_int_equal(memcg_reclaimer_stop(), 0);
	} while (atomic_load_acquire(&owers_done) < OWERS);
	for (i = 0; i < OWERS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < GROUPS; i++) {
		assert_int_equal(group_refs(many[i]), 2);
		assert_int_equal(many[i]->owed & 0xff, 0);
	}
	/* And once more, with every group owed: each is served. */
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(memcg_reclaimer_start(), 0);
	for (i = 0; i < GROUPS; i++)
		reclaimer_owe(many[i], 1);
	assert_int_equal(memcg_reclaimer_stop(), 0);
	assert_int_equal(seen.calls, GROUPS);
	for (i = 0; i < GROUPS; i++)
		destroy(many[i]);
}

/* --- fork --------------------------------------------------------------------------------- */

static struct memcg *forked;

/* It has no such thread and owes nothing; a group that was on the queue can be owed again. */
static int child_of_queued(void)
{
	CHILD_CHECK(!reclaimer_running());
	CHILD_CHECK(group_refs(forked) == 2);
	CHILD_CHECK(memcg_reclaimer_stop() == -ESRCH);
	memset(&seen, 0, sizeof(seen));
	if (THREADS_AFTER_FORK) {
		CHILD_CHECK(memcg_reclaimer_start() == 0);
		reclaimer_owe(forked, 1);
		wait_for(&seen.calls, 1);
		CHILD_CHECK(seen.id[0] == memcg_id(forked));
		CHILD_CHECK(memcg_reclaimer_stop() == 0);
	}
	CHILD_CHECK(memcg_destroy(forked) == 0);
	return 0;
}

static void test_fork(void **state)
{
	struct memcg *other = group(NULL, "other");
	int status;
	pid_t pid;

	(void)state;
	forked = group(NULL, "forked");
	atomic_store(&seen.hold, 1u);
	assert_int_equal(memcg_reclaimer_start(), 0);
	reclaimer_owe(other, 1);
	wait_for(&seen.entered, 1);
	reclaimer_owe(forked, 1);
	assert_int_equal(group_refs(forked), 3);
	pid = fork();
	if (!pid) {
		alarm(150);
		_exit(child_of_queued());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	atomic_store_release(&seen.hold, 0u);
	wait_for(&seen.calls, 2); /* here nothing has changed */
	assert_int_equal(memcg_reclaimer_stop(), 0);
	destroy(forked);
	destroy(other);
}

static int child_status = -1;

/* A callback that forks: its child ends when it returns there. */
static void forks(struct memcg *cg, unsigned what)
{
	pid_t pid = fork();

	(void)cg;
	(void)what;
	if (!pid) {
		alarm(150);
		return;
	}
	waitpid(pid, &child_status, 0);
	(void)atomic_add(&seen.calls, 1u);
}

static void test_fork_on_that_thread(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
#ifdef MEMCG_TSAN
	skip(); /* it does not end a process whose last thread returns */
#endif
	reclaimer_work = forks;
	assert_int_equal(memcg_reclaimer_start(), 0);
	reclaimer_owe(cg, 1);
	wait_for(&seen.calls, 1);
	assert_int_equal(memcg_reclaimer_stop(), 0);
	assert_int_equal(child_status, 0);
	destroy(cg);
}

static void *stops_when_cancelled(void *arg)
{
	pthread_cancel(pthread_self());
	*(int *)arg = memcg_reclaimer_stop();
	pthread_testcancel();
	return NULL;
}

/* A thread that is to end stops it whole, or it could neither be stopped nor started again. */
static void test_cancelled_while_stopping(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	pthread_t thread;
	void *result;
	int err = 1;

	(void)state;
	atomic_store(&seen.hold, 1u);
	assert_int_equal(memcg_reclaimer_start(), 0);
	reclaimer_owe(cg, 1);
	wait_for(&seen.entered, 1);
	assert_int_equal(pthread_create(&thread, NULL, stops_when_cancelled, &err), 0);
	while (reclaimer_running())
		sys_sleep_ns(100000);
	sys_sleep_ns(20000000); /* a fault would show itself here, nothing depends on it */
	atomic_store_release(&seen.hold, 0u);
	pthread_join(thread, &result);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(err, 0);
	assert_int_equal(memcg_reclaimer_start(), 0);
	assert_int_equal(memcg_reclaimer_stop(), 0);
	destroy(cg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_start_and_stop, set_up),
		cmocka_unit_test_setup(test_no_thread_to_be_had, set_up),
		cmocka_unit_test_setup(test_nobody_to_do_it, set_up),
		cmocka_unit_test_setup(test_serves, set_up),
		cmocka_unit_test_setup(test_owed_during_the_work, set_up),
		cmocka_unit_test_setup(test_group_goes_while_queued, set_up),
		cmocka_unit_test_setup(test_stop_serves_first, set_up),
		cmocka_unit_test_setup(test_not_from_a_callback, set_up),
		cmocka_unit_test_setup(test_cancelled_while_stopping, set_up),
		cmocka_unit_test_setup(test_reclaims, set_up),
		cmocka_unit_test_setup(test_many_owers, set_up),
		cmocka_unit_test_setup(test_fork, set_up),
		cmocka_unit_test_setup(test_fork_on_that_thread, set_up),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
