/* t_counter.c - charges are all or nothing at every depth, limits hold, and no error is silent. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "count/counter.h"

#define DEPTH 5

/* chain[0] is the leaf, chain[depth - 1] the root. */
static struct counter chain[DEPTH];

static void make_chain(unsigned depth)
{
	for (unsigned i = depth; i-- > 0;)
		counter_init(&chain[i], i + 1 < depth ? &chain[i + 1] : NULL);
}

static void must_charge(struct counter *c, u64 n)
{
	assert_true(counter_try_charge(c, n, NULL));
}

static void expect_usage(unsigned depth, u64 usage)
{
	for (unsigned i = 0; i < depth; i++)
		assert_int_equal(counter_read(&chain[i]), usage);
}

/* ---- what the library writes to descriptor 2 ---- */
static int saved_stderr, capture_end;

static void capture_start(void)
{
	int ends[2];

	fflush(stderr);
	assert_int_equal(pipe(ends), 0);
	saved_stderr = dup(2);
	assert_true(saved_stderr >= 0);
	assert_int_equal(dup2(ends[1], 2), 2);
	close(ends[1]);
	capture_end = ends[0];
}

static void capture_stop(char *text, size_t size)
{
	ssize_t n;

	dup2(saved_stderr, 2); /* the pipe's last writer goes: read sees the end */
	close(saved_stderr);
	n = read(capture_end, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(capture_end);
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* ---- tests ---- */
static void test_fresh(void **state)
{
	(void)state;
	make_chain(2);
	assert_int_equal(chain[0].max, MEMCG_UNLIMITED);
	assert_int_equal(chain[0].high, MEMCG_UNLIMITED);
	assert_int_equal(chain[0].min, 0);
	assert_int_equal(chain[0].low, 0);
	assert_ptr_equal(chain[0].parent, &chain[1]);
	assert_null(chain[1].parent);
	expect_usage(2, 0);
	assert_int_equal(counter_headroom(chain), MEMCG_UNLIMITED);
}

static void test_writers_do_not_share_lines(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct counter, usage) / CACHELINE, 0);
	assert_int_equal(offsetof(struct counter, peak) / CACHELINE, 1);
	assert_int_equal(offsetof(struct counter, failcnt) / CACHELINE, 1);
	assert_int_equal(offsetof(struct counter, min) / CACHELINE, 2);
	assert_int_equal(offsetof(struct counter, extra) / CACHELINE, 2);
}

static void test_charge_reaches_every_level(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth <= DEPTH; depth++) {
		make_chain(depth);
		must_charge(chain, 4096);
		must_charge(chain, 100);
		expect_usage(depth, 4196);
		counter_uncharge(chain, 4096);
		expect_usage(depth, 100);
		counter_charge(chain, 1);
		expect_usage(depth, 101);
		counter_uncharge(chain, 101);
		expect_usage(depth, 0);
		assert_int_equal(counter_peak(chain), 4196);
	}
}

/* Each level refuses in turn; what was there before stays exactly, and only that level counts it.
 */
static void test_each_ancestor_fails(void **state)
{
	struct counter *fail;

	(void)state;
	for (unsigned depth = 1; depth <= DEPTH; depth++)
		for (unsigned tight = 0; tight < depth; tight++) {
			make_chain(depth);
			counter_set_max(&chain[tight], 1000);
			must_charge(chain, 600);
			fail = NULL;
			assert_false(counter_try_charge(chain, 401, &fail));
			assert_ptr_equal(fail, &chain[tight]);
			expect_usage(depth, 600);
			for (unsigned i = 0; i < depth; i++)
				assert_int_equal(counter_failcnt(&chain[i]), i == tight);
			assert_int_equal(counter_peak(&chain[tight]), 600);
			assert_false(counter_try_charge(chain, 401, NULL));
			must_charge(chain, 400);
			expect_usage(depth, 1000);
		}
}

static void test_forced_charge_passes_max(void **state)
{
	(void)state;
	make_chain(2);
	counter_set_max(&chain[1], 100);
	counter_charge(chain, 150);
	expect_usage(2, 150);
	assert_int_equal(counter_peak(&chain[1]), 150);
	assert_int_equal(counter_failcnt(&chain[1]), 0);
	assert_false(counter_try_charge(chain, 1, NULL));
	expect_usage(2, 150);
}

static void test_set_max_below_usage(void **state)
{
	(void)state;
	make_chain(2);
	must_charge(chain, 500);
	assert_int_equal(counter_set_max(chain, 100), MEMCG_UNLIMITED);
	assert_int_equal(counter_read(chain), 500);
	assert_int_equal(counter_headroom(chain), 0);
	assert_false(counter_try_charge(chain, 1, NULL));
	counter_uncharge(chain, 450);
	must_charge(chain, 50);
	assert_false(counter_try_charge(chain, 1, NULL));
	assert_int_equal(counter_set_max(chain, 0), 100);
	assert_false(counter_try_charge(chain, 1, NULL));
}

