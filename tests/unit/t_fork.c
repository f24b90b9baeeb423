/*
 * t_fork.c - the child of a fork in the middle of several threads: locks at rest, sums that hold,
 * everything usable. And the parent goes on as if nothing had been.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "alloc/thread.h"
#include "effort.h"
#include "fork_fixture.h"
#include "group/group.h"
#include "page/page.h"
#include "reclaim/charge.h"

/* A child that finds a lock held would wait for ever: that is -SIGALRM. */
static int in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		alarm(150); /* a busy machine may take seconds */
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- quiet: nothing may be lost ---- */

static struct memcg *cg;
static void *small, *large;
static struct memcg_charge *charge_of_parent;

static int child_uses_what_it_got(void)
{
	struct memcg *child_group, *before;
	u64 usage;
	void *p;

	CHILD_CHECK(memcg_owner_id(small) == memcg_id(cg));
	CHILD_CHECK(memcg_report(2, MEMCG_REPORT_QUIET) == 0);
	usage = memcg_current(cg);
	memcg_free(large);
	CHILD_CHECK(memcg_current(cg) < usage);
	memcg_uncharge(charge_of_parent);
	memcg_free(small);
	stock_drain(NULL);
	CHILD_CHECK(memcg_current(cg) == 0);
	child_group = memcg_create(cg, "of-the-child");
	CHILD_CHECK(child_group);
	before = memcg_enter(child_group);
	p = memcg_malloc(100000);
	CHILD_CHECK(p && memcg_owner_id(p) == memcg_id(child_group));
	CHILD_CHECK(memcg_destroy(child_group) == 0);
	CHILD_CHECK(memcg_owner_id(p) == memcg_id(cg));
	memcg_leave(before);
	memcg_free(p);
	stock_drain(NULL);
	rcu_poll(true);
	CHILD_CHECK(memcg_current(cg) == 0);
	CHILD_CHECK(memcg_set_limit(cg, MEMCG_MAX, 64 * KIB) == 0);
	CHILD_CHECK(!memcg_malloc_in(cg, MIB));
	CHILD_CHECK(memcg_report(2, MEMCG_REPORT_QUIET) == 0);
	return 0;
}

static void test_quiet_process(void **state)
{
	u64 usage;

	(void)state;
	cg = memcg_create(NULL, "forked");
	small = memcg_malloc_in(cg, 100);
	large = memcg_malloc_in(cg, 100000);
	charge_of_parent = memcg_charge(cg, 5000);
	usage = memcg_current(cg);
	assert_int_equal(in_child(child_uses_what_it_got), 0);
	/* Here nothing has changed: the child's memory is its own. */
	assert_int_equal(memcg_current(cg), usage);
	assert_int_equal(memcg_owner_id(large), memcg_id(cg));
	memcg_free(small);
	memcg_free(large);
	memcg_uncharge(charge_of_parent);
	stock_drain(NULL);
	assert_int_equal(memcg_current(cg), 0);
	assert_int_equal(memcg_destroy(cg), 0);
}

static int child_is_alone(void)
{
	CHILD_CHECK(task_count() == 1);
	rcu_synchronize(); /* readers of the parent's threads are not waited for */
	return 0;
}

static bool reading, done;

static void *read_for_long(void *arg)
{
	memcg_leave(memcg_enter(NULL));
	rcu_read_lock(self_rcu());
	atomic_store_release(&reading, true);
	while (!atomic_load_acquire(&done))
		usleep(1000);
	rcu_read_unlock(self_rcu());
	return arg;
}

