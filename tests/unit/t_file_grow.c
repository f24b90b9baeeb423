/*
 * t_file_grow.c - a file becomes longer while its last page is in memory, is mapped, has been
 * written to.
 */
#include "file_map_fixture.h"

#include "vm/file.h"

static char *p;

static void resize_to(size_t size)
{
	CHECK(!ftruncate(the_fd, (off_t)size));
}

static bool zero(size_t from, size_t to)
{
	for (; from < to; from++)
		if (p[from])
			return false;
	return true;
}

/* The usual way to extend a mapped file: make it longer, write. */
static void test_written_where_it_grew(void)
{
	char c = 'q';

	p = file_set_up(100, true);
	p[0] = 'a'; /* mapped, and for writing */
	resize_to(PAGE_SIZE);
	CHECK(pwrite(the_fd, &c, 1, 300) == 1); /* by other means: seen where nothing was written */
	CHECK(pwrite(the_fd, &c, 1, 400) == 1);
	p[200] = 'x';
	p[400] = 'z';
	p[PAGE_SIZE - 1] = 'y';
	CHECK(memcg_file_sync(the_file) == 0);
	CHECK(p[0] == 'a' && shows(p, 1, 99) && p[200] == 'x' && p[300] == 'q');
	CHECK(p[PAGE_SIZE - 1] == 'y' && zero(100, 200) && zero(301, 400) && p[400] == 'z');
	CHECK(in_file(the_fd, 0) == 'a' && in_file(the_fd, 200) == 'x');
	CHECK(in_file(the_fd, 300) == 'q' && in_file(the_fd, PAGE_SIZE - 1) == 'y');
	memory_fits();
	file_tear_down();
}

/* Mapped by a read, so that the system alone knows of the write; looked at by a fault, not a sync.
 */
static void test_seen_by_a_fault(void)
{
	catch (SIGBUS);
	(void)file_set_up(100, true);
	p = map_file(mm, the_file, 2 * PAGE_SIZE, true);
	CHECK(shows(p, 0, 100));
	resize_to(PAGE_SIZE + 1);
	p[100] = 'x';
	CHECK(!touch_is(p + PAGE_SIZE) && p[100] == 'x' && zero(101, PAGE_SIZE + 1));
	CHECK(memcg_file_sync(the_file) == 0 && in_file(the_fd, 100) == 'x');
	file_tear_down();
}

/* Behind the end when it was written back: it is not there when the file has grown. */
static void test_written_behind_the_end(void)
{
	p = file_set_up(100, true);
	p[200] = 'x';
	CHECK(memcg_file_sync(the_file) == 0);
	resize_to(PAGE_SIZE);
	CHECK(memcg_file_sync(the_file) == 0 && zero(100, PAGE_SIZE) && shows(p, 0, 100));
	all_out(mm, p, PAGE_SIZE);
	CHECK(STAT(cg, file) == 0 && zero(100, PAGE_SIZE));
	file_tear_down();
}

/* What could not be read is not taken for zero: the next look reads it. */
static void test_not_readable_where_it_grew(void)
{
	char c = 'q';

	p = file_set_up(100, true);
	p[0] = 'a';
	CHECK(pwrite(the_fd, &c, 1, 300) == 1);
	sys_fault_arm(SYS_FAULT_READ, 1, 0, 0, 0);
	CHECK(memcg_file_sync(the_file) == -EIO && sys_fault_count(SYS_FAULT_READ) == 1);
	sys_fault_disarm_all();
	CHECK(memcg_file_sync(the_file) == 0 && p[300] == 'q' && p[0] == 'a');
	CHECK(in_file(the_fd, 0) == 'a' && in_file(the_fd, 300) == 'q');
	file_tear_down();
}

#ifdef MEMCG_DEBUG
/* --- between two steps: hook points -------------------------------------------------------- */

static u32 awaited, done; /* atomic */
static pthread_t toucher;

static void it_waits(void)
{
	atomic_store(&awaited, 1u);
}

static void *touch_new(void *arg)
{
	*(int *)arg = touch_is(p + PAGE_SIZE);
	atomic_store(&done, 1u);
	return NULL;
}

static int felt;

/* Until it waits, or is through without waiting. */
static void somebody_touches(void)
{
	hook_file_grows = NULL;
	CHECK(!pthread_create(&toucher, NULL, touch_new, &felt));
	while (!atomic_load(&awaited) && !atomic_load(&done))
		sched_yield();
}

/* It has grown, and who comes second finds the first one at it: he waits, and has the page. */
static void test_touched_while_it_grows(void)
{
	catch (SIGBUS);
	(void)file_set_up(100, true);
	p = map_file(mm, the_file, 2 * PAGE_SIZE, true);
	CHECK(shows(p, 0, 100));
	resize_to(2 * PAGE_SIZE);
	awaited = done = 0;
	felt = -1;
	hook_file_resize_awaited = it_waits;
	hook_file_grows = somebody_touches;
	CHECK(memcg_file_sync(the_file) == 0 && !hook_file_grows);
	CHECK(!pthread_join(toucher, NULL));
	hook_file_resize_awaited = NULL;
	CHECK(atomic_load(&awaited) && felt == 0);
	file_tear_down();
}

static void touch_it(void)
{
	hook_file_grows = NULL;
	felt = touch_is(p + PAGE_SIZE);
}

/* As a signal handler of the thread that is at it: it does not wait for itself. */
static void test_touched_by_who_is_at_it(void)
{
	catch (SIGBUS);
	(void)file_set_up(100, true);
	p = map_file(mm, the_file, 2 * PAGE_SIZE, true);
	resize_to(2 * PAGE_SIZE);
	hook_file_grows = touch_it;
	CHECK(memcg_file_sync(the_file) == 0 && !hook_file_grows && felt == SIGBUS);
	CHECK(!touch_is(p + PAGE_SIZE));
	file_tear_down();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_written_where_it_grew),
		FAULTS_TEST(test_seen_by_a_fault),
		FAULTS_TEST(test_written_behind_the_end),
		FAULTS_TEST(test_not_readable_where_it_grew),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_touched_while_it_grows),
		FAULTS_TEST(test_touched_by_who_is_at_it),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
