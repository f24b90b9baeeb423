/*
 * t_vm_reclaim.c - reclaim of managed pages: which groups give, in turn; on whose account it is
 * counted; what comes back, with its neighbours; and memory that no copy is in any more.
 */
#include "faults_fixture.h"
#include "zswap_fixture.h"

#include <memcg/event.h>
#include <memcg/mm.h>

#include "group/vm.h"
#include "reclaim/owed.h"
#include "reclaim/reclaimer.h"
#include "vm/reclaim.h"

#define RW	 (PROT_READ | PROT_WRITE)
#define CHILDREN 6u
#define N	 32u /* pages of each */

static struct memcg *child[CHILDREN];
static struct memcg_mm *mm[CHILDREN];
static char *range[CHILDREN];

static char *fill(struct memcg_mm *m, size_t pages, enum content kind)
{
	char *p = memcg_mmap(m, pages << PAGE_SHIFT, RW, 0, NULL, 0);

	CHECK(p);
	for (size_t i = 0; i < pages; i++)
		page_write(p + (i << PAGE_SHIFT), i + 1, kind);
	return p;
}

static struct memcg_stat stat_of(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s;
}

static void families_set_up(void)
{
	static const char *const name[CHILDREN] = {"0", "1", "2", "3", "4", "5"};

	set_up();
	for (unsigned i = 0; i < CHILDREN; i++) {
		CHECK((child[i] = memcg_create(cg, name[i])));
		CHECK((mm[i] = memcg_mm_create(child[i])));
		range[i] = fill(mm[i], N, CONTENT_SAME);
	}
}

static void families_end(void)
{
	for (unsigned i = 0; i < CHILDREN; i++)
		memcg_mm_destroy(mm[i]);
	CHECK(!held(cg));
	closes();
}

/* The first group that a walk of cg meets; the walk ends there. */
static struct memcg *first_met(void)
{
	struct memcg *first = managed_pages.next(cg, NULL);

	group_put(first);
	return first;
}

static void test_walks_go_on_behind(void)
{
	families_set_up();
	CHECK(first_met() == child[0]);
	managed_pages.rotate(cg, child[1]);
	CHECK(first_met() == child[2] && first_met() == child[0]); /* once */
	managed_pages.rotate(cg, child[CHILDREN - 1]);
	CHECK(first_met() == child[0]);
	managed_pages.rotate(cg, child[2]);
	CHECK(!memcg_destroy(child[2])); /* what it had is cg's own */
	CHECK(first_met() == cg);
	families_end();
}

/* A page is asked for each time: another group gives it each time, or what it left as stock does.
 */
static void test_each_gives_in_turn(void)
{
	families_set_up();
	for (unsigned i = 0; i < 4 * CHILDREN; i++)
		CHECK(!memcg_reclaim(cg, PAGE_SIZE));
	for (unsigned i = 0; i < CHILDREN; i++)
		CHECK(stat_of(child[i]).anon < N * PAGE_SIZE);
	families_end();
}

/* Groups without managed memory are not walked over for it. */
static void test_nothing_managed(void)
{
	set_up();
	CHECK(memcg_create(cg, "child") && !first_met());
	CHECK(memcg_reclaim(cg, PAGE_SIZE) == -EAGAIN);
	closes();
}

/* --- on whose account ------------------------------------------------------------------- */

/* Which of the three grew since the last look: bits 0 reclaimer, 1 charger, 2 program. */
static unsigned grown(struct memcg *g)
{
	static u64 last[3];
	struct memcg_stat s = stat_of(g);
	const u64 now[3] = {s.pgsteal_kswapd, s.pgsteal_direct, s.pgsteal_proactive};
	const u64 scan[3] = {s.pgscan_kswapd, s.pgscan_direct, s.pgscan_proactive};
	unsigned bits = 0;

	for (unsigned i = 0; i < 3; i++) {
		bits |= (unsigned)(now[i] > last[i]) << i;
		CHECK(scan[i] >= now[i]);
		last[i] = now[i];
	}
	CHECK(s.pgsteal == now[0] + now[1] + now[2]);
	return bits;
}

