/* t_file_errors.c - files in windows: errors, ends of the file, bad arguments, reads without a
 * window. */
#include "file_map_fixture.h"

#include <memcg/pipe.h>

#include "vm/rmap.h"

/* --- errors -------------------------------------------------------------------------------------
 */

static void test_read_error(void)
{
	char *p;

	catch (SIGBUS); /* before ours: it is chained */
	p = file_set_up(8 * PAGE_SIZE, false);
	sys_fault_arm(SYS_FAULT_READ, 0, 1, 0, 0);
	CHECK(touch_is(p) == SIGBUS);
	CHECK(memcg_pin(p, PAGE_SIZE) == -EIO);
	sys_fault_disarm_all();
	CHECK(STAT(cg, file) == 0);
	memory_fits();
	/* One that fails ahead costs the page that is needed nothing. */
	sys_fault_arm(SYS_FAULT_READ, 1, 0, 0, 0);
	CHECK(!touch_is(p) && p[1] == byte_at(1));
	CHECK(sys_fault_count(SYS_FAULT_READ) == 1);
	sys_fault_disarm_all();
	CHECK(STAT(cg, file) == PAGE_SIZE);
	memory_fits();
	file_tear_down();
}

static void test_write_error(void)
{
	int fd = temp_file(8 * PAGE_SIZE);
	struct memcg_file *f, *g, *later;
	char *p;

	mm_set_up();
	f = memcg_file_open(fd, 0);
	g = memcg_file_open(fd, 0);
	p = map_file(mm, f, 8 * PAGE_SIZE, true);
	p[0] = 'x';
	p[PAGE_SIZE] = 'y';
	sys_fault_arm(SYS_FAULT_PWRITEV, 0, 1, 0, 0);
	all_out(mm, p, 8 * PAGE_SIZE);
	CHECK(STAT(cg, file) >= 2 * PAGE_SIZE && STAT(cg, file_dirty) == 2 * PAGE_SIZE);
	CHECK(STAT(cg, file_writeback) == 0);
	memory_fits();
	sys_fault_disarm_all();
	later = memcg_file_open(fd, 0);
	CHECK(in_file(fd, 0) == byte_at(0) && p[0] == 'x' && p[PAGE_SIZE] == 'y');
	CHECK(memcg_file_sync(f) == -ENOSPC); /* written now, but it was not then */
	CHECK(in_file(fd, 0) == 'x' && in_file(fd, PAGE_SIZE) == 'y');
	CHECK(memcg_file_sync(f) == 0);
	CHECK(memcg_file_sync(g) == -ENOSPC && memcg_file_sync(g) == 0);
	CHECK(memcg_file_sync(later) == 0);
	sys_fault_arm(SYS_FAULT_FSYNC, 1, 0, 0, 0);
	CHECK(memcg_file_sync(g) == -EIO && memcg_file_sync(g) == 0);
	CHECK(memcg_file_sync(f) == -EIO && memcg_file_sync(f) == 0);
	sys_fault_disarm_all();
	memcg_file_close(f);
	memcg_file_close(g);
	memcg_file_close(later);
	mm_tear_down();
}

