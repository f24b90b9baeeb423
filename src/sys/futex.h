/* futex.h - sleeping on a word and waking who sleeps there; words of this process only. */
#ifndef MEMCG_SYS_FUTEX_H
#define MEMCG_SYS_FUTEX_H

#include "base/compiler.h"
#include "base/types.h"

/*
 * Sleeps while *word == expected, at most timeout_ns (0: no limit). 0 after a
 * wake; -EAGAIN the word differs; -EINTR; -ETIMEDOUT. The caller looks at
 * the word again whatever the answer: a wake may also be meant for somebody else.
 */
__hidden_ int sys_futex_wait(u32 *word, u32 expected, u64 timeout_ns);

/* Wakes up to n. A word that is unmapped meanwhile is no error: nobody can sleep there. */
__hidden_ void sys_futex_wake(u32 *word, int n);

#endif
