/*
 * pagemap.h - which pages of a mapping are still protected against writing, by PAGEMAP_SCAN (Linux
 * 6.7). Asked this way round what the system has forgotten counts as written.
 */
#ifndef MEMCG_SYS_PAGEMAP_H
#define MEMCG_SYS_PAGEMAP_H

#include "base/compiler.h"
#include "base/types.h"

/* The descriptor to ask; of this process, not of its children. -errno: the system has none. */
__hidden_ int sys_pagemap(void);

/*
 * Sets bit i of bits[], which are zero, when page i from `at` on was mapped by sys_uffd_continue
 * with protection and not written to since: also after a zap. -errno: some may not be set.
 */
__hidden_ int sys_unwritten(int pagemap, uintptr_t at, u32 n, u64 *bits);

#endif
