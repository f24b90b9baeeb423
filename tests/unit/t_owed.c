/* t_owed.c - what allocations owe gets done: by the reclaimer thread, by memory.fail's rules not at
 * all. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <memcg.h>

#include "reclaim/charge.h"
#include "reclaim/owed.h"
#include "reclaim/psi.h"
#include "sys/clock.h"
#include "group/record.h"

#define MS 1000000ul

/* ---- a cache of charged blocks that a shrinker empties ---- */

#define BLOCK (64 * KIB)

static struct memcg *cg;
static struct memcg_charge *block[1024];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of block and nr, to change them */
static u32 nr, scans, handled;				 /* atomics */

static size_t count(struct memcg *of, void *arg)
{
	(void)of;
	(void)arg;
	return atomic_load(&nr) * BLOCK;
}

static size_t scan(struct memcg *of, size_t bytes, uint64_t deadline_ns, void *arg)
{
	size_t n = 0;

	(void)of;
	(void)deadline_ns;
	(void)arg;
	(void)atomic_add(&scans, 1u);
	pthread_mutex_lock(&lock);
	for (; n < bytes && nr; n += BLOCK) {
		memcg_uncharge(block[nr - 1]);
		atomic_store(&nr, nr - 1);
	}
	pthread_mutex_unlock(&lock);
	return n;
}

static bool put(void)
{
	struct memcg_charge *c = memcg_charge(cg, BLOCK);

	if (!c)
		return false;
	pthread_mutex_lock(&lock);
	block[nr] = c;
	atomic_store(&nr, nr + 1);
	pthread_mutex_unlock(&lock);
	return true;
}

static unsigned handler(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)limited;
	(void)wanted;
	(void)arg;
	(void)atomic_add(&handled, 1u);
	return MEMCG_OOM_FAIL;
}

static struct memcg_shrinker *shrinker;

static int set_up(void **state)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;

	(void)state;
	config.count = count;
	config.scan = scan; /* not inline: never on a thread that allocates */
	config.deadline_ms = 600000;
	nr = scans = handled = 0;
	cg = memcg_create(NULL, "cg");
	shrinker = memcg_shrinker_register(cg, &config);
	return shrinker ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	memcg_shrinker_unregister(shrinker);
	while (nr)
		memcg_uncharge(block[--nr]);
	memcg__self->owed = 0;
	memcg__self->high_bytes = 0;
	return memcg_destroy(cg);
}

/* Two minutes and a half: the machine may be busy. */
static bool comes_true(bool (*what)(void))
{
	for (unsigned i = 0; i < 15000; i++) {
		if (what())
			return true;
		sys_sleep_ns(10 * MS);
	}
	return false;
}

static bool room_again(void)
{
	return memcg_current(cg) < 15 * MIB;
}

static bool was_handled(void)
{
	return atomic_load(&handled);
}

static bool under_high(void)
{
	return memcg_current(cg) <= 8 * MIB;
}

/* ---- without the thread ---- */

static void test_refused_then_served_at_throttle(void **state)
{
	(void)state;
	memcg_set_limit(cg, MEMCG_MAX, 16 * MIB);
	while (put())
		;
	assert_int_equal(scans, 0);
	assert_int_equal(memcg__self->owed, OWED_SHORT);
	memcg_throttle();
	assert_true(scans > 0);
	assert_true(put());
}

/* ---- with it ---- */

static void test_room_is_made_before_max(void **state)
{
	(void)state;
	assert_int_equal(memcg_reclaimer_start(), 0);
	memcg_set_limit(cg, MEMCG_MAX, 16 * MIB);
	while (memcg_current(cg) < 15 * MIB + 512 * KIB)
		assert_true(put());
	assert_true(comes_true(room_again));
	assert_int_equal(memcg_reclaimer_stop(), 0);
	assert_int_equal(group_record(cg)->events[EV_OOM], 0);
	assert_true(memcg_current(cg) > 12 * MIB); /* no more than the margin */
}

static u32 looks; /* atomic */

static size_t count_nothing(struct memcg *of, void *arg)
{
	(void)of;
	(void)arg;
	(void)atomic_add(&looks, 1u);
	return 0;
}

static bool was_looked_at(void)
{
	return atomic_load(&group_record(cg)->rests_until);
}

/* Near its max and with nothing to give: it is looked at now and then, not at each charge. The
 * small charges are kept: one that went during a look would pass for something that was given. */
static void test_who_has_nothing_is_left_alone(void **state)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg_charge *most, *small[101];
	struct memcg_shrinker *poor;
	unsigned n = 0;
	u64 since;

	(void)state;
	config.count = count_nothing;
	config.scan = scan;
	looks = 0;
	poor = memcg_shrinker_register(cg, &config);
	most = memcg_charge(cg, 16 * MIB - 512 * KIB);
	memcg_set_limit(cg, MEMCG_MAX, 16 * MIB);
	assert_int_equal(memcg_reclaimer_start(), 0);
	small[n++] = memcg_charge(cg, 4096);
	assert_true(comes_true(was_looked_at));
	atomic_store(&looks, 0u);
	since = sys_clock_ns();
	while (n < ARRAY_SIZE(small)) {
		small[n++] = memcg_charge(cg, 4096);
		if (n % 5 == 0)
			sys_sleep_ns(MS);
	}
	assert_int_equal(memcg_reclaimer_stop(), 0);
	/* A look is up to two passes of 13 walks. */
	assert_true(atomic_load(&looks) <= (1 + (sys_clock_ns() - since) / (90 * MS)) * 26);
	memcg_shrinker_unregister(poor);
	while (n)
		memcg_uncharge(small[--n]);
	memcg_uncharge(most);
}

