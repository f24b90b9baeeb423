/*
 * t_stock.c - bytes charged ahead: exact with what is owned, bounded, and folded into whoever
 * lives by then. The thread stays on one CPU, so that its word is known.
 */
#include "group_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "reclaim/charge.h"
#include "page/page.h"
#include "sync/percpu.h"
#include "sys/fault.h"

static u64 word_of(u32 handle)
{
	return ((struct stock_area *)pcpu_area_at(memcg__stock, STOCK_SHIFT, pcpu_this()))
		->word[handle % STOCK_SLOTS];
}

/* ---- take and give ---- */

static void test_take_and_give(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index;
	u64 ahead, usage;

	(void)state;
	assert_true(charge(index, 100));
	ahead = memcg_slack(cg);
	usage = memcg_current(cg);
	assert_true(ahead >= PAGE_SIZE);
	assert_int_equal(usage, 100 + ahead);
	assert_int_equal(word_of(index), (u64)index << 32 | ahead);
	/* From the word and back, and no counter moves. */
	assert_true(charge(index, 1000));
	assert_int_equal(memcg_slack(cg), ahead - 1000);
	assert_int_equal(memcg_current(cg), usage);
	assert_int_equal(handle_bytes(cg->handle), usage);
	uncharge(index, 1100);
	assert_int_equal(memcg_slack(cg), usage);
	assert_int_equal(memcg_current(cg), usage);
	assert_int_equal(stock_drain(cg), usage);
	assert_int_equal(memcg_current(cg) | memcg_slack(cg) | handle_bytes(cg->handle), 0);
	destroy(cg);
	settle();
}

/* More than the word has: all of it comes from the counters, with a batch beside it. */
static void test_batches_grow(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index, sum = 0, i;
	u64 first, last;

	(void)state;
	assert_true(charge(index, 16));
	first = memcg_slack(cg);
	for (i = 0; i < 20; i++) {
		sum += (u32)memcg_slack(cg) + 1;
		assert_true(charge(index, (u32)memcg_slack(cg) + 1));
	}
	last = memcg_slack(cg);
	assert_true(last > first);
	assert_true(last <= STOCK_CAP_MAX);
	assert_int_equal(memcg_current(cg), sum + 16 + last);
	uncharge_bytes(index, sum + 16);
	settle();
	assert_int_equal(memcg_current(cg), 0);
	destroy(cg);
}

/* More than half a word, in turn: what overflowed once is there when it is wanted again. */
static void test_large_ones_in_turn(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index, n = STOCK_CAP_MAX / 2 + 4;
	u64 usage;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(charge(index, n));
	for (int i = 0; i < 3; i++)
		uncharge(index, n);
	usage = memcg_current(cg);
	for (int i = 0; i < 10; i++) {
		assert_true(charge(index, n));
		assert_int_equal(memcg_current(cg), usage);
		uncharge(index, n);
		assert_int_equal(memcg_current(cg), usage);
	}
	assert_int_equal(stock_drain(cg), usage);
	destroy(cg);
	settle();
}

/* Who still charges through a dead handle is served by the heir's stock, as its heir is charged. */
static void test_slack_of_the_heirs(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	struct memcg *beside = group(top, "beside");
	struct handle *h = low->handle;
	u32 index = h->index;
	u64 ahead, usage;

	(void)state;
	assert_true(charge(index, 16));
	assert_true(memcg_slack(low) > 0);
	destroy(low);
	assert_int_equal(memcg_slack(mid), 0); /* it left with what there was */
	assert_int_equal(memcg_current(mid), 16);
	assert_true(charge(index, 100));
	ahead = stock_of(mid->handle->index);
	usage = memcg_current(mid);
	assert_true(ahead > 0);
	assert_int_equal(usage, 116 + ahead);
	assert_int_equal(handle_bytes(h), 116);
	assert_int_equal(handle_bytes(mid->handle), ahead);
	assert_int_equal(stock_of(index), 0);
	uncharge(index, 100); /* parked as the heir's, and no counter moves */
	assert_int_equal(stock_of(mid->handle->index), ahead + 100);
	assert_int_equal(memcg_current(mid), usage);
	assert_int_equal(handle_bytes(h), 16);
	destroy(mid);
	assert_int_equal(memcg_slack(top), 0);
	assert_int_equal(memcg_slack(beside), 0);
	assert_int_equal(memcg_current(top), 16);
	uncharge(index, 16);
	assert_int_equal(memcg_slack(top), 16);
	assert_int_equal(handle_bytes(top->handle), 16);
	settle();
	assert_int_equal(memcg_current(top), 0);
	destroy(beside);
	destroy(top);
}

