/*
 * libexec.c - commands that are programs of their own: beside this one in a build, in libexec once
 * installed. They have libraries that `memcg run` should not have to load.
 */
#include "memcg_cmd.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool find(const char *program, char path[PATH_MAX], char dir[PATH_MAX])
{
	char *self = realpath("/proc/self/exe", NULL);
	bool found = false;

	snprintf(dir, PATH_MAX, "%s", self ? dirname(self) : ".");
	free(self);
	if (snprintf(path, PATH_MAX, "%s/%s", dir, program) < PATH_MAX)
		found = !access(path, X_OK);
	if (!found && snprintf(path, PATH_MAX, "%s/../libexec/memcg/%s", dir, program) < PATH_MAX)
		found = !access(path, X_OK);
	if (!found && snprintf(path, PATH_MAX, "%s/%s", MEMCG_LIBEXECDIR, program) < PATH_MAX)
		found = !access(path, X_OK);
	return found;
}

static int execute(char **argv, const char *program, const char *package)
{
	char path[PATH_MAX], dir[PATH_MAX];
	const char *command = argv[0];

	if (!find(program, path, dir)) {
		complain(
			command,
			"%s is neither in %s nor in %s: it is built where %s is installed; install "
			"that and build again (make install)",
			program, dir, MEMCG_LIBEXECDIR, package);
		return STATUS_OURS;
	}
	argv[0] = path;
	execv(path, argv);
	complain(command, "%s: %s", path, strerror(errno));
	return STATUS_OURS;
}

int cmd_top(int argc, char **argv)
{
	(void)argc;
	return execute(argv, "memcg-top", "libncurses-dev");
}

int cmd_mount(int argc, char **argv)
{
	(void)argc;
	return execute(argv, "memcg-mount", "libfuse3-dev");
}

int cmd_export(int argc, char **argv)
{
	(void)argc;
	return execute(argv, "memcg-export", "libmicrohttpd-dev");
}
