/* result.h - what a call by number gave. Not for other layers. */
#ifndef MEMCG_SYS_RESULT_H
#define MEMCG_SYS_RESULT_H

#include "base/types.h"

#include <errno.h>

/* The call's result as -errno; errno as it was before. */
static inline long sys_result(long r, int saved)
{
	if (r == -1)
		r = -errno;
	errno = saved;
	return r;
}

#endif
