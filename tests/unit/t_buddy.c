/* t_buddy.c - blocks: conservation, heads, honest zeroes, purge by age and at once, refusals. */
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

static void sleep_ms(unsigned ms)
{
	sys_sleep_ns(ms * 1000000ul);
}

/* ---- conservation ---- */
static void take_one(struct page **at, u64 *seed)
{
	unsigned order = next_random(seed) % (MAX_ORDER + 1);

	*at = block_alloc(order);
	CHECK(*at);
	CHECK(!page_count(*at) && (*at)->npages == 1u << order && (*at)->kind == PAGE_NONE);
	if (order && next_random(seed) % 3 == 0)
		block_trim(*at, 1 + next_random(seed) % (*at)->npages);
}

static u64 held_pages(void)
{
	u64 sum = 1; /* page 0 */

	for (int i = 0; i < SLOTS; i++)
		sum += slot[i] ? slot[i]->npages : 0;
	return sum;
}

static void random_rounds(unsigned rounds, u64 seed)
{
	for (unsigned i = 0; i < rounds; i++) {
		struct page **at = &slot[next_random(&seed) % SLOTS];

		if (*at) {
			block_free(*at);
			*at = NULL;
		} else {
			take_one(at, &seed);
		}
		if (i % 500 == 0) {
			if (i % 1500 == 0)
				page_purge_all();
			CHECK(walk_all().handed_out == held_pages());
		}
	}
}

static void nothing_is_lost(void)
{
	bring_up(0);
	random_rounds(8000, 1);
	free_all();
	CHECK(walk_all().handed_out == 1);
}

/* With every list given back and everything of one cleanliness, only whole chunks remain. */
static void everything_coalesces(void)
{
	struct walk w;

	bring_up(0);
	random_rounds(3000, 2);
	free_all();
	page_purge_all();
	CHECK(!page_cached);
	w = walk_all();
	/* The first chunk lacks page 0: a block of each order below the largest. */
	CHECK(w.free_blocks == regn.chunks - 1 + MAX_ORDER);
}

static void before_the_cpu_lists(void)
{
	CHECK(!region_init(0));
	buddy_init();
	random_rounds(2000, 3);
	free_all();
	pcp_drain_all();
	CHECK(walk_all().handed_out == 1);
}

static void cpu_lists_refused(void)
{
	CHECK(!region_init(0));
	buddy_init();
	pcpu_init(false);
	sys_fault_arm(SYS_FAULT_MAP, 1, 0, 0, 0);
	pcp_init();
	sys_fault_disarm_all();
	random_rounds(2000, 4);
	free_all();
	CHECK(walk_all().handed_out == 1);
}

/* ---- heads ---- */
static void page_zero_is_nobodys(void)
{
	bring_up(0);
	CHECK(page_at(0)->kind == PAGE_META && page_head(0) == page_at(0));
	for (int i = 0; i < SLOTS; i++) {
		slot[i] = block_alloc(0);
		CHECK(page_to_index(slot[i]) != 0);
	}
}

static void heads_of_every_order(void)
{
	bring_up(0);
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		struct page *pg = block_alloc(order);

		for (u32 i = 0; i < 1u << order; i++)
			CHECK(page_head(page_to_index(pg) + i) == pg);
		CHECK(IS_ALIGNED((uintptr_t)page_address(pg), PAGE_SIZE << order));
		slot[order] = pg;
	}
	walk_all();
}

/* Frees of slab objects read the distance alone: it must be there for every order of a slab. */
static void back_says_distance_or_order(void)
{
	bring_up(0);
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		const u8 *back = regn.back + page_to_index(block_alloc(order));

		for (u32 i = 0; i < 1u << order; i++)
			CHECK(back[i] == (order <= 6 ? i : (BACK_ORDER | order)));
	}
	walk_all();
}

