/*
 * t_zap.c - pages taken out of mappings, many ranges by one call: by the thread's own number, by a
 * descriptor of the process, and one by one where the system has neither. What is refused once is
 * not tried again, so the order of the tests is from the newest way to the oldest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/fault.h"
#include "sys/file.h"
#include "sys/memfd.h"

#define PAGES  (2 * SYS_ZAP_MAX)
#define LOCKED 8 /* pages: little enough for whom little is allowed */

static int fd;
static char *at;

static int set_up(void **state)
{
	(void)state;
	fd = sys_memfd(PAGES * PAGE_SIZE);
	assert_true(fd >= 0);
	at = mmap(NULL, PAGES * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(sys_map_shared(at, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, fd, 0), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sys_fault_disarm_all();
	munmap(at, PAGES * PAGE_SIZE);
	sys_close(fd);
	return 0;
}

static bool is_mapped(int pagemap, size_t i)
{
	off_t where = (off_t)(((uintptr_t)at / PAGE_SIZE + i) * sizeof(u64));
	u64 entry;

	assert_int_equal(pread(pagemap, &entry, sizeof(entry), where), sizeof(entry));
	return entry >> 63;
}

/* Every other page: so no two ranges are one. */
static unsigned odd_pages(struct span *spans)
{
	for (size_t i = 0; i < PAGES / 2; i++)
		spans[i] = (struct span){at + (2 * i + 1) * PAGE_SIZE, PAGE_SIZE};
	return PAGES / 2;
}

static void check_zapped(void)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	assert_true(pagemap >= 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(is_mapped(pagemap, i), !(i % 2));
	close(pagemap);
	for (size_t i = 0; i < PAGES; i++) /* the file has them still */
		assert_int_equal(at[i * PAGE_SIZE], (char)(i + 1));
}

static void zap_odd(void)
{
	struct span spans[SYS_ZAP_MAX];
	unsigned n = odd_pages(spans);

	for (size_t i = 0; i < PAGES; i++)
		at[i * PAGE_SIZE] = (char)(i + 1);
	assert_int_equal(sys_zap(spans, n), 0);
	check_zapped();
}

/* As the system has it. */
static void test_many(void **state)
{
	(void)state;
	zap_odd();
}

/* What the program has locked: by each way that the system has. */
static void zap_locked(void)
{
	struct span spans[SYS_ZAP_MAX];

	if (mlock(at, LOCKED * PAGE_SIZE))
		skip(); /* so little is refused where nothing may be locked */
	zap_odd();
	odd_pages(spans);
	assert_int_equal(sys_zap(spans, 1), 0); /* not of many: one call of the plain kind */
}

static void test_locked(void **state)
{
	u64 plain;

	(void)state;
	sys_fault_arm(SYS_FAULT_DONTNEED, 0, 0, 0, 0); /* counts */
	zap_odd();
	plain = sys_fault_seen(SYS_FAULT_DONTNEED); /* 0, where the system does many at once */
	zap_locked();
	zap_odd();
	/* Locked memory is no reason to do it one by one. */
	assert_int_equal(sys_fault_seen(SYS_FAULT_DONTNEED), 3 * plain + 1);
}

static void test_locked_one_by_one(void **state)
{
	(void)state;
	zap_locked();
}

/* Before Linux 5.18. */
static void test_refused(void **state)
{
	struct span one = {at, PAGE_SIZE};

	(void)state;
	at[0] = 1;
	sys_fault_arm(SYS_FAULT_DONTNEED, 1, 0, 0, 0);
	assert_int_equal(sys_zap(&one, 1), -EINVAL);
	assert_int_equal(sys_zap(&one, 1), 0);
}

static void test_by_descriptor(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_PIDFD, 0, 1, 0, 0);
	zap_odd();
	sys_fault_disarm_all();
	zap_odd();
}

static void test_one_by_one(void **state)
{
	(void)state;
	sys_fault_arm(SYS_FAULT_ZAP, 0, 1, 0, 0);
	zap_odd();
	sys_fault_disarm_all();
	zap_odd();
}

/* Who locks all that he maps from now on does not get all of a file that is to be sparse. */
static void test_mapped_by_who_locks_all(void **state)
{
	int err;

	(void)state;
	if (mlockall(MCL_FUTURE))
		skip();
	err = sys_map_shared(at, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, fd, 0);
	munlockall();
	if (err == -EAGAIN)
		skip(); /* may not lock so much, so he cannot map it */
	assert_int_equal(err, 0);
	assert_int_equal(sys_file_memory(fd), 0);
	at[PAGE_SIZE] = 1;
	assert_int_equal(sys_file_memory(fd), PAGE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_locked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_by_descriptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_by_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_locked_one_by_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mapped_by_who_locks_all, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
