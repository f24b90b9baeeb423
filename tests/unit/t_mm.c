/* t_mm.c - managed ranges: faults, tables, sharing, advice, unmapping, what they cost. */
#include "mm_fixture.h"

#include "vm/fault.h"
#include "vm/mech.h"

static void test_first_touch(void)
{
	volatile char *p;

	mm_set_up();
	CHECK(mech == MECH_FAULTS);
	p = map_pages(10);
	CHECK(p && IS_ALIGNED((uintptr_t)p, PAGE_SIZE));
	CHECK(STAT(cg, anon) == 0 && managed_resident() == 0);
	CHECK(p[0] == 0);
	p[3 * PAGE_SIZE] = 7;
	CHECK(p[3 * PAGE_SIZE] == 7 && p[PAGE_SIZE - 1] == 0);
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE && STAT(cg, pagetables) == PAGE_SIZE);
	CHECK(STAT(cg, pgfault) == 2 && STAT(cg, pgmajfault) == 0);
	CHECK(held(cg) == 3 * PAGE_SIZE);
	memory_fits();
	CHECK(!memcg_munmap(mm, (void *)p, 10 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == 0 && held(cg) == 0);
	memory_fits();
	mm_tear_down();
}

static void test_destroy_unmaps(void)
{
	char *p, *q;

	mm_set_up();
	p = map_pages(5 * MIB >> PAGE_SHIFT);
	q = memcg_mmap(mm, PAGE_SIZE, RW, MEMCG_MAP_PREFAULT, NULL, 0);
	CHECK(p && q && p != q);
	memset(p, 1, 5 * MIB);
	CHECK(STAT(cg, anon) == 5 * MIB + PAGE_SIZE && STAT(cg, pagetables) == 4 * PAGE_SIZE);
	CHECK(managed_resident() == 5 * MIB + PAGE_SIZE);
	closes();
	memcg_mm_destroy(mm);
	CHECK(STAT(cg, anon) == 0 && held(cg) == 0 && managed_resident() == 0);
	closes();
}

static void test_group_dies(void)
{
	char *p;

	mm_set_up();
	p = map_pages(MIB >> PAGE_SHIFT);
	memset(p, 1, MIB / 2);
	memcg_leave(NULL);
	CHECK(!memcg_destroy(cg));
	CHECK(STAT(memcg_root(), anon) == MIB / 2);
	memset(p + MIB / 2, 1, MIB / 2);
	CHECK(STAT(memcg_root(), anon) == MIB);
	closes();
	CHECK(memcg_reclaim(memcg_root(), 0) == 0);
	memcg_mm_destroy(mm);
	CHECK(managed_resident() == 0);
	closes();
}

/* --- parts --------------------------------------------------------------------------- */

