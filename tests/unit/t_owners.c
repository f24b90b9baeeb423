/* t_owners.c - memory.owners and memory.report: what a group itself pays for, by kind. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <memcg.h>
#include <memcg/mm.h>

#include "group/group.h"
#include "group/stock.h"
#include "page/page.h"
#include "sync/rcu.h"
#include "sys/fault.h"

static struct memcg *cg, *child;
static char text[1 << 16];

static int make_groups(void **state)
{
	(void)state;
	cg = memcg_create(NULL, "owner");
	child = memcg_create(cg, "child");
	return cg && child ? 0 : -1;
}

static int drop_groups(void **state)
{
	(void)state;
	assert_int_equal(memcg_destroy(child), 0);
	assert_int_equal(memcg_destroy(cg), 0);
	stock_drain(NULL);
	while (rcu_pending())
		rcu_poll(true);
	return 0;
}

static const char *get(struct memcg *of, const char *file)
{
	ssize_t n;

	memset(text, '#', sizeof(text));
	n = memcg_read(of, file, text, sizeof(text));
	assert_true(n > 0);
	assert_int_equal(n, strlen(text));
	return text;
}

struct line {
	unsigned long objects, bytes;
};

/* Zeros when there is none. */
static struct line owners(struct memcg *of, const char *kind)
{
	struct line line = {0};
	const char *at = get(of, "memory.owners");
	size_t n = strlen(kind);

