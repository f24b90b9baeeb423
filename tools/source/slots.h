/*
 * slots.h - the file in memory of a `memcg run` (ctl/slot.h), mapped by who looks at it.
 *
 * The processes below the run write to it, so what stands in it may be anything: it is copied
 * before it is believed, and strings are ended. That it cannot be cut short is seen to by its seal,
 * without which it is refused: touching what is gone would be a SIGBUS here.
 */
#ifndef MEMCG_SOURCE_SLOTS_H
#define MEMCG_SOURCE_SLOTS_H

#include "ctl/slot.h"

#include <sys/types.h>

struct slots {
	struct slot_header *header;
	uint64_t size;
	uint32_t nr;
	unsigned char *dead; /* of each slot: its process is known to be gone */
	char path[64];	     /* /proc/PID/fd/N */
	pid_t pid;	     /* of the run */
	uint64_t start;	     /* when that began */
};

/* A copy of what a slot says now. */
struct process_view {
	uint32_t index;
	pid_t pid;
	uint64_t start;
	char comm[16];
	char command[SLOT_COMMAND];
	struct slot_view view;
};

/* `path` is /proc/PID/fd/N, or a link that says so (directory.h). 0; -ENOENT: no run there;
 * -EACCES; -EPROTO: another version. */
int slots_open(struct slots *slots, const char *path);
void slots_close(struct slots *slots);

/*
 * Whether there is a run of that pid at the path; opens nothing for long. 0: there is, if of
 * another version; -ENOENT: there is none; others: it could not be seen.
 */
int slots_are_at(const char *path, pid_t pid);

bool slots_run_lives(const struct slots *slots);

/*
 * The next living process from slot *at on, of several slots with one pid the latest. Begin
 * with 0; *at is then behind it. False: no more.
 */
bool slots_next(struct slots *slots, uint32_t *at, struct process_view *out);

/* The process `pid`; false: none that lives. */
bool slots_find(struct slots *slots, pid_t pid, struct process_view *out);

/* For people and in paths; what is kept apart by its name is by row->name, which no two rows have.
 */
const char *slots_row_name(const struct slot_row *row);

#endif
