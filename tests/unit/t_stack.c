/* t_stack.c - stacks: what they cost, whose they are, threads and contexts on them, misuse. */
#include "stack_fixture.h"

#include <ucontext.h>

#include <memcg/page.h>

/* ---- what they cost ---- */

/* ---- what they cost ---- */
static void stacks_cost_their_guard(void)
{
	set_up();
	for (int kept = 0; kept < 2; kept++)
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
			u64 bytes = ALIGN_UP(sizes[k], PAGE_SIZE);
			char *base = memcg_stack_alloc(sizes[k]);

			CHECK(base && IS_ALIGNED((uintptr_t)base, PAGE_SIZE));
			CHECK(held(cg) == bytes + PAGE_SIZE);
			CHECK(stat_of(cg).kernel_stack == held(cg) && !stat_of(cg).slab);
			memset(base, 0x33, bytes);
			closes();
			errno = 9;
			memcg_stack_free(base);
			CHECK(errno == 9 && !held(cg) && !stat_of(cg).kernel_stack);
			closes();
		}
	memcg_stack_free(NULL);
}

static void small_ones_are_objects(void)
{
	char *a, *b;

	set_up();
	for (size_t n = 1; n <= STACK_SMALL_MAX; n += n < 500 ? 37 : 311) {
		size_t slot = 512;

		while (slot < n)
			slot *= 2;
		CHECK((a = memcg_stack_alloc(n)) && (b = memcg_stack_alloc(n)) && a != b);
		CHECK(IS_ALIGNED((uintptr_t)a, 64) && IS_ALIGNED((uintptr_t)b, 64));
		CHECK(held(cg) == 2 * slab_cost(slot + 64) && !stat_of(cg).kernel_stack);
		memset(a, 0xff, slot);
		memset(b, 0xff, slot);
		errno = 9;
		memcg_stack_free(a);
		memcg_stack_free(b);
		CHECK(errno == 9 && !held(cg));
	}
	closes();
}

static void refused_requests(void)
{
	static const size_t bad[] = {SIZE_MAX, SIZE_MAX - PAGE_SIZE + 1, PTRDIFF_MAX,
				     PTRDIFF_MAX - PAGE_SIZE, 1ul << 46};

	set_up();
	errno = 0;
	CHECK(!memcg_stack_alloc(0) && errno == EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		errno = 0;
		CHECK(!memcg_stack_alloc(bad[i]) && errno == ENOMEM);
	}
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MIB));
	errno = 0;
	CHECK(!memcg_stack_alloc(MIB) && errno == ENOMEM); /* the guard is charged too */
	CHECK(!held(cg) && !stat_of(cg).kernel_stack && !count_kind(PAGE_STACK));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, PAGE_SIZE));
	errno = 0;
	CHECK(!memcg_stack_alloc(STACK_SMALL_MAX) && errno == ENOMEM);
	closes();
}

static void whoever_inherits(void)
{
	struct memcg *child;
	char *base, *small;

	set_up();
	CHECK((child = memcg_create(cg, "c")));
	memcg_leave(memcg_get(child));
	CHECK((base = memcg_stack_alloc(SIZE)) && (small = memcg_stack_alloc(1000)));
	memcg_leave(NULL);
	CHECK(!memcg_destroy(child));
	CHECK(memcg_owner_id(base) == memcg_id(cg) && memcg_owner_id(small) == memcg_id(cg));
	CHECK(stat_of(cg).kernel_stack == BYTES);
	memcg_stack_free(base);
	memcg_stack_free(small);
	CHECK(!held(cg) && !stat_of(cg).kernel_stack);
	closes();
}

/* ---- whose ---- */

