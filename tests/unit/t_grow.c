/* t_grow.c - blocks and ranges that get longer where they are: what they take was free, and counts.
 */
#include "page_fixture.h"

#define SLOTS 24

static struct page *slot[SLOTS];

static u64 *word_of(const struct page *pg, u32 i)
{
	return (u64 *)((char *)page_address(pg) + ((size_t)i << PAGE_SHIFT));
}

/* Each page bears its holder's number: a page handed out twice has a wrong one. */
static void sign(struct page *pg, u32 from, u64 who)
{
	for (u32 i = from; i < pg->npages; i++)
		*word_of(pg, i) = who;
}

static void check_signs(const struct page *pg, u64 who)
{
	for (u32 i = 0; i < pg->npages; i++)
		CHECK(*word_of(pg, i) == who);
}

static struct page *take(u32 npages)
{
	struct page *pg = npages > CHUNK_PAGES ? range_alloc(npages) : block_alloc(log2_up(npages));

	CHECK(pg);
	if (npages <= CHUNK_PAGES)
		block_trim(pg, npages);
	return pg;
}

static void give(struct page *pg)
{
	if (pg->npages > CHUNK_PAGES)
		range_free(pg);
	else
		block_free(pg);
}

static bool grow(struct page *pg, u32 npages)
{
	return pg->npages > CHUNK_PAGES ? range_grow(pg, npages) : block_grow(pg, npages);
}

/* True: it grew. */
static bool try_grow(struct page *pg, u32 more, u64 who)
{
	u32 had = pg->npages;

	if (!grow(pg, had + more)) {
		CHECK(pg->npages == had);
		return false;
	}
	CHECK(pg->npages == had + more);
	sign(pg, had, who);
	return true;
}

static void turn(struct page **at, u64 *seed, u32 base, u32 most, unsigned *grown)
{
	u64 who = (u64)(at - slot) + 1;
	u32 r = next_random(seed);

	if (!*at) {
		*at = take(base + 1 + next_random(seed) % most);
		sign(*at, 0, who);
	} else if (r % 3) {
		grown[try_grow(*at, 1 + r / 3 % most, who)]++;
	} else {
		check_signs(*at, who);
		give(*at);
		*at = NULL;
	}
}

/* Blocks above `base` pages, which grow by up to `most`; what comes of it closes. */
static void any_mix(u32 base, u32 most, unsigned turns)
{
	unsigned grown[2] = {0};
	u64 seed = most;

	for (unsigned i = 0; i < turns; i++) {
		turn(&slot[next_random(&seed) % SLOTS], &seed, base, most, grown);
		if (next_random(&seed) % 64 == 0)
			page_purge_all();
		if (i % 50 == 0)
			walk_all();
	}
	CHECK(grown[false] && grown[true]);
	for (int i = 0; i < SLOTS; i++) {
		if (slot[i])
			check_signs(slot[i], (u64)i + 1);
		if (slot[i])
			give(slot[i]);
		slot[i] = NULL;
	}
	page_purge_all();
	CHECK(walk_all().handed_out == 1 && !page_cached);
}

static void blocks_in_any_mix(void)
{
	bring_up(0);
	any_mix(0, 40, effort(4000));
	any_mix(0, 300, effort(2000));
}

static void ranges_in_any_mix(void)
{
	bring_up(0);
	any_mix(CHUNK_PAGES, 3000, effort(600));
}

/* ---- blocks ---- */
static void a_block_fills_the_chunk_it_begins(void)
{
	struct page *pg;

	bring_up(0);
	CHECK((pg = block_alloc(MAX_ORDER)));
	block_trim(pg, 1);
	for (u32 n = 1; n <= CHUNK_PAGES; n += n < 200 ? 1 : 71) {
		CHECK(block_grow(pg, n) && pg->npages == n && pg->order == MAX_ORDER);
		if (n % 31 == 1)
			walk_all();
	}
	CHECK(block_grow(pg, CHUNK_PAGES) && !block_grow(pg, CHUNK_PAGES + 1));
	block_free(pg);
	walk_all();
}

/* One that was small knows by the end that it is large, and is free as one. */
static void the_order_grows_along(void)
{
	struct page *pg;

	bring_up(0);
	while ((pg = block_alloc(5)) && page_to_index(pg) % CHUNK_PAGES)
		;
	for (unsigned order = 5; order <= MAX_ORDER; order++) {
		CHECK(block_grow(pg, 1u << order) && pg->order == order);
		walk_all();
	}
	sign(pg, 0, 1);
	block_free(pg);
	CHECK(block_alloc(MAX_ORDER) == pg);
}

