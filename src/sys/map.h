/*
 * map.h - address space from the system. Nothing here allocates; errno is as
 * it was when a call succeeds. A NULL comes with errno set.
 */
#ifndef MEMCG_SYS_MAP_H
#define MEMCG_SYS_MAP_H

#include "base/compiler.h"
#include "base/types.h"

/*
 * Addresses without memory: not readable, not counted as committed. `align` is a
 * power of two. To be opened by sys_open_range in steps.
 */
__hidden_ void *sys_reserve(size_t len, size_t align);

/* Makes a page-aligned part of a reservation readable and writable: 0 or -errno. */
__hidden_ int sys_open_range(void *p, size_t len);

/*
 * Gives the memory back, keeps the addresses: 0 and every page reads zero
 * from now on; or -errno and the content is as it was (locked memory: -EINVAL).
 */
__hidden_ int sys_purge(void *p, size_t len);

/* Readable as zero; nothing is committed for it. -errno; fails like open_range. */
__hidden_ int sys_open_readable(void *p, size_t len);

/*
 * Two ways to make opened memory inaccessible (on) and usable again, for guards. 0 or -errno.
 * By marks in the page tables: Linux 6.13 and later, not on locked memory; the mapping stays one.
 * What was in the pages is gone, and purging leaves the marks. -EINVAL: not here.
 */
__hidden_ int sys_guard_mark(void *p, size_t len, bool on);
/* By protection, which splits the mapping, of which a process has so many. Fails like open_range.
 */
__hidden_ int sys_guard_protect(void *p, size_t len, bool on);
/*
 * Copies n bytes of ours that another thread may be making inaccessible: false when they are, or
 * become so meanwhile. Where that call is forbidden they are read as they are.
 */
__hidden_ bool sys_peek(const void *from, void *to, size_t n);
/* How many mappings a process may have (vm.max_map_count); what Linux comes with, if unknown. */
__hidden_ u32 sys_maps_max(void);

__hidden_ void *sys_map(size_t len); /* readable, writable, zero */

/* Of sys_map or sys_reserve. When the system refuses, the addresses are lost but not the memory. */
__hidden_ void sys_unmap(void *p, size_t len);

#endif
