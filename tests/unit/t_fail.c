/*
 * t_fail.c - memory.fail: which charges a rule sees and refuses, in which group, and that none
 * is served from stock meanwhile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <memcg.h>

#include "group/charge.h"
#include "group/fail.h"
#include "group/group.h"
#include "page/page.h"
#include "reclaim/charge.h"

#include "effort.h"

static struct memcg *top, *child;

static int make_groups(void **state)
{
	(void)state;
	top = memcg_create(NULL, "top");
	child = memcg_create(top, "child");
	return top && child ? 0 : -1;
}

static int drop_groups(void **state)
{
	(void)state;
	assert_int_equal(memcg_destroy(child), 0);
	assert_int_equal(memcg_destroy(top), 0);
	stock_drain(NULL);
	while (rcu_pending())
		rcu_poll(true);
	assert_int_equal(fail_rules, 0);
	return 0;
}

static int rule(struct memcg *cg, const char *text)
{
	return memcg_write(cg, "memory.fail", text, strlen(text));
}

static void reads(struct memcg *cg, const char *text)
{
	char buf[256];

	assert_int_equal(memcg_read(cg, "memory.fail", buf, sizeof(buf)), strlen(text));
	assert_string_equal(buf, text);
}

/* Asks as the slow path does. */
static struct memcg *refuser(struct memcg *of)
{
	struct memcg *by = fail_charge(of->handle->index);

	group_put(by);
	return by;
}

static void test_text(void **state)
{
	(void)state;
	reads(top, "off\n");
	assert_int_equal(rule(top, "nth=3 seed=7"), 0);
	reads(top, "nth=3 every=0 p=0ppm seed=7\nseen 0\nfailed 0\n");
	assert_int_equal(rule(top, " p=250ppm\tevery=2\n"), 0);
	reads(top, "nth=0 every=2 p=250ppm seed=0\nseen 0\nfailed 0\n");
	assert_int_equal(rule(top, "nth=18446744073709551615"), 0);
	assert_int_equal(rule(top, " off\n"), 0);
	reads(top, "off\n");
	assert_int_equal(rule(top, "off"), 0);
	reads(child, "off\n");
}

static void test_which(void **state)
{
	unsigned n;

	(void)state;
	assert_int_equal(rule(top, "nth=3 every=2"), 0);
	for (n = 1; n <= 9; n++)
		assert_ptr_equal(refuser(top), n >= 3 && n % 2 ? top : NULL);
	reads(top, "nth=3 every=2 p=0ppm seed=0\nseen 9\nfailed 4\n");
	assert_int_equal(rule(top, "nth=1"), 0); /* from the start */
	assert_ptr_equal(refuser(top), top);
	assert_null(refuser(top));
	assert_int_equal(rule(top, "off"), 0);
	assert_null(refuser(top));
}

/* A rule is about all below it; the nearest comes first, and what it refuses goes no further. */
static void test_subtree(void **state)
{
	struct memcg *other = memcg_create(NULL, "other");

	(void)state;
	assert_int_equal(rule(top, "nth=2"), 0);
	assert_true(fail_armed(child->handle->index));
	assert_false(fail_armed(other->handle->index));
	assert_false(fail_armed(HANDLE_ROOT));
	assert_null(refuser(child));
	assert_null(refuser(other));
	assert_ptr_equal(refuser(child), top);
	assert_int_equal(rule(top, "nth=2"), 0);
	assert_int_equal(rule(child, "nth=1"), 0);
	assert_ptr_equal(refuser(child), child);
	assert_null(refuser(child));
	assert_ptr_equal(refuser(child), top);
	reads(child, "nth=1 every=0 p=0ppm seed=0\nseen 3\nfailed 1\n");
	reads(top, "nth=2 every=0 p=0ppm seed=0\nseen 2\nfailed 1\n");
	assert_int_equal(memcg_destroy(other), 0);
}

