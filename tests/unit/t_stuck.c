/*
 * t_stuck.c - a group none of whose pages can go: its faults are refused soon and not after a
 * search each, and what makes room ends that at once.
 */
#include "faults_fixture.h"
#include "swap_fixture.h"

#include <setjmp.h>
#include <signal.h>

#include <memcg/mm.h>

#include "group/stuck.h"
#include "group/vm.h"
#include "sys/clock.h"
#include "vm/reclaim.h"
#include "group/record.h"

#define RW (PROT_READ | PROT_WRITE)
#define N  512u /* pages that fit under the max, more or less */

static struct memcg_mm *mm;
static char *range;
static sigjmp_buf back;

static void on_sigbus(int sig)
{
	siglongjmp(back, sig);
}

/* A group of N pages at most, and a swap file of so many bytes. */
static void stuck_set_up(const char *swap_size)
{
	signal(SIGBUS, on_sigbus);
	CHECK(!setenv("MEMCG_SWAP_SIZE", swap_size, 1));
	set_up();
	CHECK((mm = memcg_mm_create(cg)));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, (u64)N << PAGE_SHIFT));
	CHECK((range = memcg_mmap(mm, 4ul * N << PAGE_SHIFT, RW, 0, NULL, 0)));
}

static void stuck_end(void)
{
	memcg_mm_destroy(mm);
	CHECK(!held(cg));
	closes();
}

static bool put(u64 i, enum content kind)
{
	char page[PAGE_SIZE];

	page_write(page, i + 1, kind);
	if (sigsetjmp(back, 1))
		return false;
	memcpy(range + (i << PAGE_SHIFT), page, PAGE_SIZE);
	return true;
}

/* Pages of one kind until one is refused, from `from` on: which. */
static u64 fill(u64 from, enum content kind)
{
	while (from < 4ul * N && put(from, kind))
		from++;
	return from;
}

static struct memcg_stat stat_now(void)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(cg, &s, sizeof(s)));
	return s;
}

/* Stuck but for the clock, which goes on while a busy machine has others run. */
static bool is_stuck(void)
{
	cg->vm->stuck.until = UINT64_MAX;
	return group_is_stuck(cg);
}

static u64 events(enum group_event e)
{
	return atomic_load(&group_record(cg)->events[e]);
}

/* Neither compressed nor to a file: nothing is tried, and the reserve is used up first. */
static void test_no_room_at_all(void)
{
	struct memcg_stat s;

	stuck_set_up("4096");
	CHECK(!memcg_set_limit(cg, MEMCG_ZSWAP_MAX, 0));
	CHECK(fill(0, CONTENT_TEXT) < 2 * N);
	s = stat_now();
	CHECK(s.charge_reserve > 8 && s.charge_refused == 1);
	CHECK(!s.pgscan && !s.pgrefill);
	CHECK(events(EV_OOM) == 1 && events(EV_MAX) >= s.charge_reserve + 1);
	/* Room comes. */
	CHECK(!memcg_set_limit(cg, MEMCG_ZSWAP_MAX, MEMCG_UNLIMITED));
	CHECK(put(3 * N, CONTENT_TEXT) && stat_now().charge_refused == 1);
	stuck_end();
}

/* What does not compress is seen by trying: a few times for the whole reserve. */
static void test_nothing_compresses(void)
{
	struct memcg_stat s;
	u64 in;

	stuck_set_up("4096");
	in = fill(0, CONTENT_RANDOM);
	CHECK(in < 2 * N && is_stuck());
	s = stat_now();
	CHECK(s.charge_reserve > 8 && s.charge_refused == 1 && events(EV_OOM) == 1);
	CHECK(s.pgscan >= N / 2 && s.pgscan < 100 * in);
	CHECK(put(in, CONTENT_RANDOM) == false && events(EV_OOM) == 2);
	stuck_end();
}

/* One in N compresses: it is found before the reserve is used up, each time. */
static void test_few_compress(void)
{
	stuck_set_up("4096");
	for (u64 i = 0; i < N; i++)
		CHECK(put(i, CONTENT_RANDOM));
	for (u64 i = N; i < N + 64; i++)
		CHECK(put(i, CONTENT_SAME));
	CHECK(!stat_now().charge_refused);
	for (u64 i = 0; i < N + 64; i++)
		CHECK(page_is(range + (i << PAGE_SHIFT), i + 1,
			      i < N ? CONTENT_RANDOM : CONTENT_SAME));
	stuck_end();
}

