/*
 * t_shrinker_race.c - unregistering, destroying and forking while other threads are inside
 * shrinkers; then all of it at once.
 */
#include "shrinker_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "sys/fault.h"

/* --- a call that is held ------------------------------------------------------------- */

struct held {
	struct cache cache;
	struct memcg *cg;
	u32 inside, hold;
	u32 returned; /* of the other thread of a test */
	bool inside_at_return;
};

static size_t held_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	struct held *h = arg;

	atomic_store_release(&h->inside, 1u);
	while (atomic_load_acquire(&h->hold))
		sys_sleep_ns(200000);
	bytes = cache_scan(cg, bytes, deadline_ns, &h->cache);
	atomic_store_release(&h->inside, 0u);
	return bytes;
}

static size_t held_count(struct memcg *cg, void *arg)
{
	return cache_count(cg, &((struct held *)arg)->cache);
}

static void held_register(struct held *h, struct memcg *cg)
{
	struct memcg_shrinker_config c = cache_config(&h->cache);

	c.count = held_count;
	c.scan = held_scan;
	c.arg = h;
	h->cg = cg;
	cache_add(&h->cache, cg, 1 * MIB);
	h->cache.shrinker = memcg_shrinker_register(cg, &c);
	assert_non_null(h->cache.shrinker);
}

static void *reclaims(void *arg)
{
	struct held *h = arg;
	struct memcg *cg = memcg_get(h->cg);

	memcg_leave(memcg_enter(NULL));
	shrinkers_count(cg, RECLAIM_ANY);
	shrinkers_scan(cg, BLOCK, RECLAIM_ANY);
	memcg_put(cg);
	return NULL;
}

/* Returns with the thread inside the shrinker. */
static pthread_t enter(struct held *h)
{
	pthread_t thread;

	atomic_store(&h->hold, 1u);
	assert_int_equal(pthread_create(&thread, NULL, reclaims, h), 0);
	wait_for(&h->inside, 1);
	return thread;
}

static void let_go(struct held *h, pthread_t thread)
{
	atomic_store_release(&h->hold, 0u);
	pthread_join(thread, NULL);
}

static void *unregisters(void *arg)
{
	struct held *h = arg;

	memcg_shrinker_unregister(h->cache.shrinker);
	h->inside_at_return = atomic_load_acquire(&h->inside);
	atomic_store_release(&h->returned, 1u);
	return NULL;
}

static bool is_gone(struct memcg_shrinker *s)
{
	bool gone;

	lock_acquire(&shrinkers_lock);
	gone = s->gone;
	lock_release(&shrinkers_lock);
	return gone;
}

static pthread_t begin_unregister(struct held *h)
{
	struct memcg_shrinker *s = h->cache.shrinker;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, unregisters, h), 0);
	while (!is_gone(s))
		sys_sleep_ns(100000);
	return thread;
}

/* It returns when the call has, not before. */
static void test_unregister_waits(void **state)
{
	struct held h = {.cache = CACHE_INIT};
	struct memcg *cg = group(NULL, "cg");
	pthread_t in, out;

	(void)state;
	held_register(&h, cg);
	in = enter(&h);
	out = begin_unregister(&h);
	sys_sleep_ns(20000000); /* a fault would show itself here, nothing depends on it */
	assert_int_equal(atomic_load_acquire(&h.returned), 0);
	assert_int_equal(shrinkers_count(cg, RECLAIM_ANY), 0); /* and nobody else gets in */
	let_go(&h, in);
	pthread_join(out, NULL);
	assert_false(h.inside_at_return);
	assert_int_equal(h.cache.scans, 1);
	none_left();
	cache_shed(&h.cache, SIZE_MAX);
	destroy(cg);
}

/* Its group goes under a running call, and that group's parent: each takes the registration over.
 */
static void test_destroy_under_a_call(void **state)
{
	struct held h = {.cache = CACHE_INIT};
	struct cache next = CACHE_INIT;
	struct memcg *top = group(NULL, "top"), *cg = group(top, "cg");
	pthread_t in;

	(void)state;
	held_register(&h, cg);
	cache_register(&next, cg);
	in = enter(&h);
	destroy(cg);
	assert_int_equal(top->shrinkers->below, 2);
	assert_int_equal(shrinkers_count(top, RECLAIM_ANY), 0); /* the other one has nothing */
	assert_int_equal(next.counts, 2);
	destroy(top);
	let_go(&h, in);
	assert_ptr_equal(h.cache.shrinker->cg, root_group);
	assert_ptr_equal(h.cache.last_cg, cg); /* as it was when the call began */
	assert_int_equal(h.cache.shrinker->runner, 0);
	assert_int_equal(shrinkers_count(root_group, RECLAIM_ANY), cache_bytes(&h.cache));
	assert_ptr_equal(h.cache.last_cg, root_group);
	cache_end(&h.cache);
	cache_end(&next);
	none_left();
}

