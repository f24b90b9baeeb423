/*
 * t_fault.c - faults in bad moments: signals that are none of ours, handlers of the program in the
 * middle of something, pages and addresses that change between two steps.
 */
#include "vm_fixture.h"

#include <sys/syscall.h>

/* --- which signals are faults ----------------------------------------------------------- */

static volatile sig_atomic_t got_code;
static void *volatile got_at;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got = sig;
	got_code = info->si_code;
	got_at = info->si_addr;
}

/* Before ours, which passes on what it does not serve. */
static void catch_bus(void)
{
	struct sigaction sa = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

	CHECK(!sigaction(SIGBUS, &sa, NULL));
}

/* To this thread, with whatever the system could say in it. */
static void bus_comes(int code, void *at)
{
	siginfo_t info = {.si_signo = SIGBUS, .si_code = code, .si_addr = at};

	got = got_code = 0;
	got_at = NULL;
	CHECK(!syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGBUS, &info));
}

/* The system tells of memory that is broken: bringing the page in, mapping it, is no answer. */
static void test_broken_memory_is_told(void)
{
	static const int codes[] = {BUS_MCEERR_AR, BUS_MCEERR_AO, BUS_ADRALN, BUS_OBJERR};
	char *p;

	catch_bus();
	rules_set_up();
	p = map(4);
	p[0] = 1;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		for (size_t at = 0; at < 2; at++) {
			bus_comes(codes[i], p + at * PAGE_SIZE);
			CHECK(got == SIGBUS && got_code == codes[i]);
			CHECK(got_at == p + at * PAGE_SIZE);
			CHECK(STAT(cg, anon) == PAGE_SIZE && STAT(cg, pgfault) == 1);
		}
	bus_comes(BUS_ADRERR, p + PAGE_SIZE); /* whereas this is how a fault comes */
	CHECK(!got && STAT(cg, anon) == 2 * PAGE_SIZE);
	rules_end();
}

/* Sent by anybody, with whatever in it: no fault. */
static void test_sent_is_no_fault(void)
{
	char *p;

	catch_bus();
	rules_set_up();
	p = map(4);
	p[0] = 1;
	got = 0;
	CHECK(!kill(getpid(), SIGBUS) && got == SIGBUS && got_code == SI_USER);
	got = 0;
	CHECK(!raise(SIGBUS) && got == SIGBUS && got_code == SI_TKILL);
	bus_comes(SI_QUEUE, p + PAGE_SIZE);
	CHECK(got == SIGBUS && got_code == SI_QUEUE && STAT(cg, anon) == PAGE_SIZE);
	rules_end();
}

/* How a child ends to which such a signal comes. */
static int end_of(int code, void *at)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		bus_comes(code, at);
		_exit(7);
	}
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

