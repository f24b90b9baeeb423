/* t_page.c - the region coming up, counts, the one free path and its check, batched release. */
#include <memcg.h>

#include "page_fixture.h"

/* What uncharge was told. */
static u32 calls, releases;
static u64 bytes_told;
static struct handle *last_owner;
static unsigned last_kind;

static u64 bytes_left[PAGE_KIND_NR];

static void on_leave(struct handle *h, unsigned kind, u64 bytes)
{
	atomic_store(&last_owner, h);
	atomic_store(&last_kind, kind);
	atomic_add_relaxed(&bytes_left[kind], bytes);
}

static void on_uncharge(struct handle *h, u64 bytes)
{
	atomic_add_relaxed(&calls, 1u);
	atomic_add_relaxed(&bytes_told, bytes);
	atomic_store(&last_owner, h);
}

static void on_release(struct page *pg)
{
	CHECK(!page_owned(pg) && !page_count(pg) && pg->kind == PAGE_NET);
	releases++;
}

static void bring_up_ops(void)
{
	bring_up(0);
	for (unsigned kind = 0; kind < PAGE_KIND_NR; kind++)
		if (kind_table[kind].counted)
			page_ops[kind] =
				(struct page_ops){.leave = on_leave, .uncharge = on_uncharge};
	page_ops[PAGE_NET].release = on_release;
}

static struct handle *owner(unsigned n)
{
	return (struct handle *)(uintptr_t)(0x10000 + 64 * n);
}

static struct page *make(unsigned kind, u32 npages, unsigned owner_nr)
{
	struct page *pg = npages > CHUNK_PAGES ? range_alloc(npages) : block_alloc(log2_up(npages));

	CHECK(pg);
	if (npages <= CHUNK_PAGES)
		block_trim(pg, npages);
	if (owner_nr)
		page_set_objcg(pg, owner(owner_nr), MEMCG_DATA_KMEM);
	page_publish(pg, kind);
	return pg;
}

/* ---- the region ---- */
static void the_span_shrinks_until_it_fits(void)
{
	sys_fault_arm(SYS_FAULT_RESERVE, 1, 0, 0, 0);
	CHECK(!region_init(0));
	CHECK(regn.span <= 128 * GIB && is_pow2(regn.span)); /* less under valgrind */
	buddy_init();
	CHECK(block_alloc(MAX_ORDER));
}

static __unused_ void an_address_limit_is_lived_with(void)
{
	struct rlimit limit = {2 * GIB, 2 * GIB};
	struct page *pg;

	CHECK(!setrlimit(RLIMIT_AS, &limit));
	CHECK(!region_init(0));
	CHECK(regn.span >= 64 * MIB && regn.span <= 2 * GIB);
	buddy_init();
	CHECK((pg = block_alloc(MAX_ORDER)));
	touch(pg);
	walk_all();
}

static void a_span_asked_for_is_kept(void)
{
	bring_up(24 * MIB + 1);
	CHECK(regn.span == 28 * MIB && regn.chunks_max == 7);
	CHECK(!region_has((char *)regn.base - 1) && region_has((char *)regn.base));
	CHECK(region_has((char *)regn.base + regn.span - 1));
	CHECK(!region_has((char *)regn.base + regn.span));
	CHECK(region_opened(0) && !region_opened(CHUNK_PAGES));
	CHECK(IS_ALIGNED(regn.base, CHUNK_SIZE));
}

static void no_region_at_all(void)
{
	char said[256];
	int from = stderr_to_pipe();

	sys_fault_arm(SYS_FAULT_RESERVE, 0, 1, 0, 0);
	CHECK(region_init(0) == -12);
	read_said(from, said, sizeof(said));
	CHECK(strstr(said, "cannot reserve 64 MiB") && strstr(said, "ulimit -v"));
	CHECK(region_init(128 * MIB) == -12);
	sys_fault_disarm_all();
	for (u64 nth = 1; nth <= 4; nth++) {
		sys_fault_arm(SYS_FAULT_OPEN_RANGE, nth, 1, 0, 0);
		CHECK(region_init(64 * MIB) == -12 && !regn.base && !regn.span);
	}
	sys_fault_disarm_all();
	bring_up(64 * MIB);
	CHECK(block_alloc(3));
}

