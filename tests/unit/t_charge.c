/* t_charge.c - the loop "try, give back, retry, give up": flags, events, what is remembered. */
#include "group_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "reclaim/charge.h"
#include "reclaim/source.h"
#include "group/record.h"

/* ---- the layer above, in miniature ---- */

static unsigned asked;
static struct memcg *asked_for;
static u32 held_by;   /* a handle that something can be given back of, or 0 */
static bool by_stock; /* and what is given back lands in this CPU's stock */

static u64 give_back_some(struct memcg *limited, bool all)
{
	(void)all;
	asked++;
	asked_for = limited;
	if (!held_by)
		return 0;
	if (by_stock)
		uncharge(held_by, PAGE_SIZE);
	else
		uncharge_bytes(held_by, PAGE_SIZE);
	held_by = 0;
	return PAGE_SIZE;
}

static const struct reclaim_source above = {.name = "the layer above", .drain = give_back_some};

static int with_give_back(void **state)
{
	*state = (void *)reclaim_sources[0];
	reclaim_sources[0] = &above;
	asked = 0;
	asked_for = NULL;
	held_by = 0;
	by_stock = false;
	return 0;
}

static int without(void **state)
{
	reclaim_sources[0] = *state;
	return 0;
}

static void test_gives_back_before_refusing(void **state)
{
	struct memcg *top = group(NULL, "top"), *cg = group(top, "cg");
	u32 index = cg->handle->index;

	(void)state;
	memcg_set_limit(top, MEMCG_MAX, 2 * PAGE_SIZE);
	assert_true(charge_bytes(index, 2 * PAGE_SIZE, 0));
	held_by = index;
	assert_true(charge_bytes(index, PAGE_SIZE, 0));
	assert_ptr_equal(asked_for, top); /* whose max it was */
	assert_int_equal(memcg_current(cg), 2 * PAGE_SIZE);
	assert_int_equal(group_record(top)->events[EV_OOM], 0);
	asked = 0;
	assert_false(charge_bytes(index, PAGE_SIZE, 0));
	assert_true(asked > 0);
	uncharge_bytes(index, 2 * PAGE_SIZE);
	destroy(cg);
	destroy(top);
}

/* First what is cheapest: what CPUs hold ahead for the subtree. */
static void test_drains_stock_first(void **state)
{
	struct memcg *top = group(NULL, "top"), *a = group(top, "a"), *b = group(top, "b");
	u64 ahead;

	(void)state;
	assert_true(charge(a->handle->index, 16));
	ahead = memcg_slack(top);
	assert_true(ahead > 0);
	memcg_set_limit(top, MEMCG_MAX, 64 * KIB);
	assert_true(charge_bytes(b->handle->index, 64 * KIB - 16, 0));
	assert_int_equal(asked, 0);
	assert_int_equal(memcg_slack(top), 0);
	uncharge_bytes(b->handle->index, 64 * KIB - 16);
	uncharge(a->handle->index, 16);
	stock_drain(NULL);
	destroy(a);
	destroy(b);
	destroy(top);
}

/* What was given back may stand in stock: that is drained before the next try. */
static void test_drains_what_was_given_back(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index;

	(void)state;
	memcg_set_limit(cg, MEMCG_MAX, 2 * PAGE_SIZE);
	assert_true(charge_bytes(index, 2 * PAGE_SIZE, 0));
	held_by = index;
	by_stock = true;
	assert_true(charge_bytes(index, PAGE_SIZE, 0));
	assert_int_equal(asked, 1);
	uncharge_bytes(index, 2 * PAGE_SIZE);
	destroy(cg);
}

/* Near a max the batch is left out: the last byte can be had. */
static void test_no_batch_near_max(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	memcg_set_limit(cg, MEMCG_MAX, PAGE_SIZE);
	assert_true(charge(cg->handle->index, PAGE_SIZE));
	assert_int_equal(memcg_slack(cg), 0);
	assert_false(charge(cg->handle->index, 1));
	uncharge(cg->handle->index, PAGE_SIZE);
	stock_drain(NULL);
	assert_int_equal(memcg_current(cg), 0);
	destroy(cg);
}

