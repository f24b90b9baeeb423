/*
 * t_tree.c - the hierarchy: making and unmaking groups, names, paths, walking; every refusal.
 */
#include "group_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "effort.h"
#include "fork_fixture.h"
#include "page/page.h"
#include "reclaim/charge.h"
#include "sys/fault.h"

/* ---- making: every refusal ---- */

static void refused(struct memcg *parent, const char *name, int why)
{
	u32 before = group_descendants(root_group);

	errno = 0;
	assert_null(memcg_create(parent, name));
	assert_int_equal(errno, why);
	assert_int_equal(group_descendants(root_group), before);
}

static void test_bad_names(void **state)
{
	char name[300];
	struct memcg *cg;
	unsigned c;

	(void)state;
	refused(NULL, NULL, EINVAL);
	refused(NULL, "", EINVAL);
	refused(NULL, ".", EINVAL);
	refused(NULL, "..", EINVAL);
	refused(NULL, "/", EINVAL);
	refused(NULL, "a/b", EINVAL);
	refused(NULL, "a/", EINVAL);
	for (c = 1; c < 0x20; c++) {
		snprintf(name, sizeof(name), "a%cb", (char)c);
		refused(NULL, name, EINVAL);
	}
	refused(NULL, "a\177", EINVAL);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	refused(NULL, name, EINVAL);
	name[255] = '\0';
	cg = group(NULL, name);
	refused(NULL, name, EEXIST);
	destroy(cg);
}

static void test_good_names(void **state)
{
	const char *const name[] = {"...", ".a", "..a", " ", "a b", "\xc3\xbc", "\xff", "-"};
	struct memcg *cg[ARRAY_SIZE(name)];
	char path[16];
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		cg[i] = group(NULL, name[i]);
		assert_int_equal(memcg_path(cg[i], path, sizeof(path)), strlen(name[i]) + 1);
		assert_string_equal(path + 1, name[i]);
	}
	while (i--)
		destroy(cg[i]);
}

static void test_exists_only_below_its_parent(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(NULL, "b"), *c = group(a, "a");
	u64 before;

	(void)state;
	refused(NULL, "a", EEXIST);
	rcu_poll(true);
	before = rcu_pending();
	refused(a, "a", EEXIST);
	assert_int_equal(rcu_pending(), before + 2); /* handle and group: neither is free at once */
	destroy(group(b, "a"));
	destroy(c);
	destroy(a);
	destroy(b);
}

static void test_parent_offline(void **state)
{
	struct memcg *cg = group(NULL, "off");

	(void)state;
	destroy(memcg_get(cg));
	refused(cg, "child", ENODEV);
	memcg_put(cg);
}

static void test_too_many_descendants(void **state)
{
	struct memcg *top = group(NULL, "top"), *a, *b;

	(void)state;
	assert_int_equal(memcg_write(top, "cgroup.max.descendants", "2", 1), 0);
	a = group(top, "a");
	b = group(a, "b");
	refused(top, "c", EAGAIN);
	refused(b, "c", EAGAIN); /* an ancestor's limit */
	destroy(b);
	b = group(top, "b");
	refused(a, "c", EAGAIN);
	assert_int_equal(memcg_write(top, "cgroup.max.descendants", "max", 3), 0);
	destroy(group(a, "c"));
	assert_int_equal(memcg_write(top, "cgroup.max.descendants", "0", 1), 0);
	refused(top, "c", EAGAIN);
	destroy(a);
	destroy(b);
	destroy(top);
}

static void test_too_deep(void **state)
{
	struct memcg *top = group(NULL, "top"), *a, *b;

	(void)state;
	assert_int_equal(memcg_write(top, "cgroup.max.depth", "2", 1), 0);
	a = group(top, "a");
	b = group(a, "b");
	refused(b, "c", EAGAIN);
	assert_int_equal(memcg_write(top, "cgroup.max.depth", "0", 1), 0);
	refused(top, "d", EAGAIN);
	assert_int_equal(memcg_write(top, "cgroup.max.depth", "max", 3), 0);
	destroy(group(b, "c"));
	destroy(b);
	destroy(a);
	destroy(top);
}

/* Takes all memory for structs that needs no new pages, so that a group finds none. */
static void test_no_memory(void **state)
{
	void *first = NULL, *p;
	char name[256];

	(void)state;
	memset(name, 'x', 255);
	name[255] = '\0';
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	while ((p = meta_alloc(64 * KIB)) || (p = meta_alloc(sizeof(struct memcg) + 256))) {
		*(void **)p = first;
		first = p;
	}
	refused(NULL, name, ENOMEM);
	sys_fault_disarm_all();
	/* What was taken stays taken: its sizes are not known here any more. */
	destroy(group(NULL, name));
}

