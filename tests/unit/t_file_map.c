/* t_file_map.c - files in windows: contents, what is written, leaving and coming back. */
#include "file_map_fixture.h"

/* --- contents ------------------------------------------------------------------------------- */

static void test_contents(void)
{
	const size_t size = 100 * PAGE_SIZE + 1000;
	int fd = temp_file(size);
	struct memcg_file *f;
	char *p;

	mm_set_up();
	f = memcg_file_open(fd, 0);
	CHECK(f);
	p = map_file(mm, f, size, false);
	CHECK(STAT(cg, file) == 0);
	CHECK(p[50 * PAGE_SIZE] == byte_at(50 * PAGE_SIZE));
	CHECK(STAT(cg, file) == PAGE_SIZE && STAT(cg, file_mapped) == PAGE_SIZE);
	CHECK(STAT(cg, pgmajfault) == 1 && STAT(cg, inactive_file) == PAGE_SIZE);
	memory_fits();
	CHECK(shows(p, 0, size));
	for (size_t i = size; i < 101 * PAGE_SIZE; i++)
		CHECK(p[i] == 0);
	CHECK(STAT(cg, file) == 101 * PAGE_SIZE && STAT(cg, shmem) == 0);
	CHECK(STAT(cg, file_dirty) == 0 && STAT(cg, pgmajfault) < 12);
	CHECK(held(cg) == 102 * PAGE_SIZE);
	memory_fits();
	CHECK(!memcg_munmap(mm, p, size));
	CHECK(STAT(cg, file) == 101 * PAGE_SIZE && STAT(cg, file_mapped) == 0);
	memcg_file_close(f);
	CHECK(STAT(cg, file) == 0 && held(cg) == 0);
	mm_tear_down();
}

/* The second descriptor finds the pages of the first, whoever pays for them. */
static void test_shared_by_two(void)
{
	int fd = temp_file(8 * PAGE_SIZE), again = reopen(fd, O_RDONLY);
	struct memcg_file *f, *g;
	char *p, *q;

	mm_set_up();
	f = memcg_file_open(fd, 0);
	g = memcg_file_open(again, 0);
	CHECK(f && g && f != g);
	close(again);
	p = map_file(mm, f, 8 * PAGE_SIZE, true);
	q = map_file(mm2, g, 8 * PAGE_SIZE, false);
	CHECK(shows(p, 0, 8 * PAGE_SIZE));
	CHECK(shows(q, 0, 8 * PAGE_SIZE));
	p[5 * PAGE_SIZE] = 'x';
	CHECK(q[5 * PAGE_SIZE] == 'x');
	CHECK(STAT(cg, file) == 8 * PAGE_SIZE && STAT(other, file) == 0);
	CHECK(STAT(cg, file_mapped) == 8 * PAGE_SIZE && STAT(other, file_mapped) == 0);
	CHECK(!memcg_munmap(mm, p, 8 * PAGE_SIZE));
	memcg_file_close(f);
	CHECK(q[5 * PAGE_SIZE] == 'x' && STAT(cg, file) == 8 * PAGE_SIZE);
	CHECK(STAT(cg, file_mapped) == 8 * PAGE_SIZE);
	memory_fits();
	memcg_file_close(g);
	CHECK(q[5 * PAGE_SIZE] == 'x'); /* the window keeps the file */
	CHECK(!memcg_munmap(mm2, q, 8 * PAGE_SIZE));
	CHECK(STAT(cg, file) == 0 && in_file(fd, 5 * PAGE_SIZE) == 'x');
	mm_tear_down();
}

/* --- written pages ---------------------------------------------------------------------------- */

static void test_written(void)
{
	const size_t size = 64 * PAGE_SIZE + 10;
	struct stat st;
	char *p;

	p = file_set_up(size, true);
	CHECK(mech == MECH_FAULTS);
	p[0] = 'a'; /* by a fault */
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE);
	CHECK(shows(p, 1, size - 1)); /* mapped by reads, and around them */
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE);
	p[10 * PAGE_SIZE] = 'b'; /* no fault of ours */
	p[11 * PAGE_SIZE] = 'c';
	p[64 * PAGE_SIZE] = 'd';
	p[64 * PAGE_SIZE + 100] = 'e'; /* behind the end */
	CHECK(STAT(cg, file_dirty) == 4 * PAGE_SIZE && STAT(cg, file_writeback) == 0);
	memory_fits();
	CHECK(in_file(the_fd, 10 * PAGE_SIZE) == byte_at(10 * PAGE_SIZE));
	CHECK(memcg_file_sync(the_file) == 0);
	CHECK(STAT(cg, file_dirty) == 0 && STAT(cg, file_writeback) == 0);
	CHECK(in_file(the_fd, 0) == 'a' && in_file(the_fd, 10 * PAGE_SIZE) == 'b');
	CHECK(in_file(the_fd, 11 * PAGE_SIZE) == 'c' && in_file(the_fd, 64 * PAGE_SIZE) == 'd');
	CHECK(!fstat(the_fd, &st) && st.st_size == (off_t)size);
	/* Clean pages are noticed again. */
	CHECK(p[10 * PAGE_SIZE] == 'b' && STAT(cg, file_dirty) == 0);
	p[10 * PAGE_SIZE] = 'f';
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE);
	CHECK(memcg_file_sync(the_file) == 0 && in_file(the_fd, 10 * PAGE_SIZE) == 'f');
	file_tear_down();
}

