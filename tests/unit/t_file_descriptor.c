/*
 * t_file_descriptor.c - what the program does to the library's descriptors of a file, and to the
 * flags that they share with its own.
 */
#include "file_map_fixture.h"

#include <sys/wait.h>

#include "vm/file.h"
#include "vm/object.h"

static char *p;
static int theirs, said_fd;
static char said[1000];

/* What the library has open is closed, and its number is another file's. */
static void take_number(int fd)
{
	CHECK(fd > 2 && dup2(theirs, fd) == fd);
}

static void begin(void)
{
	p = file_set_up(4 * PAGE_SIZE, true);
	theirs = temp_file(4 * PAGE_SIZE);
	said_fd = stderr_to_pipe();
	CHECK(!fcntl(said_fd, F_SETFL, O_NONBLOCK));
}

static bool theirs_is_whole(void)
{
	char buf[4 * PAGE_SIZE + 1];

	return pread(theirs, buf, sizeof(buf), 0) == 4 * PAGE_SIZE && shows(buf, 0, 4 * PAGE_SIZE);
}

static unsigned times_said(const char *words)
{
	unsigned n = 0;

	read_said(said_fd, said, sizeof(said));
	for (const char *at = said; (at = strstr(at, words)); at++)
		n++;
	return n;
}

/* Nothing of the file is written to the other one, and nothing of the other one is read. */
static void test_number_taken(void)
{
	struct inode *f;
	int status;
	char c;

	catch (SIGBUS); /* before ours: it is chained */
	begin();
	f = the_file->file;
	p[0] = 'x';
	take_number(f->fd);
	CHECK(memcg_file_sync(the_file) == -EIO && theirs_is_whole());
	all_out(mm, p, PAGE_SIZE);
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE && theirs_is_whole());
	CHECK(touch_is(p) == SIGBUS);
	CHECK(memcg_file_read(the_file, &c, 1, 2 * PAGE_SIZE) == -EIO);
	CHECK(memcg_pin(p + 3 * PAGE_SIZE, 1) == -EIO);
	CHECK(times_said("the program closed") == 1);
	if (!fork()) { /* nor is it closed */
		CHECK(!fcntl(f->fd, F_GETFD));
		_exit(0);
	}
	CHECK(wait(&status) > 0 && !status);
	status = f->fd;
	file_tear_down();
	CHECK(!fcntl(status, F_GETFD) && theirs_is_whole());
	CHECK(!close(status) && !close(theirs));
}

/* The one that is written to alone; the other one goes on being read. */
static void test_number_to_write_taken(void)
{
	struct memcg_file *reader;
	int ro, fd;

	begin();
	fd = temp_file(4 * PAGE_SIZE);
	ro = reopen(fd, O_RDONLY);
	reader = memcg_file_open(ro, 0);
	CHECK(memcg_munmap(mm, p, 4 * PAGE_SIZE) == 0);
	memcg_file_close(the_file);
	the_file = memcg_file_open(fd, 0);
	CHECK(reader && the_file && reader->file == the_file->file);
	CHECK(the_file->file->fd_write != the_file->file->fd);
	p = map_file(mm, the_file, 4 * PAGE_SIZE, true);
	p[0] = 'x';
	take_number(the_file->file->fd_write);
	CHECK(memcg_file_sync(the_file) == -EIO && theirs_is_whole());
	CHECK(p[0] == 'x' && p[PAGE_SIZE] == byte_at(PAGE_SIZE) && in_file(fd, 0) == byte_at(0));
	CHECK(times_said("the program closed") == 1);
	memcg_file_close(reader);
	file_tear_down();
}

/* Closed, and nothing has the number. */
static void test_number_gone(void)
{
	char c;

	begin();
	CHECK(!close(the_file->file->fd));
	CHECK(memcg_file_read(the_file, &c, 1, 0) == -EIO && memcg_file_sync(the_file) == -EIO);
	CHECK(times_said("the program closed") == 1 && STAT(cg, file) == 0);
	file_tear_down();
}

/* The flags are the open file's, whatever descriptor sets them. */
static void test_appends(void)
{
	struct stat st;

	begin();
	p[PAGE_SIZE] = 'x';
	CHECK(!fcntl(the_fd, F_SETFL, O_APPEND));
	CHECK(memcg_file_sync(the_file) == -EINVAL);
	CHECK(!fstat(the_fd, &st) && st.st_size == 4 * PAGE_SIZE);
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE && in_file(the_fd, PAGE_SIZE) != 'x');
	CHECK(!fcntl(the_fd, F_SETFL, 0));
	CHECK(memcg_file_sync(the_file) == 0 && in_file(the_fd, PAGE_SIZE) == 'x');
	file_tear_down();
}

#ifdef MEMCG_DEBUG
static void take_it(void)
{
	hook_file_copies = NULL;
	take_number(the_file->file->fd);
}

/* Between the look at the length and the read. */
static void test_number_taken_before_the_read(void)
{
	char c;

	begin();
	hook_file_copies = take_it;
	CHECK(memcg_file_read(the_file, &c, 1, 0) == -EIO && !hook_file_copies);
	CHECK(STAT(cg, file) == 0 && times_said("the program closed") == 1);
	file_tear_down();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_number_taken),
		FAULTS_TEST(test_number_to_write_taken),
		FAULTS_TEST(test_number_gone),
		FAULTS_TEST(test_appends),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_number_taken_before_the_read),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