/* ---- unmaking ---- */

static void test_destroy_refused(void **state)
{
	struct memcg *cg = group(NULL, "busy"), *child = group(cg, "child");

	(void)state;
	assert_int_equal(memcg_destroy(NULL), -EINVAL);
	assert_int_equal(memcg_destroy(memcg_root()), -EINVAL);
	assert_true(memcg_online(memcg_root()));
	assert_int_equal(memcg_destroy(cg), -EBUSY);
	assert_true(memcg_online(cg));
	assert_int_equal(group_refs(cg), 3); /* tree, child, ours: kept */
	assert_ptr_equal(payer(cg->handle), cg);
	destroy(child);
	rcu_poll(true);
	assert_int_equal(group_refs(cg), 2);
	destroy(cg);
}

static void test_destroy_drops_one_reference(void **state)
{
	struct memcg *cg = group(NULL, "twice");
	u32 before = group_descendants(root_group);

	(void)state;
	memcg_get(cg);
	memcg_get(cg);
	assert_int_equal(group_refs(cg), 4);
	destroy(cg);
	assert_false(memcg_online(cg));
	assert_int_equal(group_refs(cg), 2);
	destroy(cg); /* offline already: only the reference */
	assert_int_equal(group_refs(cg), 1);
	assert_int_equal(group_descendants(root_group), before - 1);
	memcg_put(cg);
}

static void test_name_is_free_at_once(void **state)
{
	struct memcg *old = group(NULL, "name"), *cg;

	(void)state;
	destroy(memcg_get(old));
	cg = group(NULL, "name");
	assert_ptr_not_equal(cg, old);
	assert_true(memcg_id(cg) > memcg_id(old));
	assert_ptr_equal(memcg_lookup("/name"), cg);
	memcg_put(cg);
	destroy(cg);
	memcg_put(old);
}

static void test_objects_become_the_parents(void **state)
{
	struct memcg *top = group(NULL, "heir"), *cg = group(top, "testator"), *owner;
	void *small = memcg_malloc_in(cg, 100), *large = memcg_malloc_in(cg, 100000);
	struct memcg_charge *charge = memcg_charge(cg, 5000);
	u64 was;

	(void)state;
	stock_drain(NULL);
	was = memcg_current(cg);
	assert_true(was > 105100);
	assert_int_equal(memcg_owner_id(small), memcg_id(cg));
	destroy(cg);
	assert_int_equal(memcg_current(top), was);
	assert_int_equal(memcg_owner_id(small), memcg_id(top));
	owner = memcg_owner(large);
	assert_ptr_equal(owner, top);
	memcg_put(owner);
	memcg_free(small);
	memcg_free(large);
	memcg_uncharge(charge);
	stock_drain(NULL);
	assert_int_equal(memcg_current(top), 0);
	destroy(top);
}

/* ---- looking ---- */

static void found(const char *path, struct memcg *want)
{
	struct memcg *cg = memcg_lookup(path);

	assert_ptr_equal(cg, want);
	memcg_put(cg);
}

static void not_found(const char *path, int why)
{
	errno = 0;
	assert_null(memcg_lookup(path));
	assert_int_equal(errno, why);
}

/* What a group claimed of its parent's protection is the others' when it goes. */
static void test_protection_goes_with_the_group(void **state)
{
	struct memcg *top = memcg_create(NULL, "top"), *cg = memcg_create(top, "cg");
	struct memcg_charge *c = memcg_charge(cg, 8 * MIB);

	(void)state;
	memcg_set_limit(cg, MEMCG_MIN, 4 * MIB);
	memcg_set_limit(cg, MEMCG_LOW, 6 * MIB);
	assert_int_equal(top->counter.children_min, 4 * MIB);
	assert_int_equal(top->counter.children_low, 6 * MIB);
	assert_int_equal(memcg_destroy(memcg_get(cg)), 0);
	assert_int_equal(top->counter.children_min | top->counter.children_low, 0);
	memcg_put(cg);
	memcg_uncharge(c);
	assert_int_equal(memcg_destroy(top), 0);
}

static void test_lookup(void **state)
{
	struct memcg *web = group(NULL, "web"), *t7 = group(web, "tenant-7");
	u64 refs = group_refs(t7);
	char longest[300] = "/";

	(void)state;
	found("/", memcg_root());
	found("//", memcg_root());
	found("/web", web);
	found("/web/", web);
	found("//web///tenant-7//", t7);
	found("/web/tenant-7", t7);
	assert_ptr_equal(memcg_lookup("/web/tenant-7"), t7);
	assert_int_equal(group_refs(t7), refs + 1);
	memcg_put(t7);
	not_found(NULL, EINVAL);
	not_found("", EINVAL);
	not_found("web", EINVAL);
	not_found("/we", ENOENT);
	not_found("/web/tenant-77", ENOENT);
	not_found("/tenant-7", ENOENT);
	not_found("/web/..", ENOENT);
	memset(longest + 1, 'a', 290);
	not_found(longest, ENOENT);
	destroy(t7);
	not_found("/web/tenant-7", ENOENT);
	destroy(web);
}