/* For each length of each order: what is cut off is nobody's, and leads to no part that is held. */
static void heads_of_trimmed_blocks(void)
{
	bring_up(0);
	for (unsigned order = 1; order <= MAX_ORDER; order++)
		for (u32 n = 1; n <= 1u << order; n += order <= 7 ? 1 : 61) {
			struct page *pg = block_alloc(order);

			block_trim(pg, n);
			for (u32 i = n; i < 1u << order; i++)
				CHECK(page_head(page_to_index(pg) + i) > pg);
			block_trim(pg, DIV_ROUND_UP(n, 2));
			walk_all();
			block_free(pg);
		}
}

/* Free memory may lead anywhere that is free, never into a block that is handed out. */
static void heads_of_free_memory(void)
{
	bring_up(0);
	random_rounds(4000, 6);
	for (int i = 0; i < SLOTS; i++)
		if (slot[i])
			kind_set(slot[i], PAGE_TABLE); /* told from free memory by it */
	for (u32 i = 0; i < regn.chunks * CHUNK_PAGES; i++) {
		struct page *head = page_head(i);

		CHECK(page_to_index(head) <= i);
		if (head->kind == PAGE_TABLE)
			CHECK(i - page_to_index(head) < head->npages);
	}
}

/* Whatever byte stands there, the answer is at or below the page asked for. */
static void stale_bytes_stay_inside(void)
{
	bring_up(0);
	for (u32 byte = BACK_ORDER; byte <= 0xff; byte++)
		for (u32 index = 0; index < CHUNK_PAGES; index += 37)
			CHECK(page_to_index(page_head_slow(index, (u8)byte)) <= index);
	regn.chunk_head[0] = CHUNK_PAGES * 7;
	CHECK(page_head_slow(5, BACK_RANGE) == page_at(5));
}

/* ---- zeroes ---- */
static void zeroed_is_honest(void)
{
	unsigned fresh = 0, reused = 0;
	u64 seed = 7;

	bring_up(0);
	for (unsigned i = 0; i < 3000; i++) {
		struct page **at = &slot[next_random(&seed) % 32];

		if (*at) {
			block_free(*at);
			*at = NULL;
			continue;
		}
		*at = block_alloc(next_random(&seed) % 8);
		if (next_random(&seed) % 4 == 0)
			block_trim(*at, 1 + next_random(&seed) % (*at)->npages);
		if ((*at)->flags & PG_ZEROED) {
			CHECK(reads_zero(*at));
			fresh++;
		} else {
			reused++;
		}
		memset(page_address(*at), 0xa5, page_bytes(*at));
		if (i % 20 == 0)
			page_purge_all();
	}
	CHECK(fresh > 100 && reused > 100);
}

static void dirty_is_taken_first(void)
{
	struct page *pg;

	bring_up(0);
	pg = block_alloc(7);
	memset(page_address(pg), 1, page_bytes(pg));
	block_free(pg);
	CHECK(page_cached == PAGE_SIZE << 7);
	CHECK(block_alloc(7) == pg && !(pg->flags & PG_ZEROED) && !page_cached);
}

/* What lives gathers at the bottom, however late the lowest block was freed. */
static void the_lowest_is_taken(void)
{
	unsigned n = 0;

	CHECK(!region_init(0));
	buddy_init();
	while (n < 40)
		slot[n++] = block_alloc(6);
	for (unsigned i = 0; i < n; i += 2)
		block_free(slot[i * 7 % 40]);
	for (unsigned i = 0; i < n; i += 2)
		CHECK(block_alloc(6) == slot[i]);
	for (unsigned i = n; i; i -= 2)
		block_free(slot[i - 2]);
	for (unsigned i = 0; i < n; i += 2)
		CHECK(block_alloc(6) == slot[i]);
}

/* ---- the purge ---- */
static void purge_is_asked_for_an_amount(void)
{
	u64 got;

	bring_up(0);
	for (int i = 0; i < 8; i++)
		slot[i] = block_alloc(MAX_ORDER);
	free_all();
	got = buddy_purge(0, CHUNK_SIZE + 1);
	CHECK(got == 2 * CHUNK_SIZE && page_cached == 6 * CHUNK_SIZE);
	CHECK(buddy_purge(0, 0) == 0);
	walk_all();
}

