/*
 * maps_fixture.h - charged maps against a model that keeps every page by itself. Addresses are
 * made up: the set never looks at the memory, and the kernel's part is played here.
 */
#ifndef MEMCG_TESTS_MAPS_FIXTURE_H
#define MEMCG_TESTS_MAPS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "alloc/map_tree.h"
#include "alloc/maps.h"
#include "base/bits.h"
#include "count/stat.h"
#include "group/group.h"
#include "page/page.h"
#include "sys/fault.h"

#define BASE	    0x10000000000ul
#define PAGES	    256u
#define GROUPS	    3u
#define ANON	    (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW	    (PROT_READ | PROT_WRITE)
#define IS_UNMAPPED 0u
#define IS_HELD	    1u
#define IS_LAZY	    2u
#define IS_OWNED    16u /* + number of the group */

static struct memcg *group[GROUPS];
static unsigned page[PAGES]; /* the model */

static __attribute__((unused)) void *at(unsigned p)
{
	return (void *)(BASE + p * PAGE_SIZE);
}

static __attribute__((unused)) void use(unsigned g)
{
	memcg_put(memcg_enter(group[g]));
}

static __attribute__((unused)) int make_groups(void **state)
{
	char name[16];

	(void)state;
	memset(page, 0, sizeof(page));
	for (unsigned g = 0; g < GROUPS; g++) {
		snprintf(name, sizeof(name), "maps-%u", g);
		group[g] = memcg_create(NULL, name);
		assert_non_null(group[g]);
	}
	return 0;
}

static __attribute__((unused)) int drop_groups(void **state)
{
	struct map_change c;

	(void)state;
	assert_int_equal(maps_release(&c, at(0), PAGES * PAGE_SIZE), 0);
	maps_commit(&c, NULL);
	memcg_leave(NULL);
	for (unsigned g = 0; g < GROUPS; g++)
		if (group[g])
			assert_int_equal(memcg_destroy(group[g]), 0);
	assert_int_equal(maps_nodes, 0);
	assert_int_equal(maps_reserved, 0);
	return 0;
}

/* ---- what the set says ------------------------------------------------------------ */

static __attribute__((unused)) void add_up(u32 handle, u64 bytes, unsigned item, void *arg)
{
	u64 *sum = arg;

	assert_int_equal(item, STAT_MAPS);
	for (unsigned g = 0; g < GROUPS; g++)
		if (group[g] && group[g]->handle->index == handle)
			sum[g] += bytes;
}

static __attribute__((unused)) void expect(const u64 bytes[GROUPS], u64 reserved)
{
	u64 sum[GROUPS] = {0};

	maps_each(add_up, sum);
	for (unsigned g = 0; g < GROUPS; g++) {
		assert_int_equal(sum[g], bytes[g]);
		if (group[g])
			assert_int_equal(memcg_current(group[g]), bytes[g]);
	}
	assert_int_equal(maps_reserved, reserved);
}

static __attribute__((unused)) void expect_pages(u64 first, u64 reserved)
{
	const u64 bytes[GROUPS] = {first * PAGE_SIZE};

	expect(bytes, reserved * PAGE_SIZE);
}

static __attribute__((unused)) void expect_model(void)
{
	u64 bytes[GROUPS] = {0}, reserved = 0;

	for (unsigned p = 0; p < PAGES; p++)
		if (page[p] >= IS_OWNED)
			bytes[page[p] - IS_OWNED] += PAGE_SIZE;
		else if (page[p] != IS_UNMAPPED)
			reserved += PAGE_SIZE;
	expect(bytes, reserved);
}

/* ---- calls, the kernel agreeing ------------------------------------------------------ */

static __attribute__((unused)) int map_at(unsigned p, unsigned n, int prot, int flags)
{
	struct map_change c;
	int err = maps_charge(&c, at(p), n * PAGE_SIZE, prot, flags);

	if (!err)
		maps_commit(&c, at(p));
	return err;
}

static __attribute__((unused)) int map(unsigned p, unsigned n)
{
	return map_at(p, n, RW, ANON);
}

static __attribute__((unused)) void unmap(unsigned p, unsigned n)
{
	struct map_change c;

	assert_int_equal(maps_release(&c, at(p), n * PAGE_SIZE), 0);
	maps_commit(&c, NULL);
}

static __attribute__((unused)) int protect(unsigned p, unsigned n, int prot)
{
	struct map_change c;
	int err = maps_protect(&c, at(p), n * PAGE_SIZE, prot);

	if (!err)
		maps_commit(&c, NULL);
	return err;
}

static __attribute__((unused)) int move(unsigned from, unsigned n, unsigned to, unsigned m,
					int flags)
{
	struct map_change c;
	int err = maps_move(&c, at(from), n * PAGE_SIZE, m * PAGE_SIZE, flags, at(to));

	if (!err)
		maps_commit(&c, at(to));
	return err;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_groups, drop_groups)

#endif
