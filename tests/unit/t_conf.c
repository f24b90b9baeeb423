/*
 * t_conf.c - settings from the environment and from the program. The library comes up once in a
 * process, so each case is a child with an environment of its own; it starts this program again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "alloc/guard.h"
#include "alloc/thread.h"
#include "ctl/conf.h"
#include "group/group.h"
#include "net/borrow.h"
#include "page/page.h"
#include "sync/percpu.h"
#include "sys/fault.h"
#include "vm/move.h"
#include "vm/swap_open.h"

static const char *self;
static char said[4096]; /* what the last child wrote to descriptor 2 */

/* ---- a child ---- */

static size_t read_all(int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(fd);
	return len;
}

/* Runs body with descriptor 2 in a pipe; its exit status, or minus the signal. */
static int in_child(int (*body)(const void *), const void *arg)
{
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		_exit(body(arg));
	}
	close(ends[1]);
	read_all(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static unsigned lines_said(void)
{
	const char *at = said;
	unsigned n = 0;

	while ((at = strchr(at, '\n')))
		at++, n++;
	return n;
}

/* ---- the environment ---- */

struct row {
	const char *variable, *text;
	u64 *value;
	u64 want;
};

static int comes_up_with(const void *arg)
{
	const struct row *r = arg;

	setenv(r->variable, r->text, 1);
	memcg_root();
	return *r->value == r->want ? 0 : 1;
}

static void test_good_values(void **state)
{
	static const struct row rows[] = {
		{"MEMCG_MAX", "64M", &conf.max, 64 * MIB},
		{"MEMCG_MAX", "max", &conf.max, MEMCG_UNLIMITED},
		{"MEMCG_HIGH", "1g", &conf.high, GIB},
		{"MEMCG_REGION", "1G", &conf.region, GIB},
		{"MEMCG_PCPU", "portable", &conf.pcpu, 1},
		{"MEMCG_PCPU", "rseq", &conf.pcpu, 2},
		{"MEMCG_UNACCOUNTED", "1", &conf.unaccounted, 1},
		{"MEMCG_UNACCOUNTED", "0", &conf.unaccounted, 0},
		{"MEMCG_PURGE_MS", "250", &conf.purge_ms, 250},
		{"MEMCG_PROMOTE", "0", &conf.promote, 0},
		{"MEMCG_PROMOTE", "1", &conf.promote, 1},
		{"MEMCG_GUARDS", "marks", &conf.guard_pages, 0},
		{"MEMCG_GUARDS", "pages", &conf.guard_pages, 1},
		{"MEMCG_SWAP_SIZE", "256M", &conf.swap_size, 256 * MIB},
		{"MEMCG_SWAP_SIZE", "0", &conf.swap_size, 0},
		{"MEMCG_SWAP_SIZE", "max", &conf.swap_size, MEMCG_UNLIMITED},
		{"MEMCG_MOVE_RATE", "100M", &conf.move_rate, 100 * MIB},
		{"MEMCG_ZEROCOPY_RECV", "1", &conf.zerocopy_recv, 1},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(in_child(comes_up_with, &rows[i]), 0);
		assert_string_equal(said, "");
	}
}

/* One line that names variable, value and what is wanted; and the default as if it were not set. */
static void test_bad_values(void **state)
{
	static const struct row rows[] = {
		{"MEMCG_MAX", "12Q", &conf.max, 0},
		{"MEMCG_MAX", "", &conf.max, 0},
		{"MEMCG_MAX", "-1", &conf.max, 0},
		{"MEMCG_HIGH", "16E", &conf.high, 0},
		{"MEMCG_REGION", "lots", &conf.region, 0},
		{"MEMCG_PCPU", "Rseq", &conf.pcpu, 0},
		{"MEMCG_PCPU", "", &conf.pcpu, 0},
		{"MEMCG_UNACCOUNTED", "2", &conf.unaccounted, 0},
		{"MEMCG_UNACCOUNTED", "yes", &conf.unaccounted, 0},
		{"MEMCG_PURGE_MS", "1.5", &conf.purge_ms, 1000},
		{"MEMCG_PROMOTE", "10", &conf.promote, 1},
		{"MEMCG_GUARDS", "pagesize", &conf.guard_pages, 0},
		{"MEMCG_SWAP_SIZE", "much", &conf.swap_size, GIB},
		{"MEMCG_MOVE_RATE", "fast", &conf.move_rate, 0},
		{"MEMCG_ZEROCOPY_RECV", "yes", &conf.zerocopy_recv, 0},
	};
	char start[64];
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(in_child(comes_up_with, &rows[i]), 0);
		assert_int_equal(lines_said(), 1);
		snprintf(start, sizeof(start), "libmemcg: %s=%s:", rows[i].variable, rows[i].text);
		assert_memory_equal(said, start, strlen(start));
		assert_non_null(strstr(said, "want"));
	}
}