static void test_shrinks(void)
{
	const size_t size = 40 * PAGE_SIZE;
	int fd = temp_file(size);
	struct memcg_file *f;
	char *p, c = 'q';

	catch (SIGBUS);
	mm_set_up();
	f = memcg_file_open(fd, 0);
	p = map_file(mm, f, size + 4 * PAGE_SIZE, true);
	CHECK(touch_is(p + size) == SIGBUS && STAT(cg, file) == 0); /* behind the end */
	CHECK(shows(p, 0, size));
	p[30 * PAGE_SIZE] = 'x';
	p[20 * PAGE_SIZE] = 'y';
	CHECK(!ftruncate(fd, (off_t)(20 * PAGE_SIZE + 100)));
	CHECK(memcg_file_sync(f) == 0);
	CHECK(STAT(cg, file) == 21 * PAGE_SIZE && STAT(cg, file_dirty) == 0);
	CHECK(in_file(fd, 20 * PAGE_SIZE) == 'y');
	CHECK(touch_is(p + 21 * PAGE_SIZE) == SIGBUS && touch_is(p + 30 * PAGE_SIZE) == SIGBUS);
	CHECK(shows(p, 19 * PAGE_SIZE, PAGE_SIZE) && p[20 * PAGE_SIZE + 99]);
	CHECK(p[20 * PAGE_SIZE + 100] == 0 && p[21 * PAGE_SIZE - 1] == 0);
	memory_fits();
	/* And at a fault. */
	CHECK(!ftruncate(fd, (off_t)(10 * PAGE_SIZE)));
	CHECK(touch_is(p + 25 * PAGE_SIZE) == SIGBUS);
	CHECK(STAT(cg, file) == 10 * PAGE_SIZE && touch_is(p + 10 * PAGE_SIZE) == SIGBUS);
	/* It grows: what is new is seen, in the page that was last too. */
	CHECK(!ftruncate(fd, (off_t)(10 * PAGE_SIZE - 10)));
	CHECK(memcg_file_sync(f) == 0 && p[10 * PAGE_SIZE - 5] == 0);
	CHECK(pwrite(fd, &c, 1, (off_t)(10 * PAGE_SIZE - 5)) == 1);
	CHECK(pwrite(fd, &c, 1, (off_t)(12 * PAGE_SIZE)) == 1);
	CHECK(!touch_is(p + 12 * PAGE_SIZE) && p[12 * PAGE_SIZE] == 'q');
	CHECK(p[10 * PAGE_SIZE - 5] == 'q' && p[10 * PAGE_SIZE - 4] == 0);
	CHECK(p[10 * PAGE_SIZE - 11] == byte_at(10 * PAGE_SIZE - 11));
	memory_fits();
	memcg_file_close(f);
	mm_tear_down();
}

/* No lock of a pipe is held where the program's bytes are touched, if only to be merged. */
static void test_pipe_from_behind_the_end(void)
{
	struct memcg_pipe *pipe;
	struct memcg_file *f;
	char *p, c[1000];

	catch (SIGBUS);
	mm_set_up();
	f = memcg_file_open(temp_file(PAGE_SIZE), 0);
	p = map_file(mm, f, 2 * PAGE_SIZE, false);
	pipe = memcg_pipe_create(4, 0);
	for (size_t n = 100; n <= 1000; n += 900) {
		CHECK(pipe && memcg_pipe_write(pipe, "x", 1) == 1);
		got = 0;
		if (!sigsetjmp(back, 1))
			(void)memcg_pipe_write(pipe, p + PAGE_SIZE, n);
		CHECK(got == SIGBUS);
		CHECK(memcg_pipe_write(pipe, p, n) == (ssize_t)n);
		CHECK(memcg_pipe_read(pipe, c, 1) == 1 && c[0] == 'x');
		CHECK(memcg_pipe_read(pipe, c, n) == (ssize_t)n && !memcmp(c, p, n));
	}
	_exit(0); /* the page that was being filled is lost to the jump */
}

/* A page that is held is the holder's when the file lets it go. */
static void test_shrinks_pinned(void)
{
	char *p;

	catch (SIGBUS);
	p = file_set_up(8 * PAGE_SIZE, true);
	CHECK(!memcg_pin(p + 4 * PAGE_SIZE, 2 * PAGE_SIZE));
	p[4 * PAGE_SIZE] = 'x';
	/* Pinned: written, but nobody knows whether a device is at it. */
	CHECK(memcg_file_sync(the_file) == 0 && STAT(cg, file_dirty) == 2 * PAGE_SIZE);
	CHECK(in_file(the_fd, 4 * PAGE_SIZE) == 'x');
	CHECK(!ftruncate(the_fd, PAGE_SIZE));
	CHECK(memcg_file_sync(the_file) == 0 && STAT(cg, file_dirty) == 0);
	CHECK(touch_is(p + 4 * PAGE_SIZE) == SIGBUS && STAT(cg, file) == 2 * PAGE_SIZE);
	memory_fits();
	CHECK(!ftruncate(the_fd, 8 * PAGE_SIZE));
	CHECK(touch_is(p + 4 * PAGE_SIZE) == SIGBUS); /* its place is taken */
	memcg_unpin(p + 4 * PAGE_SIZE, 2 * PAGE_SIZE);
	CHECK(!touch_is(p + 4 * PAGE_SIZE) && p[4 * PAGE_SIZE] == 0);
	memory_fits();
	file_tear_down();
}