/* --- fork -------------------------------------------------------------------------------- */

static int in_child(int (*body)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		alarm(150);
		_exit(body(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static struct held fork_held = {.cache = CACHE_INIT}, fork_gone = {.cache = CACHE_INIT};

/* The thread that was inside is not here: it can be called, and unregistered, at once. */
static int child_of_held(void *arg)
{
	struct held *h = &fork_held;

	(void)arg;
	atomic_store(&h->hold, 0u);
	CHILD_CHECK(h->cache.shrinker->runner == 0);
	CHILD_CHECK(h->cg->shrinkers->below == 1); /* what was being unregistered is gone */
	CHILD_CHECK(shrinkers_count(h->cg, RECLAIM_ANY) == 1 * MIB);
	CHILD_CHECK(shrinkers_scan(h->cg, BLOCK, RECLAIM_ANY) == BLOCK);
	memcg_shrinker_unregister(h->cache.shrinker);
	CHILD_CHECK(!root_group->shrinkers);
	return 0;
}

static void test_fork_under_calls(void **state)
{
	struct memcg *cg = group(NULL, "cg"), *other = group(NULL, "other");
	pthread_t in, in_gone, out;

	(void)state;
	held_register(&fork_held, cg);
	held_register(&fork_gone, other);
	in = enter(&fork_held);
	in_gone = enter(&fork_gone);
	out = begin_unregister(&fork_gone);
	assert_int_equal(in_child(child_of_held, NULL), 0);
	assert_int_equal(fork_held.cache.shrinker->runner != 0, 1); /* here it is as it was */
	let_go(&fork_held, in);
	let_go(&fork_gone, in_gone);
	pthread_join(out, NULL);
	cache_end(&fork_held.cache);
	cache_shed(&fork_gone.cache, SIZE_MAX);
	none_left();
	destroy(cg);
	destroy(other);
}

/* Inside a callback: the child goes on in it, and it ends there as it does here. */
static bool forked, child;

static size_t forking_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	int status;
	pid_t pid;

	if (!forked) {
		forked = true;
		pid = fork();
		child = !pid;
		if (child)
			alarm(150);
		else if (waitpid(pid, &status, 0) != pid || status)
			return MEMCG_SHRINK_STOP;
	}
	return cache_scan(cg, bytes, deadline_ns, arg);
}

static void test_fork_in_a_callback(void **state)
{
	struct memcg *cg = group(NULL, "cg");
	struct cache cache = CACHE_INIT;
	struct memcg_shrinker_config c = cache_config(&cache);
	u64 freed;

	(void)state;
	c.scan = forking_scan;
	cache_add(&cache, cg, 1 * MIB);
	cache.shrinker = memcg_shrinker_register(cg, &c);
	shrinkers_count(cg, RECLAIM_ANY);
	freed = shrinkers_scan(cg, BLOCK, RECLAIM_ANY);
	if (child)
		_exit(freed != BLOCK || cache.shrinker->runner || task_self()->reclaiming ||
		      shrinkers_count(cg, RECLAIM_ANY) != 1 * MIB - BLOCK);
	assert_int_equal(freed, BLOCK);
	cache_end(&cache);
	destroy(cg);
}

/* --- all at once ---------------------------------------------------------------------------- */

/* cmocka's do not work on other threads. */
#define MUST(cond)                                                                           \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __func__, __LINE__, #cond); \
			abort();                                                             \
		}                                                                            \
	} while (0)

#define KEEPERS	 3
#define SCANNERS 3
#define TURNS	 1000
#define MAGIC	 0x5e1f5e1f5e1f5e1ful

/* What a registration's arg points at: gone as soon as unregister returns. */
struct tenant {
	u64 magic;
	u32 inside; /* threads in its callbacks */
	u32 calls;
	struct memcg_shrinker *shrinker;
	void *block;
};

static struct memcg *torture_top;
static u32 keepers_left;
static u64 torture_calls, torture_self;

