/*
 * run.c - executes the measured program and reads what it prints.
 *
 * Its environment is ours without what would change an allocator (LD_PRELOAD, MEMCG_*, MALLOC_*,
 * MIMALLOC_*, TCMALLOC_*), so that a figure does not depend on the shell it was asked from.
 * MEMCG_PCPU stays: it chooses a back end to measure. An alarm survives exec: a hung case is a
 * failed one.
 */
#include "result.h"
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 120u
#define SKIPPED	    77
#define ENV_MAX	    1024
#define PATH_LENGTH 4096

extern char **environ;

static const char *const library_dirs[] = {
	"/usr/lib/x86_64-linux-gnu",
	"/usr/lib/aarch64-linux-gnu",
	"/usr/lib64",
	"/usr/lib",
};

/* The directory this program is in: its children and libmemcg's are beside it. */
static const char *here(void)
{
	static char dir[PATH_LENGTH];
	ssize_t length;

	if (dir[0])
		return dir;
	length = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	if (length <= 0) {
		fprintf(stderr, "memcg-bench: /proc/self/exe: %s: is /proc mounted?\n",
			strerror(errno));
		exit(1);
	}
	dir[length] = 0;
	*strrchr(dir, '/') = 0;
	return dir;
}

static bool find_library(const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", here(), name);
	if (!access(path, R_OK))
		return true;
	for (size_t i = 0; i < sizeof(library_dirs) / sizeof(library_dirs[0]); i++) {
		snprintf(path, size, "%s/%s", library_dirs[i], name);
		if (!access(path, R_OK))
			return true;
	}
	return false;
}

/* Said once: the same trouble comes back with every repeat. */
static void complain(const struct bench_case *c, unsigned allocator, const char *what)
{
	static char said[CASES_MAX][ALLOCATORS];
	size_t nth = case_nth(c);

	if (said[nth][allocator]++)
		return;
	fprintf(stderr, "memcg-bench: %s on %s: %s\n", c->name, allocators[allocator].name, what);
}

static void complain_missing(unsigned allocator)
{
	static bool said[ALLOCATORS];

	if (said[allocator])
		return;
	said[allocator] = true;
	fprintf(stderr, "memcg-bench: %s left out: there is no %s; run `%s`\n",
		allocators[allocator].name, allocators[allocator].library,
		allocator >= FIRST_OURS ? "make" : "scripts/install-deps bench");
}

static bool changes_allocators(const char *entry)
{
	static const char *const prefix[] = {"LD_PRELOAD=", "MEMCG_",	 "MALLOC_",
					     "MIMALLOC_",   "TCMALLOC_", "BENCH_EXPECT="};

	if (!strncmp(entry, "MEMCG_PCPU=", 11))
		return false;
	for (size_t i = 0; i < sizeof(prefix) / sizeof(prefix[0]); i++)
		if (!strncmp(entry, prefix[i], strlen(prefix[i])))
			return true;
	return false;
}

struct child {
	char program[PATH_LENGTH + 128], preload[PATH_LENGTH + 256], expect[128], ms[16],
		rounds[16];
	char *argv[5];
	const char *env[ENV_MAX];
};

static void set_environment(struct child *ch, const struct allocator *a)
{
	size_t n = 0;

	for (char **e = environ; *e && n < ENV_MAX - 4; e++)
		if (!changes_allocators(*e))
			ch->env[n++] = *e;
	if (ch->preload[0])
		ch->env[n++] = ch->preload;
	if (a->env)
		ch->env[n++] = a->env;
	snprintf(ch->expect, sizeof(ch->expect), "BENCH_EXPECT=%s",
		 a->library ? a->library : "libc.so");
	ch->env[n++] = ch->expect;
	ch->env[n] = NULL;
}

static bool prepare(struct child *ch, const struct bench_case *c, unsigned allocator,
		    const struct run_length *length)
{
	const struct allocator *a = &allocators[allocator];
	char path[PATH_LENGTH + 128];

	ch->preload[0] = 0;
	if (a->library) {
		if (!find_library(a->library, path, sizeof(path))) {
			complain_missing(allocator);
			return false;
		}
		snprintf(ch->preload, sizeof(ch->preload), "LD_PRELOAD=%s", path);
	}
	snprintf(ch->program, sizeof(ch->program), "%s/memcg-bench-%s", here(),
		 c->linked ? "group" : "child");
	if (access(ch->program, X_OK)) {
		complain(c, allocator, "the measured program is not built; run `make`");
		return false;
	}
	snprintf(ch->ms, sizeof(ch->ms), "%u", length->ms ? length->ms : c->ms ? c->ms : 8);
	snprintf(ch->rounds, sizeof(ch->rounds), "%u", length->rounds);
	memcpy(ch->argv, (char *[]){ch->program, (char *)c->name, ch->ms, ch->rounds, NULL},
	       sizeof(ch->argv));
	set_environment(ch, a);
	return true;
}

_Noreturn static void become(struct child *ch, int out)
{
	dup2(out, STDOUT_FILENO);
	alarm(SECONDS_MAX);
	execve(ch->program, ch->argv, (char **)ch->env);
	_exit(127);
}

static void read_result(int fd, struct run_result *out)
{
	FILE *f = fdopen(fd, "r");
	char line[128];

	out->n = 0;
	if (!f)
		return;
	while (out->n < RUN_KEYS && fgets(line, sizeof(line), f))
		if (sscanf(line, "%23s %lf", out->pair[out->n].key, &out->pair[out->n].value) == 2)
			out->n++;
	fclose(f);
}

static enum run_outcome outcome(const struct bench_case *c, unsigned allocator, int status)
{
	char what[128];

	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return RUN_DONE;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		complain(c, allocator, "skipped");
		return RUN_SKIPPED;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(what, sizeof(what), "stopped: took more than %u seconds", SECONDS_MAX);
	else if (WIFSIGNALED(status))
		snprintf(what, sizeof(what), "died of signal %d", WTERMSIG(status));
	else
		snprintf(what, sizeof(what), "ended with status %d", WEXITSTATUS(status));
	complain(c, allocator, what);
	return RUN_FAILED;
}

enum run_outcome run_case(const struct bench_case *c, unsigned allocator,
			  const struct run_length *length, struct run_result *out)
{
	static struct child ch;
	int fd[2], status;
	pid_t pid;

	out->n = 0;
	if (!prepare(&ch, c, allocator, length))
		return RUN_SKIPPED;
	if (pipe2(fd, O_CLOEXEC)) {
		complain(c, allocator, strerror(errno));
		return RUN_FAILED;
	}
	pid = fork();
	if (!pid)
		become(&ch, fd[1]);
	close(fd[1]);
	read_result(fd[0], out);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		complain(c, allocator, strerror(errno));
		return RUN_FAILED;
	}
	return outcome(c, allocator, status);
}

double run_value(const struct run_result *r, const char *key)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->pair[i].key, key))
			return r->pair[i].value;
	return NAN;
}