static void test_nowait(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index;
	u64 ahead;

	(void)state;
	assert_true(charge(index, PAGE_SIZE));
	ahead = memcg_slack(cg);
	counter_set_max(&cg->counter, PAGE_SIZE + ahead); /* what is ahead stays */
	held_by = index;
	assert_false(charge_bytes(index, PAGE_SIZE, MEMCG_NOWAIT));
	assert_int_equal(asked, 0);
	assert_int_equal(memcg_slack(cg), ahead);
	stock_drain(cg);
	memcg_set_limit(cg, MEMCG_MAX, PAGE_SIZE);
	assert_int_equal(group_record(cg)->events[EV_OOM], 0); /* nothing was tried */
	assert_int_equal(group_record(cg)->events[EV_NOWAIT], 1);
	uncharge_bytes(index, PAGE_SIZE);
	assert_true(charge_bytes(index, PAGE_SIZE, MEMCG_NOWAIT));
	uncharge_bytes(index, PAGE_SIZE);
	destroy(cg);
}

/* Charged past max, after everything was tried; that is no refusal. */
static void test_nofail(void **state)
{
	struct memcg *top = group(NULL, "top"), *cg = group(top, "cg");
	u32 index = cg->handle->index;
	struct memcg_failure before, after;

	(void)state;
	memcg_set_limit(top, MEMCG_MAX, PAGE_SIZE);
	assert_false(charge_bytes(index, 2 * PAGE_SIZE, 0));
	assert_int_equal(memcg_last_failure(&before, sizeof(before)), 0);
	asked = 0;
	assert_true(charge_bytes(index, 3 * PAGE_SIZE, MEMCG_NOFAIL));
	assert_true(asked > 0);
	assert_int_equal(memcg_current(cg), 3 * PAGE_SIZE);
	assert_int_equal(memcg_current(top), 3 * PAGE_SIZE);
	assert_int_equal(handle_bytes(cg->handle), 3 * PAGE_SIZE);
	assert_int_equal(group_record(top)->events[EV_OOM],
			 2); /* the one before, and this: it was as short */
	assert_int_equal(group_record(top)->events[EV_NOFAIL], 1);
	assert_int_equal(memcg_last_failure(&after, sizeof(after)), 0);
	assert_memory_equal(&before, &after, sizeof(after));
	asked = 0;
	assert_true(charge_bytes(index, PAGE_SIZE, MEMCG_NOFAIL | MEMCG_NOWAIT));
	assert_int_equal(asked, 0);
	uncharge_bytes(index, 4 * PAGE_SIZE);
	assert_int_equal(memcg_current(top), 0);
	destroy(cg);
	destroy(top);
}

/* Local: whose max it was. Hierarchical: that group and all above. Never the one charged. */
static void test_events(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	u64 root_oom = group_record(root_group)->events[EV_OOM],
	    root_max = group_record(root_group)->events[EV_MAX];

	(void)state;
	memcg_set_limit(mid, MEMCG_MAX, PAGE_SIZE);
	assert_false(charge_bytes(low->handle->index, 2 * PAGE_SIZE, 0));
	assert_int_equal(group_record(mid)->events_local[EV_OOM], 1);
	assert_int_equal(group_record(mid)->events[EV_OOM], 1);
	assert_int_equal(group_record(top)->events[EV_OOM], 1);
	assert_int_equal(group_record(root_group)->events[EV_OOM], root_oom + 1);
	assert_int_equal(group_record(top)->events_local[EV_OOM], 0);
	assert_int_equal(
		group_record(low)->events[EV_OOM] | group_record(low)->events_local[EV_OOM], 0);
	assert_true(group_record(mid)->events_local[EV_MAX] > 0);
	assert_int_equal(group_record(top)->events[EV_MAX], group_record(mid)->events[EV_MAX]);
	assert_int_equal(group_record(root_group)->events[EV_MAX],
			 root_max + group_record(mid)->events[EV_MAX]);
	assert_int_equal(group_record(top)->events_local[EV_MAX], 0);
	assert_int_equal(group_record(low)->events[EV_MAX], 0);
	assert_int_equal(group_record(mid)->events[EV_LOW] | group_record(mid)->events[EV_HIGH] |
				 group_record(mid)->events[EV_OOM_KILL],
			 0);
	destroy(low);
	destroy(mid);
	destroy(top);
}