/* A block is aligned to its order, for the sake of back[]; so not every free page can be had. */
static void alignment_ends_it(void)
{
	struct page *pg;

	bring_up(0);
	while ((pg = block_alloc(6)) && page_to_index(pg) % 128 != 64)
		;
	CHECK(regn.back[page_to_index(pg) + 64] >= BACK_FREE); /* free it is */
	CHECK(!block_grow(pg, 65) && pg->npages == 64 && pg->order == 6);
	walk_all();
}

static void dirty_memory_counts_no_more(void)
{
	struct page *pg;

	bring_up(0);
	CHECK((pg = block_alloc(8)) && page_to_index(pg) % 256 == 0);
	sign(pg, 0, 1);
	kind_set(pg, PAGE_LARGE);
	block_trim(pg, 100);
	CHECK(page_cached == 156 * PAGE_SIZE);
	CHECK(block_grow(pg, 110) && page_cached == 146 * PAGE_SIZE);
	walk_all();
	CHECK(block_grow(pg, 256) && !page_cached);
	kind_set(pg, PAGE_NONE);
	block_free(pg);
	walk_all();
}

/* What was cut off stays free for as long as there is other memory to take. */
static void what_was_cut_off_is_taken_last(void)
{
	struct page *low, *pg;
	u32 cut;

	bring_up(0);
	CHECK((low = block_alloc(5)) && (pg = block_alloc(5)) && pg > low);
	block_trim(pg, 31);
	block_trim(low, 31); /* a page alone, below that one */
	cut = page_to_index(low) + 31;
	for (int i = 0; i < 2; i++) { /* page 1, which is free from the beginning, and pg's */
		struct page *one;

		CHECK(buddy_take(0, &one, 1) && page_to_index(one) != cut);
	}
	CHECK(block_grow(low, 32));
	walk_all();
}

/* ---- ranges ---- */
static void the_last_range_opens_more(void)
{
	struct page *pg;
	u32 chunks;

	bring_up(0);
	pg = range_alloc(CHUNK_PAGES + 1);
	chunks = regn.chunks;
	CHECK(range_grow(pg, 2 * CHUNK_PAGES) && regn.chunks == chunks);
	CHECK(range_grow(pg, 5 * CHUNK_PAGES + 1) && regn.chunks == chunks + 4);
	walk_all();
	range_free(pg);
	walk_all();
	CHECK(range_alloc(6 * CHUNK_PAGES) == pg);
}

/* Two chunks behind it are free, and the region's next ones behind those. */
static void a_free_run_is_taken(void)
{
	struct page *low, *high;
	u32 chunks;

	bring_up(0);
	low = range_alloc(CHUNK_PAGES + 1);
	high = range_alloc(2 * CHUNK_PAGES);
	sign(high, 0, 1);
	chunks = regn.chunks;
	CHECK(!range_grow(low, 2 * CHUNK_PAGES + 1));
	range_free(high);
	CHECK(page_cached == 2 * CHUNK_SIZE);
	CHECK(range_grow(low, 2 * CHUNK_PAGES + 1) && regn.chunks == chunks);
	CHECK(page_cached == 2 * CHUNK_SIZE - PAGE_SIZE);
	walk_all();
	CHECK(range_grow(low, 6 * CHUNK_PAGES) && regn.chunks == chunks + 2 && !page_cached);
	walk_all();
}

static void the_region_ends(void)
{
	struct page *pg;
	u32 left;

	bring_up(64 * MIB);
	pg = range_alloc(CHUNK_PAGES + 1);
	left = regn.chunks_max - regn.chunks;
	CHECK(!range_grow(pg, (left + 2) * CHUNK_PAGES + 1) && pg->npages == CHUNK_PAGES + 1);
	CHECK(range_grow(pg, (left + 2) * CHUNK_PAGES));
	walk_all();
	range_free(pg);
	walk_all();
}

static void *churn(void *arg)
{
	u64 seed = (uintptr_t)arg, who = seed;

	for (unsigned i = 0; i < effort(1500); i++) {
		struct page *pg = take(1 + next_random(&seed) % (2 * CHUNK_PAGES));

		sign(pg, 0, who);
		for (int k = 0; k < 6; k++)
			try_grow(pg, 1 + next_random(&seed) % 200, who);
		if (i % 300 == 299)
			page_purge_all();
		check_signs(pg, who);
		give(pg);
	}
	return NULL;
}

static void four_threads(void)
{
	four_churn(churn);
	CHECK(!page_cached);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(blocks_in_any_mix),
		PAGE_TEST(ranges_in_any_mix),
		PAGE_TEST(a_block_fills_the_chunk_it_begins),
		PAGE_TEST(the_order_grows_along),
		PAGE_TEST(alignment_ends_it),
		PAGE_TEST(dirty_memory_counts_no_more),
		PAGE_TEST(what_was_cut_off_is_taken_last),
		PAGE_TEST(the_last_range_opens_more),
		PAGE_TEST(a_free_run_is_taken),
		PAGE_TEST(the_region_ends),
		PAGE_TEST(four_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
