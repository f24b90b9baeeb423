/*
 * task.h - a thread as this layer and the next see it: who pays, what it owes, what it was
 * refused; and the registry of all threads that have a record.
 *
 * The allocation layer's thread record begins with a task; it makes it known here with its
 * first slow path and takes it back when the thread ends. The fields are the thread's own. What
 * others read, under the registry's lock, says so.
 */
#ifndef MEMCG_GROUP_TASK_H
#define MEMCG_GROUP_TASK_H

#include <memcg/group.h>

#include "base/list.h"
#include "sync/rcu.h"

/* A group by name, so to speak: nothing is held, and it may be gone when it is looked for. */
struct group_ref {
	u64 id;
	u32 handle;
};

/* A charge that failed, on its way to where something can be done about it (reclaim/charge.h). */
struct refusal {
	u64 wanted;	     /* 0: none */
	struct group_ref by; /* whose max; id 0: the system's */
	u32 payer;	     /* handle */
	bool on_demand;	     /* by memory.fail, not by a max */
};

/*
 * The allocation layer's thread record begins with it; while a thread
 * has none (start-up, tear-down) memcg__self names a record that is nobody's, with tid
 * 0: so the first path needs no test for it. Defined in alloc/thread.c.
 */
struct task {
	struct rcu_reader rcu;
	struct memcg *active; /* referenced; NULL: the root. The thread's; others: see tasks_each */
	u32 handle;	      /* the active group's; what allocations are charged to */
	u32 tid;	      /* our own number, from 1; reused */
	/* The system's number for it; written at registration and fork, read by others. */
	u32 system_id;
	u32 busy;	/* depth of slow paths: a signal handler that allocates in one gets NULL */
	u32 failed;	/* failure holds something */
	u32 asked;	/* depth of memcg_reclaim: what is reclaimed is what the program wants */
	u32 reclaiming; /* depth of program code that reclaim called: it never calls more */
	u32 owed;	/* what memcg_leave and memcg_throttle have to serve: reclaim/owed.h */
	u32 stalls;	/* depth of psi_begin; read by others */
	u32 paging; /* depth of what holds locks of managed pages: a fault of a signal handler then
		     * is not served, it would wait for its own thread */
	u32 resizing; /* follows up the length of a file: a fault of a signal handler does not wait
		       * for who is at another one, who may be waiting for this thread */
	bool ours; /* the library's own thread: in no group's list of threads, in nobody's count */
	struct refusal refused;
	u64 high_bytes; /* charged to groups over their high since that was served */
	struct group_ref high_group, short_group; /* whose; and who refused what could not be had */
	u64 short_bytes;
	struct memcg *measured; /* while reclaim measures what comes back to it; NULL */
	u64 folded;		/* bytes this thread credited to it or below meanwhile */
	struct memcg_failure failure;
	struct list link; /* registry */
};
extern __private_ __thread struct task *memcg__self __attribute__((tls_model("initial-exec")));

/* NULL while the thread has no record. */
static inline struct task *task_self(void)
{
	return likely(memcg__self->tid) ? memcg__self : NULL;
}

static inline struct rcu_reader *self_rcu(void)
{
	return task_self() ? &memcg__self->rcu : NULL;
}

/*
 * Around what takes locks outside a slow path but on the way of allocations: a signal handler that
 * allocates in between gets NULL, not a lock that this thread holds.
 */
static inline void task_busy_begin(void)
{
	if (task_self())
		memcg__self->busy++;
}

static inline void task_busy_end(void)
{
	if (task_self())
		memcg__self->busy--;
}

/* As busy, but what allocates in between is served: nothing of the program's runs meanwhile. */
static inline void task_paging_begin(void)
{
	if (task_self())
		memcg__self->paging++;
}

static inline void task_paging_end(void)
{
	if (task_self() && memcg__self->paging) /* 0: the record was made in between */
		memcg__self->paging--;
}

/* False: no number is left. Registered, it has its tid. */
__hidden_ bool task_register(struct task *t);
__hidden_ void task_unregister(struct task *t);
__hidden_ u32 task_count(void); /* those of the program */

/*
 * Calls each() for all threads, with the registry locked, until it says false. What it reads of
 * another thread's task may change under it; the group that `active` names is valid memory
 * for who is in an RCU section.
 */
__hidden_ void tasks_each(bool (*each)(struct task *t, void *arg), void *arg);

__hidden_ void tasks_init(void);
__hidden_ void tasks_fork_prepare(void);
__hidden_ void tasks_fork_parent(void);
__hidden_ void tasks_fork_child(void); /* this thread alone is left */

#endif
