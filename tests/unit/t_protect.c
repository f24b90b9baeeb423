/* t_protect.c - effective protection: the kernel's formula, and sums that stay exact. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "count/counter.h"

/* The tree of the kernel's own test: A limits, B is protected, C D E F share what B has. */
static struct counter root, a, b, c, d, e, f, g;

static void make_tree(void)
{
	counter_init(&root, NULL);
	counter_init(&a, &root);
	counter_init(&b, &a);
	counter_init(&c, &b);
	counter_init(&d, &b);
	counter_init(&e, &b);
	counter_init(&f, &b);
	counter_init(&g, &a);
}

static void use(struct counter *at, u64 n)
{
	counter_charge(at, n);
}

static struct protection of(const struct counter *at, const struct counter *top)
{
	return counter_protection(at, top);
}

static void test_the_kernels_tree(void **state)
{
	struct protection p;

	(void)state;
	make_tree();
	counter_set_min(&a, 50 * MIB);
	counter_set_min(&b, 50 * MIB);
	counter_set_min(&c, 75 * MIB);
	counter_set_min(&d, 25 * MIB);
	counter_set_min(&f, 500 * MIB);
	use(&c, 50 * MIB);
	use(&d, 50 * MIB);
	use(&e, 50 * MIB);
	assert_int_equal(b.children_min, 75 * MIB); /* 50 of C, 25 of D; F uses nothing */
	assert_int_equal(a.children_min, 50 * MIB);
	assert_int_equal(of(&b, &a).min, 50 * MIB); /* next to the target: its setting */
	p = of(&c, &a);
	assert_int_equal(p.min, 50 * MIB * 50 / 75);
	assert_int_equal(p.low, 0);
	assert_int_equal(of(&d, &a).min, 25 * MIB * 50 / 75);
	assert_int_equal(of(&e, &a).min, 0);
	assert_int_equal(of(&f, &a).min, 0);
	assert_int_equal(of(&a, &a).min, 0); /* the target's own does not count */
	assert_int_equal(of(&g, &a).min, 0);
	/* From higher up the target is another, and A's own min is a share like any other. */
	assert_int_equal(of(&a, &root).min, 50 * MIB);
	assert_int_equal(of(&c, &root).min, 50 * MIB * 50 / 75);
}

static void test_low_is_the_same_and_apart(void **state)
{
	(void)state;
	make_tree();
	counter_set_low(&b, 60 * MIB);
	counter_set_low(&c, 20 * MIB);
	counter_set_min(&c, 10 * MIB);
	use(&c, 30 * MIB);
	assert_int_equal(b.children_low, 20 * MIB);
	assert_int_equal(b.children_min, 10 * MIB);
	assert_int_equal(of(&c, &a).min, 0); /* B has no min to hand down */
	assert_true(of(&c, &a).low >= 20 * MIB);
}

/* What no child claims goes to the children by what they use beyond their claims. */
static void test_unclaimed_protection_is_shared(void **state)
{
	(void)state;
	make_tree();
	counter_set_low(&b, 40 * MIB);
	counter_set_low(&c, 10 * MIB);
	use(&c, 30 * MIB);
	use(&d, 20 * MIB);
	use(&e, 20 * MIB);
	/* 30 are unclaimed; beyond claims C uses 20, D 20, E 20, of 60 that B uses beyond its
	 * children's claims. */
	assert_int_equal(of(&c, &a).low, 10 * MIB + 30 * MIB * 20 / 60);
	assert_int_equal(of(&d, &a).low, 30 * MIB * 20 / 60);
	assert_int_equal(of(&e, &a).low, 30 * MIB * 20 / 60);
}

