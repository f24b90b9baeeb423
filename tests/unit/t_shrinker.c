/*
 * t_shrinker.c - registering, counting, shares, the walk, and what becomes of a registration when
 * its group goes. Misbehaviour is in t_shrinker_bad.c, calls back into the library are in
 * t_shrinker_nested.c, races in t_shrinker_race.c.
 */
#include "shrinker_fixture.h"

#include "page/page.h"
#include "sys/fault.h"

/* --- registering -------------------------------------------------------------- */

static void refused(struct memcg *cg, const struct memcg_shrinker_config *c, int err)
{
	errno = 0;
	assert_null(memcg_shrinker_register(cg, c));
	assert_int_equal(errno, err);
	none_left();
}

static void test_bad_configs(void **state)
{
	struct {
		struct memcg_shrinker_config c;
		u64 more;
	} longer = {0};
	struct memcg_shrinker_config c;
	struct cache cache = CACHE_INIT;
	struct memcg *cg = group(NULL, "cg");

	(void)state;
	refused(cg, NULL, EINVAL);
	c = cache_config(&cache);
	c.size = 0;
	refused(cg, &c, EINVAL);
	c.size = offsetof(struct memcg_shrinker_config, scan); /* no place for scan */
	refused(cg, &c, EINVAL);
	c.size = PAGE_SIZE + 1;
	refused(cg, &c, E2BIG);
	c = cache_config(&cache);
	c.count = NULL;
	refused(cg, &c, EINVAL);
	c = cache_config(&cache);
	c.scan = NULL;
	refused(cg, &c, EINVAL);
	c = cache_config(&cache);
	c.priority = 13;
	refused(cg, &c, EINVAL);
	c = cache_config(&cache);
	c.flags = 2;
	refused(cg, &c, EINVAL);
	longer.c = cache_config(&cache);
	longer.c.size = sizeof(longer);
	longer.more = 1;
	refused(cg, &longer.c, E2BIG);
	longer.more = 0;
	memcg_shrinker_unregister(memcg_shrinker_register(cg, &longer.c));
	none_left();
	memcg_shrinker_unregister(NULL);
	destroy(cg);
}

/* A program built against an older header passes less; what it cannot say has its default. */
static void test_short_config(void **state)
{
	struct memcg_shrinker_config c = {
		.size = offsetof(struct memcg_shrinker_config, arg),
		.count = cache_count,
		.scan = cache_scan,
		.priority = 99,
		.name = "a name that is a good deal longer than forty-seven bytes"};
	struct memcg *before = memcg_enter(group(NULL, "cg"));
	struct memcg_shrinker *s = memcg_shrinker_register(NULL, &c);

	(void)state;
	assert_non_null(s);
	assert_ptr_equal(s->cg, memcg_active());
	assert_int_equal(s->priority, 0);
	assert_int_equal(s->deadline, 10000000);
	assert_int_equal(strlen(s->name), SHRINKER_NAME - 1);
	memcg_shrinker_unregister(s);
	destroy(memcg_active());
	memcg_put(memcg_active());
	memcg_leave(before);
}

static void test_offline_group(void **state)
{
	struct memcg *cg = memcg_get(group(NULL, "cg"));
	struct cache cache = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);

	(void)state;
	destroy(cg);
	refused(cg, &c, ENODEV);
	memcg_put(cg);
}

/* Takes all there is of a size, but for `spare`. Returns a chain to give back. */
static void **use_up(size_t size, unsigned spare)
{
	void **chain = NULL, **p;

	while ((p = meta_alloc(size))) {
		*p = chain;
		chain = p;
	}
	for (; spare; spare--) {
		p = chain;
		chain = *p;
		meta_free(p, size);
	}
	return chain;
}

static void give_back_all(void **chain, size_t size)
{
	while (chain) {
		void **p = chain;

		chain = *p;
		meta_free(p, size);
	}
}

