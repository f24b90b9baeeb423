/*
 * t_pool.c - pools of network pages: taking, coming home, limits, memory given back, the end.
 */
#include "alloc_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <memcg.h>

#include "net/pool.h"

static struct memcg_pool *pool;

static struct memcg_pool_stat stat_of(struct memcg_pool *p)
{
	struct memcg_pool_stat s;

	CHECK(!memcg_pool_stat(p, &s, sizeof(s)));
	return s;
}

static u64 sock(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s.sock;
}

static void make_pool(unsigned flags, u64 bytes)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;

	set_up();
	c.flags = flags;
	c.bytes = bytes;
	CHECK((pool = memcg_pool_create(&c)));
}

static struct memcg_frag take_one(struct memcg *g)
{
	struct memcg_frag f;

	CHECK(memcg_pool_alloc(pool, g, &f, 1) == 1 && f.page && !f.offset && f.length == 4096);
	return f;
}

/* ---- a life ---- */

static void charged_and_home(void)
{
	struct memcg_frag f;
	void *at;

	make_pool(0, 0);
	f = take_one(cg);
	at = memcg_page_address(f.page);
	CHECK(memcg_page_of(at) == f.page && held(cg) == 4096 && sock(cg) == 4096);
	CHECK(memcg_owner_id(at) == memcg_id(cg) && stat_of(pool).out == 1);
	closes();
	memcg_frags_get(&f, 1);
	memcg_page_put(f.page);
	CHECK(held(cg) == 4096);
	memcg_frags_put(&f, 1);
	CHECK(!f.page && !held(cg) && !sock(cg) && !stat_of(pool).out);
	CHECK(!memcg_page_tryget(memcg_page_of(at) ? memcg_page_of(at) : (void *)page_at(1)));
	closes();
	f = take_one(other);
	CHECK(memcg_page_address(f.page) == at && held(other) == 4096 && !held(cg));
	memcg_frags_put(&f, 1);
	CHECK(!memcg_pool_destroy(pool));
	closes();
}

/* A receive of many pages maps as one window. */
static void many_are_adjacent(void)
{
	struct memcg_frag f[16];

	make_pool(0, 0);
	for (unsigned round = 0; round < 3; round++) {
		CHECK(memcg_pool_alloc(pool, cg, f, 16) == 16);
		for (unsigned i = 1; i < 16; i++)
			CHECK((char *)memcg_page_address(f[i].page) ==
			      (char *)memcg_page_address(f[0].page) + i * PAGE_SIZE);
		CHECK(held(cg) == 16 * PAGE_SIZE);
		closes();
		memcg_frags_put(f, 16);
	}
	CHECK(!held(cg) && !memcg_pool_destroy(pool));
}

static void over_max(void)
{
	struct memcg_frag f[8];
	struct memcg_events e;

	make_pool(0, 0);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 5 * PAGE_SIZE));
	CHECK(memcg_pool_alloc(pool, cg, f, 8) == 5 && held(cg) == 5 * PAGE_SIZE);
	CHECK(memcg_pool_alloc(pool, cg, f + 5, 1) == -ENOBUFS);
	CHECK(!memcg_event_read(cg, &e, sizeof(e)) && e.sock_throttled == 1);
	CHECK(stat_of(pool).refused == 1 && stat_of(pool).out == 5);
	memcg_frags_put(f, 5);
	CHECK(!held(cg));
	closes();
	CHECK(!memcg_pool_destroy(pool));
}

static void over_its_bytes(void)
{
	struct memcg_frag f[8];

	make_pool(0, 6 * PAGE_SIZE);
	CHECK(memcg_pool_alloc(pool, cg, f, 8) == 6 && held(cg) == 6 * PAGE_SIZE);
	CHECK(memcg_pool_alloc(pool, cg, f + 6, 1) == -ENOBUFS && held(cg) == 6 * PAGE_SIZE);
	memcg_frags_put(f, 6);
	CHECK(memcg_pool_alloc(pool, cg, f, 8) == 6);
	memcg_frags_put(f, 6);
	CHECK(!memcg_pool_destroy(pool));
	closes();
}

static void bad_calls(void)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;
	struct memcg_frag f;

	set_up();
	c.flags = 1u << 9;
	CHECK(!memcg_pool_create(&c) && errno == EINVAL);
	c.flags = c.size = 0;
	CHECK(!memcg_pool_create(&c) && errno == EINVAL);
	CHECK(memcg_pool_destroy(NULL) == 0 && (pool = memcg_pool_create(NULL)));
	CHECK(memcg_pool_alloc(NULL, cg, &f, 1) == -EINVAL);
	CHECK(memcg_pool_alloc(pool, cg, NULL, 1) == -EINVAL);
	CHECK(memcg_pool_alloc(pool, cg, &f, 0) == -EINVAL);
	CHECK(memcg_pool_stat(pool, NULL, 8) == -EINVAL && !memcg_pool_destroy(pool));
}

