/* t_stack_cache.c - stacks that are kept: which and how many, when they go, many threads, forks. */
#include "stack_fixture.h"

#include <memcg/page.h>

/* ---- those that are kept ---- */
static void kept_with_its_guard(void)
{
	char *base;
	u64 cached;

	set_up_here();
	CHECK((base = memcg_stack_alloc(SIZE)));
	cached = page_cached_now();
	memcg_stack_free(base);
	CHECK(page_of(base)->kind == PAGE_STACK_KEPT && write_faults(base - 1));
	CHECK(page_cached_now() == cached + BYTES && !held(cg));
	CHECK(!memcg_owner_id(base) && !memcg_page_of(base));
	CHECK(memcg_recharge(base, other) == -EINVAL);
	closes();
	/* Taken by whoever: charged to them, and no system call. */
	memcg_leave(memcg_get(other));
	sys_fault_arm(SYS_FAULT_GUARD, 1, 1, 0, 0);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
	CHECK(memcg_stack_alloc(SIZE) == base);
	CHECK(!sys_fault_seen(SYS_FAULT_GUARD) && !sys_fault_seen(SYS_FAULT_OPEN_RANGE));
	sys_fault_disarm_all();
	CHECK(held(other) == BYTES && stat_of(other).kernel_stack == BYTES && !held(cg));
	CHECK(page_cached_now() == cached && memcg_owner_id(base) == memcg_id(other));
	CHECK(write_faults(base - 1));
	closes();
	memcg_stack_free(base);
	CHECK(!held(other) && !stat_of(other).kernel_stack);
	closes();
}

static void a_kept_one_is_charged_first(void)
{
	char *base;

	set_up_here();
	CHECK((base = memcg_stack_alloc(SIZE)));
	memcg_stack_free(base);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, SIZE));
	errno = 0;
	CHECK(!memcg_stack_alloc(SIZE) && errno == ENOMEM && !held(cg));
	CHECK(page_of(base)->kind == PAGE_STACK_KEPT);
	closes();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, BYTES));
	CHECK(memcg_stack_alloc(SIZE) == base && held(cg) == BYTES);
	closes();
}

/* Whatever accounting is when it is taken and freed: the mark decides, of each life. */
static void kept_while_accounting_is_off(void)
{
	char *base;

	set_up_here();
	CHECK((base = memcg_stack_alloc(SIZE)) && held(cg) == BYTES);
	CHECK(memcg_write(memcg_root(), "memory.accounting", "0", 1) >= 0);
	memcg_stack_free(base);
	CHECK(!held(cg) && memcg_stack_alloc(SIZE) == base && !held(cg));
	CHECK(!memcg_owner_id(base));
	CHECK(memcg_write(memcg_root(), "memory.accounting", "1", 1) >= 0);
	memcg_stack_free(base);
	CHECK(!held(cg) && memcg_stack_alloc(SIZE) == base && held(cg) == BYTES);
	memcg_stack_free(base);
	closes();
}

static void only_the_same_size_is_taken(void)
{
	char *base, *more;

	set_up_here();
	CHECK((base = memcg_stack_alloc(SIZE)));
	memcg_stack_free(base);
	CHECK((more = memcg_stack_alloc(SIZE - PAGE_SIZE)) && held(cg) == SIZE);
	CHECK(page_of(base)->kind == PAGE_STACK_KEPT);
	CHECK(memcg_stack_alloc(SIZE - 5) == base);
	closes();
}

static void few_are_kept(void)
{
	char *base[64], *large;
	u64 fits = 0;

	set_up_here();
	for (size_t size = 8192; size <= MIB; size *= 2) {
		for (int i = 0; i < 64; i++)
			CHECK((base[i] = memcg_stack_alloc(size)));
		for (int i = 0; i < 64; i++)
			memcg_stack_free(base[i]);
		fits = size < MIB / 2 ? MIN(16, MIB / (size + PAGE_SIZE)) : fits;
		CHECK(count_kind(PAGE_STACK_KEPT) == fits && !count_kind(PAGE_STACK));
		closes();
	}
	CHECK((large = memcg_stack_alloc(MIB)));
	memcg_stack_free(large);
	CHECK(page_of(large)->kind != PAGE_STACK_KEPT);
}

