/*
 * t_group_threads.c - groups made, found, used and destroyed by several threads: in the end each
 * counter is what its group owns.
 */
#include "group_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "page/page.h"

#define THREADS 4u
#define ROUNDS	10000u
#define SHARED	32u
#define KEPT	64u

/* Objects pass from thread to thread; groups too, by name. */
static void *volatile in_passing[256];
static struct memcg *tops[THREADS];

static unsigned draw(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % below;
}

static void exchange(unsigned *seed, void *p)
{
	memcg_free(__atomic_exchange_n(&in_passing[draw(seed, 256)], p, __ATOMIC_ACQ_REL));
}

static size_t draw_size(unsigned *seed)
{
	unsigned kind = draw(seed, 100);

	return kind < 3	   ? 33000 + draw(seed, 90000)
	       : kind < 20 ? draw(seed, 9000)
			   : draw(seed, 500);
}

/* One visit: some objects for the group, a charge, and a fight over a name. */
static void visit(unsigned *seed, struct memcg *cg)
{
	struct memcg *before = memcg_enter(cg), *found;
	struct memcg_charge *charge = memcg_charge(NULL, draw(seed, 100000));
	char path[32];
	unsigned i;

	for (i = 0; i < 10; i++)
		exchange(seed, memcg_malloc(draw_size(seed)));
	snprintf(path, sizeof(path), "/top%u/s%u", draw(seed, THREADS), draw(seed, SHARED));
	found = memcg_lookup(path);
	if (!found)
		found = memcg_create(tops[path[4] - '0'], strrchr(path, '/') + 1);
	if (found && draw(seed, 2))
		memcg_destroy(found); /* perhaps while others are in it */
	else if (found) {
		exchange(seed, memcg_malloc_in(found, draw_size(seed)));
		memcg_put(found);
	}
	memcg_uncharge(charge);
	memcg_leave(before);
}

static void *torture(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg, seed = number * 99991 + 5, i;
	struct memcg *cg[KEPT] = {NULL};

	for (i = 0; i < ROUNDS; i++) {
		unsigned at = draw(&seed, KEPT);
		char name[32];

		if (cg[at] && draw(&seed, 3) == 0 && memcg_destroy(cg[at]) == 0)
			cg[at] = NULL;
		snprintf(name, sizeof(name), "t%u.%u", number, i);
		if (!cg[at])
			cg[at] = memcg_create(at ? cg[at / 2] : tops[number], name);
		if (cg[at])
			visit(&seed, cg[at]);
	}
	for (i = KEPT; i--;)
		if (cg[i] && memcg_destroy(cg[i]) < 0)
			return "a group is left with children";
	return NULL;
}

/* In the end: each counter is what its group owns, and the root is the sum of all. */
static void check_sums(void)
{
	struct memcg *cg = NULL;
	u64 local = 0;

	while ((cg = memcg_next(NULL, cg))) {
		struct memcg_stat s;

		assert_int_equal(memcg_stat(cg, &s, sizeof(s)), 0);
		assert_int_equal(s.stock, 0);
		if (!cg->parent)
			s.local -= s.metadata + s.cached;
		assert_int_equal(s.local, handle_bytes(cg->handle) + 0);
		local += s.local;
	}
	assert_int_equal(local, root_group->counter.usage - meta_bytes);
}

static u64 bytes_of_all_handles(void)
{
	u64 sum = 0;
	u32 i;

	for (i = HANDLE_ROOT; i < handle_count(); i++)
		sum += handle_bytes(handle_of(i));
	return sum;
}

static void test_threads_conserve(void **state)
{
	pthread_t thread[THREADS];
	void *wrong;
	unsigned i;

	(void)state;
	settle();
	for (i = 0; i < THREADS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "top%u", i);
		tops[i] = group(NULL, name);
	}
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, torture, (void *)(uintptr_t)i),
				 0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		if (wrong)
			fail_msg("%s", (const char *)wrong);
	}
	settle();
	assert_int_equal(bytes_of_all_handles(), root_group->counter.usage - meta_bytes);
	assert_int_equal(memcg_report(2, MEMCG_REPORT_QUIET), 0);
	for (i = 0; i < ARRAY_SIZE(in_passing); i++)
		memcg_free(in_passing[i]);
	for (i = 0; i < THREADS; i++) {
		struct memcg *cg, *next = NULL;

		while ((cg = memcg_next(tops[i], memcg_get(tops[i])))) {
			while ((next = memcg_next(cg, memcg_get(cg)))) {
				memcg_put(cg);
				cg = next;
			}
			destroy(cg);
		}
	}
	memcg_reclaim(memcg_root(), 0);
	settle();
	check_sums();
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(memcg_current(tops[i]), 0);
		destroy(tops[i]);
	}
	settle();
	assert_int_equal(group_descendants(root_group), 0);
	assert_int_equal(group_dying(root_group), 0);
	assert_int_equal(root_group->counter.usage, meta_bytes);
	assert_int_equal(counter_underflows, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_conserve),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
