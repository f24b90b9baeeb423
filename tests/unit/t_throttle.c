/* t_throttle.c - memory.high: what the delay is, that it is owed and served, and that it ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include <memcg.h>

#include "reclaim/charge.h"
#include "reclaim/owed.h"
#include "reclaim/throttle.h"
#include "sys/clock.h"
#include "group/record.h"

#define MS   1000000ul
#define UNIT (64 * PAGE_SIZE)

static struct memcg *cg;

static int make_group(void **state)
{
	(void)state;
	cg = memcg_create(NULL, "cg");
	return cg ? 0 : -1;
}

static int drop_group(void **state)
{
	(void)state;
	memcg__self->owed = 0;
	memcg__self->high_bytes = 0;
	return memcg_destroy(cg);
}

/* reference: kernel.md B3. high = 100M. */
static void test_the_kernels_table(void **state)
{
	static const struct {
		u64 usage, ms;
	} row[] = {{101, 0}, {105, 159}, {110, 639}, {115, 1439}, {118, 2000}, {500, 2000}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		assert_int_equal(throttle_delay(row[i].usage * MIB, 100 * MIB, UNIT) / MS,
				 row[i].ms);
	assert_int_equal(throttle_delay(100 * MIB, 100 * MIB, UNIT), 0);
	assert_int_equal(throttle_delay(10 * MIB, 100 * MIB, UNIT), 0);
}

static void test_the_delay_grows_with_what_was_charged(void **state)
{
	u64 one = throttle_delay(105 * MIB, 100 * MIB, UNIT);

	(void)state;
	assert_in_range(throttle_delay(105 * MIB, 100 * MIB, 4 * UNIT), 4 * one - 4, 4 * one + 4);
	assert_int_equal(throttle_delay(105 * MIB, 100 * MIB, UNIT / 64), 0); /* under 10 ms */
	assert_int_equal(throttle_delay(105 * MIB, 100 * MIB, 1ul << 40), 2000 * MS);
}

static void test_extremes(void **state)
{
	(void)state;
	assert_int_equal(throttle_delay(1ul << 62, 0, UNIT), 2000 * MS);
	assert_int_equal(throttle_delay(UINT64_MAX, 1, UINT64_MAX), 2000 * MS);
	assert_int_equal(throttle_delay(4096, 0, UINT64_MAX), 2000 * MS);
	assert_int_equal(throttle_delay(UINT64_MAX, UINT64_MAX, UNIT), 0);
}

/* Charges cg to 105 MiB with a high of 100, the last 64 pages of it owed. */
static struct memcg_charge *go_over(u64 *took)
{
	struct memcg_charge *most, *last;
	u64 before;

	most = memcg_charge(cg, 105 * MIB - UNIT);
	assert_non_null(most);
	assert_int_equal(memcg__self->owed, 0);
	/* Not by memcg_set_limit: that would reclaim, and here only the waiting is looked at. */
	counter_set_high(&cg->counter, 100 * MIB);
	before = sys_clock_ns();
	last = memcg_charge(cg, UNIT);
	*took = sys_clock_ns() - before;
	assert_non_null(last);
	assert_int_equal(memcg__self->owed, OWED_HIGH);
	assert_int_equal(memcg__self->high_bytes, UNIT);
	memcg_uncharge(last);
	memcg__self->high_bytes = UNIT;
	last = memcg_charge(memcg_root(), UNIT); /* to the root: nothing is added */
	memcg_uncharge(last);
	assert_int_equal(memcg__self->high_bytes, UNIT);
	counter_charge(&cg->counter, UNIT);
	return most;
}

static void over_no_more(struct memcg_charge *most)
{
	counter_uncharge(&cg->counter, UNIT);
	memcg_uncharge(most);
}

static void test_owed_by_charges_and_served_by_throttle(void **state)
{
	struct memcg_charge *most;
	u64 took, before;

	(void)state;
	most = go_over(&took);
	before = sys_clock_ns();
	memcg_throttle();
	assert_true(sys_clock_ns() - before >= 159 * MS);
	assert_int_equal(memcg__self->owed, 0);
	assert_int_equal(group_record(cg)->events[EV_HIGH], 1);
	before = sys_clock_ns();
	memcg_throttle(); /* nothing is owed any more */
	assert_true(!memcg__self->owed && group_record(cg)->events[EV_HIGH] == 1);
	over_no_more(most);
}

static void test_served_by_leave(void **state)
{
	struct memcg_charge *most;
	u64 took, before;
	struct memcg *was;

	(void)state;
	was = memcg_enter(cg);
	most = go_over(&took);
	before = sys_clock_ns();
	memcg_leave(was);
	assert_true(sys_clock_ns() - before >= 159 * MS);
	assert_int_equal(memcg__self->owed, 0);
	over_no_more(most);
}

/* What came free before it is served is not waited for. */
static void test_no_wait_when_it_fits_again(void **state)
{
	struct memcg_charge *most;
	u64 took;

	(void)state;
	most = go_over(&took);
	over_no_more(most);
	memcg_throttle();
	assert_int_equal(memcg__self->owed, 0);
	assert_int_equal(group_record(cg)->events[EV_HIGH], 0);
}

static void *destroyer(void *arg)
{
	sys_sleep_ns(200 * MS);
	memcg_destroy(arg);
	return NULL;
}

/* Nanoseconds that 2 s of a group took which was destroyed meanwhile. */
static u64 waits_for_a_dead_group(void)
{
	struct memcg *mortal = memcg_create(cg, "mortal");
	struct memcg_charge *c = memcg_charge(mortal, 100 * MIB);
	u64 before, took;
	pthread_t t;

	assert_non_null(c);
	counter_set_high(&mortal->counter, MIB);
	memcg_uncharge(memcg_charge(mortal, UNIT));
	assert_int_equal(memcg__self->owed, OWED_HIGH);
	assert_int_equal(pthread_create(&t, NULL, destroyer, mortal), 0);
	before = sys_clock_ns();
	memcg_throttle();
	took = sys_clock_ns() - before;
	pthread_join(t, NULL);
	memcg_uncharge(c);
	return took;
}

/*
 * A group that goes holds nobody: 2 s are owed, and it ends with the group. A busy machine may be
 * late at each end of it, so once in time is enough: without the rule it never is.
 */
static void test_nobody_waits_for_a_dead_group(void **state)
{
	unsigned late = 0;

	(void)state;
	while (waits_for_a_dead_group() >= 1900 * MS)
		assert_true(++late < 10);
}

static void test_a_dead_groups_debt_is_nobodys(void **state)
{
	struct memcg *mortal = memcg_create(cg, "mortal");
	struct memcg_charge *c = memcg_charge(mortal, 100 * MIB);

	(void)state;
	counter_set_high(&mortal->counter, MIB);
	memcg_uncharge(memcg_charge(mortal, UNIT));
	assert_int_equal(memcg_destroy(mortal), 0);
	memcg_throttle();
	assert_int_equal(memcg__self->owed, 0);
	memcg_uncharge(c);
}

/* ---- the reclaimer's part: without the waiting, for all of the excess ---- */

#define PIECES 16u
static struct memcg_charge *piece[PIECES];
static unsigned pieces;

static size_t count_pieces(struct memcg *of, void *arg)
{
	(void)of, (void)arg;
	return pieces * MIB;
}

static size_t scan_pieces(struct memcg *of, size_t bytes, uint64_t deadline, void *arg)
{
	size_t freed = 0;

	(void)of, (void)deadline, (void)arg;
	for (; freed < bytes && pieces; freed += MIB)
		memcg_uncharge(piece[--pieces]);
	return freed;
}

static void test_a_reclaimer_works_all_of_it_off(void **state)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg *child = memcg_create(cg, "child");
	struct memcg_shrinker *cache;

	(void)state;
	config.count = count_pieces;
	config.scan = scan_pieces;
	cache = memcg_shrinker_register(child, &config);
	assert_non_null(cache);
	while (pieces < PIECES)
		assert_non_null(piece[pieces++] = memcg_charge(child, MIB));
	counter_set_high(&cg->counter, 4 * MIB);
	owed_work(child, OWED_HIGH);
	assert_in_range(memcg_current(cg), 2 * MIB, 4 * MIB);
	assert_int_equal(group_record(cg)->events_local[EV_HIGH], 1);
	assert_int_equal(group_record(child)->events[EV_HIGH], 0);
	owed_work(child, OWED_HIGH); /* owed before it was done: over no more */
	assert_int_equal(group_record(cg)->events_local[EV_HIGH], 1);
	memcg_shrinker_unregister(cache);
	while (pieces)
		memcg_uncharge(piece[--pieces]);
	memcg_destroy(child);
}

