/*
 * look.h - what the commands that look at groups, and change them, have in common.
 *
 * memcg COMMAND [-p TARGET] [OPTIONS] [PATH] [ARGUMENTS]: a path begins with /, which tells it from
 * the name of a file; without one it is /. Without -p there must be one process to look at.
 */
#ifndef MEMCG_TOOL_LOOK_H
#define MEMCG_TOOL_LOOK_H

#include "source/source.h"

#include <stdbool.h>
#include <stdio.h>

/* Options besides -p; a command takes those it names. */
enum look_takes {
	LOOK_JSON = 1u << 0,
	LOOK_BYTES = 1u << 1,
	LOOK_ALL = 1u << 2,
	LOOK_DEPTH = 1u << 3,
	LOOK_COLUMNS = 1u << 4,
	LOOK_DRY = 1u << 5,
	LOOK_COUNT = 1u << 6,
	LOOK_TIMEOUT = 1u << 7,
	LOOK_PARENTS = 1u << 8,
	LOOK_HTML = 1u << 9,
};

struct look {
	const char *command;
	const char *target; /* NULL: the only one */
	const char *columns;
	const char *html; /* file; NULL: no page is wanted */
	unsigned depth;
	uint64_t count; /* 0: no end */
	int timeout_ms; /* -1: for ever */
	bool json, bytes, all, dry, parents;
	char **arg; /* what is no option */
	int nr;
	struct source *source;
};

/* 0; STATUS_USAGE after a line that says why. */
int look_parse(struct look *l, unsigned takes, int argc, char **argv);

/* 0; STATUS_OURS after a line. */
int look_open(struct look *l);

/* The first argument if it is a path, and no longer an argument then; else "/". */
const char *look_path(struct look *l);

/* What the source refused: a line, and the status. */
int look_refused(const struct look *l, int err);

/* Wrong use: a line that names the command's help, and the status. */
int look_usage(const struct look *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Closes; what was printed must have been written, else status becomes STATUS_OURS. */
int look_end(struct look *l, int status);

/* Text of a file of any length, to be freed; NULL and *err. */
char *look_read(struct look *l, const char *path, const char *file, int *err);

#endif