/* It needs one shrinker and four nodes. Whichever is not to be had, nothing is left behind. */
static void test_without_memory(void **state)
{
	enum { NODES = 4 };
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	struct cache cache = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);
	unsigned have;

	(void)state;
	for (have = 0; have <= NODES + 1; have++) {
		unsigned shrinkers_had = have > 0, nodes_had = have - shrinkers_had;
		void **nodes, **others;
		struct memcg_shrinker *s;

		sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
		others = use_up(sizeof(struct memcg_shrinker), shrinkers_had);
		nodes = use_up(sizeof(struct shrinker_node), nodes_had);
		errno = 0;
		s = memcg_shrinker_register(low, &c);
		assert_int_equal(!s, nodes_had < NODES);
		assert_int_equal(errno, s ? 0 : ENOMEM);
		assert_int_equal(!low->shrinkers, !s);
		assert_int_equal(!root_group->shrinkers, !s);
		memcg_shrinker_unregister(s);
		none_left();
		sys_fault_disarm_all();
		give_back_all(nodes, sizeof(struct shrinker_node));
		give_back_all(others, sizeof(struct memcg_shrinker));
	}
	destroy(low);
	destroy(mid);
	destroy(top);
}

/* --- counting and scanning --------------------------------------------------------- */

static void test_frees_what_is_asked(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache cache = CACHE_INIT;

	(void)state;
	cache_add(&cache, cg, 4 * MIB);
	assert_false(shrinkers_any(cg));
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 0);
	cache_register(&cache, cg);
	assert_true(shrinkers_any(cg) && shrinkers_any(root_group));
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 4 * MIB);
	assert_ptr_equal(cache.last_cg, cg);
	assert_int_equal(shrinkers_scan(cg, 1 * MIB, RECLAIM_ANY), 1 * MIB);
	assert_int_equal(cache.last_bytes, 1 * MIB);
	assert_int_equal(cache_bytes(&cache), 3 * MIB);
	stock_drain(NULL);
	assert_true(memcg_current(cg) >= 3 * MIB && memcg_current(cg) < 3 * MIB + 512 * KIB);
	/* No more than it has, whatever is wanted. */
	assert_int_equal(shrinkers_scan(cg, 1 * GIB, RECLAIM_ANY), 3 * MIB);
	assert_int_equal(cache.last_bytes, 3 * MIB);
	cache_end(&cache);
	destroy(cg);
	none_left();
}

/* Neither call is made where program code may not run. */
static void test_where_it_may_run(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache quiet = CACHE_INIT, inlined = CACHE_INIT;

	(void)state;
	cache_add(&quiet, cg, 1 * MIB);
	cache_add(&inlined, cg, 1 * MIB);
	cache_register(&quiet, cg);
	cache_register_as(&inlined, cg, 0, MEMCG_SHRINK_INLINE);
	assert_int_equal(shrinkers_count(cg, RECLAIM_QUIET), 0);
	task_self()->busy++;
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 0);
	task_self()->busy--;
	assert_int_equal(shrinkers_count(cg, RECLAIM_INLINE), 1 * MIB);
	assert_int_equal(quiet.counts, 0);
	assert_int_equal(shrinkers_scan(cg, 2 * MIB, RECLAIM_INLINE), 1 * MIB);
	assert_int_equal(quiet.scans, 0);
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 1 * MIB);
	assert_int_equal(quiet.counts, 1);
	cache_end(&quiet);
	cache_end(&inlined);
	destroy(cg);
}

static void shares(unsigned prio_a, unsigned prio_b, u64 a, u64 b, u64 ask, u64 from_a, u64 from_b)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache ca = CACHE_INIT, cb = CACHE_INIT;

	cache_add(&ca, cg, a);
	cache_add(&cb, cg, b);
	cache_register_as(&ca, cg, prio_a, 0);
	cache_register_as(&cb, cg, prio_b, 0);
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), a + b);
	assert_int_equal(shrinkers_scan(cg, ask, RECLAIM_ANY), from_a + from_b);
	assert_int_equal(ca.freed, from_a);
	assert_int_equal(cb.freed, from_b);
	cache_end(&ca);
	cache_end(&cb);
	destroy(cg);
}

