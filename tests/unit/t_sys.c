/* t_sys.c - the system calls: what they promise, and each of them failing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "sys/clock.h"
#include "sys/cpu.h"
#include "sys/fault.h"
#include "sys/file.h"
#include "sys/futex.h"
#include "sys/log.h"
#include "sys/map.h"

static int disarm(void **state)
{
	(void)state;
	sys_fault_disarm_all();
	return 0;
}

static bool all_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* ---- map ----------------------------------------------------------------- */

static void reserve_is_aligned_and_opens(void **state)
{
	(void)state;
	for (size_t align = PAGE_SIZE; align <= 64 * MIB; align *= 4) {
		char *p = sys_reserve(4 * MIB, align);

		assert_non_null(p);
		assert_true(IS_ALIGNED((uintptr_t)p, align));
		assert_int_equal(sys_open_range(p, 2 * PAGE_SIZE), 0);
		p[2 * PAGE_SIZE - 1] = 1;
		sys_unmap(p, 4 * MIB);
	}
}

static void reserve_keeps_the_last_byte(void **state)
{
	char *p = sys_reserve(3 * PAGE_SIZE + 1, 2 * MIB);

	(void)state;
	assert_non_null(p);
	assert_int_equal(sys_open_range(p, 4 * PAGE_SIZE), 0);
	p[3 * PAGE_SIZE] = 1;
	sys_unmap(p, 4 * PAGE_SIZE);
}

static void reserve_refuses_what_cannot_be(void **state)
{
	(void)state;
	errno = 0;
	assert_null(sys_reserve(SIZE_MAX - PAGE_SIZE, 2 * MIB));
	assert_int_equal(errno, ENOMEM);
	assert_null(sys_reserve((size_t)1 << 60, PAGE_SIZE));
	assert_null(sys_map(0));
	assert_int_equal(errno, EINVAL);
}

static void purge_reads_zero(void **state)
{
	char *p = sys_map(4 * PAGE_SIZE);

	(void)state;
	assert_non_null(p);
	assert_true(all_zero(p, 4 * PAGE_SIZE));
	memset(p, 7, 4 * PAGE_SIZE);
	assert_int_equal(sys_purge(p + PAGE_SIZE, 2 * PAGE_SIZE), 0);
	assert_int_equal(p[PAGE_SIZE - 1], 7);
	assert_true(all_zero(p + PAGE_SIZE, 2 * PAGE_SIZE));
	assert_int_equal(p[3 * PAGE_SIZE], 7);
	sys_unmap(p, 4 * PAGE_SIZE);
}

static void success_keeps_errno(void **state)
{
	u32 word = 0;
	char *p, text[8];

	(void)state;
	errno = 4242;
	p = sys_reserve(MIB, 2 * MIB);
	assert_int_equal(sys_open_range(p, MIB), 0);
	assert_int_equal(sys_purge(p, MIB), 0);
	sys_unmap(p, MIB);
	sys_futex_wake(&word, 1);
	assert_int_equal(sys_futex_wait(&word, 1, 0), -EAGAIN);
	assert_true(sys_membarrier(MEMBARRIER_CMD_QUERY, 0, 0) >= 0);
	assert_int_equal(sys_read_text("/nonexistent", text, sizeof(text)), -ENOENT);
	assert_int_equal(sys_open_range((void *)1, 1), -EINVAL);
	sys_cpu_this();
	sys_sleep_ns(1);
	assert_int_equal(errno, 4242);
}

/* ---- fault --------------------------------------------------------------- */

