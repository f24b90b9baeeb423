/* t_cache.c - objects of one size: constructed once, owned one by one, checked at free. */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

static unsigned constructed;

static void construct(void *p)
{
	CHECK(IS_ALIGNED((uintptr_t)p, 64));
	*(u64 *)p = 0x6b6b;
	constructed++;
}

static struct memcg_cache *cache(size_t size)
{
	struct memcg_cache *c = memcg_cache_create("things", size, 0, NULL);

	CHECK(c);
	return c;
}

static bool is_refused(const char *name, size_t size, size_t align)
{
	errno = 0;
	return !memcg_cache_create(name, size, align, NULL) && errno == EINVAL;
}

static void bad_caches(void)
{
	CHECK(is_refused(NULL, 8, 0) && is_refused("", 8, 0) && is_refused("c", 0, 0));
	CHECK(is_refused("c", 8, 24) && is_refused("c", 8, 2 * PAGE_SIZE));
	CHECK(is_refused("c", CLASS_MAX_SIZE + 1, 0) && is_refused("c", SIZE_MAX - 8, 16));
	CHECK(is_refused("c", CLASS_MAX_SIZE - 100, PAGE_SIZE) == false);
	CHECK(memcg_cache_destroy(NULL) == -EINVAL);
}

static void every_slot_is_constructed_once(void)
{
	struct memcg_cache *c;
	void *p[400];

	set_up();
	CHECK((c = memcg_cache_create("built", 100, 64, construct)));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 400; i++) {
			CHECK((p[i] = memcg_cache_alloc(c, 0)) && *(u64 *)p[i] == 0x6b6b);
			CHECK(IS_ALIGNED((uintptr_t)p[i], 64));
		}
		CHECK(constructed >= 400 && constructed % 128 == 0);
		for (int i = 1; i < 400; i++) /* one stays: its slab is not made anew */
			memcg_cache_free(c, p[i]);
		memcg_cache_free(c, p[0]);
	}
	errno = 0;
	CHECK(!memcg_cache_alloc(c, MEMCG_ZERO) && errno == EINVAL);
	CHECK(!memcg_cache_destroy(c));
	closes();
}

static void a_slot_is_not_built_again_when_it_comes_back(void)
{
	struct memcg_cache *c;
	unsigned built;
	void *p, *q;

	set_up();
	CHECK((c = memcg_cache_create("built", 100, 64, construct)));
	CHECK((p = memcg_cache_alloc(c, 0)) && (q = memcg_cache_alloc(c, 0)));
	built = constructed;
	*(u64 *)p = 77;
	memcg_cache_free(c, p);
	CHECK(memcg_cache_alloc(c, 0) == p && *(u64 *)p == 77 && constructed == built);
	memcg_cache_free(c, q);
}

static void each_object_is_its_groups(void)
{
	struct memcg_cache *c;
	void *p, *q, *bare;
	u64 root;

	set_up();
	c = cache(100); /* 112 and an entry */
	CHECK((p = memcg_cache_alloc(c, 0)) && held(cg) == 116);
	memcg_leave(memcg_get(other));
	CHECK((q = memcg_cache_alloc(c, MEMCG_ZERO)) && held(other) == 116 && held(cg) == 116);
	for (int i = 0; i < 100; i++)
		CHECK(!((char *)q)[i]);
	root = held(memcg_root());
	CHECK((bare = memcg_cache_alloc(c, MEMCG_UNACCOUNTED)) && !memcg_owner_id(bare));
	CHECK(held(memcg_root()) == root);
	closes();
	CHECK(!memcg_recharge(p, other) && !held(cg) && held(other) == 232);
	memcg_cache_free(c, p);
	errno = 99;
	memcg_cache_free(c, q);
	CHECK(errno == 99 && !held(other));
	memcg_cache_free(c, bare);
	memcg_cache_free(c, NULL);
	CHECK(!memcg_cache_destroy(c));
	closes();
}