static void absurd_spans(void)
{
	CHECK(region_init(UINT64_MAX) == 0 || !regn.base);
	if (regn.base)
		CHECK(regn.span >> PAGE_SHIFT <= UINT32_MAX);
}

/* ---- counts ---- */
static void the_last_put_frees(void)
{
	struct page *pg;

	bring_up_ops();
	pg = make(PAGE_BUFFER, 4, 1);
	page_get(pg);
	CHECK(page_tryget(pg) && page_count(pg) == 3);
	page_put(pg);
	page_put(pg);
	CHECK(!calls && pg->kind == PAGE_BUFFER);
	page_put(pg);
	CHECK(calls == 1 && last_owner == owner(1) && last_kind == PAGE_BUFFER);
	CHECK(bytes_told == 4 * PAGE_SIZE && page_cached == 4 * PAGE_SIZE);
	CHECK(!page_tryget(pg));
	CHECK(walk_all().handed_out == 1);
}

static void unowned_pages_are_not_uncharged(void)
{
	bring_up_ops();
	page_put(make(PAGE_TABLE, 1, 0));
	page_put(make(PAGE_LARGE, 3000, 0));
	CHECK(!calls && walk_all().handed_out == 1);
}

static void ranges_and_trimmed_blocks(void)
{
	bring_up_ops();
	page_put(make(PAGE_LARGE, 3000, 1));
	page_put(make(PAGE_LARGE, 13, 2));
	CHECK(calls == 2 && bytes_told == 3013 * PAGE_SIZE);
	CHECK(page_cached == 3016 * PAGE_SIZE); /* the block is whole again */
	CHECK(walk_all().handed_out == 1);
}

static void a_kind_may_have_its_own_place(void)
{
	struct page *pg;

	bring_up_ops();
	pg = make(PAGE_NET, 1, 3);
	page_put(pg);
	CHECK(calls == 1 && releases == 1 && pg->kind == PAGE_NET && !page_owned(pg));
}

static void freeze_needs_the_only_reference(void)
{
	struct page *pg;

	bring_up_ops();
	pg = make(PAGE_BUFFER, 1, 1);
	page_get(pg);
	CHECK(!page_freeze(pg) && page_count(pg) == 2);
	page_put(pg);
	CHECK(page_freeze(pg) && !page_tryget(pg) && !calls);
	CHECK(!page_freeze(pg));
	page_free(pg);
	CHECK(calls == 1 && walk_all().handed_out == 1);
}

static void a_put_too_many_ends_the_process(void)
{
	struct page *pg;

	bring_up_ops();
	pg = make(PAGE_NET, 1, 0);
	page_put(pg);
	EXPECT_BUG(page_put(pg), "put once too often");
	*page_count_of(pg) = 0;
	EXPECT_BUG(page_get(pg), "page_get");
}

/* ---- batched release ---- */
static void one_uncharge_for_a_run(void)
{
	struct page *batch[12], *held;
	unsigned n = 0;

	bring_up_ops();
	batch[n++] = make(PAGE_BUFFER, 1, 1);
	batch[n++] = make(PAGE_BUFFER, 2, 1);
	held = batch[n++] = make(PAGE_BUFFER, 1, 2); /* somebody else's too: no part of a run */
	page_get(held);
	batch[n++] = make(PAGE_BUFFER, 4, 1);
	batch[n++] = make(PAGE_TABLE, 1, 1);
	batch[n++] = make(PAGE_TABLE, 1, 2);
	batch[n++] = make(PAGE_TABLE, 1, 0);
	batch[n++] = make(PAGE_TABLE, 1, 0);
	batch[n++] = make(PAGE_TABLE, 1, 2);
	batch[n++] = make(PAGE_LARGE, 2000, 2);
	pages_release(batch, n);
	CHECK(calls == 3); /* of 1, of 2, nobody's, of 2 */
	CHECK(bytes_left[PAGE_BUFFER] == 7 * PAGE_SIZE && bytes_left[PAGE_TABLE] == 3 * PAGE_SIZE);
	CHECK(bytes_left[PAGE_LARGE] == 2000 * PAGE_SIZE && last_owner == owner(2));
	CHECK(bytes_told == (1 + 2 + 4 + 1 + 1 + 1 + 2000) * PAGE_SIZE);
	CHECK(page_count(held) == 1);
	pages_release(&held, 1);
	CHECK(calls == 4 && walk_all().handed_out == 1);
	pages_release(batch, 0);
}

