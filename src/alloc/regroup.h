/*
 * regroup.h - who groups threads by something that can change asks them to look again.
 *
 * A thread's group is entered by the thread itself, so whoever changes another thread's name can
 * only ask: each thread calls memcg__thread_hook once more in its next slow path.
 */
#ifndef MEMCG_ALLOC_REGROUP_H
#define MEMCG_ALLOC_REGROUP_H

#include "base/compiler.h"

/* Asks every thread but this one. Takes the lock of the registry; not for signal handlers. */
__private_ void memcg__threads_regroup(void);

#endif
