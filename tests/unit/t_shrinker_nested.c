/*
 * t_shrinker_nested.c - shrinkers that call back into the library: allocating, reclaiming,
 * registering, unregistering and destroying in the middle of a pass.
 */
#include "shrinker_fixture.h"

#include "reclaim/charge.h"

static struct {
	struct memcg *cg;
	void *got;
	int reclaim;
	u64 count;
} nested;

static size_t nested_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	errno = EDOM;
	nested.got = memcg_malloc_in(cg, 100);
	nested.reclaim = memcg_reclaim(cg, 1 * MIB);
	nested.count = shrinkers_count(cg, RECLAIM_ANY);
	return cache_scan(cg, bytes, deadline_ns, arg);
}

/* At a full group it may allocate, from the reserve, and reclaim does not come back to it. */
static void test_no_recursion(void **state)
{
	struct memcg *cg = group(NULL, "full");
	struct cache cache = CACHE_INIT, other = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);
	void *p;

	(void)state;
	c.scan = nested_scan;
	c.flags = MEMCG_SHRINK_INLINE;
	assert_int_equal(memcg_set_limit(cg, MEMCG_MAX, 1 * MIB), 0);
	cache_add(&cache, cg, 512 * KIB);
	cache_add(&other, cg, 512 * KIB);
	cache.shrinker = memcg_shrinker_register(cg, &c);
	cache_register_as(&other, cg, 12, MEMCG_SHRINK_INLINE);
	errno = 0;
	p = memcg_malloc_in(cg, BLOCK);
	assert_non_null(p);
	assert_int_equal(errno, 0); /* what the callback did to it is not seen */
	assert_non_null(nested.got);
	assert_int_equal(nested.reclaim, -EAGAIN);
	assert_int_equal(nested.count, 0);
	assert_int_equal(task_self()->reclaiming, 0);
	memcg_free(nested.got);
	memcg_free(p);
	cache_end(&cache);
	cache_end(&other);
	destroy(cg);
}

/* Ends its own registration, and others', and makes new ones, in the middle of a pass. */
struct meddler {
	struct cache cache;
	struct cache *victim; /* unregistered in passing; NULL */
	struct cache *child;  /* registered in passing; NULL */
	bool self;
	bool destroys; /* the group it serves */
};

static size_t meddle(struct memcg *cg, void *arg)
{
	struct meddler *m = arg;

	if (m->victim)
		cache_end(m->victim);
	if (m->child)
		cache_register(m->child, cg);
	if (m->destroys)
		destroy(memcg_get(cg));
	if (m->self)
		memcg_shrinker_unregister(m->cache.shrinker);
	m->victim = m->child = NULL;
	m->destroys = false;
	return cache_count(cg, &m->cache);
}

static void meddler_register(struct meddler *m, struct memcg *cg)
{
	struct memcg_shrinker_config c = cache_config(&m->cache);

	c.count = meddle;
	c.arg = m;
	m->cache.shrinker = memcg_shrinker_register(cg, &c);
	assert_non_null(m->cache.shrinker);
}

static void test_meddling(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache before = CACHE_INIT, behind = CACHE_INIT, last = CACHE_INIT,
		     child = CACHE_INIT;
	struct meddler m = {.cache = CACHE_INIT, .victim = &behind, .child = &child, .self = true};

	(void)state;
	cache_register(&before, cg);
	meddler_register(&m, cg);
	cache_register(&behind, cg);
	cache_register(&last, cg);
	shrinkers_count(cg, RECLAIM_ANY);
	assert_int_equal(before.counts, 1);
	assert_int_equal(m.cache.counts, 1);
	assert_int_equal(behind.counts, 0); /* gone before its turn */
	assert_int_equal(last.counts, 1);
	assert_int_equal(child.counts, 0); /* not in the pass that made it */
	assert_int_equal(cg->shrinkers->below, 3);
	shrinkers_count(cg, RECLAIM_ANY);
	assert_int_equal(m.cache.counts, 1);
	assert_int_equal(child.counts, 1);
	cache_end(&before);
	cache_end(&last);
	cache_end(&child);
	none_left();
	destroy(cg);
}

/* A callback destroys the group it is called for: the rest of that pass is the parent's business.
 */
static void test_destroys_its_group(void **state)
{
	struct memcg *top = group(NULL, "top"), *cg = group(top, "cg");
	struct meddler m = {.cache = CACHE_INIT, .destroys = true};
	struct cache next = CACHE_INIT;

	(void)state;
	meddler_register(&m, cg);
	cache_register(&next, cg);
	shrinkers_count(cg, RECLAIM_ANY); /* our reference on cg is what holds it */
	assert_int_equal(next.counts, 0);
	assert_ptr_equal(m.cache.shrinker->cg, top);
	assert_int_equal(m.cache.shrinker->runner, 0);
	shrinkers_count(top, RECLAIM_ANY);
	assert_int_equal(next.counts, 1);
	assert_int_equal(m.cache.counts, 2);
	memcg_put(cg);
	memcg_shrinker_unregister(m.cache.shrinker);
	cache_end(&next);
	none_left();
	destroy(top);
}

/* --- one that makes groups with the like of it, and frees nothing ---------------------- */

#define BRED_MOST 5000u

static struct memcg *bred[BRED_MOST];
static struct memcg_shrinker *bred_shrinker[BRED_MOST];
static unsigned bred_nr;

static void breed(struct memcg *top);

static size_t bred_count(struct memcg *cg, void *arg)
{
	(void)cg;
	(void)arg;
	return PAGE_SIZE;
}

static size_t bred_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	(void)cg;
	(void)bytes;
	(void)deadline_ns;
	breed(arg);
	return 0;
}

static void breed(struct memcg *top)
{
	struct memcg_shrinker_config c = MEMCG_SHRINKER_CONFIG_INIT;
	char name[16];

	if (bred_nr == BRED_MOST)
		return;
	snprintf(name, sizeof(name), "%u", bred_nr);
	bred[bred_nr] = group(top, name);
	assert_true(charge_bytes(bred[bred_nr]->handle->index, PAGE_SIZE, 0));
	c.count = bred_count;
	c.scan = bred_scan;
	c.arg = top;
	c.deadline_ms = PATIENT;
	bred_shrinker[bred_nr] = memcg_shrinker_register(bred[bred_nr], &c);
	assert_non_null(bred_shrinker[bred_nr++]);
}

/* A request does not run after the groups that are made in it. */
static void test_groups_made_in_the_pass(void **state)
{
	struct memcg *top = group(NULL, "top");
	unsigned i;

	(void)state;
	breed(top);
	assert_int_equal(memcg_reclaim(top, BLOCK), -EAGAIN);
	assert_in_range(bred_nr, 2, BRED_MOST / 2);
	for (i = 0; i < bred_nr; i++) {
		uncharge_bytes(bred[i]->handle->index, PAGE_SIZE);
		memcg_shrinker_unregister(bred_shrinker[i]);
		destroy(bred[i]);
	}
	none_left();
	destroy(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_recursion),
		cmocka_unit_test(test_meddling),
		cmocka_unit_test(test_destroys_its_group),
		cmocka_unit_test(test_groups_made_in_the_pass),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
