/* cpu.h - how many CPUs there are, which one this is, and ordering the others. */
#ifndef MEMCG_SYS_CPU_H
#define MEMCG_SYS_CPU_H

#include "base/compiler.h"
#include "base/types.h"

/*
 * One more than the highest CPU number a thread can ever see, so CPUs that are
 * plugged in later are covered. Reads /sys; where that is missing, the
 * CPUs this process may run on. Never 0. Call once: it opens a file.
 */
__hidden_ unsigned sys_cpu_possible(void);

/* Of a list like "0-3,8-11": highest + 1; 0 when it is not one. */
__hidden_ unsigned sys_cpu_parse_list(const char *list);

__hidden_ unsigned sys_cpu_this(void); /* a hint; 0 where the system cannot say */
__hidden_ void sys_cpu_yield(void);

/* membarrier(2): its result (a bit set for the query) or -errno. */
__hidden_ int sys_membarrier(int cmd, unsigned flags, int cpu);

#endif
