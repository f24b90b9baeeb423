/*
 * psi.h - pressure: how much time is lost because memory is short (memory.pressure).
 *
 * 1. A stall is a thread that waits for memory: psi_begin and psi_end stand around reclaim and
 *    around what memory.high costs (faults of what was reclaimed come with managed memory). It
 *    is one of the group that was short, and of all above it.
 * 2. some: at least one stall is going on in the subtree. full: and no thread whose active
 *    group lies in the subtree does anything else. A thread waits if it waits for
 *    anybody's memory. Threads without a record are in no group.
 * 3. State is made at the first stall, for the group and all above it, and goes with the struct. A
 *    group that was never short has a NULL pointer; without memory for it a stall is not counted.
 * 4. Numbers are brought up to date by whoever comes: begin, end, tick, a reader. full is looked
 *    up then, in the registry of threads. Tolerated: memcg_enter and memcg_leave tell nobody,
 *    they must cost nothing; so a thread that comes or goes during a stall is seen by the next of
 *    these, and the time before that counts as it was. With more than 128 threads an answer
 *    stands for 0.2 us a thread.
 * 5. psi_lock (RANK_PSI, above the registry's) covers all of it. Stalls are rare and long beside
 *    what is done under it: a walk up the tree and one over the threads.
 * 6. Triggers: an eventfd written to when the stall has grown by a threshold within a window,
 *    at most once a window. They are looked at when numbers are brought up to date: at once
 *    when a stall ends, and while a long one lasts if who sleeps in it calls psi_tick.
 */
#ifndef MEMCG_RECLAIM_PSI_H
#define MEMCG_RECLAIM_PSI_H

#include "group/group.h"

/* On the stack of who stalls; set by psi_begin. */
struct psi_stall {
	struct memcg *cg; /* referenced; NULL: not counted */
	struct task *task;
	u32 generation;
};

/*
 * No lock held, not between open per-CPU sequences. cg: the group that is short; NULL: the active
 * one. Stalls nest. begin may take memory for our own structures.
 */
__hidden_ void psi_begin(struct psi_stall *s, struct memcg *cg);
__hidden_ void psi_end(struct psi_stall *s);
__hidden_ void psi_tick(struct psi_stall *s); /* now and then (50 ms) in a long one */

struct psi_numbers {
	u32 avg10, avg60, avg300; /* hundredths of a percent */
	u64 total_us;
};

struct psi_pressure {
	struct psi_numbers some, full; /* of one moment: full is never more */
};

/* cg NULL: the active group. A stall that is going on is in total up to now. */
__hidden_ void psi_show(struct memcg *cg, struct psi_pressure *out);

/*
 * fd is an eventfd and becomes the trigger's: psi_trigger_del() closes it. The caller keeps a
 * reference of the group until then. NULL and errno: EINVAL unless 0 < stall_us <= window_us and
 * 500 ms <= window_us <= 10 s, ENODEV (offline), ENOMEM.
 */
__hidden_ bool psi_trigger_valid(u64 stall_us, u64 window_us); /* no -EINVAL */
struct psi_trigger;
__hidden_ struct psi_trigger *psi_trigger_add(struct memcg *cg, bool full, u64 stall_us,
					      u64 window_us, int fd);
/* fd stays the caller's, who closes it after the trigger's end. */
__hidden_ struct psi_trigger *psi_trigger_add_lent(struct memcg *cg, bool full, u64 stall_us,
						   u64 window_us, int fd);
__hidden_ void psi_trigger_del(struct psi_trigger *t);

__hidden_ void psi_group_free(struct memcg *cg);
__hidden_ void psi_fork_prepare(void);
__hidden_ void psi_fork_parent(void);
__hidden_ void
psi_fork_child(void); /* no stalls but this thread's, which end uncounted; no triggers */

#endif