static void test_settings(void **state)
{
	(void)state;
	make_chain(1);
	counter_set_min(chain, 1);
	counter_set_low(chain, 2);
	counter_set_high(chain, 3);
	assert_int_equal(chain->min, 1);
	assert_int_equal(chain->low, 2);
	assert_int_equal(chain->high, 3);
	must_charge(chain, 10); /* high is for the caller to act on: it refuses nothing */
}

/* Whoever starts the local one again: the peak is what it was. */
static void test_local_peak_starts_again(void **state)
{
	u64 before;

	(void)state;
	make_chain(1);
	must_charge(chain, 300);
	counter_uncharge(chain, 200);
	assert_int_equal(counter_reset_local_peak(chain, &before), 100);
	assert_int_equal(before, 300);
	assert_int_equal(counter_peak(chain), 300);
	must_charge(chain, 50);
	counter_uncharge(chain, 60);
	assert_int_equal(counter_peak(chain), 300);
	assert_int_equal(counter_reset_local_peak(chain, &before), 90);
	assert_int_equal(before, 150);
	must_charge(chain, 400);
	assert_int_equal(counter_peak(chain), 490);
	assert_int_equal(counter_reset_local_peak(chain, &before), 490);
}

static void test_extra_counts_against_max(void **state)
{
	u64 cached = 300;

	(void)state;
	make_chain(2);
	chain[1].extra = &cached;
	must_charge(chain, 600); /* no max, no matter */
	assert_int_equal(counter_headroom(chain), MEMCG_UNLIMITED);
	counter_set_max(&chain[1], 1000);
	assert_int_equal(counter_headroom(chain), 100);
	assert_false(counter_try_charge(chain, 101, NULL));
	must_charge(chain, 100);
	expect_usage(2, 700);
	cached = 2000; /* alone above max */
	assert_int_equal(counter_headroom(chain), 0);
	assert_false(counter_try_charge(chain, 1, NULL));
	cached = 0;
	must_charge(chain, 300);
	expect_usage(2, 1000);
}

static void test_headroom_is_the_nearest_max(void **state)
{
	(void)state;
	make_chain(3);
	counter_set_max(&chain[2], 10000);
	assert_int_equal(counter_headroom(chain), 10000);
	counter_set_max(&chain[1], 500);
	must_charge(chain, 100);
	assert_int_equal(counter_headroom(chain), 400);
	assert_int_equal(counter_headroom(&chain[2]), 9900);
	counter_charge(&chain[2], 9700); /* a cousin's */
	assert_int_equal(counter_headroom(chain), 200);
}

/* Sums that do not fit in 64 bits are refused at the level where they do not, at any size of
 * charge. */
static void test_u64_overflow(void **state)
{
	static const u64 sizes[] = {11, COUNTER_HUGE - 1, COUNTER_HUGE, UINT64_MAX};
	struct counter *fail;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		make_chain(3);
		must_charge(&chain[1], UINT64_MAX - 10);
		fail = NULL;
		assert_false(counter_try_charge(chain, sizes[i], &fail));
		assert_ptr_equal(fail, &chain[1]);
		assert_int_equal(counter_read(&chain[0]), 0);
		assert_int_equal(counter_read(&chain[1]), UINT64_MAX - 10);
		assert_int_equal(counter_read(&chain[2]), UINT64_MAX - 10);
		must_charge(chain, 10);
		assert_int_equal(counter_read(&chain[2]), UINT64_MAX);
	}
}

static void test_huge_charge_meets_max(void **state)
{
	struct counter *fail;

	(void)state;
	make_chain(2);
	counter_set_max(&chain[1], 3 * COUNTER_HUGE);
	must_charge(chain, 2 * COUNTER_HUGE);
	assert_int_equal(counter_peak(chain), 2 * COUNTER_HUGE);
	assert_false(counter_try_charge(chain, 2 * COUNTER_HUGE, &fail));
	assert_ptr_equal(fail, &chain[1]);
	expect_usage(2, 2 * COUNTER_HUGE);
	counter_uncharge(chain, 2 * COUNTER_HUGE);
	expect_usage(2, 0);
}

