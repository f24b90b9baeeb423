/* t_stat.c - nothing counted is lost on its way to the sink, and what is held back is bounded. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "count/stat.h"
#include "sync/atomic.h"
#include "sync/percpu.h"
#include "sys/fault.h"
#include "sys/log.h"

/* The sink adds up what it is told; tags of these tests are below TAGS. */
#define TAGS 1024

static s64 told[TAGS][STAT_NR];
static unsigned calls;

static void sink(u32 tag, const s64 delta[STAT_NR])
{
	atomic_add_relaxed(&calls, 1);
	for (unsigned i = 0; i < STAT_NR; i++)
		if (delta[i])
			atomic_add_relaxed(&told[tag % TAGS][i], delta[i]);
}

/* Each test starts with empty tables, and on one CPU: which table is used is then certain. */
static int setup(void **state)
{
	cpu_set_t one;

	(void)state;
	sys_fault_disarm_all();
	stat_fold_all();
	memset(told, 0, sizeof(told));
	calls = 0;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

static cpu_set_t all_cpus;

static void use_all_cpus(void)
{
	assert_int_equal(sched_setaffinity(0, sizeof(all_cpus), &all_cpus), 0);
}

static s64 magnitude(s64 n)
{
	return n < 0 ? -n : n;
}

/* ---- tests; the first one runs before any table exists ---- */
static void test_no_memory_for_tables(void **state)
{
	(void)state;
	stat_fold(7); /* nothing is held back: nothing to do */
	stat_fold_all();
	stat_after_fork();
	assert_int_equal(calls, 0);
	sys_fault_arm(SYS_FAULT_MAP, 1, 1, 0, 0);
	stat_add(7, STAT_BUFFER, 100);
	stat_add(7, STAT_BUFFER, -30);
	assert_int_equal(sys_fault_count(SYS_FAULT_MAP), 2);
	assert_int_equal(calls, 2);
	assert_int_equal(told[7][STAT_BUFFER], 70);
	sys_fault_disarm_all();

	/* The shortage is over: held back from now on. */
	stat_add(7, STAT_BUFFER, 5);
	assert_int_equal(calls, 2);
	stat_fold(7);
	assert_int_equal(calls, 3);
	assert_int_equal(told[7][STAT_BUFFER], 75);
}

static void test_fold_hands_over_once(void **state)
{
	(void)state;
	stat_add(1, STAT_LARGE, 4096);
	stat_add(1, STAT_MAPS, -8192);
	stat_add(1, STAT_LARGE, 4096);
	assert_int_equal(calls, 0);
	stat_fold(2); /* somebody else's */
	assert_int_equal(calls, 0);
	stat_fold(1);
	assert_int_equal(calls, 1);
	assert_int_equal(told[1][STAT_LARGE], 8192);
	assert_int_equal(told[1][STAT_MAPS], -8192);
	stat_fold(1);
	stat_fold_all();
	assert_int_equal(calls, 1);
}

static void test_tag_zero_is_a_tag(void **state)
{
	(void)state;
	stat_add(0, STAT_STACK, 1);
	stat_fold(0);
	assert_int_equal(told[0][STAT_STACK], 1);
	assert_int_equal(calls, 1);
}

static void test_batch_goes_by_itself(void **state)
{
	(void)state;
	stat_add(3, STAT_TABLE, STAT_BATCH); /* exactly the bound may stay */
	assert_int_equal(calls, 0);
	stat_add(3, STAT_LARGE, 10);
	stat_add(3, STAT_TABLE, 1);
	assert_int_equal(calls, 1);
	assert_int_equal(told[3][STAT_TABLE], STAT_BATCH + 1);
	assert_int_equal(told[3][STAT_LARGE], 10); /* the slot goes whole */

	stat_add(3, STAT_TABLE, -STAT_BATCH);
	assert_int_equal(calls, 1);
	stat_add(3, STAT_TABLE, -1);
	assert_int_equal(calls, 2);
	assert_int_equal(told[3][STAT_TABLE], 0);
	stat_fold(3);
	assert_int_equal(calls, 2);
}

/* An amount over the batch never enters a slot, and disturbs none. */
static void test_large_amount_goes_at_once(void **state)
{
	static const s64 amounts[] = {STAT_BATCH + 1, -STAT_BATCH - 1, INT64_MAX, INT64_MIN};

	(void)state;
	stat_add(4, STAT_EXTERNAL, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(amounts); i++) {
		told[4][STAT_EXTERNAL] = 0;
		stat_add(4, STAT_EXTERNAL, amounts[i]);
		assert_int_equal(calls, i + 1);
		assert_int_equal(told[4][STAT_EXTERNAL], amounts[i]);
	}
	told[4][STAT_EXTERNAL] = 0;
	stat_fold(4);
	assert_int_equal(told[4][STAT_EXTERNAL], 1);
}

/* More tags than a table has slots: each is told of in full in the end, the rest was told on the
 * way. */
static void test_eviction_keeps_every_byte(void **state)
{
	unsigned on_the_way;

	(void)state;
	for (u32 tag = 0; tag < TAGS; tag++) {
		stat_add(tag, STAT_LARGE, tag + 1);
		stat_add(tag, STAT_BUFFER, -(s64)tag);
	}
	on_the_way = calls;
	assert_true(on_the_way >= TAGS - 64); /* a table has 64 places */
	stat_fold_all();
	assert_int_equal(calls, TAGS); /* evicted or folded, each once */
	for (u32 tag = 0; tag < TAGS; tag++) {
		assert_int_equal(told[tag][STAT_LARGE], tag + 1);
		assert_int_equal(told[tag][STAT_BUFFER], -(s64)tag);
	}
}

/* Two tags that want one place, in turn: the one that leaves keeps its name. */
static void test_two_tags_of_one_slot(void **state)
{
	u32 other;

	(void)state;
	for (other = 2; other < TAGS; other++) {
		stat_add(1, STAT_LARGE, 1);
		stat_add(other, STAT_LARGE, 2);
		if (calls)
			break;
		stat_fold_all();
		memset(told, 0, sizeof(told));
		calls = 0;
	}
	assert_true(other < TAGS);
	assert_int_equal(told[1][STAT_LARGE], 1);
	assert_int_equal(told[other][STAT_LARGE], 0);
	stat_fold(1); /* its place is the other's now, which must stay */
	assert_int_equal(told[other][STAT_LARGE], 0);
	stat_fold(other);
	assert_int_equal(told[other][STAT_LARGE], 2);
}

static void test_bound_holds_at_every_moment(void **state)
{
	s64 truth[STAT_NR] = {0};
	unsigned seed = 17;

	(void)state;
	use_all_cpus();
	for (unsigned i = 0; i < 200000; i++) {
		unsigned item = (unsigned)rand_r(&seed) % STAT_NR;
		s64 n = rand_r(&seed) % (3 * STAT_BATCH) - STAT_BATCH;

		n = rand_r(&seed) % 4 ? n / 64 : n;
		truth[item] += n;
		stat_add(5, item, n);
		if (magnitude(truth[item] - told[5][item]) > (s64)pcpu_count * STAT_BATCH)
			fail_msg("step %u: item %u is off by %lld", i, item,
				 (long long)(truth[item] - told[5][item]));
	}
	stat_fold(5);
	for (unsigned i = 0; i < STAT_NR; i++)
		assert_int_equal(told[5][i], truth[i]);
}

/* What other CPUs hold back is folded too. */
static void test_fold_reaches_every_cpu(void **state)
{
	unsigned used = 0;
	cpu_set_t one;

	(void)state;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all_cpus))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		stat_add(6, STAT_LARGE, 10);
		used++;
	}
	assert_int_equal(calls, 0);
	stat_fold(6);
	assert_int_equal(told[6][STAT_LARGE], 10 * used);
	assert_int_equal(calls, MIN(used, pcpu_count));
}

