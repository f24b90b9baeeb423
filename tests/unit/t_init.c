/*
 * t_init.c - coming up: once, whoever calls first and however many at a time; or not at all, with
 * a line that says why. Each case is a child in which nothing has been called yet.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#include "alloc/thread.h"
#include "base/up.h"
#include "effort.h"
#include "fork_fixture.h"
#include "group/group.h"
#include "page/page.h"
#include "sys/fault.h"

#define THREADS 8u

static char said[4096];

/* Exit status of body, or minus the signal that ended it. */
static int in_child(int (*body)(const char *), const char *arg)
{
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none); /* some are meant to abort */
		dup2(ends[1], 2);
		_exit(body(arg));
	}
	close(ends[1]);
	while ((n = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- who is first ---- */

static pthread_barrier_t start;
static struct memcg *roots[THREADS], *made[THREADS];
static void *objects[THREADS];

static void *first_call(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	char name[8];

	snprintf(name, sizeof(name), "g%u", i);
	pthread_barrier_wait(&start);
	switch (i % 4) { /* different doors */
	case 0:
		objects[i] = memcg_malloc(100);
		break;
	case 1:
		memcg_leave(memcg_enter(NULL));
		break;
	case 2:
		made[i] = memcg_create(NULL, name);
		break;
	default:
		roots[i] = memcg_lookup("/");
		break;
	}
	if (!roots[i])
		roots[i] = memcg_root();
	if (!made[i])
		made[i] = memcg_create(NULL, name);
	if (!objects[i])
		objects[i] = memcg_malloc(100);
	return NULL;
}

static int all_at_once(const char *arg)
{
	pthread_t thread[THREADS];
	unsigned i, j;

	(void)arg;
	pthread_barrier_init(&start, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, first_call, (void *)(uintptr_t)i))
			return 1;
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < THREADS; i++) {
		if (roots[i] != root_group || !made[i] || !objects[i])
			return 2;
		if (memcg_owner_id(objects[i]) != 1)
			return 3;
		for (j = 0; j < i; j++)
			if (memcg_id(made[i]) == memcg_id(made[j]) || objects[i] == objects[j])
				return 4;
	}
	if (root_group->descendants != THREADS || memcg_id(root_group) != 1)
		return 5;
	return memcg_report(2, MEMCG_REPORT_QUIET);
}

static void test_eight_first_calls_at_once(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < effort(40); i++) {
		int status = in_child(all_at_once, NULL);

		if (status)
			print_error("%s", said);
		assert_int_equal(status, 0);
	}
}

static int by_door(const char *door)
{
	struct memcg_stat s;
	char buf[16];

	switch (*door) {
	case 'a':
		return memcg_active() != memcg_root();
	case 'c':
		return memcg_current(NULL) == 0;
	case 'i':
		return memcg_id(NULL) != 1;
	case 'n':
		return memcg_next(NULL, NULL) != memcg_root();
	case 'o':
		return !memcg_online(NULL);
	case 'p':
		return memcg_path(NULL, buf, sizeof(buf)) != 1;
	case 'r':
		return memcg_read(NULL, "memory.max", buf, sizeof(buf)) != 4;
	case 's':
		return memcg_stat(NULL, &s, sizeof(s)) != 0;
	case 'f':
		memcg_free(NULL);
		return memcg_usable_size(NULL) != 0;
	case 'w':
		return memcg_owner("elsewhere") != NULL || memcg_owner_id(door) != 0;
	case 'g':
		return memcg_get(NULL) != memcg_root();
	case 'l':
		memcg_leave(NULL);
		return memcg_active() != memcg_root();
	case 'x':
		memcg_uncharge(memcg_charge(NULL, 100));
		return 0;
	default:
		return memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, 0) == NULL;
	}
}

/* Any function may be the first. */
static void test_any_call_may_be_first(void **state)
{
	const char *door = "acinoprsfwglxz";

	(void)state;
	for (; *door; door++) {
		int status = in_child(by_door, door);

		if (status)
			print_error("door '%c': %d\n%s", *door, status, said);
		assert_int_equal(status, 0);
		assert_string_equal(said, "");
	}
}

