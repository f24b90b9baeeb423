/*
 * owner.c - what it costs to ask whose memory is: the helpers of the owner word beside the raw load
 * and mask, and memcg_owner for each kind of memory. What is asked stays in the cache.
 */
#include "cases.h"

#include <string.h>
#include <memcg.h>
#include <memcg/page.h>

#include "alloc/alloc.h"
#include "group/owner.h"

#define OBJECT 200u

/* Keeps the result, and what is loaded from being known from the turn before. */
#define USED(x) __asm__ volatile("" : : "r"(x) : "memory")

static void helper(void *arg, uint64_t n)
{
	while (n--)
		USED(page_objcg(arg));
}

static void raw(void *arg, uint64_t n)
{
	while (n--)
		USED(*(const u64 *)arg & ~7ul);
}

/* A section each: what a caller pays who does nothing else in it. */
static void groups(void *arg, uint64_t n)
{
	struct rcu_reader *self = self_rcu();

	while (n--) {
		rcu_read_lock(self);
		USED(page_memcg_rcu(arg));
		rcu_read_unlock(self);
	}
}

static void owners(void *arg, uint64_t n)
{
	while (n--) {
		struct memcg *cg = memcg_owner(arg);

		USED(cg);
		memcg_put(cg);
	}
}

static void ids(void *arg, uint64_t n)
{
	while (n--)
		USED(memcg_owner_id(arg));
}

static void *page(void)
{
	struct memcg_page *pg = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);

	if (!pg)
		bench_die("memcg_pages_alloc");
	return pg;
}

/* ---- an object of each kind, of the active group but for the bare one ---- */
static void *in_shared(void)
{
	return memcg_malloc(OBJECT);
}

static void *in_own(void)
{
	void *p;

	do
		p = memcg_malloc(OBJECT);
	while (p && !(page_head(page_index(p))->slab.remote & SLAB_OWN));
	return p;
}

static void *in_bare(void)
{
	return memcg_alloc(NULL, OBJECT, 0, MEMCG_UNACCOUNTED);
}

static void *in_cache(void)
{
	struct memcg_cache *c = memcg_cache_create("bench", OBJECT, 0, NULL);

	return c ? memcg_cache_alloc(c, 0) : NULL;
}

static void *in_large(void)
{
	return memcg_malloc(100000);
}

static void *in_range(void)
{
	return memcg_malloc(8u << 20);
}

static void *in_buffer(void)
{
	return memcg_page_address(page());
}

static void *in_table(void)
{
	return memcg_page_address(
		bench_need(memcg_pages_alloc(0, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT)));
}

static void *in_stack(void)
{
	return memcg_stack_alloc(64 << 10);
}

static const struct {
	const char *name;
	void *(*make)(void);
} kinds[] = {
	{"shared", in_shared}, {"own", in_own},	    {"bare", in_bare},
	{"cache", in_cache},   {"large", in_large}, {"range", in_range},
	{"buffer", in_buffer}, {"table", in_table}, {"stack", in_stack},
};

static void measure_kind(const struct bench_time *t, const char *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, kind)) {
			char *p = kinds[i].make();

			if (!p)
				bench_die("owner: no memory");
			p += 24; /* an inner address */
			bench_print("ns", bench_measure(t, owners, p));
			bench_print("id_ns", bench_measure(t, ids, p));
			return;
		}
	bench_die("owner/KIND: no such kind");
}

void measure_owner(const struct bench_time *t, const char *arg)
{
	memcg_enter(group_make(NULL, "owner", 0));
	if (!strcmp(arg, "page-objcg")) {
		void *pg = page();

		bench_print("ns", bench_measure(t, helper, pg));
		bench_print("raw", bench_measure(t, raw, pg));
	} else if (!strcmp(arg, "page-memcg-rcu")) {
		bench_print("ns", bench_measure(t, groups, page()));
	} else {
		measure_kind(t, arg);
	}
}
