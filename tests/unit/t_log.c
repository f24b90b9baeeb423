/* t_log.c - lines that the library says: whole, or lost quietly; and the last one, of a bug. */
#include "sys_fixture.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include "sys/log.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lines_are_whole),
		T(line_without_stderr_is_lost_quietly),
		T(bug_goes_to_the_hook),
		T(bug_ends_the_process_whatever_it_blocks),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
