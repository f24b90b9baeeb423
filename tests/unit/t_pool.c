/*
 * t_pool.c - pools of network pages: taking, coming home, limits, memory given back, the end.
 */
#include "alloc_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <memcg.h>

#include "net/pool.h"
#include "sys/fault.h"

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

/* The longest run first; where none is long enough the rest are pieces, and the other long run
 * stays. */
static void pieces_are_taken_first(void)
{
	struct memcg_frag f[100], again[8], hole[12];
	static const unsigned at[12] = {10, 20, 30, 31, 32, 33, 50, 51, 52, 53, 54, 55};
	static const unsigned want[8] = {50, 51, 52, 53, 54, 55, 10, 20};
	char *first;

	make_pool(0, 100 * PAGE_SIZE);
	CHECK(memcg_pool_alloc(pool, cg, f, 100) == 100);
	first = memcg_page_address(f[0].page);
	for (unsigned i = 0; i < 12; i++) {
		CHECK(memcg_page_address(f[at[i]].page) == first + at[i] * PAGE_SIZE);
		hole[i] = f[at[i]];
		f[at[i]].page = NULL;
	}
	memcg_frags_put(hole, 12);
	cache_flush_all(pool); /* to the bits */
	CHECK(memcg_pool_alloc(pool, cg, again, 8) == 8);
	for (unsigned i = 0; i < 8; i++)
		CHECK(memcg_page_address(again[i].page) == first + want[i] * PAGE_SIZE);
	memcg_frags_put(again, 8);
	memcg_frags_put(f, 100);
	CHECK(!held(cg) && !memcg_pool_destroy(pool));
	closes();
}