static void neighbours_go_in_one_call(void)
{
	bring_up(0);
	for (int i = 0; i < 8; i++)
		slot[i] = block_alloc(MAX_ORDER);
	free_all();
	sys_fault_arm(SYS_FAULT_PURGE, 0, 0, 0, 0);
	CHECK(page_purge_all() == 8 * CHUNK_SIZE);
	CHECK(sys_fault_seen(SYS_FAULT_PURGE) == 1);
}

static void purge_refused(void)
{
	bring_up(0);
	for (int i = 0; i < 4; i++) {
		slot[i] = block_alloc(MAX_ORDER);
		touch(slot[i]);
	}
	block_free(slot[0]);
	block_free(slot[2]);
	slot[0] = slot[2] = NULL;
	sys_fault_arm(SYS_FAULT_PURGE, 1, 0, 0, 0);
	CHECK(buddy_purge(0, UINT64_MAX) == CHUNK_SIZE);
	CHECK(page_purge_failed == 1 && page_cached == CHUNK_SIZE);
	walk_all();
	sys_fault_arm(SYS_FAULT_PURGE, 0, 1, 0, 0);
	CHECK(page_purge_all() == 0 && page_cached == CHUNK_SIZE);
	sys_fault_disarm_all();
	CHECK(page_purge_all() == CHUNK_SIZE && !page_cached);
	walk_all();
}

/* Young blocks and small ones stay; without an age all go. */
static void purge_by_age(void)
{
	struct page *small;

	bring_up(0);
	slot[0] = block_alloc(6);
	small = block_alloc(1);
	slot[1] = block_alloc(6);
	touch(slot[0]);
	block_free(slot[0]);
	block_free(small);
	pcp_drain_all();
	age_by_an_hour(slot[0]);
	age_by_an_hour(small);
	block_free(slot[1]);
	CHECK(buddy_purge(HOUR_MS, UINT64_MAX) == PAGE_SIZE << 6);
	CHECK(page_cached == (PAGE_SIZE << 6) + (PAGE_SIZE << 1));
	page_purge_all();
	CHECK(!page_cached);
}

/* Each CPU counts for itself. */
static void tick_until_looked(void)
{
	for (unsigned i = 0; i < 64 * pcpu_count; i++)
		page_tick();
}

/* Slow paths only count; the clock is looked at now and then, and a pass is made when it is time.
 */
static void ticks_make_passes(void)
{
	bring_up(0);
	page_purge_ms = 1;
	tick_until_looked(); /* the first pass: nothing to do */
	page_purge_ms = HOUR_MS;
	slot[0] = block_alloc(6);
	block_free(slot[0]);
	pcp_drain_all();
	age_by_an_hour(slot[0]);
	for (int i = 0; i < 10; i++)
		tick_until_looked(); /* old enough, but no hour has passed since that pass */
	CHECK(page_cached == PAGE_SIZE << 6);
	page_purge_ms = 1;
	sleep_ms(20);
	tick_until_looked();
	CHECK(!page_cached);
}

/* ---- refusals ---- */
static void opening_is_refused_and_works_later(void)
{
	bring_up(0);
	/* The first chunk is open; of the next step only single chunks are granted. */
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 2, 0, 0);
	for (int i = 0; i < 40; i++) {
		slot[i] = block_alloc(MAX_ORDER);
		if (slot[i])
			touch(slot[i]);
	}
	CHECK(sys_fault_count(SYS_FAULT_OPEN_RANGE) > 0);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	for (int i = 40; i < SLOTS && (slot[i] = block_alloc(MAX_ORDER)); i++)
		touch(slot[i]);
	CHECK(!block_alloc(MAX_ORDER));
	walk_all();
	sys_fault_disarm_all();
	CHECK(block_alloc(MAX_ORDER));
}

