/* t_stack_guard.c - the guard below a stack: each kind, where one is refused, when it goes. */
#include "stack_fixture.h"

#include <sys/mman.h>
#include <ucontext.h>

#include "sys/map.h"

/* ---- guards ---- */
static void the_guard_guards(void)
{
	set_up();
	for (unsigned how = GUARD_MARKED; how <= GUARD_PROTECTED; how++)
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
			char *base = stack_with(how, sizes[k]);

			if (!base) {
				fprintf(stderr, "no guards by marks here: Linux before 6.13\n");
				continue;
			}
			memset(base, 1, sizes[k]);
			CHECK(write_faults(base - 1) && write_faults(base - PAGE_SIZE));
			CHECK(!write_faults(base));
			memcg_stack_free(base);
			stack_cache_drain();
		}
	CHECK(!guards_protected && !guards_filled);
	closes();
}

static void guards_by_pages_alone(void)
{
	char *base;

	CHECK(!setenv("MEMCG_GUARDS", "pages", 1));
	set_up();
	CHECK((base = memcg_stack_alloc(SIZE)) && page_of(base)->stack.how == GUARD_PROTECTED);
	CHECK(write_faults(base - 1));
	memcg_stack_free(base);
	closes();
}

/* Of its neighbours, of the root, and of the very pages. */
static void purging_leaves_the_guard(void)
{
	set_up();
	for (unsigned how = GUARD_MARKED; how <= GUARD_PROTECTED; how++) {
		char *base = stack_with(how, SIZE), *p = memcg_malloc(100000);

		CHECK(p);
		memset(p, 1, 100000);
		memcg_free(p);
		memcg_reclaim(memcg_root(), MIB);
		CHECK(page_purge_all() || true);
		if (!base)
			continue;
		CHECK(write_faults(base - 1));
		base[0] = 5;
		CHECK(!sys_purge(base - PAGE_SIZE, BYTES) && !base[0]);
		CHECK(write_faults(base - 1) && write_faults(base - PAGE_SIZE));
		memcg_stack_free(base);
	}
	closes();
}

/* The block is memory like any other again, from its first byte. */
static void the_guard_goes_with_the_stack(void)
{
	set_up();
	for (unsigned how = GUARD_MARKED; how <= GUARD_FILLED; how++)
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
			char *base = stack_with(how, sizes[k]), *p;

			if (!base)
				continue;
			memcg_stack_free(base);
			stack_cache_drain();
			CHECK(page_of(base)->kind != PAGE_STACK && !count_kind(PAGE_STACK_KEPT));
			CHECK((p = memcg_malloc(sizes[k] + PAGE_SIZE)));
			memset(p, 1, sizes[k] + PAGE_SIZE);
			CHECK(!write_faults(base - PAGE_SIZE) && !write_faults(base - 1));
			memcg_free(p);
		}
	CHECK(!guards_protected);
	closes();
}

/* Where the program locks its memory the system makes no marks, and takes away those there are. */
static void locked_memory(void)
{
	char *marked, *base, *chunk;

	set_up();
	marked = stack_with(GUARD_MARKED, SIZE);
	if (!marked)
		return;
	chunk = (char *)regn.base + ALIGN_DOWN((size_t)(marked - (char *)regn.base), CHUNK_SIZE);
	if (mlock2(chunk, CHUNK_SIZE, MLOCK_ONFAULT)) {
		fprintf(stderr, "no memory may be locked here: %s\n", strerror(errno));
		return;
	}
	CHECK((base = memcg_stack_alloc(SIZE)));
	CHECK(base < chunk || base >= chunk + CHUNK_SIZE ||
	      page_of(base)->stack.how == GUARD_PROTECTED);
	CHECK(write_faults(base - 1) && write_faults(marked - 1));
	memcg_stack_free(marked);
	memcg_stack_free(base);
	stack_cache_drain();
	CHECK(!count_kind(PAGE_BAD) && !write_faults(marked - 1) && !write_faults(base - 1));
	closes();
}

/* No more guards by protection than their share of the mappings a process may have. */
static void protection_has_a_budget(void)
{
	char *base[6], text[2 * LOG_LINE_MAX];
	int from, said = 0;

	set_up();
	guards_budget = 4;
	from = stderr_to_pipe();
	for (int i = 0; i < 6; i++) {
		refuse_guards(GUARD_PROTECTED);
		CHECK((base[i] = memcg_stack_alloc(SIZE)));
		sys_fault_disarm_all();
		CHECK(page_of(base[i])->stack.how == (i < 4 ? GUARD_PROTECTED : GUARD_FILLED));
	}
	CHECK(guards_protected == 4 && guards_filled == 2);
	read_said(from, text, sizeof(text));
	for (char *line = text; (line = strstr(line, "stack guards: ")); line++)
		said++;
	CHECK(said == 1);
	memcg_stack_free(base[0]); /* kept, with its guard */
	CHECK(guards_protected == 4);
	stack_cache_drain();
	CHECK(guards_protected == 3);
	CHECK(stack_with(GUARD_PROTECTED, SIZE));
	for (int i = 1; i < 6; i++)
		memcg_stack_free(base[i]);
	closes();
}