static void test_shares(void **state)
{
	(void)state;
	shares(0, 0, 12 * MIB, 4 * MIB, 4 * MIB, 3 * MIB, 1 * MIB); /* by size */
	shares(0, 2, 8 * MIB, 8 * MIB, 5 * MIB, 4 * MIB, 1 * MIB);  /* each step halves */
	shares(3, 0, 8 * MIB, 1 * MIB, 1 * MIB, 512 * KIB, 512 * KIB);
	shares(12, 12, 2 * MIB, 2 * MIB, 1 * MIB, 512 * KIB, 512 * KIB);
	/* What the cheap one has not the dear one is asked for, before and behind it. */
	shares(0, 12, 1 * MIB, 16 * MIB, 4 * MIB, 1 * MIB, 3 * MIB);
	shares(12, 0, 16 * MIB, 1 * MIB, 4 * MIB, 3 * MIB, 1 * MIB);
}

static size_t stop(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	cache_scan(cg, 0, deadline_ns, arg);
	(void)bytes;
	return MEMCG_SHRINK_STOP;
}

/* Stopped: not again in this pass, and its share is the others'. The next count asks it again. */
static void test_stop(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache a = CACHE_INIT, b = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&a);

	(void)state;
	c.scan = stop;
	cache_add(&a, cg, 2 * MIB);
	cache_add(&b, cg, 2 * MIB);
	a.shrinker = memcg_shrinker_register(cg, &c);
	cache_register(&b, cg);
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 4 * MIB);
	assert_int_equal(shrinkers_scan(cg, 1 * MIB, RECLAIM_ANY), 1 * MIB);
	assert_int_equal(shrinkers_scan(cg, 512 * KIB, RECLAIM_ANY), 512 * KIB);
	assert_int_equal(a.scans, 1);
	assert_int_equal(b.freed, 1 * MIB + 512 * KIB);
	shrinkers_count(cg, RECLAIM_ANY);
	shrinkers_scan(cg, 512 * KIB, RECLAIM_ANY);
	assert_int_equal(a.scans, 2);
	assert_int_equal(a.shrinker->record.credit, SHRINKER_SURE); /* it claimed nothing */
	cache_end(&a);
	cache_end(&b);
	destroy(cg);
}

static void test_small_objects(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct memcg_shrinker_config c = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg_shrinker *s;
	u64 before, sum = 0;

	(void)state;
	small_fill(cg);
	c.count = small_count;
	c.scan = small_scan;
	c.deadline_ms = PATIENT;
	s = memcg_shrinker_register(cg, &c);
	assert_non_null(s);
	while (small.nr) {
		before = small.nr;
		shrinkers_count(cg, RECLAIM_ANY);
		sum += shrinkers_scan(cg, 64 * KIB, RECLAIM_ANY);
		assert_true(small.nr < before);
	}
	assert_true(sum >= (u64)SMALL * SMALL_NR * 3 / 4);
	assert_true(s->record.credit >= SHRINKER_SURE * 3 / 4);
	assert_false(s->record.liar);
	memcg_shrinker_unregister(s);
	stock_drain(NULL);
	destroy(cg);
}

/* --- the walk ----------------------------------------------------------------------- */

static void walk_is(struct memcg *top, struct memcg *const *want, unsigned n)
{
	struct memcg *cg = NULL;
	unsigned i;

	for (i = 0; i < n; i++) {
		cg = shrinkers_next(top, cg);
		assert_ptr_equal(cg, want[i]);
	}
	assert_null(shrinkers_next(top, cg));
}

static void test_walk(void **state)
{
	struct memcg *a = group(NULL, "a"), *b = group(a, "b"), *c = group(b, "c"),
		     *d = group(a, "d"), *e = group(NULL, "e");
	struct cache of_a = CACHE_INIT, of_c = CACHE_INIT, of_d = CACHE_INIT, of_e = CACHE_INIT;

	(void)state;
	walk_is(root_group, NULL, 0);
	/* Registered in any order, met in the tree's. */
	cache_register(&of_e, e);
	cache_register(&of_d, d);
	cache_register(&of_c, c);
	walk_is(root_group, (struct memcg *[]){c, d, e}, 3);
	walk_is(a, (struct memcg *[]){c, d}, 2);
	walk_is(c, (struct memcg *[]){c}, 1);
	cache_register(&of_a, a);
	walk_is(root_group, (struct memcg *[]){a, c, d, e}, 4);
	cache_end(&of_d);
	assert_null(d->shrinkers);
	walk_is(a, (struct memcg *[]){a, c}, 2);
	walk_is(d, NULL, 0);
	cache_end(&of_c);
	assert_null(b->shrinkers);
	cache_end(&of_a);
	cache_end(&of_e);
	none_left();
	destroy(c);
	destroy(b);
	destroy(d);
	destroy(a);
	destroy(e);
}