/* A size that nobody asks for any more does not stay; of one size the last is the first. */
static void the_oldest_go(void)
{
	char *old[16], *young[16];

	set_up_here();
	for (int i = 0; i < 16; i++)
		CHECK((old[i] = memcg_stack_alloc(8192)) && (young[i] = memcg_stack_alloc(12288)));
	for (int i = 0; i < 16; i++)
		memcg_stack_free(old[i]);
	for (int i = 0; i < 16; i++) {
		memcg_stack_free(young[i]);
		CHECK(page_of(young[i])->kind == PAGE_STACK_KEPT);
		CHECK(page_of(old[i])->kind != PAGE_STACK_KEPT);
	}
	for (int i = 16; i--;)
		CHECK(memcg_stack_alloc(12288) == young[i]);
	closes();
}

static char *keep_some(int n)
{
	char *base[16];

	for (int i = 0; i < n; i++)
		CHECK((base[i] = memcg_stack_alloc(16384)));
	for (int i = 0; i < n; i++) {
		memset(base[i], 1, 16384);
		memcg_stack_free(base[i]);
	}
	CHECK(count_kind(PAGE_STACK_KEPT) == (u32)n);
	return base[n - 1];
}

static void they_go_when_the_root_is_short(void)
{
	char *base;

	set_up_here();
	keep_some(10);
	memcg_reclaim(cg, 100000); /* they are not cg's */
	CHECK(count_kind(PAGE_STACK_KEPT) == 10);
	memcg_reclaim(memcg_root(), 0x7fffffff);
	CHECK(!count_kind(PAGE_STACK_KEPT) && !page_cached_now());
	closes();
	base = keep_some(10);
	CHECK(!memcg_set_limit(memcg_root(), MEMCG_MAX,
			       memcg_current(memcg_root()) + 4 * PAGE_SIZE));
	CHECK(memcg_malloc(20 * PAGE_SIZE)); /* more than there is without them */
	CHECK(!count_kind(PAGE_STACK_KEPT) && page_of(base)->kind != PAGE_STACK);
	closes();
}

/* No block is to be had: what is kept is one. And in the end nothing is. */
static void the_region_is_full(void)
{
	char *base[16], *p, *last = NULL;
	struct memcg_page *page;

	CHECK(!setenv("MEMCG_REGION", "16M", 1));
	set_up_here();
	for (int i = 0; i < 10; i++)
		CHECK((base[i] = memcg_stack_alloc(16384)));
	while ((page = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0)))
		;
	for (int i = 0; i < 10; i++)
		memcg_stack_free(base[i]);
	errno = 0;
	CHECK(!memcg_stack_alloc(MIB) && errno == ENOMEM && !count_kind(PAGE_STACK_KEPT));
	for (int i = 0; i < 10; i++)
		if ((p = memcg_stack_alloc(8192)))
			last = p;
	CHECK(last);
	memcg_stack_free(last);
	CHECK(count_kind(PAGE_STACK_KEPT) == 1);
	while (memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0))
		;
	CHECK((p = memcg_stack_alloc(5000)) == last);
	while (memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0))
		;
	errno = 0;
	CHECK(!memcg_stack_alloc(100) && errno == ENOMEM); /* neither cache nor slab */
	closes();
}

/* ---- many threads, and forks among them ---- */

/* ---- many threads, and forks among them ---- */
static bool stop;

static size_t draw_size(u64 *seed)
{
	static const size_t of[] = {1000, 4096, 8192, 16384, SIZE, SIZE, SIZE, 600000};

	return of[next_random(seed) % ARRAY_SIZE(of)];
}

/* A stack nobody else has: what was written to both of its ends stays. */
static void use_one(u64 *seed, u64 sign)
{
	size_t size = draw_size(seed);
	char *base = memcg_stack_alloc(size);
	u64 *low = (u64 *)base, *high = (u64 *)(base + size - 8);

	CHECK(base);
	*low = sign;
	*high = ~sign;
	if (next_random(seed) % 128 == 0) /* beside other programs each may cost milliseconds */
		sched_yield();
	if (next_random(seed) % 8 == 0)
		CHECK(!memcg_recharge(base + size / 2, other));
	CHECK(*low == sign && *high == ~sign && memcg_owner_id(base + size / 2));
	memcg_stack_free(base);
}

static void *use_many(void *arg)
{
	u64 sign = (u64)(uintptr_t)arg, seed = sign;

	memcg_leave(memcg_get(sign % 2 ? cg : other));
	for (unsigned i = 0; !atomic_load(&stop) && i < effort(1000000); i++) {
		use_one(&seed, sign << 32 | i);
		if (i % 500 == 0)
			memcg_reclaim(memcg_root(), 0x7fffffff);
	}
	return NULL;
}