/* The high of an ancestor holds whoever charges below it; the highest penalty counts. */
static void test_an_ancestors_high(void **state)
{
	struct memcg *low = memcg_create(cg, "low");
	struct memcg_charge *c = memcg_charge(low, 105 * MIB);
	u64 before;

	(void)state;
	counter_set_high(&cg->counter, 100 * MIB);
	memcg_uncharge(memcg_charge(low, UNIT));
	before = sys_clock_ns();
	memcg_throttle();
	assert_true(sys_clock_ns() - before >= 159 * MS);
	assert_int_equal(group_record(cg)->events_local[EV_HIGH], 1);
	assert_int_equal(group_record(low)->events[EV_HIGH], 0);
	memcg_uncharge(c);
	assert_int_equal(memcg_destroy(low), 0);
}

static void *only_charges(void *arg)
{
	struct memcg_charge *c = memcg_charge(arg, UNIT);
	u64 before = sys_clock_ns();

	memcg_throttle();
	memcg_uncharge(c);
	return (void *)(sys_clock_ns() - before);
}

/* A thread that never allocated owes as well. */
static void test_a_threads_first_call(void **state)
{
	struct memcg_charge *c = memcg_charge(cg, 105 * MIB);
	pthread_t t;
	void *took;

	(void)state;
	counter_set_high(&cg->counter, 100 * MIB);
	assert_int_equal(pthread_create(&t, NULL, only_charges, cg), 0);
	assert_int_equal(pthread_join(t, &took), 0);
	assert_true((u64)took >= 159 * MS);
	memcg_uncharge(c);
}

