/*
 * t_vm_rules.c - rules of managed memory, one by one: which pages go and which stay, what a fault
 * does when its addresses go under it, whose signals run when, what outlives a group.
 */
#include "vm_fixture.h"

#include "vm/reclaim.h"
#include "vm/rmap.h"

/* --- which pages go -------------------------------------------------------------------- */

/* The system writes where a page is mapped, and does not ask us to map it. */
static void test_pinned_stays_mapped(void)
{
	const size_t n = 64;
	int fd[2];
	char *p;

	rules_set_up();
	p = map(n);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(!memcg_pin(p, PAGE_SIZE) && !pipe(fd) && write(fd[1], "xyz", 3) == 3);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == PAGE_SIZE);
	CHECK(read(fd[0], p, 1) == 1);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_COLD));
	CHECK(read(fd[0], p, 1) == 1);
	CHECK(memcg_reclaim(cg, MIB) == -EAGAIN);
	CHECK(read(fd[0], p, 1) == 1);
	memcg_unpin(p, PAGE_SIZE);
	rules_end();
}

/* The oldest are pinned, all that are looked at in the first go: there are others behind them. */
static void test_pinned_are_passed(void)
{
	const size_t n = 512, pinned = 200;
	char *p;

	rules_set_up();
	p = map(n);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(!memcg_madvise(mm, p + (pinned << PAGE_SHIFT), (n - pinned) << PAGE_SHIFT,
			     MEMCG_COLD));
	CHECK(!memcg_madvise(mm, p, pinned << PAGE_SHIFT, MEMCG_COLD));
	CHECK(!memcg_pin(p, pinned << PAGE_SHIFT));
	CHECK(managed_pages.scan(cg, 100 * PAGE_SIZE, RECLAIM_ANY) >= 100 * PAGE_SIZE);
	CHECK(STAT(cg, anon) <= (n - 100) << PAGE_SHIFT);
	memcg_unpin(p, pinned << PAGE_SHIFT);
	rules_end();
}

/* The same on the active list. */
static void test_locked_are_passed(void)
{
	const size_t n = 300;
	char *p;

	rules_set_up();
	CHECK(memcg_mmap(mm, n << PAGE_SHIFT, RW, MEMCG_MAP_LOCKED, NULL, 0));
	p = map(n);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(managed_pages.scan(cg, PAGE_SIZE, RECLAIM_ANY) >= PAGE_SIZE);
	CHECK(managed_pages.scan(cg, 100 * PAGE_SIZE, RECLAIM_ANY) >= 100 * PAGE_SIZE);
	rules_end();
}

/* Out of the windows all of them; those that are touched meanwhile stay when the others go. */
static void test_used_stay(void)
{
	const size_t n = 256, around = 16;
	char *p;

	rules_set_up();
	p = map(n);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_COLD));
	CHECK(STAT(cg, inactive_anon) == n << PAGE_SHIFT);
	for (size_t i = n / 2; i < n; i += around) /* the oldest are these */
		p[i << PAGE_SHIFT] = 2; /* a write: its neighbours are not mapped with it */
	CHECK(!memcg_reclaim(cg, (n / 2) << PAGE_SHIFT));
	CHECK(STAT(cg, pgactivate) >= 1 && STAT(cg, pgmajfault) == 0);
	for (size_t i = n / 2; i < n; i += around)
		CHECK(page_of(p + (i << PAGE_SHIFT))->managed.where == WHERE_RESIDENT);
	rules_end();
}

/* --- swap ---------------------------------------------------------------------------------- */

static void test_limits_from_before(void)
{
	const size_t n = 32;
	char *p;

	set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_MAX, n / 2 << PAGE_SHIFT));
	CHECK(memcg_write(cg, "memory.swap.high", "16384", 5) >= 0);
	mm = memcg_mm_create(cg);
	CHECK(mm);
	p = map(n);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == n / 2 << PAGE_SHIFT);
	CHECK(number_in(cg, "memory.swap.events", "max ") == n / 2);
	CHECK(number_in(cg, "memory.swap.events", "high ") == n / 2 - 4);
	rules_end();
}