static bool opens(int fd, unsigned flags, int err)
{
	errno = 0;
	return !memcg_file_open(fd, flags) && errno == err;
}

static bool maps(struct memcg_file *f, size_t n, int prot, u64 offset, int err)
{
	errno = 0;
	return !memcg_mmap(mm, n, prot, 0, f, offset) && errno == err;
}

static bool prefaults(struct memcg_file *f, size_t npages, int err)
{
	errno = 0;
	return !memcg_mmap(mm, npages * PAGE_SIZE, PROT_READ, MEMCG_MAP_PREFAULT, f, 0) == !!err &&
	       errno == err;
}

static void test_bad_arguments(void)
{
	int fd = temp_file(8 * PAGE_SIZE), ro = reopen(fd, O_RDONLY), ends[2];
	struct memcg_file *f, *g, *h;
	char *p;

	mm_set_up();
	h = memcg_file_open(temp_file(PAGE_SIZE), 0);
	CHECK(!pipe(ends));
	CHECK(opens(-1, 0, EBADF) && opens(ends[0], 0, EINVAL) && opens(fd, 1, EINVAL));
	CHECK(opens(reopen(fd, O_WRONLY), 0, EACCES));
	CHECK(opens(reopen(fd, O_RDWR | O_APPEND), 0, EINVAL));
	CHECK(opens(reopen(fd, O_PATH), 0, EBADF));
	f = memcg_file_open(ro, 0);
	CHECK(f && maps(f, PAGE_SIZE, PROT_READ | PROT_WRITE, 0, EACCES));
	g = memcg_file_open(fd, 0); /* what one may not, the other still may */
	CHECK(g && maps(f, PAGE_SIZE, PROT_READ | PROT_WRITE, 0, EACCES));
	p = memcg_mmap(mm, PAGE_SIZE, PROT_READ, 0, f, 0);
	CHECK(p && !memcg_mmap_same(mm, p, PAGE_SIZE, PROT_READ | PROT_WRITE, 0) &&
	      errno == EACCES);
	CHECK(maps(g, PAGE_SIZE, PROT_READ, 100, EINVAL) && maps(g, 0, PROT_READ, 0, EINVAL));
	CHECK(maps(g, PAGE_SIZE, PROT_READ, UINT64_MAX - PAGE_SIZE + 1, EOVERFLOW));
	CHECK(maps(g, PAGE_SIZE, PROT_READ, 1ull << 40, EFBIG));
	CHECK(prefaults(g, 9, ENXIO) && prefaults(g, 8, 0));
	sys_fault_arm(SYS_FAULT_READ, 0, 1, 0, 0);
	CHECK(prefaults(h, 1, EIO));
	sys_fault_disarm_all();
	memcg_file_close(h);
	CHECK(memcg_file_sync(NULL) == -EINVAL && memcg_file_sync(f) == 0);
	memcg_file_close(NULL);
	p = memcg_mmap(mm, PAGE_SIZE, PROT_READ | PROT_WRITE, 0, g, 5 * PAGE_SIZE);
	CHECK(p && p[1] == byte_at(5 * PAGE_SIZE + 1));
	memcg_file_close(f);
	memcg_file_close(g);
	mm_tear_down();
}

/* --- reading without a window ----------------------------------------------------------- */

