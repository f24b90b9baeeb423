/* failure.h - what memcg_last_failure() tells. */
#ifndef MEMCG_RECLAIM_FAILURE_H
#define MEMCG_RECLAIM_FAILURE_H

#include "group/group.h"

/* This thread was refused n bytes, by limited's max; NULL: by the system. */
__hidden_ void failure_record(struct memcg *limited, u64 n);

#endif
