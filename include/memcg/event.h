/*
 * memcg/event.h - events, pressure, and reclaim by the program. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_EVENT_H
#define MEMCG_EVENT_H

#include <memcg/group.h>

MEMCG_BEGIN_DECLS

/* --- events ------------------------------------------------------------- */

/** What happens to a group, as in memory.events. Bits; passed as unsigned; never renumbered. */
enum memcg_event {
	MEMCG_EVENT_LOW = 1u << 0,	      /**< reclaimed although below its low */
	MEMCG_EVENT_HIGH = 1u << 1,	      /**< over high: slowed down */
	MEMCG_EVENT_MAX = 1u << 2,	      /**< a charge met the max */
	MEMCG_EVENT_OOM = 1u << 3,	      /**< reclaim found nothing */
	MEMCG_EVENT_OOM_KILL = 1u << 4,	      /**< an OOM handler said that it killed */
	MEMCG_EVENT_OOM_GROUP_KILL = 1u << 5, /**< the same, for a group with memory.oom.group */
	MEMCG_EVENT_SOCK_THROTTLED = 1u << 6  /**< a network read met a limit */
};

/**
 * How often each happened in a group and all that were ever below it. Passed with its size: it
 * grows at the end.
 */
struct memcg_events {
	uint64_t low, high, max, oom, oom_kill, oom_group_kill, sock_throttled;
	uint64_t rose; /**< out: MEMCG_EVENT_ bits of those above what was passed in */
};

/**
 * Reads the counts. *ev holds those of the previous read (zeros at first) and gets those of now,
 * with the bits of what rose since; the group's descriptors from memcg_eventfd() are made ready
 * to tell again before that, so no event is missed between two reads. 0; -EINVAL for a NULL ev or
 * size 0. Any thread; a few loads, and a short lock where there are descriptors.
 */
MEMCG_API int memcg_event_read(struct memcg *cg, struct memcg_events *ev, size_t size);

/**
 * A new eventfd (close-on-exec, non-blocking) that becomes readable after any of `events` in cg or
 * below. It is written to at most once between two memcg_event_read() of cg: read(2) it to
 * make it unreadable, then memcg_event_read() to see what happened and to be told
 * again. It also becomes readable when cg goes offline; see memcg_online(). Keeps no
 * reference of the group. In the child of a fork nothing is written to it any more. Do not
 * take O_NONBLOCK off it. Give it back with memcg_eventfd_close(). The descriptor, or -EINVAL
 * (no event, or one that is unknown), -EMFILE, -ENFILE, -ENOMEM, -ENODEV (offline).
 */
MEMCG_API MEMCG_NODISCARD int memcg_eventfd(struct memcg *cg, unsigned events);

/**
 * Closes a descriptor of memcg_eventfd(), and the library's end of it. A plain close(2) leaves that
 * open until the group is gone. 0; -EBADF: not from memcg_eventfd(), or closed already, or made
 * before a fork.
 */
MEMCG_API int memcg_eventfd_close(int fd);

/* --- shrinkers ------------------------------------------------------------ */

/** A cache of the program's that can be made smaller. */
struct memcg_shrinker;

enum memcg_shrink_flags {
	MEMCG_SHRINK_INLINE = 1u << 0 /**< may also run on a thread that allocates */
};

/** From scan(): nothing now (a trylock failed, say). It is not asked again in this pass. */
#define MEMCG_SHRINK_STOP SIZE_MAX

/**
 * What count() and scan() may do. They run where reclaim is needed: in memcg_leave, memcg_throttle,
 * memcg_reclaim and memcg_set_limit, on the reclaimer thread, and with MEMCG_SHRINK_INLINE inside
 * an allocation too: such ones may only trylock what the program holds around allocations. No
 * lock of the library is held. One thread at a time is in a shrinker; others pass it by, but
 * an allocation that would be refused waits some milliseconds for one with that flag.
 * They may allocate (charged to a small reserve when the group is full, and never reclaiming
 * again), free, create and destroy groups, and register and unregister shrinkers, themselves
 * included. They may not leave by longjmp, pthread_exit or cancellation.
 *
 * What they say is checked. Counts above the group's usage are cut to it; one whose frees do
 * not bring the group's usage down as it claims is asked for less; one that takes longer
 * than its deadline is passed over for the next walks, more of them each time. Either is said
 * in a line of the log. Small objects come back to a group slab by slab (16 KiB and more): a cache
 * that frees one here and one there gives back little, and those it keeps stand in the way.
 */
