/* t_publish.c - what a process tells `memcg run`: every group is in some row, and sums are whole.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "alloc/maps.h"
#include "base/bits.h"
#include "ctl/publish.h"

#define MANY 60u

static struct memcg *group[MANY], *inner[MANY];
static struct memcg_charge *charge_of[MANY];

/* Group i is charged i + 1 pages, through a group below it. */
static void make(unsigned n)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "group-%u", i);
		group[i] = memcg_create(NULL, name);
		inner[i] = memcg_create(group[i], "inner");
		assert_non_null(inner[i]);
		charge_of[i] = memcg_charge(inner[i], (i + 1) * PAGE_SIZE);
		assert_non_null(charge_of[i]);
	}
}

static void unmake(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		memcg_uncharge(charge_of[i]);
		assert_int_equal(memcg_destroy(inner[i]), 0);
		assert_int_equal(memcg_destroy(group[i]), 0);
	}
}

static u64 sum_of(const struct slot_view *v)
{
	u64 sum = 0;

	for (unsigned i = 0; i < v->nr_rows; i++)
		sum += v->rows[i].current;
	return sum;
}

static bool has_row(const struct slot_view *v, const char *name)
{
	for (unsigned i = 0; i < v->nr_rows; i++)
		if (!strcmp(v->rows[i].name, name))
			return true;
	return false;
}

static void expect_rows(unsigned n)
{
	struct slot_view v;

	make(n);
	publish_view(&v);
	assert_int_equal(v.groups, 1 + 2 * n);
	assert_int_equal(v.nr_rows, MIN(n, SLOT_ROWS));
	assert_int_equal(sum_of(&v), n * (n + 1) / 2 * PAGE_SIZE);
	assert_int_equal(has_row(&v, SLOT_OTHERS), n > SLOT_ROWS);
	if (n > SLOT_ROWS) { /* those with the highest peaks have rows of their own */
		assert_true(has_row(&v, "group-59"));
		assert_false(has_row(&v, "group-0"));
		assert_string_equal(v.rows[SLOT_ROWS - 1].name, SLOT_OTHERS);
	}
	unmake(n);
}

static void test_rows(void **state)
{
	(void)state;
	assert_non_null(memcg_root());
	expect_rows(0);
	expect_rows(3);
	expect_rows(SLOT_ROWS);
	expect_rows(MANY);
	assert_null(memcg_create(NULL, SLOT_OTHERS)); /* so the sum is told from any group */
}

static void test_numbers(void **state)
{
	struct slot_view v;
	struct map_change c;

	(void)state;
	assert_int_equal(memcg_set_limit(NULL, MEMCG_HIGH, 512 * MIB), 0);
	assert_int_equal(
		maps_charge(&c, NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS), 0);
	maps_commit(&c, (void *)(1ul << 40));
	publish_view(&v);
	assert_true(v.current >= MIB && v.peak >= v.current - v.cached);
	assert_int_equal(v.max, MEMCG_UNLIMITED);
	assert_int_equal(v.high, 512 * MIB);
	assert_true(v.metadata > 0);
	assert_int_equal(v.foreign, 0);
	assert_int_equal(maps_release(&c, (void *)(1ul << 40), MIB), 0);
	maps_commit(&c, NULL);
}

static void test_no_slot(void **state)
{
	(void)state;
	assert_false(memcg__publish_start("/no/such/slot"));
	assert_false(slot_attached());
	memcg__publish_exit();
	assert_int_equal(memcg__publish_too_small(), 0);
}

/* ---- with a room, as `memcg run` makes it ------------------------------------------ */

static struct slot_header *room;
static char room_path[64];

static struct slot *slot_at(u32 index)
{
	return (struct slot *)((char *)room + slot_offset(index));
}

