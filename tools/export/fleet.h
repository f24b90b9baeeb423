/*
 * fleet.h - what all processes said when they were asked last.
 *
 * Samples of one family must stand together, and there are several processes: so all are asked
 * first and what they say is kept while the text is made from it. A row is 400 bytes and the
 * path; `most` bounds them for each process. A fleet does not change once it is made, and
 * any number of readers may hold it.
 *
 * Processes are asked by a few threads, each one process at a time. Who does not answer within
 * the patience is `up` 0, and has no samples else; so is who ends meanwhile. Once twice that time
 * is over nobody further is asked, so an answer comes whatever stands still.
 */
#ifndef MEMCG_EXPORT_FLEET_H
#define MEMCG_EXPORT_FLEET_H

#include "../source/source.h"

#include <stdatomic.h>

#define FLEET_THREADS 8u

struct fleet_wish {
	char *const *targets; /* NULL-terminated; none: all that are found */
	unsigned depth;
	size_t most; /* groups of a process */
	unsigned patience_ms;
};

struct member {
	char where[256];
	char comm[16];
	char version[32];
	pid_t pid;
	enum source_kind kind; /* where it was found, no target named */
	bool found;
	struct rows rows;
	/* As columns of a process. */
	uint64_t up, groups, left_out, asked_us;
};

struct fleet {
	atomic_uint refs;
	uint64_t taken_ms; /* when asking began, CLOCK_MONOTONIC */
	size_t n;
	struct member *member;
};

/* NULL: no memory. */
struct fleet *fleet_ask(const struct fleet_wish *wish);
void fleet_get(struct fleet *f);
void fleet_put(struct fleet *f);

/* How many there are of them. */
unsigned fleets_alive(void);
uint64_t fleet_now_ms(void);

/*
 * For tests: names become ones that can stand in a label; of rows of one path the first stays; the
 * sum of several processes has no limits.
 */
void member_settle(struct member *m);

#endif