/* New pages of the group are a reason to look again, where they are one in 256. */
static void test_new_pages_end_it(void)
{
	u64 in;

	stuck_set_up("4096");
	for (in = 0; !is_stuck(); in++)
		CHECK(put(in, CONTENT_RANDOM));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED)); /* ends it as well */
	CHECK(!is_stuck() && managed_pages.scan(cg, PAGE_SIZE, RECLAIM_OWN) == 0);
	CHECK(is_stuck() && managed_pages.count(cg, RECLAIM_OWN) == 0);
	for (unsigned i = 0; i < N / 256 + 1 && is_stuck(); i++)
		CHECK(put(in++, CONTENT_RANDOM));
	CHECK(stuck_epoch & 1 && !is_stuck());
	stuck_end();
}

/* Pinned pages cannot go, and unpinning tells. */
static void test_unpinned(void)
{
	u64 before;

	stuck_set_up("4096");
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	CHECK(!memcg_pin(range, (u64)N << PAGE_SHIFT));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, held(cg)));
	CHECK(put(N, CONTENT_TEXT) && is_stuck());
	before = stat_now().charge_reserve;
	CHECK(before);
	memcg_unpin(range, (u64)N << PAGE_SHIFT);
	CHECK(!is_stuck() && put(N + 1, CONTENT_TEXT));
	CHECK(stat_now().charge_reserve == before);
	stuck_end();
}

/* A slot of the file comes free: somebody's page may have it. */
static void test_slot_comes_free(void)
{
	stuck_set_up("69632"); /* the header, and 16 pages */
	CHECK(fill(0, CONTENT_RANDOM) < 2 * N && is_stuck());
	CHECK(counter_read(&cg->vm->swap) == 16 * PAGE_SIZE);
	for (u64 i = 0; i < N && counter_read(&cg->vm->swap) == 16 * PAGE_SIZE; i++)
		CHECK(!memcg_madvise(mm, range + (i << PAGE_SHIFT), PAGE_SIZE, MEMCG_DONTNEED));
	CHECK(!is_stuck());
	stuck_end();
}

/* What was used meanwhile was not tried: the next look may find it unused. */
static void test_used_are_not_stuck(void)
{
	stuck_set_up("4096");
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	for (u64 i = 0; i < N; i++)
		CHECK(put(i, CONTENT_RANDOM));
	CHECK(!memcg_madvise(mm, range, (u64)N << PAGE_SHIFT, MEMCG_COLD));
	for (u64 i = 0; i < N; i++)
		CHECK(page_is(range + (i << PAGE_SHIFT), i + 1, CONTENT_RANDOM));
	CHECK(!managed_pages.scan(cg, PAGE_SIZE, RECLAIM_OWN) && !is_stuck());
	stuck_end();
}

/* What nobody tells of is tried again before long; and what the program asks for, at once. */
static void test_ends_by_itself(void)
{
	stuck_set_up("4096");
	CHECK(fill(0, CONTENT_RANDOM) < 2 * N && cg->vm->stuck.epoch == stuck_epoch);
	CHECK(cg->vm->stuck.until <= sys_clock_coarse_ns() + STUCK_MOST);
	while (group_is_stuck(cg))
		sys_sleep_ns(1000 * 1000);
	CHECK(managed_pages.count(cg, RECLAIM_OWN) > 0);
	CHECK(!managed_pages.scan(cg, PAGE_SIZE, RECLAIM_OWN) && is_stuck());
	CHECK(memcg_reclaim(cg, PAGE_SIZE) == -EAGAIN);
	CHECK(cg->vm->stuck.until != UINT64_MAX); /* tried, and told anew */
	stuck_end();
}

/* Room that came while pages were tried is not missed. */
static void test_room_meanwhile(void)
{
	u32 epoch;

	stuck_set_up("4096");
	for (u64 i = 0; i < 8; i++)
		CHECK(put(i, CONTENT_TEXT));
	epoch = stuck_begin();
	stuck_over();
	stuck_found(cg, epoch);
	CHECK(!is_stuck());
	epoch = stuck_begin();
	stuck_found(cg, epoch);
	CHECK(is_stuck() && stuck_begin() == epoch);
	stuck_over();
	CHECK(!is_stuck());
	stuck_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_no_room_at_all),     FAULTS_TEST(test_nothing_compresses),
		FAULTS_TEST(test_few_compress),	      FAULTS_TEST(test_new_pages_end_it),
		FAULTS_TEST(test_unpinned),	      FAULTS_TEST(test_slot_comes_free),
		FAULTS_TEST(test_used_are_not_stuck), FAULTS_TEST(test_ends_by_itself),
		FAULTS_TEST(test_room_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
