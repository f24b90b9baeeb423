/* t_recharge.c - moving the charge of one object: exact both ways, or nothing changed. */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

static void *free_it(void *p)
{
	memcg_free(p);
	return NULL;
}

static void free_elsewhere(void *p)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, free_it, p) && !pthread_join(thread, NULL));
}

/* What `size` objects of the class are had from own slabs; p: `n` of them. */
static void own_objects(void **p, unsigned n, size_t size)
{
	struct page *pg;

	set_up();
	do
		CHECK(p[0] = memcg_malloc(size));
	while (!is_own(p[0]));
	for (unsigned i = 1; i < n; i++)
		CHECK((p[i] = memcg_malloc(size)) && is_own(p[i]));
	pg = slab_of(p[0]);
	CHECK(!page_objcgs_check(pg));
}

static void objects_of_shared_slabs(void)
{
	void *p, *q;

	set_up();
	CHECK((p = memcg_malloc(200)) && (q = memcg_malloc(200)) && !is_own(p));
	CHECK(!memcg_recharge(p, other) && held(cg) == 228 && held(other) == 228);
	CHECK(memcg_owner_id(p) == memcg_id(other) && memcg_owner_id(q) == memcg_id(cg));
	CHECK(!memcg_recharge(q, other) && !held(cg) && held(other) == 456);
	CHECK(!memcg_recharge(q, cg) && held(cg) == 228 && held(other) == 228);
	CHECK(slab_counts.recharged == 3);
	closes();
	CHECK(!memcg_recharge(q, NULL) && memcg_owner_id(q) == 1 && !held(cg));
	closes();
	memcg_free(q);
	free_elsewhere(p);
	CHECK(!held(cg) && !held(other));
	closes();
}

static void one_object_of_an_own_slab(void)
{
	void *p[8];
	u64 base;

	own_objects(p, 8, 1024);
	base = held(cg);
	CHECK(!memcg_recharge(p[1], other) && !memcg_recharge(p[2], other));
	CHECK(held(cg) == base - 2048 && held(other) == 2048 && is_own(p[1]));
	CHECK(memcg_owner_id(p[1]) == memcg_id(other) && memcg_owner_id(p[3]) == memcg_id(cg));
	closes();
	memcg_free(p[1]); /* by its holder; the slab is the first group's still */
	CHECK(held(cg) == base - 1024 && held(other) == 1024);
	free_elsewhere(p[2]);
	CHECK(held(cg) == base && !held(other));
	closes();
	CHECK(!memcg_recharge(p[3], other) && !memcg_recharge(p[3], cg));
	CHECK(held(cg) == base && !held(other));
	memcg_free(p[3]);
	CHECK(held(cg) == base);
	closes();
	/* Slots come back to the payer: the next object of each is the first group's. */
	for (int i = 0; i < 40; i++)
		CHECK(memcg_owner_id(memcg_malloc(1024)) == memcg_id(cg));
	closes();
}

/* The group pays for nothing of its slabs any more when the last object of one is freed: its charge
 * must be whole before the slab's is given back. */
static void every_object_elsewhere(bool remote)
{
	void *p[6];
	u64 base;

	own_objects(p, 6, CLASS_MAX_SIZE); /* two to a slab */
	base = held(cg);
	for (int i = 0; i < 6; i++)
		CHECK(!memcg_recharge(p[i], other));
	CHECK(held(other) == 6 * CLASS_MAX_SIZE && held(cg) == base - 6 * CLASS_MAX_SIZE);
	closes();
	for (int i = 0; i < 6; i++) {
		if (remote)
			free_elsewhere(p[i]);
		else
			memcg_free(p[i]);
		CHECK(held(other) == (5 - i) * CLASS_MAX_SIZE && !counter_underflows);
		closes();
	}
	thread_trim(thread_self(), true);
	CHECK(held(cg) == base - 3 * 64 * KIB);
	closes();
}

static void every_object_elsewhere_freed_locally(void)
{
	every_object_elsewhere(false);
}

static void every_object_elsewhere_freed_remotely(void)
{
	every_object_elsewhere(true);
}

static void *leave_one_exception(void *arg)
{
	void *p[20];

	memcg_leave(memcg_get(cg));
	do
		CHECK(p[0] = memcg_malloc(1024));
	while (!is_own(p[0]));
	CHECK(!memcg_recharge(p[0], other));
	*(void **)arg = p[0];
	return NULL;
}

/* An orphan that is nothing but one exception, with no stock to hide an underflow in. */
static void an_orphan_of_one_exception(void)
{
	pthread_t thread;
	u64 shared;
	void *p;

	cg = memcg_create(NULL, "a");
	other = memcg_create(NULL, "b");
	CHECK(!pthread_create(&thread, NULL, leave_one_exception, &p));
	CHECK(!pthread_join(thread, NULL));
	shared = 16 * 1028;
	CHECK(held(cg) == shared + 16 * KIB - 1024 && held(other) == 1024);
	closes();
	memcg_free(p);
	CHECK(held(cg) == shared && !held(other));
	closes();
}