/* Where it stands may lose its shrinker, or go; what is behind is met all the same. */
static void test_walk_loses_its_place(void **state)
{
	struct memcg *top = group(NULL, "top"), *cg[6], *at;
	struct cache cache[6];
	char name[2] = "a";
	unsigned i;

	(void)state;
	for (i = 0; i < 6; i++, name[0]++) {
		cache[i] = (struct cache)CACHE_INIT;
		cg[i] = group(top, name);
		cache_register(&cache[i], cg[i]);
	}
	at = shrinkers_next(top, shrinkers_next(top, NULL));
	assert_ptr_equal(at, cg[1]);
	cache_end(&cache[1]);
	at = shrinkers_next(top, at);
	assert_ptr_equal(at, cg[2]);
	destroy(cg[2]); /* its shrinker is top's now, and top is behind us */
	at = shrinkers_next(top, at);
	assert_ptr_equal(at, cg[3]);
	cache_end(&cache[3]);
	cache_register(&cache[3], cg[3]); /* anew: it is not met twice */
	at = shrinkers_next(top, at);
	assert_ptr_equal(at, cg[4]);
	cache_end(&cache[5]);
	assert_null(shrinkers_next(top, at));
	cache_end(&cache[0]);
	cache_end(&cache[2]);
	cache_end(&cache[3]);
	cache_end(&cache[4]);
	for (i = 0; i < 6; i++)
		if (i != 2)
			destroy(cg[i]);
	destroy(top);
	none_left();
}

static void test_rotate(void **state)
{
	struct memcg *top = group(NULL, "top"), *a = group(top, "a"), *a1 = group(a, "1"),
		     *a2 = group(a, "2"), *b = group(top, "b");
	struct cache ca1 = CACHE_INIT, ca2 = CACHE_INIT, cb = CACHE_INIT;

	(void)state;
	cache_register(&ca1, a1);
	cache_register(&ca2, a2);
	cache_register(&cb, b);
	shrinkers_rotate(top, a1);
	walk_is(top, (struct memcg *[]){a2, b}, 2);
	walk_is(top, (struct memcg *[]){a1, a2, b}, 3); /* once only */
	shrinkers_rotate(top, b);
	walk_is(top, (struct memcg *[]){a1, a2, b}, 3); /* behind the last is the first */
	shrinkers_rotate(top, a2);
	cache_end(&ca2); /* its place goes: from its elder sibling on */
	walk_is(top, (struct memcg *[]){b}, 1);
	shrinkers_rotate(top, a1);
	cache_end(&ca1);
	walk_is(top, (struct memcg *[]){b}, 1);
	cache_end(&cb);
	shrinkers_rotate(top, b); /* nobody is there: no harm */
	walk_is(top, NULL, 0);
	destroy(a1);
	destroy(a2);
	destroy(a);
	destroy(b);
	destroy(top);
}

/* Ten thousand groups, three with shrinkers: the walk looks at those and what is above them. */
static void test_walk_of_many(void **state)
{
	enum { GROUPS = 10000 };
	static struct memcg *cg[GROUPS];
	struct memcg *top = group(NULL, "top");
	struct cache cache[3] = {CACHE_INIT, CACHE_INIT, CACHE_INIT};
	char name[16];
	u64 steps;
	unsigned i;

	(void)state;
	for (i = 0; i < GROUPS; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		cg[i] = group(top, name);
	}
	for (i = 0; i < 3; i++) {
		cache_add(&cache[i], cg[i * 4000 + 7], 1 * MIB);
		cache_register(&cache[i], cg[i * 4000 + 7]);
	}
	steps = shrinkers_steps;
	walk_is(top, (struct memcg *[]){cg[7], cg[4007], cg[8007]}, 3);
	assert_int_equal(shrinkers_steps - steps, 4); /* top and the three */
	steps = shrinkers_steps;
	assert_int_equal(memcg_reclaim(top, 3 * MIB), 0);
	assert_true(shrinkers_steps - steps <= 13 * 4); /* one walk for each priority at most */
	for (i = 0; i < 3; i++) {
		assert_int_equal(cache_bytes(&cache[i]), 0);
		cache_end(&cache[i]);
	}
	for (i = 0; i < GROUPS; i++)
		destroy(cg[i]);
	destroy(top);
	none_left();
}