/* One call of each kind: 0, or the error it gave. */
static int call_once(enum sys_call call)
{
	static char page[2 * 4096] __aligned_(4096);
	static u32 word;
	char text[32]; /* more than a name has: what is longer is refused */
	void *p;
	int r, err;

	errno = 0;
	switch (call) {
	case SYS_FAULT_RESERVE:
		p = sys_reserve(MIB, PAGE_SIZE);
		return p ? (sys_unmap(p, MIB), 0) : -errno;
	case SYS_FAULT_OPEN_RANGE:
		return sys_open_range(page, PAGE_SIZE);
	case SYS_FAULT_PURGE:
		return sys_purge(page, PAGE_SIZE);
	case SYS_FAULT_MAP:
		p = sys_map(PAGE_SIZE);
		return p ? (sys_unmap(p, PAGE_SIZE), 0) : -errno;
	case SYS_FAULT_FUTEX:
		return sys_futex_wait(&word, 1, 0) == -EAGAIN ? 0 : -EINTR;
	case SYS_FAULT_MEMBARRIER:
		r = sys_membarrier(MEMBARRIER_CMD_QUERY, 0, 0);
		return r < 0 ? r : 0;
	case SYS_FAULT_OPEN:
	case SYS_FAULT_READ:
		r = sys_read_text("/proc/self/comm", text, sizeof(text));
		return r < 0 ? r : 0;
	case SYS_FAULT_WRITE:
		r = open("/dev/null", O_WRONLY | O_CLOEXEC);
		err = sys_write_full(r, "x", 1);
		close(r);
		return err;
	case SYS_FAULT_EVENTFD:
		r = sys_eventfd();
		if (r < 0)
			return r;
		sys_close(r);
		return 0;
	case SYS_FAULT_DUP:
		r = sys_dup(2);
		if (r < 0)
			return r;
		sys_close(r);
		return 0;
	default:
		return 0;
	}
}

static void nth_call_fails_with_its_own_error(void **state)
{
	static const struct {
		enum sys_call call;
		int err;
	} cases[] = {
		{SYS_FAULT_RESERVE, -ENOMEM}, {SYS_FAULT_OPEN_RANGE, -ENOMEM},
		{SYS_FAULT_PURGE, -EINVAL},   {SYS_FAULT_MAP, -ENOMEM},
		{SYS_FAULT_FUTEX, -EINTR},    {SYS_FAULT_MEMBARRIER, -ENOSYS},
		{SYS_FAULT_OPEN, -EMFILE},    {SYS_FAULT_READ, -EIO},
		{SYS_FAULT_WRITE, -ENOSPC},   {SYS_FAULT_EVENTFD, -EMFILE},
		{SYS_FAULT_DUP, -EMFILE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum sys_call call = cases[i].call;
		u64 each;

		/* Some take more than one call of the kind; the nth is about calls. */
		sys_fault_arm(call, 0, 0, 0, 0);
		assert_int_equal(call_once(call), 0);
		each = sys_fault_seen(call);
		sys_fault_arm(call, 2 * each + 1, 0, 0, 0);
		assert_int_equal(call_once(call), 0);
		assert_int_equal(call_once(call), 0);
		assert_int_equal(call_once(call), cases[i].err);
		assert_int_equal(call_once(call), 0);
		assert_int_equal(sys_fault_count(call), 1);
		sys_fault_disarm_all();
		assert_int_equal(sys_fault_count(call), 0);
	}
}

static void failed_unmap_leaves_the_range(void **state)
{
	char *p = sys_map(PAGE_SIZE);
	unsigned char resident;

	(void)state;
	sys_fault_arm(SYS_FAULT_UNMAP, 1, 0, 0, 0);
	sys_unmap(p, PAGE_SIZE);
	p[0] = 1;
	assert_int_equal(sys_fault_count(SYS_FAULT_UNMAP), 1);
	sys_unmap(p, PAGE_SIZE);
	assert_int_equal(mincore(p, PAGE_SIZE, &resident), -1);
	assert_int_equal(errno, ENOMEM); /* nothing is mapped there */
}

static void every_counts_from_the_nth(void **state)
{
	static const char want[] = "..x...x...x.";

	(void)state;
	sys_fault_arm(SYS_FAULT_MAP, 3, 4, 0, 0);
	for (size_t i = 0; want[i]; i++)
		assert_int_equal(call_once(SYS_FAULT_MAP), want[i] == 'x' ? -ENOMEM : 0);
	sys_fault_arm(SYS_FAULT_MAP, 0, 2, 0, 0);
	assert_int_equal(call_once(SYS_FAULT_MAP), 0);
	assert_int_equal(call_once(SYS_FAULT_MAP), -ENOMEM);
}

static void probability_is_near_and_repeats(void **state)
{
	bool first[2000];
	u64 failed;

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		sys_fault_arm(SYS_FAULT_MEMBARRIER, 0, 0, 100000, 42);
		for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
			bool hit = call_once(SYS_FAULT_MEMBARRIER) != 0;

			if (pass)
				assert_int_equal(hit, first[i]);
			first[i] = hit;
		}
		failed = sys_fault_count(SYS_FAULT_MEMBARRIER);
		assert_in_range(failed, 140, 260);
	}
	sys_fault_arm(SYS_FAULT_MEMBARRIER, 0, 0, 1000000, 1);
	assert_int_equal(call_once(SYS_FAULT_MEMBARRIER), -ENOSYS);
}

