/*
 * t_shrinker_bad.c - shrinkers that are late, do not return, or lie: what it costs them, and that
 * it costs nobody else anything.
 */
#include "shrinker_fixture.h"

#include <sys/mman.h>

/* --- what is said on standard error ------------------------------------------------- */

static int said = -1, real_stderr = -1;

static void listen(void)
{
	fflush(stderr);
	said = memfd_create("said", MFD_CLOEXEC);
	real_stderr = dup(STDERR_FILENO);
	assert_true(said >= 0 && real_stderr >= 0);
	dup2(said, STDERR_FILENO);
}

static unsigned lines_with(const char *text)
{
	static char buf[16384];
	ssize_t n;
	unsigned count = 0;
	char *at;

	fflush(stderr);
	dup2(real_stderr, STDERR_FILENO);
	n = pread(said, buf, sizeof(buf) - 1, 0);
	assert_true(n >= 0);
	buf[n] = '\0';
	close(said);
	close(real_stderr);
	for (at = buf; (at = strstr(at, text)); at++)
		count++;
	return count;
}

/* --- late ------------------------------------------------------------------------------ */

/*
 * Frees what it is asked for, and is late at it however fast the machine; its count is in time
 * however slow.
 */
static size_t late_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	((struct cache *)arg)->shrinker->deadline = 0;
	return cache_scan(cg, bytes, deadline_ns, arg);
}

static size_t late_count(struct memcg *cg, void *arg)
{
	((struct cache *)arg)->shrinker->deadline = PATIENT * 1000000ul;
	return cache_count(cg, arg);
}

/* One pass; true: it was asked. */
static bool pass(struct memcg *cg, struct cache *c, u64 bytes)
{
	u64 before = c->counts;

	shrinkers_count(cg, RECLAIM_ANY);
	if (bytes)
		shrinkers_scan(cg, bytes, RECLAIM_ANY);
	return c->counts != before;
}

static unsigned passes_without(struct memcg *cg, struct cache *c)
{
	unsigned n = 0;

	while (!pass(cg, c, BLOCK))
		n++;
	return n;
}

/* It is told when it should be back, by the clock that it is held against. */
static size_t waits_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	u64 now = sys_clock_ns();

	assert_true(deadline_ns <= now + 3000000);
	while (sys_clock_ns() <= deadline_ns)
		sys_sleep_ns(100000);
	return cache_scan(cg, bytes, deadline_ns, arg);
}

static void test_deadline(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache cache = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);

	(void)state;
	c.scan = waits_scan;
	c.deadline_ms = 3;
	cache_add(&cache, cg, 2 * BLOCK);
	cache.shrinker = memcg_shrinker_register(cg, &c);
	listen();
	shrinkers_count(cg, RECLAIM_ANY);
	shrinkers_scan(cg, BLOCK, RECLAIM_ANY);
	assert_int_equal(lines_with("deadline 3 ms, late 1 times"), 1);
	assert_true(cache.shrinker->record.late >= 1);
	cache_end(&cache);
	destroy(cg);
}

/* Each call past its deadline doubles what it is passed over for; the line comes at 1, 2, 4, 8. */
static void test_late(void **state)
{
	struct memcg *cg = group(NULL, "tardy");
	struct cache cache = CACHE_INIT, other = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);
	struct memcg_shrinker *s;
	unsigned i;

	(void)state;
	c.scan = late_scan;
	c.count = late_count;
	c.name = "late";
	cache_add(&cache, cg, 4 * MIB);
	cache_add(&other, cg, 2 * MIB);
	s = cache.shrinker = memcg_shrinker_register(cg, &c);
	listen();
	assert_true(pass(cg, &cache, BLOCK));
	for (i = 1; i <= 8; i++) {
		assert_true(s->record.late >= i);
		assert_int_equal(passes_without(cg, &cache), 1u << MIN(i, 6u));
	}
	assert_int_equal(s->record.late, 9);
	assert_int_equal(lines_with("shrinker 'late' of /tardy took"), 4);
	/* The group is not held up: what another has is had at once. */
	cache_register(&other, cg);
	shrinkers_count(cg, RECLAIM_ANY);
	assert_int_equal(shrinkers_scan(cg, 4 * BLOCK, RECLAIM_ANY), 4 * BLOCK);
	assert_int_equal(other.freed, 4 * BLOCK);
	cache_end(&other);
	/* It mends. */
	s->scan = cache_scan;
	s->record.skip = 0;
	for (i = 0; i < 7; i++)
		assert_true(pass(cg, &cache, BLOCK)); /* each but the first takes a doubling back */
	assert_int_equal(s->record.late_rank, 0);
	cache_end(&cache);
	destroy(cg);
}

