/* t_large.c - objects over the largest class, counted pages. */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

static struct memcg_stat stat_of(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s;
}

static void an_object_costs_its_pages(void)
{
	set_up();
	for (size_t n = CLASS_MAX_SIZE + 1; n < 20u << 20; n = n * 5 / 4 + 77) {
		char *p = memcg_malloc(n);
		u64 bytes = ALIGN_UP(n, PAGE_SIZE);

		CHECK(p && held(cg) == bytes && memcg_usable_size(p) == bytes);
		CHECK(stat_of(cg).large == bytes);
		p[0] = p[bytes - 1] = 1;
		memcg_free(p);
		CHECK(!held(cg) && !stat_of(cg).large);
	}
	closes();
}

/* The mark says that it is charged; a switch turned meanwhile is not asked. */
static void freed_while_accounting_is_off(void)
{
	struct memcg_page *page;
	void *p;

	set_up();
	CHECK((p = memcg_malloc(100000)));
	CHECK((page = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	CHECK(memcg_write(memcg_root(), "memory.accounting", "0", 1) >= 0);
	memcg_free(p);
	memcg_page_put(page);
	CHECK(!held(cg));
	closes();
}

static void refused_at_max(void)
{
	struct memcg_page *page;
	void *p;

	set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 1 * MIB));
	for (int i = 0; i < 3; i++) {
		errno = 0;
		CHECK(!memcg_malloc(MIB + 1) && errno == ENOMEM);
		errno = 0;
		page = memcg_pages_alloc(9, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
		CHECK(!page && errno == ENOMEM);
		errno = 0;
		CHECK(!memcg_stack_alloc(MIB) && errno == ENOMEM); /* the guard is charged too */
		CHECK(!held(cg) && !stat_of(cg).kernel);
	}
	page = memcg_pages_alloc(9, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT | MEMCG_NOFAIL);
	CHECK(page && held(cg) == 2 * MIB);
	memcg_page_put(page);
	CHECK((p = memcg_malloc(MIB)) && held(cg) == MIB);
	memcg_free(p);
	CHECK(!held(cg));
	closes();
}

/* ---- counted pages ---- */
static void pages_of_every_order(void)
{
	set_up();
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		for (unsigned kind = MEMCG_PAGE_BUFFER; kind <= MEMCG_PAGE_TABLE; kind++) {
			u64 bytes = PAGE_SIZE << order;
			struct memcg_page *page =
				memcg_pages_alloc(order, kind, MEMCG_ACCOUNT | MEMCG_ZERO);
			char *p = memcg_page_address(page);

			CHECK(page && held(cg) == bytes && IS_ALIGNED((uintptr_t)p, bytes));
			CHECK((kind == MEMCG_PAGE_BUFFER ? stat_of(cg).buffer
							 : stat_of(cg).pagetables) == bytes);
			for (u64 i = 0; i < bytes; i += 511)
				CHECK(!p[i]);
			memset(p, 0xee, bytes);
			CHECK(memcg_page_of(p) == page && memcg_page_of(p + bytes - 1) == page);
			errno = 44;
			memcg_page_put(page);
			CHECK(errno == 44 && !held(cg) && !memcg_page_of(p));
		}
	closes();
}

static void bad_requests(void)
{
	static const unsigned kinds[] = {0, 4, 5, 8, 9, 14, 15, 1000};

	set_up();
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		errno = 0;
		CHECK(!memcg_pages_alloc(0, kinds[k], 0) && errno == EINVAL);
	}
	errno = 0;
	CHECK(!memcg_pages_alloc(MAX_ORDER + 1, MEMCG_PAGE_BUFFER, 0) && errno == EINVAL);
	errno = 0;
	CHECK(!memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, MEMCG_UNACCOUNTED) && errno == EINVAL);
	CHECK(!memcg_page_of(&kinds) && !memcg_page_of(memcg_malloc(100)));
}

