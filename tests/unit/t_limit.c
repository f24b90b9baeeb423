/* t_limit.c - limits: what can be set, what lowering does, exact roll-back, giving back. */
#include "group_fixture.h"

#include <errno.h>

#include "reclaim/charge.h"
#include "page/page.h"

static u64 limit(struct memcg *cg, unsigned which)
{
	u64 bytes = 1;

	assert_int_equal(memcg_get_limit(cg, which, &bytes), 0);
	return bytes;
}

static void test_defaults(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	assert_int_equal(limit(cg, MEMCG_MIN), 0);
	assert_int_equal(limit(cg, MEMCG_LOW), 0);
	assert_int_equal(limit(cg, MEMCG_HIGH), MEMCG_UNLIMITED);
	assert_int_equal(limit(cg, MEMCG_MAX), MEMCG_UNLIMITED);
	destroy(cg);
}

/* Each has a place of its own, is rounded down to pages, and can be lifted again. */
static void test_set_and_get(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	unsigned which;

	(void)state;
	for (which = MEMCG_MIN; which <= MEMCG_ZSWAP_MAX; which++)
		assert_int_equal(memcg_set_limit(cg, which, (which + 1) * PAGE_SIZE + 4095), 0);
	for (which = MEMCG_MIN; which <= MEMCG_ZSWAP_MAX; which++)
		assert_int_equal(limit(cg, which), (which + 1) * PAGE_SIZE);
	for (which = MEMCG_MIN; which <= MEMCG_ZSWAP_MAX; which++) {
		assert_int_equal(memcg_set_limit(cg, which, MEMCG_UNLIMITED), 0);
		assert_int_equal(limit(cg, which), MEMCG_UNLIMITED);
		assert_int_equal(memcg_set_limit(cg, which, 4095), 0);
		assert_int_equal(limit(cg, which), 0);
	}
	destroy(cg);
}

static void test_refused(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u64 bytes = 123;

	(void)state;
	assert_int_equal(memcg_set_limit(cg, 7, 4096), -EINVAL);
	assert_int_equal(memcg_set_limit(cg, ~0u, 4096), -EINVAL);
	assert_int_equal(memcg_get_limit(cg, 7, &bytes), -EINVAL);
	assert_int_equal(memcg_get_limit(cg, ~0u, &bytes), -EINVAL);
	assert_int_equal(memcg_get_limit(cg, MEMCG_MAX, NULL), -EINVAL);
	assert_int_equal(bytes, 123);
	assert_int_equal(limit(cg, MEMCG_MAX), MEMCG_UNLIMITED);
	destroy(cg);
}

/* A level says no: nothing is left on any, and what fits still does, to the byte. */
static void test_roll_back_is_exact(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	u64 root = root_group->counter.usage - meta_bytes;
	struct memcg_charge *charge;

	(void)state;
	memcg_set_limit(low, MEMCG_MAX, 1 * MIB);
	memcg_set_limit(top, MEMCG_MAX, 512 * KIB);
	assert_null(memcg_charge(low, 512 * KIB + 1));
	assert_int_equal(memcg_current(low) | memcg_current(mid) | memcg_current(top), 0);
	assert_int_equal(root_group->counter.usage - meta_bytes, root);
	assert_int_equal(handle_bytes(low->handle), 0);
	charge = memcg_charge(low, 512 * KIB);
	assert_non_null(charge);
	assert_int_equal(memcg_current(top), 512 * KIB);
	errno = 0;
	assert_null(memcg_charge(low, 1));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(memcg_current(low), 512 * KIB);
	memcg_uncharge(charge);
	destroy(low);
	destroy(mid);
	destroy(top);
}

/* It holds from now on, refuses nothing and takes nothing away. */
static void test_max_below_usage(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct memcg_charge *charge = memcg_charge(cg, 100 * KIB), *more = memcg_charge(cg, 10);

	(void)state;
	assert_int_equal(memcg_set_limit(cg, MEMCG_MAX, 40 * KIB), 0);
	assert_int_equal(limit(cg, MEMCG_MAX), 40 * KIB);
	assert_int_equal(memcg_current(cg), 100 * KIB + 10);
	assert_int_equal(memcg_headroom(cg), 0);
	assert_null(memcg_charge(cg, 1));
	memcg_uncharge(charge);
	charge = memcg_charge(cg, 40 * KIB - 10);
	assert_non_null(charge);
	assert_null(memcg_charge(cg, 1));
	memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED);
	memcg_uncharge(memcg_charge(cg, 1 * GIB));
	memcg_uncharge(charge);
	memcg_uncharge(more);
	destroy(cg);
}

/* What CPUs hold ahead goes before anybody is refused for it. */
static void test_lowering_max_drains(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index;

	(void)state;
	assert_true(charge(index, 100));
	assert_true(memcg_current(cg) > 100);
	assert_int_equal(memcg_set_limit(cg, MEMCG_MAX, 0), 0);
	assert_int_equal(memcg_current(cg), 100);
	memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED);
	uncharge(index, 100);
	stock_drain(NULL);
	destroy(cg);
}

/* Kept by the program alone, it has no part in what its parent's children are protected for. */
static void test_protection_of_an_offline_group(void **state)
{
	struct memcg *top = memcg_create(NULL, "top"), *cg = memcg_create(top, "cg");
	struct memcg_charge *c = memcg_charge(cg, MIB);

	(void)state;
	memcg_set_limit(cg, MEMCG_MIN, MIB);
	assert_true(top->counter.children_min >= MIB);
	assert_int_equal(memcg_destroy(memcg_get(cg)), 0);
	assert_int_equal(top->counter.children_min, 0);
	memcg_set_limit(cg, MEMCG_MIN, MIB);
	memcg_set_limit(cg, MEMCG_LOW, MIB);
	assert_int_equal(top->counter.children_min, 0);
	assert_int_equal(top->counter.children_low, 0);
	memcg_uncharge(c);
	memcg_put(cg);
	memcg_destroy(top);
}

static void test_reclaim(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index;
	u64 ahead;

	(void)state;
	assert_true(charge(index, 96));
	ahead = memcg_slack(cg);
	assert_true(ahead >= PAGE_SIZE);
	assert_int_equal(memcg_current(cg), 96 + ahead);
	assert_int_equal(memcg_reclaim(cg, ahead + 1), -EAGAIN); /* gave back less */
	assert_int_equal(memcg_current(cg), 96);
	assert_int_equal(memcg_reclaim(cg, 1), -EAGAIN);
	assert_int_equal(memcg_reclaim(cg, 0), 0); /* nothing was asked for */
	uncharge(index, 96);			   /* into the word, if it is still this handle's */
	stock_drain(NULL);
	assert_true(charge(index, 96));
	assert_int_equal(memcg_reclaim(cg, PAGE_SIZE), 0);
	uncharge(index, 96);
	stock_drain(NULL);
	assert_int_equal(memcg_current(cg), 0);
	destroy(cg);
}

/* The root answers for free pages too, and gives them to the system. */
static void test_root_gives_back_cached_pages(void **state)
{
	void *p = memcg_malloc(8 * MIB);

	(void)state;
	assert_non_null(p);
	__builtin_memset(p, 1, 8 * MIB);
	memcg_free(p);
	assert_int_equal(memcg_reclaim(memcg_root(), 8 * MIB), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_set_and_get),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_roll_back_is_exact),
		cmocka_unit_test(test_max_below_usage),
		cmocka_unit_test(test_lowering_max_drains),
		cmocka_unit_test(test_protection_of_an_offline_group),
		cmocka_unit_test(test_reclaim),
		cmocka_unit_test(test_root_gives_back_cached_pages),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
