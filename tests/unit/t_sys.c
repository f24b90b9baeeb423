/* t_sys.c - the system calls: what they promise. */
#include "sys_fixture.h"

#include <poll.h>

#include "sys/clock.h"

static bool all_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* --- map ----------------------------------------------------------------------------- */

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

/* --- futex, clock, cpu --------------------------------------------------------------- */

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

/* --- file ---------------------------------------------------------------------------- */

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

/* --- eventfd ------------------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reserve_is_aligned_and_opens),
		T(reserve_keeps_the_last_byte),
		T(reserve_refuses_what_cannot_be),
		T(purge_reads_zero),
		T(success_keeps_errno),
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
	};

	return cmocka_run_group_tests_name("sys", tests, NULL, NULL);
}