static void the_budget_is_a_quarter_of_the_mappings(void)
{
	set_up();
	CHECK(stack_with(GUARD_PROTECTED, SIZE) && guards_budget == sys_maps_max() / 8);
	guards_budget = 0;
	sys_fault_arm(SYS_FAULT_OPEN, 1, 1, 0, 0);
	CHECK(sys_maps_max() == 65530);
	sys_fault_arm(SYS_FAULT_GUARD, 1, 1, 0, 0);
	CHECK(memcg_stack_alloc(2 * SIZE) && guards_budget == 65530 / 8);
	sys_fault_disarm_all();
	closes();
}

/* The last resort: it stops nobody, and is looked at when the stack goes. */
static void a_filled_guard_is_checked(void)
{
	static const size_t below[] = {1, 8, 2000, PAGE_SIZE};
	char *base, size[32];

	set_up();
	CHECK((base = stack_with(GUARD_FILLED, SIZE)));
	memset(base, 0xff, SIZE);
	memcg_stack_free(base);
	CHECK(!held(cg) && !count_kind(PAGE_STACK_KEPT)); /* the next may get a better one */
	for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
		CHECK((base = stack_with(GUARD_FILLED, SIZE)));
		base[-(ptrdiff_t)below[i]] ^= 1;
		EXPECT_BUG(memcg_stack_free(base), "stack overflow");
		snprintf(size, sizeof(size), "(%p)", (void *)base);
		CHECK(strstr(bug_line, size) && strstr(bug_line, "its 65536 bytes"));
	}
	CHECK(guards_filled == 5);
}

static void a_small_ones_canary_is_checked(void)
{
	char *base, size[32];

	set_up();
	for (size_t below = 1; below <= 64; below++) {
		CHECK((base = memcg_stack_alloc(2000)));
		base[-(ptrdiff_t)below] ^= 1;
		EXPECT_BUG(memcg_stack_free(base), "stack overflow");
		snprintf(size, sizeof(size), "(%p)", (void *)base);
		CHECK(strstr(bug_line, size) && strstr(bug_line, "its 2048 bytes"));
	}
}

/* It cannot be lifted: the block stays out of use, and costs nobody anything. */
static void a_guard_that_stays(void)
{
	char *base, *p[300], text[2 * LOG_LINE_MAX];
	int from, terminal = dup(2);

	set_up();
	for (unsigned how = GUARD_MARKED; how <= GUARD_PROTECTED; how++) {
		base = stack_with(how, SIZE);
		if (!base)
			continue;
		memcg_stack_free(base);
		from = stderr_to_pipe();
		refuse_guards(GUARD_FILLED);
		stack_cache_drain();
		sys_fault_disarm_all();
		CHECK(dup2(terminal, 2) == 2);
		read_said(from, text, sizeof(text));
		CHECK(strstr(text, "stay out of use"));
		CHECK(!held(cg) && page_of(base)->kind == PAGE_BAD && !memcg_owner_id(base));
		for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
			CHECK((p[i] = memcg_malloc(BYTES)));
			CHECK(p[i] + BYTES <= base - PAGE_SIZE || p[i] >= base + SIZE);
		}
		for (size_t i = 0; i < ARRAY_SIZE(p); i++)
			memcg_free(p[i]);
		closes();
	}
}

static ucontext_t caller, coroutine;

/* Deeper than there is room: the guard is met, on the stack itself. */
static void run_over(void)
{
	volatile char *here = __builtin_frame_address(0);

	for (;;)
		*--here = 1;
}

static void an_overflow_faults(void)
{
	set_up();
	for (unsigned how = GUARD_MARKED; how <= GUARD_PROTECTED; how++) {
		char *base = stack_with(how, SIZE), handler[SIZE];
		int status;
		pid_t pid;

		if (!base)
			continue;
		pid = fork();
		if (!pid) {
			stack_t other_stack = {.ss_sp = handler, .ss_size = sizeof(handler)};

			CHECK(!sigaltstack(&other_stack, NULL));
			signal(SIGSEGV, SIG_DFL);
			CHECK(!getcontext(&coroutine));
			coroutine.uc_stack.ss_sp = base;
			coroutine.uc_stack.ss_size = SIZE;
			makecontext(&coroutine, run_over, 0);
			swapcontext(&caller, &coroutine);
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
		memcg_stack_free(base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(the_guard_guards),
		PAGE_TEST(guards_by_pages_alone),
		PAGE_TEST(purging_leaves_the_guard),
		PAGE_TEST(the_guard_goes_with_the_stack),
		PAGE_TEST(locked_memory),
		PAGE_TEST(protection_has_a_budget),
		PAGE_TEST(the_budget_is_a_quarter_of_the_mappings),
		PAGE_TEST(a_filled_guard_is_checked),
		PAGE_TEST(a_small_ones_canary_is_checked),
		PAGE_TEST(a_guard_that_stays),
		PAGE_TEST(an_overflow_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