/* More names than the table begins with: it grows, and all are found. */
static void test_many_names(void **state)
{
	static struct memcg *cg[500];
	char path[16];
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cg); i++) {
		snprintf(path, sizeof(path), "/g%u", i);
		cg[i] = group(NULL, path + 1);
	}
	for (i = 0; i < ARRAY_SIZE(cg); i++) {
		snprintf(path, sizeof(path), "/g%u", i);
		found(path, cg[i]);
	}
	for (i = 0; i < ARRAY_SIZE(cg); i += 2)
		destroy(cg[i]);
	for (i = 0; i < ARRAY_SIZE(cg); i++) {
		snprintf(path, sizeof(path), "/g%u", i);
		if (i % 2)
			found(path, cg[i]);
		else
			not_found(path, ENOENT);
	}
	for (i = 1; i < ARRAY_SIZE(cg); i += 2)
		destroy(cg[i]);
}

static void test_path(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(a, "bcd"), *before;
	char buf[16];

	(void)state;
	assert_int_equal(memcg_path(memcg_root(), buf, sizeof(buf)), 1);
	assert_string_equal(buf, "/");
	assert_int_equal(memcg_path(memcg_root(), buf, 2), 1);
	assert_int_equal(memcg_path(memcg_root(), buf, 1), -ERANGE);
	assert_int_equal(memcg_path(b, buf, sizeof(buf)), 6);
	assert_string_equal(buf, "/a/bcd");
	assert_int_equal(memcg_path(b, buf, 7), 6);
	memset(buf, '#', sizeof(buf));
	assert_int_equal(memcg_path(b, buf, 6), -ERANGE);
	assert_int_equal(memcg_path(b, buf, 0), -ERANGE);
	assert_int_equal(buf[0], '#');
	assert_int_equal(memcg_path(b, NULL, 100), -EINVAL);
	before = memcg_enter(b);
	assert_int_equal(memcg_path(NULL, buf, sizeof(buf)), 6);
	memcg_leave(before);
	destroy(memcg_get(b));
	assert_int_equal(memcg_path(b, buf, sizeof(buf)), 6); /* as it was called */
	memcg_put(b);
	destroy(a);
}

/* ---- walking ---- */

/* Names met below top, in order, with a blank after each. */
static const char *walk(struct memcg *top)
{
	static char seen[256];
	struct memcg *cg = NULL;

	seen[0] = '\0';
	while ((cg = memcg_next(top, cg))) {
		strcat(seen, cg->parent ? cg->name : "/");
		strcat(seen, " ");
	}
	return seen;
}

static void test_walk_in_order(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(NULL, "b");
	struct memcg *a1 = group(a, "a1"), *a2 = group(a, "a2"), *a11 = group(a1, "a11");

	(void)state;
	assert_string_equal(walk(NULL), "/ a a1 a11 a2 b ");
	assert_string_equal(walk(a), "a a1 a11 a2 ");
	assert_string_equal(walk(a2), "a2 ");
	assert_int_equal(atomic_load(&a2->refs), 2); /* none is left behind */
	assert_int_equal(atomic_load(&a11->refs), 2);
	destroy(a11);
	destroy(a2);
	destroy(a1);
	destroy(a);
	destroy(b);
	assert_string_equal(walk(NULL), "/ ");
}

/* What the walk stands on is destroyed: it goes on with what would have come next. */
static void test_walk_from_an_offline_group(void **state)
{
	struct memcg *top = group(NULL, "top"), *a = group(top, "a"), *b = group(top, "b");
	struct memcg *b1 = group(b, "b1"), *c = group(top, "c"), *at;

	(void)state;
	at = memcg_next(top, memcg_get(a));
	assert_ptr_equal(at, b);
	at = memcg_next(top, at);
	assert_ptr_equal(at, b1);
	destroy(b1);
	destroy(b);
	at = memcg_next(top, at); /* b1 and its parent are gone */
	assert_ptr_equal(at, c);
	destroy(a);
	destroy(c);
	assert_null(memcg_next(top, at));
	at = memcg_get(top);
	destroy(top);
	assert_null(memcg_next(at, memcg_get(at)));
	memcg_put(at);
}