static void parse_arms_what_it_names(void **state)
{
	(void)state;
	assert_int_equal(sys_fault_parse(""), 0);
	assert_false(sys_fault_armed);
	assert_int_equal(sys_fault_parse("map:nth=2,membarrier:p=1000000ppm:seed=9"), 0);
	assert_int_equal(call_once(SYS_FAULT_MAP), 0);
	assert_int_equal(call_once(SYS_FAULT_MAP), -ENOMEM);
	assert_int_equal(call_once(SYS_FAULT_MEMBARRIER), -ENOSYS);
	assert_int_equal(call_once(SYS_FAULT_RESERVE), 0);
}

static void parse_error_changes_nothing(void **state)
{
	static const char *const bad[] = {
		"map",
		"map:",
		"map:nth",
		"map:nth=",
		"map:nth=x",
		"map:nth=1,",
		"mop:nth=1",
		"map:p=5",
		"map:p=1000001ppm",
		",",
		"map:nth=1 ",
		"map:nth=-1",
		"map:nth=1:",
		"map:nth=1,map:nth=2",
		":nth=1",
		"map:nth=99999999999999999999",
		"map:nth=1,open:nth",
		"mapp:nth=1",
		"ma:nth=1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(sys_fault_parse(bad[i]), -EINVAL);
		assert_false(sys_fault_armed);
	}
	assert_int_equal(sys_fault_parse("map:nth=1"), 0);
	assert_int_equal(sys_fault_parse("map:nth=7,open"), -EINVAL);
	assert_int_equal(call_once(SYS_FAULT_MAP), -ENOMEM);
}

/* ---- futex, clock, cpu ------------------------------------------------------ */

static void *wake_later(void *arg)
{
	sys_sleep_ns(5000000);
	__atomic_store_n((u32 *)arg, 1, __ATOMIC_RELEASE);
	sys_futex_wake(arg, 1);
	return NULL;
}

static void futex_waits_for_wake_or_time(void **state)
{
	u32 word = 0;
	u64 t = sys_clock_ns();
	pthread_t thread;

	(void)state;
	assert_int_equal(sys_futex_wait(&word, 0, 3000000), -ETIMEDOUT);
	assert_true(sys_clock_ns() - t >= 3000000);
	assert_int_equal(pthread_create(&thread, NULL, wake_later, &word), 0);
	while (!__atomic_load_n(&word, __ATOMIC_ACQUIRE))
		sys_futex_wait(&word, 0, 0);
	pthread_join(thread, NULL);
	sys_futex_wake((u32 *)NULL, 1); /* unmapped: no error, no harm */
}

static void clocks_go_forward(void **state)
{
	u64 a = sys_clock_coarse_ns(), b = sys_clock_ns();

	(void)state;
	assert_true(a <= b);
	sys_sleep_ns(2000000);
	assert_true(sys_clock_ns() >= b + 2000000);
}

