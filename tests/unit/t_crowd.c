/* t_crowd.c - what earns a group slabs of its own, estimated from the entries of used-up slabs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "alloc/crowd.h"
#include "page/owner.h"

#define CLASS 19u /* any */

static struct crowd crowd;
static struct page page;
static union {
	struct objcgs v;
	char room[sizeof(struct objcgs) + 1024 * sizeof(u32)]; /* its entries */
} vector;

static void slab_of(u32 nr)
{
	memset(&page, 0, sizeof(page));
	memset(&vector, 0, sizeof(vector));
	page.kind = PAGE_SLAB;
	page.slab.class = CLASS;
	vector.v.nr = nr;
	assert_true(page_set_objcgs(&page, &vector.v));
}

/* So many entries from the first on are handle's. */
static void give(u32 from, u32 n, u32 handle)
{
	for (u32 i = from; i < from + n; i++)
		vector.v.entry[i] = handle;
}

static int set_up(void **state)
{
	(void)state;
	memset(&crowd, 0, sizeof(crowd));
	slab_of(16);
	return 0;
}

/* As handle 40 asks each time. */
static bool look(unsigned times, u32 slabs)
{
	bool earned = false;

	while (times--)
		earned = crowd_look(&crowd, &page, slabs, 40);
	return earned;
}

static bool earned(u32 handle)
{
	return crowd.place[CLASS][handle % CROWD_PLACES].earned == handle;
}

static void test_three_quarters_of_the_only_slab(void **state)
{
	(void)state;
	give(0, 11, 40);
	assert_false(look(1, 1));
	give(0, 12, 40);
	assert_true(look(1, 1));
}

/* Whatever else the thread holds. */
static void test_three_quarters_of_one_of_many(void **state)
{
	(void)state;
	give(0, 11, 40);
	assert_false(look(1, 4000));
	give(0, 12, 40);
	assert_true(look(1, 4000));
	assert_false(earned(40)); /* not by its share of all */
}

/* One in sixteen of 288 slabs is more than sixteen slabs; of 27 it is not. */
static void test_share_of_all_slabs_counts(void **state)
{
	(void)state;
	for (u32 i = 0; i < 16; i++)
		give(i, 1, 32 + i);
	assert_false(look(95, 288)); /* not looked at enough of them */
	assert_true(look(1, 288));
	for (u32 i = 0; i < 16; i++)
		assert_true(earned(32 + i));
	assert_false(look(9, 27)); /* and what was earned is not kept */
}

static void test_large_slabs_are_sampled(void **state)
{
	(void)state;
	slab_of(1024);
	for (u32 i = 0; i < 1024; i += 32)
		give(i, 1, 40);
	assert_true(look(1, 1)); /* it had each that was looked at */
	slab_of(1024);
	give(0, 512, 40);
	assert_false(look(1, 1));
}

/* 256 groups of one slot each in 16 places: none of them is dense, however many slabs there are. */
static void test_who_shares_a_place_does_not_prevail(void **state)
{
	(void)state;
	for (u32 round = 0; round < 134; round++) {
		for (u32 i = 0; i < 16; i++)
			give(i, 1, 16 + (round * 16 + i * 17) % 256);
		look(1, 400);
	}
	assert_int_equal(crowd.looked[CLASS], 0);
	for (u32 handle = 16; handle < 272; handle++)
		assert_false(earned(handle));
}

static void test_nobodys_slots_count_for_nobody(void **state)
{
	(void)state;
	give(0, 16, OWNER_NOBODY);
	look(1, 1);
	assert_false(earned(OWNER_NOBODY));
	give(0, 16, 0); /* freed */
	look(1, 1);
	for (u32 handle = 1; handle < 16; handle++)
		assert_false(earned(handle));
	memset(&page, 0, sizeof(page)); /* bare */
	page.kind = PAGE_SLAB;
	page.slab.class = CLASS;
	look(5, 1);
	assert_int_equal(crowd.looked[CLASS], 0);
}

static void test_who_takes_alone(void **state)
{
	(void)state;
	for (unsigned i = 1; i < CROWD_VOTES; i++)
		assert_false(crowd_vote(&crowd, CLASS, 40));
	assert_false(crowd_vote(&crowd, CLASS, 41)); /* not alone: both begin again */
	for (unsigned i = 1; i < CROWD_VOTES; i++)
		assert_false(crowd_vote(&crowd, CLASS, 40));
	assert_false(crowd_vote(&crowd, CLASS + 1, 40));
	assert_true(crowd_vote(&crowd, CLASS, 40));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_three_quarters_of_the_only_slab, set_up),
		cmocka_unit_test_setup(test_three_quarters_of_one_of_many, set_up),
		cmocka_unit_test_setup(test_share_of_all_slabs_counts, set_up),
		cmocka_unit_test_setup(test_large_slabs_are_sampled, set_up),
		cmocka_unit_test_setup(test_who_shares_a_place_does_not_prevail, set_up),
		cmocka_unit_test_setup(test_nobodys_slots_count_for_nobody, set_up),
		cmocka_unit_test_setup(test_who_takes_alone, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