static void test_handlers_run_there_after_a_refusal(void **state)
{
	struct memcg_oom_config config = MEMCG_OOM_CONFIG_INIT;
	struct memcg_charge *most;

	(void)state;
	config.oom = handler;
	assert_int_equal(memcg_set_oom_handler(cg, &config), 0);
	most = memcg_charge(cg, 16 * MIB);
	assert_int_equal(memcg_reclaimer_start(), 0);
	counter_set_max(&cg->counter, 16 * MIB);
	assert_null(memcg_charge(cg, MIB));
	assert_int_equal(memcg__self->owed, 0); /* not this thread's any more */
	assert_true(comes_true(was_handled));
	assert_int_equal(memcg_reclaimer_stop(), 0);
	memcg_uncharge(most);
}

static void test_high_is_worked_off_there(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 192; i++)
		assert_true(put());
	assert_int_equal(memcg_reclaimer_start(), 0);
	counter_set_high(&cg->counter, 8 * MIB);
	memcg_uncharge(memcg_charge(cg, 4096));
	for (unsigned i = 0; i < 100 && !under_high(); i++) { /* a batch each time */
		sys_sleep_ns(MS);
		memcg_uncharge(memcg_charge(cg, 4096));
	}
	assert_true(comes_true(under_high));
	assert_int_equal(memcg_reclaimer_stop(), 0);
	memcg_throttle(); /* nothing to wait for by now */
	assert_int_equal(memcg__self->owed, 0);
}

/* ---- memory.fail ---- */

static void write_file(const char *file, const char *text)
{
	assert_int_equal(memcg_write(cg, file, text, strlen(text)), 0);
}

/* Each allocation is a charge, also small ones; the one asked for fails, as if over a max. */
static void test_the_nth_fails(void **state)
{
	struct memcg_failure f;
	struct memcg *was = memcg_enter(cg);
	void *p[8];

	(void)state;
	while (put() && nr < 4)
		;
	write_file("memory.fail", "nth=3");
	for (unsigned i = 0; i < 8; i++)
		p[i] = memcg_malloc(i % 2 ? 100 : 300000);
	for (unsigned i = 0; i < 8; i++)
		assert_true((i == 2) == !p[i]);
	assert_int_equal(memcg_last_failure(&f, sizeof(f)), 0);
	assert_int_equal(f.group, memcg_id(cg));
	assert_int_equal(scans, 0); /* no max refused it: nothing is reclaimed for it */
	assert_int_equal(group_record(cg)->events[EV_OOM], 0);
	assert_int_equal(group_record(cg)->events[EV_REFUSED], 1);
	write_file("memory.fail", "every=1");
	assert_null(memcg_malloc(100));
	assert_null(memcg_calloc(10, 10));
	assert_null(memcg_charge(cg, 4096));
	p[2] = memcg_alloc(cg, 100, 0, MEMCG_NOFAIL); /* that is never refused */
	assert_non_null(p[2]);
	write_file("memory.fail", "off");
	memcg_leave(was);
	assert_int_equal(scans, 0);
	for (unsigned i = 0; i < 8; i++)
		memcg_free(p[i]);
	p[0] = memcg_malloc_in(cg, 100);
	assert_non_null(p[0]);
	memcg_free(p[0]);
}

/* ---- memory.pressure ---- */

static u64 stalled(struct memcg *of)
{
	struct psi_pressure p;

	psi_show(of, &p);
	return p.some.total_us;
}

static unsigned slow_handler(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)limited;
	(void)wanted;
	(void)arg;
	sys_sleep_ns(20 * MS);
	return MEMCG_OOM_FAIL;
}

/* The time is that of the group that is short, and of all above it; nobody else's. */
static void test_time_is_the_payers(void **state)
{
	struct memcg *payer = memcg_create(cg, "payer"), *other = memcg_create(cg, "other");
	struct memcg_oom_config config = MEMCG_OOM_CONFIG_INIT;
	struct memcg_charge *most;
	u64 before;

	(void)state;
	config.oom = slow_handler;
	config.flags = MEMCG_OOM_INLINE;
	assert_int_equal(memcg_set_oom_handler(cg, &config), 0);
	memcg_set_limit(cg, MEMCG_MAX, 4 * MIB);
	assert_null(memcg_charge(payer, 8 * MIB));
	assert_true(stalled(payer) >= 20000);
	assert_true(stalled(cg) >= stalled(payer));
	assert_int_equal(stalled(other), 0);
	before = stalled(payer);
	assert_int_equal(stalled(payer), before); /* it is over */
	memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED);
	most = memcg_charge(other, 4 * MIB);
	counter_set_high(&other->counter, 4 * MIB - 512 * KIB);
	memcg_uncharge(memcg_charge(other, 64 * PAGE_SIZE));
	assert_int_equal(memcg__self->owed & OWED_HIGH, OWED_HIGH);
	memcg_throttle();
	assert_true(stalled(other) >= 10000);
	memcg_uncharge(most);
	assert_int_equal(memcg_destroy(payer) | memcg_destroy(other), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_refused_then_served_at_throttle),
		TEST(test_room_is_made_before_max),
		TEST(test_who_has_nothing_is_left_alone),
		TEST(test_handlers_run_there_after_a_refusal),
		TEST(test_high_is_worked_off_there),
		TEST(test_the_nth_fails),
		TEST(test_time_is_the_payers),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