static void cpu_lists_are_read(void **state)
{
	static const struct {
		const char *list;
		unsigned count;
	} cases[] = {
		{"0\n", 1},  {"0-3\n", 4}, {"0-3,8-11\n", 12}, {"8-11,0-3", 12},   {"5", 6},
		{"", 0},     {"\n", 0},	   {"0-", 0},	       {"x", 0},	   {"0,", 0},
		{"0-3 ", 0}, {"-1", 0},	   {"16384", 0},       {"99999999999", 0}, {"16383", 16384},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(sys_cpu_parse_list(cases[i].list), cases[i].count);
}

static void cpus_are_known_without_sysfs(void **state)
{
	unsigned n = sys_cpu_possible();

	(void)state;
	assert_true(n > sys_cpu_this());
	sys_fault_arm(SYS_FAULT_OPEN, 1, 1, 0, 0);
	assert_in_range(sys_cpu_possible(), 1, n);
	assert_true(sys_cpu_possible() > sys_cpu_this());
	sys_fault_disarm_all();
	sys_fault_arm(SYS_FAULT_READ, 1, 1, 0, 0);
	assert_true(sys_cpu_possible() > sys_cpu_this());
}

/* ---- file ------------------------------------------------------------------ */

static void *write_in_pieces(void *arg)
{
	for (int i = 0; i < 4; i++) {
		sys_sleep_ns(1000000);
		assert_int_equal(sys_write_full(*(int *)arg, "abcd", 4), 0);
	}
	close(*(int *)arg);
	return NULL;
}

static void reads_go_on_to_the_end(void **state)
{
	char buf[32];
	int fds[2];
	pthread_t thread;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_in_pieces, &fds[1]), 0);
	assert_int_equal(sys_read_full(fds[0], buf, 10), 10);
	assert_memory_equal(buf, "abcdabcdab", 10);
	assert_int_equal(sys_read_full(fds[0], buf, sizeof(buf)), 6);
	assert_int_equal(sys_read_full(fds[0], buf, sizeof(buf)), 0);
	pthread_join(thread, NULL);
	sys_close(fds[0]);
	assert_int_equal(sys_read_full(fds[0], buf, 1), -EBADF);
	assert_int_equal(sys_write_full(fds[0], buf, 1), -EBADF);
}

static void text_fits_or_says_so(void **state)
{
	char path[] = "/tmp/t_sys.XXXXXX", buf[16];
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(sys_write_full(fd, "0123456789", 10), 0);
	assert_int_equal(sys_read_text(path, buf, 11), 10);
	assert_string_equal(buf, "0123456789");
	assert_int_equal(sys_read_text(path, buf, 10), -EFBIG);
	assert_string_equal(buf, "012345678");
	assert_int_equal(sys_pread_full(fd, buf, 16, 7), 3);
	assert_memory_equal(buf, "789", 3);
	sys_fault_arm(SYS_FAULT_READ, 1, 0, 0, 0);
	assert_int_equal(sys_read_text(path, buf, sizeof(buf)), -EIO);
	assert_string_equal(buf, "");
	sys_fault_arm(SYS_FAULT_READ, 1, 0, 0, 0);
	assert_int_equal(sys_pread_full(fd, buf, 1, 0), -EIO);
	close(fd);
	unlink(path);
}