static void test_read(void)
{
	const size_t size = 10 * PAGE_SIZE + 7;
	int fd = temp_file(size);
	struct memcg_file *f;
	char buf[11 * PAGE_SIZE], *p, *q;

	mm_set_up();
	f = memcg_file_open(fd, 0);
	CHECK(memcg_file_read(f, buf, 100, PAGE_SIZE - 50) == 100);
	CHECK(buf[0] == byte_at(PAGE_SIZE - 50) && buf[99] == byte_at(PAGE_SIZE + 49));
	CHECK(STAT(cg, file) >= 2 * PAGE_SIZE && STAT(cg, file_mapped) == 0);
	CHECK(memcg_file_read(f, buf, sizeof(buf), 0) == (ssize_t)size && shows(buf, 0, size));
	CHECK(memcg_file_read(f, buf, 1, size) == 0 && memcg_file_read(f, buf, 5, size - 2) == 2);
	CHECK(memcg_file_read(f, buf, 1, 1ull << 50) == 0 && memcg_file_read(f, NULL, 0, 0) == 0);
	CHECK(memcg_file_read(NULL, buf, 1, 0) == -EINVAL);
	CHECK(memcg_file_read(f, NULL, 1, 0) == -EINVAL);
	CHECK(STAT(cg, file) == 11 * PAGE_SIZE);
	p = map_file(mm, f, size, true);
	p[5 * PAGE_SIZE] = 'x';
	/* Into managed memory of which nothing is there, also of the file itself. */
	q = memcg_mmap(mm, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, NULL, 0);
	CHECK(memcg_file_read(f, q, 4 * PAGE_SIZE, 4 * PAGE_SIZE) == 4 * PAGE_SIZE);
	CHECK(q[PAGE_SIZE] == 'x' && q[1] == byte_at(4 * PAGE_SIZE + 1));
	all_out(mm, p, size);
	CHECK(memcg_file_read(f, p, PAGE_SIZE, 0) == PAGE_SIZE && shows(p, 0, PAGE_SIZE));
	all_out(mm, p, size);
	sys_fault_arm(SYS_FAULT_READ, 0, 1, 0, 0);
	CHECK(memcg_file_read(f, buf, PAGE_SIZE, 5 * PAGE_SIZE) == -EIO);
	sys_fault_disarm_all();
	memory_fits();
	memcg_file_close(f);
	mm_tear_down();
}

/* Fewer than asked for means the end, so what fails after the first page is told. */
static void test_read_fails_in_the_middle(void)
{
	char buf[4 * PAGE_SIZE];

	(void)file_set_up(4 * PAGE_SIZE, false);
	CHECK(memcg_file_read(the_file, buf, 1, 0) == 1);
	all_out(mm, map_file(mm, the_file, 4 * PAGE_SIZE, false) + PAGE_SIZE, 3 * PAGE_SIZE);
	CHECK(memcg_file_read(the_file, buf, PAGE_SIZE, 0) == PAGE_SIZE);
	sys_fault_arm(SYS_FAULT_READ, 0, 1, 0, 0);
	CHECK(memcg_file_read(the_file, buf, sizeof(buf), 0) == -EIO);
	sys_fault_disarm_all();
	CHECK(memcg_file_read(the_file, buf, sizeof(buf), 0) == sizeof(buf));
	CHECK(shows(buf, 0, sizeof(buf)));
	file_tear_down();
}

/* What only the system has noticed goes with a sync, whether anybody has looked before or not. */
static void test_sync_looks(void)
{
	char *p;

	p = file_set_up(4 * PAGE_SIZE, true);
	CHECK(shows(p, 0, 4 * PAGE_SIZE));
	p[PAGE_SIZE] = 'x';
	CHECK(memcg_file_sync(the_file) == 0 && in_file(the_fd, PAGE_SIZE) == 'x');
	CHECK(shows(p, 2 * PAGE_SIZE, PAGE_SIZE) && !touch_is(p + PAGE_SIZE));
	p[PAGE_SIZE] = 'y';
	sys_fault_arm(SYS_FAULT_PAGEMAP, 0, 1, 0, 0); /* what is not known counts as written */
	CHECK(memcg_file_sync(the_file) == 0 && in_file(the_fd, PAGE_SIZE) == 'y');
	CHECK(sys_fault_count(SYS_FAULT_PAGEMAP));
	sys_fault_disarm_all();
	file_tear_down();
}

/* The system takes a mapping away by itself, which it may: what it had noticed is gone with it. */
static void test_mapping_lost(void)
{
	char *p;

	p = file_set_up(4 * PAGE_SIZE, true);
	CHECK(shows(p, 0, 4 * PAGE_SIZE));
	p[PAGE_SIZE] = 'x';
	CHECK(!madvise(p + PAGE_SIZE, 2 * PAGE_SIZE, MADV_DONTNEED));
	CHECK(!touch_is(p + PAGE_SIZE) && !touch_is(p + 2 * PAGE_SIZE));
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE);
	CHECK(memcg_file_sync(the_file) == 0 && in_file(the_fd, PAGE_SIZE) == 'x');
	file_tear_down();
}

