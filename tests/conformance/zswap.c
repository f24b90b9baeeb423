/*
 * zswap.c - the kernel's test_zswap.c: pages compressed, and written back from there. Its pages
 * have one byte set where nothing else is said: not one word all over, so they compress.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <memcg/mm.h>

#include "range.h"
#include "row.h"
#include "rows.h"

static uint64_t stat(struct memcg *cg, const char *key)
{
	return file_key(cg, "memory.stat", key);
}

/* A group of which 4M, 32M or 64M are to be in memory, and the rest compressed. */
static struct memcg *group_of(const char *max, const char *zswap_max)
{
	struct memcg *cg = group_make(NULL, "zswap");

	file_write(cg, "memory.max", max);
	file_write(cg, "memory.zswap.max", zswap_max);
	return cg;
}

/* Writes all of a range, then reads it. */
static void write_and_read(struct memcg *cg, uint64_t bytes)
{
	struct range r;

	range_open(&r, cg, bytes);
	EXPECT(range_fill(&r));
	EXPECT(range_is_filled(&r));
	range_close(&r);
}

void row_zswap_usage(void)
{
	struct memcg *cg = group_of("1M", "max");

	EXPECT_IS(stat(cg, "zswpout"), ==, 0);
	write_and_read(cg, MIB(4));
	EXPECT_IS(stat(cg, "zswpout"), >, 0);
	note("zswpout %ju", (uintmax_t)stat(cg, "zswpout"));
	group_end(cg);
}

void row_swapin_nozswap(void)
{
	struct memcg *cg = group_of("24M", "0");
	uint64_t peak;

	write_and_read(cg, MIB(32));
	peak = file_number(cg, "memory.swap.peak");
	EXPECT_IS(peak, >=, MIB(8));
	EXPECT_IS(stat(cg, "zswpout"), ==, 0);
	EXPECT_IS(stat(cg, "pswpin"), >, 0);
	note("swap.peak %.1fM", (double)peak / MIB(1));
	group_end(cg);
}

void row_zswapin(void)
{
	struct memcg *cg = group_of("8M", "max");

	write_and_read(cg, MIB(32));
	EXPECT_IS(stat(cg, "zswpin"), >=, MIB(24) / RANGE_PAGE);
	EXPECT_IS(stat(cg, "pswpout"), ==, 0);
	note("zswpin %ju", (uintmax_t)stat(cg, "zswpin"));
	group_end(cg);
}

/* --- writing back ------------------------------------------------------------------------ */

#define PAGES 1024u

static int ask(struct memcg *cg, uint64_t bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%ju", (uintmax_t)bytes);
	return memcg_write(cg, "memory.reclaim", text, strlen(text));
}

/* The kernel's attempt_writeback: pages half of which are noise to a compressor, the rest zero. */
static void attempt_writeback(struct memcg *cg, bool wb)
{
	char page[RANGE_PAGE] = "", text[32];
	struct range r;
	uint64_t usage;

	for (unsigned i = 0; i < RANGE_PAGE / 2; i++)
		page[i] = (char)i;
	range_open(&r, cg, (uint64_t)PAGES * RANGE_PAGE);
	EXPECT(range_fill_with(&r, page));
	EXPECT_IS(ask(cg, r.bytes), ==, 0);
	usage = file_number(cg, "memory.zswap.current");
	EXPECT_IS(usage, >, 0);
	EXPECT(range_is_filled_with(&r, page));
	snprintf(text, sizeof(text), "%ju", (uintmax_t)(usage / 2));
	file_write(cg, "memory.zswap.max", text);
	EXPECT_IS(ask(cg, r.bytes), ==, wb ? 0 : -EAGAIN);
	note("zswap.current %ju, then at most half: %ju; zswpwb %ju", (uintmax_t)usage,
	     (uintmax_t)file_number(cg, "memory.zswap.current"), (uintmax_t)stat(cg, "zswpwb"));
	EXPECT(range_is_filled_with(&r, page));
	range_close(&r);
}

