/* t_sys_fault.c - each system call failing on demand: which, when, how often, and no other. */
#include "sys_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nth_call_fails_with_its_own_error), T(failed_unmap_leaves_the_range),
		T(every_counts_from_the_nth),	      T(probability_is_near_and_repeats),
		T(parse_arms_what_it_names),	      T(parse_error_changes_nothing),
	};

	return cmocka_run_group_tests_name("sys_fault", tests, NULL, NULL);
}
