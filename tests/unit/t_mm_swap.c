/* t_mm_swap.c - managed pages that leave memory: as a word, a copy or a slot, and come back. */
#include "mm_fixture.h"

static void test_same_filled_leave(void)
{
	struct memcg_stat s;
	char *p;

	mm_set_up();
	p = map_pages(4 * MIB >> PAGE_SHIFT);
	memset(p, 5, 4 * MIB);
	CHECK(memcg_reclaim(cg, 2 * MIB) == 0);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.anon < 2 * MIB + MIB / 2 && s.pgsteal >= 384);
	CHECK(managed_resident() == s.anon);
	closes();
	for (size_t i = 0; i < 4 * MIB; i++)
		CHECK(p[i] == 5);
	CHECK(STAT(cg, anon) == 4 * MIB && STAT(cg, pgmajfault) >= 384);
	memory_fits();
	page_out(p, 4 * MIB >> PAGE_SHIFT);
	CHECK(STAT(cg, anon) == 0 && managed_resident() == 0);
	closes();
	mm_tear_down();
}

static u64 rss_kib(void)
{
	char line[256];
	u64 kib = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Rss:", 4))
			kib = strtoull(line + 4, NULL, 10);
	fclose(f);
	return kib;
}

/*
 * The process has less, by what the counters say: a page in a window and in the alias counts twice
 * in Rss, so it falls by that at least, and by twice that at most. The bound is for the rest of the
 * process, which goes on meanwhile.
 */
static void test_the_system_has_it_back(void)
{
	const u64 size = 32 * MIB, bound = MIB;
	u64 before, after;
	char *p;

	mm_set_up();
	p = map_pages(size >> PAGE_SHIFT);
	memset(p, 5, size);
	before = rss_kib() * KIB;
	page_out(p, size >> PAGE_SHIFT);
	CHECK(STAT(cg, anon) == 0 && managed_resident() == 0);
	after = rss_kib() * KIB;
	/* Of a tool's shadow memory nothing comes back. */
	CHECK(FAULTS_UNTRUE ||
	      (before - after >= size - bound && before - after <= 2 * size + bound));
	mm_tear_down();
}

static void test_over_max(void)
{
	char *p;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * MIB));
	p = map_pages(8 * MIB >> PAGE_SHIFT);
	for (size_t i = 0; i < 8 * MIB; i += PAGE_SIZE) {
		memset(p + i, (int)(i >> PAGE_SHIFT), PAGE_SIZE);
		CHECK(memcg_current(cg) <= 2 * MIB);
	}
	closes();
	for (size_t i = 0; i < 8 * MIB; i += PAGE_SIZE)
		CHECK(p[i] == (char)(i >> PAGE_SHIFT) && p[i + PAGE_SIZE - 1] == p[i]);
	closes();
	mm_tear_down();
}

static void test_copies_of_every_kind(void)
{
	const size_t n = 1024;
	struct memcg_stat s;
	char *p;

	mm_set_up();
	p = paged_out(n);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.anon == 0 && managed_resident() == 0);
	CHECK(s.zswapped == n / 2 << PAGE_SHIFT && s.zswap > 0 && s.zswap < s.zswapped);
	CHECK(s.zswpout == n / 2 && s.pswpout == n / 2);
	closes();
	check_pages(p, 3, n);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.anon == n << PAGE_SHIFT && s.zswap == 0 && s.zswapped == 0);
	CHECK(s.zswpin == n / 2 && s.pswpin == n / 2 && s.pgmajfault == n);
	memory_fits();
	page_out(p, n);
	mm_tear_down(); /* copies go with the range */
}

static void test_working_on_twice_the_limit(void)
{
	const size_t n = 4 * MIB >> PAGE_SHIFT;
	u64 seed = 5;
	u8 round[4 * MIB >> PAGE_SHIFT] = {0};
	char *p;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * MIB));
	p = map_pages(n);
	write_pages(p, 0, n);
	for (size_t k = 0; k < 4 * n; k++) {
		size_t i = next_random(&seed) % n;

		check_page(p, round[i], i);
		write_page(p, ++round[i], i);
		CHECK(memcg_current(cg) <= 2 * MIB);
	}
	closes();
	mm_tear_down();
}