static void test_holes(void)
{
	const size_t n = 3 * 512;
	char *p;

	catch (SIGBUS); /* before ours: it is chained */
	catch (SIGSEGV);
	mm_set_up();
	p = map_pages(n);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(!memcg_munmap(mm, p + 10 * PAGE_SIZE, 20 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == (n - 20) << PAGE_SHIFT);
	CHECK(touch_is(p + 10 * PAGE_SIZE) == SIGSEGV && touch_is(p + 29 * PAGE_SIZE) == SIGSEGV);
	CHECK(!touch_is(p + 9 * PAGE_SIZE) && !touch_is(p + 30 * PAGE_SIZE));
	memory_fits();
	/* From the middle of a block over a whole one into the next; part of it is gone already. */
	CHECK(!memcg_munmap(mm, p + 20 * PAGE_SIZE, (512 + 600) * PAGE_SIZE));
	CHECK(STAT(cg, anon) == (n - 10 - 512 - 600) << PAGE_SHIFT);
	CHECK(touch_is(p + 512 * PAGE_SIZE) == SIGSEGV);
	memory_fits();
	CHECK(!memcg_munmap(mm, p, 20 * PAGE_SIZE));
	CHECK(!memcg_munmap(mm, p + (20 + 512 + 600) * PAGE_SIZE,
			    (n - 20 - 512 - 600) * PAGE_SIZE));
	CHECK(STAT(cg, anon) == 0 && held(cg) == 0);
	for (size_t i = 0; i < 3; i++) /* none leads to a window that is freed */
		CHECK(!block_at((uintptr_t)p + i * BLOCK_SIZE)->window);
	CHECK(memcg_munmap(mm, p, PAGE_SIZE) == -EINVAL);
	mm_tear_down();
}

/* Memory that the system does not take back has nothing of its last owner in it. */
static void test_punch_fails(void)
{
	char *p;

	mm_set_up();
	p = map_pages(4);
	memset(p, 's', 4 * PAGE_SIZE);
	sys_fault_arm(SYS_FAULT_PUNCH, 0, 1, 0, 0);
	CHECK(!memcg_munmap(mm, p, 4 * PAGE_SIZE));
	sys_fault_disarm_all();
	CHECK(STAT(cg, anon) == 0);
	p = map_pages(4);
	for (size_t i = 0; i < 4 * PAGE_SIZE; i++)
		CHECK(!p[i]);
	mm_tear_down();
}

static void test_read_only(void)
{
	volatile char *p;

	catch (SIGSEGV);
	mm_set_up();
	p = memcg_mmap(mm, PAGE_SIZE, PROT_READ, 0, NULL, 0);
	CHECK(!touch_is(p));
	got = 0;
	if (!sigsetjmp(back, 1))
		*p = 1;
	CHECK(got == SIGSEGV);
	mm_tear_down();
}

static void test_bad_arguments(void)
{
	char *p;

	mm_set_up();
#define REFUSED(call, error)             \
	do {                             \
		errno = 0;               \
		CHECK(!(call));          \
		CHECK(errno == (error)); \
	} while (0)
	REFUSED(memcg_mmap(NULL, PAGE_SIZE, RW, 0, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, 0, RW, 0, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, SIZE_MAX, RW, 0, NULL, 0), EOVERFLOW);
	REFUSED(memcg_mmap(mm, (size_t)1 << 45, RW, 0, NULL, 0), ENOMEM);
	REFUSED(memcg_mmap(mm, PAGE_SIZE, PROT_NONE, 0, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, PAGE_SIZE, PROT_WRITE, 0, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, PAGE_SIZE, RW, 1u << 30, NULL, 0), EINVAL);
	REFUSED(memcg_mmap(mm, PAGE_SIZE, RW, 0, NULL, PAGE_SIZE), EINVAL);
	p = memcg_mmap(mm, 4 * PAGE_SIZE, RW, 0, NULL, 0);
	REFUSED(memcg_mmap_same(mm, p, PAGE_SIZE, RW, 0), EINVAL); /* private */
	REFUSED(memcg_mmap_same(mm, &p, PAGE_SIZE, RW, 0), EINVAL);
#undef REFUSED
	CHECK(memcg_munmap(NULL, p, PAGE_SIZE) == -EINVAL);
	CHECK(memcg_munmap(mm, p + 1, PAGE_SIZE) == -EINVAL);
	CHECK(memcg_munmap(mm, p, 0) == -EINVAL);
	CHECK(memcg_munmap(mm, p, SIZE_MAX) == -EINVAL);
	CHECK(memcg_munmap(mm, p, 5 * PAGE_SIZE) == -EINVAL);	/* and nothing of it */
	CHECK(memcg_munmap(mm, p, (size_t)1 << 44) == -EINVAL); /* pages: 0, in 32 bits */
	CHECK(memcg_madvise(mm, p, (size_t)1 << 44, MEMCG_COLD) == -EINVAL);
	CHECK(memcg_munmap(mm, &p, PAGE_SIZE) == -EINVAL);
	CHECK(memcg_madvise(mm, p, PAGE_SIZE, 0) == -EINVAL);
	CHECK(memcg_madvise(mm, p, PAGE_SIZE, 77) == -EINVAL);
	CHECK(memcg_pin(p + 3 * PAGE_SIZE, PAGE_SIZE + 1) == -EFAULT);
	CHECK(memcg_pin(&mm, 8) == -EFAULT && memcg_pin(p, SIZE_MAX) == -EFAULT);
	CHECK(memcg_pin(p, 0) == 0);
	CHECK(p[0] == 0 && p[3 * PAGE_SIZE] == 0);
	CHECK(!memcg_munmap(mm, p, 3 * PAGE_SIZE + 1)); /* rounded up */
	memcg_mm_destroy(mm);
	memcg_mm_destroy(NULL);
	closes();
}

/* --- sharing, advice ----------------------------------------------------------------- */

static void test_shared(void)
{
	struct memcg_mm *mm2;
	volatile char *p, *q;

	mm_set_up();
	mm2 = memcg_mm_create(other);
	p = memcg_mmap(mm, 8 * PAGE_SIZE, RW, MEMCG_MAP_SHARED, NULL, 0);
	p[PAGE_SIZE] = 3;
	q = memcg_mmap_same(mm2, (const char *)p + PAGE_SIZE, 4 * PAGE_SIZE, RW, 0);
	CHECK(q && q[0] == 3);
	q[PAGE_SIZE] = 4; /* the other's, who touched it first */
	CHECK(p[2 * PAGE_SIZE] == 4);
	CHECK(STAT(cg, shmem) == PAGE_SIZE && STAT(cg, file) == PAGE_SIZE && !STAT(cg, anon));
	CHECK(STAT(other, shmem) == PAGE_SIZE && STAT(cg, file_mapped) == PAGE_SIZE);
	memory_fits();
	CHECK(!memcg_munmap(mm, (void *)p, 8 * PAGE_SIZE));
	CHECK(STAT(cg, file_mapped) == PAGE_SIZE && STAT(other, file_mapped) == PAGE_SIZE);
	CHECK(!memcg_madvise(mm2, (void *)q, 4 * PAGE_SIZE, MEMCG_DONTNEED));
	CHECK(STAT(cg, file_mapped) == 0 && STAT(cg, file) == PAGE_SIZE);
	CHECK(q[0] == 3 && q[PAGE_SIZE] == 4);
	CHECK(!memcg_madvise(mm2, (void *)q, 4 * PAGE_SIZE, MEMCG_PAGEOUT));
	CHECK(STAT(cg, file) == 0 && STAT(other, file) == 0 && managed_resident() == 0);
	closes();
	CHECK(q[0] == 3 && q[PAGE_SIZE] == 4 && STAT(cg, shmem) == PAGE_SIZE);
	memory_fits();
	memcg_mm_destroy(mm);
	memcg_mm_destroy(mm2);
	CHECK(STAT(cg, file) == 0 && managed_resident() == 0);
	closes();
}

static void test_advice(void)
{
	struct memcg_stat s;
	char *p;

	mm_set_up();
	p = map_pages(16);
	CHECK(!memcg_madvise(mm, p, 16 * PAGE_SIZE, MEMCG_WILLNEED));
	CHECK(STAT(cg, anon) == 16 * PAGE_SIZE && STAT(cg, active_anon) == 16 * PAGE_SIZE);
	memset(p, 1, 16 * PAGE_SIZE);
	CHECK(!memcg_madvise(mm, p, 8 * PAGE_SIZE, MEMCG_COLD));
	CHECK(STAT(cg, inactive_anon) == 8 * PAGE_SIZE && STAT(cg, active_anon) == 8 * PAGE_SIZE);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(p[0] == 1);
	CHECK(STAT(cg, pgfault) == s.pgfault + 1 && STAT(cg, pgmajfault) == s.pgmajfault);
	CHECK(!memcg_madvise(mm, p, 4 * PAGE_SIZE, MEMCG_DONTNEED));
	CHECK(STAT(cg, anon) == 12 * PAGE_SIZE && p[0] == 0 && p[4 * PAGE_SIZE] == 1);
	memory_fits();
	mm_tear_down();
}

static void test_locked(void)
{
	char *p;

	mm_set_up();
	p = memcg_mmap(mm, 16 * PAGE_SIZE, RW, MEMCG_MAP_LOCKED, NULL, 0);
	memset(p, 1, 16 * PAGE_SIZE);
	CHECK(memcg_reclaim(cg, MIB) == -EAGAIN);
	CHECK(STAT(cg, anon) == 16 * PAGE_SIZE);
	CHECK(!memcg_munmap(mm, p, 8 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == 8 * PAGE_SIZE && managed_resident() == 8 * PAGE_SIZE);
	memcg_set_limit(cg, MEMCG_MAX, 8 * PAGE_SIZE + 64 * KIB);
	CHECK(!memcg_mmap(mm, 4 * MIB, RW, MEMCG_MAP_LOCKED, NULL, 0));
	CHECK(errno == ENOMEM && STAT(cg, anon) == 8 * PAGE_SIZE);
	memory_fits();
	mm_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_first_touch),	 FAULTS_TEST(test_destroy_unmaps),
		FAULTS_TEST(test_group_dies),	 FAULTS_TEST(test_holes),
		FAULTS_TEST(test_punch_fails),	 FAULTS_TEST(test_read_only),
		FAULTS_TEST(test_bad_arguments), FAULTS_TEST(test_shared),
		FAULTS_TEST(test_advice),	 FAULTS_TEST(test_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
