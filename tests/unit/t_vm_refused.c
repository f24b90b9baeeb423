/*
 * t_vm_refused.c - what the system refuses to managed memory, and who comes second: an error, and
 * everything as it was.
 */
#include "vm_fixture.h"

#include "swap_fixture.h"
#include "vm/file.h"

static int text_file(size_t npages)
{
	char name[] = "/tmp/t_vm_refused.XXXXXX", page[PAGE_SIZE];
	int fd = mkstemp(name);

	CHECK(fd >= 0 && !unlink(name));
	memset(page, 't', sizeof(page));
	for (size_t i = 0; i < npages; i++)
		CHECK(write(fd, page, sizeof(page)) == sizeof(page));
	return fd;
}

/* The lowest number that is free: none is lost when it is the same again. */
static int next_descriptor(void)
{
	int fd = dup(0);

	CHECK(fd >= 0);
	close(fd);
	return fd;
}

static void refuses(enum sys_call call, u64 nth)
{
	sys_fault_disarm_all();
	sys_fault_arm(call, nth, 0, 0, 0);
}

/* --- address spaces and ranges ------------------------------------------------------------ */

static bool no_mm(enum sys_call call, u64 nth, int err)
{
	struct memcg_mm *m;

	refuses(call, nth);
	errno = 0;
	m = memcg_mm_create(cg);
	CHECK(sys_fault_count(call) == 1);
	sys_fault_disarm_all();
	return !m && errno == err;
}

/* The first one makes what all have: each part of it fails once, and then it is there. */
static void test_no_mm(void)
{
	int fd;

	set_up();
	fd = next_descriptor();
	CHECK(no_mm(SYS_FAULT_MEMFD, 1, EMFILE) && no_mm(SYS_FAULT_WINDOW, 1, ENOMEM));
	CHECK(next_descriptor() == fd);
	CHECK(no_mm(SYS_FAULT_RESERVE, 1, ENOMEM) && no_mm(SYS_FAULT_OPEN_RANGE, 1, ENOMEM));
	CHECK(!held(cg));
	mm = memcg_mm_create(cg);
	CHECK(mm && !memcg_pin(map(1), 1));
}

static bool no_range(enum sys_call call, u64 nth, size_t length)
{
	char *p;

	refuses(call, nth);
	errno = 0;
	p = memcg_mmap(mm, length, RW, 0, NULL, 0);
	CHECK(sys_fault_count(call) == 1);
	sys_fault_disarm_all();
	return !p && errno == ENOMEM;
}

/* No mapping; no watching of it; no descriptors for so many pages. Its addresses are free again. */
static void test_no_range(void)
{
	char *p;

	rules_set_up();
	p = map(1);
	CHECK(!memcg_munmap(mm, p, PAGE_SIZE));
	CHECK(no_range(SYS_FAULT_WINDOW, 1, PAGE_SIZE) && no_range(SYS_FAULT_WINDOW, 2, PAGE_SIZE));
	CHECK(no_range(SYS_FAULT_OPEN_RANGE, 1, GIB) && no_range(SYS_FAULT_OPEN_RANGE, 2, GIB));
	CHECK(!held(cg) && map(1) == p);
	p[0] = 1;
	rules_end();
}

/* As many as are freed at one go, and some. */
static void test_many_tables(void)
{
	const size_t n = 70;
	char *p;

	rules_set_up();
	p = map(n * BLOCK_PAGES);
	for (size_t i = 0; i < n; i++)
		p[i * BLOCK_SIZE] = 1;
	CHECK(STAT(cg, pagetables) == n * PAGE_SIZE);
	CHECK(!memcg_munmap(mm, p, n * BLOCK_SIZE));
	CHECK(!STAT(cg, pagetables) && !held(cg));
	rules_end();
}

/* --- files ------------------------------------------------------------------------------------ */

static struct memcg_file *f;

static void test_file_without_descriptor(void)
{
	int fd = text_file(4), reading, next;
	char path[64];

	rules_set_up();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reading = open(path, O_RDONLY);
	next = next_descriptor();
	refuses(SYS_FAULT_DUP, 1);
	CHECK(!memcg_file_open(fd, 0) && errno == EMFILE);
	f = memcg_file_open(reading, 0);
	CHECK(f);
	refuses(SYS_FAULT_DUP, 1); /* who may write needs one of his own */
	CHECK(!memcg_file_open(fd, 0) && errno == EMFILE);
	sys_fault_disarm_all();
	CHECK(memcg_file_read(f, path, 1, 0) == 1 && path[0] == 't');
	refuses(SYS_FAULT_STAT, 1);
	CHECK(memcg_file_read(f, path, 1, 0) == -EIO);
	sys_fault_disarm_all();
	memcg_file_close(f);
	CHECK(next_descriptor() == next);
	rules_end();
}