/* A kind that is credited in another way ends a run, though the owner is the same. */
static u32 other_calls;

static void on_other_uncharge(struct handle *h, u64 bytes)
{
	CHECK(h == owner(1) && bytes == 3 * PAGE_SIZE);
	other_calls++;
}

static void another_way_is_another_run(void)
{
	struct page *batch[4];

	bring_up_ops();
	page_ops[PAGE_NET].uncharge = on_other_uncharge;
	batch[0] = make(PAGE_BUFFER, 1, 1);
	batch[1] = make(PAGE_NET, 1, 1);
	batch[2] = make(PAGE_NET, 2, 1);
	batch[3] = make(PAGE_TABLE, 1, 1);
	pages_release(batch, 4);
	CHECK(calls == 2 && bytes_told == 2 * PAGE_SIZE && other_calls == 1 && releases == 2);
}

#ifdef MEMCG_DEBUG
/* The dead are nobody's to get any more, though they are marked still; the living are as they were.
 */
static struct page *in_batch[8];

static void nobody_gets_the_dead(void)
{
	hook_release_dead = NULL;
	for (int i = 0; i < 8; i++) {
		CHECK(page_owned(in_batch[i]) && page_tryget(in_batch[i]) == (i % 3 == 0));
		CHECK(page_count(in_batch[i]) == (i % 3 ? 0 : 2));
	}
	for (int i = 0; i < 8; i += 3)
		page_put(in_batch[i]);
}

static void the_dead_are_frozen(void)
{
	struct page *batch[8];

	bring_up_ops();
	for (int i = 0; i < 8; i++) {
		in_batch[i] = batch[i] = make(PAGE_BUFFER, 1 + i % 5, 1 + i / 4);
		if (i % 3 == 0)
			page_get(batch[i]);
	}
	hook_release_dead = nobody_gets_the_dead;
	pages_release(batch, 8);
	CHECK(!hook_release_dead && calls == 2);
	for (int i = 0; i < 8; i += 3)
		page_put(in_batch[i]);
	CHECK(calls == 5 && walk_all().handed_out == 1);
}
#endif

static void the_same_page_twice(void)
{
	struct page *batch[4];

	bring_up_ops();
	batch[0] = batch[2] = make(PAGE_BUFFER, 1, 1);
	batch[1] = batch[3] = make(PAGE_BUFFER, 1, 1);
	page_get(batch[0]);
	page_get(batch[1]);
	pages_release(batch, 4);
	CHECK(calls == 1 && bytes_told == 2 * PAGE_SIZE && walk_all().handed_out == 1);
}

/* ---- the check at free ---- */
static void expect_bad(struct page *pg, int from, const char *why)
{
	char said[512], index[32];

	page_free(pg);
	read_said(from, said, sizeof(said));
	snprintf(index, sizeof(index), "page %u (", page_to_index(pg));
	CHECK(strstr(said, index) && strstr(said, why) && strstr(said, "kept out of use"));
	CHECK(pg->kind == PAGE_BAD);
}

static void spoil_type(struct page *pg)
{
	page_replace_objcg(pg, NULL); /* leaves the type alone in the word */
}

static void bad_pages_are_kept_out_of_use(void)
{
	struct page *pg[5];
	int from;

	bring_up_ops();
	for (int i = 0; i < 5; i++)
		pg[i] = make(PAGE_BUFFER, 4, i == 2 ? 0 : 1);
	from = stderr_to_pipe();
	expect_bad(pg[0], from, "it still has references");
	CHECK(page_freeze(pg[1]));
	pg[1]->mapcount = 1;
	expect_bad(pg[1], from, "it is still mapped");
	CHECK(page_freeze(pg[2]));
	page_set_objcg(pg[2], owner(4), 0); /* kernel-style, but not typed so */
	expect_bad(pg[2], from, "owner word");
	CHECK(page_freeze(pg[3]));
	spoil_type(pg[3]);
	expect_bad(pg[3], from, "owner word");
	CHECK(page_bad_count == 4 && !calls);
	page_put(pg[4]);
	CHECK(calls == 1);
	/* None of them comes back. */
	CHECK(walk_all().bad == 4);
	for (int i = 0; i < 5000; i++) {
		struct page *other = block_alloc(2);

		for (int k = 0; k < 4; k++)
			CHECK(other != pg[k]);
	}
}

