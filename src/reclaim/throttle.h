/* throttle.h - memory.high: giving back, and waiting when that was not enough. */
#ifndef MEMCG_RECLAIM_THROTTLE_H
#define MEMCG_RECLAIM_THROTTLE_H

#include "group/group.h"

/* This thread charged n bytes to cg while cg or an ancestor was over its high. At most 2 s. */
__hidden_ void throttle(struct memcg *cg, u64 n);
/* Each level from cg up that is over its high gives back about n; bytes. */
__hidden_ u64 throttle_give_back(struct memcg *cg, u64 n);
/* What n bytes cost at this usage and high, in nanoseconds; 0: too little to wait for. */
__hidden_ u64 throttle_delay(u64 usage, u64 high, u64 n);

#endif
