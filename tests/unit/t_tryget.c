/*
 * t_tryget.c - references by the address of a page that may be gone: whatever the memory is by
 * then, only a counted page can be got, and nothing else is written to.
 */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

/* ---- all that was a counted page once, and is something else now ---- */
#define STALE 2048
static struct page *stale[STALE];

static void make_stale(void)
{
	for (u32 i = 0; i < STALE; i++) {
		struct memcg_page *page =
			memcg_pages_alloc(i % 4, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);

		CHECK(page);
		stale[i] = (struct page *)page;
	}
	for (u32 i = 0; i < STALE; i++)
		page_put(stale[i]);
	pcp_drain_all();
	CHECK(!held(cg));
}

/* Objects of all sizes and of a cache, every third freed: slabs with bits of every sort. */
static void fill_with_slabs(struct memcg_cache *cache)
{
	u64 seed = 77;

	for (u32 i = 0; i < 60000; i++) {
		u64 r = next_random(&seed);
		size_t size = r % 3 ? 16 + r % 200 : 16 + r % 8000;
		void *p = r % 7 ? memcg_alloc(NULL, size, 0, r % 5 ? 0 : MEMCG_UNACCOUNTED)
				: memcg_cache_alloc(cache, 0);

		CHECK(p);
		if (i % 3)
			continue;
		if (r % 7)
			memcg_free(p);
		else
			memcg_cache_free(cache, p);
	}
}

/* Head of a page of a kind that is counted, and not one of something larger. */
static bool is_counted_head(const struct page *pg)
{
	return page_head(page_to_index(pg)) == pg && kind_table[pg->kind].counted;
}

static void what_became_something_else(void)
{
	struct memcg_cache *cache;
	u32 slabs = 0, tails = 0;

	set_up();
	CHECK((cache = memcg_cache_create("c", 40, 0, NULL)));
	make_stale();
	fill_with_slabs(cache);
	CHECK(memcg_pages_alloc(5, MEMCG_PAGE_TABLE, 0) && memcg_stack_alloc(10000));
	CHECK(memcg_malloc(100000));
	for (u32 i = 0; i < STALE; i++) {
		struct page *head = page_head(page_to_index(stale[i]));
		bool counted = is_counted_head(stale[i]);

		slabs += head->kind == PAGE_SLAB;
		tails += head->kind == PAGE_SLAB && head != stale[i];
		CHECK(page_tryget(stale[i]) == counted);
		if (counted)
			page_put(stale[i]);
		if (head->kind == PAGE_SLAB)
			CHECK(slab_valid(head));
	}
	CHECK(slabs > STALE / 2 && tails > STALE / 4);
	closes();
}

/* Nor is there a count where there never was a page. */
static void every_page_there_is(void)
{
	u32 pages, counted = 0, got = 0;

	set_up();
	make_stale();
	for (u32 i = 0; i < 300; i++)
		CHECK(memcg_malloc(400 * i));
	pages = regn.chunks * CHUNK_PAGES;
	for (u32 i = 0; i < pages; i++)
		counted += is_counted_head(page_at(i));
	for (u32 i = 0; i < pages + 2 * CHUNK_PAGES; i++) /* also where nothing is open yet */
		got += page_tryget(page_at(i));
	CHECK(got == counted && counted > 100);
}

#ifdef MEMCG_DEBUG
/* ---- by hand: the count has been read, and now the page is something else ---- */
static struct page *was, *is;
static unsigned become;

static void change(void)
{
	hook_tryget_loaded = NULL;
	page_put(was);
	is = block_alloc(become);
	CHECK(is == was);
	slab_make(is, 32, class_of(32), 900, false);
	slab_idle(is)[0] = 1; /* all others are the program's, as if */
}

static void it_becomes_a_slab(void)
{
	set_up();
	for (become = 2; become <= 6; become++) {
		struct memcg_page *page = memcg_pages_alloc(become, MEMCG_PAGE_BUFFER, 0);

		CHECK((was = (struct page *)page));
		hook_tryget_loaded = change;
		CHECK(!memcg_page_tryget(page) && !hook_tryget_loaded);
		CHECK(is->kind == PAGE_SLAB && !page_count(is));
	}
}

/* An order lower, and the block's upper half's address: a slab's tail, where its bits are. */
static struct page *other_half, *bits_of;
static struct page before[8];

static void change_both(void)
{
	hook_tryget_loaded = NULL;
	page_put(was);
	page_put(other_half);
	pcp_drain_all();
	CHECK((bits_of = block_alloc(3)) == other_half);
	slab_make(bits_of, 32, class_of(32), 900, false);
	memcpy(before, bits_of, sizeof(before));
}

