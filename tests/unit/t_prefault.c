/*
 * t_prefault.c - ranges that come in by runs: as much at once as fits, and what that counts as.
 */
#include "mm_fixture.h"

#include "vm/fault.h"

#define N 2048u

static u64 ooms(void)
{
	return number_in(cg, "memory.events", "oom ");
}

static char *prefaulted(size_t n, unsigned flags)
{
	return memcg_mmap(mm, n << PAGE_SHIFT, RW, flags | MEMCG_MAP_PREFAULT, NULL, 0);
}

/* Far more than fits comes in, each page reclaimed for as if it had been touched: no oom. */
static void test_past_the_max(void)
{
	char *p;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 256 * KIB));
	p = prefaulted(N, 0);
	CHECK(p && !ooms());
	CHECK(STAT(cg, anon) <= 256 * KIB && STAT(cg, swpout_zero) >= N - 64);
	CHECK(!memcg_madvise(mm, p, (size_t)N << PAGE_SHIFT, MEMCG_WILLNEED) && !ooms());
	memory_fits();
	mm_tear_down();
}

/* What does not come in is one oom, and one refusal. */
static void test_refused_once(void)
{
	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, 0));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 256 * KIB));
	CHECK(!prefaulted(N, 0) && errno == ENOMEM);
	CHECK(ooms() == 1 && STAT(cg, charge_refused) == 1);
	memory_fits();
	mm_tear_down();
}

/* Each page of a run is one fault, unless it is mapped already. */
static void test_faults_of_a_run(void)
{
	char *p;

	mm_set_up();
	p = prefaulted(300, 0);
	CHECK(p && STAT(cg, pgfault) == 300 && STAT(cg, pgmajfault) == 0);
	CHECK(!memcg_pin(p, 300 << PAGE_SHIFT) && STAT(cg, pgfault) == 300);
	CHECK(!memcg_pin(p + PAGE_SIZE, 1) && STAT(cg, pgfault) == 300);
	memcg_unpin(p + PAGE_SIZE, 1);
	memcg_unpin(p, 300 << PAGE_SHIFT);
	page_out(p, 8); /* they come back one by one */
	CHECK(!memcg_madvise(mm, p, 8 << PAGE_SHIFT, MEMCG_WILLNEED));
	CHECK(STAT(cg, pgfault) == 308 && STAT(cg, pgmajfault) == 8);
	mm_tear_down();
}

/* A page's payer has nothing to do with who faults on it later: alone or by a run. */
static void test_faults_are_the_mms(void)
{
	struct memcg_mm *second;
	volatile char *p, *q;

	mm_set_up();
	CHECK((second = memcg_mm_create(other)));
	p = memcg_mmap(mm, 200 << PAGE_SHIFT, RW, MEMCG_MAP_SHARED, NULL, 0);
	q = memcg_mmap_same(second, (void *)p, 200 << PAGE_SHIFT, RW, 0);
	CHECK(p && q);
	write_pages((char *)p, 3, 200);
	CHECK(STAT(cg, pgfault) == 200);
	q[0] = 1;
	CHECK(STAT(other, pgfault) == 1 && STAT(cg, pgfault) == 200);
	CHECK(!memcg_madvise(second, (char *)q + (100 << PAGE_SHIFT), 100 << PAGE_SHIFT,
			     MEMCG_WILLNEED));
	CHECK(STAT(other, pgfault) == 101 && STAT(cg, pgfault) == 200);
	page_out((char *)p, 16);
	check_page((char *)q, 3, 4);
	CHECK(STAT(other, pgfault) == 102 && STAT(other, pgmajfault) == 1);
	CHECK(STAT(cg, pgfault) == 200 && STAT(cg, pgmajfault) == 0 && !STAT(other, file));
	memcg_mm_destroy(second);
	mm_tear_down();
}

#ifdef MEMCG_DEBUG
static unsigned begun;

static void count_begun(void)
{
	begun++;
}

/* A run that does not fit comes in by halves; page by page only what is reclaimed for. */
static void test_by_halves(void)
{
	const size_t fit = 256;
	char *p;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, 0));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, fit << PAGE_SHIFT));
	p = map_pages(2 * fit);
	hook_fault_begun = count_begun;
	CHECK(memcg_madvise(mm, p, 2 * fit << PAGE_SHIFT, MEMCG_WILLNEED) == -ENOMEM);
	hook_fault_begun = NULL;
	CHECK(STAT(cg, anon) >= (fit - 1) << PAGE_SHIFT && begun < fit / 2);
	mm_tear_down();
}
#else
static void test_by_halves(void)
{
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_past_the_max),	   FAULTS_TEST(test_refused_once),
		FAULTS_TEST(test_faults_of_a_run), FAULTS_TEST(test_faults_are_the_mms),
		FAULTS_TEST(test_by_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