static void descriptors_close_on_exec(void **state)
{
	int fd = sys_open("/dev/null", O_RDWR, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	sys_close(fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void full_device_is_reported(void **state)
{
	int fd = sys_open("/dev/full", O_WRONLY, 0);

	(void)state;
	assert_int_equal(sys_write_full(fd, "x", 1), -ENOSPC);
	sys_close(fd);
}

/* ---- eventfd --------------------------------------------------------------- */

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_in_range(poll(&p, 1, 0), 0, 1);
	return p.revents & POLLIN;
}

static void eventfds_are_signalled_and_duplicated(void **state)
{
	int fd = sys_eventfd(), other = sys_dup(fd);
	u64 n;

	(void)state;
	assert_true(fd >= 0 && other >= 0 && fd != other);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC && fcntl(other, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_false(readable(fd));
	errno = 4242;
	assert_int_equal(sys_eventfd_signal(other), 0);
	assert_int_equal(sys_eventfd_signal(other), 0);
	assert_true(readable(fd));
	assert_int_equal(sys_read_full(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 2);
	assert_int_equal(sys_read_full(fd, &n, sizeof(n)), -EAGAIN);
	assert_int_equal(errno, 4242);
	sys_close(other);
	assert_int_equal(sys_dup(other), -EBADF);
	assert_int_equal(sys_eventfd_signal(other), -EBADF);
	assert_int_equal(sys_eventfd_signal(fd), 0);
	sys_close(fd);
}

/* A counter that is full does not block who signals, and is readable. */
static void a_full_eventfd_is_signalled_already(void **state)
{
	u64 full = UINT64_MAX - 1;
	int fd = sys_eventfd();

	(void)state;
	assert_int_equal(sys_write_full(fd, &full, sizeof(full)), 0);
	assert_int_equal(sys_eventfd_signal(fd), 0);
	assert_true(readable(fd));
	sys_fault_arm(SYS_FAULT_WRITE, 1, 0, 0, 0);
	assert_int_equal(sys_eventfd_signal(fd), -ENOSPC);
	sys_close(fd);
}

/* ---- log ------------------------------------------------------------------- */

static void say_three_lines(void)
{
	char big[2 * LOG_LINE_MAX];

	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	errno = 77;
	log_line("%s %d", "one", 1);
	log_line("%s", big);
	if (errno != 77)
		log_line("errno changed");
}

static void lines_are_whole(void **state)
{
	char buf[4 * LOG_LINE_MAX];
	int fds[2], saved = dup(2);
	ssize_t n;

	(void)state;
	/* A pipe of packets: each read returns what one write wrote. */
	assert_int_equal(pipe2(fds, O_DIRECT), 0);
	dup2(fds[1], 2);
	say_three_lines();
	dup2(saved, 2);
	close(fds[1]);
	n = read(fds[0], buf, sizeof(buf));
	assert_int_equal(n, 16);
	assert_memory_equal(buf, "libmemcg: one 1\n", 16);
	n = read(fds[0], buf, sizeof(buf));
	assert_in_range(n, LOG_LINE_MAX - 2, LOG_LINE_MAX);
	assert_memory_equal(buf + n - 5, "b...\n", 5);
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 0);
	close(fds[0]);
	close(saved);
}

static void line_without_stderr_is_lost_quietly(void **state)
{
	int saved = dup(2);

	(void)state;
	close(2);
	errno = 5;
	log_line("nobody reads this");
	assert_int_equal(errno, 5);
	dup2(saved, 2);
	close(saved);
}

static jmp_buf away;
static char bug_line[LOG_LINE_MAX];

static void catch_bug(const char *line)
{
	snprintf(bug_line, sizeof(bug_line), "%s", line);
	longjmp(away, 1);
}

static void bug_goes_to_the_hook(void **state)
{
	volatile int impossible = 1;

	(void)state;
	log_bug_hook = catch_bug;
	if (!setjmp(away)) {
		BUG_ON(impossible);
		fail();
	}
	log_bug_hook = NULL;
	assert_non_null(strstr(bug_line, "libmemcg: "));
	assert_non_null(strstr(bug_line, "impossible: impossible\n"));
}

static void ignore_signal(int sig)
{
	(void)sig;
}

static void die_blocked(void)
{
	struct rlimit none = {0, 0};
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, ignore_signal);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	close(2);
	memcg_bug("last words");
}

static void bug_ends_the_process_whatever_it_blocks(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		die_blocked();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

#define T(f) cmocka_unit_test_teardown(f, disarm)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reserve_is_aligned_and_opens),
		T(reserve_keeps_the_last_byte),
		T(reserve_refuses_what_cannot_be),
		T(purge_reads_zero),
		T(success_keeps_errno),
		T(nth_call_fails_with_its_own_error),
		T(failed_unmap_leaves_the_range),
		T(every_counts_from_the_nth),
		T(probability_is_near_and_repeats),
		T(parse_arms_what_it_names),
		T(parse_error_changes_nothing),
		T(futex_waits_for_wake_or_time),
		T(clocks_go_forward),
		T(cpu_lists_are_read),
		T(cpus_are_known_without_sysfs),
		T(reads_go_on_to_the_end),
		T(text_fits_or_says_so),
		T(descriptors_close_on_exec),
		T(full_device_is_reported),
		T(eventfds_are_signalled_and_duplicated),
		T(a_full_eventfd_is_signalled_already),
		T(lines_are_whole),
		T(line_without_stderr_is_lost_quietly),
		T(bug_goes_to_the_hook),
		T(bug_ends_the_process_whatever_it_blocks),
	};

	return cmocka_run_group_tests_name("sys", tests, NULL, NULL);
}