static void it_becomes_slot_bits(void)
{
	struct memcg_page *page;

	set_up();
	do
		CHECK((page = memcg_pages_alloc(3, MEMCG_PAGE_BUFFER, 0)));
	while (!((struct page *)page)->flags && page_to_index((struct page *)page) % 8);
	other_half = (struct page *)page;
	CHECK(!memcg_page_split(page, 2));
	was = other_half + 4;
	hook_tryget_loaded = change_both;
	CHECK(!page_tryget(was) && !hook_tryget_loaded);
	CHECK(bits_of && page_head(page_to_index(was)) == bits_of);
	CHECK(!memcmp(before, bits_of, sizeof(before))); /* every bit is as it was */
}

/* A counted page again: that one is got, and has to be looked at. */
static void come_again(void)
{
	hook_tryget_loaded = NULL;
	page_put(was);
	is = (struct page *)memcg_pages_alloc(become, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT);
	CHECK(is == was);
}

static void it_becomes_another_page(void)
{
	struct memcg_page *page;

	set_up();
	become = 2;
	CHECK((page = memcg_pages_alloc(become, MEMCG_PAGE_BUFFER, 0)));
	was = (struct page *)page;
	hook_tryget_loaded = come_again;
	CHECK(memcg_page_tryget(page) && page_count(is) == 2 && is->kind == PAGE_TABLE);
	CHECK(memcg_owner_id(memcg_page_address(page)) == memcg_id(cg));
	memcg_page_put(page);
	memcg_page_put(page);
	CHECK(!held(cg));
}
#endif

/* ---- by force ---- */
/* A table that is read without a lock, of pages that come and go; slabs are made of what goes. */
#define PLACES 64
static struct memcg_page *place[PLACES];
static u64 rounds_of[2], found, gone;
static u32 stop;

/* A page says in its memory which place it is for: it was put there before it was published. */
static void *look_for_pages(void *arg)
{
	u64 *count = arg, seed = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		size_t i = next_random(&seed) % PLACES;
		struct memcg_page *page = atomic_load_acquire(&place[i]);

		for (int lag = (int)(next_random(&seed) % 64); lag--;)
			cpu_relax();
		if (page && memcg_page_tryget(page)) {
			if (atomic_load_acquire(&place[i]) == page) {
				CHECK(*(size_t *)memcg_page_address(page) == i);
				atomic_add_relaxed(&found, 1ul);
			}
			memcg_page_put(page);
		} else if (page) {
			atomic_add_relaxed(&gone, 1ul);
		}
		atomic_add_relaxed(count, 1ul);
	}
	return NULL;
}

static void change_place(size_t i, u64 r)
{
	struct memcg_page *page = NULL;

	if (r % 4) {
		CHECK((page = memcg_pages_alloc(r / 4 % 3, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
		*(size_t *)memcg_page_address(page) = i;
	}
	/* Release: who finds it there finds what it holds. Pairs with look_for_pages. */
	memcg_page_put(__atomic_exchange_n(&place[i], page, __ATOMIC_ACQ_REL));
}

/* Fresh slabs each round, and none is left: what they were made of is free for pages again. */
static void slabs_come_and_go(void *object[512], u64 r)
{
	struct memcg_cache *cache;
	u32 n = 64 + r % 448;

	CHECK((cache = memcg_cache_create("passing", 16u << r % 6, 0, NULL)));
	for (u32 i = 0; i < n; i++)
		CHECK((object[i] = memcg_cache_alloc(cache, i % 3 ? 0 : MEMCG_UNACCOUNTED)));
	for (u32 i = 0; i < n; i++)
		CHECK(slab_of(object[i])->kind == PAGE_SLAB);
	for (u32 i = 0; i < n; i++)
		memcg_cache_free(cache, object[i]);
	CHECK(!memcg_cache_destroy(cache));
}

static void wait_for_both(void)
{
	for (int i = 0; i < 2; i++) {
		u64 from = atomic_load(&rounds_of[i]);

		while (atomic_load(&rounds_of[i]) == from)
			sched_yield();
	}
}

static void pages_come_and_go(void)
{
	static void *object[512];
	pthread_t thread[2];
	u64 seed = 5;

	set_up();
	for (size_t i = 0; i < PLACES; i++)
		change_place(i, 1);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, look_for_pages, &rounds_of[i]));
	wait_for_both();
	for (u32 round = 0; round < effort(TSAN_LOOKS ? 5000 : 15000); round++) {
		for (int i = 0; i < 16; i++)
			change_place(next_random(&seed) % PLACES, next_random(&seed));
		slabs_come_and_go(object, next_random(&seed));
		if (round % 1000 == 0)
			wait_for_both();
	}
	atomic_store(&stop, 1u);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], NULL));
	for (size_t i = 0; i < PLACES; i++)
		memcg_page_put(place[i]);
	CHECK(found && !held(cg));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(what_became_something_else), PAGE_TEST(every_page_there_is),
#ifdef MEMCG_DEBUG
		PAGE_TEST(it_becomes_a_slab),	       PAGE_TEST(it_becomes_slot_bits),
		PAGE_TEST(it_becomes_another_page),
#endif
		PAGE_TEST(pages_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
