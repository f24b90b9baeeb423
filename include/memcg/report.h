/*
 * memcg/report.h - looking at it. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_REPORT_H
#define MEMCG_REPORT_H

#include <memcg/group.h>

MEMCG_BEGIN_DECLS

enum memcg_report_flags {
	MEMCG_REPORT_NO_RECOUNT = 1u << 0, /**< the tree only */
	MEMCG_REPORT_QUIET = 1u << 1	   /**< print differences only */
};

/**
 * Prints the tree with usage beside limits; then the recount: counts
 * from the memory (descriptors, slots, owner entries; never counters) and names every
 * difference. Exact at a quiet moment: the caller sees to it that no other thread
 * allocates. 0; the number of differences as a positive value; -errno of the write.
 */
MEMCG_API int memcg_report(int fd, unsigned flags);

MEMCG_END_DECLS

#endif
