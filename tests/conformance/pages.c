/* pages.c - the rows of limits.c on managed memory: anonymous pages without swap, and files. */
#include <errno.h>
#include <string.h>

#include "pagecache.h"
#include "range.h"
#include "row.h"
#include "rows.h"

/* Without swap: dies unless there is room for all of it. */
static bool anon_survives(struct memcg *cg, uint64_t bytes)
{
	struct range anon;
	bool survived;

	range_open(&anon, cg, bytes);
	survived = range_fill(&anon);
	range_close(&anon);
	return survived;
}

/* The kernel's alloc_pagecache_max_30M. Once read, once mapped. */
static uint64_t cache_50M(struct memcg *cg, void (*fill)(struct pagecache *c))
{
	struct pagecache cache;
	uint64_t current;

	pagecache_init(&cache, cg, MIB(50));
	fill(&cache);
	current = current_of(cg);
	EXPECT_CLOSE(current, MIB(30), 5);
	EXPECT_CLOSE(file_key(cg, "memory.stat", "file"), MIB(30), 5);
	pagecache_exit(&cache);
	return current;
}

void row_high_pages(void)
{
	struct memcg *cg = group_make(NULL, "high");
	uint64_t read, mapped;

	file_write(cg, "memory.swap.max", "0");
	file_write(cg, "memory.high", "30M");
	EXPECT(anon_survives(cg, MIB(31)));
	read = cache_50M(cg, pagecache_read);
	mapped = cache_50M(cg, pagecache_map);
	EXPECT_IS(event_of(cg, "high"), >, 0);
	EXPECT_IS(event_of(cg, "max"), ==, 0);
	note("read %.1fM, mapped %.1fM", (double)read / MIB(1), (double)mapped / MIB(1));
	group_end(cg);
}

void row_max_pages(void)
{
	struct memcg *cg = group_make(NULL, "max");
	uint64_t read, mapped;

	file_write(cg, "memory.swap.max", "0");
	file_write(cg, "memory.max", "30M");
	EXPECT(!anon_survives(cg, MIB(100)));
	EXPECT_IS(event_of(cg, "oom"), ==, 1);
	read = cache_50M(cg, pagecache_read);
	EXPECT_IS(read, <=, MIB(30));
	mapped = cache_50M(cg, pagecache_map);
	EXPECT_IS(mapped, <=, MIB(30));
	EXPECT_IS(event_of(cg, "max"), >, 0);
	EXPECT_IS(event_of(cg, "oom"), ==, 1);
	note("read %.1fM, mapped %.1fM", (double)read / MIB(1), (double)mapped / MIB(1));
	group_end(cg);
}

void row_reclaim_pages(void)
{
	struct memcg *cg = group_make(NULL, "reclaim");
	struct pagecache cache;
	struct range anon;

	EXPECT_IS(current_of(cg), ==, 0);
	pagecache_init(&cache, cg, MIB(50));
	pagecache_read(&cache);
	range_open(&anon, cg, MIB(50));
	EXPECT(range_fill(&anon));
	EXPECT_CLOSE(current_of(cg), MIB(100), 10);
	EXPECT(reclaim_until(cg, MIB(30)));
	note("current %.1fM: anon %.1fM, file %.1fM", (double)current_of(cg) / MIB(1),
	     (double)file_key(cg, "memory.stat", "anon") / MIB(1),
	     (double)file_key(cg, "memory.stat", "file") / MIB(1));
	EXPECT_IS(memcg_write(cg, "memory.reclaim", "100M", 4), ==, -EAGAIN);
	EXPECT(range_is_filled(&anon));
	range_close(&anon);
	pagecache_exit(&cache);
	group_end(cg);
}
