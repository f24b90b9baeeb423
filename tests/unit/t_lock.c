/* t_lock.c - the mutex: exclusion, a wait cut short, fork, and the order of ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sync/lock.h"
#include "sys/clock.h"
#include "sys/fault.h"
#include "sys/log.h"

#define THREADS 4
#define ROUNDS	50000

static struct lock lock = LOCK_INIT(RANK_BUDDY);
static u64 counter; /* plain, under lock */

static void *count_up(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		lock_acquire(&lock);
		counter++;
		lock_release(&lock);
	}
	return NULL;
}

static void count_with_all(void)
{
	pthread_t threads[THREADS];

	counter = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counter, THREADS * ROUNDS);
	assert_int_equal(lock.word, 0);
}

static void one_at_a_time(void **state)
{
	(void)state;
	count_with_all();
}

static void interrupted_waits_look_again(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_FUTEX, 1, 2, 0, 0);
	count_with_all();
	sys_fault_disarm_all();
}

static void *wait_for_lock(void *arg)
{
	lock_acquire(&lock);
	*(bool *)arg = true;
	lock_release(&lock);
	return NULL;
}

static void sleeper_is_woken(void **state)
{
	bool got = false;
	pthread_t thread;

	(void)state;
	lock_acquire(&lock);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_lock, &got), 0);
	while (atomic_load(&lock.word) != 2)
		sys_sleep_ns(100000);
	assert_false(got);
	lock_release(&lock);
	pthread_join(thread, NULL);
	assert_true(got);
}

static void try_takes_only_what_is_free(void **state)
{
	(void)state;
	assert_true(lock_try(&lock));
	assert_true(lock_is_held(&lock));
	assert_false(lock_try(&lock));
	lock_release(&lock);
	assert_false(lock_is_held(&lock));
	assert_true(lock_try(&lock));
	lock_release(&lock);
}

static void *hold_for_ever(void *arg)
{
	lock_acquire(&lock);
	atomic_store_release((bool *)arg, true);
	for (;;)
		pause();
	return NULL;
}

/* In the child of a fork a lock held by a thread that is not there is made anew. */
static void child_makes_it_anew(void **state)
{
	bool held = false;
	pthread_t thread;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, hold_for_ever, &held), 0);
	while (!atomic_load_acquire(&held))
		sys_sleep_ns(100000);
	pid = fork();
	if (!pid) {
		lock_init(&lock, RANK_BUDDY);
		lock_acquire(&lock);
		lock_release(&lock);
		_exit(lock.rank == RANK_BUDDY && !lock.word ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	lock_init(&lock, RANK_BUDDY);
}

/* ---- ranks, debug builds ------------------------------------------------------ */
#ifdef MEMCG_DEBUG

static jmp_buf away;
static char line[LOG_LINE_MAX];

static void catch_bug(const char *text)
{
	snprintf(line, sizeof(line), "%s", text);
	longjmp(away, 1);
}

/* The line an operation on a lock dies with, or "" when it lives. */
static const char *outcome(void (*op)(struct lock *), struct lock *l)
{
	line[0] = '\0';
	log_bug_hook = catch_bug;
	if (!setjmp(away))
		op(l);
	log_bug_hook = NULL;
	return line;
}

static void take(struct lock *l)
{
	lock_acquire(l);
}

static void release(struct lock *l)
{
	lock_release(l);
}

static void rising_ranks_are_right(void **state)
{
	struct lock low = LOCK_INIT(RANK_TREE), high = LOCK_INIT(RANK_BUDDY);

	(void)state;
	assert_string_equal(outcome(take, &low), "");
	assert_string_equal(outcome(take, &high), "");
	assert_string_equal(outcome(release, &low), ""); /* in any order */
	assert_string_equal(outcome(release, &high), "");
}

static void falling_rank_names_both(void **state)
{
	struct lock low = LOCK_INIT(RANK_TREE), high = LOCK_INIT(RANK_STAT);
	char want[64];

	(void)state;
	lock_acquire(&high);
	snprintf(want, sizeof(want), "rank %u wanted while rank %u is held", (unsigned)RANK_TREE,
		 (unsigned)RANK_STAT);
	assert_non_null(strstr(outcome(take, &low), want));
	assert_int_equal(low.word, 0);
	lock_release(&high);
}

static void same_rank_is_wrong(void **state)
{
	struct lock a = LOCK_INIT(RANK_STAT), b = LOCK_INIT(RANK_STAT);

	(void)state;
	lock_acquire(&a);
	assert_string_not_equal(outcome(take, &b), "");
	assert_string_not_equal(outcome(take, &a), ""); /* a line, not a deadlock */
	lock_release(&a);
}

static void try_is_exempt_but_counts(void **state)
{
	struct lock low = LOCK_INIT(RANK_TREE), mid = LOCK_INIT(RANK_STAT),
		    high = LOCK_INIT(RANK_BUDDY);

	(void)state;
	lock_acquire(&mid);
	assert_true(lock_try(&low));
	assert_true(lock_is_held(&low));
	assert_string_equal(outcome(take, &high), "");
	lock_release(&high);
	lock_release(&mid);
	assert_string_not_equal(outcome(take, &low), "");
	lock_release(&low);
}

static void release_of_what_is_not_held(void **state)
{
	struct lock l = LOCK_INIT(RANK_STAT);

	(void)state;
	assert_non_null(strstr(outcome(release, &l), "does not hold"));
}

static void init_forgets(void **state)
{
	struct lock l = LOCK_INIT(RANK_BUDDY), low = LOCK_INIT(RANK_TREE);

	(void)state;
	lock_acquire(&l);
	lock_init(&l, RANK_BUDDY);
	assert_false(lock_is_held(&l));
	assert_string_equal(outcome(take, &low), "");
	lock_release(&low);
}

#define RANK_TESTS                                                                                \
	cmocka_unit_test(rising_ranks_are_right), cmocka_unit_test(falling_rank_names_both),      \
		cmocka_unit_test(same_rank_is_wrong), cmocka_unit_test(try_is_exempt_but_counts), \
		cmocka_unit_test(release_of_what_is_not_held), cmocka_unit_test(init_forgets),
#else
#define RANK_TESTS
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_at_a_time),
					   cmocka_unit_test(interrupted_waits_look_again),
					   cmocka_unit_test(sleeper_is_woken),
					   cmocka_unit_test(try_takes_only_what_is_free),
					   cmocka_unit_test(child_makes_it_anew),
					   RANK_TESTS};

	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
