/*
 * t_reader.c - readers of files: a peak for each, descriptors that tell of news, groups that go
 * while they are read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "ctl/file.h"
#include "group/charge.h"
#include "group/event.h"
#include "group/vm.h"
#include "page/page.h"
#include "reclaim/psi.h"
#include "sys/fault.h"

#include "effort.h"
#include "group/record.h"

static struct memcg *cg;

static int make_group(void **state)
{
	(void)state;
	cg = memcg_create(NULL, "read");
	return cg ? 0 : -1;
}

static int drop_group(void **state)
{
	(void)state;
	assert_int_equal(memcg_destroy(cg), 0);
	stock_drain(NULL);
	while (rcu_pending())
		rcu_poll(true);
	return 0;
}

static struct memcg_ctl *open_one(const char *file)
{
	struct memcg_ctl *ctl = memcg_ctl_open(cg, file);

	assert_non_null(ctl);
	return ctl;
}

static u64 number(struct memcg_ctl *ctl)
{
	char buf[64];

	assert_true(memcg_ctl_read(ctl, buf, sizeof(buf)) > 0);
	return strtoull(buf, NULL, 10);
}

static void reset(struct memcg_ctl *ctl)
{
	assert_int_equal(memcg_ctl_write(ctl, "reset", 5), 0);
}

/* Up to n bytes more and back: nothing ahead, nothing kept. */
static void visit(u64 n)
{
	memcg_uncharge(memcg_charge(cg, n));
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* ---- files ---- */

static void test_as_files(void **state)
{
	char by_name[8192], by_reader[8192];
	size_t i;

	(void)state;
	for (i = 0; i < file_count; i++) {
		const char *name = file_table[i].name;
		struct memcg_ctl *ctl = open_one(name);
		ssize_t n = memcg_read(cg, name, by_name, sizeof(by_name));

		assert_int_equal(memcg_ctl_read(ctl, by_reader, sizeof(by_reader)), n);
		if (n > 0)
			assert_string_equal(by_reader, by_name);
		assert_int_equal(memcg_ctl_write(ctl, "", 0),
				 memcg_write(cg, name, "", 0)); /* -EINVAL or -EACCES */
		memcg_ctl_close(ctl);
	}
	memcg_ctl_close(NULL);
}

static void test_written(void **state)
{
	struct memcg_ctl *max = open_one("memory.max");

	(void)state;
	assert_int_equal(memcg_ctl_write(max, "64K\n", 4), 0);
	assert_int_equal(number(max), 65536);
	assert_int_equal(memcg_ctl_write(max, "1xx", 3), -EINVAL);
	assert_int_equal(number(max), 65536);
	memcg_ctl_close(max);
}

static void test_not_opened(void **state)
{
	struct memcg *gone = memcg_create(cg, "gone");

	(void)state;
	assert_null(memcg_ctl_open(cg, "memory.nothing"));
	assert_int_equal(errno, ENOENT);
	assert_null(memcg_ctl_open(cg, NULL));
	assert_int_equal(errno, ENOENT);
	assert_null(memcg_ctl_open(memcg_root(), "cgroup.type"));
	assert_int_equal(errno, ENOENT);
	memcg_get(gone);
	assert_int_equal(memcg_destroy(gone), 0);
	assert_null(memcg_ctl_open(gone, "memory.max"));
	assert_int_equal(errno, ENODEV);
	memcg_put(gone);
}

/* ---- peaks ---- */

static void test_peaks_of_their_own(void **state)
{
	struct memcg_ctl *r[4];
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++)
		r[i] = open_one("memory.peak");
	visit(50000);
	for (i = 0; i < 4; i++)
		assert_int_equal(number(r[i]), 50000);
	for (i = 0; i < 3; i++)
		reset(r[i]);
	for (i = 0; i < 3; i++)
		assert_int_equal(number(r[i]), 0);
	assert_int_equal(number(r[3]), 50000); /* never reset: everybody's */
	visit(20000);
	reset(r[1]); /* the others keep what they had reached */
	assert_int_equal(number(r[0]), 20000);
	assert_int_equal(number(r[1]), 0);
	assert_int_equal(number(r[2]), 20000);
	visit(10000);
	assert_int_equal(number(r[0]), 20000);
	assert_int_equal(number(r[1]), 10000);
	memcg_ctl_close(r[1]);
	reset(r[3]);
	assert_int_equal(number(r[3]), 0);
	assert_int_equal(number(r[2]), 20000);
	visit(30000);
	assert_int_equal(number(r[0]), 30000);
	assert_int_equal(number(r[2]), 30000);
	assert_int_equal(number(r[3]), 30000);
	assert_int_equal(memcg_peak(cg), 50000);
	memcg_ctl_close(r[0]);
	memcg_ctl_close(r[2]);
	memcg_ctl_close(r[3]);
}