static u64 pattern(const char *text)
{
	u64 bits = 0;
	unsigned n;

	assert_int_equal(rule(top, text), 0);
	for (n = 0; n < 64; n++)
		bits |= (u64)(refuser(top) != NULL) << n;
	return bits;
}

static void test_seed(void **state)
{
	u64 seven = pattern("p=500000ppm seed=7");

	(void)state;
	assert_int_equal(pattern("p=500000ppm seed=7"), seven);
	assert_int_not_equal(pattern("p=500000ppm seed=8"), seven);
	assert_int_not_equal(seven, 0);
	assert_int_not_equal(seven, UINT64_MAX);
	assert_int_equal(pattern("p=0ppm"), 0);
	assert_int_equal(pattern("p=1000000ppm"), UINT64_MAX);
}

/* Arming drains the subtree's stock, and neither charges nor frees bring any back. */
static void test_no_stock(void **state)
{
	u32 handle = child->handle->index;
	unsigned n;

	(void)state;
	assert_true(charge(handle, 100));
	assert_true(memcg_slack(top) > 0);
	assert_int_equal(rule(top, "nth=1000000"), 0);
	assert_int_equal(memcg_slack(top), 0);
	for (n = 0; n < 100; n++) {
		assert_true(charge(handle, 100));
		assert_int_equal(memcg_slack(top), 0);
		assert_int_equal(memcg_current(top), 200);
		uncharge(handle, 100);
		assert_int_equal(memcg_slack(top), 0);
		assert_int_equal(memcg_current(top), 100);
	}
	uncharge(handle, 100);
	assert_int_equal(memcg_current(top), 0);
	assert_int_equal(rule(top, "off"), 0);
	assert_true(charge(handle, 100));
	assert_true(memcg_slack(top) > 0);
	uncharge(handle, 100);
}

/* A word that holds nothing when the rule comes would be filled by the next free, and serve. */
static void test_empty_words_go(void **state)
{
	static struct memcg_charge *held[20000];
	unsigned n = 0, seen;

	(void)state;
	do {
		assert_true(n < 20000);
		held[n] = memcg_charge(child, 64);
		assert_non_null(held[n++]);
	} while (memcg_slack(child) || n < 200); /* batches come when it is busy */
	assert_int_equal(rule(child, "every=1"), 0);
	memcg_uncharge(held[--n]);
	for (seen = 0; seen < 100 && n; seen++) {
		assert_null(memcg_charge(child, 64));
		memcg_uncharge(held[--n]);
	}
	assert_int_equal(rule(child, "off"), 0);
	while (n)
		memcg_uncharge(held[--n]);
}

/* The group goes, and its rule with it: from then on the parent pays, and its rules apply. */
static void test_destroyed(void **state)
{
	struct memcg *gone = memcg_create(top, "gone");
	void *p = memcg_malloc_in(gone, 100000);
	u32 handle = gone->handle->index;

	(void)state;
	assert_int_equal(rule(gone, "every=1"), 0);
	assert_true(fail_armed(handle));
	assert_int_equal(memcg_destroy(gone), 0);
	assert_false(fail_armed(handle));
	assert_null(fail_charge(handle));
	assert_int_equal(rule(top, "nth=1"), 0);
	assert_ptr_equal(fail_charge(handle), top);
	group_put(top);
	memcg_free(p);
}

/* ---- what becomes of it ---- */

/* A rule's refusal is one like a max's: errno, whose it was, nothing charged; and reclaim is not
 * asked for help. */
static void test_refused(void **state)
{
	struct memcg_failure why;
	struct memcg_events ev = {0};
	u64 before;

	(void)state;
	before = memcg_current(child);
	assert_int_equal(rule(top, "nth=2"), 0);
	memcg_uncharge(memcg_charge(child, 5000));
	errno = 0;
	assert_null(memcg_charge(child, 6000));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(memcg_last_failure(&why, sizeof(why)), 0);
	assert_int_equal(why.group, memcg_id(top));
	assert_int_equal(why.wanted, 6000);
	assert_string_equal(why.path, "/top");
	assert_int_equal(memcg_current(child), before);
	reads(top, "nth=2 every=0 p=0ppm seed=0\nseen 2\nfailed 1\n");
	assert_int_equal(memcg_event_read(top, &ev, sizeof(ev)), 0);
	assert_int_equal(ev.max, 0); /* no max was met */
	memcg_uncharge(memcg_charge(child, 6000));
}

