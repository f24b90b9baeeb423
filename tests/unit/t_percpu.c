/*
 * t_percpu.c - the per-CPU words on both back ends: what each operation refuses, stopping,
 * fork, and a torture in which every byte taken is accounted for. MEMCG_PCPU=portable or
 * rseq in the environment leaves the other back end out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "effort.h"
#include "sync/lock.h"
#include "sync/percpu_fast.h"
#include "sys/clock.h"
#include "sys/fault.h"

#define SHIFT  9u
#define STRIDE (1ul << SHIFT)
#define WORD   (sizeof(struct pcpu_area) + 8) /* offset of the word under test */
#define TAG    0xfedc1234u

static char *base;

static int start(bool want_rseq)
{
	sys_fault_disarm_all();
	pcpu_init(want_rseq);
	base = pcpu_map(STRIDE);
	return base ? 0 : -1;
}

static int start_portable(void **state)
{
	(void)state;
	return start(false);
}

static int start_rseq(void **state)
{
	(void)state;
	return start(true);
}

static int finish(void **state)
{
	(void)state;
	sys_fault_disarm_all();
	return 0;
}

static u64 *word_of(unsigned cpu)
{
	return (u64 *)((char *)pcpu_area_of(base, STRIDE, cpu) + WORD);
}

/* The same word on every CPU: the thread may move between two lines of a test. */
static void set_all(u64 word)
{
	for (unsigned c = 0; c < pcpu_count; c++)
		atomic_store(word_of(c), word);
}

static u64 sum_values(void)
{
	u64 sum = 0;

	for (unsigned c = 0; c < pcpu_count; c++)
		sum += PCPU_VALUE(atomic_load(word_of(c)));
	return sum;
}

static bool take(u32 tag, u32 n)
{
	return pcpu_take(base, SHIFT, WORD, tag, n);
}

static bool give(u32 tag, u32 n, u32 max)
{
	return pcpu_give(base, SHIFT, WORD, tag, n, max);
}

/* ---- single operations ---------------------------------------------------------- */

static void areas_are_zero_and_apart(void **state)
{
	(void)state;
	assert_true(IS_ALIGNED((uintptr_t)base, CACHELINE));
	assert_int_equal(sum_values(), 0);
	assert_true(pcpu_this() < pcpu_count);
	assert_ptr_equal(pcpu_area_at(base, SHIFT, pcpu_count - 1),
			 pcpu_area_of(base, STRIDE, pcpu_count - 1));
}

static void take_needs_tag_and_enough(void **state)
{
	(void)state;
	set_all(PCPU_WORD(TAG, 100));
	assert_false(take(TAG + 1, 1));
	assert_false(take(0, 1));
	assert_false(take(TAG, 101));
	assert_int_equal(sum_values(), 100 * pcpu_count);
	assert_true(take(TAG, 100));
	assert_true(take(TAG, 0));
	assert_int_equal(sum_values(), 100 * pcpu_count - 100);
	for (unsigned c = 0; c < pcpu_count; c++)
		assert_int_equal(PCPU_TAG(*word_of(c)), TAG);
}

static void give_needs_tag_and_room(void **state)
{
	(void)state;
	set_all(PCPU_WORD(TAG, 100));
	assert_false(give(TAG + 1, 1, 1000));
	assert_false(give(TAG, 901, 1000));
	assert_false(give(TAG, PCPU_MOST, PCPU_MOST));
	assert_false(give(TAG, PCPU_MOST - 99, PCPU_MOST));
	assert_int_equal(sum_values(), 100 * pcpu_count);
	assert_true(give(TAG, 900, 1000));
	assert_int_equal(sum_values(), 100 * pcpu_count + 900);
}

static void whole_range_of_values(void **state)
{
	volatile u32 n = PCPU_MOST - 15;

	(void)state;
	set_all(PCPU_WORD(TAG, 15));
	assert_false(take(TAG, n));
	assert_true(give(TAG, n, PCPU_MOST));
	set_all(PCPU_WORD(TAG, PCPU_MOST));
	assert_true(take(TAG, n));
	set_all(PCPU_WORD(TAG, PCPU_MOST));
	assert_true(take(TAG, PCPU_MOST));
	set_all(PCPU_WORD(UINT32_MAX - 1, 3));
	assert_true(take(UINT32_MAX - 1, 3));
}

/* What is borrowed from the tag, or carried into it, makes it no other's: tags are neighbours. */
static void words_of_neighbours(void **state)
{
	volatile u32 most = PCPU_MOST;

	(void)state;
	for (u32 value = 0; value < 3; value++) {
		set_all(PCPU_WORD(TAG + 1, value));
		assert_false(take(TAG, value + 1));
		assert_false(take(TAG, most));
		assert_false(give(TAG, value, most));
		assert_false(take(TAG + 2, 0));
		set_all(PCPU_WORD(TAG - 1, PCPU_MOST - value));
		assert_false(give(TAG, most, most));
		assert_false(give(TAG, value + 1, most));
		assert_false(take(TAG, value));
		assert_int_equal(sum_values(), (u64)(PCPU_MOST - value) * pcpu_count);
	}
}