/* --- does not return ----------------------------------------------------------------------- */

struct stuck {
	struct cache cache;
	struct memcg *cg;
	u32 inside, hold;
};

static size_t stuck_count(struct memcg *cg, void *arg)
{
	struct stuck *k = arg;

	atomic_store_release(&k->inside, 1u);
	while (atomic_load_acquire(&k->hold))
		sys_sleep_ns(200000);
	atomic_store_release(&k->inside, 0u);
	return cache_count(cg, &k->cache);
}

static size_t stuck_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	return cache_scan(cg, bytes, deadline_ns, &((struct stuck *)arg)->cache);
}

static void *caller(void *arg)
{
	struct stuck *k = arg;

	memcg_leave(memcg_enter(NULL));
	shrinkers_count(k->cg, RECLAIM_ANY);
	return NULL;
}

/* Only its caller is held. Others pass it by, are served, and one of them names it, once. */
static void test_never_returns(void **state)
{
	struct stuck k = {.cache = CACHE_INIT, .hold = 1};
	struct cache other = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&k.cache);
	pthread_t thread;
	unsigned i;

	(void)state;
	k.cg = group(NULL, "stuck");
	c.name = "tar";
	c.count = stuck_count;
	c.scan = stuck_scan;
	c.arg = &k;
	c.deadline_ms = 1;
	cache_add(&k.cache, k.cg, 1 * MIB);
	cache_add(&other, k.cg, 1 * MIB);
	k.cache.shrinker = memcg_shrinker_register(k.cg, &c);
	cache_register(&other, k.cg);
	pthread_create(&thread, NULL, caller, &k);
	wait_for(&k.inside, 1);
	sys_sleep_ns(2000000); /* or longer: past its deadline */
	listen();
	for (i = 0; i < 5; i++) {
		assert_int_equal(shrinkers_count(k.cg, RECLAIM_ANY), 1 * MIB - i * BLOCK);
		assert_int_equal(shrinkers_scan(k.cg, BLOCK, RECLAIM_ANY), BLOCK);
	}
	assert_int_equal(lines_with("shrinker 'tar' of /stuck has not returned for"), 1);
	assert_int_equal(memcg_reclaim(k.cg, BLOCK), 0);
	assert_int_equal(k.cache.freed, 0);
	atomic_store_release(&k.hold, 0u);
	pthread_join(thread, NULL);
	assert_int_equal(k.cache.shrinker->record.late, 1); /* that call, counted once */
	assert_int_equal(k.cache.shrinker->runner, 0);
	assert_true(other.counts >= 6); /* by the caller too, when it was let go */
	cache_end(&k.cache);
	cache_end(&other);
	destroy(k.cg);
}

/* --- lies ------------------------------------------------------------------------------------ */

static size_t much(struct memcg *cg, void *arg)
{
	cache_count(cg, arg);
	return SIZE_MAX;
}

static size_t lie(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	cache_scan(cg, 0, deadline_ns, arg);
	return bytes;
}

static size_t boast(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	cache_scan(cg, 0, deadline_ns, arg);
	(void)bytes;
	return SIZE_MAX - 1;
}

static u64 scan_all(struct memcg *cg, u64 bytes, unsigned times)
{
	u64 sum = 0;

	while (times--) {
		shrinkers_count(cg, RECLAIM_ANY);
		sum += shrinkers_scan(cg, bytes, RECLAIM_ANY);
	}
	return sum;
}

