/*
 * t_refs.c - references of a group that CPUs have ahead: counted, bounded, and gone with the group,
 * so that its last put is noticed. The thread stays on one CPU, so that its word is known.
 */
#include "group_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static void note_drop(void *data)
{
	*(bool *)data = true;
}

/* Enough at once that the word gets a batch. */
static void get_and_put(struct memcg *cg)
{
	for (unsigned i = 0; i < 200; i++)
		(void)memcg_get(cg);
	for (unsigned i = 0; i < 200; i++)
		memcg_put(cg);
}

/* Ahead on this CPU while the group lives; the last put of one that was destroyed is noticed. */
static void test_references_ahead(void **state)
{
	static bool dropped;
	struct memcg *cg = group(NULL, "cg");
	u64 count;

	(void)state;
	dropped = false;
	memcg_set_data(cg, &dropped, note_drop);
	get_and_put(cg);
	assert_int_equal(group_refs(cg), 2);
	assert_true(stock_refs_of(cg->index) > 0);
	count = cg->refs;
	for (unsigned i = 0; i < 10; i++)
		assert_ptr_equal(memcg_get(cg), cg);
	assert_int_equal(cg->refs, count); /* a word moved, not the count */
	assert_int_equal(group_refs(cg), 12);
	for (unsigned i = 0; i < 9; i++)
		memcg_put(cg);
	destroy(cg);
	assert_int_equal(stock_refs_of(cg->index), 0);
	assert_int_equal(cg->refs, 1);
	assert_false(dropped);
	memcg_put(memcg_get(cg));
	assert_false(dropped);
	memcg_put(cg);
	assert_true(dropped);
	settle();
}

/* A word holds so many; more go back to the count. Another group that needs the place gets it. */
static void test_references_are_bounded(void **state)
{
	static struct memcg *cg[STOCK_REF_SLOTS + 1];
	char name[16];

	(void)state;
	for (unsigned i = 0; i <= STOCK_REF_SLOTS; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		cg[i] = group(NULL, name);
	}
	for (unsigned i = 0; i < 10 * STOCK_REF_CAP; i++)
		(void)memcg_get(cg[0]);
	for (unsigned i = 0; i < 10 * STOCK_REF_CAP; i++)
		memcg_put(cg[0]);
	assert_int_equal(group_refs(cg[0]), 2);
	assert_true(stock_refs_of(cg[0]->index) <= STOCK_REF_CAP);
	for (unsigned i = 0; i <= STOCK_REF_SLOTS; i++)
		get_and_put(cg[i]);
	assert_int_equal(stock_refs_of(cg[0]->index) > 0,
			 (cg[0]->index - cg[STOCK_REF_SLOTS]->index) % STOCK_REF_SLOTS != 0);
	for (unsigned i = 0; i <= STOCK_REF_SLOTS; i++) {
		assert_int_equal(group_refs(cg[i]), 2);
		destroy(cg[i]);
	}
	settle();
}

static void *refer_elsewhere(void *cg)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	CPU_CLR(0, &all);
	pthread_setaffinity_np(pthread_self(), sizeof(all), &all); /* where there is another CPU */
	get_and_put(cg);
	return NULL;
}

/* What a CPU has ahead that does nothing any more does not keep a group. */
static void test_references_of_another_cpu(void **state)
{
	static bool dropped;
	struct memcg *cg = group(NULL, "cg");
	pthread_t thread;

	(void)state;
	dropped = false;
	memcg_set_data(cg, &dropped, note_drop);
	assert_int_equal(pthread_create(&thread, NULL, refer_elsewhere, cg), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(stock_refs_of(cg->index) > 0);
	destroy(cg);
	assert_true(dropped);
	settle();
}

static int on_one_cpu(void **state)
{
	cpu_set_t one;

	(void)state;
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references_ahead),
		cmocka_unit_test(test_references_are_bounded),
		cmocka_unit_test(test_references_of_another_cpu),
	};

	return cmocka_run_group_tests(tests, on_one_cpu, NULL);
}