static void test_written_then_unmapped(void)
{
	int fd = temp_file(16 * PAGE_SIZE);
	struct memcg_file *f;
	char *p, *q;

	mm_set_up();
	f = memcg_file_open(fd, 0);
	p = map_file(mm, f, 16 * PAGE_SIZE, true);
	CHECK(shows(p, 0, 16 * PAGE_SIZE));
	p[3 * PAGE_SIZE] = 'x';
	p[9 * PAGE_SIZE] = 'y';
	CHECK(!memcg_munmap(mm, p, 4 * PAGE_SIZE));
	CHECK(STAT(cg, file_dirty) == 2 * PAGE_SIZE);
	CHECK(!memcg_madvise(mm, p + 4 * PAGE_SIZE, 12 * PAGE_SIZE, MEMCG_DONTNEED));
	CHECK(STAT(cg, file_dirty) == 2 * PAGE_SIZE && STAT(cg, file_mapped) == 0);
	memory_fits();
	q = map_file(mm2, f, 16 * PAGE_SIZE, true);
	CHECK(q[3 * PAGE_SIZE] == 'x' && q[9 * PAGE_SIZE] == 'y');
	CHECK(memcg_file_sync(f) == 0 && STAT(cg, file_dirty) == 0);
	CHECK(in_file(fd, 3 * PAGE_SIZE) == 'x' && in_file(fd, 9 * PAGE_SIZE) == 'y');
	CHECK(q[2 * PAGE_SIZE] == byte_at(2 * PAGE_SIZE));
	q[2 * PAGE_SIZE] = 'z';
	CHECK(!memcg_munmap(mm, p + 4 * PAGE_SIZE, 12 * PAGE_SIZE));
	memcg_file_close(f);
	memcg_mm_destroy(mm2); /* the last of it: written on the way */
	CHECK(in_file(fd, 2 * PAGE_SIZE) == 'z');
	mm2 = NULL;
	mm_tear_down();
}

/* --- leaving and coming back -------------------------------------------------------------------
 */

static void test_evicted(void)
{
	const size_t size = 64 * PAGE_SIZE;
	char *p;

	p = file_set_up(size, true);
	CHECK(shows(p, 0, size));
	p[7 * PAGE_SIZE + 1] = 'x'; /* noticed by the system alone */
	p[8 * PAGE_SIZE + 1] = 'y';
	all_out(mm, p, size);
	CHECK(STAT(cg, file) == 0 && STAT(cg, file_dirty) == 0 && STAT(cg, file_mapped) == 0);
	CHECK(STAT(cg, zswapped) == 0);
	CHECK(in_file(the_fd, 7 * PAGE_SIZE + 1) == 'x' &&
	      in_file(the_fd, 8 * PAGE_SIZE + 1) == 'y');
	CHECK(managed_resident() == 0);
	closes();
	CHECK(STAT(cg, workingset_refault_file) == 0);
	CHECK(p[7 * PAGE_SIZE + 1] == 'x' && p[8 * PAGE_SIZE + 1] == 'y');
	CHECK(STAT(cg, workingset_refault_file) == 3); /* one was read ahead */
	CHECK(shows(p, 9 * PAGE_SIZE, size - 9 * PAGE_SIZE));
	CHECK(STAT(cg, workingset_refault_file) == 57);
	memory_fits();
	file_tear_down();
}

