/*
 * t_mlock.c - windows that the program has locked, and a system that keeps pages mapped: nothing is
 * taken for unmapped that can be written to still.
 */
#include "file_map_fixture.h"

#include "sys/fault.h"
#include "vm/fault.h"
#include "vm/rmap.h"

#define N    ((size_t)16) /* pages: little enough for whom little may be locked */
#define SIZE (N << PAGE_SHIFT)

static char *map_anon(void)
{
	char *p = memcg_mmap(mm, SIZE, RW, 0, NULL, 0);

	CHECK(p);
	return p;
}

static void fill(char *p, char c)
{
	for (size_t i = 0; i < N; i++)
		p[i << PAGE_SHIFT] = (char)(c + (char)i);
}

static bool filled(const char *p, char c)
{
	for (size_t i = 0; i < N; i++)
		if (p[i << PAGE_SHIFT] != (char)(c + (char)i))
			return false;
	return true;
}

/* As the system has it. */
static size_t mapped(const char *p, size_t n)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t there = 0;

	CHECK(fd >= 0);
	for (size_t i = 0; i < n; i++) {
		off_t at = (off_t)(((uintptr_t)p / PAGE_SIZE + i) * sizeof(u64));
		u64 entry;

		CHECK(pread(fd, &entry, sizeof(entry), at) == sizeof(entry));
		there += entry >> 63;
	}
	close(fd);
	return there;
}

static bool all_present(const char *p)
{
	for (size_t i = 0; i < N; i++)
		if (!page_mapped(page_of(p + (i << PAGE_SHIFT))))
			return false;
	return true;
}

/* --- what is locked ------------------------------------------------------------------------- */

/* Where a process may lock nothing at all there is nothing to be seen. */
static bool locks(const char *p)
{
	return !mlock(p, SIZE) || errno == EPERM;
}

static void test_cold(void)
{
	char *p;

	mm_set_up();
	p = map_anon();
	(void)mlock(p, SIZE); /* says ENOMEM of what is not there yet, and locks it */
	fill(p, 1);
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_COLD));
	CHECK(mapped(p, N) == 0 && STAT(cg, anon) == SIZE);
	CHECK(filled(p, 1));
	mm_tear_down();
}

static void test_pageout(void)
{
	char *p;

	mm_set_up();
	p = map_anon();
	fill(p, 1);
	CHECK(locks(p));
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 0 && mapped(p, N) == 0);
	memory_fits();
	CHECK(filled(p, 1));
	mm_tear_down();
}

static void test_dontneed(void)
{
	char *p;

	mm_set_up();
	p = map_anon();
	fill(p, 1);
	CHECK(locks(p));
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_DONTNEED));
	CHECK(STAT(cg, anon) == 0 && mapped(p, N) == 0);
	CHECK(p[PAGE_SIZE] == 0);
	mm_tear_down();
}

/* Two syncs: what is written after the first is seen by the second. */
static void sync_twice(const char *p)
{
	char *q = (char *)(uintptr_t)p;

	fill(q, 1);
	CHECK(!memcg_file_sync(the_file));
	fill(q, 3);
	CHECK(!memcg_file_sync(the_file));
	for (size_t i = 0; i < N; i++)
		CHECK(in_file(the_fd, i << PAGE_SHIFT) == (char)(3 + i));
}

static void test_sync(void)
{
	char *p = file_set_up(SIZE, true);

	fill(p, 7);
	CHECK(locks(p));
	sync_twice(p);
	CHECK(STAT(cg, file_dirty) == 0);
	file_tear_down();
}

/* --- what the system does not let go of ---------------------------------------------------------
 */

static void keep(void)
{
	sys_fault_arm(SYS_FAULT_ZAP, 0, 1, 0, 0);
	sys_fault_arm(SYS_FAULT_DONTNEED, 0, 1, 0, 0);
}

static void check_kept(char *p, unsigned advice)
{
	keep();
	CHECK(!memcg_madvise(mm, p, SIZE, advice) && sys_fault_count(SYS_FAULT_DONTNEED));
	CHECK(mapped(p, N) == N && all_present(p) && STAT(cg, anon) == SIZE);
	fill(p, 5);
	sys_fault_disarm_all();
	memory_fits();
}

/* Resident, mapped, on a list: so it goes as soon as it can, with what was written meanwhile. */
static void kept(unsigned advice)
{
	char *p;

	mm_set_up();
	p = map_anon();
	fill(p, 1);
	check_kept(p, advice);
	CHECK(STAT(cg, active_anon) + STAT(cg, inactive_anon) == SIZE);
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 0 && mapped(p, N) == 0);
	memory_fits();
	CHECK(filled(p, 5));
	mm_tear_down();
}

static void test_kept_cold(void)
{
	kept(MEMCG_COLD);
}

static void test_kept_pageout(void)
{
	kept(MEMCG_PAGEOUT);
}

static void test_kept_by_reclaim(void)
{
	char *p;

	mm_set_up();
	p = map_anon();
	fill(p, 1);
	keep();
	(void)memcg_reclaim(cg, SIZE);
	CHECK(sys_fault_count(SYS_FAULT_DONTNEED) && all_present(p) && STAT(cg, anon) == SIZE);
	fill(p, 5);
	sys_fault_disarm_all();
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_PAGEOUT) && STAT(cg, anon) == 0);
	CHECK(filled(p, 5));
	mm_tear_down();
}