/* A refusal of the heir's max is one of the dead handle's charge; the next fits. */
static void test_max_of_the_heir(void **state)
{
	struct memcg *top = group(NULL, "top"), *low = group(top, "low");
	struct handle *h = low->handle;
	u64 refs;

	(void)state;
	assert_true(charge(h->index, 16));
	destroy(low);
	assert_int_equal(memcg_set_limit(top, MEMCG_MAX, 4096), 0);
	refs = top->handle->refs;
	assert_false(charge(h->index, 5000));
	charge_forgive();
	assert_int_equal(top->handle->refs, refs);
	assert_int_equal(handle_bytes(h), 16);
	assert_true(charge(h->index, 4080));
	assert_int_equal(handle_bytes(h), 4096);
	uncharge(h->index, 4080);
	uncharge(h->index, 16);
	assert_int_equal(memcg_set_limit(top, MEMCG_MAX, MEMCG_UNLIMITED), 0);
	settle();
	assert_int_equal(memcg_current(top), 0);
	assert_int_equal(group_dying(root_group), 0);
	destroy(top);
	settle();
}

static u64 largest;

static void note_largest(u32 handle, u32 bytes, void *arg)
{
	(void)arg;
	(void)handle;
	largest = bytes > largest ? bytes : largest;
}

#define MANY 600u

/* However many groups, and whatever they do: a word holds the cap at most, and there are no more
 * words. */
static void test_slack_is_bounded(void **state)
{
	static struct memcg *cg[MANY];
	static u32 charged[MANY];
	unsigned seed = 3, i;
	char name[8];

	(void)state;
	for (i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		cg[i] = group(NULL, name);
	}
	for (i = 0; i < 100000; i++) {
		unsigned at = (seed = seed * 1103515245 + 12345) >> 8 & 511;
		u32 n = (seed >> 20 & 7) * 7000 + 16;

		if (!charged[at] && charge(cg[at]->handle->index, n))
			charged[at] = n;
		else if (charged[at]) {
			uncharge(cg[at]->handle->index, charged[at]);
			charged[at] = 0;
		}
		if (i % 1000 == 0)
			stock_each(note_largest, NULL);
	}
	assert_true(largest > 0 && largest <= STOCK_CAP_MAX);
	assert_true(memcg_slack(memcg_root()) <=
		    (u64)pcpu_count * STOCK_BYTE_WORDS * STOCK_CAP_MAX);
	settle();
	for (i = 0; i < MANY; i++) {
		assert_int_equal(memcg_current(cg[i]), charged[i]);
		uncharge_bytes(cg[i]->handle->index, charged[i]);
		destroy(cg[i]);
	}
	settle();
}

/* What passes the cap goes to the counters at once. */
static void test_full_word_is_folded(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index, n = STOCK_CAP_MAX / 2;
	unsigned i;

	(void)state;
	assert_true(charge_bytes(index, 10 * n, 0));
	assert_true(charge(index, 16));
	for (i = 0; i < 10; i++)
		uncharge(index, n);
	assert_true(memcg_slack(cg) <= STOCK_CAP_MAX);
	assert_int_equal(memcg_current(cg), 16 + memcg_slack(cg));
	uncharge(index, 16);
	settle();
	assert_int_equal(memcg_current(cg), 0);
	destroy(cg);
}