/* What came back soon is active, and has been restored when it was so before. */
static void test_refault(void)
{
	char *p, *anon;

	p = file_set_up(4 * PAGE_SIZE, false);
	anon = memcg_mmap(mm, 64 * PAGE_SIZE, PROT_READ | PROT_WRITE, MEMCG_MAP_PREFAULT, NULL, 0);
	CHECK(anon && !touch_is(p + PAGE_SIZE));
	CHECK(STAT(cg, inactive_file) == PAGE_SIZE);
	all_out(mm, p, 4 * PAGE_SIZE);
	CHECK(STAT(cg, file) == 0 && !touch_is(p + PAGE_SIZE));
	CHECK(STAT(cg, active_file) == PAGE_SIZE && STAT(cg, workingset_activate_file) == 1);
	CHECK(STAT(cg, workingset_restore_file) == 0);
	all_out(mm, p, 4 * PAGE_SIZE);
	CHECK(!touch_is(p + PAGE_SIZE));
	CHECK(STAT(cg, workingset_restore_file) == 1);
	/* Far: more pages have left meanwhile than all other lists hold. */
	all_out(mm, p, 4 * PAGE_SIZE);
	all_out(mm, anon, 64 * PAGE_SIZE);
	CHECK(!touch_is(p + PAGE_SIZE));
	CHECK(STAT(cg, inactive_file) == PAGE_SIZE && STAT(cg, workingset_activate_file) == 2);
	CHECK(STAT(cg, workingset_refault_file) == 3);
	CHECK(!touch_is(anon) && STAT(cg, workingset_refault_anon) == 1);
	file_tear_down();
}

/* A file twice as large as its group may be, written all over. */
static void test_over_max(void)
{
	const size_t size = 4 * MIB;
	char *p;

	p = file_set_up(size, true);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * MIB));
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < size; i += PAGE_SIZE) {
			CHECK(p[i + 1] == byte_at(i + 1));
			p[i] = (char)(i >> PAGE_SHIFT) + (char)round;
			CHECK(memcg_current(cg) <= 2 * MIB);
		}
	CHECK(STAT(cg, file_writeback) == 0 && STAT(cg, zswapped) == 0);
	memory_fits();
	CHECK(memcg_file_sync(the_file) == 0 && STAT(cg, file_dirty) == 0);
	for (size_t i = 0; i < size; i += PAGE_SIZE)
		CHECK(in_file(the_fd, i) == (char)((i >> PAGE_SHIFT) + 1) &&
		      in_file(the_fd, i + 1) == byte_at(i + 1));
	file_tear_down();
}

/* What is read once displaces nothing; what is used again is active. */
static void test_read_once(void)
{
	const size_t size = 8 * MIB;
	char *p;

	p = file_set_up(size, false);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 2 * MIB));
	for (size_t i = 0; i < size; i += PAGE_SIZE)
		CHECK(!touch_is(p + i));
	CHECK(STAT(cg, pgsteal) >= 6 * MIB / PAGE_SIZE && STAT(cg, pgactivate) == 0);
	CHECK(STAT(cg, active_file) == 0);
	/* Twice: it may have been mapped by the fault of a neighbour, and seen by nobody. */
	for (int i = 0; i < 2; i++) {
		CHECK(!memcg_madvise(mm, p + size - PAGE_SIZE, PAGE_SIZE, MEMCG_COLD));
		CHECK(!touch_is(p + size - PAGE_SIZE));
	}
	(void)memcg_reclaim(cg, MIB);
	CHECK(STAT(cg, pgactivate) == 1);
	memory_fits();
	file_tear_down();
}

/* Reading ahead takes nothing from anybody. */
static void test_ahead_fits(void)
{
	char *p;

	p = file_set_up(256 * PAGE_SIZE, false);
	CHECK(!touch_is(p) && STAT(cg, file) == 4 * PAGE_SIZE);
	CHECK(!touch_is(p + 4 * PAGE_SIZE) && STAT(cg, file) == 12 * PAGE_SIZE);
	CHECK(STAT(cg, file_mapped) == 2 * PAGE_SIZE);
	CHECK(!touch_is(p + 100 * PAGE_SIZE) && STAT(cg, file) == 13 * PAGE_SIZE);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, held(cg) + PAGE_SIZE));
	CHECK(!touch_is(p + 101 * PAGE_SIZE) && STAT(cg, file) == 14 * PAGE_SIZE);
	CHECK(STAT(cg, pgsteal) == 0);
	memory_fits();
	file_tear_down();
}

/* --- where the system notices no writes
 * ----------------------------------------------------------- */

static void test_nothing_noticed(void)
{
	int fd = temp_file(8 * PAGE_SIZE);
	struct memcg_file *f;
	char *p;

	sys_fault_arm(SYS_FAULT_UFFD, 2, 0, 0, 0); /* the one that would */
	mm_set_up();
	CHECK(mech == MECH_FAULTS && sys_fault_count(SYS_FAULT_UFFD) == 1);
	sys_fault_disarm_all();
	f = memcg_file_open(fd, 0);
	p = map_file(mm, f, 8 * PAGE_SIZE, true);
	CHECK(shows(p, 0, 8 * PAGE_SIZE));
	p[PAGE_SIZE] = 'x';
	CHECK(STAT(cg, file_dirty) == 8 * PAGE_SIZE); /* for all that is known */
	CHECK(memcg_file_sync(f) == 0 && in_file(fd, PAGE_SIZE) == 'x');
	CHECK(STAT(cg, file_dirty) == 0);
	CHECK(!touch_is(p + PAGE_SIZE));
	p[PAGE_SIZE] = 'y';
	all_out(mm, p, 8 * PAGE_SIZE);
	CHECK(STAT(cg, file) == 0 && in_file(fd, PAGE_SIZE) == 'y');
	memcg_file_close(f);
	mm_tear_down();
}

