/* t_range.c - long blocks: whole chunks of addresses, exact accounts, reuse without faults. */
#include "page_fixture.h"

#define SLOTS	  24
#define MIB_PAGES (u32)(MIB >> PAGE_SHIFT)

static struct page *slot[SLOTS];

static u32 chunk_of(const struct page *pg)
{
	return page_to_index(pg) / CHUNK_PAGES;
}

/* ---- shape ---- */
static void heads_and_alignment(void)
{
	bring_up(0);
	for (u32 n = CHUNK_PAGES + 1; n < 5 * CHUNK_PAGES; n += 777) {
		struct page *pg = range_alloc(n);

		CHECK(pg->npages == n && !page_count(pg) && pg->kind == PAGE_NONE);
		CHECK(IS_ALIGNED((uintptr_t)page_address(pg), CHUNK_SIZE));
		for (u32 i = 0; i < n; i++)
			CHECK(page_head(page_to_index(pg) + i) == pg);
	}
	walk_all();
}

static void conservation_in_any_mix(void)
{
	u64 seed = 11;

	bring_up(0);
	for (unsigned i = 0; i < 6000; i++) {
		struct page **at = &slot[next_random(&seed) % SLOTS];

		if (*at) {
			range_free(*at);
			*at = NULL;
		} else {
			*at = range_alloc(CHUNK_PAGES + 1 + next_random(&seed) % 8000);
			CHECK(*at);
		}
		if (next_random(&seed) % 100 == 0)
			range_purge(0, next_random(&seed) % (64 * MIB));
		if (i % 300 == 0)
			walk_all();
	}
	for (int i = 0; i < SLOTS; i++)
		if (slot[i])
			range_free(slot[i]);
	page_purge_all();
	CHECK(!page_cached);
	/* All clean: adjacent ones are one run again. Blocks of the first chunk are the others. */
	CHECK(walk_all().free_blocks == 1 + MAX_ORDER);
}

static void zeroed_is_honest(void)
{
	unsigned fresh = 0;
	u64 seed = 12;

	bring_up(0);
	for (unsigned i = 0; i < 300; i++) {
		struct page **at = &slot[next_random(&seed) % 6];

		if (*at) {
			range_free(*at);
			*at = NULL;
			continue;
		}
		*at = range_alloc(CHUNK_PAGES + 1 + next_random(&seed) % 4000);
		if ((*at)->flags & PG_ZEROED) {
			CHECK(reads_zero(*at));
			fresh++;
		}
		touch(*at);
		if (i % 10 == 0)
			range_purge(0, 16 * MIB);
	}
	CHECK(fresh > 10);
}

/* ---- accounts ---- */
/* Only what was handed out can be resident: not the rest of the last chunk. */
static void only_pages_handed_out_count(void)
{
	struct page *pg;

	bring_up(0);
	pg = range_alloc(5 * MIB_PAGES);
	CHECK(!page_cached);
	range_free(pg);
	CHECK(page_cached == 5 * MIB);
	CHECK(range_alloc(5 * MIB_PAGES) == pg && !page_cached && !(pg->flags & PG_ZEROED));
}

/* A shorter range in place of a longer one: what it leaves of its last chunk is cached still. */
static void slack_is_counted(void)
{
	struct page *pg;

	bring_up(0);
	pg = range_alloc(8 * MIB_PAGES);
	touch(pg);
	range_free(pg);
	CHECK(range_alloc(5 * MIB_PAGES) == pg);
	CHECK(page_cached == 3 * MIB);
	walk_all();
	CHECK(range_purge(1, UINT64_MAX) == 0);
	sys_fault_arm(SYS_FAULT_PURGE, 1, 0, 0, 0);
	CHECK(page_purge_all() == 0 && page_cached == 3 * MIB);
	sys_fault_disarm_all();
	CHECK(page_purge_all() == 3 * MIB && !page_cached);
	((char *)page_address(pg))[5 * MIB - 1] = 1;
	range_free(pg);
	CHECK(page_cached == 5 * MIB);
	walk_all();
}

