/*
 * oom.h - the program's last word when reclaim found nothing.
 */
#ifndef MEMCG_RECLAIM_OOM_H
#define MEMCG_RECLAIM_OOM_H

#include "reclaim/source.h"

struct oom_hook;

/*
 * limited refused n bytes that payer (a handle) wanted, and nothing could be reclaimed: counts
 * `oom` and asks the nearest handler that may run now. True: it says that memory came free.
 */
__hidden_ bool oom_relieve(struct memcg *limited, u32 payer, u64 n, enum reclaim_how how);
/* Asks and counts nothing: that is done already for this refusal. */
__hidden_ bool oom_ask(struct memcg *limited, u32 payer, u64 n, enum reclaim_how how);
/* For a refusal that is over. asked: a handler that runs inside allocations has had its say on it.
 */
__hidden_ void oom_ask_owed(struct memcg *limited, u64 n, bool asked);
/* Whether any handler stands at cg or above. */
__hidden_ bool oom_handled(const struct memcg *cg);
__hidden_ void oom_group_free(struct memcg *cg); /* its struct goes */
__hidden_ void oom_fork_prepare(void);
__hidden_ void oom_fork_parent(void);
__hidden_ void oom_fork_child(void);

#endif