static void test_on_whose_account(void)
{
	set_up();
	CHECK((mm[0] = memcg_mm_create(cg)) && !grown(cg));
	fill(mm[0], 1024, CONTENT_SAME);
	CHECK(!memcg_reclaim(cg, 64 * PAGE_SIZE) && grown(cg) == 4);
	CHECK(memcg_write(cg, "memory.reclaim", "64K", 3) >= 0 && grown(cg) == 4);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, held(cg) - 64 * PAGE_SIZE) && grown(cg) == 2);
	fill(mm[0], 64, CONTENT_SAME);
	CHECK(grown(cg) == 2);
	counter_set_high(&cg->counter, held(cg) - 64 * PAGE_SIZE);
	CHECK(memcg_malloc(1) && memcg__self->owed & OWED_HIGH && grown(cg) == 0);
	memcg_throttle();
	CHECK(grown(cg) == 2);
	CHECK(!memcg_reclaimer_start());
	counter_set_high(&cg->counter, held(cg) - 64 * PAGE_SIZE);
	reclaimer_owe(cg, OWED_HIGH);
	CHECK(!memcg_reclaimer_stop() && grown(cg) == 1);
	memcg_mm_destroy(mm[0]);
	closes();
}

/* --- coming back ------------------------------------------------------------------------------ */

/* Neighbours that come from the file with a page had left as it had. */
static void test_ahead_is_a_refault(void)
{
	struct memcg_stat s;
	u64 came;

	set_up();
	CHECK((mm[0] = memcg_mm_create(cg)));
	range[0] = fill(mm[0], N, CONTENT_RANDOM);
	CHECK(!memcg_madvise(mm[0], range[0], N * PAGE_SIZE, MEMCG_PAGEOUT));
	s = stat_of(cg);
	CHECK(!s.anon && s.pswpout == N && !s.workingset_refault_anon);
	CHECK(page_is(range[0] + 8 * PAGE_SIZE, 9, CONTENT_RANDOM));
	s = stat_of(cg);
	came = s.anon / PAGE_SIZE;
	CHECK(came > 1 && s.swapcached == (came - 1) * PAGE_SIZE && s.pswpin == came);
	CHECK(s.workingset_refault_anon == came);
	CHECK(s.workingset_activate_anon <= came);
	for (unsigned i = 0; i < N; i++)
		CHECK(page_is(range[0] + i * PAGE_SIZE, i + 1, CONTENT_RANDOM));
	CHECK(stat_of(cg).workingset_refault_anon == N); /* each once */
	memcg_mm_destroy(mm[0]);
	closes();
}

/* --- memory of copies --------------------------------------------------------------------- */

/* Makes copies of a range, and lets them go. */
static void copies_come_and_go(void)
{
	CHECK((mm[0] = memcg_mm_create(cg)));
	range[0] = fill(mm[0], N, CONTENT_TEXT);
	CHECK(!memcg_madvise(mm[0], range[0], N * PAGE_SIZE, MEMCG_PAGEOUT));
	CHECK(stat_of(cg).zswapped == N * PAGE_SIZE);
	memcg_mm_destroy(mm[0]);
	CHECK(!stat_of(cg).zswapped);
}

/* Slabs that no copy is in are nobody's: the root has them back, no other group. */
static void test_the_root_has_slabs_back(void)
{
	set_up();
	copies_come_and_go();
	(void)memcg_reclaim(cg, 0);
	CHECK(trim() && !trim());
	copies_come_and_go();
	(void)memcg_reclaim(memcg_root(), 0);
	CHECK(!trim());
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_walks_go_on_behind), FAULTS_TEST(test_each_gives_in_turn),
		PAGE_TEST(test_nothing_managed),      FAULTS_TEST(test_on_whose_account),
		FAULTS_TEST(test_ahead_is_a_refault), FAULTS_TEST(test_the_root_has_slabs_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
