/*
 * t_accounting.c - accounting goes off and on while memory of every kind is alive: each piece is
 * freed by its own mark, in any order, by anybody, and the recount says what is nobody's.
 */
#include "alloc_fixture.h"

#include <memcg/page.h>

/* ---- one of each kind ---- */
enum kind {
	SMALL,
	MIDDLE,
	LARGE,
	RANGE,
	ALIGNED,
	CACHED,
	BUFFER,
	TABLE,
	STACK,
	LITTLE_STACK,
	KINDS
};

struct thing {
	void *p;
	enum kind kind;
	u64 owner; /* id, when it was made; 0: nobody's */
};

static struct memcg_cache *cache;

static void accounting(bool on)
{
	CHECK(memcg_write(memcg_root(), "memory.accounting", on ? "1" : "0", 1) >= 0);
}

/* A slow path, whatever is parked: this thread goes by the switch from now on. */
static void follow(void)
{
	memcg_free(memcg_alloc(NULL, 16, 0, MEMCG_UNACCOUNTED));
}

static void *page_made(unsigned order, unsigned kind)
{
	struct memcg_page *page = memcg_pages_alloc(order, kind, MEMCG_ACCOUNT);

	return page ? memcg_page_address(page) : NULL;
}

static void *make_one(enum kind kind, u64 r)
{
	switch (kind) {
	case SMALL:
		return memcg_malloc(1 + r % 1000);
	case MIDDLE:
		return memcg_calloc(1 + r % 8, 1000);
	case LARGE:
		return memcg_malloc(CLASS_MAX_SIZE + 1 + r % 300000);
	case RANGE:
		return memcg_malloc((5 + r % 4) * MIB);
	case ALIGNED:
		return memcg_aligned_alloc(4096, 100 + r % 20000);
	case CACHED:
		return memcg_cache_alloc(cache, 0);
	case BUFFER:
		return page_made(r % 5, MEMCG_PAGE_BUFFER);
	case TABLE:
		return page_made(r % 3, MEMCG_PAGE_TABLE);
	case STACK:
		return memcg_stack_alloc(5000 + r % 60000);
	default:
		return memcg_stack_alloc(1 + r % 4096);
	}
}

static void free_one(const struct thing *t)
{
	switch (t->kind) {
	case CACHED:
		memcg_cache_free(cache, t->p);
		break;
	case BUFFER:
	case TABLE:
		memcg_page_put(memcg_page_of(t->p));
		break;
	case STACK:
	case LITTLE_STACK:
		memcg_stack_free(t->p);
		break;
	default:
		memcg_free(t->p);
	}
}

static struct thing made(enum kind kind, u64 r)
{
	struct thing t = {make_one(kind, r), kind, 0};

	CHECK(t.p);
	t.owner = memcg_owner_id(t.p);
	CHECK(!t.owner || t.owner == memcg_id(cg));
	return t;
}

/* ---- what the recount must say ---- */
#define THINGS 160
static struct thing things[THINGS];

static bool seen_before(const struct page *pg, unsigned i)
{
	while (i--)
		if (things[i].p && !things[i].owner && slab_of(things[i].p) == pg)
			return true;
	return false;
}

/* Bytes of every thing of nobody's; pages of those that are no slab's, and of bare slabs once. */
static void nobodys(u64 *bytes, u64 *pages)
{
	*bytes = *pages = 0;
	for (unsigned i = 0; i < THINGS; i++) {
		const struct page *pg = things[i].p ? slab_of(things[i].p) : NULL;

		if (!pg || things[i].owner)
			continue;
		*bytes += pg->kind == PAGE_SLAB ? pg->slab.size : page_bytes(pg);
		if (!page_owned(pg) && (pg->kind != PAGE_SLAB || !seen_before(pg, i)))
			*pages += pg->npages;
	}
}