/* ---- whose ---- */
static void every_inner_address(void)
{
	set_up();
	for (size_t k = 0; k <= ARRAY_SIZE(sizes); k++) {
		size_t size = k < ARRAY_SIZE(sizes) ? sizes[k] : 2000;
		size_t guard = k < ARRAY_SIZE(sizes) ? PAGE_SIZE : 64;
		char *base = memcg_stack_alloc(size);
		u64 whole;

		CHECK(base);
		whole = held(cg);
		for (size_t i = 0; i < size + guard; i += 1 + size / 300) {
			CHECK(memcg_owner_id(base - guard + i) == memcg_id(cg));
			CHECK(!memcg_recharge(base - guard + i, other));
			CHECK(memcg_owner_id(base + size / 2) == memcg_id(other));
			CHECK(!held(cg) && held(other) == whole);
			CHECK(stat_of(other).kernel_stack == (k < ARRAY_SIZE(sizes) ? whole : 0));
			CHECK(!memcg_recharge(base + size - 1, cg));
			CHECK(held(cg) == whole && !held(other));
		}
		CHECK(!memcg_set_limit(other, MEMCG_MAX, 0));
		CHECK(memcg_recharge(base + size / 2, other) == -ENOMEM && held(cg) == whole);
		CHECK(!memcg_set_limit(other, MEMCG_MAX, MEMCG_UNLIMITED));
		closes();
		memcg_stack_free(base);
		CHECK(!memcg_owner_id(base) && memcg_recharge(base, other) == -EINVAL);
		CHECK(!held(cg) && !held(other));
	}
	closes();
}

/* ---- misuse ---- */

/* ---- misuse ---- */
static void stack_misuse(void)
{
	char *base, *small, *p, *o, *held_on;
	struct memcg_page *page;
	struct memcg_cache *c;

	set_up_here();
	CHECK((base = memcg_stack_alloc(10000)) && (p = memcg_malloc(100000)));
	CHECK((small = memcg_stack_alloc(1000)) && (o = memcg_malloc(1088)));
	CHECK((c = memcg_cache_create("c", 1088, 64, NULL)) && memcg_cache_alloc(c, 0));
	EXPECT_BUG(memcg_stack_free(base + PAGE_SIZE), "not the base of a stack");
	EXPECT_BUG(memcg_stack_free(base + 16), "not the base of a stack");
	EXPECT_BUG(memcg_stack_free(base - PAGE_SIZE), "not the base of a stack");
	EXPECT_BUG(memcg_stack_free(small + 16), "not the base of a stack");
	EXPECT_BUG(memcg_stack_free(small - 64), "not the base of a stack");
	EXPECT_BUG(memcg_stack_free(small + 1024 + 64), "freed before");
	EXPECT_BUG(memcg_stack_free(p + PAGE_SIZE), "not the base of a stack");
	EXPECT_BUG(memcg_stack_free(o + 64), "not the base of a stack");
	EXPECT_BUG(memcg_stack_free((char *)memcg_cache_alloc(c, 0) + 64),
		   "not the base of a stack");
	EXPECT_BUG(memcg_stack_free(&base), "not the base of a stack");
	EXPECT_BUG(memcg_stack_free((char *)regn.base + regn.span - 1), "not the base of a stack");
	EXPECT_BUG(memcg_free(base), "not the start of an object");
	EXPECT_BUG(memcg_free(small), "belongs to a cache");
	memcg_stack_free(base);
	EXPECT_BUG(memcg_stack_free(base), "not the base of a stack, or freed before");
	stack_cache_drain();
	EXPECT_BUG(memcg_stack_free(base), "not the base of a stack, or freed before");
	memcg_stack_free(small);
	EXPECT_BUG(memcg_stack_free(small), "freed before");
	/* Somebody has a reference: that is not for a second free to drop. */
	CHECK((held_on = memcg_stack_alloc(10000)) && (page = memcg_page_of(held_on)));
	memcg_page_get(page);
	memcg_stack_free(held_on);
	EXPECT_BUG(memcg_stack_free(held_on), "freed before");
	held_on[0] = 1;
	memcg_page_put(page);
	CHECK(page_of(held_on)->kind == PAGE_STACK_KEPT);
	closes();
}

/* ---- in use ---- */

/* ---- in use ---- */
#define THREAD_STACK (512 * KIB) /* room for a sanitizer's own */