/* ---- misuse ---- */
static jmp_buf bug;

static void caught(const char *line)
{
	assert_non_null(strstr(line, "stat"));
	longjmp(bug, 1);
}

static void test_unknown_item_is_a_bug(void **state)
{
	(void)state;
	log_bug_hook = caught;
	if (!setjmp(bug)) {
		stat_add(1, STAT_NR, 1);
		fail_msg("accepted");
	}
	log_bug_hook = NULL;
	assert_int_equal(calls, 0);
}

/* The sink is called by a thread that holds no table: it may use the tables itself. */
static void nested_sink(u32 tag, const s64 delta[STAT_NR])
{
	sink(tag, delta);
	if (tag == 8)
		stat_add(9, STAT_LARGE, 1);
}

static void test_sink_is_called_without_a_lock(void **state)
{
	(void)state;
	stat_init(nested_sink);
	for (unsigned i = 0; i < 3; i++)
		stat_add(8, STAT_LARGE, STAT_BATCH + 1);
	stat_add(8, STAT_LARGE, 1);
	stat_fold_all();
	stat_fold(9);
	stat_init(sink);
	assert_int_equal(told[8][STAT_LARGE], 3 * (STAT_BATCH + 1) + 1);
	assert_int_equal(told[9][STAT_LARGE], 4);
}