/* Reset before there is any swap, and beside those of memory.peak. */
static void test_swap_peaks(void **state)
{
	struct memcg_ctl *early = open_one("memory.swap.peak");
	struct memcg_ctl *late = open_one("memory.swap.peak");
	struct memcg_ctl *memory = open_one("memory.peak");

	(void)state;
	reset(early);
	assert_int_equal(number(early), 0);
	assert_int_equal(group_vm_need(cg), 0);
	assert_true(swap_charge(cg->handle, 50000));
	swap_uncharge(cg->handle, 50000);
	assert_int_equal(number(early), 50000);
	assert_int_equal(number(late), 50000);
	reset(late);
	assert_int_equal(number(late), 0);
	assert_int_equal(number(early), 50000);
	visit(70000);
	assert_true(swap_charge(cg->handle, 20000));
	reset(memory);
	assert_int_equal(number(memory), 0);
	assert_int_equal(number(late), 20000);
	assert_int_equal(number(early), 50000);
	reset(late);
	assert_int_equal(number(late), 20000); /* which is still there */
	assert_int_equal(number(memory), 0);
	swap_uncharge(cg->handle, 20000);
	memcg_ctl_close(early);
	memcg_ctl_close(late);
	memcg_ctl_close(memory);
}

/* What is there at the reset is the least a peak can be. */
static void test_peak_above_nothing(void **state)
{
	struct memcg_ctl *r = open_one("memory.peak"), *root;
	struct memcg_charge *held = memcg_charge(cg, 7000);

	(void)state;
	visit(1000);
	reset(r);
	assert_int_equal(number(r), 7000);
	memcg_uncharge(held);
	assert_int_equal(number(r), 7000);
	reset(r);
	assert_int_equal(number(r), 0);
	memcg_ctl_close(r);
	root = memcg_ctl_open(memcg_root(), "memory.peak");
	reset(root);
	assert_true(number(root) >= memcg_current(memcg_root()));
	memcg_ctl_close(root);
}

static void test_peak_refused(void **state)
{
	struct memcg_ctl *r = open_one("memory.peak");
	static char text[5000];
	char buf[4];

	(void)state;
	visit(50000);
	assert_int_equal(memcg_ctl_write(r, "", 0), -EINVAL);
	assert_int_equal(memcg_ctl_write(r, NULL, 1), -EINVAL);
	assert_int_equal(memcg_ctl_write(r, text, sizeof(text)), -E2BIG);
	assert_int_equal(number(r), 50000);
	reset(r);
	visit(12345);
	assert_int_equal(memcg_ctl_read(r, buf, 4), -ERANGE);
	assert_int_equal(memcg_ctl_read(r, NULL, 4), -EINVAL);
	assert_int_equal(number(r), 12345);
	memcg_ctl_close(r);
}

/* ---- news ---- */

static void test_events_are_news(void **state)
{
	struct memcg *child = memcg_create(cg, "child");
	struct memcg_ctl *all = open_one("memory.events"), *local = open_one("memory.events.local");
	int fd = memcg_ctl_fd(all), local_fd = memcg_ctl_fd(local);
	char buf[256];

	(void)state;
	assert_true(fd >= 0 && local_fd >= 0);
	assert_int_equal(memcg_ctl_fd(all), fd);
	assert_false(readable(fd));
	group_event(child, EV_LOW);
	assert_true(readable(fd));
	assert_false(readable(local_fd));
	assert_true(memcg_ctl_read(all, buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "low 1\n"));
	assert_false(readable(fd));
	group_event(cg, EV_HIGH);
	group_event(cg, EV_HIGH);
	assert_true(readable(fd));
	assert_true(readable(local_fd));
	assert_true(memcg_ctl_read(local, buf, sizeof(buf)) > 0);
	assert_non_null(strstr(buf, "high 2\n"));
	assert_false(readable(local_fd));
	assert_true(readable(fd)); /* each has its own position */
	memcg_ctl_close(all);
	memcg_ctl_close(local);
	group_event(cg, EV_HIGH);
	assert_int_equal(memcg_destroy(child), 0);
}