/* ---- draining ---- */

static void test_drain_of_a_subtree(void **state)
{
	struct memcg *a = group(NULL, "a"), *a1 = group(a, "a1"), *b = group(NULL, "b");
	u64 of_a, of_a1, of_b;

	(void)state;
	settle();
	assert_true(charge(a->handle->index, 16) && charge(a1->handle->index, 32) &&
		    charge(b->handle->index, 48));
	of_a1 = memcg_slack(a1);
	of_a = memcg_slack(a) - of_a1;
	of_b = memcg_slack(b);
	assert_true(of_a && of_a1 && of_b);
	assert_int_equal(memcg_slack(memcg_root()), of_a + of_a1 + of_b);
	assert_int_equal(stock_drain(a1), of_a1);
	assert_int_equal(memcg_current(a1), 32);
	assert_int_equal(memcg_slack(a), of_a);
	assert_int_equal(stock_drain(a), of_a);
	assert_int_equal(memcg_current(a), 48);
	assert_int_equal(memcg_slack(b), of_b);
	assert_int_equal(memcg_current(b), 48 + of_b);
	uncharge_bytes(a->handle->index, 16);
	uncharge_bytes(a1->handle->index, 32);
	uncharge(b->handle->index, 48);
	assert_int_equal(stock_drain(memcg_root()), 48 + of_b);
	destroy(a1);
	destroy(a);
	destroy(b);
}

static void *charge_elsewhere(void *arg)
{
	const struct memcg *cg = arg;
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	CPU_CLR(0, &all);
	pthread_setaffinity_np(pthread_self(), sizeof(all), &all); /* where there is another CPU */
	return charge(cg->handle->index, 64) ? NULL : "not charged";
}

/* A CPU that nobody runs on gives up what it holds, too. */
static void test_drain_of_another_cpu(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	pthread_t thread;
	void *wrong;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, charge_elsewhere, cg), 0);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_null(wrong);
	assert_true(memcg_slack(cg) > 0);
	assert_true(stock_drain(cg) > 0);
	assert_int_equal(memcg_current(cg), 64);
	/* and may take anew */
	assert_int_equal(pthread_create(&thread, NULL, charge_elsewhere, cg), 0);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_null(wrong);
	assert_true(memcg_slack(cg) > 0);
	uncharge(cg->handle->index, 128);
	settle();
	assert_int_equal(memcg_current(cg), 0);
	destroy(cg);
}

/* From another CPU, which leaves this one's words as they are. */
static void destroy_from_afar(struct memcg *cg)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(1, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		skip(); /* there is no other */
	destroy(cg);
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	assert_int_equal(sched_setaffinity(0, sizeof(cpu), &cpu), 0);
}

/* Ahead on a CPU that does nothing: it goes with the group all the same, to whoever lives. */
static void test_leaves_from_afar(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	struct handle *h = low->handle;
	u32 index = h->index;

	(void)state;
	assert_true(charge(index, 100));
	assert_true(memcg_slack(top) > 0);
	destroy_from_afar(low);
	assert_int_equal(memcg_slack(top), 0);
	assert_int_equal(memcg_current(top), 100);
	assert_int_equal(handle_bytes(h), 100);
	assert_int_equal(stock_of(index), 0);
	destroy_from_afar(mid);
	uncharge(index, 100);
	assert_int_equal(h->refs, 0); /* with its last byte, whatever CPUs hold */
	assert_int_equal(memcg_current(top), 100);
	assert_int_equal(memcg_slack(top), 100);
	assert_int_equal(stock_drain(top), 100);
	assert_int_equal(memcg_current(top), 0);
	settle();
	assert_int_equal(group_dying(root_group), 0);
	destroy(top);
	settle();
}

