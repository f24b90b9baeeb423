/*
 * memcg_cmd.h - subcommands of memcg(1) and the way they report errors.
 *
 * Statuses are those of env(1): 1 what was asked for was refused, 2 wrong use, 125 our own failure,
 * 126 the program cannot be executed, 127 it was not found.
 */
#ifndef MEMCG_TOOL_CMD_H
#define MEMCG_TOOL_CMD_H

#include <stddef.h>

enum memcg_status {
	STATUS_REFUSED = 1, /* by the process that was asked: no such group, not a size */
	STATUS_USAGE = 2,
	STATUS_OURS = 125,
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128, /* + the signal's number */
};

struct command {
	const char *name;
	const char *summary;
	const char *help; /* what `memcg help NAME` prints; NULL: it is asked for its own */
	int (*run)(int argc, char **argv);
};

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_tree(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_mkdir(int argc, char **argv);
int cmd_rmdir(int argc, char **argv);
int cmd_move(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_mount(int argc, char **argv);
int cmd_export(int argc, char **argv);
extern const char run_help[];
extern const char check_help[];
extern const char report_help[];
extern const char ls_help[];
extern const char tree_help[];
extern const char get_help[];
extern const char set_help[];
extern const char mkdir_help[];
extern const char rmdir_help[];
extern const char move_help[];
extern const char stat_help[];
extern const char watch_help[];

/* One line on standard error, "memcg COMMAND: ...", in one write. */
void complain(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
