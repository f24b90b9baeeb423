/* mm_fixture.h - one managed mm of a group, and pages with known content. */
#ifndef MEMCG_TESTS_MM_FIXTURE_H
#define MEMCG_TESTS_MM_FIXTURE_H

#include "managed_fixture.h"

static struct memcg_mm *mm;

static inline void mm_set_up(void)
{
	set_up();
	mm = memcg_mm_create(cg);
	CHECK(mm);
}

/* With it all that it had goes, but for what is pinned. */
static inline void mm_tear_down(void)
{
	memcg_mm_destroy(mm);
	CHECK(held(cg) == 0 && managed_resident() == 0);
	closes();
}

static inline char *map_pages(size_t n)
{
	char *p = memcg_mmap(mm, n << PAGE_SHIFT, RW, 0, NULL, 0);

	CHECK(p && IS_ALIGNED((uintptr_t)p, PAGE_SIZE));
	return p;
}

/* As many of them as may go. */
static inline void page_out(char *p, size_t n)
{
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
}

/* --- contents ------------------------------------------------------------------------ */

/* Word w of page i: half of the pages compress, the others do not. */
static inline u64 word_of(u64 seed, size_t i, size_t w)
{
	u64 x = seed + i * 1000003 + (i % 2 ? w / 16 : w);

	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ul;
	return x ^ x >> 29;
}

static inline void write_page(char *p, u64 seed, size_t i)
{
	u64 *at = (u64 *)(p + (i << PAGE_SHIFT));

	for (size_t w = 0; w < PAGE_SIZE / sizeof(*at); w++)
		at[w] = word_of(seed, i, w);
}

static inline void check_page(const char *p, u64 seed, size_t i)
{
	const u64 *at = (const u64 *)(p + (i << PAGE_SHIFT));

	for (size_t w = 0; w < PAGE_SIZE / sizeof(*at); w++)
		CHECK(at[w] == word_of(seed, i, w));
}

static inline void write_pages(char *p, u64 seed, size_t n)
{
	for (size_t i = 0; i < n; i++)
		write_page(p, seed, i);
}

static inline void check_pages(const char *p, u64 seed, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_page(p, seed, i);
}

/* n pages with content 3, none of them in memory that may leave it. */
static inline char *paged_out(size_t n)
{
	char *p = map_pages(n);

	write_pages(p, 3, n);
	page_out(p, n);
	return p;
}

#endif
