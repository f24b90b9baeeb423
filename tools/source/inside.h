/*
 * inside.h - what the files behind source.h share.
 *
 *   source.c     what a target names; the public functions hand on to the kind's table
 *   directory.c  where processes and runs are found, and how a run is put there
 *   socket.c     the kind SOURCE_SOCKET: requests and what their answers mean
 *   wire.c       bytes of a connection: lines, pieces, events; bounds and deadlines
 *   run.c        the kind SOURCE_RUN          run_files.c  texts made from a slot
 *   slots.c      the file of a run, mapped    rows.c       rows as they are put together
 *   proc.c       the few things of /proc      size.c       sizes as people write them
 *
 * What comes from the other side is not believed: a process may be broken, and who looks at it may
 * be root. Every length and number of lines has a bound, every answer a deadline, text
 * that could end in a terminal has its control characters replaced.
 */
#ifndef MEMCG_SOURCE_INSIDE_H
#define MEMCG_SOURCE_INSIDE_H

#include "source.h"

#include <stdarg.h>

#define SOURCE_WHY 512

struct source_ops {
	void (*close)(struct source *s);
	int (*fd)(const struct source *s);
	int (*rows)(struct source *s, const char *path, unsigned depth, struct rows *rows);
	ssize_t (*read)(struct source *s, const char *path, const char *file, char *buf,
			size_t size);
	int (*files)(struct source *s, const char *path, struct source_file **list, size_t *n);
	int (*write)(struct source *s, const char *path, const char *file, const char *text);
	int (*mkdir)(struct source *s, const char *path);
	int (*rmdir)(struct source *s, const char *path);
	int (*move)(struct source *s, const char *path, const char *to, bool dry,
		    struct source_move *out);
	int (*watch)(struct source *s, const char *path);
	int (*event)(struct source *s, struct source_event *e, int timeout_ms);
};

/* Each kind's own struct begins with this. */
struct source {
	const struct source_ops *ops;
	struct source_info info;
	char why[SOURCE_WHY];
};

/* Takes down what is to be said, and returns err. */
int source_fail(struct source *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Replaces control characters. Returns text. */
static inline char *source_clean(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	return text;
}

/* NULL, and *why: one line. pid: only if it is this process that listens; 0: whoever does. */
struct source *socket_open(const char *path, pid_t pid, char *why, size_t size);
/* only: see one process of the run, as if it were all; 0: the run. */
struct source *run_open(const char *path, pid_t only, char *why, size_t size);

#endif
