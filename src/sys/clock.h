/* clock.h - time that only goes forward, and letting it pass. */
#ifndef MEMCG_SYS_CLOCK_H
#define MEMCG_SYS_CLOCK_H

#include "base/compiler.h"
#include "base/types.h"

__hidden_ u64 sys_clock_ns(void);
__hidden_ u64 sys_clock_coarse_ns(void); /* up to a timer tick (4-10 ms) behind; cheaper */
/* The same in milliseconds; wraps after 49 days, so only differences are compared. */
__hidden_ u32 sys_clock_coarse_ms(void);
__hidden_ void sys_sleep_ns(u64 ns); /* may be cut short by a signal; no cancellation point */

#endif
