/*
 * program.h - which file a command names, and whether a preloaded library will reach it.
 */
#ifndef MEMCG_TOOL_PROGRAM_H
#define MEMCG_TOOL_PROGRAM_H

#include <sys/types.h>

struct verdict {
	int status;	   /* 0: it can be started; else as memcg_cmd.h */
	char why[480];	   /* one line without its end, when status is not 0 */
	char warning[240]; /* "" or what the user should know */
};

/* The file execvp(3) would take for `command`, then as program_judge_file. */
void program_judge(const char *command, struct verdict *verdict);

/* Follows #! lines to the program that is really started. `name` is what messages call it. */
void program_judge_file(const char *path, const char *name, struct verdict *verdict);

#endif