static bool stop;

static void *make_and_unmake(void *arg)
{
	unsigned seed = 7, i;
	struct memcg *cg[64] = {NULL};

	(void)arg;
	while (!atomic_load(&stop))
		for (i = 0; i < ARRAY_SIZE(cg); i++) {
			unsigned at = (seed = seed * 1103515245 + 12345) >> 16 & 63;
			char name[8];

			snprintf(name, sizeof(name), "w%u", at);
			if (!cg[at])
				cg[at] = memcg_create(at % 4 ? cg[at / 4] : NULL, name);
			else if (memcg_destroy(cg[at]) == 0)
				cg[at] = NULL;
		}
	/* Children have larger numbers, or none. */
	for (i = ARRAY_SIZE(cg); i--;)
		if (cg[i] && memcg_destroy(cg[i]) < 0)
			return "a group is left with children";
	return NULL;
}

/* Each walk ends, and meets no group twice. */
static void test_walk_beside_another_thread(void **state)
{
	pthread_t thread;
	void *wrong;
	unsigned i;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, make_and_unmake, NULL), 0);
	for (i = 0; i < 2000; i++) {
		struct memcg *cg = NULL;
		u64 newest = 0;
		unsigned met = 0;

		while ((cg = memcg_next(NULL, cg))) {
			if (cg->parent == root_group) {
				assert_true(memcg_id(cg) > newest); /* siblings, oldest first */
				newest = memcg_id(cg);
			}
			assert_true(++met < 100000);
		}
	}
	atomic_store(&stop, true);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	if (wrong)
		fail_msg("%s", (const char *)wrong);
	rcu_poll(true);
	assert_int_equal(group_descendants(root_group), 0);
}

/* ---- nothing is left behind ---- */

/* Sanitizers keep memory of their own, and take ten times as long. */
#if defined(SANITIZED) || defined(MEMCG_DEBUG)
#define ROUNDS 100000u
#else
#define ROUNDS effort(1000000u)
#endif

static u64 resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * (u64)sysconf(_SC_PAGESIZE);
}

static void test_a_million_groups(void **state)
{
	u64 before = resident(), meta = meta_bytes;
	unsigned i;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		struct memcg *cg = group(NULL, "million");

		destroy(cg);
	}
	assert_true(resident() < before + 64 * MIB);
	assert_true(rcu_pending() <= RCU_BOUND);
	assert_true(meta_bytes - meta < 32 * MIB);
}

#define LEFT 100000u

/* An object left in each: its handle stays, the group does not, and the object's free ends both. */
static void test_groups_that_leave_an_object(void **state)
{
	static void *object[LEFT];
	u64 usage, dead = group_dying(root_group);
	u32 handles;
	unsigned i, round;

	(void)state;
	stock_drain(NULL);
	rcu_poll(true);
	usage = root_group->counter.usage - meta_bytes;
	for (round = 0; round < 2; round++) {
		handles = handle_count();
		for (i = 0; i < LEFT; i++) {
			struct memcg *cg = group(NULL, "left");

			object[i] = memcg_malloc_in(cg, 48);
			assert_non_null(object[i]);
			destroy(cg);
		}
		stock_drain(NULL);
		assert_int_equal(group_dying(root_group), dead + LEFT);
		assert_int_equal(memcg_owner_id(object[LEFT / 2]), 1);
		for (i = 0; i < LEFT; i++)
			memcg_free(object[i]);
		stock_drain(NULL);
		rcu_poll(true);
		rcu_poll(true);
		assert_int_equal(group_dying(root_group), dead);
	}
	assert_int_equal(root_group->counter.usage - meta_bytes, usage);
	assert_true(handle_count() <
		    handles + RCU_BOUND); /* the second round used those of the first */
	assert_true(resident() < 64 * MIB || ROUNDS < 1000000u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_good_names),
		cmocka_unit_test(test_exists_only_below_its_parent),
		cmocka_unit_test(test_parent_offline),
		cmocka_unit_test(test_too_many_descendants),
		cmocka_unit_test(test_too_deep),
		cmocka_unit_test(test_destroy_refused),
		cmocka_unit_test(test_destroy_drops_one_reference),
		cmocka_unit_test(test_name_is_free_at_once),
		cmocka_unit_test(test_objects_become_the_parents),
		cmocka_unit_test(test_protection_goes_with_the_group),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_walk_in_order),
		cmocka_unit_test(test_walk_from_an_offline_group),
		cmocka_unit_test(test_walk_beside_another_thread),
		cmocka_unit_test(test_a_million_groups),
		cmocka_unit_test(test_groups_that_leave_an_object),
		cmocka_unit_test(test_no_memory),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
