/* move_fixture.h - what the tests of moving charges share: groups, ranges, every line compared. */
#ifndef MEMCG_TESTS_MOVE_FIXTURE_H
#define MEMCG_TESTS_MOVE_FIXTURE_H

#include "managed_fixture.h"
#include "swap_fixture.h"

#include <errno.h>

#include "group/vm.h"
#include "vm/mech.h"
#include "vm/move.h"

#define MOVE_ALL (MEMCG_MOVE_ANON | MEMCG_MOVE_FILE)

/* What pages count as. Tables are compared apart: they go with any page of their window. */
#define LINE(name) offsetof(struct memcg_stat, name)
static const size_t lines[] = {
	LINE(anon),	   LINE(file),		 LINE(shmem),	    LINE(file_mapped),
	LINE(file_dirty),  LINE(file_writeback), LINE(swapcached),  LINE(zswap),
	LINE(zswapped),	   LINE(inactive_anon),	 LINE(active_anon), LINE(inactive_file),
	LINE(active_file), LINE(unevictable),	 LINE(sock),
};
#define LINES ARRAY_SIZE(lines)

/* One group's, at a quiet moment. */
struct bill {
	u64 line[LINES], tables, current, swap;
};

static inline u64 swap_of(struct memcg *g)
{
	return g->vm ? counter_read(&g->vm->swap) : 0;
}

static inline struct bill bill_of(struct memcg *g)
{
	struct bill b;
	struct memcg_stat s;

	b.current = held(g);
	CHECK(!memcg_stat(g, &s, sizeof(s)));
	for (size_t i = 0; i < LINES; i++)
		b.line[i] = stat_at(&s, lines[i]);
	b.tables = s.pagetables;
	b.swap = swap_of(g);
	return b;
}

static inline bool same_lines(const struct bill *a, const struct bill *b)
{
	return !memcmp(a->line, b->line, sizeof(a->line)) && a->swap == b->swap;
}

static inline bool same_bill(const struct bill *a, const struct bill *b)
{
	return same_lines(a, b) && a->tables == b->tables && a->current == b->current;
}

static inline void fill(char *p, size_t pages, enum content kind)
{
	for (size_t i = 0; i < pages; i++)
		page_write(p + (i << PAGE_SHIFT), i + 1, kind);
}

static inline void is_filled(const char *p, size_t pages, enum content kind)
{
	for (size_t i = 0; i < pages; i++)
		CHECK(page_is(p + (i << PAGE_SHIFT), i + 1, kind));
}

static inline char *range(struct memcg_mm *mm, size_t pages, unsigned flags)
{
	char *p = memcg_mmap(mm, pages << PAGE_SHIFT, RW, flags, NULL, 0);

	CHECK(p);
	return p;
}

static inline void advise(struct memcg_mm *mm, char *p, size_t pages, unsigned advice)
{
	CHECK(!memcg_madvise(mm, p, pages << PAGE_SHIFT, advice));
}

#endif