#if PCPU_HAVE_RSEQ
#include <sys/rseq.h>

static volatile u32 *this_cpu_id(void)
{
	return (volatile u32 *)((char *)__builtin_thread_pointer() + __rseq_offset +
				offsetof(struct rseq, cpu_id));
}

/* As a thread that glibc could not register shows itself; the system puts that right in a moment,
 * so it is tried until it did not come in between. */
static void threads_without_rseq(void **state)
{
	bool unseen[2] = {false, false}, ok;
	u32 was;

	(void)state;
	if (pcpu_backend != PCPU_RSEQ)
		return;
	for (unsigned i = 0; !unseen[0] || !unseen[1]; i++) {
		set_all(PCPU_WORD(TAG, 10));
		was = *this_cpu_id();
		*this_cpu_id() = (u32)-1 - i % 2;
		ok = pcpu_take_once(base, WORD, TAG, 1) || pcpu_give_once(base, WORD, TAG, 1, 100);
		unseen[i % 2] |= *this_cpu_id() == (u32)-1 - i % 2;
		assert_false(ok && *this_cpu_id() == (u32)-1 - i % 2);
		*this_cpu_id() = was;
		sched_yield(); /* and the number is the system's again, wherever this is */
	}
}
#else
static void threads_without_rseq(void **state)
{
	(void)state;
}
#endif

static void cas_installs_whole_words(void **state)
{
	u64 old = PCPU_WORD(TAG, 5), new = PCPU_WORD(TAG + 1, 6);
	unsigned cpu = ~0u, found = 0;

	(void)state;
	set_all(old);
	assert_false(pcpu_cas(base, SHIFT, WORD, new, old, &cpu));
	assert_false(pcpu_cas(base, SHIFT, WORD, old + 1, new, &cpu));
	assert_false(pcpu_cas(base, SHIFT, WORD, old + (1ul << 32), new, &cpu));
	assert_true(pcpu_cas(base, SHIFT, WORD, old, new, &cpu));
	assert_true(cpu < pcpu_count);
	assert_int_equal(*word_of(cpu), new);
	for (unsigned c = 0; c < pcpu_count; c++)
		found += *word_of(c) == new;
	assert_int_equal(found, 1);
}

/* The CPU named is the one the thread is pinned to, for every CPU it may use. */
static void operations_are_on_this_cpu(void **state)
{
	cpu_set_t before, one;
	unsigned cpu;

	(void)state;
	sched_getaffinity(0, sizeof(before), &before);
	for (unsigned c = 0; c < pcpu_count; c++) {
		if (!CPU_ISSET(c, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET(c, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		set_all(PCPU_WORD(TAG, 7));
		assert_int_equal(pcpu_this(), c);
		assert_true(take(TAG, 3));
		assert_int_equal(*word_of(c), PCPU_WORD(TAG, 4));
		assert_true(give(TAG, 1, 9));
		assert_int_equal(*word_of(c), PCPU_WORD(TAG, 5));
		assert_true(pcpu_cas(base, SHIFT, WORD, PCPU_WORD(TAG, 5), 0, &cpu));
		assert_int_equal(cpu, c);
	}
	sched_setaffinity(0, sizeof(before), &before);
}

/* ---- stopping ------------------------------------------------------------------- */

static void stopped_cpus_refuse(void **state)
{
	unsigned cpu;

	(void)state;
	set_all(PCPU_WORD(TAG, 10));
	for (unsigned c = 0; c < pcpu_count; c++)
		assert_true(pcpu_stop(base, SHIFT, c));
	assert_false(take(TAG, 1));
	assert_false(give(TAG, 1, 100));
	assert_false(pcpu_cas(base, SHIFT, WORD, PCPU_WORD(TAG, 10), 0, &cpu));
	for (unsigned c = 0; c < pcpu_count; c++) {
		struct pcpu_area *area = pcpu_area_of(base, STRIDE, c);

		assert_int_equal(pcpu_swap(area, word_of(c), PCPU_WORD(TAG, 20 + c)),
				 PCPU_WORD(TAG, 10));
		pcpu_start(base, SHIFT, c);
		assert_int_equal(*word_of(c), PCPU_WORD(TAG, 20 + c));
	}
	assert_true(take(TAG, 20));
}

static void stop_outlives_passing_failures(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_MEMBARRIER, 0, 0, 500000, 7);
	for (int i = 0; i < 100; i++) {
		assert_true(pcpu_stop(base, SHIFT, 0));
		pcpu_start(base, SHIFT, 0);
	}
}

static void stop_without_membarrier_is_refused(void **state)
{
	struct pcpu_area *area = pcpu_area_of(base, STRIDE, 0);

	(void)state;
	sys_fault_arm(SYS_FAULT_MEMBARRIER, 1, 1, 0, 0);
	assert_int_equal(pcpu_stop(base, SHIFT, 0), pcpu_backend == PCPU_PORTABLE);
	assert_int_equal(area->stopped, pcpu_backend == PCPU_PORTABLE);
	pcpu_start(base, SHIFT, 0);
	sys_fault_disarm_all();
	set_all(PCPU_WORD(TAG, 1));
	assert_true(take(TAG, 1));
}

/* ---- start-up, fork --------------------------------------------------------------- */

static void without_membarrier_it_is_portable(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_MEMBARRIER, 1, 1, 0, 0);
	pcpu_init(true);
	assert_int_equal(pcpu_backend, PCPU_PORTABLE);
	assert_true(pcpu_count >= 1);
}

static void map_refused_is_null(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_MAP, 1, 0, 0, 0);
	assert_null(pcpu_map(STRIDE));
	assert_non_null(pcpu_map(STRIDE));
}

