/*
 * alloc_fixture.h - what the tests of the allocation layer share: two groups, exact usage, and
 * a recount that must close.
 */
#ifndef MEMCG_TESTS_ALLOC_FIXTURE_H
#define MEMCG_TESTS_ALLOC_FIXTURE_H

#define walk page_walk /* the recount has one of its own */
#include "page_fixture.h"
#undef walk

#include "alloc/alloc.h"
#include "count/counter.h"
#include "ctl/recount.h"

static struct memcg *cg, *other;

static inline u64 held(struct memcg *g)
{
	stock_drain(NULL);
	return memcg_current(g);
}

static inline void say(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static inline void closes(void)
{
	struct recount_result r;

	stock_drain(NULL);
	CHECK(!recount(&r, say, NULL) && !r.differences && !counter_underflows);
}

static inline void set_up(void)
{
	cg = memcg_create(NULL, "a");
	other = memcg_create(NULL, "b");
	CHECK(cg && other);
	memcg_leave(memcg_get(cg));
}

static inline struct page *slab_of(const void *p)
{
	return page_head(page_index(p));
}

static inline bool is_own(const void *p)
{
	return slab_of(p)->slab.remote & SLAB_OWN;
}

#endif