/* Larger than all that can be managed. */
static void test_file_too_large(void)
{
	int fd = text_file(1), next;

	rules_set_up();
	next = next_descriptor();
	CHECK(!ftruncate(fd, (off_t)1 << 43));
	CHECK(!memcg_file_open(fd, 0) && errno == ENOMEM);
	CHECK(next_descriptor() == next);
	rules_end();
}

/* Closed by all, and the disk refuses it: it is lost, and a line says so; nothing else is. */
static void test_end_cannot_be_written(void)
{
	int fd = text_file(2);
	char c = 0, *p;

	rules_set_up();
	f = memcg_file_open(fd, 0);
	p = memcg_mmap(mm, 2 * PAGE_SIZE, RW, 0, f, 0);
	CHECK(p);
	p[PAGE_SIZE] = 'x';
	memcg_file_close(f);
	sys_fault_arm(SYS_FAULT_WRITE, 0, 1, 0, 0);
	sys_fault_arm(SYS_FAULT_PWRITEV, 0, 1, 0, 0);
	CHECK(!memcg_munmap(mm, p, 2 * PAGE_SIZE));
	sys_fault_disarm_all();
	CHECK(!STAT(cg, file) && !STAT(cg, file_dirty) && !managed_resident());
	CHECK(pread(fd, &c, 1, PAGE_SIZE) == 1 && c == 't');
	rules_end();
}

/* --- copies --------------------------------------------------------------------------------- */

/* Read with its neighbours in vain, then alone: they are as they were. */
static void test_neighbours_unread(void)
{
	const size_t n = 8;
	char *p;

	rules_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", "0", 1));
	p = map(n);
	for (size_t i = 0; i < n; i++)
		page_write(p + (i << PAGE_SHIFT), i, CONTENT_RANDOM);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT) && !STAT(cg, anon));
	refuses(SYS_FAULT_PREADV, 1);
	CHECK(page_is(p + 3 * PAGE_SIZE, 3, CONTENT_RANDOM) && sys_fault_count(SYS_FAULT_PREADV));
	sys_fault_disarm_all();
	CHECK(STAT(cg, anon) == PAGE_SIZE && managed_resident() == PAGE_SIZE);
	CHECK(number_in(cg, "memory.swap.current", NULL) == (n - 1) << PAGE_SHIFT);
	closes();
	for (size_t i = 0; i < n; i++)
		CHECK(page_is(p + (i << PAGE_SHIFT), i, CONTENT_RANDOM));
	rules_end();
}

#ifdef MEMCG_DEBUG
/* --- who comes second: debug builds ------------------------------------------------------- */

#include <pthread.h>
#include <sched.h>

#include "group/vm.h"
#include "vm/mm.h"
#include "vm/rmap.h"

static char *range;
static pthread_t thread;
static u32 has_come;

static void begin(void *(*fn)(void *))
{
	CHECK(!pthread_create(&thread, NULL, fn, NULL));
}

static void join(void)
{
	CHECK(!pthread_join(thread, NULL));
}

static void it_has_come(void)
{
	atomic_store(&has_come, 1u);
}

static void wait_for_it(void)
{
	while (!atomic_load(&has_come))
		sched_yield();
}

static void *pin_second(void *arg)
{
	CHECK(!memcg_pin(range + PAGE_SIZE, 1));
	return arg;
}

static void table_of_another(void)
{
	hook_table_made = NULL;
	begin(pin_second);
	join();
}

/* Two threads at one block: it has one table, that is paid for once. */
static void test_two_tables(void)
{
	rules_set_up();
	range = map(2);
	hook_table_made = table_of_another;
	CHECK(!memcg_pin(range, 1) && !hook_table_made);
	CHECK(STAT(cg, pagetables) == PAGE_SIZE && STAT(cg, anon) == 2 * PAGE_SIZE);
	memcg_unpin(range, 2 * PAGE_SIZE);
	rules_end();
}

static int file_fd;
static struct memcg_file *second_file;

static void open_second(void)
{
	hook_file_made = NULL;
	second_file = memcg_file_open(file_fd, 0);
	CHECK(second_file);
}