static void writeback_one(struct memcg *cg, bool wb)
{
	EXPECT_IS(stat(cg, "zswpwb"), ==, 0);
	attempt_writeback(cg, wb);
	EXPECT(wb == (stat(cg, "zswpwb") != 0));
}

void row_zswap_writeback_enabled(void)
{
	struct memcg *cg = group_make(NULL, "wb");

	file_write(cg, "memory.zswap.writeback", "1");
	writeback_one(cg, true);
	group_end(cg);
}

/* Also in a child that has not said so itself. */
void row_zswap_writeback_disabled(void)
{
	struct memcg *cg = group_make(NULL, "no_wb"), *child;

	file_write(cg, "memory.zswap.writeback", "0");
	writeback_one(cg, false);
	file_write(cg, "memory.zswap.max", "max");
	child = group_make(cg, "child");
	writeback_one(child, false);
	group_end(child);
	group_end(cg);
}

/* A group at its memory.zswap.max writes back its own copies and nobody else's. */
void row_no_invasive_cgroup_shrink(void)
{
	struct memcg *wb = group_of("32M", "64K"), *control = group_make(NULL, "control");
	struct range left, right;

	file_write(control, "memory.max", "32M");
	range_open(&right, control, MIB(64));
	EXPECT(range_fill(&right));
	range_open(&left, wb, MIB(64));
	EXPECT(range_fill(&left));
	EXPECT_IS(stat(wb, "zswpwb"), >, 0);
	EXPECT_IS(stat(control, "zswpwb"), ==, 0);
	note("zswpwb %ju", (uintmax_t)stat(wb, "zswpwb"));
	range_close(&left);
	range_close(&right);
	group_end(control);
	group_end(wb);
}

/* --- what is compressed, and whose it is -------------------------------------------------- */

#define MACHINE MIB(64)

/*
 * The kernel fills its machine from one group, and takes memory for another process again and
 * again: what is compressed for that is the first group's still. The machine is the root, at a max.
 */
void row_no_kmem_bypass(void)
{
	struct memcg *root = memcg_root(), *cg = group_make(NULL, "full");
	struct memcg *other = group_make(NULL, "trigger");
	struct range all, trigger;
	uint64_t stored, zswapped;
	unsigned tries = 0;

	file_write(root, "memory.max", "64M");
	range_open(&all, cg, MACHINE);
	EXPECT(range_fill(&all));
	do {
		EXPECT_IS(tries++, <, 20);
		range_open(&trigger, other, MACHINE / 4);
		EXPECT(range_fill(&trigger));
		range_close(&trigger);
		stored = stat(root, "zswpout") - stat(other, "zswpout");
	} while (stored <= MACHINE / 5 / RANGE_PAGE);
	zswapped = stat(cg, "zswapped");
	EXPECT_IS((int64_t)(stored * RANGE_PAGE - zswapped), <, (int64_t)(stored * RANGE_PAGE / 4));
	note("stored %.1fM, zswapped %.1fM", (double)(stored * RANGE_PAGE) / MIB(1),
	     (double)zswapped / MIB(1));
	range_close(&all);
	file_write(root, "memory.max", "max");
	group_end(other);
	group_end(cg);
}

/* The kernel keeps such pages as they are, in memory, for their order's sake; here: the file. */
void row_zswap_incompressible(void)
{
	struct memcg *cg = group_of("32M", "max");
	char page[RANGE_PAGE];
	struct range r;

	srandom(1);
	for (unsigned i = 0; i < RANGE_PAGE; i++)
		page[i] = (char)random();
	range_open(&r, cg, MIB(4));
	EXPECT(range_fill_with(&r, page));
	EXPECT_IS(memcg_madvise(r.mm, r.at, r.bytes, MEMCG_PAGEOUT), ==, 0);
	EXPECT_IS(stat(cg, "zswap_incomp"), ==, 0);
	EXPECT_IS(stat(cg, "zswpout"), ==, 0);
	EXPECT_IS(stat(cg, "pswpout"), ==, r.bytes / RANGE_PAGE);
	EXPECT_IS(stat(cg, "anon"), ==, 0);
	EXPECT(range_is_filled_with(&r, page));
	range_close(&r);
	group_end(cg);
}