static void recount_says_so(void)
{
	struct recount_result r;
	u64 bytes, pages;

	stock_drain(NULL);
	CHECK(!recount(&r, say, NULL) && !r.differences);
	nobodys(&bytes, &pages);
	CHECK(r.unaccounted == bytes && r.unaccounted_pages == pages);
}

/* ---- every kind made either way, freed either way ---- */
static void each_kind_each_way(void)
{
	set_up();
	CHECK((cache = memcg_cache_create("c", 72, 0, NULL)));
	for (unsigned way = 0; way < 4; way++) {
		bool made_on = way & 1, freed_on = way & 2;

		for (unsigned kind = 0; kind < KINDS; kind++) {
			accounting(made_on);
			follow();
			things[0] = made(kind, 3 * kind);
			fprintf(stderr, "way %u kind %u owner %lu held %lu\n", way, kind,
				things[0].owner, held(cg));
			CHECK(!!things[0].owner == made_on && !held(cg) == !made_on);
			recount_says_so();
			accounting(freed_on);
			free_one(&things[0]);
			things[0].p = NULL;
			CHECK(!held(cg));
			recount_says_so();
		}
	}
	accounting(true);
}

/* ---- any order, by anybody ---- */
struct rounds {
	u64 seed;
	unsigned switches, of_nobody, elsewhere;
};

static void *free_there(void *arg)
{
	free_one(arg);
	return NULL;
}

static void let_go(struct thing *t, struct rounds *r)
{
	pthread_t thread;

	CHECK(memcg_owner_id(t->p) == t->owner); /* it stays what it was made */
	if (next_random(&r->seed) % 8) {
		free_one(t);
	} else {
		CHECK(!pthread_create(&thread, NULL, free_there, t));
		CHECK(!pthread_join(thread, NULL));
		r->elsewhere++;
	}
	t->p = NULL;
}

/* An object grows or shrinks: whoever paid for it pays, and for nobody's nobody. */
static void changes_size(struct thing *t, struct rounds *r)
{
	u64 owner = t->owner;

	CHECK((t->p = memcg_realloc(t->p, 1 + next_random(&r->seed) % 60000)));
	t->owner = memcg_owner_id(t->p);
	CHECK(t->owner == owner);
}

static void step(struct rounds *r)
{
	struct thing *t = &things[next_random(&r->seed) % THINGS];
	u64 what = next_random(&r->seed);

	if (what % 16 == 0) {
		accounting(what / 16 % 2);
		r->switches++;
	} else if (!t->p) {
		*t = made(what / 16 % KINDS, next_random(&r->seed));
		r->of_nobody += !t->owner;
	} else if (t->kind <= LARGE && what % 5 == 0) {
		changes_size(t, r);
	} else {
		let_go(t, r);
	}
}

static void in_any_order(void)
{
	struct rounds r = {.seed = 1234};

	set_up();
	CHECK((cache = memcg_cache_create("c", 72, 0, NULL)));
	for (u32 i = 0; i < effort(20000); i++) {
		step(&r);
		if (i % 250 == 0)
			recount_says_so();
	}
	for (unsigned i = 0; i < THINGS; i++)
		if (things[i].p)
			let_go(&things[i], &r);
	recount_says_so();
	accounting(true);
	CHECK(r.switches && r.of_nobody);
	follow();
	recount_says_so();
	CHECK(!memcg_cache_destroy(cache));
}

/* ---- a batch of both, released while it is off ---- */
static void batches_of_both(void)
{
	struct memcg_page *page[64];

	set_up();
	for (unsigned i = 0; i < 64; i++) {
		accounting(i / 5 % 2);
		CHECK((page[i] =
			       memcg_pages_alloc(i % 3, MEMCG_PAGE_BUFFER + i % 2, MEMCG_ACCOUNT)));
	}
	accounting(false);
	CHECK(held(cg));
	memcg_pages_release(page, 64);
	CHECK(!held(cg));
	accounting(true);
	recount_says_so();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(each_kind_each_way),
		PAGE_TEST(in_any_order),
		PAGE_TEST(batches_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