/* ---- fork ---- */
static unsigned stop;

static void *adder(void *arg)
{
	u32 tag = 20 + (u32)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		stat_add(tag, STAT_LARGE, 1);
		stat_add(tag, STAT_LARGE, -1);
	}
	return NULL;
}

/* In the child every table can be locked, whoever held one in the parent at that moment. */
static int child_uses_tables(void)
{
	stat_after_fork();
	stat_fold_all();
	memset(told, 0, sizeof(told));
	for (u32 tag = 0; tag < 64; tag++)
		stat_add(tag, STAT_STACK, 3);
	stat_fold_all();
	for (u32 tag = 0; tag < 64; tag++)
		if (told[tag][STAT_STACK] != 3)
			return 1;
	return 0;
}

static void test_fork_while_others_count(void **state)
{
	pthread_t t[2];
	int status;
	pid_t pid;

	(void)state;
	use_all_cpus();
	stop = 0;
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, adder, (void *)i), 0);
	for (unsigned i = 0; i < 50; i++) {
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			pcpu_after_fork();
			alarm(150); /* a lock nobody lets go of: killed, and seen below */
			_exit(child_uses_tables());
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	atomic_store(&stop, 1u);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	stat_fold_all();
	assert_int_equal(told[20][STAT_LARGE], 0);
	assert_int_equal(told[21][STAT_LARGE], 0);
}

/* ---- four threads ---- */
#define THREADS	    4
#define ROUNDS	    40000
#define THREAD_TAGS 200

static s64 truth_of[THREADS][THREAD_TAGS][STAT_NR];

static void *counting(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg, seed = me + 1;

	for (unsigned i = 0; i < ROUNDS; i++) {
		u32 tag = (u32)rand_r(&seed) % THREAD_TAGS;
		unsigned item = (unsigned)rand_r(&seed) % STAT_NR;
		s64 n = rand_r(&seed) % (STAT_BATCH / 2) - STAT_BATCH / 8;

		truth_of[me][tag][item] += n;
		stat_add(tag, item, n);
		if (i % 1000 == me)
			stat_fold(tag);
		if (i % 5000 == me)
			stat_fold_all();
	}
	return NULL;
}

static void test_threads_conserve(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	use_all_cpus();
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, counting, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	stat_fold_all();
	for (u32 tag = 0; tag < THREAD_TAGS; tag++)
		for (unsigned item = 0; item < STAT_NR; item++) {
			s64 sum = 0;

			for (unsigned i = 0; i < THREADS; i++)
				sum += truth_of[i][tag][item];
			assert_int_equal(told[tag][item], sum);
		}
}

int main(void)
{
	const char *backend = getenv("MEMCG_PCPU");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_memory_for_tables, setup),
		cmocka_unit_test_setup(test_fold_hands_over_once, setup),
		cmocka_unit_test_setup(test_tag_zero_is_a_tag, setup),
		cmocka_unit_test_setup(test_batch_goes_by_itself, setup),
		cmocka_unit_test_setup(test_large_amount_goes_at_once, setup),
		cmocka_unit_test_setup(test_eviction_keeps_every_byte, setup),
		cmocka_unit_test_setup(test_two_tags_of_one_slot, setup),
		cmocka_unit_test_setup(test_bound_holds_at_every_moment, setup),
		cmocka_unit_test_setup(test_fold_reaches_every_cpu, setup),
		cmocka_unit_test_setup(test_unknown_item_is_a_bug, setup),
		cmocka_unit_test_setup(test_sink_is_called_without_a_lock, setup),
		cmocka_unit_test_setup(test_fork_while_others_count, setup),
		cmocka_unit_test_setup(test_threads_conserve, setup),
	};

	pcpu_init(backend && strcmp(backend, "rseq") == 0);
	stat_init(sink);
	if (sched_getaffinity(0, sizeof(all_cpus), &all_cpus))
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
