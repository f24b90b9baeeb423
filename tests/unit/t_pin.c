/*
 * t_pin.c - what a pin promises: the page stays where it is and mapped, whatever is advised
 * meanwhile, and the promise is given back once.
 */
#include "vm_fixture.h"

#include "vm/rmap.h"

/* Of a range that is not needed what is pinned is left, mapped: a system call may be at it. */
static void dontneed_around_pins(unsigned flags)
{
	const size_t n = 520;
	int fd[2];
	char *p;

	rules_set_up();
	CHECK(!pipe(fd) && write(fd[1], "abc", 3) == 3);
	p = memcg_mmap(mm, n << PAGE_SHIFT, RW, flags, NULL, 0);
	CHECK(p && !memcg_pin(p, n << PAGE_SHIFT));
	memset(p, 1, n << PAGE_SHIFT);
	memcg_unpin(p, n << PAGE_SHIFT);
	CHECK(!memcg_pin(p + 7 * PAGE_SIZE, 2 * PAGE_SIZE) && !memcg_pin(p + 511 * PAGE_SIZE, 1));
	CHECK(!memcg_pin(p, 1));
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_DONTNEED));
	CHECK(read(fd[0], p, 1) == 1 && read(fd[0], p + 511 * PAGE_SIZE, 1) == 1);
	CHECK(read(fd[0], p + 8 * PAGE_SIZE, 1) == 1 && p[7 * PAGE_SIZE] == 1);
	CHECK(p[0] == 'a' && p[511 * PAGE_SIZE] == 'b' && p[8 * PAGE_SIZE] == 'c');
	CHECK(write(fd[1], "d", 1) == 1);
	CHECK(read(fd[0], p + 9 * PAGE_SIZE, 1) == -1 && errno == EFAULT);
	CHECK(STAT(cg, anon) == (flags ? 0 : 4 * PAGE_SIZE));
	CHECK(STAT(cg, file_mapped) == (flags ? 4 * PAGE_SIZE : 0));
	memcg_unpin(p, 1);
	memcg_unpin(p + 7 * PAGE_SIZE, 2 * PAGE_SIZE);
	memcg_unpin(p + 511 * PAGE_SIZE, 1);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_DONTNEED) && !STAT(cg, anon));
	CHECK(!STAT(cg, file_mapped));
	rules_end();
}

static void test_pinned_are_needed(void)
{
	dontneed_around_pins(0);
}

static void test_pinned_are_needed_shared(void)
{
	dontneed_around_pins(MEMCG_MAP_SHARED);
}

static void test_pinned_are_needed_alone(void)
{
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	dontneed_around_pins(0);
	CHECK(mech == MECH_PINS);
}

/* --- one too many ---------------------------------------------------------------------------- */

static void unpin_too_often(void)
{
	char *p;

	rules_set_up();
	p = memcg_mmap(mm, PAGE_SIZE, RW, MEMCG_MAP_SHARED, NULL, 0);
	CHECK(p && !memcg_pin(p, 1));
	memcg_unpin(p, 1);
	CHECK(!memcg_madvise(mm, p, PAGE_SIZE, MEMCG_DONTNEED) && STAT(cg, shmem) == PAGE_SIZE);
	memcg_unpin(p, 1);
}

/* That would give away the object's own reference; the process ends there, not when it is missed.
 */
static void test_unpinned_too_often(void)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		unpin_too_often();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

/* --- between two steps: debug builds ---------------------------------------------------------- */

#ifdef MEMCG_DEBUG
static char *range;

static void not_needed(void)
{
	hook_fault_mapped = NULL;
	CHECK(!memcg_madvise(mm, range, 2 * PAGE_SIZE, MEMCG_DONTNEED));
}

/* It is mapped, and the call that pins it has not returned. Shared: nothing waits for the page. */
static void pin_while_not_needed(size_t npages)
{
	int fd[2];

	rules_set_up();
	range = memcg_mmap(mm, 2 * PAGE_SIZE, RW, MEMCG_MAP_SHARED, NULL, 0);
	CHECK(range && !pipe(fd) && write(fd[1], "x", 1) == 1);
	hook_fault_mapped = not_needed;
	CHECK(!memcg_pin(range, npages << PAGE_SHIFT) && !hook_fault_mapped);
	CHECK(page_mapped(page_of(range)) && read(fd[0], range, 1) == 1);
	memcg_unpin(range, npages << PAGE_SHIFT);
	rules_end();
}

static void test_pinned_before_mapped(void)
{
	pin_while_not_needed(1);
}

static void test_run_pinned_before_mapped(void)
{
	pin_while_not_needed(2);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_pinned_are_needed),	 FAULTS_TEST(test_pinned_are_needed_shared),
		PAGE_TEST(test_pinned_are_needed_alone), FAULTS_TEST(test_unpinned_too_often),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_pinned_before_mapped),	 FAULTS_TEST(test_run_pinned_before_mapped),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