/* What other CPUs keep is looked for before an allocation fails. */
static void the_end_of_the_region(void)
{
	unsigned n = 0;

	bring_up(8 * MIB);
	while (n < SLOTS && (slot[n] = block_alloc(4)))
		n++;
	CHECK(n == 2 * CHUNK_PAGES / 16 - 1); /* page 0 costs a block */
	CHECK(!block_alloc(4) && !block_alloc(MAX_ORDER));
	free_all();
	CHECK((slot[0] = block_alloc(MAX_ORDER)));
	CHECK(walk_all().handed_out == CHUNK_PAGES + 1);
}

static void misuse_ends_the_process(void)
{
	struct page *pg;

	bring_up(0);
	pg = block_alloc(3);
	pg->kind = PAGE_LARGE;
	EXPECT_BUG(block_free(pg), "block_free");
	EXPECT_BUG(block_trim(pg, 0), "block_trim");
	EXPECT_BUG(block_trim(pg, 9), "block_trim");
	EXPECT_BUG(block_alloc(MAX_ORDER + 1), "buddy_take");
}

/* ---- several threads ---- */
static void *churn(void *arg)
{
	struct page *mine[32] = {0};
	u64 seed = (uintptr_t)arg;

	for (unsigned i = 0; i < 4000; i++) {
		struct page **at = &mine[next_random(&seed) % 32];

		page_tick();
		if (i % 1000 == 999)
			page_purge_all();
		if (!*at) {
			*at = block_alloc(next_random(&seed) % 7);
			memset(page_address(*at), 1, 64);
			page_at(page_to_index(*at))->large.bytes = seed;
			continue;
		}
		if (next_random(&seed) % 4 == 0)
			block_trim(*at, 1 + next_random(&seed) % (*at)->npages);
		block_free(*at);
		*at = NULL;
	}
	for (int i = 0; i < 32; i++)
		if (mine[i])
			block_free(mine[i]);
	return NULL;
}

static void four_threads(void)
{
	four_churn(churn);
	CHECK(!page_cached);
	CHECK(walk_all().free_blocks == regn.chunks - 1 + MAX_ORDER);
}

/* Forks in the middle of it: the child finds every lock free, and nothing lost. */
static void fork_in_the_middle(void)
{
	pthread_t thread[2];

	bring_up(0);
	page_purge_ms = 1;
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, churn, (void *)(i + 9)));
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t pid;

		page_after_fork_prepare();
		pid = fork();
		page_after_fork_done();
		if (!pid) {
			CHECK((slot[0] = block_alloc(3)));
			block_free(slot[0]);
			page_purge_all();
			meta_free(meta_alloc(100), 100);
			range_free(range_alloc(2000));
			pcp_drain_all();
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && !status);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	CHECK(walk_all().handed_out == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(nothing_is_lost),
		PAGE_TEST(everything_coalesces),
		PAGE_TEST(before_the_cpu_lists),
		PAGE_TEST(cpu_lists_refused),
		PAGE_TEST(page_zero_is_nobodys),
		PAGE_TEST(heads_of_every_order),
		PAGE_TEST(back_says_distance_or_order),
		PAGE_TEST(heads_of_trimmed_blocks),
		PAGE_TEST(heads_of_free_memory),
		PAGE_TEST(stale_bytes_stay_inside),
		PAGE_TEST(zeroed_is_honest),
		PAGE_TEST(dirty_is_taken_first),
		PAGE_TEST(the_lowest_is_taken),
		PAGE_TEST(purge_is_asked_for_an_amount),
		PAGE_TEST(neighbours_go_in_one_call),
		PAGE_TEST(purge_refused),
		PAGE_TEST(purge_by_age),
		PAGE_TEST(ticks_make_passes),
		PAGE_TEST(opening_is_refused_and_works_later),
		PAGE_TEST(the_end_of_the_region),
		PAGE_TEST(misuse_ends_the_process),
		PAGE_TEST(four_threads),
		PAGE_TEST(fork_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