/* --- the group goes -------------------------------------------------------------------- */

static void test_destroy_moves_to_parent(void **state)
{
	struct memcg *top = group(NULL, "top"), *mid = group(top, "mid"), *low = group(mid, "low");
	struct cache a = CACHE_INIT, b = CACHE_INIT;

	(void)state;
	cache_add(&a, low, 1 * MIB);
	cache_add(&b, low, 1 * MIB);
	cache_register(&a, low);
	cache_register(&b, low);
	destroy(low);
	walk_is(root_group, (struct memcg *[]){mid}, 1);
	assert_int_equal(mid->shrinkers->below, 2);
	assert_int_equal(shrinkers_count(mid, RECLAIM_ANY), 2 * MIB);
	assert_ptr_equal(a.last_cg, mid);
	assert_ptr_equal(b.last_cg, mid);
	assert_int_equal(shrinkers_scan(mid, 1 * MIB, RECLAIM_ANY), 1 * MIB);
	destroy(mid);
	destroy(top);
	assert_int_equal(root_group->shrinkers->below, 2);
	assert_int_equal(shrinkers_count(root_group, RECLAIM_ANY), 1 * MIB);
	assert_ptr_equal(a.last_cg, root_group);
	cache_end(&a);
	cache_end(&b);
	none_left();
}

/* --- from end to end -------------------------------------------------------------------- */

/* A group at its max whose cache can shrink: the allocation succeeds. */
static void test_allocation_at_max(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache cache = CACHE_INIT;
	void *p;

	(void)state;
	assert_int_equal(memcg_set_limit(cg, MEMCG_MAX, 4 * MIB), 0);
	cache_add(&cache, cg, 4 * MIB - BLOCK);
	assert_null(memcg_malloc_in(cg, 1 * MIB)); /* not registered yet */
	cache_register_as(&cache, cg, 0, MEMCG_SHRINK_INLINE);
	p = memcg_malloc_in(cg, 1 * MIB);
	assert_non_null(p);
	assert_true(cache.freed >= 1 * MIB - BLOCK && cache.freed <= 2 * MIB);
	memcg_free(p);
	cache_end(&cache);
	destroy(cg);
}

#define LEVELS	    6000u
#define SMALL_STACK (64 * KIB)

static struct memcg *level[LEVELS];

static void *registers_at_the_bottom(void *arg)
{
	struct cache *c = arg;

	cache_register(c, level[LEVELS - 1]);
	return NULL;
}

/* A tree that is deeper than the stack of the thread that registers. */
static void test_deep_tree(void **state)
{
	struct cache c = CACHE_INIT;
	pthread_attr_t attr;
	pthread_t thread;
	unsigned i;

	(void)state;
	for (i = 0; i < LEVELS; i++)
		level[i] = group(i ? level[i - 1] : NULL, "deep");
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
	assert_int_equal(pthread_create(&thread, &attr, registers_at_the_bottom, &c), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	cache_add(&c, level[LEVELS - 1], 4 * BLOCK);
	assert_int_equal(memcg_reclaim(level[0], 4 * BLOCK), 0);
	assert_int_equal(cache_bytes(&c), 0);
	cache_end(&c);
	none_left();
	while (i--)
		destroy(level[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_configs),
		cmocka_unit_test(test_short_config),
		cmocka_unit_test(test_offline_group),
		cmocka_unit_test(test_frees_what_is_asked),
		cmocka_unit_test(test_where_it_may_run),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_small_objects),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_loses_its_place),
		cmocka_unit_test(test_rotate),
		cmocka_unit_test(test_walk_of_many),
		cmocka_unit_test(test_destroy_moves_to_parent),
		cmocka_unit_test(test_allocation_at_max),
		cmocka_unit_test(test_deep_tree),
		cmocka_unit_test(test_without_memory),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
