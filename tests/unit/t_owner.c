/* t_owner.c - whose is it: any address, any kind of memory, at any moment. */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

static void every_byte_of_every_kind(void)
{
	static const size_t sizes[] = {1, 48, 1000, 5000, 32768, 40000, 5u << 20};

	set_up();
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		char *p = memcg_malloc(sizes[k]);
		size_t n = memcg_usable_size(p);
		struct memcg *g;

		for (size_t i = 0; i < n; i += 1 + n / 3000)
			CHECK(memcg_owner_id(p + i) == memcg_id(cg));
		CHECK(memcg_owner_id(p + n - 1) == memcg_id(cg));
		CHECK((g = memcg_owner(p + n / 2)) == cg);
		memcg_put(g);
		memcg_free(p);
		CHECK(!memcg_owner_id(p) && !memcg_owner(p));
	}
	closes();
}

/* Three kinds of slab: shared, own, own with exceptions. */
static void slots_side_by_side(void)
{
	char *p[3];

	set_up();
	CHECK((p[0] = memcg_malloc(1024)) && (p[1] = memcg_alloc(other, 1024, 0, 0)));
	CHECK(page_head(page_index(p[0])) == page_head(page_index(p[1])));
	CHECK(memcg_owner_id(p[0] + 1023) == memcg_id(cg));
	CHECK(memcg_owner_id(p[1]) == memcg_id(other));
	for (int i = 0; i < 14; i++)
		CHECK((p[2] = memcg_malloc(1024)));
	do
		CHECK((p[0] = memcg_malloc(1024)));
	while (!(page_head(page_index(p[0]))->slab.remote & SLAB_OWN));
	CHECK(memcg_owner_id(p[0] + 7) == memcg_id(cg) && !memcg_owner_id(p[0] + 15 * 1024));
	CHECK(!memcg_recharge(p[0], other) && memcg_owner_id(p[0] + 7) == memcg_id(other));
	CHECK((p[1] = memcg_malloc(1024)) && memcg_owner_id(p[1]) == memcg_id(cg));
}

static void what_is_nobodys(void)
{
	struct memcg_page *page;
	char local, *p, *heap = malloc(10);

	set_up();
	CHECK(!memcg_owner_id(NULL) && !memcg_owner(&local) && !memcg_owner_id(heap));
	CHECK(!memcg_owner_id((char *)regn.base)); /* our own structures */
	CHECK(!memcg_owner_id((char *)regn.base + regn.span - 1));
	CHECK(!memcg_owner_id((char *)regn.base - 1));
	CHECK(!memcg_owner_id((char *)regn.base + regn.span));
	CHECK((p = memcg_alloc(NULL, 3000, 0, MEMCG_UNACCOUNTED)) && !memcg_owner_id(p));
	CHECK(memcg_malloc(3000) && !memcg_owner_id(p)); /* the slab has entries now */
	CHECK((p = memcg_alloc(NULL, 50000, 0, MEMCG_UNACCOUNTED)) && !memcg_owner_id(p));
	CHECK((page = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, 0)) && !memcg_page_owner(page));
	free(heap);
}

static void pages_stacks_and_caches(void)
{
	struct memcg_cache *c;
	struct memcg_page *page;
	struct memcg *g;
	char *stack, *o;

	set_up();
	CHECK((page = memcg_pages_alloc(3, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT)));
	CHECK((g = memcg_page_owner(page)) == cg);
	memcg_put(g);
	CHECK(memcg_owner_id((char *)memcg_page_address(page) + 20000) == memcg_id(cg));
	CHECK((stack = memcg_stack_alloc(10000)) && memcg_owner_id(stack + 12287) == memcg_id(cg));
	CHECK((c = memcg_cache_create("c", 100, 0, NULL)) && (o = memcg_cache_alloc(c, 0)));
	CHECK(memcg_owner_id(o + 99) == memcg_id(cg));
	memcg_cache_free(c, o);
	CHECK(!memcg_owner_id(o));
	closes();
}

/* Destroying moves everything at once, over several generations. */
static void whoever_inherited(void)
{
	struct memcg *child, *grandchild, *g;
	char *small, *large;

	set_up();
	CHECK((child = memcg_create(cg, "c")) && (grandchild = memcg_create(child, "d")));
	CHECK((small = memcg_alloc(grandchild, 100, 0, 0)));
	CHECK((large = memcg_alloc(grandchild, 100000, 0, 0)));
	CHECK(memcg_owner_id(small) == memcg_id(grandchild));
	CHECK(!memcg_destroy(grandchild) && memcg_owner_id(small) == memcg_id(child));
	CHECK(!memcg_destroy(child) && memcg_owner_id(large + 5) == memcg_id(cg));
	CHECK((g = memcg_owner(small)) == cg && held(cg) == 116 + 102400);
	memcg_put(g);
	memcg_free(small);
	memcg_free(large);
	CHECK(!held(cg));
	closes();
}

/* ---- asking while groups go and objects change hands ---- */
static void *object;
static u32 stop, asking;

static void *ask(void *arg)
{
	u64 asked = 0;

	while (!atomic_load(&stop)) {
		struct memcg *g = memcg_owner(object);

		CHECK(g && memcg_id(g) && memcg_owner_id(object));
		memcg_put(g);
		if (!asked++)
			atomic_add(&asking, 1u);
	}
	*(u64 *)arg = asked;
	return NULL;
}

static void while_groups_go(void)
{
	pthread_t thread[2];
	u64 asked[2];

	set_up();
	CHECK((object = memcg_malloc(100)));
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, ask, &asked[i]));
	while (atomic_load(&asking) < 2)
		sched_yield();
	for (int i = 0; i < 3000; i++) {
		struct memcg *g = memcg_create(cg, "passing");

		CHECK(g && !memcg_recharge(object, g) && !memcg_destroy(g));
		if (i % 8 == 0)
			CHECK(!memcg_recharge(object, other));
	}
	atomic_store(&stop, 1u);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], NULL) && asked[i]);
	memcg_free(object);
	CHECK(!held(cg) && !held(other));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(every_byte_of_every_kind), PAGE_TEST(slots_side_by_side),
		PAGE_TEST(what_is_nobodys),	     PAGE_TEST(pages_stacks_and_caches),
		PAGE_TEST(whoever_inherited),	     PAGE_TEST(while_groups_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