static void large_objects_and_pages(void)
{
	struct memcg_page *page;
	struct memcg_stat s;
	void *p;

	set_up();
	CHECK((p = memcg_malloc(100000)) && held(cg) == 102400);
	CHECK(!memcg_recharge(p, other) && !held(cg) && held(other) == 102400);
	CHECK(!memcg_stat(other, &s, sizeof(s)) && s.large == 102400);
	CHECK(!memcg_stat(cg, &s, sizeof(s)) && !s.large);
	CHECK(memcg_owner_id((char *)p + 5000) == memcg_id(other));
	closes();
	memcg_free(p);
	CHECK((page = memcg_pages_alloc(3, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	CHECK(!memcg_page_recharge(page, other) && !held(cg) && held(other) == 32 * KIB);
	CHECK(!memcg_stat(other, &s, sizeof(s)) && s.buffer == 32 * KIB);
	closes();
	memcg_page_put(page);
	CHECK(!held(other) && memcg_page_recharge(NULL, other) == -EINVAL);
	closes();
}

static void refused_by_a_max(void)
{
	void *p[8], *shared, *large;
	u64 base;

	own_objects(p, 8, 1024);
	CHECK((shared = memcg_malloc(200)) && (large = memcg_malloc(100000)));
	CHECK(!memcg_recharge(p[7], other));
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 4096) && held(other) == 1024);
	CHECK((memcg_alloc(other, 2048, 0, 0)) && held(other) == 1024 + 2052);
	base = held(cg);
	CHECK(memcg_recharge(p[0], other) == -ENOMEM);
	CHECK(memcg_recharge(large, other) == -ENOMEM);
	CHECK(memcg_owner_id(p[0]) == memcg_id(cg) && held(cg) == base && held(other) == 3076);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 0) && memcg_recharge(shared, other) == -ENOMEM);
	CHECK(memcg_owner_id(shared) == memcg_id(cg) && memcg_owner_id(large) == memcg_id(cg));
	CHECK(held(cg) == base && held(other) == 3076);
	closes();
}

static void what_cannot_be_recharged(void)
{
	char *p, *large, local[8];

	set_up();
	CHECK((p = memcg_malloc(100)) && (large = memcg_malloc(100000)));
	CHECK(memcg_recharge(p + 1, other) == -EINVAL);
	CHECK(memcg_recharge(large + 4096, other) == -EINVAL);
	CHECK(memcg_recharge(local, other) == -EINVAL && memcg_recharge(NULL, other) == -EINVAL);
	memcg_free(p);
	CHECK(memcg_recharge(p, other) == -EINVAL);
	CHECK(!held(other));
	closes();
}

/* The new owner destroyed: its parent's, and credited there. */
static void the_new_owner_goes(void)
{
	struct memcg *child = NULL;
	void *p[4];
	u64 base;

	own_objects(p, 4, 1024);
	CHECK((child = memcg_create(other, "c")));
	base = held(cg);
	CHECK(!memcg_recharge(p[1], child) && held(child) == 1024 && held(other) == 1024);
	CHECK(!memcg_destroy(child) && memcg_owner_id(p[1]) == memcg_id(other));
	CHECK(held(other) == 1024);
	free_elsewhere(p[1]);
	CHECK(!held(other) && held(cg) == base);
	closes();
}

/* ---- against the frees of its neighbours ---- */
static void *many[128];

static void *free_even(void *arg)
{
	(void)arg;
	for (int i = 0; i < 128; i += 2)
		memcg_free(many[i]);
	return NULL;
}

static void while_neighbours_are_freed(void)
{
	own_objects(many, 1, 1024);
	for (int round = 0; round < 150; round++) {
		pthread_t thread;

		for (int i = 0; i < 128; i++)
			CHECK((many[i] = memcg_malloc(1024)));
		CHECK(!pthread_create(&thread, NULL, free_even, NULL));
		for (int i = 1; i < 128; i += 2)
			CHECK(!memcg_recharge(many[i], other));
		pthread_join(thread, NULL);
		for (int i = 1; i < 128; i += 2)
			memcg_free(many[i]);
		CHECK(!held(other) && !counter_underflows);
	}
	closes();
}

/*
 * Every object of an own slab belongs to others and its group is gone: the slab still falls back to
 * that group's handle, and the last objects go from both kinds of threads.
 */
