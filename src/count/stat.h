/*
 * stat.h - statistics gathered per CPU, keyed by a 32-bit tag. Knows no group:
 * what a tag means, and where sums live, is the business of the sink.
 *
 * 1. Each CPU has a direct-mapped table of slots {tag, delta per item}, made
 *    at the first use of any. stat_add works on the table of the CPU it runs on.
 * 2. A slot is handed to the sink when another tag needs its place, or when an
 *    item of it has passed STAT_BATCH. So memory is CPUs x table whatever the number of tags, and a
 *    tag nobody uses costs nothing.
 * 3. Bound: for each item and tag, what the sink has been told differs from the
 *    truth by at most CPUs x STAT_BATCH, and by nothing after stat_fold of the
 *    tag, when no stat_add of it is under way.
 * 4. Without memory for the tables everything goes to the sink at once: slower, and exact.
 *
 * Locks: one of RANK_STAT for each CPU's table, held for a few words. The sink is
 * called without any lock of ours, possibly by several threads at once, and may call
 * anything but must not wait for the thread that called stat_add.
 */
#ifndef MEMCG_COUNT_STAT_H
#define MEMCG_COUNT_STAT_H

#include "base/compiler.h"
#include "base/types.h"

enum stat_item {
	STAT_LARGE = 0,	   /* objects larger than the largest class */
	STAT_BUFFER = 1,   /* pages passed by reference */
	STAT_TABLE = 2,	   /* page tables */
	STAT_STACK = 3,	   /* stacks with their guard */
	STAT_EXTERNAL = 4, /* memory the program has from elsewhere and charged by hand */
	STAT_MAPS = 5,	   /* private maps of unmodified programs */
	STAT_SOCK = 6,	   /* network pages */
	STAT_BASIC_NR = 7, /* every group has these; the rest are managed memory's: group/vm.h */
	STAT_ANON = 7,
	STAT_FILE = 8, /* page cache and shared anonymous memory */
	STAT_FILE_MAPPED = 9,
	STAT_SHMEM = 10, /* the part of STAT_FILE that is no file's */
	STAT_FILE_DIRTY = 11,
	STAT_FILE_WRITEBACK = 12,
	STAT_SWAPCACHED = 13, /* resident, and still in the swap file */
	STAT_ZSWAP = 14,      /* compressed copies: what they cost, */
	STAT_ZSWAPPED = 15,   /* and what they stand for */
	STAT_LISTS = 16,      /* and the following: by enum lru_list, from 1 (lru/lruvec.h) */
	STAT_NR = 21
};

/* Bytes of one item a slot holds back before the sink hears of them. */
#define STAT_BATCH ((s64)(64 * PAGE_SIZE))

typedef void (*stat_sink)(u32 tag, const s64 delta[STAT_NR]);

/* Once, before the first stat_add. */
__hidden_ void stat_init(stat_sink sink);
/* n bytes more (less) of item for tag. Any thread. */
__hidden_ void stat_add(u32 tag, unsigned item, s64 n);
/* What every CPU holds back of tag (of all tags) goes to the sink. */
__hidden_ void stat_fold(u32 tag);
__hidden_ void stat_fold_all(void);
/*
 * In the child: nobody holds a table any more. A thread that was inside one when
 * the process forked may leave that CPU's slot half written: off by STAT_BATCH an item, at most.
 */
__hidden_ void stat_after_fork(void);

#endif