/* What is swapped is the parent's then, and the parent's to give back. */
static void test_copies_outlive_their_group(void)
{
	const size_t n = 64;
	struct memcg *child;
	char *p;

	set_up();
	child = memcg_create(cg, "child");
	CHECK(child);
	mm = memcg_mm_create(child);
	p = map(n);
	memset(p, 1, n << PAGE_SHIFT);
	CHECK(!memcg_madvise(mm, p, n / 2 << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(!memcg_destroy(child));
	CHECK(number_in(cg, "memory.swap.current", NULL) == n / 2 << PAGE_SHIFT);
	CHECK(STAT(cg, active_anon) == n / 2 << PAGE_SHIFT);
	CHECK(!memcg_reclaim(cg, PAGE_SIZE)); /* finds the pages on its own lists */
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(number_in(cg, "memory.swap.current", NULL) == n << PAGE_SHIFT);
	for (size_t i = 0; i < n; i++)
		CHECK(p[i << PAGE_SHIFT] == 1);
	CHECK(number_in(cg, "memory.swap.current", NULL) == 0);
	rules_end();
}

/* --- faults in bad moments ------------------------------------------------------------------- */

static volatile sig_atomic_t noted;

static void note_signal(int sig)
{
	noted = sig;
	if (sig == SIGBUS)
		task_busy_end(); /* so that the instruction can go on */
}

/* A handler that came in the middle of a library call: the page is refused, the program told. */
static void test_refused_to_the_busy(void)
{
	volatile char *p;

	signal(SIGBUS, note_signal); /* before ours, which passes on what it does not serve */
	rules_set_up();
	p = map(1);
	task_busy_begin();
	p[0] = 1;
	CHECK(noted == SIGBUS && p[0] == 1);
	rules_end();
}

/* Over the max, and nothing can go: a fault takes from the reserve rather than end the program. */
static void test_reserve(void)
{
	const size_t n = 64;
	volatile char *p;

	rules_set_up();
	p = map(n);
	CHECK(!memcg_pin((void *)p, n / 2 << PAGE_SHIFT));
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, held(cg)));
	p[n / 2 << PAGE_SHIFT] = 1;
	CHECK(held(cg) > number_in(cg, "memory.max", NULL));
	memcg_unpin((void *)p, n / 2 << PAGE_SHIFT);
	rules_end();
}

/* No page is brought in for a hole, whatever shows it. */
static void pin_holes(void)
{
	char *p;

	rules_set_up();
	p = map(600);
	CHECK(!memcg_pin(p + PAGE_SIZE, 1));
	memcg_unpin(p + PAGE_SIZE, 1);
	CHECK(!memcg_munmap(mm, p, PAGE_SIZE));
	CHECK(memcg_pin(p, 1) == -EFAULT && STAT(cg, anon) == PAGE_SIZE);
	CHECK(memcg_pin(p, 2 * PAGE_SIZE) == -EFAULT && page_count(page_of(p + PAGE_SIZE)) == 1);
	CHECK(managed_resident() == PAGE_SIZE);
	rules_end();
}

static void test_holes_are_not_pinned(void)
{
	pin_holes();
}

static void test_holes_are_not_pinned_alone(void)
{
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	pin_holes();
	CHECK(mech == MECH_PINS);
}

/* The system has no memory for the file: nothing is charged, and it works when there is. */
static void test_no_memory(void)
{
	u64 before;
	char *p;

	rules_set_up();
	p = map(32);
	p[0] = 1;
	before = held(cg);
	sys_fault_arm(SYS_FAULT_FILL, 0, 1, 0, 0);
	CHECK(memcg_pin(p + 16 * PAGE_SIZE, 1) == -ENOMEM && held(cg) == before);
	CHECK(memcg_madvise(mm, p + PAGE_SIZE, 8 * PAGE_SIZE, MEMCG_WILLNEED) == -ENOMEM);
	CHECK(held(cg) == before && managed_resident() == PAGE_SIZE);
	sys_fault_disarm_all();
	CHECK(!memcg_madvise(mm, p, 8 * PAGE_SIZE, MEMCG_WILLNEED));
	rules_end();
}

/* Whoever serves a fault pins the handle that pays, and lets it go. */
static void test_payer_is_let_go(void)
{
	u64 pins;
	char *p;

	rules_set_up();
	pins = atomic_load(&cg->handle->refs) / HANDLE_PIN;
	p = map(64);
	memset(p, 1, 64 * PAGE_SIZE);
	CHECK(atomic_load(&cg->handle->refs) / HANDLE_PIN == pins);
	rules_end();
}