static void all_of_a_slab_moved(void)
{
	static void *p[20000];
	unsigned n = 0, moved = 0, i;
	struct page *keep;
	u32 payer;

	own_objects(p, 20000, 64);
	payer = cg->handle->index;
	keep = slab_of(p[10000]);
	for (i = 0; i < 20000; i++)
		if (slab_of(p[i]) == keep) {
			CHECK(!memcg_recharge(p[i], other));
			moved++;
		} else {
			memcg_free(p[i]);
			p[i] = NULL;
		}
	CHECK(moved == keep->slab.capacity && (u64)moved * 64 == page_bytes(keep));
	memcg_leave(NULL);
	memcg_reclaim(NULL, 1);
	CHECK(!memcg_destroy(cg));
	rcu_poll(true);
	rcu_poll(true);
	CHECK(held(other) == (u64)moved * 64);
	for (i = 0; i < 20000; i++)
		if (p[i] && n++ % 2)
			memcg_free(p[i]);
		else if (p[i])
			free_elsewhere(p[i]);
	memcg_reclaim(NULL, 1);
	stock_drain(NULL);
	rcu_poll(true);
	rcu_poll(true);
	CHECK(held(other) == 0);
	/* own_objects() left objects in a shared slab: they are all that names the handle now. */
	CHECK(handle_of(payer)->refs < HANDLE_PIN && handle_of(payer)->refs % slab_cost(64) == 0);
	closes();
}

#ifdef MEMCG_DEBUG

static void *full_slab[16];

static void *fill_a_slab(void *arg)
{
	memcg_leave(memcg_get(cg));
	do
		CHECK(full_slab[0] = memcg_malloc(1024));
	while (!is_own(full_slab[0]));
	for (unsigned i = 1; i < 16; i++)
		CHECK((full_slab[i] = memcg_malloc(1024)) &&
		      slab_of(full_slab[i]) == slab_of(full_slab[0]));
	return arg;
}

static void *move_one_free_all(void *arg)
{
	CHECK(!memcg_recharge(full_slab[5], other));
	for (unsigned i = 5; i < 16; i++)
		memcg_free(full_slab[i]);
	return arg;
}

static void while_it_is_claimed(void)
{
	pthread_t thread;

	hook_free_claimed = NULL;
	CHECK(!pthread_create(&thread, NULL, move_one_free_all, NULL));
	CHECK(!pthread_join(thread, NULL));
	CHECK(cg->handle->refs / HANDLE_PIN == 2); /* the group's and the exceptions' */
}

/* Five gone of sixteen make the slab sparse: who freed the fifth converts it, and comes too late.
 */
static void exceptions_before_a_conversion(void)
{
	pthread_t thread;

	cg = memcg_create(NULL, "a");
	other = memcg_create(NULL, "b");
	CHECK(!pthread_create(&thread, NULL, fill_a_slab, NULL));
	CHECK(!pthread_join(thread, NULL));
	hook_free_claimed = while_it_is_claimed;
	for (unsigned i = 0; i < 5; i++)
		memcg_free(full_slab[i]);
	CHECK(!hook_free_claimed); /* it was claimed, by the fifth */
	CHECK(cg->handle->refs / HANDLE_PIN == 1 && !held(other));
	closes();
}

#endif

static struct memcg_page *shared_page;

static void *to_and_fro(void *to)
{
	memcg_page_get(shared_page);
	for (int i = 0; i < 20000; i++)
		CHECK(!memcg_page_recharge(shared_page, i % 2 ? NULL : to));
	memcg_page_put(shared_page);
	return NULL;
}

/* Holders that recharge one page at once: each payer in between is credited, by one of them. */
static void by_several_holders_at_once(void)
{
	pthread_t t[3];

	set_up();
	shared_page = memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	CHECK(shared_page);
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_create(&t[i], NULL, to_and_fro, i % 2 ? cg : other));
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(!memcg_page_recharge(shared_page, cg));
	CHECK(held(cg) == 4 * PAGE_SIZE && !held(other));
	closes();
	memcg_page_put(shared_page);
	CHECK(!held(cg));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(objects_of_shared_slabs),
		PAGE_TEST(one_object_of_an_own_slab),
		PAGE_TEST(every_object_elsewhere_freed_locally),
		PAGE_TEST(every_object_elsewhere_freed_remotely),
		PAGE_TEST(an_orphan_of_one_exception),
		PAGE_TEST(large_objects_and_pages),
		PAGE_TEST(refused_by_a_max),
		PAGE_TEST(what_cannot_be_recharged),
		PAGE_TEST(the_new_owner_goes),
		PAGE_TEST(while_neighbours_are_freed),
		PAGE_TEST(all_of_a_slab_moved),
		PAGE_TEST(by_several_holders_at_once),
#ifdef MEMCG_DEBUG
		PAGE_TEST(exceptions_before_a_conversion),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