/* `memcg run --high`: the debt is served at the end of the allocation that made it. */
static void test_in_malloc(void **state)
{
	struct memcg_charge *c = memcg_charge(cg, 105 * MIB);
	u64 before;
	void *p;

	(void)state;
	counter_set_high(&cg->counter, 100 * MIB);
	before = sys_clock_ns();
	p = memcg_alloc(cg, UNIT, 0, 0);
	assert_non_null(p);
	assert_int_equal(memcg__self->owed, OWED_HIGH);
	memcg_free(p);
	memcg__self->owed = 0;
	memcg__self->high_bytes = 0;
	owed_in_malloc = true;
	before = sys_clock_ns();
	p = memcg_alloc(cg, UNIT, 0, 0);
	owed_in_malloc = false;
	assert_true(sys_clock_ns() - before >= 159 * MS);
	assert_int_equal(memcg__self->owed, 0);
	memcg_free(p);
	memcg_uncharge(c);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_group, drop_group)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_kernels_table),
		cmocka_unit_test(test_the_delay_grows_with_what_was_charged),
		cmocka_unit_test(test_extremes),
		TEST(test_owed_by_charges_and_served_by_throttle),
		TEST(test_served_by_leave),
		TEST(test_no_wait_when_it_fits_again),
		TEST(test_nobody_waits_for_a_dead_group),
		TEST(test_a_dead_groups_debt_is_nobodys),
		TEST(test_a_reclaimer_works_all_of_it_off),
		TEST(test_an_ancestors_high),
		TEST(test_a_threads_first_call),
		TEST(test_in_malloc),
	};

	/* A thread without a record owes nothing. */
	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
