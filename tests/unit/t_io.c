/* t_io.c - files read and written at offsets by pages: whole, short, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fault.h"
#include "sys/file.h"
#include "sys/io.h"

static char dir[64];
static char *buffer; /* 2 * SYS_IO_PAGES pages */
static int fd;

static int open_one(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/t_io.XXXXXX");
	assert_non_null(mkdtemp(dir));
	buffer = mmap(NULL, 2 * SYS_IO_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(buffer, MAP_FAILED);
	fd = sys_open_temp(dir);
	assert_true(fd >= 0);
	return 0;
}

static int close_it(void **state)
{
	(void)state;
	sys_fault_disarm_all();
	sys_close(fd);
	munmap(buffer, 2 * SYS_IO_PAGES * PAGE_SIZE);
	assert_int_equal(rmdir(dir), 0); /* nothing was left in it */
	return 0;
}

static void name_pages(void *pages[], unsigned first)
{
	for (unsigned i = 0; i < SYS_IO_PAGES; i++)
		pages[i] = buffer + (first + i) * PAGE_SIZE;
}

static void fill(unsigned first)
{
	for (unsigned i = 0; i < SYS_IO_PAGES; i++)
		memset(buffer + (first + i) * PAGE_SIZE, (int)(i + 1), PAGE_SIZE);
}

static bool same(unsigned pages)
{
	return !memcmp(buffer, buffer + SYS_IO_PAGES * PAGE_SIZE, pages * PAGE_SIZE);
}

static void pages_go_where_they_are_told(void **state)
{
	void *out[SYS_IO_PAGES], *in[SYS_IO_PAGES];

	(void)state;
	fill(0);
	name_pages(out, 0);
	name_pages(in, SYS_IO_PAGES);
	errno = 99;
	assert_int_equal(sys_write_pages(fd, (const void **)out, SYS_IO_PAGES, 5 * PAGE_SIZE), 0);
	assert_int_equal(sys_read_pages(fd, in, SYS_IO_PAGES, 5 * PAGE_SIZE), SYS_IO_PAGES);
	assert_true(same(SYS_IO_PAGES) && errno == 99);
	assert_int_equal(sys_read_pages(fd, in, 1, 6 * PAGE_SIZE), 1);
	assert_int_equal(buffer[SYS_IO_PAGES * PAGE_SIZE], 2);
}

/* Whole pages are counted: a last one that ends in its middle is not there. */
static void the_end_of_the_file(void **state)
{
	void *out[SYS_IO_PAGES], *in[SYS_IO_PAGES];

	(void)state;
	fill(0);
	name_pages(out, 0);
	name_pages(in, SYS_IO_PAGES);
	assert_int_equal(sys_write_pages(fd, (const void **)out, SYS_IO_PAGES, 0), 0);
	assert_int_equal(ftruncate(fd, 7 * PAGE_SIZE + 100), 0);
	assert_int_equal(sys_read_pages(fd, in, SYS_IO_PAGES, 0), 7);
	assert_true(same(7));
	assert_int_equal(sys_read_pages(fd, in, 1, 7 * PAGE_SIZE), 0);
	assert_int_equal(sys_read_pages(fd, in, 1, 70 * PAGE_SIZE), 0);
}

/* The system takes less than it is given (here up to a limit): the rest is offered, and refused. */
static void a_short_write_is_continued(void **state)
{
	struct rlimit limit, was;
	void *out[SYS_IO_PAGES];

	(void)state;
	name_pages(out, 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	limit = (struct rlimit){.rlim_cur = 3 * PAGE_SIZE + 512, .rlim_max = was.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(sys_file_size_limit(), limit.rlim_cur);
	assert_int_equal(sys_write_pages(fd, (const void **)out, 8, 0), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(lseek(fd, 0, SEEK_END), 3 * PAGE_SIZE + 512);
}

static void a_file_without_a_name(void **state)
{
	struct sys_file_info info, again;
	struct stat st;
	int other;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	sys_fault_arm(SYS_FAULT_TMPFILE, 1, 0, 0, 0);
	other = sys_open_temp(dir);
	assert_int_equal(sys_fault_count(SYS_FAULT_TMPFILE), 1);
	assert_true(other >= 0 && !fstat(other, &st));
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(sys_file_info(fd, &info), 0);
	assert_int_equal(sys_file_info(other, &again), 0);
	assert_true(info.regular && info.mode == 0600 && info.owner == sys_user_id());
	assert_int_not_equal(info.inode, again.inode);
	assert_int_equal(sys_file_info(-1, &info), -EBADF);
	sys_close(other);
	assert_int_equal(sys_open_temp("/nowhere"), -ENOENT);
}

/* Two descriptors of one file that were opened apart; a lock goes with the last copy of its own. */
static void a_file_is_locked_once(void **state)
{
	char name[64];
	int other;

	(void)state;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	other = sys_open(name, O_RDWR, 0);
	assert_true(other >= 0);
	assert_int_equal(sys_lock_file(fd), 0);
	assert_int_equal(sys_lock_file(other), -EAGAIN);
	assert_int_equal(sys_lock_file(fd), 0);
	sys_close(other);
}

static void direct_and_back(void **state)
{
	(void)state;
	if (sys_direct(fd, true) == 0) {
		assert_true(fcntl(fd, F_GETFL) & O_DIRECT);
		assert_int_equal(sys_direct(fd, false), 0);
	}
	assert_false(fcntl(fd, F_GETFL) & O_DIRECT);
	assert_int_equal(sys_direct(-1, true), -EBADF);
}

static void each_fails_on_demand(void **state)
{
	struct sys_file_info info;
	void *page = buffer;

	(void)state;
	sys_fault_arm(SYS_FAULT_STAT, 1, 0, 0, 0);
	assert_int_equal(sys_file_info(fd, &info), -EIO);
	sys_fault_arm(SYS_FAULT_LOCK, 1, 0, 0, 0);
	assert_int_equal(sys_lock_file(fd), -EAGAIN);
	sys_fault_arm(SYS_FAULT_DIRECT, 1, 0, 0, 0);
	assert_int_equal(sys_direct(fd, true), -EINVAL);
	sys_fault_arm(SYS_FAULT_ALLOCATE, 1, 0, 0, 0);
	assert_int_equal(sys_allocate(fd, 0, PAGE_SIZE), -ENOSPC);
	sys_fault_arm(SYS_FAULT_PWRITEV, 1, 0, 0, 0);
	assert_int_equal(sys_write_pages(fd, (const void **)&page, 1, 0), -ENOSPC);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	sys_fault_arm(SYS_FAULT_PREADV, 1, 0, 0, 0);
	assert_int_equal(sys_read_pages(fd, &page, 1, 0), -EIO);
	assert_int_equal(sys_fault_parse("tmpfile:nth=1,stat:nth=1,lock:nth=1,direct:nth=1,"
					 "allocate:nth=1,pwritev:nth=1,preadv:nth=1"),
			 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, open_one, close_it)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_go_where_they_are_told), TEST(the_end_of_the_file),
		TEST(a_short_write_is_continued),   TEST(a_file_without_a_name),
		TEST(a_file_is_locked_once),	    TEST(direct_and_back),
		TEST(each_fails_on_demand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