#ifdef MEMCG_DEBUG
/* --- between two steps of taking pages out: hook points ---------------------------------- */

#include "vm/file.h"
#include <memcg/pipe.h>

#include "vm/rmap.h"

static char *hooked;

static void write_it(void)
{
	hook_zap_pending = NULL;
	hooked[PAGE_SIZE] = 'x';
}

/* The entry is cleared and the page locked: who has it mapped writes to it all the same. */
static void test_written_before_the_zap(void)
{
	hooked = file_set_up(4 * PAGE_SIZE, true);
	CHECK(shows(hooked, 0, 4 * PAGE_SIZE));
	hook_zap_pending = write_it;
	all_out(mm, hooked, 4 * PAGE_SIZE);
	CHECK(!hook_zap_pending && STAT(cg, file) == 0 && in_file(the_fd, PAGE_SIZE) == 'x');
	file_tear_down();
}

static void touched_by_a_handler(void)
{
	hook_zap_pending = NULL;
	CHECK(task_self()->busy && !touch_is(hooked + PAGE_SIZE)); /* mapped still */
	CHECK(!madvise(hooked + PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED));
	CHECK(touch_is(hooked + PAGE_SIZE) == SIGBUS);
}

/* It would wait for the page that its own thread has locked: the program's SIGBUS, and a line. */
static void test_signal_during_sync(void)
{
	catch (SIGBUS);
	hooked = file_set_up(4 * PAGE_SIZE, true);
	hooked[PAGE_SIZE] = 'x';
	hook_zap_pending = touched_by_a_handler;
	CHECK(memcg_file_sync(the_file) == 0 && !hook_zap_pending && !task_self()->busy);
	CHECK(in_file(the_fd, PAGE_SIZE) == 'x' && hooked[PAGE_SIZE] == 'x');
	file_tear_down();
}

static void unmap_it(void)
{
	hook_zap_pending = NULL;
	hooked[PAGE_SIZE] = 'x';
	CHECK(!memcg_munmap(mm, hooked, 4 * PAGE_SIZE));
}

/* It is the evictor then who has the last reference to window and object, and locks of pages. */
static void test_ends_under_eviction(void)
{
	int fd = temp_file(4 * PAGE_SIZE);
	struct memcg_file *f;

	mm_set_up();
	hooked = memcg_mmap(mm, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MEMCG_MAP_SHARED | MEMCG_MAP_PREFAULT, NULL, 0);
	CHECK(hooked);
	hook_zap_pending = unmap_it;
	(void)memcg_reclaim(cg, MIB); /* all there is, from all sources */
	CHECK(!hook_zap_pending && managed_resident() == 0);
	closes();
	f = memcg_file_open(fd, 0);
	hooked = map_file(mm, f, 4 * PAGE_SIZE, true);
	CHECK(shows(hooked, 0, 4 * PAGE_SIZE));
	memcg_file_close(f);
	hook_zap_pending = unmap_it;
	(void)memcg_reclaim(cg, MIB); /* all there is, from all sources */
	CHECK(!hook_zap_pending && managed_resident() == 0 && in_file(fd, PAGE_SIZE) == 'x');
	mm_tear_down();
}

static void *write_and_leave(void *arg)
{
	hooked[PAGE_SIZE] = 'z';
	memcg_unpin(hooked + PAGE_SIZE, PAGE_SIZE);
	CHECK(!memcg_munmap(mm, hooked, 4 * PAGE_SIZE)); /* waits for the sync at its end */
	return arg;
}

static pthread_t leaver;

static void somebody_leaves(void)
{
	const struct page *pg = page_at(regn.managed + 512 + 1);

	hook_file_written = NULL;
	CHECK(pg->kind == PAGE_FILE && page_mapped(pg) && page_count(pg) == 2);
	CHECK(!pthread_create(&leaver, NULL, write_and_leave, NULL));
	while (page_mapped(pg))
		sched_yield();
	CHECK(page_count(pg) == 1);
}