static void tenant_enter(struct tenant *t)
{
	MUST(t->magic == MAGIC);
	MUST(atomic_add(&t->inside, 1u) == 1); /* one at a time */
	atomic_add_relaxed(&torture_calls, 1ul);
}

static size_t tenant_count(struct memcg *cg, void *arg)
{
	struct tenant *t = arg;

	tenant_enter(t);
	MUST(group_below(cg, torture_top));
	(void)atomic_sub(&t->inside, 1u);
	return 2 * PAGE_SIZE;
}

static size_t tenant_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	struct tenant *t = arg;
	void *p = memcg_malloc_in(cg, 200), *block;

	(void)bytes;
	(void)deadline_ns;
	tenant_enter(t);
	block = atomic_xchg(&t->block, (void *)NULL);
	memcg_free(block);
	memcg_free(p);
	(void)atomic_sub(&t->inside, 1u);
	return block ? 2 * PAGE_SIZE : 0;
}

static void tenant_begin(struct tenant *t, struct memcg *cg)
{
	struct memcg_shrinker_config c = MEMCG_SHRINKER_CONFIG_INIT;

	c.count = tenant_count;
	c.scan = tenant_scan;
	c.arg = t;
	c.deadline_ms = PATIENT;
	*t = (struct tenant){.magic = MAGIC};
	t->block = memcg_malloc_in(cg, 2 * PAGE_SIZE);
	t->shrinker = memcg_shrinker_register(cg, &c);
	MUST(t->shrinker);
}

static void tenant_end(struct tenant *t)
{
	memcg_shrinker_unregister(t->shrinker);
	MUST(atomic_load(&t->inside) == 0);
	memcg_free(atomic_xchg(&t->block, (void *)NULL));
	memset(t, 0xee, sizeof(*t));
}

/* One that ends itself when it is counted, once it knows its name. */
struct once {
	struct memcg_shrinker *shrinker;
};

static size_t once_count(struct memcg *cg, void *arg)
{
	struct once *o = arg;
	struct memcg_shrinker *s = atomic_load_acquire(&o->shrinker);

	(void)cg;
	if (!s)
		return 0;
	memcg_shrinker_unregister(s);
	free(o);
	atomic_add_relaxed(&torture_self, 1ul);
	return 0;
}

static void once_begin(struct memcg *cg)
{
	struct memcg_shrinker_config c = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg_shrinker *s;

	c.count = once_count;
	c.scan = tenant_scan;
	c.arg = calloc(1, sizeof(struct once));
	c.deadline_ms = PATIENT;
	s = memcg_shrinker_register(cg, &c);
	MUST(s);
	atomic_store_release(&((struct once *)c.arg)->shrinker, s);
}

/* Which goes first, tenant or group, is different each time. */
static void keep(unsigned n, unsigned i)
{
	struct memcg *cg, *sub;
	struct tenant t[3];
	char name[16];

	snprintf(name, sizeof(name), "k%u", n);
	cg = group(torture_top, name);
	sub = group(cg, "sub");
	tenant_begin(&t[0], cg);
	tenant_begin(&t[1], sub);
	tenant_begin(&t[2], sub);
	once_begin(sub);
	if (i % 4 == 3)
		sys_sleep_ns(300000);
	if (i & 1)
		tenant_end(&t[1]);
	destroy(sub);
	if (i & 2)
		destroy(cg);
	tenant_end(&t[2]);
	tenant_end(&t[0]);
	if (!(i & 1))
		tenant_end(&t[1]);
	if (!(i & 2))
		destroy(cg);
}

static void *keeper(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg, i;

	for (i = 0; i < TURNS; i++)
		keep(n, i);
	(void)atomic_sub(&keepers_left, 1u);
	return NULL;
}

static void *scanner(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg;

	memcg_leave(memcg_enter(NULL));
	while (atomic_load_acquire(&keepers_left)) {
		struct memcg *cg = NULL;

		if (n == 0) {
			(void)memcg_reclaim(torture_top, 1 * MIB);
			continue;
		}
		while ((cg = shrinkers_next(torture_top, cg))) {
			shrinkers_count(cg, RECLAIM_ANY);
			shrinkers_scan(cg, PAGE_SIZE, RECLAIM_ANY);
			if (n == 1)
				shrinkers_rotate(torture_top, cg);
		}
	}
	return NULL;
}