static void test_readers_stay_behind(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, read_for_long, NULL), 0);
	while (!atomic_load_acquire(&reading))
		usleep(1000);
	assert_int_equal(in_child(child_is_alone), 0);
	atomic_store_release(&done, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static int child_of_child(void)
{
	void *p = memcg_malloc(5000);

	CHILD_CHECK(p);
	memcg_free(p);
	return 0;
}

static int child_forks(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(child_of_child());
	CHILD_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	return child_of_child();
}

static void test_fork_of_a_fork(void **state)
{
	(void)state;
	assert_int_equal(in_child(child_forks), 0);
}

/* ---- torn: the memory was copied while another thread freed ---- */

#define TORN 48u

static void *torn[TORN];

static void *fill_torn(void *arg)
{
	memcg_leave(memcg_get(cg));
	for (unsigned i = 0; i < TORN; i++)
		torn[i] = memcg_malloc(1024);
	return arg;
}

static void *free_torn(void *arg)
{
	for (unsigned i = 0; i < TORN; i++)
		memcg_free(torn[i]);
	return arg;
}

static void run(void *(*what)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, what, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Links as they were before the frees: bytes of the program's. */
static void tear(void)
{
	for (unsigned i = 0; i < TORN; i++)
		memset(torn[i], 0xa5, 2);
}

/* Allocates the class anew, in its own slabs and in orphans, and gives everything back. */
static int child_of_torn(void)
{
	static void *p[20 * TORN];

	tear();
	for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
		CHILD_CHECK((p[i] = memcg_malloc_in(cg, 1024)));
		memset(p[i], (int)i, 1024);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
		CHILD_CHECK(*(u8 *)p[i] == (u8)i && ((u8 *)p[i])[1023] == (u8)i);
		memcg_free(p[i]);
	}
	memcg_reclaim(memcg_root(), MEMCG_UNLIMITED);
	CHILD_CHECK(counter_underflows == 0);
	return 0;
}

static void test_lists_copied_in_motion(void **state)
{
	struct memcg *before;

	(void)state;
	cg = memcg_create(NULL, "torn");
	before = memcg_enter(cg);
	fill_torn(NULL); /* this thread's slabs */
	run(free_torn);
	assert_int_equal(in_child(child_of_torn), 0);
	run(fill_torn); /* orphans */
	for (unsigned i = 0; i < TORN; i += 2) {
		memcg_free(torn[i]);
		torn[i] = torn[i + 1];
	}
	assert_int_equal(in_child(child_of_torn), 0);
	for (unsigned i = 0; i < TORN; i += 2)
		memcg_free(torn[i]);
	memcg_leave(before);
	assert_int_equal(memcg_destroy(cg), 0);
}

/* ---- busy: other threads are anywhere ---- */

#define THREADS 3u
#define FORKS	60u

static bool stop;
static void *volatile in_passing[64];

static unsigned draw(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % below;
}

static size_t draw_size(unsigned *seed)
{
	return draw(seed, 20) ? draw(seed, 2000) : 40000 + draw(seed, 200000);
}

static void exchange(unsigned *seed)
{
	void *p = memcg_malloc(draw_size(seed));

	memcg_free(__atomic_exchange_n(&in_passing[draw(seed, 64)], p, __ATOMIC_ACQ_REL));
}

/* Takes every lock of the library in turn: creating, charging, draining, reporting. */
static void *be_busy(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg, seed = number + 1, i;
	char name[16];

	for (i = 0; !atomic_load(&stop); i++) {
		struct memcg *mine, *before;
		struct memcg_charge *charge;
		struct memcg_stat s;

		snprintf(name, sizeof(name), "busy%u.%u", number, i);
		mine = memcg_create(NULL, name);
		before = memcg_enter(mine);
		exchange(&seed);
		exchange(&seed);
		charge = memcg_charge(NULL, 1000);
		memcg_destroy(mine);
		memcg_uncharge(charge);
		memcg_leave(before);
		if (i % 64 == 0)
			stock_drain(NULL);
		if (i % 64 == 32)
			memcg_stat(NULL, &s, sizeof(s));
		if (i % 256 == 0)
			memcg_reclaim(memcg_root(), 0);
	}
	return NULL;
}

static void *thread_of_child(void *arg)
{
	unsigned seed = 9, i;

	for (i = 0; i < 200; i++)
		exchange(&seed);
	return arg;
}

static int child_of_busy(void)
{
	unsigned seed = 77, i;
	pthread_t thread;

	for (i = 0; i < 50; i++) {
		struct memcg *mine = memcg_create(NULL, "child"), *before;
		u64 usage;
		void *p;

		CHILD_CHECK(mine);
		before = memcg_enter(mine);
		p = memcg_malloc(draw_size(&seed));
		CHILD_CHECK(p && memcg_owner_id(p) == memcg_id(mine));
		exchange(&seed);
		memcg_leave(before);
		stock_drain(NULL);
		usage = memcg_current(mine);
		CHILD_CHECK(usage > 0);
		CHILD_CHECK(memcg_destroy(mine) == 0);
		memcg_free(p);
	}
	for (i = 0; i < ARRAY_SIZE(in_passing); i++)
		memcg_free(in_passing[i]); /* of threads that are not here */
	memset((void *)in_passing, 0, sizeof(in_passing));
	memcg_reclaim(memcg_root(), 0);
	rcu_poll(true);
	if (THREADS_AFTER_FORK) {
		CHILD_CHECK(pthread_create(&thread, NULL, thread_of_child, NULL) == 0);
		CHILD_CHECK(pthread_join(thread, NULL) == 0);
	}
	CHILD_CHECK(counter_underflows == 0);
	return 0;
}

static void test_busy_process(void **state)
{
	pthread_t thread[THREADS];
	unsigned i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, be_busy, (void *)(uintptr_t)i),
				 0);
	for (i = 0; i < effort(FORKS); i++)
		assert_int_equal(in_child(child_of_busy), 0);
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	for (i = 0; i < ARRAY_SIZE(in_passing); i++)
		memcg_free(in_passing[i]);
	stock_drain(NULL);
	rcu_poll(true);
	assert_int_equal(memcg_report(2, MEMCG_REPORT_QUIET), 0);
	assert_int_equal(counter_underflows, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet_process),
		cmocka_unit_test(test_readers_stay_behind),
		cmocka_unit_test(test_fork_of_a_fork),
		cmocka_unit_test(test_lists_copied_in_motion),
		cmocka_unit_test(test_busy_process),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
