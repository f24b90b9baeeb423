/*
 * pipe_fixture.h - what the tests of pipes share: pipes, bytes with a pattern, and who pays for the
 * pages.
 */
#ifndef MEMCG_TESTS_PIPE_FIXTURE_H
#define MEMCG_TESTS_PIPE_FIXTURE_H

#include "alloc_fixture.h"

#include <errno.h>
#include <sched.h>

#include <memcg.h>

#define NB MEMCG_PIPE_NONBLOCK

static char in[64 * PAGE_SIZE], out[64 * PAGE_SIZE];

static inline struct memcg_pipe *new_pipe(unsigned pages, unsigned flags)
{
	struct memcg_pipe *p = memcg_pipe_create(pages, flags);

	CHECK(p);
	return p;
}

static inline u64 buffers(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s.buffer;
}

/* The group pays for n pages, all of them buffers. */
static inline bool pays(struct memcg *g, u64 n)
{
	return held(g) == n * PAGE_SIZE && buffers(g) == n * PAGE_SIZE;
}

static inline void into(struct memcg *g)
{
	memcg_put(memcg_enter(g));
}

static inline void fill(void)
{
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 7 + i / 251);
}

static inline void writes(struct memcg_pipe *p, size_t from, size_t n)
{
	CHECK(memcg_pipe_write(p, in + from, n) == (ssize_t)n);
}

static inline void reads(struct memcg_pipe *p, size_t from, size_t n)
{
	CHECK(memcg_pipe_read(p, out, n) == (ssize_t)n && !memcmp(in + from, out, n));
}

static inline struct memcg_page *steals(struct memcg_pipe *p, size_t from, size_t at, size_t n)
{
	struct memcg_page *page = NULL;
	size_t offset = 1;

	CHECK(memcg_pipe_steal(p, &page, &offset) == (ssize_t)n && page && offset == at);
	CHECK(!memcmp((char *)memcg_page_address(page) + offset, in + from, n));
	CHECK(page_count((struct page *)page) == 1);
	return page;
}

static inline ssize_t steal_fails(struct memcg_pipe *p)
{
	struct memcg_page *page = NULL;
	size_t offset = 7;
	ssize_t r = memcg_pipe_steal(p, &page, &offset);

	CHECK(!page && offset == 7);
	return r;
}

#endif
