/*
 * hook.h - points where a test holds a thread between two steps, to bring about by hand what a
 * race does once in a million. Debug builds only: release builds have neither the point
 * nor the pointer. What a test puts there runs in the middle of the library, and
 * must call nothing that the place does not allow.
 */
#ifndef MEMCG_BASE_HOOK_H
#define MEMCG_BASE_HOOK_H

#include "base/compiler.h"

#ifdef MEMCG_DEBUG
#define HOOK_DECLARE(name) extern __hidden_ void (*hook_##name)(void)
#define HOOK_DEFINE(name)  void (*hook_##name)(void)
#define HOOK(name)                                                                     \
	do {                                                                           \
		void (*hook_)(void) = __atomic_load_n(&hook_##name, __ATOMIC_ACQUIRE); \
		if (unlikely(hook_))                                                   \
			hook_();                                                       \
	} while (0)
#else
#define HOOK_DECLARE(name) _Static_assert(1, #name)
#define HOOK_DEFINE(name)  _Static_assert(1, #name)
#define HOOK(name)	   ((void)0)
#endif

#endif