/* Only the level that lacks the bytes is clamped and named, once for each occurrence. */
static void test_underflow_is_reported(void **state)
{
	u64 before = counter_underflows;
	char text[2048], name[32];

	(void)state;
	make_chain(2);
	must_charge(chain, 100);
	counter_charge(&chain[1], 50);
	capture_start();
	counter_uncharge(chain, 130);
	capture_stop(text, sizeof(text));
	assert_int_equal(counter_underflows, before + 1);
	assert_int_equal(counter_read(&chain[0]), 0);
	assert_int_equal(counter_read(&chain[1]), 20);
	assert_int_equal(count_lines(text), 1);
	snprintf(name, sizeof(name), "counter %p:", (void *)chain);
	assert_non_null(strstr(text, name));
	assert_non_null(strstr(text, "130 bytes"));
	assert_non_null(strstr(text, "usage of 100"));

	capture_start();
	counter_uncharge(chain, 21);
	capture_stop(text, sizeof(text));
	assert_int_equal(counter_underflows, before + 3);
	assert_int_equal(count_lines(text), 2);
	expect_usage(2, 0);
	must_charge(chain, 5); /* and they go on */
	expect_usage(2, 5);
}

/* ---- four threads against one limit ---- */
#define THREADS 4
#define ROUNDS	30000
#define LIMIT	1000

static struct counter root, leaf[2];
static u64 granted;		 /* bytes the threads hold by successful charges */
static unsigned broken, refused; /* broken: a moment above the limit was seen */

/*
 * `granted` grows after a charge and shrinks before its uncharge: it is never above the
 * bytes really charged, so that a value over the limit proves the limit broken.
 */
static void *charger(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg + 1;
	struct counter *c = &leaf[seed & 1], *fail;

	for (unsigned i = 0; i < ROUNDS; i++) {
		u64 n = (u64)rand_r(&seed) % 600 + 1;

		if (!counter_try_charge(c, n, &fail)) {
			if (fail != &root)
				atomic_or(&broken, 1u);
			atomic_add_relaxed(&refused, 1);
			continue;
		}
		if (atomic_add(&granted, n) > LIMIT)
			atomic_or(&broken, 2u);
		if (counter_peak(&root) > LIMIT)
			atomic_or(&broken, 4u);
		atomic_sub(&granted, n);
		counter_uncharge(c, n);
	}
	return NULL;
}

static void test_threads_never_exceed_max(void **state)
{
	u64 underflows = counter_underflows;
	pthread_t t[THREADS];

	(void)state;
	counter_init(&root, NULL);
	counter_init(&leaf[0], &root);
	counter_init(&leaf[1], &root);
	counter_set_max(&root, LIMIT);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, charger, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(broken, 0);
	assert_int_equal(counter_read(&root), 0);
	assert_int_equal(counter_read(&leaf[0]), 0);
	assert_int_equal(counter_read(&leaf[1]), 0);
	assert_int_equal(counter_failcnt(&root), refused);
	assert_int_equal(counter_underflows, underflows);
}

/*
 * A charge and a lowered max at the same moment: whoever comes second sees the
 * other. The charge got in, so the setter must find it in usage.
 */
#define MEETINGS 3000

static pthread_barrier_t meet;
static bool got_in;

static void *late_charger(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < MEETINGS; i++) {
		pthread_barrier_wait(&meet);
		got_in = counter_try_charge(&leaf[0], 10, NULL);
		pthread_barrier_wait(&meet);
	}
	return NULL;
}

static void test_set_max_and_charge_see_each_other(void **state)
{
	unsigned missed = 0;
	pthread_t t;
	u64 seen;

	(void)state;
	counter_init(&root, NULL);
	counter_init(&leaf[0], &root);
	assert_int_equal(pthread_barrier_init(&meet, NULL, 2), 0);
	assert_int_equal(pthread_create(&t, NULL, late_charger, NULL), 0);
	for (unsigned i = 0; i < MEETINGS; i++) {
		counter_set_max(&root, 10);
		pthread_barrier_wait(&meet);
		counter_set_max(&root, 9);
		seen = counter_read(&root);
		pthread_barrier_wait(&meet);
		missed += got_in && seen < 10;
		if (got_in)
			counter_uncharge(&leaf[0], 10);
		assert_int_equal(counter_read(&root), 0);
	}
	assert_int_equal(pthread_join(t, NULL), 0);
	pthread_barrier_destroy(&meet);
	assert_int_equal(missed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_writers_do_not_share_lines),
		cmocka_unit_test(test_charge_reaches_every_level),
		cmocka_unit_test(test_each_ancestor_fails),
		cmocka_unit_test(test_forced_charge_passes_max),
		cmocka_unit_test(test_set_max_below_usage),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_local_peak_starts_again),
		cmocka_unit_test(test_extra_counts_against_max),
		cmocka_unit_test(test_headroom_is_the_nearest_max),
		cmocka_unit_test(test_u64_overflow),
		cmocka_unit_test(test_huge_charge_meets_max),
		cmocka_unit_test(test_underflow_is_reported),
		cmocka_unit_test(test_threads_never_exceed_max),
		cmocka_unit_test(test_set_max_and_charge_see_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
