/*
 * free.c - what it costs who is not accounted to be freed on a path that asks whose it is. A page
 * of nobody's beside the same block without kind, count and question; objects of nobody's beside
 * those in a slab that was charged whole, where nothing is done for an object. Instructions are
 * counted by tests/scenario/free_unaccounted.sh.
 */
#include "cases.h"

#include <string.h>
#include <memcg.h>

#include "page/page.h"

static void pages(void *arg, uint64_t n)
{
	(void)arg;
	while (n--)
		memcg_page_put(bench_need(memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0)));
}

static void blocks(void *arg, uint64_t n)
{
	(void)arg;
	while (n--)
		block_free(bench_need(block_alloc(0)));
}

static void objects(void *arg, uint64_t n)
{
	(void)arg;
	while (n--)
		memcg_free(bench_need(memcg_malloc(64)));
}

/* Objects enough for slabs of the group's own, which the loop then goes on with. */
static void warm(void)
{
	static void *p[1000];

	for (int i = 0; i < 1000; i++)
		p[i] = bench_need(memcg_malloc(64));
	for (int i = 0; i < 1000; i++)
		memcg_free(p[i]);
}

static void accounting(const char *on)
{
	if (memcg_write(memcg_root(), "memory.accounting", on, 1))
		bench_die("memory.accounting");
	warm();
}

void measure_free(const struct bench_time *t, const char *arg)
{
	memcg_enter(group_make(NULL, "free", 0));
	if (!strcmp(arg, "page")) {
		bench_print("ns", bench_measure(t, pages, NULL));
		bench_print("block", bench_measure(t, blocks, NULL));
	} else if (!strcmp(arg, "object")) {
		warm();
		bench_print("own", bench_measure(t, objects, NULL));
		accounting("0");
		bench_print("ns", bench_measure(t, objects, NULL));
	} else {
		bench_die("free-unaccounted: page or object");
	}
}