static bool ends_by_bus(int code, void *at)
{
	int status = end_of(code, at);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static bool goes_on(int code, void *at)
{
	int status = end_of(code, at);

	return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

/* Nobody runs an instruction again that would end the process then. */
static void test_default_ends_it(void)
{
	char *p;

	signal(SIGBUS, SIG_DFL); /* before ours; the test program has one of its own */
	rules_set_up();
	p = map(1);
	CHECK(ends_by_bus(BUS_MCEERR_AO, p) && ends_by_bus(SI_QUEUE, p));
	rules_end();
}

/* The instruction that met broken memory is not one to go on from, ignored or not. */
static void test_ignored_is_ignored(void)
{
	char *p;

	signal(SIGBUS, SIG_IGN); /* before ours */
	rules_set_up();
	p = map(1);
	CHECK(goes_on(BUS_MCEERR_AO, p) && goes_on(SI_QUEUE, p));
	bus_comes(BUS_MCEERR_AO, p);
	bus_comes(SI_QUEUE, p);
	p[0] = 1; /* faults are served on */
	CHECK(p[0] == 1 && STAT(cg, anon) == PAGE_SIZE);
	rules_end();
}

/* What the program's handler was told to be called with is what it is called with. */
static sigset_t held_back;

static void on_bus_once(int sig)
{
	got = sig;
	got_code++;
	pthread_sigmask(SIG_BLOCK, NULL, &held_back);
}

static void test_called_as_asked(void)
{
	struct sigaction sa = {.sa_handler = on_bus_once};
	char *p;

	sigaddset(&sa.sa_mask, SIGUSR2);
	CHECK(!sigaction(SIGBUS, &sa, NULL));
	rules_set_up();
	p = map(1);
	bus_comes(BUS_ADRALN, p);
	CHECK(got == SIGBUS && got_code == 1);
	CHECK(sigismember(&held_back, SIGUSR2) && !sigismember(&held_back, SIGUSR1));
	CHECK(!sigismember(&held_back, SIGBUS)); /* it may touch managed memory */
	pthread_sigmask(SIG_BLOCK, NULL, &held_back);
	CHECK(!sigismember(&held_back, SIGUSR2));
	rules_end();
}

/* Handlers that say what happened and return, to be ended by what happened. */
static void test_called_once(void)
{
	struct sigaction sa = {.sa_handler = on_bus_once, .sa_flags = (int)SA_RESETHAND};
	char *p;

	CHECK(!sigaction(SIGBUS, &sa, NULL));
	rules_set_up();
	p = map(1);
	CHECK(goes_on(BUS_MCEERR_AO, p)); /* in the child */
	bus_comes(BUS_MCEERR_AO, p);
	CHECK(got_code == 1);
	p[0] = 1; /* faults are served on */
	CHECK(ends_by_bus(BUS_MCEERR_AO, p));
	rules_end();
}

/* As the system has it: who ignores the signal does, with any flag. */
static void test_ignored_with_flags(void)
{
	struct sigaction sa = {.sa_handler = SIG_IGN, .sa_flags = SA_SIGINFO};
	char *p;

	CHECK(!sigaction(SIGBUS, &sa, NULL));
	rules_set_up();
	p = map(1);
	CHECK(goes_on(BUS_MCEERR_AO, p) && goes_on(SI_QUEUE, p));
	rules_end();
}

/* Somebody's own signal, with an address where the range has ended and its pages have not. */
static void test_behind_the_range(void)
{
	char *all, *p;

	catch_bus();
	rules_set_up();
	all = memcg_mmap(mm, 8 * PAGE_SIZE, RW, MEMCG_MAP_SHARED, NULL, 0);
	p = memcg_mmap_same(mm, all, 4 * PAGE_SIZE, RW, 0);
	CHECK(all && p);
	p[0] = 1;
	bus_comes(BUS_ADRERR, p + 4 * PAGE_SIZE);
	CHECK(got == SIGBUS && got_at == p + 4 * PAGE_SIZE && managed_resident() == PAGE_SIZE);
	rules_end();
}

/* --- holes --------------------------------------------------------------------------------- */

/* Unmapped while it was pinned: it is no error of its content that its addresses are gone. */
static void pin_where_one_was_pinned(void)
{
	char *p;

	rules_set_up();
	p = map(4);
	CHECK(!memcg_pin(p + PAGE_SIZE, PAGE_SIZE));
	CHECK(!memcg_munmap(mm, p + PAGE_SIZE, PAGE_SIZE));
	CHECK(memcg_pin(p + PAGE_SIZE, 1) == -EFAULT);
	CHECK(memcg_pin(p, 3 * PAGE_SIZE) == -EFAULT);
	CHECK(memcg_madvise(mm, p + PAGE_SIZE, PAGE_SIZE, MEMCG_WILLNEED) == -EFAULT);
	memcg_unpin(p + PAGE_SIZE, PAGE_SIZE);
	CHECK(memcg_pin(p + PAGE_SIZE, 1) == -EFAULT);
	CHECK(managed_resident() == STAT(cg, anon));
	rules_end();
}

static void test_pinned_hole(void)
{
	pin_where_one_was_pinned();
}

static void test_pinned_hole_alone(void)
{
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	pin_where_one_was_pinned();
	CHECK(mech == MECH_PINS);
}

/* --- pages that cannot be mapped -------------------------------------------------------- */

/* What it has brought in stays, mapped nowhere, and may be evicted before anybody maps it. */
static void test_mapping_fails(void)
{
	char *p;

	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	rules_set_up();
	p = map(4);
	CHECK(mech == MECH_PINS && !memcg_pin(p, PAGE_SIZE));
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	CHECK(memcg_pin(p + PAGE_SIZE, PAGE_SIZE) == -ENOMEM);
	sys_fault_disarm_all();
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE && managed_resident() == 2 * PAGE_SIZE);
	CHECK(!memcg_madvise(mm, p, 4 * PAGE_SIZE, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == PAGE_SIZE && managed_resident() == PAGE_SIZE);
	CHECK(!memcg_pin(p + PAGE_SIZE, PAGE_SIZE) && !p[PAGE_SIZE]);
	memcg_unpin(p, 2 * PAGE_SIZE);
	rules_end();
}

/* --- between two steps: debug builds ---------------------------------------------------------- */

#ifdef MEMCG_DEBUG

#include "vm/rmap.h"

static char *range;

/*
 * A run is brought in, and cannot be mapped as one: what has come in is on a list then, mapped
 * nowhere, and may be evicted before anybody maps it.
 */
static void middle_goes(void)
{
	hook_fault_begun = NULL;
	CHECK(!memcg_munmap(mm, range + 4 * PAGE_SIZE, PAGE_SIZE));
}

static void test_never_mapped_is_evicted(void)
{
	rules_set_up();
	range = map(8);
	range[0] = 1; /* there is a table: holes are kept */
	hook_fault_begun = middle_goes;
	CHECK(memcg_madvise(mm, range + PAGE_SIZE, 7 * PAGE_SIZE, MEMCG_WILLNEED) == -EFAULT);
	CHECK(!hook_fault_begun && STAT(cg, anon) == 7 * PAGE_SIZE);
	CHECK(!page_mapped(page_of(range + 6 * PAGE_SIZE)));
	CHECK(!memcg_madvise(mm, range + 5 * PAGE_SIZE, 3 * PAGE_SIZE, MEMCG_PAGEOUT));
	CHECK(STAT(cg, anon) == 4 * PAGE_SIZE && managed_resident() == 4 * PAGE_SIZE);
	for (size_t i = 5; i < 8; i++)
		CHECK(!range[i << PAGE_SHIFT]);
	rules_end();
}

static void *first_mm(void *arg)
{
	struct memcg_mm *m = memcg_mm_create(cg);
	char *p = memcg_mmap(m, PAGE_SIZE, RW, 0, NULL, 0);

	CHECK(p);
	p[0] = 1; /* is served */
	memcg_mm_destroy(m);
	return arg;
}

static void another_is_first(void)
{
	pthread_t t;

	hook_fault_installs = NULL;
	CHECK(!pthread_create(&t, NULL, first_mm, NULL) && !pthread_join(t, NULL));
}

/* The first address space of two threads at once: neither has one before there is a handler. */
static void test_installed_by_two(void)
{
	char *p;

	catch_bus();
	hook_fault_installs = another_is_first;
	rules_set_up();
	CHECK(!hook_fault_installs);
	p = map(1);
	p[0] = 1;
	bus_comes(BUS_MCEERR_AO, p); /* and what was there before is known still */
	CHECK(got == SIGBUS && got_code == BUS_MCEERR_AO);
	rules_end();
}

static bool is_present(const char *p)
{
	const struct page *t = block_at((uintptr_t)p)->table;
	size_t slot = ((uintptr_t)p >> PAGE_SHIFT) % BLOCK_PAGES;

	return t && pte_type(table_entries(t)[slot]) == PTE_PRESENT;
}

/* Whichever is looked at first. */
static void neighbour_goes(void)
{
	hook_neighbour_seen = NULL;
	CHECK(!memcg_madvise(mm, range + PAGE_SIZE, PAGE_SIZE, MEMCG_PAGEOUT));
	CHECK(page_of(range + PAGE_SIZE)->managed.where != WHERE_RESIDENT);
}

/*
 * What has gone between look and lock has no memory to be mapped. By the mechanism that would not
 * notice: it makes addresses accessible, whatever is there.
 */
static void test_neighbour_goes(void)
{
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	rules_set_up();
	range = map(2);
	CHECK(mech == MECH_PINS && !memcg_pin(range, 2 * PAGE_SIZE));
	memset(range, 1, 2 * PAGE_SIZE);
	memcg_unpin(range, 2 * PAGE_SIZE);
	CHECK(!memcg_madvise(mm, range, 2 * PAGE_SIZE, MEMCG_COLD));
	hook_neighbour_seen = neighbour_goes;
	CHECK(!memcg_madvise(mm, range, PAGE_SIZE, MEMCG_WILLNEED));
	CHECK(!hook_neighbour_seen && is_present(range) && !is_present(range + PAGE_SIZE));
	CHECK(!page_mapped(page_of(range + PAGE_SIZE)));
	CHECK(!memcg_pin(range, 2 * PAGE_SIZE) && range[PAGE_SIZE] == 1);
	memcg_unpin(range, 2 * PAGE_SIZE);
	rules_end();
}

/* --- handlers in the middle of it --------------------------------------------------------- */

static volatile bool served;
static void *volatile allocated;

/* By a handler of the program: another page than those that are locked, and the allocator. */
static void on_user(int sig)
{
	(void)sig;
	got = 0;
	served = !sigsetjmp(back, 1) && (*(volatile char *)range, true);
	allocated = memcg_malloc(MIB);
}

static void jump_back(int sig)
{
	got = sig;
	siglongjmp(back, 1);
}

static void handler_comes(void)
{
	hook_zap_pending = NULL;
	CHECK(task_self()->paging && !task_self()->busy);
	CHECK(!raise(SIGUSR1));
}

/*
 * With page locks held and nothing else: what it touches is refused, as it would wait for its own
 * thread if it were one of those. What it allocates is served, unlike to who is busy.
 */
static void test_handler_in_the_middle(void)
{
	char *p;

	signal(SIGBUS, jump_back);
	signal(SIGUSR1, on_user);
	rules_set_up();
	range = map(1);
	p = map(4);
	memset(p, 1, 4 * PAGE_SIZE);
	hook_zap_pending = handler_comes;
	CHECK(!memcg_madvise(mm, p, 4 * PAGE_SIZE, MEMCG_PAGEOUT));
	CHECK(!hook_zap_pending && got == SIGBUS && !served && allocated);
	CHECK(!task_self()->paging && STAT(cg, anon) == 0);
	memcg_free(allocated);
	CHECK(!raise(SIGUSR1) && served && !got); /* and between two calls it is */
	memcg_free(allocated);
	rules_end();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_broken_memory_is_told), FAULTS_TEST(test_sent_is_no_fault),
		FAULTS_TEST(test_default_ends_it),	 FAULTS_TEST(test_ignored_is_ignored),
		FAULTS_TEST(test_called_as_asked),	 FAULTS_TEST(test_called_once),
		FAULTS_TEST(test_ignored_with_flags),	 FAULTS_TEST(test_behind_the_range),
		FAULTS_TEST(test_pinned_hole),		 PAGE_TEST(test_pinned_hole_alone),
		PAGE_TEST(test_mapping_fails),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_installed_by_two),	 FAULTS_TEST(test_never_mapped_is_evicted),
		PAGE_TEST(test_neighbour_goes),		 FAULTS_TEST(test_handler_in_the_middle),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