/*
 * Unowned objects come first and have no vector, nor need memory for one; the first owned object
 * installs it, from another thread here, and leaves them nobody's.
 */
static struct memcg_cache *bare_cache;

static void *first_owned(void *arg)
{
	memcg_leave(memcg_get(cg));
	*(void **)arg = memcg_cache_alloc(bare_cache, 0);
	return NULL;
}

static void the_first_owned_object_brings_the_vector(void)
{
	pthread_t thread;
	void *bare[3], *owned;

	set_up();
	bare_cache = cache(100);
	for (int i = 0; i < 3; i++) {
		CHECK((bare[i] = memcg_cache_alloc(bare_cache, MEMCG_UNACCOUNTED)));
		CHECK(slab_of(bare[i]) == slab_of(bare[0]) && !page_owned(slab_of(bare[i])));
	}
	memcg_cache_free(bare_cache, bare[1]);
	CHECK(!held(cg));
	closes();
	CHECK(!pthread_create(&thread, NULL, first_owned, &owned));
	CHECK(!pthread_join(thread, NULL) && owned == bare[1]); /* the lowest free slot */
	CHECK(page_objcgs(slab_of(owned)) && memcg_owner_id(owned) == memcg_id(cg));
	CHECK(!memcg_owner_id(bare[0]) && !memcg_owner_id(bare[2]) && held(cg) == 116);
	closes();
	memcg_cache_free(bare_cache, bare[0]);
	CHECK(held(cg) == 116);
	memcg_cache_free(bare_cache, owned);
	CHECK(!held(cg) && page_objcgs(slab_of(bare[2])) && !memcg_owner_id(owned));
	memcg_cache_free(bare_cache, bare[2]);
	CHECK(!memcg_cache_destroy(bare_cache));
	closes();
}

static void at_max(void)
{
	struct memcg_cache *c;
	void *p;

	set_up();
	c = cache(100);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0));
	for (unsigned flags = 0; flags <= MEMCG_NOWAIT; flags += MEMCG_NOWAIT) {
		errno = 0;
		CHECK(!memcg_cache_alloc(c, flags) && errno == ENOMEM && !held(cg));
	}
	CHECK((p = memcg_cache_alloc(c, MEMCG_NOFAIL)) && held(cg) == 116);
	memcg_cache_free(c, p);
	errno = 0;
	CHECK(!held(cg) && !memcg_cache_alloc(c, 1u << 15) && errno == EINVAL);
	CHECK(!memcg_cache_destroy(c));
	closes();
}

static void busy_caches_say_whose_objects_live(void)
{
	char said[2048], line[80];
	struct memcg_cache *c;
	void *p, *q, *bare;
	int from;

	set_up();
	c = cache(48);
	CHECK((p = memcg_cache_alloc(c, 0)) && (bare = memcg_cache_alloc(c, MEMCG_UNACCOUNTED)));
	memcg_leave(memcg_get(other));
	CHECK((q = memcg_cache_alloc(c, 0)));
	from = stderr_to_pipe();
	CHECK(memcg_cache_destroy(c) == -EBUSY);
	read_said(from, said, sizeof(said));
	CHECK(strstr(said, "cache things: 3 objects of 48 bytes"));
	snprintf(line, sizeof(line), "%p is alive, owner group %lu", p,
		 (unsigned long)memcg_id(cg));
	CHECK(strstr(said, line));
	snprintf(line, sizeof(line), "%p is alive, owner group %lu", q,
		 (unsigned long)memcg_id(other));
	CHECK(strstr(said, line));
	snprintf(line, sizeof(line), "%p is alive, owner nobody", bare);
	CHECK(strstr(said, line));
	memcg_cache_free(c, p);
	memcg_cache_free(c, q);
	CHECK(memcg_cache_destroy(c) == -EBUSY);
	memcg_cache_free(c, bare);
	CHECK(!memcg_cache_destroy(c));
}