/* ---- paths ---- */

static int comes_up_with_file(const void *path)
{
	setenv("MEMCG_SWAP_FILE", path, 1);
	memcg_root();
	setenv("MEMCG_SWAP_FILE", "/elsewhere", 1); /* it was copied */
	if (!*conf.swap_file)
		return swap_setup.file ? 1 : 10;
	return !strcmp(conf.swap_file, path) && swap_setup.file == conf.swap_file ? 11 : 2;
}

static int comes_up_with_temp(const void *dir)
{
	setenv("TMPDIR", dir, 1);
	memcg_root();
	setenv("TMPDIR", "/elsewhere", 1);
	if (swap_setup.dir != conf.temp_dir || swap_setup.file)
		return 1;
	return !strcmp(conf.temp_dir, dir) ? 11 : strcmp(conf.temp_dir, "/tmp") ? 2 : 10;
}

static char long_path[4200];

static void test_paths(void **state)
{
	(void)state;
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[0] = '/';
	assert_int_equal(in_child(comes_up_with_file, "/var/swap file"), 11);
	assert_string_equal(said, "");
	assert_int_equal(in_child(comes_up_with_file, long_path), 10);
	assert_int_equal(lines_said(), 1);
	long_path[4095] = '\0'; /* the longest there is */
	assert_int_equal(in_child(comes_up_with_file, long_path), 11);
	assert_int_equal(in_child(comes_up_with_file, "here"), 10);
	assert_string_equal(said, "libmemcg: MEMCG_SWAP_FILE=here: not understood "
				  "(want an absolute path); ignored\n");
	assert_int_equal(in_child(comes_up_with_file, ""), 10);
	assert_int_equal(lines_said(), 1);
	/* The system's own variable: what is no path there is no mistake of anybody's. */
	assert_int_equal(in_child(comes_up_with_temp, "/var/tmp"), 11);
	assert_int_equal(in_child(comes_up_with_temp, "here"), 10);
	assert_int_equal(in_child(comes_up_with_temp, ""), 10);
	assert_string_equal(said, "");
}

static int check_effects(const void *arg)
{
	u64 max, high;

	(void)arg;
	setenv("MEMCG_MAX", "100M", 1);
	setenv("MEMCG_HIGH", "50M", 1);
	setenv("MEMCG_PCPU", "portable", 1);
	setenv("MEMCG_UNACCOUNTED", "1", 1);
	setenv("MEMCG_PURGE_MS", "77", 1);
	setenv("MEMCG_PROMOTE", "0", 1);
	setenv("MEMCG_GUARDS", "pages", 1);
	setenv("MEMCG_REGION", "256M", 1);
	setenv("MEMCG_SWAP_SIZE", "77M", 1);
	setenv("MEMCG_MOVE_RATE", "78M", 1);
	setenv("MEMCG_ZEROCOPY_RECV", "1", 1);
	memcg_get_limit(memcg_root(), MEMCG_MAX, &max);
	memcg_get_limit(memcg_root(), MEMCG_HIGH, &high);
	return !(max == 100 * MIB && high == 50 * MIB && pcpu_backend == PCPU_PORTABLE &&
		 accounting_off && page_purge_ms == 77 && promote_off && guards_by_pages &&
		 regn.span <= 256 * MIB && swap_setup.size == 77 * MIB && move_rate == 78 * MIB &&
		 borrow_on);
}

/* A value that is read does something. */
static void test_each_has_its_effect(void **state)
{
	(void)state;
	assert_int_equal(in_child(check_effects, NULL), 0);
	assert_string_equal(said, "");
}

