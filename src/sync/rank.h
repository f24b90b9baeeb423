/*
 * rank.h - THE lock order. A thread takes locks in rising rank only; debug
 * builds check every acquisition. Locks of higher layers appear here as bare
 * enumerators: the one place where a lower layer knows their names.
 */
#ifndef MEMCG_SYNC_RANK_H
#define MEMCG_SYNC_RANK_H

enum lock_rank {
	RANK_NONE = 0,
	RANK_TREE = 1,	/* group/tree.c: hierarchy, names, online state */
	RANK_CACHE = 2, /* alloc/cache.c: list of caches, then one cache */
	RANK_CACHE_ONE = 3,
	RANK_THREADS = 4,  /* alloc/thread.c: registry of threads */
	RANK_ORPHANS = 5,  /* slab/orphan.c: slabs nobody holds */
	RANK_STOCK = 6,	   /* group/stock.c: draining other CPUs' stock */
	RANK_STAT = 7,	   /* group/stat.c: per-CPU statistic slots */
	RANK_HANDLE = 8,   /* group/handle.c: free handles */
	RANK_EXTERNAL = 9, /* alloc/external.c: charges by hand */
	RANK_MAP = 10,	   /* alloc/maps.c: charged private maps */
	RANK_PURGE = 11,   /* page/purge.c: one pass at a time */
	RANK_META = 12,	   /* page/meta.c: our own structures */
	RANK_RANGE = 13,   /* page/range.c: runs longer than the largest order */
	RANK_PCP = 14,	   /* page/pcp.c: one CPU's page lists */
	RANK_BUDDY = 15,   /* page/buddy.c */
	RANK_RCU = 16,	   /* sync/rcu.c: reader registry and deferred frees */
	RANK_MAX
};

#endif