static void test_read_ahead(void)
{
	const size_t n = 64;
	char *p;

	mm_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", "0", 1));
	p = paged_out(n);
	CHECK(STAT(cg, pswpout) == n && STAT(cg, zswapped) == 0 && STAT(cg, anon) == 0);
	CHECK(number_in(cg, "memory.swap.current", NULL) == n << PAGE_SHIFT);
	check_page(p, 3, 20);
	CHECK(STAT(cg, anon) == 8 * PAGE_SIZE && STAT(cg, swapcached) == 7 * PAGE_SIZE);
	CHECK(STAT(cg, pgmajfault) == 1 && STAT(cg, pswpin) == 8);
	CHECK(number_in(cg, "memory.swap.current", NULL) == (n - 1) << PAGE_SHIFT);
	memory_fits();
	check_page(p, 3, 21); /* is there already; its neighbours are mapped with it */
	CHECK(STAT(cg, pgmajfault) == 1 && STAT(cg, swapcached) < 7 * PAGE_SIZE);
	memory_fits();
	page_out(p, n);
	CHECK(STAT(cg, anon) == 0 && STAT(cg, swapcached) == 0 && managed_resident() == 0);
	closes();
	for (size_t i = n; i--;)
		check_page(p, 3, i);
	memory_fits();
	CHECK(number_in(cg, "memory.swap.peak", NULL) == n << PAGE_SHIFT);
	page_out(p, n);
	check_page(p, 3, 20);
	memcg_mm_destroy(mm); /* with neighbours in the cache */
	CHECK(number_in(cg, "memory.swap.current", NULL) == 0);
	closes();
}

static void test_oldest_copies_are_written(void)
{
	const size_t n = 2048; /* half of them compress */
	struct memcg_stat s;
	char *p;

	mm_set_up();
	p = paged_out(n);
	CHECK(STAT(cg, zswapped) == n / 2 << PAGE_SHIFT && STAT(cg, zswpwb) == 0);
	CHECK(!memcg_reclaim(cg, STAT(cg, zswap) / 2));
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.zswpwb > n / 8);
	CHECK(s.zswapped == (n / 2 - s.zswpwb) << PAGE_SHIFT);
	closes();
	check_pages(p, 3, n);
	mm_tear_down();
}

/* --- what may leave ------------------------------------------------------------------ */

/* At memory.zswap.max the oldest copies make room for the newest, as long as they may. */
static void test_zswap_max(void)
{
	const size_t n = 2048; /* every other one compresses */
	const u64 max = 16 * PAGE_SIZE;
	struct memcg_stat s;
	char *p, *q;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_ZSWAP_MAX, max));
	p = paged_out(n);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.anon == 0 && s.zswap <= max && s.zswpout > n / 4);
	CHECK(s.zswpwb > n / 8 && s.zswapped == (s.zswpout - s.zswpwb) << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.zswap.current", NULL) == s.zswap);
	memory_fits();
	/* What may be written no longer stays, as do copies made when it might. */
	CHECK(!memcg_write(cg, "memory.zswap.writeback", "0", 1));
	q = map_pages(MIB >> PAGE_SHIFT);
	write_pages(q, 4, MIB >> PAGE_SHIFT);
	page_out(q, MIB >> PAGE_SHIFT);
	CHECK(STAT(cg, anon) > MIB / 2 && memcg_reclaim(cg, MIB) == -EAGAIN);
	CHECK(STAT(cg, zswpwb) == s.zswpwb && STAT(cg, zswap) <= max);
	memory_fits();
	check_pages(p, 3, n);
	check_pages(q, 4, MIB >> PAGE_SHIFT);
	memory_fits();
	mm_tear_down();
}

static void test_no_writeback(void)
{
	const size_t n = 256;

	mm_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.writeback", "0", 1));
	(void)paged_out(n);
	CHECK(STAT(cg, anon) == n / 2 << PAGE_SHIFT && STAT(cg, pswpout) == 0);
	CHECK(number_in(cg, "memory.swap.events", "fail ") == n / 2);
	memory_fits();
	CHECK(memcg_reclaim(cg, MIB) == -EAGAIN && STAT(cg, zswpwb) == 0);
	mm_tear_down();
}