static void bad_pages_in_a_batch(void)
{
	struct page *batch[3];
	char said[512];
	int from;

	bring_up_ops();
	for (int i = 0; i < 3; i++)
		batch[i] = make(PAGE_BUFFER, 1, 1);
	batch[1]->mapcount = 1;
	from = stderr_to_pipe();
	pages_release(batch, 3);
	read_said(from, said, sizeof(said));
	CHECK(strstr(said, "still mapped"));
	CHECK(calls == 1 && bytes_told == 2 * PAGE_SIZE && page_bad_count == 1);
	CHECK(walk_all().bad == 1);
}

/* Freed although free already, or our own: reported, and left to whom it belongs. */
static void what_is_not_counted_is_left_alone(void)
{
	struct page *pg, *slab;
	char said[512];
	int from;

	bring_up_ops();
	pg = make(PAGE_LARGE, 1, 0);
	page_put(pg);
	slab = block_alloc(2);
	slab->kind = PAGE_SLAB;
	from = stderr_to_pipe();
	page_free(pg);
	read_said(from, said, sizeof(said));
	CHECK(strstr(said, "its kind has no count"));
	page_free(slab);
	page_free(page_at(0));
	CHECK(page_bad_count == 3);
	CHECK(slab->kind == PAGE_SLAB && page_at(0)->kind == PAGE_META);
	walk_all();
}

/* ---- races ---- */
static struct page *shared_page;
static u32 gotten;

/* Gets the page as often as it still can be got; each get is put. */
static void *try_to_get(void *arg)
{
	(void)arg;
	while (page_tryget(atomic_load_acquire(&shared_page))) {
		atomic_add_relaxed(&gotten, 1u);
		page_put(shared_page);
	}
	return NULL;
}

static void tryget_against_the_last_put(void)
{
	bring_up_ops();
	for (u32 round = 0; round < effort(200); round++) {
		pthread_t thread[3];

		shared_page = make(PAGE_BUFFER, 1, 1);
		for (int i = 0; i < 3; i++)
			CHECK(!pthread_create(&thread[i], NULL, try_to_get, NULL));
		while (round % 2 && atomic_load(&gotten) < round)
			cpu_relax();
		page_put(shared_page);
		for (int i = 0; i < 3; i++)
			pthread_join(thread[i], NULL);
		CHECK(calls == round + 1); /* once, whoever was last */
	}
	CHECK(gotten && walk_all().handed_out == 1);
}

/* Each page has four references and each thread drops one of each: every page is freed once. */
static struct page *common[512];

static void *drop_all(void *arg)
{
	struct page *mine[ARRAY_SIZE(common)];
	u64 seed = (uintptr_t)arg;

	memcpy(mine, common, sizeof(mine));
	for (size_t i = ARRAY_SIZE(mine); i > 1; i--) {
		size_t k = next_random(&seed) % i;
		struct page *pg = mine[k];

		mine[k] = mine[i - 1];
		mine[i - 1] = pg;
	}
	for (size_t i = 0; i < ARRAY_SIZE(mine); i += 32) {
		if (i / 32 % 2)
			pages_release(mine + i, 32);
		else
			for (size_t k = 0; k < 32; k++)
				page_put(mine[i + k]);
	}
	return NULL;
}

static void four_threads(void)
{
	pthread_t thread[4];

	bring_up_ops();
	for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
		common[i] = make(PAGE_BUFFER, 1 + i % 9, 1 + i % 3);
		*page_count_of(common[i]) = 4;
	}
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&thread[i], NULL, drop_all, (void *)(i + 1)));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CHECK(bytes_told <= page_cached && page_cached <= 2 * bytes_told);
	CHECK(walk_all().handed_out == 1);
}

/* ---- from above: what the layer is asked for by malloc ---- */
#ifdef SANITIZED
#define OPERATIONS 100000u
#else
#define OPERATIONS effort(1000000u)
#endif
#define LIVE	    20000u
#define SIZE_SHIFTS 18u /* 16 bytes << 18: 4 MiB */