static int child_works(bool lose_membarrier)
{
	enum pcpu_backend before = pcpu_backend;

	if (lose_membarrier)
		sys_fault_arm(SYS_FAULT_MEMBARRIER, 1, 1, 0, 0);
	pcpu_after_fork();
	if (pcpu_backend != (lose_membarrier ? PCPU_PORTABLE : before))
		return 1;
	if (!take(TAG, 5) || !give(TAG, 2, 100))
		return 2;
	if (!pcpu_stop(base, SHIFT, 0) || sum_values() != 50 * pcpu_count - 3)
		return 3;
	return 0;
}

static void check_child(bool lose_membarrier)
{
	int status;
	pid_t pid;

	set_all(PCPU_WORD(TAG, 50));
	pid = fork();
	if (!pid)
		_exit(child_works(lose_membarrier));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(sum_values(), 50 * pcpu_count);
}

static void child_goes_on(void **state)
{
	(void)state;
	check_child(false);
	check_child(true);
}

/* ---- torture ------------------------------------------------------------------------ */

/*
 * THREADS take and give amounts of a fixed total, install and remove whole words, while one
 * more stops CPUs and moves their content to a shared pool. At the end pool + words + what
 * threads hold is the total: a lost or doubled store shows.
 */
#define THREADS 4
#define ROUNDS	150000
#define TOTAL	(1u << 20)
#define MOST	4096u

static u64 pool; /* atomic */
static bool torture_ends;
static u64 done[4]; /* takes, gives, installs, swaps: each must happen */

static u32 from_pool(u32 want)
{
	u64 have = atomic_load(&pool);

	do
		if (have < want)
			return 0;
	while (!atomic_cas(&pool, &have, have - want));
	return want;
}

/* Replaces this CPU's word with tag and `bring`; its former value goes to the pool. */
static void install(u32 tag, u32 bring)
{
	u64 old = atomic_load(word_of(pcpu_this()));
	unsigned cpu;

	if (pcpu_cas(base, SHIFT, WORD, old, PCPU_WORD(tag, bring), &cpu)) {
		atomic_add(&pool, (u64)PCPU_VALUE(old));
		atomic_add_relaxed(&done[2], 1ul);
	} else {
		atomic_add(&pool, (u64)bring);
	}
}

static void *torture_use(void *arg)
{
	u32 tag = TAG + (u32)((uintptr_t)arg % 2), held = 0;

	for (u32 i = 0; i < effort(ROUNDS); i++) {
		u32 n = (i * 7 + tag) % 64;

		if (take(tag, n)) {
			held += n;
			atomic_add_relaxed(&done[0], 1ul);
		} else {
			install(tag, from_pool(512));
		}
		if (held >= n / 2 && give(tag, n / 2, MOST)) {
			held -= n / 2;
			atomic_add_relaxed(&done[1], 1ul);
		}
		if (i % 1024 == 0)
			sched_yield();
	}
	atomic_add(&pool, (u64)held);
	return NULL;
}

static void drain(unsigned cpu)
{
	struct pcpu_area *area = pcpu_area_of(base, STRIDE, cpu);

	assert_true(pcpu_stop(base, SHIFT, cpu));
	atomic_add(&pool, (u64)PCPU_VALUE(pcpu_swap(area, word_of(cpu), 0)));
	pcpu_start(base, SHIFT, cpu);
	atomic_add_relaxed(&done[3], 1ul);
}

