/* t_block.c - trimmed blocks and their tails, and joining clean with dirty neighbours. */
#include "page_fixture.h"

#define SLOTS 256

static struct page *slot[SLOTS];

static void free_all(void)
{
	for (int i = 0; i < SLOTS; i++) {
		if (slot[i])
			block_free(slot[i]);
		slot[i] = NULL;
	}
}

/* A block not typed yet was not written to: what is cut off costs nothing. */
static void trim_keeps_clean_what_is(void)
{
	struct page *pg;

	bring_up(0);
	pg = block_alloc(8);
	CHECK(pg->flags & PG_ZEROED);
	block_trim(pg, 129);
	CHECK(!page_cached);
	pg->kind = PAGE_LARGE;
	block_trim(pg, 100);
	CHECK(page_cached == 29 * PAGE_SIZE);
	walk_all();
}

/* ---- trimmed blocks become whole ---- */
/* As objects over the largest class are taken: cut while clean, then written to. */
static struct page *take_touched(u32 npages)
{
	struct page *pg = block_alloc(log2_up(npages));

	CHECK(pg);
	block_trim(pg, npages);
	touch(pg);
	return pg;
}

/* On the CPU's lists (orders to 4) and on the buddy lists. */
static void a_trimmed_block_comes_back_whole(void)
{
	bring_up(0);
	for (unsigned order = 1; order <= MAX_ORDER; order++) {
		u32 size = 1u << order, n = size / 2 + 1;
		struct page *pg;

		pcp_drain_all();
		page_purge_all();
		pg = take_touched(MAX(n, 1u));
		block_free(pg);
		CHECK(page_cached == (u64)size << PAGE_SHIFT);
		walk_all();
		CHECK(block_alloc(order) == pg && !(pg->flags & PG_ZEROED) && !page_cached);
		for (u32 i = 0; i < size; i++)
			CHECK(page_head(page_to_index(pg) + i) == pg);
		block_free(pg);
	}
	walk_all();
}

/* The part cut off may be in pieces of either sort: cut off in two steps, used and freed. */
static void a_tail_of_pieces_is_taken_back(void)
{
	struct page *pg, *piece;

	CHECK(!region_init(0));
	buddy_init();
	pg = block_alloc(MAX_ORDER);
	block_trim(pg, 700);
	touch(pg);
	do { /* what lies lower is taken first */
		piece = block_alloc(4);
		CHECK(piece);
	} while (piece < pg);
	pg->kind = PAGE_LARGE; /* written to: what is cut off from now on is dirty */
	block_trim(pg, 600);
	block_free(piece);
	CHECK(page_cached == 116 * PAGE_SIZE);
	walk_all();
	pg->kind = PAGE_NONE;
	block_free(pg);
	CHECK(page_cached == CHUNK_SIZE);
	walk_all();
	CHECK(block_alloc(MAX_ORDER) == pg);
}

/* Somebody has a piece of it: then the two parts stay what they are, and nothing is lost. */
static void a_tail_in_use_stays_apart(void)
{
	struct page *pg;
	int n = 0;

	CHECK(!region_init(0));
	buddy_init();
	pg = block_alloc(MAX_ORDER);
	block_trim(pg, 513);
	touch(pg);
	do {
		slot[n] = block_alloc(8);
	} while (slot[n++] < pg);
	block_free(pg);
	CHECK(page_cached == 513 * PAGE_SIZE);
	walk_all();
	free_all();
	CHECK(walk_all().handed_out == 1);
	page_purge_all();
	CHECK(!page_cached && walk_all().free_blocks == 1 + MAX_ORDER);
}

static void a_loop_of_one_size_faults_once(void)
{
	u64 faults, cached;
	u32 chunks;

	bring_up(0);
	for (u32 n = 9; n < CHUNK_PAGES; n += n / 2 - 1) {
		for (int i = 0; i < 4; i++) /* as many as a CPU's list may go round with */
			block_free(take_touched(n));
		faults = minor_faults();
		cached = page_cached;
		chunks = regn.chunks;
		for (int i = 0; i < 20000 / (int)n + 10; i++)
			block_free(take_touched(n));
		CHECK(page_cached == cached && regn.chunks == chunks);
		CHECK(FAULTS_UNTRUE || minor_faults() - faults < 20);
	}
	CHECK(regn.chunks <= 4);
	CHECK(walk_all().handed_out == 1);
}