static void test_pins_alone(void)
{
	int fd = temp_file(8 * PAGE_SIZE);
	struct memcg_file *f;
	char *p;

	sys_fault_arm(SYS_FAULT_UFFD, 0, 1, 0, 0);
	mm_set_up();
	CHECK(mech == MECH_PINS);
	sys_fault_disarm_all();
	f = memcg_file_open(fd, 0);
	p = map_file(mm, f, 8 * PAGE_SIZE, true);
	CHECK(!memcg_pin(p, 2 * PAGE_SIZE));
	CHECK(shows(p, 0, 2 * PAGE_SIZE));
	p[PAGE_SIZE] = 'x';
	memcg_unpin(p, 2 * PAGE_SIZE);
	CHECK(memcg_file_sync(f) == 0 && in_file(fd, PAGE_SIZE) == 'x');
	memcg_file_close(f);
	mm_tear_down();
}

/* --- many at once
 * ----------------------------------------------------------------------------------- */

#define WORKERS 4

struct work {
	struct memcg_file *f;
	int id;
	u32 rounds;
};

/* Each worker has its own byte in every page, and counts it up. */
static void *work(void *arg)
{
	struct work *w = arg;
	struct memcg_mm *m = memcg_mm_create(cg);
	u64 seed = (u64)w->id + 1;

	CHECK(m);
	for (u32 round = 0; round < w->rounds; round++) {
		char *p = memcg_mmap(m, 32 * PAGE_SIZE, PROT_READ | PROT_WRITE, 0, w->f, 0);

		CHECK(p);
		for (u32 i = 0; i < 32; i++)
			CHECK(p[i * PAGE_SIZE + (size_t)w->id] == (char)round);
		for (u32 i = 0; i < 32; i++)
			p[i * PAGE_SIZE + (size_t)w->id] = (char)(round + 1);
		switch (next_random(&seed) % 4) {
		case 0:
			all_out(m, p, 32 * PAGE_SIZE);
			break;
		case 1:
			CHECK(memcg_file_sync(w->f) == 0);
			break;
		case 2:
			stat_of(cg, 0);
			break;
		}
		if (next_random(&seed) % 2)
			CHECK(!memcg_madvise(m, p, 32 * PAGE_SIZE, MEMCG_DONTNEED));
		CHECK(!memcg_munmap(m, p, 32 * PAGE_SIZE));
	}
	memcg_mm_destroy(m);
	return NULL;
}

static void test_threads(void)
{
	char zero[32 * PAGE_SIZE] = {0};
	int fd = temp_file(32 * PAGE_SIZE);
	struct work w[WORKERS];
	pthread_t t[WORKERS];
	u32 rounds = (u32)effort(100);

	CHECK(pwrite(fd, zero, sizeof(zero), 0) == sizeof(zero));
	mm_set_up();
	for (int i = 0; i < WORKERS; i++) {
		w[i] = (struct work){memcg_file_open(fd, 0), i, rounds};
		CHECK(w[i].f && !pthread_create(&t[i], NULL, work, &w[i]));
	}
	for (int i = 0; i < WORKERS; i++)
		CHECK(!pthread_join(t[i], NULL));
	memory_fits();
	CHECK(memcg_file_sync(w[0].f) == 0 && STAT(cg, file_dirty) == 0);
	for (size_t i = 0; i < 32; i++)
		for (size_t k = 0; k < WORKERS; k++)
			CHECK(in_file(fd, i * PAGE_SIZE + k) == (char)rounds);
	for (int i = 0; i < WORKERS; i++)
		memcg_file_close(w[i].f);
	mm_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_contents),   FAULTS_TEST(test_shared_by_two),
		FAULTS_TEST(test_written),    FAULTS_TEST(test_written_then_unmapped),
		FAULTS_TEST(test_evicted),    FAULTS_TEST(test_refault),
		FAULTS_TEST(test_over_max),   FAULTS_TEST(test_read_once),
		FAULTS_TEST(test_ahead_fits), FAULTS_TEST(test_nothing_noticed),
		FAULTS_TEST(test_pins_alone), FAULTS_TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