static void test_swap_max(void)
{
	const size_t n = 256;
	char *p;

	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, n / 4 << PAGE_SHIFT));
	p = map_pages(n);
	memset(p, 1, n << PAGE_SHIFT);
	page_out(p, n);
	CHECK(STAT(cg, anon) == 3 * n / 4 << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.swap.current", NULL) == n / 4 << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.swap.events", "max ") == 3 * n / 4);
	CHECK(number_in(memcg_root(), "memory.swap.events", "max ") == 3 * n / 4);
	memory_fits();
	memset(p, 2, n << PAGE_SHIFT);
	CHECK(STAT(cg, anon) == n << PAGE_SHIFT);
	mm_tear_down();
}

/*
 * Nothing may be swapped out: what is refused is one oom, though the reserve was used up first, and
 * nobody's pages were taken out of their windows for it.
 */
static void test_no_swap(void)
{
	const size_t n = 512;
	struct memcg_stat s;
	size_t in = 0;
	char *p;

	catch (SIGBUS);
	mm_set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, n / 2 << PAGE_SHIFT));
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, 0));
	p = map_pages(n);
	while (in < n && !touch_is(p + (in << PAGE_SHIFT)))
		in++;
	CHECK(in > n / 2 - 16 && in < n / 2 + 32);
	CHECK(number_in(cg, "memory.events", "oom ") == 1);
	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	CHECK(s.charge_reserve > 8 && s.pgrefill == 0 && s.pgfault == in);
	CHECK(touch_is(p + (in << PAGE_SHIFT)) == SIGBUS);
	CHECK(number_in(cg, "memory.events", "oom ") == 2);
	/* What swap has room for goes. */
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, n << PAGE_SHIFT));
	CHECK(!touch_is(p + (in << PAGE_SHIFT)));
	memory_fits();
	mm_tear_down();
}

/* --- a disk that is full or fails ---------------------------------------------------- */

/* The disk is full, then fails: what was to go stays, and is counted. */
static void test_disk_refuses(void)
{
	const size_t n = 64;
	char *p;

	mm_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", "0", 1));
	p = map_pages(n);
	write_pages(p, 3, n);
	page_out(p, 1); /* there is a file */
	check_page(p, 3, 0);
	sys_fault_arm(SYS_FAULT_PWRITEV, 0, 1, 0, 0);
	page_out(p, n);
	CHECK(STAT(cg, anon) == n << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.swap.events", "fail ") == n);
	memory_fits();
	sys_fault_disarm_all();
	page_out(p, n);
	CHECK(STAT(cg, anon) == 0);
	check_pages(p, 3, n);
	mm_tear_down();
}

/* What cannot be read is the program's SIGBUS, and there again when it can. */
static void test_disk_fails_on_the_way_in(void)
{
	char *p;

	catch (SIGBUS);
	mm_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", "0", 1));
	p = map_pages(1);
	write_page(p, 3, 0);
	page_out(p, 1);
	sys_fault_arm(SYS_FAULT_PREADV, 0, 1, 0, 0);
	CHECK(touch_is(p) == SIGBUS);
	CHECK(memcg_pin(p, 1) == -EIO);
	CHECK(managed_resident() == 0);
	closes();
	sys_fault_disarm_all();
	check_page(p, 3, 0);
	mm_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_same_filled_leave),
		FAULTS_TEST(test_the_system_has_it_back),
		FAULTS_TEST(test_over_max),
		FAULTS_TEST(test_copies_of_every_kind),
		FAULTS_TEST(test_working_on_twice_the_limit),
		FAULTS_TEST(test_read_ahead),
		FAULTS_TEST(test_oldest_copies_are_written),
		FAULTS_TEST(test_zswap_max),
		FAULTS_TEST(test_no_writeback),
		FAULTS_TEST(test_swap_max),
		FAULTS_TEST(test_no_swap),
		FAULTS_TEST(test_disk_refuses),
		FAULTS_TEST(test_disk_fails_on_the_way_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
