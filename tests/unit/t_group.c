/*
 * t_group.c - one group: references and lifetime, the program's word, who pays, sums.
 */
#include "group_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "reclaim/charge.h"
#include "effort.h"
#include "page/page.h"

/* ---- references ---- */

static unsigned drops;
static void *dropped;

static void note_drop(void *data)
{
	drops++;
	dropped = data;
}

static void test_data(void **state)
{
	struct memcg *cg = group(NULL, "data"), *before;
	int a, b;

	(void)state;
	drops = 0;
	assert_null(memcg_data(cg));
	memcg_set_data(cg, &a, note_drop);
	assert_ptr_equal(memcg_data(cg), &a);
	assert_int_equal(drops, 0);
	memcg_set_data(cg, &b, note_drop);
	assert_int_equal(drops, 1);
	assert_ptr_equal(dropped, &a);
	before = memcg_enter(cg);
	assert_ptr_equal(memcg_data(NULL), &b); /* the active group's */
	memcg_set_data(NULL, &a, NULL);
	memcg_leave(before);
	assert_int_equal(drops, 2);
	assert_ptr_equal(dropped, &b);
	memcg_set_data(cg, &b, note_drop); /* a had no drop */
	assert_int_equal(drops, 2);
	memcg_set_data(cg, NULL, NULL);
	assert_int_equal(drops, 3);
	destroy(cg);
	settle();
	assert_int_equal(drops, 3);
}

/* The struct goes with its last reference, not with its name; drop runs once, then. */
static void test_data_lives_as_long_as_the_group(void **state)
{
	struct memcg *cg = group(NULL, "life"), *child = group(cg, "child"), *before;
	int mark;

	(void)state;
	drops = 0;
	memcg_set_data(cg, &mark, note_drop);
	destroy(memcg_get(child));
	before = memcg_enter(cg);
	destroy(cg);
	settle();
	assert_int_equal(drops, 0); /* active on this thread */
	memcg_leave(before);
	settle();
	assert_int_equal(drops, 0); /* its child's struct needs the chain of counters */
	memcg_put(child);
	settle();
	assert_int_equal(drops,
			 0); /* not at the end of a grace period: that may be inside malloc */
	memcg_put(NULL);
	assert_int_equal(drops, 1);
	assert_ptr_equal(dropped, &mark);
}

/* Words that threads replace at once: each is dropped, and once. */
#define WORDS 20000u

static struct memcg *shared;
static u8 times[4][WORDS];

static void count_drop(void *data)
{
	atomic_add((u8 *)data, (u8)1);
}

static void *set_all(void *arg)
{
	u8 *mine = arg;

	for (unsigned i = 0; i < effort(WORDS); i++)
		memcg_set_data(shared, mine + i, count_drop);
	return NULL;
}

static void test_data_set_by_several(void **state)
{
	pthread_t thread[4];

	(void)state;
	shared = memcg_create(NULL, "several");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, set_all, times[i]), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	memcg_set_data(shared, NULL, NULL);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < effort(WORDS); k++)
			assert_int_equal(times[i][k], 1);
	destroy(shared);
}

static void test_put_is_forgiving(void **state)
{
	(void)state;
	memcg_put(NULL);
	memcg_put(memcg_root());
	memcg_put(memcg_root());
	memcg_put(memcg_root());
	assert_true(memcg_online(memcg_root()));
	assert_ptr_equal(memcg_get(memcg_root()), memcg_root());
}

/* NULL as a group is the active one. */
static void test_null_is_the_active_group(void **state)
{
	struct memcg *cg = group(NULL, "active"), *before = memcg_enter(cg), *parent;
	u64 limit = 0;

	(void)state;
	assert_int_equal(memcg_id(NULL), memcg_id(cg));
	assert_ptr_equal(memcg_get(NULL), cg);
	memcg_put(cg);
	parent = memcg_parent(NULL);
	assert_ptr_equal(parent, memcg_root());
	assert_int_equal(memcg_set_limit(NULL, MEMCG_HIGH, 8192), 0);
	assert_int_equal(memcg_get_limit(cg, MEMCG_HIGH, &limit), 0);
	assert_int_equal(limit, 8192);
	assert_true(memcg_online(NULL));
	destroy(cg);
	assert_false(memcg_online(NULL));
	assert_true(memcg_online(memcg_root()));
	memcg_leave(before);
	settle();
}