static void use_them_all(void)
{
	u64 seed = 99;

	for (unsigned i = 0; i < effort(3000); i++)
		use_one(&seed, i);
	memcg_reclaim(memcg_root(), 0x7fffffff);
}

static void among_threads(void)
{
	pthread_t thread[3];

	set_up();
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread[i], NULL, use_many, (void *)(i + 1)));
	for (unsigned i = 0; i < effort(20); i++)
		use_them_all();
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_join(thread[i], NULL));
	CHECK(!held(cg) && !held(other) && !count_kind(PAGE_STACK) && !guards_filled);
	CHECK(!stat_of(memcg_root()).kernel_stack);
	closes();
	stack_cache_drain();
	CHECK(!count_kind(PAGE_STACK_KEPT));
	closes();
}

static void in_the_child_of_a_fork(void)
{
	pthread_t thread[3];
	int status;
	pid_t pid;

	set_up();
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread[i], NULL, use_many, (void *)(i + 1)));
	for (unsigned i = 0; i < effort(40); i++) {
		pid = fork();
		if (!pid) {
			alarm(120); /* a lock that is held would be waited for for ever */
			use_them_all();
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && !status);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_join(thread[i], NULL));
	closes();
}

/* What the parent kept is the child's as well, each its own; and its parent goes on. */
static void the_child_has_what_was_kept(void)
{
	char *base;
	int status;
	pid_t pid;

	set_up_here();
	CHECK((base = memcg_stack_alloc(SIZE)));
	memcg_stack_free(base);
	pid = fork();
	if (!pid) {
		alarm(120);
		CHECK(memcg_stack_alloc(SIZE) == base && write_faults(base - 1));
		memset(base, 7, SIZE);
		memcg_stack_free(base);
		CHECK(stack_cache_drain() == BYTES);
		closes();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(page_of(base)->kind == PAGE_STACK_KEPT && memcg_stack_alloc(SIZE) == base);
	closes();
}

#ifdef MEMCG_DEBUG

static bool keeping, forking, forked, go_on;

static void hold_the_keeper(void)
{
	hook_stack_keeping = NULL;
	atomic_store(&keeping, true);
	while (!atomic_load(&go_on))
		usleep(1000);
}

static void *keep_one(void *arg)
{
	memcg_leave(memcg_get(cg));
	arg = memcg_stack_alloc(SIZE);
	atomic_store(&hook_stack_keeping, hold_the_keeper);
	memcg_stack_free(arg);
	return NULL;
}

/* Registered after the library's handler, so it runs before it. */
static void about_to_fork(void)
{
	atomic_store(&forking, true);
}

static void *fork_meanwhile(void *arg)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(120);
		CHECK(stack_cache_drain() <= BYTES && !count_kind(PAGE_STACK_KEPT));
		closes();
		_exit(0);
	}
	atomic_store(&forked, true);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	return arg;
}

/* A fork that does not wait for the keeper is over in a second: if not, it is waiting. */
static void a_fork_waits_for_who_keeps(void)
{
	pthread_t keeper, forker;

	set_up();
	CHECK(!pthread_atfork(about_to_fork, NULL, NULL));
	CHECK(!pthread_create(&keeper, NULL, keep_one, NULL));
	while (!atomic_load(&keeping))
		usleep(1000);
	CHECK(!pthread_create(&forker, NULL, fork_meanwhile, NULL));
	while (!atomic_load(&forking))
		usleep(1000);
	for (int ms = 0; ms < 1000 && !atomic_load(&forked); ms++)
		usleep(1000);
	atomic_store(&go_on, true);
	CHECK(!pthread_join(forker, NULL) && !pthread_join(keeper, NULL));
	closes();
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(kept_with_its_guard),
		PAGE_TEST(a_kept_one_is_charged_first),
		PAGE_TEST(kept_while_accounting_is_off),
		PAGE_TEST(only_the_same_size_is_taken),
		PAGE_TEST(few_are_kept),
		PAGE_TEST(the_oldest_go),
		PAGE_TEST(they_go_when_the_root_is_short),
		PAGE_TEST(the_region_is_full),
		PAGE_TEST(among_threads),
		PAGE_TEST(in_the_child_of_a_fork),
		PAGE_TEST(the_child_has_what_was_kept),
#ifdef MEMCG_DEBUG
		PAGE_TEST(a_fork_waits_for_who_keeps),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