static void test_kept_dontneed(void)
{
	char *p;

	mm_set_up();
	p = map_anon();
	fill(p, 1);
	keep();
	CHECK(memcg_madvise(mm, p, SIZE, MEMCG_DONTNEED) == -EBUSY);
	CHECK(all_present(p) && filled(p, 1) && STAT(cg, anon) == SIZE);
	sys_fault_disarm_all();
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_DONTNEED));
	CHECK(STAT(cg, anon) == 0 && p[0] == 0);
	mm_tear_down();
}

/* Mapped all the time, so it is dirty all the time. */
static void test_kept_sync(void)
{
	char *p = file_set_up(SIZE, true);

	fill(p, 7);
	keep();
	sync_twice(p);
	CHECK(all_present(p) && STAT(cg, file) == SIZE && STAT(cg, file_dirty) == SIZE);
	CHECK(STAT(cg, file_mapped) == SIZE);
	fill(p, 9);
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_PAGEOUT) && STAT(cg, file) == SIZE);
	sys_fault_disarm_all();
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_PAGEOUT));
	CHECK(STAT(cg, file) == 0 && in_file(the_fd, PAGE_SIZE) == 10 && filled(p, 9));
	file_tear_down();
}

/* What can be written until the addresses are gone is written when they are. */
static void test_kept_munmap(void)
{
	char *p = file_set_up(SIZE, true);

	CHECK(filled(p, 0) || p[0]); /* mapped by a read */
	CHECK(!memcg_file_sync(the_file) && STAT(cg, file_dirty) == 0);
	keep();
	CHECK(!memcg_munmap(mm, p, SIZE));
	CHECK(mapped(p, N) == 0 && STAT(cg, file_mapped) == 0 && STAT(cg, file_dirty));
	sys_fault_disarm_all();
	CHECK(!memcg_file_sync(the_file) && STAT(cg, file_dirty) == 0);
	file_tear_down();
}

/* The file lets go of what is behind its end, whatever the system keeps. */
static void test_kept_truncated(void)
{
	char *p = file_set_up(SIZE, true), c;

	fill(p, 7);
	keep();
	CHECK(!ftruncate(the_fd, PAGE_SIZE));
	CHECK(memcg_file_read(the_file, &c, 1, SIZE - 1) == 0); /* looks how long it is */
	sys_fault_disarm_all();
	CHECK(STAT(cg, file) == PAGE_SIZE && p[0] == 7);
	memory_fits();
	file_tear_down();
}

/* --- who locks all that is mapped from now on ----------------------------------------------------
 */

/* A small region: what goes wrong here has all of it. */
static void test_locks_all(void)
{
	char *p;

	CHECK(!setenv("MEMCG_REGION", "64M", 1));
	set_up();
	CHECK(regn.managed_pages <= 64 * MIB >> PAGE_SHIFT);
	if (mlockall(MCL_FUTURE))
		return; /* nor may he */
	mm = memcg_mm_create(cg);
	if (!mm)
		return; /* he may lock less than the region */
	p = map_anon();
	CHECK(managed_resident() == 0);
	fill(p, 1);
	memory_fits();
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_PAGEOUT) && STAT(cg, anon) == 0);
	memory_fits();
	CHECK(filled(p, 1));
	memcg_mm_destroy(mm);
	CHECK(held(cg) == 0 && managed_resident() == 0);
}

/* --- a run that fails in the middle ------------------------------------------------------------
 */

/* What somebody has pinned among its pages is mapped as before, behind where it ends too. */
static void test_run_fails(void)
{
	char *p;

	mm_set_up();
	p = map_anon();
	fill(p, 1);
	CHECK(!memcg_madvise(mm, p, SIZE, MEMCG_COLD));
	CHECK(!memcg_pin(p + 10 * PAGE_SIZE, PAGE_SIZE) && mapped(p, N) == 1);
	CHECK(!managed_punch(page_to_index(page_of(p + 8 * PAGE_SIZE)), 1));
	CHECK(memcg_madvise(mm, p + PAGE_SIZE, SIZE - PAGE_SIZE, MEMCG_WILLNEED));
	CHECK(mapped(p + 10 * PAGE_SIZE, 1) == 1);
	memcg_unpin(p + 10 * PAGE_SIZE, PAGE_SIZE);
	mm_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_cold),
		FAULTS_TEST(test_pageout),
		FAULTS_TEST(test_dontneed),
		FAULTS_TEST(test_sync),
		FAULTS_TEST(test_kept_cold),
		FAULTS_TEST(test_kept_pageout),
		FAULTS_TEST(test_kept_by_reclaim),
		FAULTS_TEST(test_kept_dontneed),
		FAULTS_TEST(test_kept_sync),
		FAULTS_TEST(test_kept_munmap),
		FAULTS_TEST(test_kept_truncated),
		FAULTS_TEST(test_locks_all),
		FAULTS_TEST(test_run_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
