/*
 * t_mapped.c - what a group has mapped is counted a run of pages at a time, each page at its owner:
 * also where pages of two groups follow one another, and whichever way they are mapped and
 * unmapped.
 */
#include "mm_fixture.h"

#define HALF ((size_t)4)
#define ALL  (2 * HALF)

static struct memcg_mm *second;
static char *at, *same;

static void is_mapped(size_t mine, size_t others)
{
	CHECK(STAT(cg, file_mapped) == mine << PAGE_SHIFT);
	CHECK(STAT(other, file_mapped) == others << PAGE_SHIFT);
	closes();
}

static void advise(struct memcg_mm *of, char *p, size_t n, unsigned advice)
{
	CHECK(!memcg_madvise(of, p, n << PAGE_SHIFT, advice));
}

/* The first half of the pages is ours, the second the other group's; nothing of it is mapped. */
static void shared(void)
{
	mm_set_up();
	second = memcg_mm_create(other);
	at = memcg_mmap(mm, ALL << PAGE_SHIFT, RW, MEMCG_MAP_SHARED, NULL, 0);
	same = memcg_mmap_same(second, at, ALL << PAGE_SHIFT, RW, 0);
	CHECK(at && same);
	advise(mm, at, HALF, MEMCG_WILLNEED);
	is_mapped(HALF, 0);
	advise(second, same + (HALF << PAGE_SHIFT), HALF, MEMCG_WILLNEED);
	is_mapped(HALF, HALF);
	advise(mm, at, ALL, MEMCG_DONTNEED);
	is_mapped(0, HALF);
	advise(second, same, ALL, MEMCG_DONTNEED);
	is_mapped(0, 0);
}

static void end_shared(void)
{
	memcg_mm_destroy(second);
	memcg_mm_destroy(mm);
	is_mapped(0, 0);
}

static void test_by_range(void **state)
{
	(void)state;
	shared();
	advise(mm, at, ALL, MEMCG_WILLNEED);
	is_mapped(HALF, HALF);
	advise(second, same, ALL, MEMCG_WILLNEED); /* mapped twice, counted once */
	is_mapped(HALF, HALF);
	advise(mm, at, ALL, MEMCG_DONTNEED);
	is_mapped(HALF, HALF);
	advise(second, same, ALL, MEMCG_DONTNEED);
	is_mapped(0, 0);
	end_shared();
}

static void test_by_one_fault(void **state)
{
	(void)state;
	shared();
	CHECK(same[0] == 0); /* with its neighbours */
	is_mapped(HALF, HALF);
	advise(second, same, ALL, MEMCG_PAGEOUT);
	is_mapped(0, 0);
	end_shared();
}

static void test_unmapped_for_good(void **state)
{
	(void)state;
	shared();
	advise(mm, at, ALL, MEMCG_WILLNEED);
	advise(second, same, ALL, MEMCG_WILLNEED);
	CHECK(!memcg_munmap(mm, at, ALL << PAGE_SHIFT));
	is_mapped(HALF, HALF);
	CHECK(!memcg_munmap(second, same, ALL << PAGE_SHIFT));
	is_mapped(0, 0);
	end_shared();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_by_range),
		FAULTS_TEST(test_by_one_fault),
		FAULTS_TEST(test_unmapped_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
