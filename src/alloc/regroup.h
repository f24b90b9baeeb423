/*
 * regroup.h - for who decides which group a thread is in: to change it often, and to have others
 * look again.
 *
 * A group for each allocation's caller changes with every other allocation. memcg_enter and
 * memcg_put are two atomic operations on the groups, whose lines all threads would pass around.
 * Whoever keeps groups for good lends them: the thread has no reference of its own then
 * (thread->lent), and who takes over from there, memcg_enter, makes one.
 *
 * A thread's group is entered by the thread itself, so whoever changes another thread's name can
 * only ask: each thread calls memcg__thread_hook once more in its next slow path.
 */
#ifndef MEMCG_ALLOC_REGROUP_H
#define MEMCG_ALLOC_REGROUP_H

#include "base/compiler.h"

/* Asks every thread but this one. Takes the lock of the registry; not for signal handlers. */
__private_ void memcg__threads_regroup(void);

struct memcg;

/* This thread pays from cg, which the caller has a reference to for good. No record: nothing
 * happens. */
__private_ void memcg__thread_pay(struct memcg *cg);

#endif