static void *run_on_it(void *arg)
{
	volatile char room[20000];
	char *here = __builtin_frame_address(0), *base = arg;

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = (char)i;
	CHECK(here >= base && here < base + THREAD_STACK);
	CHECK(memcg_owner_id(here) == memcg_id(cg) && memcg_stack_alloc(SIZE));
	return (char *)here + room[7];
}

static void threads_run_on_stacks(void)
{
	set_up();
	for (int turn = 0; turn < 4; turn++) {
		pthread_t thread[4];
		char *base[4];

		for (int i = 0; i < 4; i++) {
			pthread_attr_t attr;

			CHECK((base[i] = memcg_stack_alloc(THREAD_STACK)));
			CHECK(!pthread_attr_init(&attr));
			CHECK(!pthread_attr_setstack(&attr, base[i], THREAD_STACK));
			CHECK(!pthread_create(&thread[i], &attr, run_on_it, base[i]));
			pthread_attr_destroy(&attr);
		}
		for (int i = 0; i < 4; i++) {
			CHECK(!pthread_join(thread[i], NULL));
			memcg_stack_free(base[i]);
		}
		CHECK(!held(cg) &&
		      stat_of(memcg_root()).kernel_stack == (u64)(turn + 1) * 4 * BYTES);
		closes();
	}
}

static ucontext_t caller, coroutine;
static u64 yielded;

static void count_up(void)
{
	for (u64 i = 1;; i++) {
		yielded = i;
		if (swapcontext(&coroutine, &caller))
			_exit(1);
	}
}

static void contexts_run_on_stacks(void)
{
	static const size_t of[] = {SIZE, 5 * MIB};

	set_up();
	for (size_t k = 0; k < ARRAY_SIZE(of); k++) {
		char *base = memcg_stack_alloc(of[k]);

		CHECK(base && !getcontext(&coroutine));
		coroutine.uc_stack.ss_sp = base;
		coroutine.uc_stack.ss_size = of[k];
		makecontext(&coroutine, count_up, 0);
		for (u64 i = 1; i < 100; i++)
			CHECK(!swapcontext(&caller, &coroutine) && yielded == i);
		memcg_stack_free(base);
		CHECK(!held(cg));
	}
	closes();
}

/* Each map that the library makes when it comes up is refused: it says so and ends, or goes on. */
static void brought_up_without_memory(void)
{
	unsigned worked = 0, ended = 0;
	u64 maps;

	fflush(NULL);
	for (u64 nth = 1; nth; nth++) {
		int status, ends[2];
		pid_t pid;

		CHECK(!pipe(ends));
		pid = fork();
		if (!pid) {
			char *p;

			sys_fault_arm(SYS_FAULT_MAP, nth, 0, 0, 0);
			set_up();
			for (int i = 0; i < 3; i++) {
				CHECK((p = memcg_stack_alloc(SIZE)) && held(cg) == BYTES);
				memcg_stack_free(p);
				CHECK(!held(cg));
			}
			stack_cache_drain();
			maps = sys_fault_count(SYS_FAULT_MAP);
			_exit(write(ends[1], &maps, sizeof(maps)) != sizeof(maps));
		}
		close(ends[1]);
		maps = 0;
		CHECK(read(ends[0], &maps, sizeof(maps)) >= 0 && waitpid(pid, &status, 0) == pid);
		close(ends[0]);
		if (WIFEXITED(status) && !WEXITSTATUS(status) && !maps)
			break; /* there are not so many */
		if (WIFEXITED(status) && !WEXITSTATUS(status))
			worked++;
		else
			ended++;
		CHECK(!WIFSIGNALED(status) || WTERMSIG(status) == SIGABRT);
		CHECK(nth < 1000);
	}
	CHECK(worked && ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(stacks_cost_their_guard),   PAGE_TEST(small_ones_are_objects),
		PAGE_TEST(refused_requests),	      PAGE_TEST(whoever_inherits),
		PAGE_TEST(every_inner_address),	      PAGE_TEST(stack_misuse),
		PAGE_TEST(threads_run_on_stacks),     PAGE_TEST(contexts_run_on_stacks),
		PAGE_TEST(brought_up_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
