/* t_slot.c - slots are claimed once each, are never read torn, and no failure is the program's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/pending.h"
#include "sys/fault.h"

#define UNLIMITED UINT64_MAX

static int memfd = -1;
static char *file; /* the whole file, as `memcg run` sees it */
static size_t file_size;
static char path[64];

static struct slot_header *head(void)
{
	return (struct slot_header *)file;
}

static struct slot *slot_at(u32 index)
{
	return (struct slot *)(file + slot_offset(index));
}

static void make_file(u32 nr_slots)
{
	file_size = slot_file_size(nr_slots);
	memfd = memfd_create("slots", MFD_CLOEXEC);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, (off_t)file_size), 0);
	file = mmap(NULL, file_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	assert_ptr_not_equal(file, MAP_FAILED);
	*head() = (struct slot_header){
		.magic = SLOT_MAGIC,
		.version = SLOT_VERSION,
		.slot_size = SLOT_SIZE,
		.nr_slots = nr_slots,
		.group_by = SLOT_GROUP_THREAD,
		.max = 1 << 20,
		.high = UNLIMITED,
	};
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), memfd);
}

static void drop_file(void)
{
	munmap(file, file_size);
	close(memfd);
}

/*
 * The module's state is one process's, for its life: each test attaches in a child of its
 * own. The child's checks end it with the line of the one that failed.
 */
