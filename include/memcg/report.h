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

/** Objects, pages or charges of one kind, and their bytes. */
struct memcg_leftover {
	uint64_t objects, bytes;
};

/** What a destroyed group still owned, by the lines of memory.stat. Grows at the end. */
struct memcg_leftovers {
	size_t size;	/**< of the struct as the library knows it */
	uint64_t id;	/**< the group's */
	char path[256]; /**< it had, cut from the left when longer */
	struct memcg_leftover all;
	struct memcg_leftover slab, large, buffer, pagetables, kernel_stack, external, maps;
	struct memcg_leftover anon, file; /**< managed pages in memory; shared ones are file's */
	/** Managed pages that are swapped out, at their full size, and those in memory that are in
	 * the swap file still. No memory, so not in all; compressed copies are, in slab. */
	struct memcg_leftover swap;
	struct memcg_leftover sock; /**< network pages */
};

/**
 * Has fn told of every group that still owned memory when it was destroyed, itself or for groups
 * that were destroyed below it: in memcg_destroy, after the fact, counted from the memory by the
 * walk of memcg_report(). NULL: nobody is told; that costs nothing. Otherwise each destroy that
 * leaves something costs a walk over all memory: for finding leaks, not for every day. Exact when
 * no other thread allocates or frees. fn runs with no lock of the library's held and may call
 * anything; a call of an fn that is replaced may still be running on another thread when this
 * returns. With MEMCG_LEFTOVERS=1 in the environment each is also a line of the log. 0; -ENOMEM.
 */
MEMCG_API int memcg_set_leftovers(void (*fn)(const struct memcg_leftovers *left, void *arg),
				  void *arg);

MEMCG_END_DECLS

#endif
