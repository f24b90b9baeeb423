/* t_meta.c - our own structures: cleared, kept apart by size, counted, never freed twice. */
#include "page_fixture.h"

static u64 told;
static u32 told_times;

static void told_of_growth(u64 bytes)
{
	told += bytes;
	told_times++;
}

static bool all_zero(const char *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static const size_t sizes[] = {1,    16,   17,	 100,	1008,  1024,  1025,  2048,   2049,
			       4096, 5000, 9000, 16384, 40000, 65536, 65537, 300000, 5000000};

static void objects_come_cleared(void)
{
	bring_up(0);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
			char *p[3];

			for (int k = 0; k < 3; k++) {
				p[k] = meta_alloc(sizes[i]);
				CHECK(p[k] && IS_ALIGNED((uintptr_t)p[k], 16));
				CHECK(all_zero(p[k], sizes[i]));
				memset(p[k], 0xff, sizes[i]);
			}
			for (int k = 0; k < 3; k++)
				meta_free(p[k], sizes[i]);
		}
	walk_all();
}

/* Also on memory that was something else before. */
static void dirty_blocks_are_cleared(void)
{
	struct page *pg[8];

	bring_up(0);
	for (int i = 0; i < 8; i++) {
		pg[i] = block_alloc(7);
		memset(page_address(pg[i]), 0xee, page_bytes(pg[i]));
	}
	for (int i = 0; i < 8; i++)
		block_free(pg[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		CHECK(all_zero(meta_alloc(sizes[i]), sizes[i]));
}

static void objects_do_not_overlap(void)
{
	enum { N = 3000 };
	static u64 *p[N];

	bring_up(0);
	for (unsigned i = 0; i < N; i++) {
		size_t size = 16 + i % 130 * 16;

		p[i] = meta_alloc(size);
		for (size_t k = 0; k < size / 8; k++)
			p[i][k] = i;
	}
	for (unsigned i = 0; i < N; i++)
		for (size_t k = 0; k < (16 + i % 130 * 16) / 8; k++)
			CHECK(p[i][k] == i);
}

/* Freed objects serve their own size only, and are taken again before anything grows. */
static void sizes_are_kept_apart(void)
{
	char *p, *q;
	u64 before;

	bring_up(0);
	p = meta_alloc(90);
	meta_free(p, 90);
	CHECK(meta_alloc(200) != p);
	CHECK(meta_alloc(96) == p);
	q = meta_alloc(200000);
	meta_free(q, 200000);
	before = meta_bytes;
	CHECK(meta_alloc(200704) == q); /* the same 49 pages */
	CHECK(meta_bytes == before);
	CHECK(meta_alloc(208000) != q);
	meta_free(NULL, 10);
}

/* Vectors of 4 bytes for each slot of a slab and 8 beside them cost that, to a line. */
static void a_vector_costs_its_entries(void)
{
	bring_up(0);
	for (unsigned slots = 16; slots <= 1020; slots += slots < 256 ? 16 : 51) {
		u64 size = 8 + slots * 4, before = meta_bytes,
		    n = 16 * 64 * KIB / ALIGN_UP(size, 64);

		for (u64 i = 0; i < n; i++)
			CHECK(meta_alloc(size));
		CHECK(meta_bytes - before <= 17 * 64 * KIB);
	}
}

static void growth_is_told(void)
{
	bring_up(0);
	meta_grown = told_of_growth;
	for (int i = 0; i < 3000; i++)
		CHECK(meta_alloc(48));
	CHECK(told == meta_bytes && told == 3 * 64 * KIB && told_times == 3);
	meta_alloc(70000);
	CHECK(told == meta_bytes && told == 3 * 64 * KIB + 72 * KIB);
	meta_alloc(9 * MIB);
	CHECK(told == meta_bytes && told == 3 * 64 * KIB + 72 * KIB + 9 * MIB);
	/* What is told is what the descriptors say, but for page 0. */
	CHECK(walk_all().handed_out == 1 + told / PAGE_SIZE);
}

static void refusals(void)
{
	unsigned n = 0;

	bring_up(8 * MIB);
	CHECK(!meta_alloc(SIZE_MAX) && !meta_alloc(PTRDIFF_MAX) && !meta_alloc(64 * MIB));
	CHECK(!meta_alloc((size_t)UINT32_MAX << PAGE_SHIFT << 1));
	while (meta_alloc(64 * KIB))
		n++;
	CHECK(n == 127); /* 128 blocks, less the one page 0 is in */
	CHECK(!meta_alloc(65537) && !meta_alloc(2 * MIB));
	CHECK(meta_alloc(16 * KIB) == NULL);
	walk_all();
}

static void misuse_ends_the_process(void)
{
	struct page *pg;
	char *p;

	bring_up(0);
	p = meta_alloc(64);
	EXPECT_BUG(meta_free(p, 65), "not an object of that size");
	EXPECT_BUG(meta_free(p + 16, 64), "not an object of that size");
	EXPECT_BUG(meta_free(&p, 64), "not an object of that size");
	EXPECT_BUG(meta_free((char *)regn.base + regn.span - 64, 64), "not an object");
	pg = block_alloc(0);
	EXPECT_BUG(meta_free(page_address(pg), 64), "not an object");
	meta_free(p, 64);
}

#ifdef MEMCG_DEBUG
static void twice_is_noticed(void)
{
	char *p, *q;

	bring_up(0);
	p = meta_alloc(64);
	q = meta_alloc(64);
	meta_free(p, 64);
	meta_free(q, 64);
	EXPECT_BUG(meta_free(p, 64), "freed twice");
}

static void a_write_after_free_is_noticed(void)
{
	u64 *p;

	bring_up(0);
	p = meta_alloc(64);
	meta_free(p, 64);
	p[1] = 7;
	EXPECT_BUG(meta_alloc(64), "mark");
}
#endif

static void *churn(void *arg)
{
	u64 seed = (uintptr_t)arg, *p[64] = {0};
	size_t size[64];

	for (unsigned i = 0; i < 40000; i++) {
		unsigned k = next_random(&seed) % 64;

		if (p[k]) {
			CHECK(p[k][1] == (u64)(uintptr_t)arg);
			meta_free(p[k], size[k]);
			p[k] = NULL;
			continue;
		}
		size[k] = 16 + next_random(&seed) % 3000;
		p[k] = meta_alloc(size[k]);
		CHECK(all_zero((char *)p[k], size[k]));
		p[k][1] = (u64)(uintptr_t)arg;
	}
	return NULL;
}

static void four_threads(void)
{
	pthread_t thread[4];

	bring_up(0);
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&thread[i], NULL, churn, (void *)(i + 1)));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CHECK(walk_all().handed_out == 1 + meta_bytes / PAGE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(objects_come_cleared),
		PAGE_TEST(dirty_blocks_are_cleared),
		PAGE_TEST(objects_do_not_overlap),
		PAGE_TEST(sizes_are_kept_apart),
		PAGE_TEST(a_vector_costs_its_entries),
		PAGE_TEST(growth_is_told),
		PAGE_TEST(refusals),
		PAGE_TEST(misuse_ends_the_process),
#ifdef MEMCG_DEBUG
		PAGE_TEST(twice_is_noticed),
		PAGE_TEST(a_write_after_free_is_noticed),
#endif
		PAGE_TEST(four_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