static void test_parent(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(a, "b");

	(void)state;
	assert_null(memcg_parent(memcg_root()));
	assert_ptr_equal(memcg_parent(b), a);
	assert_int_equal(group_refs(a), 4); /* tree, b, ours, the new one */
	destroy(b);
	memcg_put(a);
	destroy(a);
}

static void test_id_is_never_reused(void **state)
{
	u64 last = 0;
	unsigned i;

	(void)state;
	assert_int_equal(memcg_id(memcg_root()), 1);
	for (i = 0; i < 2000; i++) {
		struct memcg *cg = group(NULL, "id");

		assert_true(memcg_id(cg) > last);
		last = memcg_id(cg);
		destroy(cg);
	}
}

/* ---- who pays ---- */

static void test_enter_and_leave_nest(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(a, "b"), *first, *second;

	(void)state;
	assert_ptr_equal(memcg_active(), memcg_root());
	first = memcg_enter(a);
	assert_ptr_equal(first, memcg_root());
	assert_ptr_equal(memcg_active(), a);
	assert_int_equal(group_refs(a), 4); /* tree, b, ours, the thread's */
	second = memcg_enter(b);
	assert_ptr_equal(second, a);
	assert_int_equal(group_refs(a), 4); /* handed to us */
	{
		MEMCG_SCOPE(NULL);
		assert_ptr_equal(memcg_active(), memcg_root());
	}
	assert_ptr_equal(memcg_active(), b);
	memcg_leave(second);
	assert_ptr_equal(memcg_active(), a);
	assert_int_equal(group_refs(b), 2);
	memcg_leave(first);
	assert_ptr_equal(memcg_active(), memcg_root());
	assert_int_equal(group_refs(a), 3);
	memcg_enter(a);
	memcg_leave(NULL);
	assert_ptr_equal(memcg_active(), memcg_root());
	destroy(b);
	destroy(a);
	settle();
}

/* It stays the thread's group by name, and the nearest online ancestor pays. */
static void test_active_group_is_destroyed(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	struct memcg *before = memcg_enter(low), *owner;
	u64 id = memcg_id(low);
	void *p, *q;

	(void)state;
	destroy(low);
	destroy(mid);
	assert_int_equal(memcg_id(NULL), id);
	p = memcg_malloc(5000);
	q = memcg_malloc(200000);
	assert_non_null(p);
	assert_non_null(q);
	owner = memcg_owner(p);
	assert_ptr_equal(owner, top);
	memcg_put(owner);
	assert_int_equal(memcg_owner_id(q), memcg_id(top));
	assert_true(memcg_current(top) > 205000);
	/* The nearest online one's max holds it. */
	assert_int_equal(memcg_set_limit(top, MEMCG_MAX, 1 * MIB), 0);
	assert_null(memcg_malloc(2 * MIB));
	memcg_free(p);
	memcg_free(q);
	memcg_leave(before);
	settle();
	assert_int_equal(memcg_current(top), 0);
	destroy(top);
}

struct handed {
	struct memcg *previous;
};

static void *leave_there(void *arg)
{
	struct handed *h = arg;

	memcg_leave(memcg_enter(NULL));
	memcg_leave(h->previous);
	return memcg_active();
}

/* A scheduler may enter on one thread and leave on another. */
static void test_leave_on_another_thread(void **state)
{
	struct memcg *cg = group(NULL, "moves");
	struct handed h = {.previous = memcg_get(cg)};
	pthread_t thread;
	void *active;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, leave_there, &h), 0);
	assert_int_equal(pthread_join(thread, &active), 0);
	assert_ptr_equal(active, cg);
	assert_int_equal(group_refs(cg), 2); /* the thread's went with it */
	destroy(cg);
	settle();
}