/* Small ones are many, as everywhere: of two the smaller. The whole page range is in it. */
static size_t random_size(u64 *seed)
{
	u32 a = next_random(seed) % (SIZE_SHIFTS * 64), b = next_random(seed) % (SIZE_SHIFTS * 64);
	u32 e = MIN(a, b);
	size_t base = (size_t)16 << e / 64;

	return base + base * (e % 64) / 64;
}

/*
 * What these tests say of faults and of growth holds while nothing goes back to the system; how
 * many passes by age there are depends on how fast the machine is.
 */
static void keep_what_is_free(void)
{
	memcg_root();
	page_purge_ms = UINT32_MAX / 2;
}

static void malloc_touch_free(size_t size)
{
	char *p = memcg_malloc(size);

	CHECK(p);
	for (size_t i = 0; i < size; i += PAGE_SIZE)
		p[i] = 1;
	memcg_free(p);
}

static void malloc_reuses_what_is_warm(void)
{
	u64 faults, cached;
	u32 chunks;

	keep_what_is_free();
	for (int i = 0; i < 4; i++)
		malloc_touch_free(200000);
	faults = minor_faults();
	cached = page_cached;
	chunks = regn.chunks;
	for (int i = 0; i < 20000; i++)
		malloc_touch_free(200000);
	CHECK(page_cached == cached && regn.chunks == chunks);
	CHECK(FAULTS_UNTRUE || minor_faults() - faults < 100);
}

static void malloc_of_all_sizes_does_not_grow(void)
{
	u64 seed = 31, faults;
	u32 chunks;

	keep_what_is_free();
	malloc_touch_free(4000000);
	faults = minor_faults();
	chunks = regn.chunks;
	for (int i = 0; i < 20000; i++)
		malloc_touch_free(36 * KIB + next_random(&seed) % 4000000);
	CHECK(regn.chunks <= chunks + 8);
	CHECK(FAULTS_UNTRUE || minor_faults() - faults <= regn.chunks * (CHUNK_PAGES + 32) + 200);
}

/* Chunks are opened for what lives, not for how often it was replaced. */
static void any_sizes_grow_with_what_lives(void)
{
	struct object {
		char *p;
		size_t size;
	} *object = calloc(LIVE, sizeof(*object));
	u64 seed = 21, live = 0, most = 0;

	keep_what_is_free();
	for (u32 i = 0; i < OPERATIONS; i++) {
		struct object *o = &object[next_random(&seed) % LIVE];

		memcg_free(o->p);
		live -= o->size;
		o->size = random_size(&seed);
		o->p = memcg_malloc(o->size);
		CHECK(o->p);
		*o->p = 1;
		live += o->size;
		most = MAX(most, live);
	}
	CHECK(regn.chunks * CHUNK_SIZE <= most / 10 * 16 + 16 * MIB);
	for (u32 i = 0; i < LIVE; i++)
		memcg_free(object[i].p);
	free(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(the_span_shrinks_until_it_fits),
#ifndef SANITIZED /* which have terabytes reserved */
		PAGE_TEST(an_address_limit_is_lived_with),
#endif
		PAGE_TEST(a_span_asked_for_is_kept),
		PAGE_TEST(no_region_at_all),
		PAGE_TEST(absurd_spans),
		PAGE_TEST(the_last_put_frees),
		PAGE_TEST(unowned_pages_are_not_uncharged),
		PAGE_TEST(ranges_and_trimmed_blocks),
		PAGE_TEST(a_kind_may_have_its_own_place),
		PAGE_TEST(freeze_needs_the_only_reference),
		PAGE_TEST(a_put_too_many_ends_the_process),
		PAGE_TEST(one_uncharge_for_a_run),
		PAGE_TEST(another_way_is_another_run),
#ifdef MEMCG_DEBUG
		PAGE_TEST(the_dead_are_frozen),
#endif

		PAGE_TEST(the_same_page_twice),
		PAGE_TEST(bad_pages_are_kept_out_of_use),
		PAGE_TEST(bad_pages_in_a_batch),
		PAGE_TEST(what_is_not_counted_is_left_alone),
		PAGE_TEST(tryget_against_the_last_put),
		PAGE_TEST(four_threads),
		PAGE_TEST(malloc_reuses_what_is_warm),
		PAGE_TEST(malloc_of_all_sizes_does_not_grow),
		PAGE_TEST(any_sizes_grow_with_what_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