static void over_max(void)
{
	struct memcg_frag f[8];
	struct memcg_events e = {.rose = 0};

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

/* Pages that do not fill an extent, and extents that go and come again. */
static void bytes_to_the_page(void)
{
	static struct memcg_frag f[1400];
	ssize_t got, n = 0;

	make_pool(0, 1300 * PAGE_SIZE + 77);
	for (unsigned round = 0; round < 3; round++) {
		for (n = 0; (got = memcg_pool_alloc(pool, cg, f + n, 100)) > 0; n += got)
			;
		CHECK(got == -ENOBUFS && n == 1300 && stat_of(pool).bytes == 1300 * PAGE_SIZE);
		memcg_frags_put(f, 600); /* from the middle on they stay */
		memcg_reclaim(memcg_root(), UINT64_MAX);
		for (n = 0; (got = memcg_pool_alloc(pool, cg, f + n, 37)) > 0; n += got)
			;
		CHECK(n == 600 && stat_of(pool).out == 1300);
		memcg_frags_put(f, 1300);
		memcg_reclaim(memcg_root(), UINT64_MAX);
		CHECK(!stat_of(pool).bytes && !pool->pages);
	}
	closes();
	CHECK(!memcg_pool_destroy(pool));
}

/* One page at a time is all there is: the stacks of other CPUs are not in its way. */
static void kept_pages_are_had(void)
{
	struct memcg_frag f[8];

	make_pool(0, 8 * PAGE_SIZE);
	CHECK(memcg_pool_alloc(pool, cg, f, 8) == 8);
	for (unsigned i = 0; i < 8; i++)
		memcg_frags_put(&f[i], 1);
	CHECK(cache_pages(pool) == 8 && memcg_pool_alloc(pool, cg, f, 8) == 8);
	memcg_frags_put(f, 8);
	CHECK(!memcg_pool_destroy(pool));
	closes();
}

static void figures(void)
{
	struct memcg_pool_stat s;
	struct memcg_frag f[10], one;

	for (unsigned round = 0; round < 3; round++) { /* in the same slot, with its CPUs' words */
		if (round)
			CHECK((pool = memcg_pool_create(NULL)));
		else
			make_pool(0, 0);
		CHECK(pool->slot == 1 && memcg_pool_alloc(pool, cg, f, 10) == 10);
		s = stat_of(pool);
		CHECK(s.out == 10 && s.peak == 10 && s.slow == 10 && !s.fast && !s.recycled);
		CHECK(s.bytes == 10 * PAGE_SIZE && !s.released && !s.refused);
		memcg_frags_put(f, 10);
		CHECK(stat_of(pool).recycled == 10 && stat_of(pool).bytes == 10 * PAGE_SIZE);
		one = take_one(cg);
		memcg_frags_put(&one, 1);
		CHECK(stat_of(pool).slow == 11);
		for (unsigned i = 0; i < 70; i++) { /* wherever the thread runs */
			one = take_one(cg);
			memcg_frags_put(&one, 1);
		}
		s = stat_of(pool);
		CHECK(s.fast + s.slow == 81 && s.recycled == 81 && !s.out && s.peak <= 13);
		CHECK(!memcg_pool_destroy(pool));
	}
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
	c.size = sizeof(c);
	c.bytes = PAGE_SIZE - 1;
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

/* Also what a CPU keeps, when nobody comes for it. */
static void idle_memory_goes(void)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;
	struct memcg_frag f[300];

	set_up();
	c.idle_ms = 1;
	CHECK((pool = memcg_pool_create(&c)) && memcg_pool_alloc(pool, cg, f, 256) == 256);
	for (unsigned i = 0; i < 256; i++)
		memset(memcg_page_address(f[i].page), 1, PAGE_SIZE);
	memcg_frags_put(f, 200);
	for (unsigned i = 200; i < 256; i++)
		memcg_frags_put(&f[i], 1);
	CHECK(managed_resident() == 256 * PAGE_SIZE && cache_pages(pool) == 56);
	while (managed_resident()) /* as page_tick does; the clock goes on by itself */
		net_purge(false);
	CHECK(stat_of(pool).released == 256 && !stat_of(pool).bytes && !cache_pages(pool));
	closes();
	CHECK(!memcg_pool_destroy(pool));
}

/* Driven by the slow path of any pool. */
static void use_drives_it(void)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;
	struct memcg_pool *idle;
	struct memcg_frag f[2];
	time_t began = time(NULL);

	make_pool(0, 2 * PAGE_SIZE);
	c.idle_ms = page_purge_ms = 1;
	CHECK((idle = memcg_pool_create(&c)) && memcg_pool_alloc(idle, cg, f, 2) == 2);
	memset(memcg_page_address(f[0].page), 1, PAGE_SIZE);
	memcg_frags_put(f, 2);
	while (!stat_of(idle).released) {
		CHECK(time(NULL) - began < 60); /* else nothing drives it */
		CHECK(memcg_pool_alloc(pool, cg, f, 2) == 2);
		memcg_frags_put(f, 2);
	}
	CHECK(!managed_resident() && !memcg_pool_destroy(idle) && !memcg_pool_destroy(pool));
	closes();
}

static void busy_memory_stays(void)
{
	struct memcg_pool_config c = MEMCG_POOL_CONFIG_INIT;
	struct memcg_frag f[3];

	set_up();
	c.idle_ms = UINT32_MAX;
	CHECK((pool = memcg_pool_create(&c)) && memcg_pool_alloc(pool, cg, f, 3) == 3);
	for (unsigned i = 0; i < 3; i++)
		memset(memcg_page_address(f[i].page), 1, PAGE_SIZE);
	memcg_frags_put(f, 1);
	memcg_frags_put(f + 1, 2);
	for (unsigned i = 0; i < 100; i++)
		CHECK(!net_purge(false));
	CHECK(managed_resident() == 3 * PAGE_SIZE && cache_pages(pool) == 1);
	CHECK(!memcg_pool_destroy(pool));
}

/* ---- what the system refuses ---- */

