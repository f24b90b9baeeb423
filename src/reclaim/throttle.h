/* throttle.h - memory.high: giving back, and waiting when that was not enough. */
#ifndef MEMCG_RECLAIM_THROTTLE_H
#define MEMCG_RECLAIM_THROTTLE_H

#include "group/group.h"

/* This thread charged n bytes to cg while cg or an ancestor was over its high. At most 2 s. */
__hidden_ void throttle(struct memcg *cg, u64 n);
/* The reclaimer's part: cg and all above it go back to their highs, as far as that can be had. */
__hidden_ void throttle_work(struct memcg *cg);
/* What n bytes cost at this usage and high, in nanoseconds; 0: too little to wait for. */
__hidden_ u64 throttle_delay(u64 usage, u64 high, u64 n);

#endif
