/*
 * t_own.c - what a group owns itself: told apart from its children's without a look at them, and
 * inherited whole, whoever was charging in that moment.
 */
#include "group_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "group/charge.h"

#include "effort.h"

static u64 local(struct memcg *cg)
{
	struct memcg_stat s;

	assert_int_equal(memcg_stat(cg, &s, sizeof(s)), 0);
	return s.local;
}

static void test_counter_own(void **state)
{
	struct counter top, low;

	(void)state;
	counter_init(&top, NULL);
	counter_init(&low, &top);
	assert_true(counter_try_charge(&low, 100, NULL));
	assert_true(counter_try_charge(&top, 30, NULL));
	counter_charge(&low, 5);
	assert_int_equal(counter_own(&low), 105);
	assert_int_equal(counter_own(&top), 30);
	counter_set_max(&top, 135);
	assert_false(counter_try_charge(&low, 1, NULL));
	assert_int_equal(counter_own(&low), 105);
	counter_uncharge(&low, 5);
	counter_pass_own(&low, &top);
	assert_int_equal(counter_own(&low), 0);
	assert_int_equal(counter_own(&top), 130);
	/* A late one: below 0 is shown as 0, and no byte is lost in passing it on. */
	counter_uncharge(&low, 20);
	assert_int_equal(counter_own(&low), 0);
	counter_pass_own(&low, &top);
	assert_int_equal(counter_own(&top), 110);
	assert_int_equal(counter_read(&top), 110);
}

static void test_local_is_what_children_do_not_own(void **state)
{
	struct memcg *top = group(NULL, "top"), *a = group(top, "a"), *b = group(top, "b");
	struct memcg_charge *of_top = memcg_charge(top, 1000), *of_a = memcg_charge(a, 200);
	struct memcg_charge *of_b = memcg_charge(b, 30);

	(void)state;
	assert_int_equal(local(top), 1000);
	assert_int_equal(local(a), 200);
	assert_int_equal(local(b), 30);
	assert_int_equal(memcg_current(top), 1230);
	assert_int_equal(memcg_destroy(a), 0);
	assert_int_equal(local(top), 1200);
	memcg_uncharge(of_a);
	assert_int_equal(local(top), 1000);
	memcg_uncharge(of_top);
	assert_int_equal(local(top), 0);
	assert_int_equal(memcg_destroy(b), 0);
	assert_int_equal(local(top), 30);
	memcg_uncharge(of_b);
	assert_int_equal(local(top), 0);
	assert_int_equal(memcg_destroy(top), 0);
}

/* Two generations go while bytes are out: the grandparent has them, once. */
static void test_inherited_twice(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	struct memcg_charge *charge = memcg_charge(low, 500);

	(void)state;
	assert_int_equal(memcg_destroy(low), 0);
	assert_int_equal(local(mid), 500);
	assert_int_equal(memcg_destroy(mid), 0);
	assert_int_equal(local(top), 500);
	memcg_uncharge(charge);
	assert_int_equal(local(top), 0);
	assert_int_equal(memcg_destroy(top), 0);
}

/* ---- against destruction ---- */

#define DEEP   150u /* a charge climbs for a while: destruction falls into it */
#define ROUNDS 8000u

static struct {
	pthread_mutex_t lock;
	struct memcg *leaf;
	bool stop;
} racing = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct memcg *leaf_get(void)
{
	struct memcg *cg;

	pthread_mutex_lock(&racing.lock);
	cg = memcg_get(racing.leaf);
	pthread_mutex_unlock(&racing.lock);
	return cg;
}

static struct memcg *leaf_replace(struct memcg *cg)
{
	struct memcg *old;

	pthread_mutex_lock(&racing.lock);
	old = racing.leaf;
	racing.leaf = cg;
	pthread_mutex_unlock(&racing.lock);
	return old;
}

/* Charges and folds through the handle of a group that goes at any moment. */
static void *charger(void *arg)
{
	while (!__atomic_load_n(&racing.stop, __ATOMIC_ACQUIRE)) {
		struct memcg *cg = leaf_get(), *limited;

		if (!charge_try(cg->handle->index, 4096, &limited))
			return "a charge without a limit failed";
		charge_fold(cg->handle->index, 4096);
		memcg_put(cg);
	}
	return arg;
}

static void test_inherited_under_charges(void **state)
{
	struct memcg *chain[DEEP], *parent = NULL;
	pthread_t thread[2];
	unsigned i;
	void *wrong;

	(void)state;
	for (i = 0; i < DEEP; i++)
		parent = chain[i] = group(parent, "deep");
	(void)leaf_replace(group(parent, "leaf"));
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, charger, NULL), 0);
	for (i = 0; i < effort(ROUNDS); i++) {
		char name[16];

		snprintf(name, sizeof(name), "leaf%u", i);
		assert_int_equal(memcg_destroy(leaf_replace(group(parent, name))), 0);
	}
	__atomic_store_n(&racing.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		if (wrong)
			fail_msg("%s", (const char *)wrong);
	}
	assert_int_equal(memcg_destroy(racing.leaf), 0);
	for (i = DEEP; i--;) {
		assert_int_equal(counter_read(&chain[i]->counter), 0);
		assert_int_equal((s64)chain[i]->counter.own, 0);
		assert_int_equal(memcg_destroy(chain[i]), 0);
	}
	assert_int_equal(counter_underflows, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter_own),
		cmocka_unit_test(test_local_is_what_children_do_not_own),
		cmocka_unit_test(test_inherited_twice),
		cmocka_unit_test(test_inherited_under_charges),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