static int nothing_called(const char *arg)
{
	(void)arg;
	return lib_is_up || !memcg_version() || lib_is_up;
}

/* A program that links us and does not use us pays nothing. */
static void test_not_before_it_is_called(void **state)
{
	(void)state;
	assert_int_equal(in_child(nothing_called, NULL), 0);
}

/* ---- what cannot be had ---- */

static int failing(const char *rule)
{
	setenv("MEMCG_FAIL", rule, 1);
	memcg_root();
	return 1; /* a program that asked for limits must not run without */
}

static void test_bring_up_fails(void **state)
{
	static const struct {
		const char *rule, *words;
	} row[] = {
		{"reserve:every=1", "cannot start: no address space for the heap (ulimit -v?)"},
		{"open_range:every=1", "cannot start: "},
		{"map:every=1", "cannot start: no memory for per-CPU stock"},
	};
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(row); i++) {
		const char *last;

		assert_int_equal(in_child(failing, row[i].rule), -SIGABRT);
		last = strstr(said, "libmemcg: cannot start: ");
		assert_non_null(last);
		assert_non_null(strstr(last, row[i].words));
		assert_null(strchr(last, '\n')[1] ? last : NULL); /* and nothing after it */
	}
}

/* Each single system call of bring-up may fail: either it did not matter, or there is the line. */
#define NOT_REACHED 77 /* fewer calls than that were made, and all was well */

static bool a_call_failed(void)
{
	u64 failed = 0;

	for (int call = 0; call < SYS_FAULT_CALLS; call++)
		failed += sys_fault_count((enum sys_call)call);
	return failed;
}

static int failing_once(const char *rule)
{
	struct memcg *cg;

	setenv("MEMCG_FAIL", rule, 1);
	cg = memcg_create(NULL, "works");
	if (!cg || !memcg_malloc_in(cg, 100))
		return 1;
	return a_call_failed() ? 0 : NOT_REACHED;
}

/* 0: the call mattered not; NOT_REACHED; -SIGABRT, after the line. */
static int try_without(const char *call, unsigned nth)
{
	char rule[32];
	int status;

	snprintf(rule, sizeof(rule), "%s:nth=%u", call, nth);
	status = in_child(failing_once, rule);
	if (status == -SIGABRT)
		assert_non_null(strstr(said, "libmemcg: cannot start: "));
	else if (status != NOT_REACHED && status)
		print_error("%s: %d\n%s", rule, status, said);
	return status;
}

static void test_each_call_of_bring_up_fails(void **state)
{
	static const char *const call[] = {"reserve",	 "open_range", "map",
					   "membarrier", "open",       "read"};
	unsigned c, nth, aborted = 0, lived = 0;

	(void)state;
	for (c = 0; c < ARRAY_SIZE(call); c++) {
		int status;

		for (nth = 1; (status = try_without(call[c], nth)) != NOT_REACHED; nth++) {
			assert_true(status == 0 || status == -SIGABRT);
			aborted += status != 0;
			lived += !status;
		}
	}
	assert_true(aborted > 0 && lived > 0);
}

/* Less address space than it would like: a smaller region, or the line. */
static int with_address_space(const char *mib)
{
	struct rlimit r = {.rlim_cur = strtoul(mib, NULL, 10) * MIB};

	unsetenv("MEMCG_REGION"); /* which would be had, or not */
	r.rlim_max = r.rlim_cur;
	setrlimit(RLIMIT_AS, &r);
	return memcg_malloc(100000) ? 0 : 1;
}

static void test_little_address_space(void **state)
{
	(void)state;
#ifdef SANITIZED
	skip(); /* their shadow alone is more */
#endif
	assert_int_equal(in_child(with_address_space, "4096"), 0);
	assert_int_equal(in_child(with_address_space, "32"), -SIGABRT);
	assert_non_null(strstr(said, "libmemcg: cannot start: no address space"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eight_first_calls_at_once),
		cmocka_unit_test(test_any_call_may_be_first),
		cmocka_unit_test(test_not_before_it_is_called),
		cmocka_unit_test(test_bring_up_fails),
		cmocka_unit_test(test_each_call_of_bring_up_fails),
		cmocka_unit_test(test_little_address_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