static void misuse(void)
{
	struct memcg_cache *c, *d;
	char *p, *q;

	set_up();
	c = cache(48);
	d = cache(48);
	CHECK((p = memcg_cache_alloc(c, 0)) && (q = memcg_malloc(48)));
	EXPECT_BUG(memcg_cache_free(d, p), "not an object of this cache");
	EXPECT_BUG(memcg_cache_free(c, q), "not an object of this cache");
	EXPECT_BUG(memcg_cache_free(c, (char *)&c), "not an object of this cache");
	EXPECT_BUG(memcg_cache_free(c, p + 16), "inner pointer");
	CHECK(memcg_cache_alloc(c, 0));
	memcg_cache_free(c, p);
	EXPECT_BUG(memcg_cache_free(c, p), "double free");
	snprintf(p, 40, "things, %p)", (void *)p);
	CHECK(strstr(bug_line, p));
}

/* Empty slabs go back, but for one with room. */
static void memory_comes_back(void)
{
	static void *p[5000];
	struct memcg_cache *c;
	u64 before;

	set_up();
	c = cache(1000);
	before = page_cached;
	for (int i = 0; i < 5000; i++)
		CHECK((p[i] = memcg_cache_alloc(c, 0)));
	for (int i = 0; i < 5000; i++)
		memcg_cache_free(c, p[(i * 7) % 5000]);
	CHECK(!held(cg) && page_cached >= before + 4 * MIB);
	CHECK(!memcg_cache_destroy(c));
	closes();
	for (u32 i = 0; i < regn.chunks * CHUNK_PAGES; i++)
		CHECK(page_at(i)->kind != PAGE_SLAB || page_at(i)->slab.class != SLAB_CLASS_CACHE);
}

/* Every call that opens memory failing in turn. */
static void without_memory(void)
{
	struct memcg_cache *c;
	unsigned n = 0, refused = 0;
	static void *p[20000];

	set_up();
	c = cache(4000); /* 4000 and an entry */
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
	while (refused < 3 && n < 20000) {
		p[n] = memcg_cache_alloc(c, 0);
		if (p[n])
			n++;
		else
			refused++;
	}
	CHECK(refused == 3 && n && held(cg) == n * 4004u);
	closes();
	sys_fault_disarm_all();
	CHECK((p[n++] = memcg_cache_alloc(c, 0)));
	while (n)
		memcg_cache_free(c, p[--n]);
	CHECK(!held(cg) && !memcg_cache_destroy(c));
	closes();
}

/* ---- threads ---- */
static struct memcg_cache *common;
static void *shelf[64];

static void *mix(void *arg)
{
	u64 seed = (uintptr_t)arg;

	memcg_leave(memcg_get((uintptr_t)arg % 2 ? cg : other));
	for (int i = 0; i < 30000; i++) {
		void *p = memcg_cache_alloc(common, 0);

		CHECK(p);
		memcg_cache_free(common, atomic_xchg(&shelf[next_random(&seed) % 64], p));
	}
	return NULL;
}

static void three_threads(void)
{
	pthread_t thread[3];

	set_up();
	common = cache(200);
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread[i], NULL, mix, (void *)(i + 1)));
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	closes();
	for (int i = 0; i < 64; i++)
		memcg_cache_free(common, shelf[i]);
	CHECK(!held(cg) && !held(other) && !memcg_cache_destroy(common));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(bad_caches),
		PAGE_TEST(every_slot_is_constructed_once),
		PAGE_TEST(a_slot_is_not_built_again_when_it_comes_back),
		PAGE_TEST(each_object_is_its_groups),
		PAGE_TEST(the_first_owned_object_brings_the_vector),
		PAGE_TEST(at_max),
		PAGE_TEST(busy_caches_say_whose_objects_live),
		PAGE_TEST(misuse),
		PAGE_TEST(memory_comes_back),
		PAGE_TEST(without_memory),
		PAGE_TEST(three_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
