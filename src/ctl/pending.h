/*
 * pending.h - execs whose new image has not been heard of.
 *
 * A statically linked child, or one with a cleaned environment, lives too short to be seen in
 * /proc. So whoever calls exec through the hooks leaves {pid, time} in a table of the shared file,
 * and takes it back when the call returns. The new image removes the entries of its pid when it
 * claims its slot. What is left at the end, and has no slot of that pid claimed later by
 * a new image (posix_spawn knows the pid only afterwards), escaped.
 *
 * An entry lies within EXEC_PROBES of pid % SLOT_EXECS, so that who looks for a pid reads few of
 * them. No room there: counted in the header.
 *
 * Callers may be signal handlers and children of vfork: stores into shared memory only, no lock,
 * no allocation; nothing of our own memory is written but the caller's stack.
 */
#ifndef MEMCG_CTL_PENDING_H
#define MEMCG_CTL_PENDING_H

#include "ctl/slot.h"

#define EXEC_PROBES 64u

struct pending {
	u32 entry; /* + 1; 0: none */
	u32 state; /* of our slot before; SLOT_EMPTY: it is not of this process */
};

/* Before an exec of this process. */
__private_ void memcg__exec_begins(struct pending *p, const char *path);
/* It returned. */
__private_ void memcg__exec_failed(const struct pending *p);
/* For memcg__exec_spawned: the time before the call. */
__private_ u64 memcg__exec_time(void);
__private_ void memcg__exec_spawned(u32 pid, const char *path, u64 since);

/* The image of `pid` has come. */
__hidden_ void pending_settle(u32 pid);

#endif
