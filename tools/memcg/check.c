/* check.c - `memcg check PID|CORE`: arguments, and what is common to both. */
#include "check.h"

#include "memcg_cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char check_help[] =
	"usage: memcg check PID | CORE\n"
	"\n"
	"Counts what every group of a process owns from its memory (descriptors, slots, owner\n"
	"entries), compares that with its counters, and names every difference. The process is\n"
	"stopped for the look, some milliseconds, and then goes on. A file is taken as a core\n"
	"dump (of the kernel, or of gcore).\n"
	"\n"
	"A thread that is stopped inside an allocation leaves an object in motion, which shows as\n"
	"a small difference; so a look that finds any is repeated, up to three times.\n"
	"\n"
	"status: 0 closed; 1 differences; 2 wrong use; 125 no look could be taken.\n";

#define LOOKS 3

bool target_add_map(struct target *t, uint64_t start, uint64_t end, bool writable, const char *path,
		    size_t path_len)
{
	struct check_map *map = realloc(t->map, (t->maps + 1) * sizeof(*map));
	char *copy;

	if (!map)
		return false;
	t->map = map;
	copy = strndup(path, path_len);
	if (!copy)
		return false;
	map[t->maps++] = (struct check_map){start, end, writable, copy};
	return true;
}

void target_free_maps(struct target *t)
{
	for (size_t i = 0; i < t->maps; i++)
		free(t->map[i].path);
	free(t->map);
	t->map = NULL;
	t->maps = 0;
}

/* A process when it is all digits; 0: it is not a number; -1: one that no process has. */
static long parse_pid(const char *text)
{
	char *end;
	long pid;

	if (!*text || text[strspn(text, "0123456789")])
		return 0;
	errno = 0;
	pid = strtol(text, &end, 10);
	return errno || pid <= 0 || pid > INT_MAX ? -1 : pid;
}

int cmd_check(int argc, char **argv)
{
	long pid;

	if (argc == 3 && !strcmp(argv[1], "--")) {
		argc--;
		argv++;
	} else if (argc == 2 && argv[1][0] == '-') {
		complain("check", "%s is no option of it; it takes PID or CORE (memcg help check)",
			 argv[1]);
		return STATUS_USAGE;
	}
	if (argc != 2 || !*argv[1]) {
		complain("check", "it takes one PID or CORE (memcg help check)");
		return STATUS_USAGE;
	}
	pid = parse_pid(argv[1]);
	if (pid < 0) {
		complain("check", "%s is not the number of a process", argv[1]);
		return STATUS_USAGE;
	}
	return pid ? check_process((pid_t)pid, LOOKS) : check_core(argv[1]);
}