/* ---- sums ---- */

/* All of the kernel's lines but five. */
static void assert_lines_without_meaning_are_zero(const struct memcg_stat *s)
{
	struct memcg_stat rest = *s;
	const u64 *line;

	rest.kernel = rest.kernel_stack = rest.pagetables = 0;
	rest.slab_unreclaimable = rest.slab = 0;
	for (line = &rest.anon; line < &rest.peak; line++)
		assert_int_equal(*line, 0);
}

static void test_stat_lines_add_up(void **state)
{
	struct memcg *top = group(NULL, "top"), *cg = group(top, "cg"), *before = memcg_enter(cg);
	void *small = memcg_malloc(300), *large = memcg_malloc(300000);
	struct memcg_page *buffer = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	struct memcg_page *table = memcg_pages_alloc(1, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT);
	void *stack = memcg_stack_alloc(16384);
	struct memcg_charge *charge = memcg_charge(NULL, 777), *above = memcg_charge(top, 1000);
	struct memcg_stat s, t;

	(void)state;
	memcg_leave(before);
	assert_int_equal(memcg_stat(cg, &s, sizeof(s)), 0);
	assert_int_equal(s.current, memcg_current(cg));
	assert_int_equal(s.peak, memcg_peak(cg));
	assert_int_equal(s.large, 303104); /* whole pages */
	assert_int_equal(s.buffer, 4 * PAGE_SIZE);
	assert_int_equal(s.pagetables, 2 * PAGE_SIZE);
	assert_int_equal(s.kernel_stack, 5 * PAGE_SIZE); /* with its guard */
	assert_int_equal(s.external, 777);
	assert_int_equal(s.maps, 0);
	assert_int_equal(s.stock, memcg_slack(cg));
	assert_int_equal(s.cached, 0);
	assert_int_equal(s.metadata, 0);
	assert_true(s.slab >= 300);
	assert_int_equal(s.slab_unreclaimable, s.slab);
	assert_lines_without_meaning_are_zero(&s);
	assert_int_equal(s.kernel, s.slab + s.large + s.buffer + s.pagetables + s.kernel_stack);
	assert_int_equal(s.current, s.kernel + s.external + s.maps + s.stock);
	assert_int_equal(s.local, s.current);
	assert_int_equal(memcg_stat(top, &t, sizeof(t)), 0);
	assert_int_equal(t.current, s.current + 1000 + (t.stock - s.stock));
	assert_int_equal(t.local, t.current - s.current);
	assert_int_equal(t.external, 1777);
	assert_int_equal(t.buffer, s.buffer);
	memcg_page_put(buffer);
	memcg_page_put(table);
	memcg_stack_free(stack);
	memcg_free(large);
	memcg_uncharge(charge);
	memcg_uncharge(above);
	memcg_free(small);
	settle();
	assert_int_equal(memcg_stat(top, &t, sizeof(t)), 0);
	t.peak = 0;
	assert_memory_equal(&t, &(struct memcg_stat){0}, sizeof(t));
	destroy(cg);
	destroy(top);
}

/* The root's also has what nobody allocated: our own structures, and what is kept free. */
static void test_stat_of_the_root(void **state)
{
	struct memcg *cg = group(NULL, "below");
	void *p = memcg_malloc_in(cg, 100000);
	struct memcg_stat root, below;

	(void)state;
	assert_int_equal(memcg_stat(cg, &below, sizeof(below)), 0);
	assert_int_equal(memcg_stat(memcg_root(), &root, sizeof(root)), 0);
	assert_true(root.metadata > 0);
	assert_int_equal(root.metadata, meta_bytes);
	assert_int_equal(root.cached, page_cached);
	assert_int_equal(root.current, root.kernel + root.external + root.maps + root.stock +
					       root.metadata + root.cached);
	assert_int_equal(root.local, root.current - below.current);
	memcg_free(p);
	destroy(cg);
	settle();
}