/* What it claims is not believed for long, and never counts; when it mends that is seen too. */
static void test_liar(void **state)
{
	struct memcg *cg = group(NULL, "gullible");
	struct cache cache = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);
	struct memcg_shrinker *s;

	(void)state;
	c.scan = lie;
	c.name = "liar";
	cache_add(&cache, cg, 64 * MIB);
	s = cache.shrinker = memcg_shrinker_register(cg, &c);
	listen();
	assert_int_equal(scan_all(cg, 1 * MIB, 1), 0);
	assert_false(s->record.liar); /* not on the first evidence */
	assert_int_equal(scan_all(cg, 1 * MIB, 60), 0);
	assert_true(s->record.liar);
	assert_int_equal(s->record.credit, SHRINKER_SURE / 64);
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 1 * MIB); /* of 64 */
	assert_int_equal(lines_with("shrinker 'liar' of /gullible says it freed"), 1);
	s->scan = cache_scan;
	assert_true(scan_all(cg, 1 * MIB, 16) >= 8 * MIB);
	assert_true(s->record.credit >= SHRINKER_SURE * 3 / 4);
	cache_end(&cache);
	destroy(cg);
}

/* Numbers that cannot be are cut to what the group has. */
static void test_absurd_numbers(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache cache = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);

	(void)state;
	c.count = much;
	c.scan = boast;
	cache_add(&cache, cg, 1 * MIB);
	cache.shrinker = memcg_shrinker_register(cg, &c);
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 1 * MIB);
	assert_int_equal(shrinkers_scan(cg, 1 * GIB, RECLAIM_ANY), 0);
	cache.shrinker->scan = cache_scan;
	cache.shrinker->record.credit = SHRINKER_SURE;
	shrinkers_count(cg, RECLAIM_ANY);
	assert_int_equal(shrinkers_scan(cg, UINT64_MAX, RECLAIM_ANY), 1 * MIB);
	assert_true(cache.last_bytes <= 1 * MIB); /* asked for no more than the group has */
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 0); /* nothing is left to claim */
	cache_end(&cache);
	destroy(cg);
}

/* It does free what it says, but elsewhere: its group gets nothing back. */
static void test_frees_elsewhere(void **state)
{
	struct memcg *cg = group(NULL, "cg"), *other = group(NULL, "other");
	struct cache cache = CACHE_INIT;
	struct memcg_charge *held = memcg_charge(cg, 32 * MIB);

	(void)state;
	cache_add(&cache, other, 16 * MIB);
	cache_register(&cache, cg);
	assert_int_equal(scan_all(cg, 1 * MIB, 12), 0);
	assert_true(cache.freed >= 1 * MIB);
	assert_true(cache.shrinker->record.liar);
	cache_end(&cache);
	memcg_uncharge(held);
	destroy(cg);
	destroy(other);
}

/* Others that charge the group while an honest one frees do not make a liar of it. */
struct growth {
	struct memcg *cg;
	u32 running, stop;
	u64 objects;
};

#define GROWTH_OBJECT 512u

static void *grows(void *arg)
{
	struct growth *g = arg;
	struct memcg *before = memcg_enter(g->cg);
	void **chain = NULL, **p;

	atomic_store_release(&g->running, 1u);
	while (!atomic_load_acquire(&g->stop)) {
		p = g->objects < 400000 ? memcg_malloc(GROWTH_OBJECT) : NULL;
		if (!p)
			sys_sleep_ns(1000000);
		else
			g->objects++, *p = chain, chain = p;
	}
	for (; chain; chain = p) {
		p = *chain;
		memcg_free(chain);
	}
	memcg_leave(before);
	return NULL;
}

