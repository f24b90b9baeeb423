/*
 * memcg-bench-launch OUT [NAME=VALUE...] -- PROGRAM [ARGUMENT...]
 *
 * Runs a program and writes into OUT what it took: "WALL USER SYS PEAK STATUS", seconds, KiB and
 * the status a shell would see. The last variable of a name counts.
 *
 * The system remembers a peak of resident memory across execve: a child of an interpreter would
 * never be seen below the interpreter's own size. This program is small, has touched little, and
 * the child's account begins with the fork. CPU time and peak hold all the child has waited for; of
 * a tree of processes the peak is that of its largest.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CANNOT 125

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static int fail(const char *what)
{
	fprintf(stderr, "memcg-bench-launch: %s: %s\n", what, strerror(errno));
	return CANNOT;
}

/* argv from its first variable on; what follows "--" is the program. */
static char **set_environment(char **argv)
{
	for (; *argv && strcmp(*argv, "--"); argv++)
		if (!strchr(*argv, '=') || putenv(*argv))
			exit(fail(*argv));
	return *argv ? argv + 1 : argv;
}

int main(int argc, char **argv)
{
	struct rusage used;
	double start;
	int status;
	pid_t pid;
	FILE *out;

	if (argc < 4) {
		fprintf(stderr, "usage: memcg-bench-launch OUT [NAME=VALUE...] -- PROGRAM "
				"[ARGUMENT...]\n");
		return 2;
	}
	out = fopen(argv[1], "we");
	if (!out)
		return fail(argv[1]);
	start = seconds();
	pid = fork();
	if (pid < 0)
		return fail("fork");
	if (!pid) {
		char **program = set_environment(argv + 2);

		if (*program)
			execvp(*program, program);
		_exit(fail(*program ? *program : "no program after --"));
	}
	if (wait4(pid, &status, 0, &used) != pid)
		return fail("wait4");
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	fprintf(out, "%.6f %.6f %.6f %ld %d\n", seconds() - start, of(used.ru_utime),
		of(used.ru_stime), used.ru_maxrss, status);
	return fclose(out) ? fail(argv[1]) : 0;
}