static void splits_and_merges(void)
{
	struct page *a, *b, *c;

	bring_up(0);
	a = range_alloc(3 * CHUNK_PAGES);
	b = range_alloc(3 * CHUNK_PAGES);
	c = range_alloc(3 * CHUNK_PAGES);
	CHECK(chunk_of(b) == chunk_of(a) + 3 && chunk_of(c) == chunk_of(b) + 3);
	range_free(a);
	range_free(c);
	range_purge(0, UINT64_MAX);
	range_free(b); /* dirty between two clean ones */
	CHECK(walk_all().free_blocks == 3 + MAX_ORDER);
	CHECK(range_alloc(2 * CHUNK_PAGES) == b); /* dirty first */
	CHECK(page_at(page_to_index(b) + 2 * CHUNK_PAGES)->kind == PAGE_RANGE);
	CHECK(range_alloc(2 * CHUNK_PAGES) == a); /* clean, lowest of the best */
	range_free(a);
	range_free(b);
	page_purge_all();
	CHECK(walk_all().free_blocks == 1 + MAX_ORDER);
}

static void the_best_fit_is_taken(void)
{
	struct page *big, *small, *between[2];

	bring_up(0);
	big = range_alloc(6 * CHUNK_PAGES);
	between[0] = range_alloc(2 * CHUNK_PAGES);
	small = range_alloc(3 * CHUNK_PAGES);
	between[1] = range_alloc(2 * CHUNK_PAGES);
	range_free(big);
	range_free(small);
	CHECK(range_alloc(3 * CHUNK_PAGES - 5) == small);
	CHECK(range_alloc(4 * CHUNK_PAGES) == big);
	range_free(between[0]);
	range_free(between[1]);
	walk_all();
}

/* ---- reuse ---- */
/* Blocks of 5 to 25 MiB come and go in any order: once the longest was there, no page faults again.
 */
static __unused_ void reuse_does_not_fault(void)
{
	u64 seed = 13, before;
	struct page *pg;

	bring_up(0);
	pg = range_alloc(25 * MIB_PAGES);
	touch(pg);
	range_free(pg);
	before = minor_faults();
	for (int i = 0; i < 100; i++) {
		pg = range_alloc((5 + next_random(&seed) % 21) * MIB_PAGES);
		touch(pg);
		range_free(pg);
		for (int t = 0; t < 64; t++)
			page_tick();
	}
	CHECK(minor_faults() - before < 50); /* 25 MiB are 6400 */
}

static __unused_ void several_sizes_settle(void)
{
	u64 seed = 14, before = 0;

	bring_up(0);
	for (int round = 0; round < 400; round++) {
		struct page **at = &slot[next_random(&seed) % 4];

		if (round == 200)
			before = minor_faults();
		if (*at)
			range_free(*at);
		*at = range_alloc((5 + next_random(&seed) % 21) * MIB_PAGES);
		touch(*at);
	}
	/* 200 blocks of 15 MiB on average are 768000 pages: nearly all are taken again. */
	CHECK(minor_faults() - before < 60000);
}

/* ---- the purge ---- */
static void purge_by_age(void)
{
	struct page *old, *between, *young;

	bring_up(0);
	old = range_alloc(6 * MIB_PAGES);
	between = range_alloc(6 * MIB_PAGES);
	young = range_alloc(6 * MIB_PAGES);
	touch(old);
	touch(young);
	range_free(old);
	age_by_an_hour(old);
	range_free(young);
	CHECK(range_purge(HOUR_MS, UINT64_MAX) == 6 * MIB);
	CHECK(page_cached == 6 * MIB && reads_zero(old));
	range_free(between);
	walk_all();
}

static void purge_calls_reach_as_far_as_they_can(void)
{
	struct page *pg;

	bring_up(0);
	pg = range_alloc(3 * CHUNK_PAGES + 7);
	touch(pg);
	range_free(pg);
	sys_fault_arm(SYS_FAULT_PURGE, 0, 0, 0, 0);
	CHECK(range_purge(0, UINT64_MAX) == (3 * CHUNK_PAGES + 7) * PAGE_SIZE);
	CHECK(sys_fault_seen(SYS_FAULT_PURGE) == 1);
}