/* Two threads open a file: it has one set of pages. */
static void test_two_files(void)
{
	int next;

	rules_set_up();
	file_fd = text_file(2);
	next = next_descriptor();
	hook_file_made = open_second;
	f = memcg_file_open(file_fd, 0);
	CHECK(f && !hook_file_made && f->file == second_file->file);
	memcg_file_close(f);
	memcg_file_close(second_file);
	CHECK(next_descriptor() == next);
	rules_end();
}

static void *evict_range(void *arg)
{
	CHECK(!memcg_madvise(mm, range, 2 * PAGE_SIZE, MEMCG_PAGEOUT));
	return arg;
}

static void evict_meanwhile(void)
{
	hook_cut_marked = NULL;
	begin(evict_range);
	join();
	CHECK(STAT(cg, anon) == 4 * PAGE_SIZE && !STAT(cg, zswapped));
}

/* Its entries are holes and its addresses still there: what they show stays in memory. */
static void test_evicted_while_it_is_cut(void)
{
	rules_set_up();
	range = map(4);
	memset(range, 1, 4 * PAGE_SIZE);
	hook_cut_marked = evict_meanwhile;
	CHECK(!memcg_munmap(mm, range, 2 * PAGE_SIZE) && !hook_cut_marked);
	CHECK(STAT(cg, anon) == 2 * PAGE_SIZE && range[2 * PAGE_SIZE] == 1);
	rules_end();
}

static void *shrink_file(void *arg)
{
	CHECK(!ftruncate(file_fd, PAGE_SIZE) && !memcg_file_sync(f));
	return arg;
}

static void shrink_meanwhile(void)
{
	hook_cut_marked = NULL;
	begin(shrink_file);
	wait_for_it();
	CHECK(page_mapped(page_of(range)) && page_mapped(page_of(range + PAGE_SIZE)));
}

/* A file gives up what lies behind its end when no address shows it any more. */
static void test_shrinks_while_it_is_cut(void)
{
	rules_set_up();
	file_fd = text_file(4);
	f = memcg_file_open(file_fd, 0);
	range = memcg_mmap(mm, 4 * PAGE_SIZE, RW, 0, f, 0);
	CHECK(range && !memcg_madvise(mm, range, 4 * PAGE_SIZE, MEMCG_WILLNEED));
	for (size_t i = 0; i < 4; i++)
		range[i << PAGE_SHIFT] = 't';
	hook_cut_marked = shrink_meanwhile;
	hook_file_waits = it_has_come;
	CHECK(!memcg_munmap(mm, range, 2 * PAGE_SIZE) && !hook_cut_marked);
	join();
	CHECK(STAT(cg, file) == PAGE_SIZE && managed_resident() == PAGE_SIZE);
	memcg_file_close(f);
	rules_end();
}

static struct memcg *child;

static void *end_child(void *arg)
{
	CHECK(!memcg_destroy(child));
	return arg;
}

static void payer_dies(void)
{
	hook_swap_payer_found = NULL;
	begin(end_child);
	wait_for_it();
}

/* What is counted through a group that has just died is its parent's. */
static void test_swapped_while_the_group_dies(void)
{
	set_up();
	child = memcg_create(cg, "child");
	mm = memcg_mm_create(child);
	CHECK(child && mm);
	range = map(1);
	range[0] = 1;
	hook_group_offline = it_has_come;
	hook_swap_payer_found = payer_dies;
	CHECK(!memcg_madvise(mm, range, PAGE_SIZE, MEMCG_PAGEOUT) && !hook_swap_payer_found);
	join();
	CHECK(counter_own(&cg->vm->swap) == PAGE_SIZE);
	CHECK(number_in(cg, "memory.swap.current", NULL) == PAGE_SIZE);
	CHECK(range[0] == 1 && !counter_own(&cg->vm->swap));
	rules_end();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(test_no_mm),
		FAULTS_TEST(test_no_range),
		FAULTS_TEST(test_many_tables),
		PAGE_TEST(test_file_without_descriptor),
		PAGE_TEST(test_file_too_large),
		FAULTS_TEST(test_end_cannot_be_written),
		FAULTS_TEST(test_neighbours_unread),
#ifdef MEMCG_DEBUG
		PAGE_TEST(test_two_tables),
		PAGE_TEST(test_two_files),
		FAULTS_TEST(test_evicted_while_it_is_cut),
		FAULTS_TEST(test_shrinks_while_it_is_cut),
		FAULTS_TEST(test_swapped_while_the_group_dies),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
