/*
 * peak.c - memory.current and memory.peak, with readers whose peak is their own. Where the kernel
 * compares with its lines anon and file, what there is here is `large` and `slab`: all is memory
 * of the program, and the cache is objects.
 */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "pagecache.h"
#include "range.h"
#include "row.h"
#include "rows.h"
#include "tenant.h"

struct memcg_ctl *reader_open(struct memcg *cg, const char *file)
{
	struct memcg_ctl *ctl = memcg_ctl_open(cg, file);

	EXPECT(ctl);
	return ctl;
}

void reader_reset(struct memcg_ctl *ctl)
{
	EXPECT_IS(memcg_ctl_write(ctl, "reset", 5), ==, 0);
}

uint64_t reader_peak(struct memcg_ctl *ctl)
{
	char buf[64];

	EXPECT_IS(memcg_ctl_read(ctl, buf, sizeof(buf)), >, 0);
	return strtoull(buf, NULL, 10);
}

/* The kernel's alloc_anon_50M_check. */
static void anon_50M_objects(struct memcg *cg)
{
	struct tenant anon = TENANT(cg);

	EXPECT(tenant_grow(&anon, MIB(50)));
	EXPECT_IS(current_of(cg), >=, MIB(50));
	EXPECT_CLOSE(current_of(cg), MIB(50), 3);
	EXPECT_CLOSE(file_key(cg, "memory.stat", "large"), current_of(cg), 3);
	tenant_free(&anon);
}

/* alloc_pagecache_50M_check. */
static void cache_50M_objects(struct memcg *cg)
{
	struct cache cache;

	cache_init(&cache, cg);
	cache_read(&cache, MIB(50));
	EXPECT_IS(current_of(cg), >=, MIB(50));
	EXPECT_CLOSE(file_key(cg, "memory.stat", "slab"), current_of(cg), 10);
	cache_exit(&cache);
}

/* The same two on managed memory, where there are the kernel's own lines. */
static void anon_50M_pages(struct memcg *cg)
{
	struct range anon;

	range_open(&anon, cg, MIB(50));
	EXPECT(range_fill(&anon));
	EXPECT_IS(current_of(cg), >=, MIB(50));
	EXPECT_CLOSE(current_of(cg), MIB(50), 3);
	EXPECT_CLOSE(file_key(cg, "memory.stat", "anon"), current_of(cg), 3);
	range_close(&anon);
}

static void cache_50M_pages(struct memcg *cg)
{
	struct pagecache cache;

	pagecache_init(&cache, cg, MIB(50));
	pagecache_read(&cache);
	EXPECT_IS(current_of(cg), >=, MIB(50));
	EXPECT_CLOSE(file_key(cg, "memory.stat", "file"), current_of(cg), 10);
	pagecache_exit(&cache);
}

/* Four readers, closed in another order than they were reset in. */
static void current_peak(void (*anon_50M)(struct memcg *cg), void (*cache_50M)(struct memcg *cg))
{
	struct memcg *cg = group_make(NULL, "current_peak");
	struct memcg_ctl *reader[4];

	EXPECT_IS(current_of(cg), ==, 0);
	EXPECT_IS(file_number(cg, "memory.peak"), ==, 0);
	for (unsigned i = 0; i < 4; i++)
		reader[i] = reader_open(cg, "memory.peak");
	EXPECT_IS(reader_peak(reader[0]), ==, 0);

	anon_50M(cg);
	EXPECT_IS(file_number(cg, "memory.peak"), >=, MIB(50));
	for (unsigned i = 0; i < 3; i++)
		reader_reset(reader[i]);
	EXPECT_IS(reader_peak(reader[3]), >=, MIB(50));
	EXPECT_IS(file_number(cg, "memory.peak"), >=, MIB(50));
	memcg_ctl_close(reader[1]);
	reader_reset(reader[3]);
	EXPECT_IS(reader_peak(reader[0]), <=, MIB(30));
	note("after reset %.1fM", (double)reader_peak(reader[0]) / MIB(1));

	cache_50M(cg);
	EXPECT_IS(file_number(cg, "memory.peak"), >=, MIB(50));
	EXPECT_IS(reader_peak(reader[0]), >=, MIB(50));
	EXPECT_IS(reader_peak(reader[3]), >=, MIB(50));
	memcg_ctl_close(reader[0]);
	memcg_ctl_close(reader[3]);
	memcg_ctl_close(reader[2]);
	group_end(cg);
}

void row_current_peak(void)
{
	current_peak(anon_50M_objects, cache_50M_objects);
}

void row_current_peak_pages(void)
{
	current_peak(anon_50M_pages, cache_50M_pages);
}