/* Pinned when the write began, and when it ended neither that nor mapped: it is not what was
 * written. */
static void test_unpinned_while_it_is_written(void)
{
	hooked = file_set_up(4 * PAGE_SIZE, true);
	CHECK(!memcg_pin(hooked + PAGE_SIZE, PAGE_SIZE));
	hooked[PAGE_SIZE] = 'y';
	hook_file_written = somebody_leaves;
	CHECK(memcg_file_sync(the_file) == 0 && !hook_file_written);
	CHECK(!pthread_join(leaver, NULL));
	CHECK(in_file(the_fd, PAGE_SIZE) == 'y' && STAT(cg, file_dirty) == PAGE_SIZE);
	CHECK(memcg_file_sync(the_file) == 0 && STAT(cg, file_dirty) == 0);
	CHECK(in_file(the_fd, PAGE_SIZE) == 'z');
	file_tear_down();
}

static int felt;

static void touch_it(void)
{
	hook_file_cut_off = NULL;
	felt = touch_is(hooked + 2 * PAGE_SIZE);
}

/* Behind the new end nothing becomes mapped, also while it is still in memory. */
static void test_touched_while_it_shrinks(void)
{
	catch (SIGBUS);
	hooked = file_set_up(4 * PAGE_SIZE, true);
	CHECK(shows(hooked, 0, 4 * PAGE_SIZE));
	CHECK(!ftruncate(the_fd, PAGE_SIZE));
	hook_file_cut_off = touch_it;
	CHECK(memcg_file_sync(the_file) == 0 && !hook_file_cut_off && felt == SIGBUS);
	CHECK(STAT(cg, file) == PAGE_SIZE);
	memory_fits();
	file_tear_down();
}

static u32 waits, done; /* atomic */
static int ending_fd;

static void it_waits(void)
{
	hook_file_awaited = NULL;
	atomic_store(&waits, 1u);
}

static void *open_it(void *arg)
{
	struct memcg_file *f = memcg_file_open(ending_fd, 0);
	char c = 0;

	CHECK(f && memcg_file_read(f, &c, 1, PAGE_SIZE) == 1);
	*(char *)arg = c;
	memcg_file_close(f);
	atomic_store(&done, 1u);
	return NULL;
}

static pthread_t opener;
static char opened;

static void somebody_opens_it(void)
{
	hook_file_ending = NULL;
	hook_file_awaited = it_waits;
	CHECK(!pthread_create(&opener, NULL, open_it, &opened));
	while (!atomic_load(&waits) && !atomic_load(&done))
		sched_yield();
}

/* Closed by all, not yet written, and opened again: what was written is there. */
static void test_opened_while_it_ends(void)
{
	struct memcg_file *f;
	char *p;

	mm_set_up();
	ending_fd = temp_file(4 * PAGE_SIZE);
	f = memcg_file_open(ending_fd, 0);
	p = map_file(mm, f, 4 * PAGE_SIZE, true);
	p[PAGE_SIZE] = 'x';
	CHECK(!memcg_munmap(mm, p, 4 * PAGE_SIZE));
	hook_file_ending = somebody_opens_it;
	memcg_file_close(f);
	CHECK(!pthread_join(opener, NULL) && opened == 'x');
	CHECK(atomic_load(&waits));
	mm_tear_down();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_read_error),
		FAULTS_TEST(test_write_error),
		FAULTS_TEST(test_shrinks),
		FAULTS_TEST(test_pipe_from_behind_the_end),
		FAULTS_TEST(test_shrinks_pinned),
		FAULTS_TEST(test_bad_arguments),
		FAULTS_TEST(test_read),
		FAULTS_TEST(test_read_fails_in_the_middle),
		FAULTS_TEST(test_sync_looks),
		FAULTS_TEST(test_mapping_lost),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_written_before_the_zap),
		FAULTS_TEST(test_signal_during_sync),
		FAULTS_TEST(test_ends_under_eviction),
		FAULTS_TEST(test_unpinned_while_it_is_written),
		FAULTS_TEST(test_touched_while_it_shrinks),
		FAULTS_TEST(test_opened_while_it_ends),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
