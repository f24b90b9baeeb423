/*
 * memcg/event.h - events, pressure, and reclaim by the program. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_EVENT_H
#define MEMCG_EVENT_H

#include <memcg/group.h>

MEMCG_BEGIN_DECLS

/* --- out of memory ------------------------------------------------------- */

/** What a handler did about it. Passed as unsigned; never renumbered; others count as FAIL. */
enum memcg_oom_result {
	MEMCG_OOM_FAIL = 0,  /**< nothing: the charge is refused */
	MEMCG_OOM_RETRY = 1, /**< something came free, or is about to: try again */
	MEMCG_OOM_KILLED = 2 /**< as RETRY, by ending somebody: counted as oom_kill of that group */
};

enum memcg_oom_flags {
	MEMCG_OOM_INLINE = 1u << 0 /**< may also run on a thread that allocates */
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
#define MEMCG_OOM_CONFIG_INIT                           \
	{                                               \
		.size = sizeof(struct memcg_oom_config) \
	}

/**
 * Sets the handler of cg (NULL: the active group), asked when cg or a group below it without a
 * nearer handler is at its max and reclaim found nothing. config NULL: none. It runs on one thread
 * at a time: at memcg_leave, memcg_throttle, memcg_set_limit, on the reclaimer thread, and with
 * MEMCG_OOM_INLINE also inside the allocation that was refused. Replacing waits for a call
 * that is running on another thread. 0, -EINVAL, -E2BIG, -ENOMEM.
 */
MEMCG_API int memcg_set_oom_handler(struct memcg *cg, const struct memcg_oom_config *config);

MEMCG_END_DECLS

#endif
