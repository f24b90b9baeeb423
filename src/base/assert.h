/*
 * assert.h - two rungs.
 *   BUG_ON(cond)	 always on: cheap checks of what must never be. Ends the process with one
 * line. ASSERT(cond)	 debug builds (MEMCG_DEBUG): dear checks; still type-checked in release
 * builds. base holds no system call, so the line itself is written by sys/log.c, which defines
 * memcg_bug(); that is the only name a lower layer takes from a higher one.
 */
#ifndef MEMCG_BASE_ASSERT_H
#define MEMCG_BASE_ASSERT_H

#include "base/compiler.h"

__cold_ __attribute__((noreturn)) __hidden_ __printf_(1, 2) void memcg_bug(const char *fmt, ...);

#define BUG_ON(cond)                                                                         \
	do {                                                                                 \
		if (unlikely(cond))                                                          \
			memcg_bug("%s:%d: %s: impossible: %s", __FILE__, __LINE__, __func__, \
				  #cond);                                                    \
	} while (0)

#ifdef MEMCG_DEBUG
#define ASSERT(cond) BUG_ON(!(cond))
#else
#define ASSERT(cond) ((void)sizeof(!(cond)))
#endif

#endif