struct memcg_shrinker_config {
	size_t size;	  /**< sizeof(struct memcg_shrinker_config) */
	const char *name; /**< for log lines; copied, cut after 47 bytes; NULL: "unnamed" */
	/** Bytes it could free for cg now. Cheap: asked before every scan. */
	size_t (*count)(struct memcg *cg, void *arg);
	/** Frees about `bytes`, returning by deadline_ns (CLOCK_MONOTONIC). Bytes freed, or
	 * MEMCG_SHRINK_STOP. */
	size_t (*scan)(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg);
	void *arg;
	unsigned priority;    /**< 0 to 12: how dear its contents are; each step halves its share */
	unsigned flags;	      /**< memcg_shrink_flags */
	uint64_t deadline_ms; /**< what one call may take; 0: 10 */
};
#define MEMCG_SHRINKER_CONFIG_INIT MEMCG_SIZED_(struct memcg_shrinker_config)

/**
 * Registers a shrinker that serves cg (NULL: the active group); several may. After cg's destroy
 * it serves the parent, and gets that as cg from then on. No reference on cg is taken. NULL and
 * errno: EINVAL (no count or scan, an unknown flag, a priority over 12), E2BIG (unknown fields that
 * are not zero), ENOMEM, ENODEV (cg is offline). Cost: a lock and one step for each level.
 */
MEMCG_API MEMCG_NODISCARD struct memcg_shrinker *
memcg_shrinker_register(struct memcg *cg, const struct memcg_shrinker_config *config);

/**
 * Ends a registration; its group may have gone long ago. When it returns no call is running, and
 * none will: it waits for one on another thread, so that the caller must not hold what that
 * one is waiting for. From inside its own callback it does not wait, and takes effect when that
 * returns. NULL is allowed. Not twice.
 */
MEMCG_API void memcg_shrinker_unregister(struct memcg_shrinker *shrinker);

/**
 * Starts the reclaimer: one thread of the library's, named memcg-reclaim, all signals blocked,
 * charged to the root. It does the reclaim that allocations may not do themselves: of groups
 * over their high, or refused at their max where a shrinker or handler without the INLINE
 * flag could help; and so before those threads come to memcg_leave. No thread is
 * ever made without this call. 0; -EALREADY; -EAGAIN: no thread was to be had. The child of a
 * fork has none, and may start its own.
 */
MEMCG_API int memcg_reclaimer_start(void);

/**
 * Ends the reclaimer, when it has done what it was asked for until now; waits for that, so a
 * callback that never returns is waited for. 0; -ESRCH: none runs; -EDEADLK: from a shrinker or an
 * OOM handler, or on that thread.
 */
MEMCG_API int memcg_reclaimer_stop(void);

/* --- out of memory ------------------------------------------------------- */

/** What a handler did about it. Passed as unsigned; never renumbered; others count as FAIL. */
enum memcg_oom_result {
	MEMCG_OOM_FAIL = 0,  /**< nothing: the charge is refused */
	MEMCG_OOM_RETRY = 1, /**< something came free, or is about to: try again */
	MEMCG_OOM_KILLED = 2 /**< as RETRY, by ending somebody: counted as oom_kill of that group */
};

enum memcg_oom_flags {
	MEMCG_OOM_INLINE = 1u << 0 /**< may also run on a thread that allocates; never in a fault */
};

/** A handler. oom() may free, destroy groups and end tenants; what it allocates in the group comes
 * from a small reserve. No lock of the library is held while it runs. */
struct memcg_oom_config {
	size_t size; /**< sizeof(struct memcg_oom_config) */
	/** limited: whose memory should go: the group at its max, or the topmost group below it
	 * with memory.oom.group set. wanted: bytes that were refused. */
	unsigned (*oom)(struct memcg *limited, uint64_t wanted, void *arg);
	void *arg;
	unsigned flags; /**< memcg_oom_flags */
};
#define MEMCG_OOM_CONFIG_INIT MEMCG_SIZED_(struct memcg_oom_config)

/**
 * Sets the handler of cg (NULL: the active group), asked when cg or a group below it without a
 * nearer handler is at its max and reclaim found nothing. config NULL: none. It runs on one thread
 * at a time: at memcg_leave, memcg_throttle, memcg_set_limit, on the reclaimer thread, and with
 * MEMCG_OOM_INLINE also inside the allocation that was refused. A fault of managed memory
 * (memcg/mm.h) runs no code of the program, so no handler is asked in one, with that flag or
 * without: the thread gets its SIGBUS, and the handler is asked once, at the thread's next
 * memcg_leave or memcg_throttle or on the reclaimer thread, if there is still no room.
 * Replacing waits for a call that is running on another thread. 0, -EINVAL, -E2BIG, -ENOMEM.
 */
MEMCG_API int memcg_set_oom_handler(struct memcg *cg, const struct memcg_oom_config *config);

MEMCG_END_DECLS

#endif