/* A part refused stays dirty, and is known to be: the next block on it is not called zero. */
static void purge_refused_in_part(void)
{
	struct page *a, *b;

	bring_up(0);
	a = range_alloc(CHUNK_PAGES + 5);
	b = range_alloc(CHUNK_PAGES + 5);
	touch(a);
	touch(b);
	range_free(a);
	range_free(b); /* one run, two stretches */
	sys_fault_arm(SYS_FAULT_PURGE, 1, 0, 0, 0);
	CHECK(range_purge(0, UINT64_MAX) == (CHUNK_PAGES + 5) * PAGE_SIZE);
	sys_fault_disarm_all();
	CHECK(page_cached == (CHUNK_PAGES + 5) * PAGE_SIZE && page_purge_failed == 1);
	walk_all();
	CHECK(range_alloc(CHUNK_PAGES + 5) == a && !(a->flags & PG_ZEROED));
	CHECK(range_alloc(CHUNK_PAGES + 5) == b && b->flags & PG_ZEROED && reads_zero(b));
	walk_all();
}

/* ---- the end of the region ---- */
static void the_region_is_full(void)
{
	struct page *a, *b;

	bring_up(64 * MIB); /* 16 chunks, the first of them the blocks' */
	CHECK(!range_alloc(16 * CHUNK_PAGES));
	a = range_alloc(8 * CHUNK_PAGES);
	b = range_alloc(7 * CHUNK_PAGES);
	CHECK(a && b && !range_alloc(CHUNK_PAGES + 1));
	touch(a);
	range_free(a);
	range_purge(0, UINT64_MAX);
	touch(b);
	range_free(b);
	/* Half clean and half dirty: purged, so that they are one. */
	CHECK((a = range_alloc(15 * CHUNK_PAGES)) && a->flags & PG_ZEROED);
	range_free(a);
	walk_all();
}

/* Blocks get chunks of free ranges rather than none. */
static void chunks_are_lent(void)
{
	struct page *pg, *block[16];
	unsigned n = 0;

	bring_up(64 * MIB);
	pg = range_alloc(14 * CHUNK_PAGES + 9);
	touch(pg);
	range_free(pg);
	while (n < ARRAY_SIZE(block) && (block[n] = block_alloc(MAX_ORDER)))
		n++;
	CHECK(n == 15 && !range_lend_chunk());
	CHECK(walk_all().handed_out == 15 * CHUNK_PAGES + 1 && !page_cached);
	while (n)
		block_free(block[--n]);
	CHECK(walk_all().handed_out == 1);
}

static void opening_is_refused(void)
{
	bring_up(0);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	CHECK(!range_alloc(40 * CHUNK_PAGES));
	sys_fault_disarm_all();
	CHECK(range_alloc(40 * CHUNK_PAGES));
	walk_all();
}

static void misuse_ends_the_process(void)
{
	struct page *pg;

	bring_up(0);
	EXPECT_BUG(range_alloc(CHUNK_PAGES), "range_alloc");
	pg = range_alloc(CHUNK_PAGES + 1);
	pg->kind = PAGE_LARGE;
	EXPECT_BUG(range_free(pg), "range_free");
}

static void *churn(void *arg)
{
	u64 seed = (uintptr_t)arg;

	for (int i = 0; i < 3000; i++) {
		struct page *pg = range_alloc(CHUNK_PAGES + 1 + next_random(&seed) % 6000);

		CHECK(pg);
		*(u64 *)page_address(pg) = seed;
		page_tick();
		if (i % 500 == 499)
			page_purge_all();
		CHECK(*(u64 *)page_address(pg) == seed);
		range_free(pg);
	}
	return NULL;
}

static void four_threads(void)
{
	four_churn(churn);
	CHECK(!page_cached && walk_all().free_blocks == 1 + MAX_ORDER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(heads_and_alignment),
		PAGE_TEST(conservation_in_any_mix),
		PAGE_TEST(zeroed_is_honest),
		PAGE_TEST(only_pages_handed_out_count),
		PAGE_TEST(slack_is_counted),
		PAGE_TEST(splits_and_merges),
		PAGE_TEST(the_best_fit_is_taken),
#ifndef MEMCG_TSAN /* whose shadow faults too */
		PAGE_TEST(reuse_does_not_fault),
		PAGE_TEST(several_sizes_settle),
#endif
		PAGE_TEST(purge_by_age),
		PAGE_TEST(purge_calls_reach_as_far_as_they_can),
		PAGE_TEST(purge_refused_in_part),
		PAGE_TEST(the_region_is_full),
		PAGE_TEST(chunks_are_lent),
		PAGE_TEST(opening_is_refused),
		PAGE_TEST(misuse_ends_the_process),
		PAGE_TEST(four_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