/* Every allocation that needs a charge, refused once, and then all of them. */
static void test_allocations(void **state)
{
	void *large, *again;

	(void)state;
	assert_int_equal(rule(top, "every=1"), 0);
	errno = 0;
	assert_null(memcg_malloc_in(child, 50000));
	assert_int_equal(errno, ENOMEM);
	assert_null(memcg_alloc(child, 50000, 0, MEMCG_NOWAIT));
	assert_null(memcg_malloc_in(child, 100));
	large = memcg_alloc(child, 50000, 0, MEMCG_NOFAIL); /* what must not fail does not */
	assert_non_null(large);
	errno = 0;
	again = memcg_realloc(large, 500000);
	assert_null(again);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(memcg_usable_size(large), 53248);
	assert_int_equal(rule(top, "off"), 0);
	again = memcg_realloc(large, 500000);
	assert_non_null(again);
	memcg_free(again);
	assert_int_equal(memcg_current(child), memcg_slack(child));
}

/* Rules come and go while others ask: every refusal names a group that is there. */
#define ASKED 200000u

static void *ask(void *arg)
{
	unsigned n, wrong = 0;

	(void)arg;
	memcg_leave(memcg_enter(NULL)); /* a record, and with it an RCU reader */
	for (n = 0; n < effort(ASKED); n++) {
		struct memcg *by = fail_charge(child->handle->index);

		wrong += by && by != top && by != child;
		group_put(by);
	}
	return (void *)(uintptr_t)wrong;
}

static void test_replaced_while_asked(void **state)
{
	struct fail_counts counts;
	struct fault_rule rule_now;
	pthread_t thread[2];
	void *wrong;
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask, NULL), 0);
	for (i = 0; i < effort(2000); i++) {
		assert_int_equal(rule(i % 2 ? top : child, i % 3 ? "every=3" : "off"), 0);
		rcu_poll(false);
	}
	assert_int_equal(rule(child, "off"), 0);
	assert_int_equal(rule(top, "every=1"), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_true(fail_get(top, &rule_now, &counts));
	assert_int_equal(counts.seen, counts.failed); /* every=1 */
	assert_false(fail_get(child, &rule_now, &counts));
}

/* All there is, in a list through itself. */
struct eaten {
	struct eaten *next;
	char rest[64]; /* the size of a rule */
};

static struct eaten *eat_memory(void)
{
	struct eaten *all = NULL, *one;

	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	while ((one = meta_alloc(sizeof(*one)))) {
		one->next = all;
		all = one;
	}
	return all;
}

static void test_no_memory(void **state)
{
	struct eaten *all, *one;

	(void)state;
	assert_int_equal(rule(top, "nth=5"), 0);
	all = eat_memory();
	assert_int_equal(rule(top, "nth=6"), -ENOMEM);
	assert_int_equal(rule(child, "nth=6"), -ENOMEM);
	sys_fault_disarm_all();
	while ((one = all)) {
		all = one->next;
		meta_free(one, sizeof(*one));
	}
	reads(top, "nth=5 every=0 p=0ppm seed=0\nseen 0\nfailed 0\n");
	reads(child, "off\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_groups, drop_groups)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_text),	   TEST(test_which),
		TEST(test_subtree),	   TEST(test_seed),
		TEST(test_no_stock),	   TEST(test_refused),
		TEST(test_empty_words_go), TEST(test_allocations),
		TEST(test_destroyed),	   TEST(test_replaced_while_asked),
		TEST(test_no_memory),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