static void test_claims_follow_usage_and_settings(void **state)
{
	(void)state;
	make_tree();
	counter_set_min(&c, 10 * MIB);
	assert_int_equal(b.children_min, 0); /* nothing used, nothing claimed */
	use(&c, 4 * MIB);
	assert_int_equal(b.children_min, 4 * MIB);
	assert_true(counter_try_charge(&c, 10 * MIB, NULL));
	assert_int_equal(b.children_min, 10 * MIB);
	counter_uncharge(&c, 11 * MIB);
	assert_int_equal(b.children_min, 3 * MIB);
	counter_set_min(&c, 2 * MIB);
	assert_int_equal(b.children_min, 2 * MIB);
	counter_set_max(&c, 3 * MIB);
	assert_false(counter_try_charge(&c, MIB, NULL)); /* rolled back */
	assert_int_equal(b.children_min, 2 * MIB);
	counter_set_low(&c, MIB);
	counter_unprotect(&c);
	assert_int_equal(b.children_min | b.children_low | c.min | c.low, 0);
}

/* Deeper than the way is handled at a time. */
static void test_deep(void **state)
{
	static struct counter chain[100];
	struct protection p;

	(void)state;
	counter_init(&chain[0], NULL);
	for (unsigned i = 1; i < ARRAY_SIZE(chain); i++) {
		counter_init(&chain[i], &chain[i - 1]);
		counter_set_min(&chain[i], (200 - i) * MIB);
	}
	use(&chain[99], 1000 * MIB);
	p = counter_protection(&chain[99], &chain[0]);
	/* An only child gets what it claims, and of what is left all: its parent's share. */
	assert_int_equal(p.min, 199 * MIB);
	p = counter_protection(&chain[99], &chain[98]);
	assert_int_equal(p.min, 101 * MIB);
}

static void test_numbers_that_would_overflow(void **state)
{
	(void)state;
	make_tree();
	counter_set_min(&b, MEMCG_UNLIMITED);
	counter_set_min(&c, MEMCG_UNLIMITED);
	use(&c, 1ul << 62);
	use(&d, 1ul << 60);
	assert_int_equal(of(&c, &a).min, 1ul << 62);
	assert_true(of(&d, &a).min <= MEMCG_UNLIMITED);
	assert_true(of(&d, &a).min > 1ul << 59); /* of what is left, D gets its usage's share */
}

/* Between two steps of others the sum may be too small for a moment, also for an unsigned one. */
static void test_sum_below_zero(void **state)
{
	(void)state;
	make_tree();
	counter_set_min(&b, MIB);
	counter_set_min(&c, MIB);
	use(&c, MIB);
	assert_int_equal(of(&c, &a).min, MIB);
	b.children_min -= 2 * MIB;
	assert_int_equal(of(&c, &a).min, MIB);
}

/* ---- settings and charges at once: the sum is exact when it is over ---- */

#define ROUNDS 20000

static void *charger(void *arg)
{
	struct counter *at = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		counter_charge(at, 3 * 4096);
		counter_uncharge(at, 3 * 4096);
	}
	return NULL;
}

static void *setter(void *arg)
{
	struct counter *at = arg;

	for (unsigned i = 0; i < ROUNDS; i++)
		counter_set_min(at, i % 3 * 4096ul);
	return NULL;
}

static void test_setter_and_chargers_agree(void **state)
{
	pthread_t t[4];

	(void)state;
	make_tree();
	use(&d, 7 * MIB);
	counter_set_min(&d, MIB);
	use(&c, 4096);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, i ? charger : setter, &c), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(c.min_usage + d.min_usage, b.children_min);
	assert_int_equal(c.min_usage,
			 MIN(c.usage, c.min)); /* whoever came last with older figures */
	counter_set_min(&c, 0);
	assert_int_equal(b.children_min, MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_kernels_tree),
		cmocka_unit_test(test_low_is_the_same_and_apart),
		cmocka_unit_test(test_unclaimed_protection_is_shared),
		cmocka_unit_test(test_claims_follow_usage_and_settings),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_numbers_that_would_overflow),
		cmocka_unit_test(test_sum_below_zero),
		cmocka_unit_test(test_setter_and_chargers_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
