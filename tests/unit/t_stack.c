/* t_stack.c - stacks: what they cost, their guards, those that are kept, misuse. */
#include "alloc_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <memcg/page.h>

#include "alloc/guard.h"
#include "alloc/stack.h"
#include "sys/map.h"

#define SIZE  65536ul /* of a usual one */
#define BYTES (SIZE + PAGE_SIZE)

static const size_t sizes[] = {STACK_SMALL_MAX + 1, 16384, SIZE, MIB, CHUNK_SIZE, 9 * MIB + 5};

static struct memcg_stat stat_of(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s;
}

/* What is kept is kept on a CPU: a thread that moved would find another one's. */
static void set_up_here(void)
{
	cpu_set_t may, one;

	CHECK(!sched_getaffinity(0, sizeof(may), &may));
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &may))
			CPU_SET(cpu, &one);
	CHECK(!sched_setaffinity(0, sizeof(one), &one));
	set_up();
}

static struct page *page_of(const void *base)
{
	return page_head(page_index(base));
}

static u32 count_kind(unsigned kind)
{
	u32 n = 0;

	for (u32 i = 0; i < regn.chunks * CHUNK_PAGES; i++)
		n += page_at(i)->kind == kind;
	return n;
}

/* The guard by marks is refused from here on, or that by protection as well. */
static void refuse_guards(unsigned best)
{
	sys_fault_disarm_all();
	if (best > GUARD_MARKED)
		sys_fault_arm(SYS_FAULT_GUARD, 1, 1, 0, 0);
	if (best > GUARD_PROTECTED)
		sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
}

/* A stack with that kind of guard; NULL: the system is older than marks. */
static char *stack_with(unsigned how, size_t size)
{
	char *base;

	stack_cache_drain(); /* they have what they were made with */
	refuse_guards(how);
	base = memcg_stack_alloc(size);
	sys_fault_disarm_all();
	CHECK(base);
	if (page_of(base)->stack.how == how)
		return base;
	CHECK(how == GUARD_MARKED && page_of(base)->stack.how == GUARD_PROTECTED);
	memcg_stack_free(base);
	return NULL;
}

static bool write_faults(char *at)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)at = 1;
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

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
	if (next_random(seed) % 4 == 0)
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
		PAGE_TEST(stacks_cost_their_guard),
		PAGE_TEST(small_ones_are_objects),
		PAGE_TEST(refused_requests),
		PAGE_TEST(whoever_inherits),
		PAGE_TEST(every_inner_address),
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
		PAGE_TEST(kept_with_its_guard),
		PAGE_TEST(a_kept_one_is_charged_first),
		PAGE_TEST(kept_while_accounting_is_off),
		PAGE_TEST(only_the_same_size_is_taken),
		PAGE_TEST(few_are_kept),
		PAGE_TEST(the_oldest_go),
		PAGE_TEST(they_go_when_the_root_is_short),
		PAGE_TEST(the_region_is_full),
		PAGE_TEST(brought_up_without_memory),
		PAGE_TEST(stack_misuse),
		PAGE_TEST(threads_run_on_stacks),
		PAGE_TEST(contexts_run_on_stacks),
		PAGE_TEST(an_overflow_faults),
		PAGE_TEST(among_threads),
		PAGE_TEST(in_the_child_of_a_fork),
		PAGE_TEST(the_child_has_what_was_kept),
#ifdef MEMCG_DEBUG
		PAGE_TEST(a_fork_waits_for_who_keeps),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