static int with_fail(const void *arg)
{
	setenv("MEMCG_FAIL", arg, 1);
	memcg_root();
	return sys_fault_armed;
}

static void test_failures_on_demand(void **state)
{
	(void)state;
	assert_int_equal(in_child(with_fail, "purge:nth=1000000"), 1);
	assert_string_equal(said, "");
	assert_int_equal(in_child(with_fail, "nothing:nth=1"), 0);
	assert_int_equal(lines_said(), 1);
	assert_non_null(strstr(said, "MEMCG_FAIL=nothing:nth=1: not understood"));
}

/* ---- secure execution ---- */

#define HEEDED	10 /* a sanitizer that cannot start exits with 1 */
#define IGNORED 11

/* This program again, as the child sees itself after exec. */
static int report_max(void)
{
	memcg_root();
	if (!conf.max == !!*conf.swap_file || strcmp(conf.temp_dir, conf.max ? "/var" : "/tmp"))
		return 12; /* one is heeded and the other is not */
	return conf.max || sys_fault_armed ? HEEDED : IGNORED;
}

static int exec_copy(const void *path)
{
	setenv("MEMCG_MAX", "64M", 1);
	setenv("MEMCG_SWAP_FILE", "/somewhere", 1);
	setenv("TMPDIR", "/var", 1);
	setenv("MEMCG_FAIL", "purge:nth=1000000", 1);
	execl(path, path, "--report-max", (char *)NULL);
	return 99;
}

static bool copy_self(const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp '%s' '%s'", self, to);
	return system(command) == 0; /* NOLINT: names of our own making */
}

/* A set-user-ID copy does not let whoever starts it choose its limits. */
static void test_ignored_in_secure_execution(void **state)
{
	char dir[] = "/tmp/t_conf.XXXXXX", path[64];
	int plain = -1, secure = -1;

	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can make a program that changes its user */
	assert_non_null(mkdtemp(dir));
	chmod(dir, 0755);
	snprintf(path, sizeof(path), "%s/copy", dir);
	if (copy_self(path)) {
		plain = in_child(exec_copy, path);
		if (chown(path, 65534, 65534) == 0 && chmod(path, 04755) == 0)
			secure = in_child(exec_copy, path);
	}
	unlink(path);
	rmdir(dir);
	assert_int_equal(plain, HEEDED);
	if (secure != IGNORED)
		print_error("is /tmp mounted nosuid? %s", said);
	assert_int_equal(secure, IGNORED);
}

/* ---- memcg_init ---- */

static int init_wins(const void *arg)
{
	struct memcg_config c = MEMCG_CONFIG_INIT;
	u64 max, high;

	(void)arg;
	setenv("MEMCG_MAX", "1M", 1);
	setenv("MEMCG_HIGH", "50M", 1);
	c.max = 200 * MIB;
	c.pcpu = 1;
	c.unaccounted = 1;
	c.purge_ms = 5;
	c.region = 512 * MIB;
	c.swap_file = "/some/file";
	c.swap_size = 3 * MIB;
	c.move_rate = 4 * MIB;
	c.zerocopy_recv = 1;
	setenv("MEMCG_SWAP_FILE", "/other/file", 1);
	if (memcg_init(&c) != 0)
		return 1;
	memcg_get_limit(memcg_root(), MEMCG_MAX, &max);
	memcg_get_limit(memcg_root(), MEMCG_HIGH, &high);
	if (max != 200 * MIB || high != 50 * MIB) /* a zero field leaves the environment's */
		return 2;
	if (pcpu_backend != PCPU_PORTABLE || !accounting_off || page_purge_ms != 5 ||
	    regn.span > 512 * MIB)
		return 3;
	if (strcmp(swap_setup.file, "/some/file") != 0 || swap_setup.file == c.swap_file ||
	    swap_setup.size != 3 * MIB || move_rate != 4 * MIB || !borrow_on)
		return 5;
	return memcg_init(&c) == -EBUSY && memcg_init(NULL) == -EBUSY ? 0 : 4;
}

static void test_init(void **state)
{
	(void)state;
	assert_int_equal(in_child(init_wins, NULL), 0);
	assert_string_equal(said, "");
}