static void punch_refused(void)
{
	struct memcg_frag f[40];

	make_pool(MEMCG_POOL_STRICT, 64 * PAGE_SIZE);
	CHECK(memcg_pool_alloc(pool, cg, f, 40) == 40);
	for (unsigned i = 0; i < 40; i++)
		memset(memcg_page_address(f[i].page), 1, PAGE_SIZE);
	sys_fault_arm(SYS_FAULT_PUNCH, 1, 1, 0, 0);
	memcg_frags_put(f, 40);
	CHECK(sys_fault_count(SYS_FAULT_PUNCH) && !stat_of(pool).released && !stat_of(pool).out);
	CHECK(stat_of(pool).bytes == 40 * PAGE_SIZE);
	closes();
	memcg_reclaim(memcg_root(), UINT64_MAX); /* comes back though nothing goes */
	closes();
	sys_fault_disarm_all();
	CHECK(memcg_pool_alloc(pool, cg, f, 40) == 40);
	for (unsigned i = 0; i < 40; i++)
		CHECK(reads_zero((struct page *)f[i].page));
	memcg_frags_put(f, 40);
	CHECK(!memcg_pool_destroy(pool) && !managed_resident());
	closes();
}

/* What the system may still send is not written to, and not used again. */
static void punch_refused_of_sent(void)
{
	struct memcg_frag f;
	struct page *pg;
	char *at;

	make_pool(0, PAGE_SIZE);
	f = take_one(cg);
	pg = (struct page *)f.page;
	at = memcg_page_address(f.page);
	memset(at, 5, PAGE_SIZE);
	pg->net.flags |= NET_SENT;
	sys_fault_arm(SYS_FAULT_PUNCH, 1, 1, 0, 0);
	memcg_frags_put(&f, 1);
	CHECK(memcg_pool_alloc(pool, cg, &f, 1) == -ENOBUFS && at[0] == 5 && at[4095] == 5);
	CHECK(sys_fault_count(SYS_FAULT_PUNCH) && !stat_of(pool).out && !held(cg));
	sys_fault_disarm_all();
	f = take_one(cg);
	CHECK((struct page *)f.page == pg && !at[0] && !(pg->net.flags & NET_SENT));
	memcg_frags_put(&f, 1);
	CHECK(!memcg_pool_destroy(pool));
	closes();
}

/* Any call of the system, the nth: no pool, or no page, and all is as it was. */
static void everything_refused(void)
{
	static const enum sys_call calls[] = {SYS_FAULT_MAP, SYS_FAULT_OPEN_RANGE, SYS_FAULT_MEMFD};
	struct memcg_frag f;

	set_up();
	for (unsigned i = 0; i < 3 * ARRAY_SIZE(calls); i++) {
		sys_fault_arm(calls[i / 3], 1 + i % 3, 0, 0, 0);
		pool = memcg_pool_create(NULL);
		if (pool && memcg_pool_alloc(pool, cg, &f, 1) == 1)
			memcg_frags_put(&f, 1);
		CHECK(!held(cg) && !memcg_pool_destroy(pool));
		sys_fault_disarm_all();
		closes();
	}
	CHECK((pool = memcg_pool_create(NULL)));
	f = take_one(cg);
	memcg_frags_put(&f, 1);
	CHECK(!memcg_pool_destroy(pool) && !pool_at(1));
}

/* ---- what is seen of it ---- */

static struct memcg_leftovers left;

static void note(const struct memcg_leftovers *l, void *arg)
{
	(void)arg;
	left = *l;
}

static void reads(struct memcg *g, const char *file, const char *text)
{
	static char buf[8192];
	ssize_t n = memcg_read(g, file, buf, sizeof(buf) - 1);

	CHECK(n > 0);
	buf[n] = 0;
	if (!strstr(buf, text))
		fprintf(stderr, "%s", buf);
	CHECK(strstr(buf, text));
}

static void seen_by_kind(void)
{
	struct memcg_frag f[9];
	struct memcg *gone;

	make_pool(0, 0);
	CHECK((gone = memcg_create(NULL, "gone")) && !memcg_set_leftovers(note, NULL));
	CHECK(memcg_pool_alloc(pool, gone, f, 9) == 9);
	memcg_frags_put(f, 2);
	memcg_frags_put(f + 2, 1);
	reads(gone, "memory.owners", "sock objects=6 bytes=24576\n");
	reads(gone, "memory.stat", "\nsock 24576\n");
	reads(memcg_root(), "memory.report", "  6 pages out, 3 free\n");
	CHECK(!memcg_destroy(gone) && left.id == memcg_id(gone));
	CHECK(left.sock.objects == 6 && left.sock.bytes == 24576 && left.all.objects == 6);
	closes();
	memcg_frags_put(f, 9);
	memcg_put(gone);
	CHECK(!memcg_pool_destroy(pool));
	closes();
}

