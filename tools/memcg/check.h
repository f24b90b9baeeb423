/*
 * check.h - `memcg check`: the recount of another process, or of a core dump.
 *
 * A target is memory that can be read by address, and a list of what is mapped where. The
 * walk is the library's own (ctl/walk.h), compiled in: what a process says of itself in
 * memcg_report() and what is seen from outside come from the same lines of code.
 */
#ifndef MEMCG_TOOL_CHECK_H
#define MEMCG_TOOL_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct check_map {
	uint64_t start, end;
	bool writable;
	char *path; /* of a file; owned */
};

struct target {
	const char *name; /* as the user gave it */
	struct check_map *map;
	size_t maps;
	bool (*read)(struct target *t, uint64_t from, void *to, size_t n);
	void *private;
};

/* What came of a look; the rest are lines that were printed. */
enum look { LOOK_CLOSED = 0, LOOK_DIFFERENT = 1, LOOK_FAILED = 125 };

/*
 * Finds the library in the target, walks, writes the text to `out`. LOOK_FAILED: could not; the
 * one line that says why is in `why`.
 */
enum look check_walk(struct target *t, FILE *out, char *why, size_t size);

bool target_add_map(struct target *t, uint64_t start, uint64_t end, bool writable, const char *path,
		    size_t path_len); /* false: no memory */
void target_free_maps(struct target *t);

/* Each prints its own line when it fails. A process is looked at up to `tries` times. */
int check_process(pid_t pid, unsigned tries);
int check_core(const char *path);

int cmd_check(int argc, char **argv);
extern const char check_help[];

#endif
