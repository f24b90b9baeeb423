/*
 * t_file_end.c - the end of a file comes nearer while somebody holds pages behind it: by a locked
 * range, a pin, a read that has begun.
 */
#include "file_map_fixture.h"

#include "vm/file.h"
#include "vm/object.h"
#include "vm/resident.h"

static int fd;
static struct memcg_file *f;
static char *p;

static void begin_with(size_t npages)
{
	catch (SIGBUS);
	mm_set_up();
	fd = temp_file(npages << PAGE_SHIFT);
	f = memcg_file_open(fd, 0);
	CHECK(f);
}

static void end_of_it(void)
{
	memcg_file_close(f);
	mm_tear_down();
	close(fd);
}

/* And the library has seen it. */
static void resize_to(size_t npages)
{
	CHECK(!ftruncate(fd, (off_t)(npages << PAGE_SHIFT)) && !memcg_file_sync(f));
}

static char *map_locked(size_t npages)
{
	char *at = memcg_mmap(mm, npages << PAGE_SHIFT, PROT_READ | PROT_WRITE, MEMCG_MAP_LOCKED, f,
			      0);

	CHECK(at);
	return at;
}

/* The range's references are the last: memory goes back with them, and no lock is held then. */
static void locked_range_goes(void)
{
	begin_with(8);
	p = map_locked(8);
	memset(p, 1, 8 * PAGE_SIZE);
	resize_to(2);
	CHECK(STAT(cg, file) == 8 * PAGE_SIZE && touch_is(p + 2 * PAGE_SIZE) == SIGBUS);
	memory_fits();
	CHECK(!memcg_munmap(mm, p + PAGE_SIZE, 3 * PAGE_SIZE)); /* one before the end, two behind */
	CHECK(STAT(cg, file) == 6 * PAGE_SIZE);
	memory_fits();
	CHECK(!memcg_munmap(mm, p, 8 * PAGE_SIZE));
	CHECK(STAT(cg, file) == 2 * PAGE_SIZE);
	memory_fits();
	end_of_it();
}

static void test_locked_range_goes(void)
{
	locked_range_goes();
}

static void test_locked_range_goes_alone(void)
{
	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	catch (SIGBUS);
	mm_set_up();
	f = memcg_file_open(fd = temp_file(8 * PAGE_SIZE), 0);
	p = map_locked(8);
	CHECK(mech == MECH_PINS && shows(p, 0, 8 * PAGE_SIZE));
	resize_to(2);
	CHECK(!memcg_munmap(mm, p, 8 * PAGE_SIZE));
	CHECK(STAT(cg, file) == 2 * PAGE_SIZE);
	memory_fits();
	end_of_it();
}

/* Nobody has the file any more but the range. */
static void test_locked_range_is_last(void)
{
	begin_with(4);
	p = map_locked(4);
	resize_to(1);
	memcg_file_close(f);
	f = NULL;
	CHECK(!memcg_munmap(mm, p, 4 * PAGE_SIZE));
	CHECK(!managed_resident() && !held(cg));
	end_of_it();
}

/* Block by block, some of it gone before. */
static void test_large_locked_range(void)
{
	const size_t n = 3 * BLOCK_PAGES - 100;

	mm_set_up();
	p = memcg_mmap(mm, n << PAGE_SHIFT, PROT_READ | PROT_WRITE, MEMCG_MAP_LOCKED, NULL, 0);
	CHECK(p && STAT(cg, anon) == n << PAGE_SHIFT);
	CHECK(!memcg_munmap(mm, p + 510 * PAGE_SIZE, 3 * PAGE_SIZE));
	CHECK(!memcg_munmap(mm, p + 500 * PAGE_SIZE, 600 * PAGE_SIZE));
	CHECK(STAT(cg, anon) == (n - 600) << PAGE_SHIFT);
	memory_fits();
	CHECK(!memcg_munmap(mm, p, n << PAGE_SHIFT));
	CHECK(!STAT(cg, anon) && !held(cg));
	mm_tear_down();
}

#ifdef MEMCG_DEBUG
/* --- between two steps -------------------------------------------------------------------- */

static void pin_it(void)
{
	hook_page_clearing = NULL;
	CHECK(memcg_pin(p + 4 * PAGE_SIZE, 1) == -EIO);
}

/* Who lets go of a page has no lock of it: until he is through nobody brings it in again. */
static void test_pinned_while_it_goes(void)
{
	begin_with(8);
	p = map_file(mm, f, 8 * PAGE_SIZE, true);
	CHECK(!memcg_pin(p + 4 * PAGE_SIZE, 1));
	resize_to(1);
	resize_to(8);
	CHECK(memcg_pin(p + 4 * PAGE_SIZE, 1) == -EIO); /* its place is taken */
	hook_page_clearing = pin_it;
	memcg_unpin(p + 4 * PAGE_SIZE, 1);
	CHECK(!hook_page_clearing && STAT(cg, file) == 0);
	CHECK(!memcg_pin(p + 4 * PAGE_SIZE, 1) && p[4 * PAGE_SIZE] == 0);
	memcg_unpin(p + 4 * PAGE_SIZE, 1);
	memory_fits();
	end_of_it();
}

static unsigned pages_read;

/* At the third page: it, and what follows, is not the file's any more. */
static void it_shrinks(void)
{
	if (++pages_read != 3)
		return;
	hook_file_copies = NULL;
	resize_to(2);
}

static void read_while_it_shrinks(void)
{
	char buf[6 * PAGE_SIZE];

	pages_read = 0;
	hook_file_copies = it_shrinks;
	CHECK(memcg_file_read(f, buf, sizeof(buf), 0) == 2 * PAGE_SIZE);
	CHECK(!hook_file_copies && shows(buf, 0, 2 * PAGE_SIZE));
}

/* What has been read is told; what lies behind the end is not read, in memory or not. */
static void test_read_while_it_shrinks(void)
{
	begin_with(6);
	read_while_it_shrinks();
	CHECK(STAT(cg, file) == 2 * PAGE_SIZE);
	memory_fits();
	end_of_it();
}

/* The whole of what was asked for: that is the end of the file, and no error. */
static void test_read_where_it_was_held(void)
{
	char c[PAGE_SIZE];

	begin_with(6);
	p = map_file(mm, f, 6 * PAGE_SIZE, false);
	CHECK(!memcg_pin(p + 4 * PAGE_SIZE, 1));
	pages_read = 2;
	hook_file_copies = it_shrinks;
	CHECK(memcg_file_read(f, c, sizeof(c), 4 * PAGE_SIZE) == 0 && !hook_file_copies);
	resize_to(6);
	CHECK(memcg_file_read(f, c, sizeof(c), 4 * PAGE_SIZE) == -EIO);
	memcg_unpin(p + 4 * PAGE_SIZE, 1);
	CHECK(memcg_file_read(f, c, sizeof(c), 4 * PAGE_SIZE) == sizeof(c) && !c[0]);
	memory_fits();
	end_of_it();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_locked_range_goes),	  PAGE_TEST(test_locked_range_goes_alone),
		FAULTS_TEST(test_locked_range_is_last),	  PAGE_TEST(test_large_locked_range),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_pinned_while_it_goes),	  PAGE_TEST(test_read_while_it_shrinks),
		FAULTS_TEST(test_read_where_it_was_held),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