/* A word with our tag and nothing in it would take what is returned: it goes too. */
static void test_empty_words_leave(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index;
	u64 ahead;

	(void)state;
	assert_true(charge(index, 100));
	ahead = memcg_slack(cg);
	assert_true(charge(index, (u32)ahead));
	assert_int_equal(word_of(index), (u64)index << 32);
	destroy_from_afar(cg);
	assert_int_equal(word_of(index) >> 32 == index, 0);
	uncharge(index, (u32)ahead);
	uncharge(index, 100);
	assert_int_equal(group_dying(root_group), 0);
	settle();
}

/* Denied, what a CPU holds keeps the handle until the CPU gives it up; nothing is lost. */
static void test_no_cpu_can_be_stopped(void **state)
{
	u64 usage = root_group->counter.usage - meta_bytes;
	struct memcg *cg;
	struct handle *h;

	(void)state;
	if (pcpu_backend == PCPU_PORTABLE)
		skip(); /* nobody need be */
	cg = group(NULL, "cg");
	h = cg->handle;
	assert_true(charge(h->index, 100));
	uncharge(h->index, 100);
	sys_fault_arm(SYS_FAULT_MEMBARRIER, 0, 1, 0, 0);
	destroy_from_afar(cg);
	sys_fault_disarm_all();
	assert_int_equal(group_dying(root_group), 1);
	assert_int_equal(handle_bytes(h), stock_of(h->index));
	settle();
	assert_int_equal(group_dying(root_group), 0);
	assert_int_equal(root_group->counter.usage - meta_bytes, usage);
}

/* ---- one place for two ---- */

/* Two groups whose words have one place. So many handles fill every place more than once. */
static void make_neighbours(struct memcg *two[2])
{
	static struct memcg *cg[1000];
	char name[8];
	unsigned i;

	two[0] = two[1] = NULL;
	for (i = 0; i < ARRAY_SIZE(cg); i++) {
		snprintf(name, sizeof(name), "n%u", i);
		cg[i] = group(NULL, name);
	}
	for (i = 0; i < ARRAY_SIZE(cg); i++) {
		bool same = cg[i]->handle->index % STOCK_SLOTS == 77;

		if (same && (!two[0] || !two[1]))
			two[two[0] ? 1 : 0] = cg[i];
		else
			destroy(cg[i]);
	}
	assert_non_null(two[1]);
}

static void test_eviction(void **state)
{
	struct memcg *cg[2];
	u32 a, b;
	unsigned i;

	(void)state;
	make_neighbours(cg);
	a = cg[0]->handle->index;
	b = cg[1]->handle->index;
	assert_true(charge(a, 100));
	assert_int_equal(word_of(a) >> 32, a);
	/* Who is about to be busy takes the place; the other's goes to its counter. */
	assert_true(charge(b, 200));
	assert_int_equal(word_of(b) >> 32, b);
	assert_int_equal(memcg_current(cg[0]), 100);
	assert_int_equal(memcg_current(cg[1]), 200 + memcg_slack(cg[1]));
	/* A stray free does not, but many do. */
	assert_true(charge_bytes(a, 100 * 16, 0));
	uncharge(a, 16);
	uncharge(a, 16);
	assert_true(word_of(b) >> 32 == b || memcg_slack(cg[0]) == 16 || memcg_slack(cg[0]) == 32);
	for (i = 0; i < 98; i++)
		uncharge(a, 16);
	assert_int_equal(word_of(a) >> 32, a);
	assert_int_equal(memcg_current(cg[0]), 100 + memcg_slack(cg[0]));
	uncharge(a, 100);
	uncharge(b, 200);
	settle();
	assert_int_equal(memcg_current(cg[0]) | memcg_current(cg[1]), 0);
	destroy(cg[0]);
	destroy(cg[1]);
	settle();
}

