/* external.h - memory we did not allocate, charged by hand. */
#ifndef MEMCG_ALLOC_EXTERNAL_H
#define MEMCG_ALLOC_EXTERNAL_H

#include "base/list.h"
#include "base/types.h"

struct memcg_charge {
	u64 live; /* CHARGE_LIVE; exchanged with 0 by the one uncharge */
	u64 bytes;
	u32 handle;
	struct list link; /* external_lock */
};

/* Head of the list of all charges, for who reads it from outside: ctl/layout.h. */
extern __hidden_ const struct list *const external_registry;

/* Every live charge, for the recount. Quiet moments only. */
__hidden_ void external_each(void (*each)(u32 handle, u64 bytes, unsigned stat_item, void *arg),
			     void *arg);
__hidden_ void external_fork_prepare(void);
__hidden_ void external_fork_done(void);

#endif
