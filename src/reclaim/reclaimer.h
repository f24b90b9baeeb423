/*
 * reclaimer.h - the thread that does what allocations owe, when the program asked for one.
 *
 * 1. Owing. A group is on the queue once, whatever it owes: its word `owed` holds the number of the
 *    process (a fork changes it) and the bits owed; who changes no bits to some bits puts it on the
 *    queue, with a reference. So owing takes a few atomics, no lock and no memory, and costs an
 *    idle group 12 bytes.
 * 2. The queue is a stack that is taken whole. Who puts the first one on it rings the bell.
 * 3. Serving. The bits are cleared before the work, so that what is owed during it is queued
 *    again. Groups are served in the order in which they were queued.
 * 4. The child of a fork has no such thread. What was queued in the parent is dropped there; the
 *    number makes `owed` words of threads that were just queueing void.
 */
#ifndef MEMCG_RECLAIM_RECLAIMER_H
#define MEMCG_RECLAIM_RECLAIMER_H

#include "group/group.h"

/* Does what cg owes. The program's code may run in it. Set at bring-up. */
extern __hidden_ void (*reclaimer_work)(struct memcg *cg, unsigned what);

/*
 * cg owes `what`, bits of the low 8. Nothing without a running thread. Never waits or allocates,
 * runs no code of the program. The caller has a reference, or is in an RCU section.
 */
__hidden_ void reclaimer_owe(struct memcg *cg, unsigned what);
__hidden_ bool reclaimer_running(void); /* a load */
__hidden_ bool reclaimer_is_self(void);
__hidden_ void reclaimer_fork_child(void); /* every lock is free */

#endif
