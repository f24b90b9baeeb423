/* launch.c - the environment that brings the library into the program, and its start. */
#include "run.h"

#include "memcg_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <memcg/base.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libmemcg-preload.so"

/* Relative to the directory of the command: beside it in a build, in lib once installed. */
static const char *const places[] = {
	".",	      "../lib", "../lib64", "../lib/x86_64-linux-gnu", "../lib/aarch64-linux-gnu",
#ifdef MEMCG_LIBDIR
	MEMCG_LIBDIR,
#endif
};

static bool find_in(const char *dir, char *path, size_t size)
{
	char joined[2 * PATH_MAX], real[PATH_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i][0] == '/')
			snprintf(joined, sizeof(joined), "%s/" LIBRARY, places[i]);
		else
			snprintf(joined, sizeof(joined), "%s/%s/" LIBRARY, dir, places[i]);
		if (realpath(joined, real) && strlen(real) < size) {
			strcpy(path, real);
			return true;
		}
	}
	return false;
}

int launch_find_library(char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0) {
		complain("run", "/proc/self/exe: %s; /proc must be mounted", strerror(errno));
		return STATUS_OURS;
	}
	self[n] = '\0';
	if (!find_in(dirname(self), path, size)) {
		complain("run",
			 LIBRARY " is neither in %s nor in ../lib from there: is libmemcg "
				 "installed whole?",
			 self);
		return STATUS_OURS;
	}
	if (strpbrk(path, " :\t\n")) {
		complain("run",
			 "%s: the loader takes no blank and no colon in LD_PRELOAD; install it "
			 "elsewhere",
			 path);
		return STATUS_OURS;
	}
	return 0;
}

/* ---- the environment; changed in the child only ---- */

static bool set_limit(const char *name, uint64_t bytes)
{
	char text[24];

	/* The limit of an outer run must not be taken for ours. */
	if (bytes == MEMCG_UNLIMITED)
		return !unsetenv(name);
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	return !setenv(name, text, 1);
}

/* Ours first: the first malloc in the order of search is everybody's. */
static bool set_preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *list;
	bool ok;

	if (!others || !*others)
		return !setenv("LD_PRELOAD", library, 1);
	if (strstr(others, library))
		return true;
	if (asprintf(&list, "%s:%s", library, others) < 0)
		return false;
	ok = !setenv("LD_PRELOAD", list, 1);
	free(list);
	return ok;
}

static bool set_rules(int fd)
{
	char path[64];

	if (fd < 0)
		return !unsetenv("MEMCG_RULES");
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getppid(), fd);
	return !setenv("MEMCG_RULES", path, 1);
}

static bool set_environment(const struct launch *l)
{
	const struct run_options *o = l->options;
	bool ok = set_preload(l->library) && !setenv("MEMCG_SLOT", l->room->path, 1) &&
		  set_limit("MEMCG_MAX", o->max) && set_limit("MEMCG_HIGH", o->high) &&
		  !setenv("MEMCG_GROUP_BY", options_group_by(o->group_by), 1) &&
		  set_rules(l->rules);

	if (o->control)
		ok = ok && !setenv("MEMCG_CONTROL", "1", 1);
	if (o->no_children)
		return ok && !setenv("MEMCG_NO_CHILDREN", "1", 1);
	return ok && !unsetenv("MEMCG_NO_CHILDREN");
}

/* ---- the start ---- */

__attribute__((noreturn)) static void become(const struct launch *l, int tell)
{
	char **command = l->options->command;
	int err;

	if (set_environment(l)) {
		sigprocmask(SIG_SETMASK, l->mask, NULL);
		execvp(command[0], command);
	}
	err = errno;
	/* Whoever waits for it reads the end of the pipe when this cannot be written. */
	if (write(tell, &err, sizeof(err)) != sizeof(err))
		_exit(STATUS_OURS);
	_exit(STATUS_NOT_EXECUTABLE);
}

/* 0 when the program was started: the pipe closes by itself. */
static int started(int from)
{
	int err = 0;
	ssize_t n;

	do
		n = read(from, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	return n == sizeof(err) ? err : 0;
}

static pid_t cannot_start(const char *what, int err, int status)
{
	complain("run", "'%s' cannot be started: %s", what, strerror(err));
	return -status;
}

pid_t launch_program(const struct launch *l)
{
	const char *name = l->options->command[0];
	int ends[2], err;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return cannot_start(name, errno, STATUS_OURS);
	pid = fork();
	if (!pid)
		become(l, ends[1]);
	err = pid < 0 ? errno : 0;
	close(ends[1]);
	if (pid > 0)
		err = started(ends[0]);
	close(ends[0]);
	if (!err)
		return pid;
	if (pid < 0)
		return cannot_start(name, err, STATUS_OURS);
	return cannot_start(name, err, err == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}