/* Of another program's making: seen at the next refill. */
static struct memcg *to_limit;
static unsigned looked;

static void lower(void)
{
	looked++;
	if (to_limit)
		memcg_set_limit(to_limit, MEMCG_MAX, PAGE_SIZE);
	to_limit = NULL;
}

static void test_limits_are_read_again(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	void (*was)(void) = charge_refresh;

	(void)state;
	charge_refresh = lower;
	to_limit = cg;
	assert_false(charge_bytes(cg->handle->index, 2 * PAGE_SIZE, 0));
	memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED);
	to_limit = cg;
	looked = 0;
	assert_true(charge(cg->handle->index, 100)); /* alone it fits, with a batch it does not */
	assert_int_equal(memcg_current(cg), 100);
	assert_int_equal(looked, 1);
	charge_refresh = was;
	uncharge(cg->handle->index, 100);
	stock_drain(NULL);
	destroy(cg);
}

/* ---- what is remembered ---- */

static void *fresh_thread(void *arg)
{
	struct memcg_failure f;

	(void)arg;
	if (memcg_last_failure(&f, sizeof(f)) != -ENOENT)
		return "a thread without a record remembers something";
	memcg_leave(memcg_enter(NULL));
	if (memcg_last_failure(&f, sizeof(f)) != -ENOENT)
		return "a thread that was never refused remembers something";
	return NULL;
}

static void test_last_failure(void **state)
{
	struct memcg *top = group(NULL, "limited"), *cg = group(top, "cg");
	struct {
		struct memcg_failure f;
		u64 more;
	} big;
	u64 short_one[3] = {1, 2, 3};
	pthread_t thread;
	void *wrong;

	(void)state;
	memcg_set_limit(top, MEMCG_MAX, 5 * PAGE_SIZE);
	assert_null(memcg_charge(cg, 54321));
	memset(&big, 0xff, sizeof(big));
	assert_int_equal(memcg_last_failure(&big.f, sizeof(big)), 0);
	assert_int_equal(big.f.group, memcg_id(top));
	assert_int_equal(big.f.limit, 5 * PAGE_SIZE);
	assert_int_equal(big.f.wanted, 54321);
	assert_string_equal(big.f.path, "/limited");
	assert_int_equal(big.more, 0);
	assert_int_equal(memcg_last_failure((struct memcg_failure *)short_one, 16), 0);
	assert_int_equal(short_one[1], 5 * PAGE_SIZE);
	assert_int_equal(short_one[2], 3);
	assert_int_equal(memcg_last_failure(NULL, 16), -EINVAL);
	assert_int_equal(memcg_last_failure(&big.f, 0), -EINVAL);
	assert_int_equal(pthread_create(&thread, NULL, fresh_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	if (wrong)
		fail_msg("%s", (const char *)wrong);
	destroy(cg);
	destroy(top);
}

/* The end of a path says more than its start; also where a path is longer than any buffer. */
static void test_long_paths_are_cut_on_the_left(void **state)
{
	struct memcg *cg[25], *parent = NULL;
	struct memcg_failure f;
	char name[202], path[25 * 256];
	unsigned i;
	int len;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cg); i++) {
		for (unsigned j = 0; j < sizeof(name); j++)
			name[j] = (char)('a' + (i * 7 + j) % 26);
		name[sizeof(name) - 1] = '\0';
		cg[i] = parent = group(parent, name);
		memcg_set_limit(parent, MEMCG_MAX, PAGE_SIZE);
		assert_null(memcg_charge(parent, MIB));
		assert_int_equal(memcg_last_failure(&f, sizeof(f)), 0);
		len = memcg_path(parent, path, sizeof(path));
		assert_true(len > 0);
		assert_string_equal(f.path, path + (len > 255 ? len - 255 : 0));
	}
	while (i--)
		destroy(cg[i]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, with_give_back, without)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_gives_back_before_refusing),
		TEST(test_drains_stock_first),
		TEST(test_drains_what_was_given_back),
		TEST(test_no_batch_near_max),
		TEST(test_nowait),
		TEST(test_nofail),
		TEST(test_events),
		TEST(test_limits_are_read_again),
		TEST(test_last_failure),
		TEST(test_long_paths_are_cut_on_the_left),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
