/* thread.h - a thread of the library's own; only one that the program asked for is ever made. */
#ifndef MEMCG_SYS_THREAD_H
#define MEMCG_SYS_THREAD_H

#include <pthread.h>

#include "base/compiler.h"
#include "base/types.h"

/*
 * Runs body(arg) in a thread that blocks every signal and shows as `name` (15 bytes at most).
 * 0 or -EAGAIN. libc allocates for it: not on a path of an allocation, no lock held.
 */
__hidden_ int sys_thread_start(pthread_t *thread, const char *name, void *(*body)(void *),
			       void *arg);
/* Waits for its end. No cancellation point: half a wait would leave nobody to make the other. */
__hidden_ void sys_thread_join(pthread_t thread);

#endif