/* Nothing leads from the addresses to the window that was there. */
static void test_slot_is_cleared(void)
{
	struct block *b;
	char *p;

	rules_set_up();
	p = map(600);
	memset(p, 1, 600 * PAGE_SIZE);
	b = block_at((uintptr_t)p);
	CHECK(b[0].window && b[0].window == b[1].window);
	CHECK(!memcg_munmap(mm, p, BLOCK_SIZE));
	CHECK(!b[0].window && b[1].window);
	CHECK(!memcg_munmap(mm, p + BLOCK_SIZE, 600 * PAGE_SIZE - BLOCK_SIZE));
	CHECK(!b[1].window);
	rules_end();
}

/* --- between two steps: debug builds ---------------------------------------------------------- */

#ifdef MEMCG_DEBUG
static char *range;

static void part_goes(void)
{
	hook_fault_ready = NULL;
	CHECK(!memcg_munmap(mm, range, PAGE_SIZE));
}

/* The page that a fault brings in for addresses that have gone meanwhile goes too. */
static void test_part_goes_under_a_fault(void)
{
	rules_set_up();
	range = map(4);
	range[PAGE_SIZE] = 1;
	hook_fault_ready = part_goes;
	CHECK(memcg_pin(range, 1) == -EFAULT && !hook_fault_ready);
	CHECK(STAT(cg, anon) == PAGE_SIZE && managed_resident() == PAGE_SIZE);
	CHECK(range[PAGE_SIZE] == 1);
	rules_end();
}

static void whole_goes(void)
{
	hook_fault_begun = NULL;
	CHECK(!memcg_munmap(mm, range, 4 * PAGE_SIZE));
}

/* There was no table, so there are no holes: the block's slot tells. */
static void test_whole_goes_under_a_fault(void)
{
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	rules_set_up();
	range = map(4);
	hook_fault_begun = whole_goes;
	CHECK(memcg_pin(range, 1) == -EFAULT && !hook_fault_begun);
	CHECK(!managed_resident());
	rules_end();
}

static void still_mapped(void)
{
	struct page *pg = page_at(regn.managed + EXTENT_PAGES);

	hook_cut_marked = NULL;
	CHECK(page_mapped(pg));
	range[0] = 2; /* a CPU still can */
	noted = ((char *)page_address(pg))[0];
}

/* A page is not found unmapped before its addresses are gone. */
static void test_entry_outlives_its_address(void)
{
	rules_set_up();
	range = map(4);
	range[0] = 1;
	CHECK(page_of(range) == page_at(regn.managed + EXTENT_PAGES));
	hook_cut_marked = still_mapped;
	CHECK(!memcg_munmap(mm, range, 2 * PAGE_SIZE));
	CHECK(!hook_cut_marked && noted == 2);
	rules_end();
}

static void signal_comes(void)
{
	hook_fault_ready = NULL;
	raise(SIGUSR1);
	CHECK(!noted);
}

/* Handlers of the program wait until the fault has been served. */
static void test_signals_wait(void)
{
	signal(SIGUSR1, note_signal);
	rules_set_up();
	range = map(4);
	hook_fault_ready = signal_comes;
	range[0] = 1;
	CHECK(!hook_fault_ready && noted == SIGUSR1);
	rules_end();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_pinned_stays_mapped),
		FAULTS_TEST(test_pinned_are_passed),
		FAULTS_TEST(test_locked_are_passed),
		FAULTS_TEST(test_used_stay),
		FAULTS_TEST(test_limits_from_before),
		FAULTS_TEST(test_copies_outlive_their_group),
		FAULTS_TEST(test_refused_to_the_busy),
		FAULTS_TEST(test_reserve),
		FAULTS_TEST(test_no_memory),
		FAULTS_TEST(test_payer_is_let_go),
		FAULTS_TEST(test_slot_is_cleared),
		FAULTS_TEST(test_holes_are_not_pinned),
		PAGE_TEST(test_holes_are_not_pinned_alone),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_part_goes_under_a_fault),
		PAGE_TEST(test_whole_goes_under_a_fault),
		FAULTS_TEST(test_entry_outlives_its_address),
		FAULTS_TEST(test_signals_wait),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
