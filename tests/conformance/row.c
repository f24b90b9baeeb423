/*
 * row.c - running a row in a child, and what it says on a pipe. The child's last act is the
 * recount: whatever else a row is about, memory and counters must agree at its end.
 */
#include "row.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memcg.h>

#define ROW_SECONDS 60 /* many times what a row needs: machines may be busy */

static int said = -1; /* the pipe, in the child */
static bool any;

static void say(const char *fmt, va_list ap)
{
	char text[512];
	int n = 0;

	if (any)
		n = snprintf(text, sizeof(text), "; ");
	any = true;
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	if (write(said, text, strlen(text)) < 0)
		_exit(ROW_FAILED);
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

_Noreturn void row_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	va_list ap;

	note("%s:%d", base ? base + 1 : file, line);
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	_exit(ROW_FAILED);
}

_Noreturn void row_skip(const char *why)
{
	note("%s", why);
	_exit(ROW_SKIPPED);
}

bool close_to(uint64_t a, uint64_t b, unsigned percent)
{
	uint64_t off = a > b ? a - b : b - a;

	return off <= (a + b) / 100 * percent;
}

void row_recount(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	EXPECT_IS(memcg_report(null, MEMCG_REPORT_QUIET), ==, 0);
	close(null);
}

static _Noreturn void child(const struct row *row, int fd)
{
	said = fd;
	alarm(ROW_SECONDS);
	row->run();
	row_recount();
	_exit(0);
}

/* All that comes, as far as there is room; the rest is read and dropped. */
static void listen_to(int fd, char *text, unsigned size)
{
	char rest[256];
	unsigned n = 0;
	ssize_t got;

	for (;;) {
		bool full = n + 1 >= size;

		got = full ? read(fd, rest, sizeof(rest)) : read(fd, text + n, size - n - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		if (!full)
			n += (unsigned)got;
	}
	text[n] = '\0';
}

static enum verdict judge(int status, char *text, unsigned size)
{
	unsigned n = (unsigned)strlen(text);

	if (WIFEXITED(status) && WEXITSTATUS(status) == ROW_SKIPPED)
		return ROW_SKIPPED;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) ? ROW_FAILED : ROW_PASSED;
	if (WTERMSIG(status) == SIGALRM)
		snprintf(text + n, size - n, "%sstill running after %d s", n ? "; " : "",
			 ROW_SECONDS);
	else
		snprintf(text + n, size - n, "%skilled by signal %d", n ? "; " : "",
			 WTERMSIG(status));
	return ROW_FAILED;
}

enum verdict row_run(const struct row *row, char *text, unsigned size)
{
	int ends[2], status;
	pid_t pid;

	text[0] = '\0';
	fflush(NULL);
	if (pipe(ends) < 0 || (pid = fork()) < 0) {
		snprintf(text, size, "cannot start it: %s", strerror(errno));
		return ROW_FAILED;
	}
	if (!pid) {
		close(ends[0]);
		child(row, ends[1]);
	}
	close(ends[1]);
	listen_to(ends[0], text, size);
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return ROW_FAILED;
	return judge(status, text, size);
}