static void the_last_reference_uncharges(void)
{
	struct memcg_page *page;

	set_up();
	CHECK((page = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	CHECK(memcg_page_get(page) == page && memcg_page_tryget(page));
	memcg_page_put(page);
	memcg_page_put(page);
	CHECK(held(cg) == 16 * KIB);
	memcg_page_put(page);
	memcg_page_put(NULL);
	CHECK(!held(cg) && !memcg_page_tryget(page));
	/* Without MEMCG_ACCOUNT nobody's, however often it is put. */
	CHECK((page = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, 0)) && !held(cg));
	memcg_page_put(page);
	closes();
}

static void any_mix_is_released(void)
{
	struct memcg_page *page[40], *kept;

	set_up();
	for (int i = 0; i < 40; i++) {
		memcg_leave(memcg_get(i / 5 % 2 ? cg : other));
		page[i] = memcg_pages_alloc(i % 4, i % 3 ? MEMCG_PAGE_BUFFER : MEMCG_PAGE_TABLE,
					    i % 7 ? MEMCG_ACCOUNT : 0);
		CHECK(page[i]);
	}
	kept = memcg_page_get(page[11]);
	memcg_page_put(page[30]);
	page[30] = NULL;
	CHECK(held(cg) && held(other));
	closes();
	errno = 3;
	memcg_pages_release(page, 40);
	CHECK(errno == 3 && held(other) == PAGE_SIZE << 3 && !held(cg));
	memcg_page_put(kept);
	CHECK(!held(other) && !stat_of(cg).buffer && !stat_of(other).pagetables);
	closes();
}

/* ---- growing where they are ---- */
static void fill(char *p, size_t from, size_t to)
{
	for (size_t i = from; i < to; i += 509)
		p[i] = (char)(i * 7);
}

static bool is_filled(const char *p, size_t to)
{
	for (size_t i = 0; i < to; i += 509)
		if (p[i] != (char)(i * 7))
			return false;
	return true;
}

/* From a class to 24 MiB by the page: copied when an order or the ranges begin, not each time. */
static void realloc_grows_in_place(void)
{
	unsigned moves = 0;
	char *p = NULL, *q;

	set_up();
	for (size_t had = 0, n = 509; n < 24 * MIB; n += 509 * (n < MIB ? 8 : 250)) {
		CHECK((q = memcg_realloc(p, n)) && is_filled(q, had));
		moves += n > CLASS_MAX_SIZE && q != p;
		fill(q, had, n);
		p = q;
		had = n;
		if (n <= CLASS_MAX_SIZE)
			continue;
		CHECK(memcg_usable_size(p) == ALIGN_UP(n, PAGE_SIZE));
		CHECK(held(cg) == ALIGN_UP(n, PAGE_SIZE) && stat_of(cg).large == held(cg));
	}
	CHECK(moves <= 10);
	closes();
	memcg_free(p);
	CHECK(!held(cg) && !stat_of(cg).large);
	closes();
}

/* A copy would be charged beside it; what is refused changes nothing. */
static void grows_up_to_the_limit(void)
{
	struct memcg_failure f;
	char *p, *q;

	set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 16 * MIB));
	CHECK((p = memcg_malloc(10 * MIB)));
	fill(p, 0, 10 * MIB);
	CHECK((q = memcg_realloc(p, 16 * MIB)) && q == p && held(cg) == 16 * MIB);
	errno = 0;
	CHECK(!memcg_realloc(p, 16 * MIB + 1) && errno == ENOMEM);
	CHECK(!memcg_last_failure(&f, sizeof(f)) && f.wanted == PAGE_SIZE);
	CHECK(held(cg) == 16 * MIB && memcg_usable_size(p) == 16 * MIB && is_filled(p, 10 * MIB));
	closes();
	memcg_free(p);
	CHECK(!held(cg));
	closes();
}

static void without_room_it_moves(void)
{
	char *p, *behind, *q;

	set_up();
	CHECK((p = memcg_malloc(8 * MIB)) && (behind = memcg_malloc(8 * MIB)));
	CHECK(behind == p + 8 * MIB);
	fill(p, 0, 8 * MIB);
	CHECK((q = memcg_realloc(p, 8 * MIB + 1)) && q != p && is_filled(q, 8 * MIB));
	CHECK(held(cg) == 16 * MIB + PAGE_SIZE && stat_of(cg).large == held(cg));
	closes();
}

/* Who else has it has it as it is. */
static void referenced_it_moves(void)
{
	struct memcg_page *page;
	char *p, *q;

	set_up();
	CHECK((p = memcg_malloc(100000)) && (page = memcg_page_of(p)));
	fill(p, 0, 100000);
	memcg_page_get(page);
	CHECK((q = memcg_realloc(p, 120000)) && q != p && is_filled(q, 100000));
	CHECK(held(cg) == 102400 + 122880 && is_filled(p, 100000));
	memcg_page_put(page);
	CHECK(held(cg) == 122880);
	closes();
}

static void who_has_it_pays_for_more(void)
{
	char *p, *q;

	set_up();
	CHECK((p = memcg_malloc(6 * MIB)));
	memcg_leave(memcg_get(other));
	CHECK((q = memcg_realloc(p, 7 * MIB)) == p && held(cg) == 7 * MIB && !held(other));
	CHECK(!memcg_destroy(memcg_get(cg)));
	CHECK(memcg_realloc(p, 8 * MIB) == p && memcg_owner_id(p) == memcg_id(memcg_root()));
	CHECK(stat_of(memcg_root()).large == 8 * MIB && !held(other));
	memcg_free(p);
	CHECK((p = memcg_alloc(NULL, 6 * MIB, 0, MEMCG_UNACCOUNTED)));
	CHECK(memcg_realloc(p, 7 * MIB) == p && !memcg_owner_id(p) && !held(other));
	memcg_free(p);
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(an_object_costs_its_pages),
		PAGE_TEST(freed_while_accounting_is_off),
		PAGE_TEST(refused_at_max),
		PAGE_TEST(pages_of_every_order),
		PAGE_TEST(bad_requests),
		PAGE_TEST(the_last_reference_uncharges),
		PAGE_TEST(any_mix_is_released),
		PAGE_TEST(realloc_grows_in_place),
		PAGE_TEST(grows_up_to_the_limit),
		PAGE_TEST(without_room_it_moves),
		PAGE_TEST(referenced_it_moves),
		PAGE_TEST(who_has_it_pays_for_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
