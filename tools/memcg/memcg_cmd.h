/*
 * memcg_cmd.h - subcommands of memcg(1) and the way they report errors.
 *
 * Statuses are those of env(1): 2 wrong use, 125 our own failure, 126 the program cannot be
 * executed, 127 it was not found.
 */
#ifndef MEMCG_TOOL_CMD_H
#define MEMCG_TOOL_CMD_H

#include <stddef.h>

enum memcg_status {
	STATUS_USAGE = 2,
	STATUS_OURS = 125,
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128, /* + the signal's number */
};

struct command {
	const char *name;
	const char *summary;
	const char *help; /* what `memcg help NAME` prints */
	int (*run)(int argc, char **argv);
};

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
extern const char run_help[];
extern const char check_help[];

/* One line on standard error, "memcg COMMAND: ...", in one write. */
void complain(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