static void *torture_drain(void *arg)
{
	(void)arg;
	while (!atomic_load(&torture_ends)) {
		for (unsigned c = 0; c < pcpu_count; c++)
			drain(c);
		sys_sleep_ns(20000);
	}
	return NULL;
}

static void nothing_is_lost(void **state)
{
	pthread_t threads[THREADS], drainer;

	(void)state;
	set_all(0);
	pool = TOTAL;
	memset(done, 0, sizeof(done));
	torture_ends = false;
	assert_int_equal(pthread_create(&drainer, NULL, torture_drain, NULL), 0);
	while (!atomic_load(
		&done[3])) /* on a busy machine the others could be done before it begins */
		sched_yield();
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, torture_use, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&torture_ends, true);
	pthread_join(drainer, NULL);
	assert_int_equal(pool + sum_values(), TOTAL);
	for (size_t i = 0; i < ARRAY_SIZE(done); i++)
		assert_true(done[i] > 0);
}

/* ---- signals -------------------------------------------------------------------------- */

/*
 * A handler takes from the word its thread is just taking from. A sequence that was
 * interrupted between its load and its store and went on, would undo what the handler took.
 */
#define SIGNALS	    20000u
#define SIGNALS_MIN 200u
#define SIGNALS_NS  (3 * 1000000000ul)
#define PLENTY	    (1u << 31)

static u32 handled, taken_there; /* by the handler */
static bool send_ends;

static void take_in_handler(int sig)
{
	(void)sig;
	taken_there += take(TAG, 1);
	atomic_store(&handled, handled + 1);
}

/* The next when the last was handled: on one CPU its thread must run to handle it. */
static void *send_signals(void *arg)
{
	while (!atomic_load(&send_ends)) {
		u32 before = atomic_load(&handled);

		pthread_kill(*(pthread_t *)arg, SIGUSR1);
		for (u32 i = 1; atomic_load(&handled) == before && !atomic_load(&send_ends); i++)
			if (i % 1024)
				cpu_relax();
			else
				sched_yield();
	}
	return NULL;
}

/* Where other programs want the CPUs too, each signal may take a turn of the scheduler. */
static bool enough_signals(u64 from)
{
	u32 n = atomic_load(&handled);

	return n >= SIGNALS || (n >= SIGNALS_MIN && sys_clock_ns() - from > SIGNALS_NS);
}

static void interrupted_sequences_start_again(void **state)
{
	struct sigaction act = {.sa_handler = take_in_handler, .sa_flags = SA_RESTART}, before;
	pthread_t sender, me = pthread_self();
	u64 taken = 0, from = sys_clock_ns();

	(void)state;
	set_all(PCPU_WORD(TAG, PLENTY));
	handled = taken_there = 0;
	send_ends = false;
	sigaction(SIGUSR1, &act, &before);
	assert_int_equal(pthread_create(&sender, NULL, send_signals, &me), 0);
	while (!enough_signals(from))
		for (int i = 0; i < 1000; i++)
			taken += take(TAG, 1);
	atomic_store(&send_ends, true);
	pthread_join(sender, NULL);
	sigaction(SIGUSR1, &before, NULL);
	assert_int_equal(sum_values() + taken + taken_there, (u64)PLENTY * pcpu_count);
}

#define T(f, start) cmocka_unit_test_setup_teardown(f, start, finish)
#define TESTS(start)                                                                         \
	T(areas_are_zero_and_apart, start), T(take_needs_tag_and_enough, start),             \
		T(give_needs_tag_and_room, start), T(whole_range_of_values, start),          \
		T(words_of_neighbours, start), T(threads_without_rseq, start),               \
		T(cas_installs_whole_words, start), T(operations_are_on_this_cpu, start),    \
		T(stopped_cpus_refuse, start), T(stop_outlives_passing_failures, start),     \
		T(stop_without_membarrier_is_refused, start), T(map_refused_is_null, start), \
		T(without_membarrier_it_is_portable, start), T(child_goes_on, start),        \
		T(interrupted_sequences_start_again, start), T(nothing_is_lost, start)

static int run_portable(void)
{
	const struct CMUnitTest tests[] = {TESTS(start_portable)};

	return cmocka_run_group_tests_name("percpu, portable", tests, NULL, NULL);
}

static int run_rseq(void)
{
	const struct CMUnitTest tests[] = {TESTS(start_rseq)};

	pcpu_init(true);
	if (pcpu_backend != PCPU_RSEQ) {
		print_message("percpu, rseq: not available here\n");
		return 0;
	}
	return cmocka_run_group_tests_name("percpu, rseq", tests, NULL, NULL);
}

int main(void)
{
	const char *only = getenv("MEMCG_PCPU");
	int failed = 0;

	if (!only || strcmp(only, "rseq"))
		failed += run_portable();
	if (!only || strcmp(only, "portable"))
		failed += run_rseq();
	return failed;
}