#define CHECK(x)                                                           \
	do {                                                               \
		if (!(x)) {                                                \
			dprintf(2, "t_slot: line %d: %s\n", __LINE__, #x); \
			_exit(1);                                          \
		}                                                          \
	} while (0)

static void in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static struct slot_view sample(u64 n)
{
	struct slot_view v = {.current = n, .peak = n, .allocated = n, .nr_rows = SLOT_ROWS};

	for (unsigned i = 0; i < SLOT_ROWS; i++) {
		snprintf(v.rows[i].name, sizeof(v.rows[i].name), "thread-%u", i);
		v.rows[i].current = n;
		v.rows[i].refusals = n;
	}
	return v;
}

/* ---- a process and its slot ---- */

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void publish_and_leave(void)
{
	struct slot_recount recount = {SLOT_RECOUNT_TAKEN, 0, 77, 77, 1};
	struct slot_view v = sample(42);
	unsigned before = open_descriptors();

	CHECK(!slot_attached());
	errno = 1234;
	CHECK(slot_attach(path) == 0);
	CHECK(errno == 1234);
	CHECK(slot_attached());
	CHECK(open_descriptors() == before);
	CHECK(slot_attach(path) == -EBUSY);
	CHECK(slot_at(0)->state == SLOT_STARTING);
	CHECK(slot_publish(&v));
	CHECK(slot_at(0)->state == SLOT_RUNNING);
	slot_recount(&recount);
	slot_mark(SLOT_EXITED);
}

static void test_a_life(void **state)
{
	struct slot_view v;
	struct slot *s;

	(void)state;
	make_file(4);
	prctl(PR_SET_NAME, "fifteen letters"); /* as many as there are */
	in_child(publish_and_leave);
	s = slot_at(0);
	assert_int_equal(head()->next, 1);
	assert_int_equal(s->state, SLOT_EXITED);
	assert_int_equal(s->ppid, getpid());
	assert_true(s->start > 0);
	assert_true(s->exe_ino > 0);
	assert_non_null(strstr(s->command, "t_slot"));
	assert_string_equal(s->comm, "fifteen letters");
	assert_true(slot_read(s, &v));
	assert_int_equal(v.current, 42);
	assert_int_equal(v.rows[SLOT_ROWS - 1].refusals, 42);
	assert_string_equal(v.rows[3].name, "thread-3");
	assert_int_equal(v.recount.memory, 77);
	assert_true(v.rss_anon > 0);
	drop_file();
}

static void read_limits(void)
{
	u64 max = 1, high = 2;

	CHECK(!slot_limits(&max, &high));
	CHECK(max == 1 && high == 2);
	CHECK(slot_group_by() == SLOT_GROUP_NONE);
	CHECK(slot_attach(path) == 0);
	CHECK(slot_group_by() == SLOT_GROUP_THREAD);
	CHECK(slot_limits(&max, &high));
	CHECK(max == 1 << 20 && high == UNLIMITED);
	head()->max = 5000; /* as run would, at any time */
	CHECK(slot_limits(&max, &high));
	CHECK(max == 5000);
}

static void test_limits_follow_the_header(void **state)
{
	(void)state;
	make_file(1);
	in_child(read_limits);
	drop_file();
}

/* ---- fork ---- */

static void fork_and_publish(void)
{
	struct slot_view v = sample(1);
	int status;
	pid_t pid;

	CHECK(slot_attach(path) == 0);
	CHECK(slot_publish(&v));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(slot_fork_child() == 0);
		CHECK(slot_at(1)->state == SLOT_FORKED);
		CHECK(slot_at(1)->forked && !slot_at(0)->forked);
		CHECK(slot_at(1)->pid == (u32)getpid());
		CHECK(slot_at(1)->ppid == (u32)getppid());
		v = sample(2);
		CHECK(slot_publish(&v));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	v = sample(3);
	CHECK(slot_publish(&v));
}

static void test_fork_takes_another_slot(void **state)
{
	(void)state;
	make_file(4);
	in_child(fork_and_publish);
	assert_int_equal(head()->next, 2);
	assert_int_equal(slot_at(0)->view.current, 3);
	assert_int_equal(slot_at(1)->view.current, 2);
	drop_file();
}

/* The child must not go on writing into its parent's slot. */
static void fork_when_run_is_gone(void)
{
	struct slot_view v = sample(1);
	u64 max = 0, high = 0;

	CHECK(slot_attach(path) == 0);
	CHECK(slot_publish(&v));
	close(memfd);
	strcpy(path, "/proc/self/fd/99"); /* nobody reads it again: the copy counts */
	sys_fault_arm(SYS_FAULT_OPEN, 1, 0, 0, 0);
	CHECK(slot_fork_child() == -EMFILE);
	sys_fault_disarm_all();
	CHECK(!slot_attached());
	v = sample(9);
	CHECK(!slot_publish(&v));
	slot_mark(SLOT_EXITED);
	slot_recount(&v.recount);
	CHECK(slot_at(0)->view.current == 1 && slot_at(0)->state == SLOT_RUNNING);
	CHECK(slot_limits(&max, &high) && max == 1 << 20); /* limits hold on */
}

static void test_fork_without_file(void **state)
{
	(void)state;
	make_file(2);
	in_child(fork_when_run_is_gone);
	drop_file();
}

static void fork_unattached(void)
{
	CHECK(slot_fork_child() == -ENOENT);
}

static void test_fork_of_nobody(void **state)
{
	(void)state;
	in_child(fork_unattached);
}

/* ---- no room, and files that are none ---- */

static void attach_full(void)
{
	u64 max = 0, high = 0;
	struct slot_view v = sample(1);

	CHECK(slot_attach(path) == -ENOSPC);
	CHECK(!slot_attached());
	CHECK(!slot_publish(&v));
	CHECK(slot_limits(&max, &high) && max == 1 << 20);
}

static void test_no_room(void **state)
{
	(void)state;
	make_file(2);
	head()->next = 2;
	in_child(attach_full);
	assert_int_equal(head()->next, 3);
	head()->next = UINT32_MAX;
	in_child(attach_full);
	assert_int_equal(head()->next, UINT32_MAX);
	drop_file();
}

static int wanted_error;

static void attach_must_fail(void)
{
	u64 max = 0, high = 0;
	unsigned before = open_descriptors();

	CHECK(slot_attach(path) == wanted_error);
	CHECK(!slot_attached() && !slot_limits(&max, &high));
	CHECK(open_descriptors() == before);
}

static void expect_refusal(int error)
{
	wanted_error = error;
	in_child(attach_must_fail);
}

static void test_bad_files(void **state)
{
	char saved[64];

	(void)state;
	make_file(2);
	head()->magic++;
	expect_refusal(-EINVAL);
	head()->magic--;
	head()->version++;
	expect_refusal(-EINVAL);
	head()->version--;
	head()->slot_size--;
	expect_refusal(-EINVAL);
	head()->slot_size++;
	head()->nr_slots++; /* more than the file holds: touching the last would be SIGBUS */
	expect_refusal(-EINVAL);
	head()->nr_slots--;
	strcpy(saved, path);
	strcpy(path, "/nowhere/at/all");
	expect_refusal(-ENOENT);
	strcpy(path, "/dev/null");
	expect_refusal(-EINVAL);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	expect_refusal(-ENOENT); /* just fits */
	strcpy(path, saved);
	assert_int_equal(ftruncate(memfd, 100), 0);
	expect_refusal(-EINVAL);
	drop_file();
}

static char too_long[200];

static void attach_long(void)
{
	CHECK(slot_attach(too_long) == -ENAMETOOLONG);
}

static void test_long_path(void **state)
{
	(void)state;
	memset(too_long, 'x', sizeof(too_long) - 1);
	in_child(attach_long);
}

static void attach_when_open_fails(void)
{
	sys_fault_arm(SYS_FAULT_OPEN, 1, 0, 0, 0);
	CHECK(slot_attach(path) == -EMFILE);
	CHECK(!slot_attached());
	sys_fault_disarm_all();
	/* Nothing is known of the process when /proc cannot be read; it runs all the same. */
	sys_fault_arm(SYS_FAULT_OPEN, 2, 1, 0, 0);
	CHECK(slot_attach(path) == 0);
	CHECK(slot_at(0)->start == 0 && !slot_at(0)->command[0]);
}

static void test_failing_calls(void **state)
{
	(void)state;
	make_file(2);
	in_child(attach_when_open_fails);
	drop_file();
}

static void publish_too_many_rows(void)
{
	struct slot_view v = sample(1);

	v.nr_rows = SLOT_ROWS + 100;
	CHECK(slot_attach(path) == 0);
	CHECK(slot_publish(&v));
	CHECK(slot_at(0)->view.nr_rows == SLOT_ROWS);
}

static void test_rows_are_bounded(void **state)
{
	(void)state;
	make_file(1);
	in_child(publish_too_many_rows);
	drop_file();
}

/* ---- execs that nobody answered ---- */

static struct slot_exec *exec_at(u32 index)
{
	return (struct slot_exec *)(file + slot_execs_offset(head()->nr_slots)) + index;
}

static unsigned execs_noted(void)
{
	unsigned n = 0;

	for (u32 i = 0; i < SLOT_EXECS; i++)
		n += exec_at(i)->pid != 0;
	return n;
}

static void exec_in_vfork(void)
{
	struct pending p;

	slot_at(0)->pid++; /* the slot is another process's, as a child of vfork finds it */
	memcg__exec_begins(&p, "x");
	CHECK(slot_at(0)->state == SLOT_STARTING);
	memcg__exec_failed(&p);
	CHECK(slot_at(0)->state == SLOT_STARTING && execs_noted() == 0);
	slot_at(0)->pid--;
}

static void exec_and_fail(void)
{
	struct pending p;
	u32 pid = (u32)getpid();

	memcg__exec_begins(&p, "/bin/true"); /* without a file: nothing */
	memcg__exec_failed(&p);
	CHECK(execs_noted() == 0);
	memcg__exec_spawned(pid, "x", memcg__exec_time());
	CHECK(slot_attach(path) == 0);
	CHECK(slot_at(0)->claimed > 0 && execs_noted() == 0);
	memcg__exec_begins(&p, "/bin/a-name-that-is-long");
	CHECK(slot_at(0)->state == SLOT_EXECED && execs_noted() == 1);
	CHECK(exec_at(pid % SLOT_EXECS)->pid == pid && exec_at(pid % SLOT_EXECS)->since > 0);
	CHECK(!strcmp(exec_at(pid % SLOT_EXECS)->name, "a-name-that-is-"));
	memcg__exec_failed(&p);
	CHECK(slot_at(0)->state == SLOT_STARTING && execs_noted() == 0);
	exec_in_vfork();
	for (u32 i = 0; i < EXEC_PROBES + 3; i++)
		memcg__exec_spawned(pid, NULL, 1);
	CHECK(execs_noted() == EXEC_PROBES && head()->lost == 3);
	memcg__exec_begins(&p, "x"); /* no room: the slot says it all the same */
	CHECK(slot_at(0)->state == SLOT_EXECED && !p.entry && head()->lost == 4);
	memcg__exec_failed(&p);
	pending_settle(pid);
	CHECK(execs_noted() == 0);
}

static void test_execs_are_noted(void **state)
{
	(void)state;
	make_file(1);
	in_child(exec_and_fail);
	drop_file();
}

/* An image that finds its exec noted takes the note away, with or without room for itself. */
static void answer(void)
{
	exec_at((u32)getpid() % SLOT_EXECS)->pid = (u32)getpid();
	exec_at((u32)getpid() % SLOT_EXECS)->since = 1;
	CHECK(slot_attach(path) == (head()->next > 1 ? -ENOSPC : 0));
	CHECK(execs_noted() == 0);
}

static void test_execs_are_answered(void **state)
{
	(void)state;
	make_file(1);
	in_child(answer);
	in_child(answer);
	assert_int_equal(head()->next, 2);
	drop_file();
}

/* ---- torn numbers ---- */

static bool stop;

static void *publisher(void *arg)
{
	struct slot_view v;

	for (u64 n = 1; !atomic_load(&stop); n++) {
		v = sample(n * 2 + (uintptr_t)arg);
		slot_publish(&v);
	}
	return NULL;
}

static bool one_moment(const struct slot_view *v)
{
	bool same = v->current == v->peak && v->current == v->allocated;

	for (u64 i = 0; i < v->nr_rows; i++)
		same = same && v->rows[i].current == v->current &&
		       v->rows[i].refusals == v->current;
	return same;
}

static void read_while_written(void)
{
	unsigned good = 0;
	pthread_t t[2];

	CHECK(slot_attach(path) == 0);
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&t[i], NULL, publisher, (void *)i));
	for (unsigned i = 0; i < 200000 && good < 20000; i++) {
		struct slot_view v;

		if (!slot_read(slot_at(0), &v))
			continue;
		CHECK(one_moment(&v));
		good++;
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	CHECK(good > 100);
}

static void test_never_torn(void **state)
{
	(void)state;
	make_file(1);
	in_child(read_while_written);
	drop_file();
}

static void test_writer_died(void **state)
{
	struct slot_view v;

	(void)state;
	make_file(1);
	slot_at(0)->seq = 7;
	slot_at(0)->view.current = 5;
	assert_false(slot_read(slot_at(0), &v));
	assert_int_equal(v.current, 5);
	drop_file();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_life),
		cmocka_unit_test(test_limits_follow_the_header),
		cmocka_unit_test(test_fork_takes_another_slot),
		cmocka_unit_test(test_fork_without_file),
		cmocka_unit_test(test_fork_of_nobody),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_failing_calls),
		cmocka_unit_test(test_rows_are_bounded),
		cmocka_unit_test(test_execs_are_noted),
		cmocka_unit_test(test_execs_are_answered),
		cmocka_unit_test(test_never_torn),
		cmocka_unit_test(test_writer_died),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
