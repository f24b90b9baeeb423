/*
 * up.h - "be up": the library comes up at the first call of anything, so that
 * memcg_init() can come first. Defined in lib/init.c; with memcg_bug() the only
 * name a lower layer takes from a higher one.
 */
#ifndef MEMCG_BASE_UP_H
#define MEMCG_BASE_UP_H

#include "base/compiler.h"
#include "base/types.h"

extern __hidden_ bool lib_is_up;	   /* written once, with release */
__hidden_ __cold_ void lib_bring_up(void); /* ends the process with one line when it cannot */

static inline void lib_up(void)
{
	if (unlikely(!__atomic_load_n(&lib_is_up, __ATOMIC_ACQUIRE)))
		lib_bring_up();
}

#endif