/* ---- memory ---- */

static void free_pages_are_cached(void)
{
	struct memcg_frag f[100];
	struct memcg_stat s;
	u64 before;

	make_pool(0, 0);
	CHECK(!memcg_stat(memcg_root(), &s, sizeof(s)));
	before = s.cached;
	CHECK(memcg_pool_alloc(pool, cg, f, 100) == 100);
	for (unsigned i = 0; i < 100; i++)
		memset(memcg_page_address(f[i].page), 1, PAGE_SIZE);
	CHECK(managed_resident() == 100 * PAGE_SIZE);
	memcg_frags_put(f, 100);
	CHECK(!memcg_stat(memcg_root(), &s, sizeof(s)) && s.cached - before == 100 * PAGE_SIZE);
	memcg_reclaim(memcg_root(), UINT64_MAX);
	CHECK(!memcg_stat(memcg_root(), &s, sizeof(s)) && !s.cached && !managed_resident());
	CHECK(stat_of(pool).released == 100);
	closes();
	CHECK(!memcg_pool_destroy(pool));
}

/* Whoever has the page next does not see what the last one had there. */
static void strict_forgets(void)
{
	struct memcg_frag f;

	make_pool(MEMCG_POOL_STRICT, PAGE_SIZE);
	for (unsigned i = 0; i < 40; i++) {
		f = take_one(i % 2 ? cg : other);
		CHECK(reads_zero((struct page *)f.page));
		memset(memcg_page_address(f.page), (int)i + 1, PAGE_SIZE);
		memcg_frags_put(&f, 1);
	}
	CHECK(!memcg_pool_destroy(pool) && !managed_resident());
	closes();
}

/* ---- the end ---- */

static void outlives_its_name(void)
{
	struct memcg_frag f[70];

	make_pool(0, 0);
	CHECK(memcg_pool_alloc(pool, cg, f, 70) == 70);
	memset(memcg_page_address(f[3].page), 3, PAGE_SIZE);
	memcg_frags_put(f, 3);
	CHECK(!memcg_pool_destroy(pool));
	CHECK(*(char *)memcg_page_address(f[3].page) == 3 && held(cg) == 67 * PAGE_SIZE);
	memcg_frags_put(f + 3, 66);
	CHECK(held(cg) == PAGE_SIZE);
	closes();
	memcg_frags_put(f + 69, 1);
	CHECK(!held(cg) && !managed_resident() && !pool_at(1));
	closes();
	CHECK((pool = memcg_pool_create(NULL)));
	CHECK(memcg_pool_alloc(pool, cg, f, 1) == 1);
	memcg_frags_put(f, 1);
	CHECK(!memcg_pool_destroy(pool));
}

/* ---- several threads ---- */

#define THREADS 4u

static struct memcg_frag passing[64];

static void *pass_on(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg * 77 + 1;

	for (u32 i = 0; i < 20000 / effort_divisor(); i++) {
		struct memcg_frag f[20];
		u32 n = next_random(&seed) % 8 ? 1 : 1 + next_random(&seed) % 20;
		ssize_t got = memcg_pool_alloc(pool, next_random(&seed) % 2 ? cg : other, f, n);

		CHECK(got > 0 && got <= n);
		for (ssize_t k = 0; k < got; k++) {
			u64 *at = memcg_page_address(f[k].page);
			struct memcg_page **slot = &passing[next_random(&seed) % 64].page, *was;

			at[0] = at[511] = (u64)(uintptr_t)at ^ i;
			was = __atomic_exchange_n(slot, f[k].page, __ATOMIC_ACQ_REL);
			if (!was)
				continue;
			at = memcg_page_address(was);
			CHECK(at[0] == at[511]); /* nobody else has it */
			memcg_page_put(was);
		}
		if (!(i % 1000))
			memcg_reclaim(memcg_root(), MIB);
	}
	return NULL;
}

static void from_thread_to_thread(void)
{
	pthread_t thread[THREADS];

	make_pool(0, 0);
	for (u64 i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, pass_on, (void *)i));
	for (u64 i = 0; i < THREADS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	closes();
	CHECK(!memcg_pool_destroy(pool));
	memcg_frags_put(passing, 64);
	CHECK(!held(cg) && !held(other) && !managed_resident() && !pool_at(1));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(charged_and_home),
		PAGE_TEST(many_are_adjacent),
		PAGE_TEST(over_max),
		PAGE_TEST(over_its_bytes),
		PAGE_TEST(bad_calls),
		PAGE_TEST(free_pages_are_cached),
		PAGE_TEST(strict_forgets),
		PAGE_TEST(outlives_its_name),
		PAGE_TEST(from_thread_to_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