static int init_twice(const void *arg)
{
	(void)arg;
	if (memcg_init(NULL) != 0 || memcg_init(NULL) != -EBUSY)
		return 1;
	return lib_is_up ? 0 : 2;
}

static int init_late(const void *arg)
{
	struct memcg_config c = MEMCG_CONFIG_INIT;

	(void)arg;
	memcg_root();
	c.max = MIB;
	return memcg_init(&c) == -EBUSY && root_group->counter.max == MEMCG_UNLIMITED ? 0 : 1;
}

static void test_init_comes_once_and_first(void **state)
{
	(void)state;
	assert_int_equal(in_child(init_twice, NULL), 0);
	assert_int_equal(in_child(init_late, NULL), 0);
}

struct larger {
	struct memcg_config c;
	u64 unknown[2];
};

/* A size that no struct has: the rest is zero, and then the memory ends. */
static struct memcg_config *endless(void)
{
	char *p = mmap(NULL, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	struct memcg_config *c = (struct memcg_config *)p;

	mprotect(p + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE);
	c->size = (size_t)1 << 40;
	return c;
}

/* Each refusal leaves everything as it was, and the library down. */
static int init_refused(const void *arg)
{
	struct memcg_config c = MEMCG_CONFIG_INIT;
	struct larger l = {.c = {.size = sizeof(l)}};
	u64 before = conf.max;

	(void)arg;
	c.max = MIB;
	c.size = sizeof(size_t) - 1;
	if (memcg_init(&c) != -EINVAL)
		return 1;
	c.size = 0;
	if (memcg_init(&c) != -EINVAL)
		return 2;
	c.size = sizeof(c);
	c.pcpu = 3;
	if (memcg_init(&c) != -EINVAL)
		return 3;
	c.pcpu = 0;
	c.unaccounted = 2;
	if (memcg_init(&c) != -EINVAL)
		return 4;
	l.c.max = MIB;
	l.unknown[1] = 1;
	if (memcg_init(&l.c) != -E2BIG)
		return 5;
	c.unaccounted = 0;
	if (memcg_init(endless()) != -E2BIG)
		return 6;
	c.swap_file = "relative";
	if (memcg_init(&c) != -EINVAL)
		return 9;
	if (lib_is_up || conf.max != before || *conf.swap_file)
		return 7;
	l.unknown[1] = 0;
	return memcg_init(&l.c) == 0 && conf.max == MIB ? 0 : 8;
}

static void test_init_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(init_refused, NULL), 0);
}

/* Of a program built with an older header: the fields it does not know are the default. */
static int init_shorter(const void *arg)
{
	struct memcg_config c = {.size = offsetof(struct memcg_config, high)};

	(void)arg;
	c.max = 300 * MIB;
	c.high = 1; /* past its end: not its */
	c.pcpu = 99;
	return memcg_init(&c) == 0 && conf.max == 300 * MIB && !conf.high ? 0 : 1;
}

static void test_init_of_an_older_program(void **state)
{
	(void)state;
	assert_int_equal(in_child(init_shorter, NULL), 0);
}

/* A refused call and the one after it say a bad variable once. */
static int init_says_once(const void *arg)
{
	struct memcg_config c = MEMCG_CONFIG_INIT;

	(void)arg;
	setenv("MEMCG_MAX", "bad", 1);
	c.pcpu = 3;
	if (memcg_init(&c) != -EINVAL)
		return 1;
	return memcg_init(NULL);
}

static void test_bad_variables_are_said_once(void **state)
{
	(void)state;
	assert_int_equal(in_child(init_says_once, NULL), 0);
	assert_int_equal(lines_said(), 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_each_has_its_effect),
		cmocka_unit_test(test_failures_on_demand),
		cmocka_unit_test(test_ignored_in_secure_execution),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_init_comes_once_and_first),
		cmocka_unit_test(test_init_refused),
		cmocka_unit_test(test_init_of_an_older_program),
		cmocka_unit_test(test_bad_variables_are_said_once),
	};

	if (argc > 1)
		_exit(report_max()); /* a leak check cannot look at a program that changed its user
				      */
	self = argv[0];
	/* The tests set what they want; what stands there is the runner's. */
	unsetenv("MEMCG_PCPU");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