static void test_no_news_of_others(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < file_count; i++) {
		struct memcg_ctl *ctl = open_one(file_table[i].name);
		int fd = memcg_ctl_fd(ctl);

		if (file_table[i].flags & FILE_NOTIFIES & ~FILE_PRESSURE)
			assert_true(fd >= 0);
		else
			assert_int_equal(fd, -EOPNOTSUPP);
		memcg_ctl_close(ctl);
	}
}

static void test_the_end_is_news(void **state)
{
	struct memcg_ctl *events, *peak;
	char buf[256];
	int fd;

	make_group(state);
	events = open_one("memory.events");
	peak = open_one("memory.peak");
	reset(peak);
	fd = memcg_ctl_fd(events);
	assert_false(readable(fd));
	assert_int_equal(memcg_destroy(cg), 0);
	assert_true(readable(fd));
	assert_int_equal(memcg_ctl_read(events, buf, sizeof(buf)), -ENODEV);
	assert_int_equal(memcg_ctl_read(peak, buf, sizeof(buf)), -ENODEV);
	assert_int_equal(memcg_ctl_write(peak, "reset", 5), -ENODEV);
	assert_true(readable(fd));
	memcg_ctl_close(events);
	events = memcg_ctl_open(memcg_root(), "memory.events");
	memcg_ctl_close(peak);
	memcg_ctl_close(events);
}

static void test_triggers(void **state)
{
	struct memcg_ctl *ctl = open_one("memory.pressure"), *end = open_one("cgroup.events");
	struct memcg *gone = memcg_create(cg, "gone");
	struct memcg_ctl *of_gone = memcg_ctl_open(gone, "memory.pressure");
	struct psi_stall stall;
	char buf[256];
	int fd;

	(void)state;
	assert_int_equal(memcg_ctl_fd(ctl), -EOPNOTSUPP);
	assert_int_equal(memcg_ctl_write(ctl, "some 1000 100", 13), -EINVAL);
	assert_int_equal(memcg_ctl_fd(ctl), -EOPNOTSUPP);
	assert_int_equal(memcg_ctl_write(ctl, "some 1000 10000000", 18), 0);
	assert_int_equal(memcg_ctl_write(ctl, "some 1000 10000000", 18), -EBUSY);
	fd = memcg_ctl_fd(ctl);
	assert_true(fd >= 0);
	assert_false(readable(fd));
	psi_begin(&stall, cg);
	usleep(5000); /* at least: the trigger asks for 1 ms */
	psi_end(&stall);
	assert_true(readable(fd));
	assert_true(memcg_ctl_read(ctl, buf, sizeof(buf)) > 0);
	assert_int_equal(strncmp(buf, "some avg10=", 11), 0);
	assert_non_null(strstr(buf, "\nfull avg10="));
	assert_null(strstr(buf, " total=0\n"));
	assert_false(readable(fd));
	memcg_ctl_close(ctl);
	psi_begin(&stall, cg);
	psi_end(&stall);
	assert_int_equal(memcg_ctl_write(of_gone, "full 1000 500000", 16), 0);
	assert_int_equal(memcg_destroy(gone), 0);
	assert_true(readable(memcg_ctl_fd(of_gone)));
	assert_false(readable(memcg_ctl_fd(end)));
	memcg_ctl_close(of_gone);
	memcg_ctl_close(end);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_descriptors_that_cannot_be_had(void **state)
{
	static const enum sys_call calls[] = {SYS_FAULT_EVENTFD, SYS_FAULT_DUP};
	struct memcg_ctl *ctl = open_one("memory.events");
	unsigned before, i;

	(void)state;
	rcu_poll(true); /* what earlier groups still have open is closed now, not later */
	before = open_fds();
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		sys_fault_arm(calls[i], 1, 0, 0, 0);
		assert_int_equal(memcg_ctl_fd(ctl), -EMFILE);
		sys_fault_disarm_all();
		assert_int_equal(open_fds(), before);
	}
	assert_true(memcg_ctl_fd(ctl) >= 0);
	memcg_ctl_close(ctl);
	ctl = open_one("memory.pressure");
	for (i = 1; i <= 2; i++) {
		sys_fault_arm(SYS_FAULT_DUP, i, 0, 0, 0);
		assert_int_equal(memcg_ctl_write(ctl, "some 1000 500000", 16), -EMFILE);
		sys_fault_disarm_all();
		assert_int_equal(open_fds(), before);
	}
	assert_int_equal(memcg_ctl_write(ctl, "some 1000 500000", 16), 0);
	memcg_ctl_close(ctl);
	assert_int_equal(open_fds(), before);
}