/* ---- the end ---- */

static void ends_once(void)
{
	struct memcg_frag f[2];

	make_pool(0, 0);
	CHECK(memcg_pool_alloc(pool, cg, f, 2) == 2);
	CHECK(!memcg_pool_destroy(pool) && memcg_pool_destroy(pool) == -EINVAL);
	CHECK(memcg_pool_alloc(pool, cg, f, 1) == -ESHUTDOWN && held(cg) == 2 * PAGE_SIZE);
	memcg_frags_put(f, 1);
	CHECK(pool_at(1) && memcg_pool_destroy(pool) == -EINVAL);
	memcg_frags_put(f + 1, 1);
	CHECK(!pool_at(1) && !held(cg) && !managed_resident());
	closes();
}

/* Memory of a pool that dies goes at once, but for what is out. */
static void death_gives_back(void)
{
	struct memcg_frag f[100];

	make_pool(0, 0);
	CHECK(memcg_pool_alloc(pool, cg, f, 100) == 100);
	for (unsigned i = 0; i < 100; i++)
		memset(memcg_page_address(f[i].page), 1, PAGE_SIZE);
	memcg_frags_put(f, 50);
	for (unsigned i = 50; i < 99; i++)
		memcg_frags_put(&f[i], 1);
	CHECK(!memcg_pool_destroy(pool) && managed_resident() == PAGE_SIZE);
	closes();
	memcg_frags_put(f + 99, 1);
	CHECK(!managed_resident() && !pool_at(1));
	closes();
}

static void two_hundred_and_fifty_five(void)
{
	static struct memcg_pool *all[POOLS_MAX];
	static struct memcg_frag f[POOLS_MAX];

	set_up();
	for (unsigned i = 0; i < POOLS_MAX; i++) {
		CHECK((all[i] = memcg_pool_create(NULL)));
		CHECK(memcg_pool_alloc(all[i], cg, &f[i], 1) == 1);
	}
	CHECK(!memcg_pool_create(NULL) && errno == ENOSPC);
	CHECK(held(cg) == POOLS_MAX * PAGE_SIZE);
	closes();
	CHECK(!memcg_pool_destroy(all[77]) && !memcg_pool_create(NULL) && errno == ENOSPC);
	memcg_frags_put(&f[77], 1);
	CHECK((all[77] = memcg_pool_create(NULL)));
	memcg_frags_put(f, POOLS_MAX);
	for (unsigned i = 0; i < POOLS_MAX; i++)
		CHECK(stat_of(all[i]).out == 0 && !memcg_pool_destroy(all[i]));
	CHECK(!held(cg));
	closes();
}

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
		PAGE_TEST(pieces_are_taken_first),
		PAGE_TEST(over_max),
		PAGE_TEST(over_its_bytes),
		PAGE_TEST(bytes_to_the_page),
		PAGE_TEST(kept_pages_are_had),
		PAGE_TEST(figures),
		PAGE_TEST(bad_calls),
		PAGE_TEST(free_pages_are_cached),
		PAGE_TEST(idle_memory_goes),
		PAGE_TEST(use_drives_it),
		PAGE_TEST(busy_memory_stays),
		PAGE_TEST(strict_forgets),
		PAGE_TEST(punch_refused),
		PAGE_TEST(punch_refused_of_sent),
		PAGE_TEST(everything_refused),
		PAGE_TEST(seen_by_kind),
		PAGE_TEST(ends_once),
		PAGE_TEST(death_gives_back),
		PAGE_TEST(two_hundred_and_fifty_five),
		PAGE_TEST(outlives_its_name),
		PAGE_TEST(from_thread_to_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