static void test_stat_sizes(void **state)
{
	struct {
		struct memcg_stat stat;
		u64 more[3];
	} big;
	u64 small[3] = {1, 2, 3};
	struct memcg *cg = group(NULL, "sizes");

	(void)state;
	assert_int_equal(memcg_stat(cg, NULL, sizeof(big)), -EINVAL);
	assert_int_equal(memcg_stat(cg, &big.stat, 0), -EINVAL);
	assert_int_equal(memcg_stat(cg, (struct memcg_stat *)small, 2 * sizeof(u64)), 0);
	assert_int_equal(small[0], 0);
	assert_int_equal(small[1], 0);
	assert_int_equal(small[2], 3);
	memset(&big, 0xff, sizeof(big));
	assert_int_equal(memcg_stat(cg, &big.stat, sizeof(big)), 0);
	assert_int_equal(big.stat.local, 0);
	assert_int_equal(big.more[0] | big.more[1] | big.more[2], 0);
	destroy(cg);
}

/* Whatever size a program was built with: its bytes, zeroes after the last we know, no more. */
static void test_stat_is_cut_at_any_size(void **state)
{
	_Alignas(struct memcg_stat) char whole[sizeof(struct memcg_stat) + 32] = {0};
	_Alignas(struct memcg_stat) char out[sizeof(whole) + 1];
	struct memcg *cg = group(NULL, "cut");
	struct memcg_charge *charge = memcg_charge(cg, 0x12345678);
	size_t size;

	(void)state;
	assert_int_equal(memcg_stat(cg, (struct memcg_stat *)whole, sizeof(struct memcg_stat)), 0);
	for (size = 1; size <= sizeof(whole); size++) {
		memset(out, 0xff, sizeof(out));
		assert_int_equal(memcg_stat(cg, (struct memcg_stat *)out, size), 0);
		assert_memory_equal(out, whole, size);
		assert_int_equal((u8)out[size], 0xff);
	}
	memcg_uncharge(charge);
	destroy(cg);
}

static void test_peak_and_headroom(void **state)
{
	struct memcg *top = group(NULL, "top"), *cg = group(top, "cg");
	struct memcg_charge *charge;

	(void)state;
	assert_int_equal(memcg_headroom(cg), MEMCG_UNLIMITED);
	memcg_set_limit(top, MEMCG_MAX, 100 * KIB);
	memcg_set_limit(cg, MEMCG_MAX, 80 * KIB);
	charge = memcg_charge(cg, 60 * KIB);
	assert_int_equal(memcg_headroom(cg), 20 * KIB);
	assert_int_equal(memcg_headroom(top), 40 * KIB);
	memcg_uncharge(charge);
	charge = memcg_charge(top, 30 * KIB);
	assert_int_equal(memcg_headroom(cg), 70 * KIB);
	memcg_uncharge(charge);
	assert_int_equal(memcg_peak(cg), 60 * KIB);
	assert_int_equal(memcg_peak(top), 60 * KIB);
	assert_int_equal(memcg_current(cg), 0);
	destroy(cg);
	destroy(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_data_lives_as_long_as_the_group),
		cmocka_unit_test(test_data_set_by_several),
		cmocka_unit_test(test_put_is_forgiving),
		cmocka_unit_test(test_null_is_the_active_group),
		cmocka_unit_test(test_parent),
		cmocka_unit_test(test_id_is_never_reused),
		cmocka_unit_test(test_enter_and_leave_nest),
		cmocka_unit_test(test_active_group_is_destroyed),
		cmocka_unit_test(test_leave_on_another_thread),
		cmocka_unit_test(test_stat_lines_add_up),
		cmocka_unit_test(test_stat_of_the_root),
		cmocka_unit_test(test_stat_sizes),
		cmocka_unit_test(test_stat_is_cut_at_any_size),
		cmocka_unit_test(test_peak_and_headroom),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
