/*
 * page_fixture.h - what the tests of the page layer share.
 *
 * The layer has one region and lives as long as the process; so each test runs
 * in a child with a layer of its own (PAGE_TEST), where CHECK ends it.
 */
#ifndef MEMCG_TESTS_PAGE_FIXTURE_H
#define MEMCG_TESTS_PAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "effort.h"
#include "fork_fixture.h"
#include "page/free.h"
#include "sync/percpu.h"
#include "sys/clock.h"
#include "sys/fault.h"
#include "sys/log.h"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s: not true: %s\n", __FILE__, __LINE__, __func__, \
				#cond);                                                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

typedef void (*page_test_t)(void);

static inline void run_in_child(void **state)
{
	page_test_t test = (page_test_t)*state;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		test();
		fflush(NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#ifdef SANITIZED
#define FAULTS_UNTRUE true /* shadow memory faults too */
#else
#define FAULTS_UNTRUE false
#endif

#define PAGE_TEST(fn)                                       \
	{                                                   \
#fn, run_in_child, NULL, NULL, (void *)(fn) \
	}

/* 0: as large as the system gives; under a tool that notes down every page of it, large enough. */
static inline void bring_up(u64 span)
{
	const char *backend = getenv("MEMCG_PCPU");

	if (!span && effort_divisor() > 1)
		span = GIB;
	CHECK(!region_init(span));
	buddy_init();
	pcpu_init(backend && !strcmp(backend, "rseq"));
	pcp_init();
}

/* The same numbers in every run, and others for every seed. */
static inline u32 next_random(u64 *seed)
{
	*seed = *seed * 6364136223846793005ul + 1442695040888963407ul;
	return (u32)(*seed >> 33);
}

static inline bool reads_zero(const struct page *pg)
{
	const u64 *p = page_address(pg);

	for (size_t i = 0; i < page_bytes(pg) / sizeof(*p); i++)
		if (p[i])
			return false;
	return true;
}

static inline void touch(struct page *pg)
{
	char *p = page_address(pg);

	for (u32 i = 0; i < pg->npages; i++)
		p[(size_t)i << PAGE_SHIFT] = 1;
}

static inline u64 minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (u64)usage.ru_minflt;
}

/* ---- the walk: each page of the opened chunks belongs to one block, and the count is exact ----
 */
struct walk {
	u64 handed_out, dirty; /* pages */
	u32 free_blocks, bad;
};

static inline void check_tails(u32 index, u32 npages)
{
	static const struct page zero;

	for (u32 i = 1; i < npages; i++)
		CHECK(!memcmp(page_at(index + i), &zero, sizeof(zero)));
}

/* Pages from the head of a free block to the next head. */
static inline u32 walk_free(const struct page *pg, struct walk *w)
{
	w->free_blocks++;
	CHECK(!page_count(pg) && !page_owned(pg));
	CHECK(pg->flags == PG_DIRTY || pg->flags == PG_ZEROED);
	if (pg->kind == PAGE_RANGE) {
		CHECK(!pg->free.dirty == !(pg->flags & PG_DIRTY));
		w->dirty += pg->free.dirty;
		return pg->npages;
	}
	CHECK(pg->npages == 1u << pg->order && !(page_to_index(pg) & (pg->npages - 1)));
	w->dirty += pg->flags & PG_DIRTY ? pg->npages : 0;
	return pg->npages;
}

static inline u32 walk_handed_out(const struct page *pg, struct walk *w)
{
	u32 index = page_to_index(pg), chunks = DIV_ROUND_UP(pg->npages, CHUNK_PAGES);
	const struct chunk_use *last = &regn.chunk_use[index / CHUNK_PAGES + chunks - 1];

	CHECK(pg->npages);
	w->handed_out += pg->npages;
	w->bad += pg->kind == PAGE_BAD;
	for (u32 i = 0; i < pg->npages; i++)
		CHECK(page_head(index + i) == pg);
	if (pg->npages <= CHUNK_PAGES)
		return pg->npages;
	if (last->dirty > last->used)
		w->dirty += (u64)last->dirty - last->used;
	return chunks * CHUNK_PAGES;
}

static inline struct walk walk_all(void)
{
	struct walk w = {0};
	u32 end = regn.chunks * CHUNK_PAGES, index = 0, n;

	for (; index < end; index += n) {
		const struct page *pg = page_at(index);
		bool is_free =
			pg->kind == PAGE_BUDDY || pg->kind == PAGE_PCP || pg->kind == PAGE_RANGE;

		n = is_free ? walk_free(pg, &w) : walk_handed_out(pg, &w);
		check_tails(index, n);
	}
	CHECK(index == end);
	CHECK(w.dirty << PAGE_SHIFT == page_cached);
	return w;
}

/* A layer of its own, and four threads in it that give everything back; then all is clean. */
static inline void four_churn(void *(*churn)(void *))
{
	pthread_t thread[4];

	bring_up(0);
	page_purge_ms = 1;
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&thread[i], NULL, churn, (void *)(i + 1)));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(thread[i], NULL));
	CHECK(walk_all().handed_out == 1);
	page_purge_all();
}

/* A free block was freed an hour ago: no test can wait that long, nor be stopped for as long. */
#define HOUR_MS 3600000u

static inline void age_by_an_hour(struct page *pg)
{
	CHECK(pg->kind == PAGE_BUDDY || pg->kind == PAGE_RANGE);
	pg->free.stamp -= HOUR_MS;
}

/* ---- what the library says ---- */
static inline int stderr_to_pipe(void)
{
	int ends[2];

	CHECK(!pipe(ends));
	CHECK(dup2(ends[1], 2) == 2);
	close(ends[1]);
	return ends[0];
}

/* Writes of up to a pipe's size are there already: what the library said since stderr_to_pipe. */
static inline void read_said(int from, char *text, size_t size)
{
	ssize_t n;

	n = read(from, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
}

/* ---- misuse ends the process with a line; here it ends in expect_bug ---- */
static jmp_buf bug_met;
static char bug_line[LOG_LINE_MAX];

static inline void bug_hook(const char *line)
{
	snprintf(bug_line, sizeof(bug_line), "%s", line);
	longjmp(bug_met, 1);
}

#define EXPECT_BUG(statement, words)                       \
	do {                                               \
		log_bug_hook = bug_hook;                   \
		if (!setjmp(bug_met)) {                    \
			statement;                         \
			CHECK(!"it went on: " #statement); \
		}                                          \
		log_bug_hook = NULL;                       \
		CHECK(strstr(bug_line, words));            \
	} while (0)

#endif
