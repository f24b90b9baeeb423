/* swap_fixture.h - pages with known content, for what puts pages away. */
#ifndef MEMCG_TESTS_SWAP_FIXTURE_H
#define MEMCG_TESTS_SWAP_FIXTURE_H

#include "alloc_fixture.h"

#include <sys/mman.h>

/* Pages that a swap file may write from: shared, page aligned. */
static inline void *pages_map(unsigned n)
{
	void *p = mmap(NULL, n * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);

	CHECK(p != MAP_FAILED);
	return p;
}

enum content { CONTENT_SAME, CONTENT_TEXT, CONTENT_MIXED, CONTENT_RANDOM, CONTENT_KINDS };

/* Content n of its kind: the same bytes for the same n, others for another. */
static inline void page_write(void *page, u64 n, enum content kind)
{
	u64 seed = n * 2654435761u + kind, *word = page;
	unsigned noisy = kind == CONTENT_RANDOM ? 512 : kind == CONTENT_MIXED ? 200 : 0, i;

	for (i = 0; i < 512; i++) {
		word[i] = kind == CONTENT_SAME ? n : kind == CONTENT_TEXT ? n + (n ^ i / 8) : n;
		if (i < noisy)
			word[i] = (u64)next_random(&seed) << 32 | next_random(&seed);
	}
}

static inline bool page_is(const void *page, u64 n, enum content kind)
{
	u64 want[PAGE_SIZE / sizeof(u64)];

	page_write(want, n, kind);
	return !memcmp(page, want, PAGE_SIZE);
}

#endif
