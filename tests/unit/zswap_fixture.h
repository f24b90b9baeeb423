/* zswap_fixture.h - pages with known content, stored as words and copies. */
#ifndef MEMCG_TESTS_ZSWAP_FIXTURE_H
#define MEMCG_TESTS_ZSWAP_FIXTURE_H

#include "swap_fixture.h"

#include "vm/zswap.h"

static u64 page[PAGE_SIZE / sizeof(u64)], back[PAGE_SIZE / sizeof(u64)];

static inline u32 handle_of_group(const struct memcg *g)
{
	return g->handle->index;
}

static inline u64 store(u64 n, enum content kind, struct memcg *g)
{
	u64 entry = 0;

	page_write(page, n, kind);
	CHECK(zswap_store(page, handle_of_group(g), &entry) == WHERE_ZSWAP && entry);
	return entry;
}

static inline bool loads(u64 entry, u64 n, enum content kind)
{
	memset(back, 0xa5, sizeof(back));
	return !zswap_load(entry, back) && page_is(back, n, kind);
}

/* As reclaim calls it: its thread is busy. */
static inline u64 trim(void)
{
	u64 bytes;

	task_busy_begin();
	bytes = zswap_trim(true);
	task_busy_end();
	return bytes;
}

#endif