/* 36 KiB .. 3.9 MiB: each page is fresh at most once. */
static void a_loop_of_all_sizes_does_not_grow(void)
{
	u64 seed = 11, faults;

	bring_up(0);
	faults = minor_faults();
	for (int i = 0; i < 20000; i++)
		block_free(take_touched(9 + next_random(&seed) % (998 - 9)));
	CHECK(regn.chunks <= 8);
	CHECK(FAULTS_UNTRUE || minor_faults() - faults <= regn.chunks * (CHUNK_PAGES + 32) + 200);
	CHECK(walk_all().handed_out == 1);
}

/* ---- mixed buddies ---- */
/* All of the region as blocks of the order, every other one clean: none can coalesce. */
static void make_mixed(u64 span, unsigned order)
{
	unsigned n = 0;

	CHECK(!region_init(span));
	buddy_init();
	page_cached = 0; /* of the region that was there before */
	while (n < SLOTS && (slot[n] = block_alloc(order)))
		n++;
	CHECK(n < SLOTS && regn.chunks == span / CHUNK_SIZE);
	for (int clean = 1; clean >= 0; clean--) {
		for (unsigned i = 0; i < n; i++) {
			if ((page_to_index(slot[i]) >> order & 1) != (u32)clean)
				block_free(slot[i]);
		}
		if (clean)
			page_purge_all();
	}
	memset(slot, 0, sizeof(slot));
}

static void mixed_buddies_are_joined(void)
{
	for (unsigned order = 6; order <= MAX_ORDER; order++) {
		make_mixed(16 * MIB, 5);
		for (u32 i = 0; i < (3 * CHUNK_PAGES) >> order; i++) {
			CHECK((slot[i] = block_alloc(order)));
			CHECK(!(slot[i]->flags & PG_ZEROED));
			walk_all();
		}
		CHECK(walk_all().handed_out == 3 * CHUNK_PAGES + 1);
		free_all();
		CHECK(walk_all().handed_out == 1);
	}
}

/* No more is called dirty than one chunk, for which no other is opened. */
static void joining_ends_at_a_chunk(void)
{
	u64 cached;
	u32 chunks;

	make_mixed(64 * MIB, 6);
	cached = page_cached;
	chunks = regn.chunks;
	CHECK((slot[0] = block_alloc(7)));
	CHECK(page_cached + page_bytes(slot[0]) == cached + CHUNK_SIZE / 2);
	CHECK(regn.chunks == chunks);
	walk_all();
}

/* With memory left to open as well: a chunk is opened only when nothing can be joined. */
static void joined_before_opened(void)
{
	u32 chunks;

	CHECK(!region_init(0));
	buddy_init();
	for (int i = 0; i < 64; i++)
		slot[i] = block_alloc(6);
	for (int i = 0; i < 64; i += 2)
		block_free(slot[i]);
	page_purge_all();
	for (int i = 1; i < 64; i += 2)
		block_free(slot[i]);
	memset(slot, 0, sizeof(slot));
	chunks = regn.chunks;
	for (unsigned i = 0; i < (chunks - 1) * 8; i++)
		CHECK((slot[i] = block_alloc(7)));
	CHECK(regn.chunks == chunks);
	/* One block in use in each area: searched for in vain, then opened. */
	free_all();
	for (unsigned i = 0; (slot[i] = block_alloc(8)) && regn.chunks == chunks;)
		block_trim(slot[i++], 1);
	CHECK(regn.chunks == chunks + 1);
	walk_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(trim_keeps_clean_what_is),
		PAGE_TEST(a_trimmed_block_comes_back_whole),
		PAGE_TEST(a_tail_of_pieces_is_taken_back),
		PAGE_TEST(a_tail_in_use_stays_apart),
		PAGE_TEST(a_loop_of_one_size_faults_once),
		PAGE_TEST(a_loop_of_all_sizes_does_not_grow),
		PAGE_TEST(mixed_buddies_are_joined),
		PAGE_TEST(joining_ends_at_a_chunk),
		PAGE_TEST(joined_before_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