	for (; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (!strncmp(at, kind, n) && at[n] == ' ')
			assert_int_equal(sscanf(at + n, " objects=%lu bytes=%lu", &line.objects,
						&line.bytes),
					 2);
	return line;
}

static void owns(struct memcg *of, const char *kind, unsigned long objects, unsigned long bytes)
{
	struct line line = owners(of, kind);

	if (line.objects != objects || line.bytes != bytes)
		print_error("%s\n", text);
	assert_int_equal(line.objects, objects);
	assert_int_equal(line.bytes, bytes);
}

/* The counter of what is its own, for comparison: the walk never looked at it. */
static void closes(struct memcg *of)
{
	struct memcg_stat s;

	assert_int_equal(memcg_stat(of, &s, sizeof(s)), 0);
	assert_int_equal(owners(of, "total").bytes, s.local);
}

static void test_nothing(void **state)
{
	(void)state;
	assert_string_equal(get(cg, "memory.owners"), "total objects=0 bytes=0\n");
}

static void test_each_kind(void **state)
{
	void *small[3], *large = memcg_malloc_in(cg, 50000), *stack;
	struct memcg_charge *charge = memcg_charge(cg, 12345);
	struct memcg_page *buffer, *table;
	struct memcg *before;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		small[i] = memcg_malloc_in(cg, 300);
	before = memcg_enter(cg);
	buffer = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	table = memcg_pages_alloc(1, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT);
	stack = memcg_stack_alloc(16384);
	memcg_leave(before);
	owns(cg, "large", 1, 53248);
	owns(cg, "external", 1, 12345);
	owns(cg, "buffer", 1, 4 * PAGE_SIZE);
	owns(cg, "table", 1, 2 * PAGE_SIZE);
	owns(cg, "stack", 1, 5 * PAGE_SIZE);
	assert_int_equal(owners(cg, "slab.320").objects, 3);
	assert_int_equal(owners(cg, "stock").bytes, memcg_slack(cg));
	assert_int_equal(owners(cg, "stock").objects, 0);
	closes(cg);
	for (i = 0; i < 3; i++)
		memcg_free(small[i]);
	memcg_free(large);
	memcg_uncharge(charge);
	memcg_page_put(buffer);
	memcg_page_put(table);
	memcg_stack_free(stack);
	closes(cg);
	owns(cg, "slab.320", 0, 0);
}

static void test_managed(void **state)
{
	const int prot = PROT_READ | PROT_WRITE;
	struct memcg_mm *mm = memcg_mm_create(cg);

	(void)state;
	assert_non_null(mm);
	assert_non_null(memcg_mmap(mm, 5 * PAGE_SIZE, prot, MEMCG_MAP_PREFAULT, NULL, 0));
	assert_non_null(memcg_mmap(mm, 3 * PAGE_SIZE, prot, MEMCG_MAP_SHARED | MEMCG_MAP_PREFAULT,
				   NULL, 0));
	owns(cg, "anon", 5, 5 * PAGE_SIZE);
	owns(cg, "shmem", 3, 3 * PAGE_SIZE);
	closes(cg);
	memcg_mm_destroy(mm);
	owns(cg, "anon", 0, 0);
	closes(cg);
}

/* Its own, not its children's; and a child's when that is gone. */
static void test_inherited(void **state)
{
	struct memcg *gone = memcg_create(cg, "gone");
	void *a = memcg_malloc_in(child, 50000), *b = memcg_malloc_in(gone, 100000);

	(void)state;
	owns(cg, "large", 0, 0);
	owns(child, "large", 1, 53248);
	memcg_get(gone);
	assert_int_equal(memcg_destroy(gone), 0);
	owns(cg, "large", 1, 102400);
	closes(cg);
	assert_int_equal(memcg_read(gone, "memory.owners", text, sizeof(text)), -ENODEV);
	assert_int_equal(memcg_read(gone, "memory.report", text, sizeof(text)), -ENODEV);
	memcg_put(gone);
	memcg_free(a);
	memcg_free(b);
}

/* A group that allocates much gets slabs of its own: those count whole, objects one by one. */
static void test_own_slabs(void **state)
{
	enum { N = 3000 };
	static void *p[N];
	struct memcg *before = memcg_enter(cg);
	struct line line;
	unsigned i;

	(void)state;
	for (i = 0; i < N; i++)
		p[i] = memcg_malloc(1024);
	line = owners(cg, "slab.1024");
	assert_int_equal(line.objects, N);
	assert_true(line.bytes >= N * 1024ul);
	closes(cg);
	assert_int_equal(memcg_recharge(p[N - 1], child), 0); /* a slot of somebody else's */
	assert_int_equal(owners(cg, "slab.1024").objects, N - 1);
	assert_int_equal(owners(child, "slab.1024").objects, 1);
	closes(cg);
	closes(child);
	for (i = 0; i < N; i++)
		memcg_free(p[i]);
	assert_int_equal(owners(cg, "slab.1024").objects, 0);
	memcg_leave(before);
}

static void test_report(void **state)
{
	struct memcg *below = memcg_create(child, "below");
	void *p = memcg_malloc_in(below, 100000);

	(void)state;
	stock_drain(NULL);
	get(child, "memory.report");
	assert_int_equal(strncmp(text, "group ", 6), 0);
	assert_non_null(strstr(text, "\nchild "));
	assert_non_null(strstr(text, "\n  below "));
	assert_null(strstr(text, "owner"));
	assert_non_null(strstr(text, "\nrecount: closed (102400 bytes in 2 groups)\n"));
	get(memcg_root(), "memory.report");
	assert_non_null(strstr(text, "\n/ "));
	assert_non_null(strstr(text, "\n      below "));
	assert_non_null(strstr(text, "\nmetadata "));
	atomic_add(&page_cached, 4096ul);
	get(child, "memory.report");
	atomic_sub(&page_cached, 4096ul);
	assert_non_null(strstr(text, "\ndifference: cached"));
	assert_non_null(strstr(text, "\nrecount: 1 difference (102400 bytes in 2 groups)\n"));
	memcg_free(p);
	assert_int_equal(memcg_destroy(below), 0);
}

static void test_no_memory(void **state)
{
	static const char *const file[] = {"memory.owners", "memory.report"};
	unsigned i, nth;

	(void)state;
	for (i = 0; i < 2; i++)
		for (nth = 1; nth <= 6; nth++) {
			sys_fault_arm(SYS_FAULT_MAP, nth, 0, 0, 0);
			assert_int_equal(memcg_read(cg, file[i], text, sizeof(text)), -ENOMEM);
			sys_fault_disarm_all();
			get(cg, file[i]);
		}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_groups, drop_groups)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),   TEST(test_each_kind), TEST(test_inherited),
		TEST(test_own_slabs), TEST(test_report),    TEST(test_no_memory),
		TEST(test_managed),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