static void test_torture(void **state)
{
	pthread_t thread[KEEPERS + SCANNERS];
	unsigned i;

	(void)state;
	torture_top = group(NULL, "torture");
	atomic_store(&keepers_left, KEEPERS);
	for (i = 0; i < KEEPERS; i++)
		pthread_create(&thread[i], NULL, keeper, (void *)(uintptr_t)i);
	for (i = 0; i < SCANNERS; i++)
		pthread_create(&thread[KEEPERS + i], NULL, scanner, (void *)(uintptr_t)i);
	for (i = 0; i < KEEPERS + SCANNERS; i++)
		pthread_join(thread[i], NULL);
	while (shrinkers_any(torture_top)) /* those nobody counted */
		shrinkers_count(torture_top, RECLAIM_ANY);
	printf("%lu calls\n", torture_calls);
	assert_int_equal(torture_self, KEEPERS * TURNS);
	none_left();
	stock_drain(NULL);
	assert_int_equal(memcg_current(torture_top), 0);
	destroy(torture_top);
	assert_int_equal(memcg_report(2, MEMCG_REPORT_QUIET), 0);
}

/* Many share a cache: who finds it being shrunk waits for that, a little, before it is refused. */
static void test_allocations_wait_for_a_call(void **state)
{
	struct held h = {.cache = CACHE_INIT};
	struct memcg *cg = group(NULL, "cg");
	struct memcg_shrinker *s;
	pthread_t in;
	void *p;

	(void)state;
	held_register(&h, cg);
	s = h.cache.shrinker;
	s->flags = MEMCG_SHRINK_INLINE;
	assert_int_equal(memcg_set_limit(cg, MEMCG_MAX, memcg_current(cg)), 0);
	assert_false(reclaim_await(cg, RECLAIM_INLINE)); /* nobody is in it */
	in = enter(&h);
	assert_true(reclaim_await(cg, RECLAIM_INLINE));
	sys_fault_arm(SYS_FAULT_FUTEX, UINT64_MAX, 0, 0, 0); /* counts them */
	assert_null(memcg_malloc_in(cg, BLOCK));	     /* for a while, not for ever */
	assert_true(sys_fault_seen(SYS_FAULT_FUTEX) > 1);
	sys_fault_disarm_all();
	s->flags = 0; /* it may not run inside allocations: nor are they to wait for it */
	assert_false(reclaim_await(cg, RECLAIM_INLINE));
	assert_true(reclaim_await(cg, RECLAIM_ANY));
	s->deadline = 0; /* late */
	assert_false(reclaim_await(cg, RECLAIM_ANY));
	let_go(&h, in);
	p = memcg_malloc_in(cg, BLOCK);
	assert_non_null(p);
	memcg_free(p);
	cache_end(&h.cache);
	destroy(cg);
}

static u32 busy_seen;

static void notes_busy(int sig)
{
	(void)sig;
	atomic_store(&busy_seen, 1 + memcg__self->busy);
}

static void *reclaims_group(void *cg)
{
	memcg_leave(memcg_enter(NULL));
	memcg_reclaim(cg, BLOCK);
	return NULL;
}

/* A signal handler that allocates while this thread has the lock must not want it, too. */
static void test_signal_under_the_lock(void **state)
{
	struct cache c = CACHE_INIT;
	struct memcg *cg = group(NULL, "cg");
	pthread_t thread;

	(void)state;
	cache_register(&c, cg);
	cache_add(&c, cg, 4 * BLOCK);
	signal(SIGUSR1, notes_busy);
	lock_acquire(&shrinkers_lock);
	assert_int_equal(pthread_create(&thread, NULL, reclaims_group, cg), 0);
	wait_for(&shrinkers_lock.word, 2); /* it sleeps, on its way in */
	pthread_kill(thread, SIGUSR1);
	while (!atomic_load(&busy_seen))
		sys_sleep_ns(100000);
	lock_release(&shrinkers_lock);
	pthread_join(thread, NULL);
	assert_true(busy_seen > 1);
	assert_true(c.scans);
	cache_end(&c);
	destroy(cg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unregister_waits),
		cmocka_unit_test(test_destroy_under_a_call),
		cmocka_unit_test(test_fork_under_calls),
		cmocka_unit_test(test_fork_in_a_callback),
		cmocka_unit_test(test_allocations_wait_for_a_call),
		cmocka_unit_test(test_signal_under_the_lock),
		cmocka_unit_test(test_torture),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