static void test_honest_among_others(void **state)
{
	struct growth g = {.cg = group(NULL, "busy")};
	struct cache cache = CACHE_INIT;
	pthread_t thread;
	unsigned i;

	(void)state;
	cache_add(&cache, g.cg, 64 * MIB);
	cache_register(&cache, g.cg);
	pthread_create(&thread, NULL, grows, &g);
	wait_for(&g.running, 1);
	for (i = 0; i < 100; i++) {
		shrinkers_count(g.cg, RECLAIM_ANY);
		assert_true(shrinkers_scan(g.cg, 8 * BLOCK, RECLAIM_ANY) >= 6 * BLOCK);
	}
	assert_true(cache.freed >= 800 * BLOCK && cache.freed <= 900 * BLOCK);
	assert_true(cache.shrinker->record.credit >= SHRINKER_SURE * 3 / 4);
	assert_false(cache.shrinker->record.liar);
	atomic_store_release(&g.stop, 1u);
	pthread_join(thread, NULL);
	cache_end(&cache);
	destroy(g.cg);
}

/* While it frees, another thread charges as much, to the byte: usage does not move at all. */
static struct {
	struct memcg *cg;
	u32 asked, done;
	struct memcg_charge *charge[64];
} rival;

static void *charges(void *arg)
{
	u32 n;

	(void)arg;
	for (n = 0; n < ARRAY_SIZE(rival.charge); n++) {
		while (atomic_load_acquire(&rival.asked) == n)
			sys_sleep_ns(50000);
		rival.charge[n] = memcg_charge(rival.cg, 8 * BLOCK);
		atomic_store_release(&rival.done, n + 1);
	}
	return NULL;
}

static size_t rivalled_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	u32 n = atomic_add(&rival.asked, 1u);

	bytes = cache_scan(cg, bytes, deadline_ns, arg);
	wait_for(&rival.done, n);
	return bytes;
}

static void test_honest_against_a_rival(void **state)
{
	struct cache cache = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);
	pthread_t thread;
	unsigned i;

	(void)state;
	rival.cg = group(NULL, "contended");
	c.scan = rivalled_scan;
	cache_add(&cache, rival.cg, 64 * MIB);
	cache.shrinker = memcg_shrinker_register(rival.cg, &c);
	pthread_create(&thread, NULL, charges, NULL);
	for (i = 0; i < ARRAY_SIZE(rival.charge); i++) {
		shrinkers_count(rival.cg, RECLAIM_ANY);
		assert_int_equal(shrinkers_scan(rival.cg, 8 * BLOCK, RECLAIM_ANY), 8 * BLOCK);
	}
	pthread_join(thread, NULL);
	assert_int_equal(cache.shrinker->record.credit, SHRINKER_SURE);
	cache_end(&cache);
	for (i = 0; i < ARRAY_SIZE(rival.charge); i++)
		memcg_uncharge(rival.charge[i]);
	destroy(rival.cg);
}

/* The same with small objects: what it frees goes to stock, from which the other one takes. */
static void test_honest_in_small(void **state)
{
	struct growth g = {.cg = group(NULL, "busy")};
	struct memcg_shrinker_config c = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg_shrinker *s;
	pthread_t thread;

	(void)state;
	c.count = small_count;
	c.scan = small_scan;
	c.deadline_ms = PATIENT;
	small_fill(g.cg);
	s = memcg_shrinker_register(g.cg, &c);
	pthread_create(&thread, NULL, grows, &g);
	wait_for(&g.running, 1);
	while (small.nr) {
		shrinkers_count(g.cg, RECLAIM_ANY);
		shrinkers_scan(g.cg, 64 * KIB, RECLAIM_ANY);
	}
	assert_true(s->record.credit >= SHRINKER_SURE / 2);
	assert_false(s->record.liar);
	atomic_store_release(&g.stop, 1u);
	pthread_join(thread, NULL);
	memcg_shrinker_unregister(s);
	stock_drain(NULL);
	destroy(g.cg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_never_returns),
		cmocka_unit_test(test_liar),
		cmocka_unit_test(test_absurd_numbers),
		cmocka_unit_test(test_frees_elsewhere),
		cmocka_unit_test(test_honest_among_others),
		cmocka_unit_test(test_honest_against_a_rival),
		cmocka_unit_test(test_honest_in_small),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