/* Seven strays of eight leave a working batch where it is. */
static void test_strays_leave_a_batch(void **state)
{
	struct memcg *cg[2];
	unsigned kept = 0, i;
	u32 a, b;

	(void)state;
	make_neighbours(cg);
	a = cg[0]->handle->index;
	b = cg[1]->handle->index;
	for (i = 0; i < 8; i++) {
		assert_true(charge_bytes(a, 16, 0));
		assert_true(charge(b, 200));
		uncharge(a, 16);
		kept += word_of(b) >> 32 == b;
		uncharge(b, 200);
	}
	assert_in_range(kept, 5, 7);
	settle();
	assert_int_equal(memcg_current(cg[0]) | memcg_current(cg[1]), 0);
	destroy(cg[0]);
	destroy(cg[1]);
	settle();
}

/* ---- the root's max ---- */

static void test_cap_follows_the_roots_max(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	u32 index = cg->handle->index;
	unsigned i;

	(void)state;
	assert_int_equal(memcg__stock_cap, STOCK_CAP_MAX);
	memcg_set_limit(memcg_root(), MEMCG_MAX, 128 * MIB);
	assert_int_equal(memcg__stock_cap, 128 * MIB / 64 / STOCK_BYTE_WORDS);
	for (i = 0; i < 100; i++)
		assert_true(charge(index, 1000));
	assert_true(memcg_slack(cg) <= memcg__stock_cap);
	for (i = 0; i < 100; i++)
		uncharge(index, 1000);
	assert_true(memcg_slack(cg) <= memcg__stock_cap);
	memcg_set_limit(memcg_root(), MEMCG_MAX, 0);
	assert_int_equal(memcg__stock_cap, STOCK_CAP_MIN);
	memcg_set_limit(memcg_root(), MEMCG_MAX, 512 * MIB);
	assert_int_equal(memcg__stock_cap, 512 * MIB / 64 / STOCK_BYTE_WORDS);
	memcg_set_limit(memcg_root(), MEMCG_MAX, MEMCG_UNLIMITED);
	assert_int_equal(memcg__stock_cap, STOCK_CAP_MAX);
	settle();
	assert_int_equal(memcg_current(cg), 0);
	destroy(cg);
}

/* The bound is of what is held, so what was held under a larger one goes too. */
static void test_lower_cap_drains(void **state)
{
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	assert_true(charge(cg->handle->index, 100));
	assert_true(memcg_slack(cg) > 1024);
	memcg_set_limit(memcg_root(), MEMCG_MAX, 16 * MIB); /* far above what is used */
	assert_true(memcg_slack(cg) <= memcg__stock_cap);
	memcg_set_limit(memcg_root(), MEMCG_MAX, MEMCG_UNLIMITED);
	uncharge(cg->handle->index, 100);
	settle();
	destroy(cg);
}

/* What this CPU had ahead for a group goes with it, and is not its parent's for good. */
static void test_leaves_with_its_group(void **state)
{
	struct memcg *top = memcg_create(NULL, "top"), *cg = memcg_create(top, "cg");

	(void)state;
	assert_true(charge(cg->handle->index, 100));
	uncharge(cg->handle->index, 100);
	assert_true(memcg_current(top) > 0);
	assert_int_equal(memcg_destroy(cg), 0);
	assert_int_equal(memcg_current(top), 0);
	assert_int_equal(memcg_destroy(top), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_and_give),
		cmocka_unit_test(test_batches_grow),
		cmocka_unit_test(test_large_ones_in_turn),
		cmocka_unit_test(test_slack_of_the_heirs),
		cmocka_unit_test(test_slack_is_bounded),
		cmocka_unit_test(test_full_word_is_folded),
		cmocka_unit_test(test_drain_of_a_subtree),
		cmocka_unit_test(test_drain_of_another_cpu),
		cmocka_unit_test(test_leaves_from_afar),
		cmocka_unit_test(test_empty_words_leave),
		cmocka_unit_test(test_no_cpu_can_be_stopped),
		cmocka_unit_test(test_max_of_the_heir),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_strays_leave_a_batch),
		cmocka_unit_test(test_cap_follows_the_roots_max),
		cmocka_unit_test(test_lower_cap_drains),
		cmocka_unit_test(test_leaves_with_its_group),
	};
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