/* The child's reader is told by a descriptor of its own; the parent's stays the parent's. */
static void test_fork(void **state)
{
	struct memcg_ctl *ctl = open_one("memory.events"), *peak = open_one("memory.peak");
	struct memcg_ctl *pressure = open_one("memory.pressure");
	int fd = memcg_ctl_fd(ctl), status;
	char buf[256];
	pid_t pid;

	(void)state;
	visit(50000);
	reset(peak);
	assert_int_equal(memcg_ctl_write(pressure, "some 1000 500000", 16), 0);
	pid = fork();
	if (!pid) {
		bool good = memcg_ctl_read(ctl, buf, sizeof(buf)) > 0;
		int mine = memcg_ctl_fd(ctl);

		group_event(cg, EV_LOW);
		good &= mine >= 0 && readable(mine);
		good &= memcg_ctl_read(ctl, buf, sizeof(buf)) > 0 && !readable(mine);
		good &= memcg_ctl_read(peak, buf, sizeof(buf)) > 0 && !strcmp(buf, "0\n");
		good &= memcg_ctl_write(pressure, "some 1000 500000", 16) == 0; /* as new */
		memcg_ctl_close(ctl);
		memcg_ctl_close(peak);
		memcg_enter(cg); /* the one thread there is, by its new number */
		good &= memcg_read(cg, "cgroup.threads", buf, sizeof(buf)) > 0 &&
			atoi(buf) == (int)getpid();
		_exit(good ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_false(readable(fd));
	group_event(cg, EV_LOW);
	assert_true(readable(fd));
	memcg_ctl_close(ctl);
	memcg_ctl_close(pressure);
	memcg_ctl_close(peak);
}

/* ---- all at once ---- */

#define ROUNDS 3000u

static void *come_and_go(void *arg)
{
	uintptr_t wrong = 0;
	unsigned i;

	(void)arg;
	for (i = 0; i < effort(ROUNDS); i++) {
		struct memcg_ctl *peak = memcg_ctl_open(cg, "memory.peak");
		struct memcg_ctl *events = memcg_ctl_open(cg, "memory.events");
		char buf[256];

		if (!peak || !events)
			return (void *)1;
		wrong += memcg_ctl_write(peak, "r", 1) != 0;
		visit(4096);
		wrong += memcg_ctl_read(peak, buf, sizeof(buf)) <= 0 || atol(buf) < 4096;
		if (i % 8 == 0)
			wrong += memcg_ctl_fd(events) < 0;
		group_event(cg, EV_LOW);
		wrong += memcg_ctl_read(events, buf, sizeof(buf)) <= 0;
		memcg_ctl_close(peak);
		memcg_ctl_close(events);
	}
	return (void *)wrong;
}

static void test_come_and_go(void **state)
{
	pthread_t thread[3];
	void *wrong;
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, NULL), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_null(group_record(cg)->peak_readers);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_group, drop_group)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_as_files),
		TEST(test_written),
		TEST(test_not_opened),
		TEST(test_peaks_of_their_own),
		TEST(test_swap_peaks),
		TEST(test_peak_above_nothing),
		TEST(test_peak_refused),
		TEST(test_events_are_news),
		TEST(test_no_news_of_others),
		TEST(test_triggers),
		cmocka_unit_test(test_the_end_is_news),
		TEST(test_descriptors_that_cannot_be_had),
		TEST(test_fork),
		TEST(test_come_and_go),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