static int make_room(void **state)
{
	int fd = memfd_create("room", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && !ftruncate(fd, (off_t)slot_file_size(4)));
	room = mmap(NULL, slot_file_size(4), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(room, MAP_FAILED);
	*room = (struct slot_header){.magic = SLOT_MAGIC,
				     .version = SLOT_VERSION,
				     .slot_size = SLOT_SIZE,
				     .nr_slots = 4,
				     .max = 256 * MIB,
				     .high = MEMCG_UNLIMITED};
	snprintf(room_path, sizeof(room_path), "/proc/%d/fd/%d", (int)getpid(), fd);
	return 0;
}

static void child_of_run(void)
{
	struct memcg_charge *big = NULL;
	u64 max = 0;

	if (!memcg__publish_start(room_path) || memcg_get_limit(NULL, MEMCG_MAX, &max) ||
	    max != 256 * MIB)
		_exit(1);
	atomic_store(&room->max,
		     64 * MIB); /* lowered while it runs: holds from the next charge on */
	big = memcg_charge(NULL, 128 * MIB);
	if (big || memcg__publish_too_small() == 0 || slot_at(0)->state != SLOT_TOO_SMALL)
		_exit(2);
	memcg__publish_exit();
	_exit(0);
}

/* The live numbers need no publication; a limit that changes while it is applied is not lost. */
static void child_that_is_killed(void)
{
	struct memcg_charge *c;

	if (!memcg__publish_start(room_path))
		_exit(1);
	atomic_store(&room->max, 128 * MIB);
	c = memcg_charge(NULL, 40 * MIB);
	if (!c || slot_at(1)->view.current < 40 * MIB || slot_at(1)->view.max != 128 * MIB)
		_exit(2);
	if (memcg_charge(NULL, 100 * MIB) || slot_at(1)->view.refusals != 1)
		_exit(3);
	memcg_uncharge(c);
	if (slot_at(1)->view.current >= 40 * MIB || slot_at(1)->view.peak < 40 * MIB)
		_exit(4);
	raise(SIGKILL);
}

/* Rows too: of a group that has none yet, and of one that has, whatever the clock says. */
static void child_at_rest(void)
{
	struct memcg *cg[5];
	char name[32];
	struct slot_view v;

	if (!memcg__publish_start(room_path))
		_exit(1);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "rest-%u", i);
		cg[i] = memcg_create(NULL, name);
		if (!memcg_charge(cg[i], 2 * MIB))
			_exit(2);
	}
	for (unsigned i = 0; i < 5; i++)
		if (!memcg_charge(cg[i], 3 * MIB))
			_exit(3);
	if (!slot_read(slot_at(2), &v) || v.nr_rows != 5)
		_exit(4);
	for (unsigned i = 0; i < 5; i++)
		if (v.rows[i].current != 5 * MIB || v.rows[i].peak != 5 * MIB)
			_exit(5);
	_exit(0);
}

static void test_at_rest(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child)
		child_at_rest();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#ifdef MEMCG_DEBUG
#define FREED (4 * MIB)
static void *to_free;

static void free_it(void)
{
	void *p = to_free;

	to_free = NULL;
	memcg_free(p);
}

/* What is freed while the root's numbers are loaded is not both used and cached. */
static void child_that_frees(void)
{
	u64 most;

	if (!memcg__publish_start(room_path))
		_exit(1);
	to_free = memcg_malloc_in(NULL, FREED);
	most = memcg_current(NULL) + 2 * MIB;
	hook_publish_usage = free_it;
	if (!memcg_charge(NULL, MIB) || to_free)
		_exit(2);
	if (slot_at(3)->view.current > most)
		_exit(3);
	_exit(0);
}

static void test_freed_meanwhile(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child)
		child_that_frees();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}
#endif

static void test_live(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	atomic_store(&room->max, MEMCG_UNLIMITED);
	if (!child)
		child_that_is_killed();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, SIGKILL);
}

static void test_in_a_room(void **state)
{
	struct slot_view v;
	pid_t child = fork();
	int status;

	(void)state;
	if (!child)
		child_of_run();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(slot_at(0)->pid, child);
	assert_int_equal(slot_at(0)->state, SLOT_EXITED);
	assert_true(slot_read(slot_at(0), &v));
	assert_int_equal(v.max, 64 * MIB);
	assert_int_equal(v.refusals, 1);
	assert_int_equal(v.recount.state, SLOT_RECOUNT_TAKEN);
	assert_int_equal(v.recount.differences, 0);
	assert_int_equal(v.recount.memory, v.recount.counters - v.metadata);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_no_slot),
		cmocka_unit_test_setup(test_in_a_room, make_room),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_at_rest),
#ifdef MEMCG_DEBUG
		cmocka_unit_test(test_freed_meanwhile),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
