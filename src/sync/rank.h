/*
 * rank.h - THE lock order. A thread takes locks in rising rank only; debug
 * builds check every acquisition. Locks of higher layers appear here as bare
 * enumerators: the one place where a lower layer knows their names.
 */
#ifndef MEMCG_SYNC_RANK_H
#define MEMCG_SYNC_RANK_H

enum lock_rank {
	RANK_NONE = 0,
	RANK_TREE,     /* group/tree.c: hierarchy, names, online state */
	RANK_SHRINKER, /* reclaim/shrinker.c: registrations; never held while one is called */
	RANK_OOM,      /* reclaim/oom.c: handlers; nothing is taken under it */
	RANK_READER,   /* ctl/reader.c: readers of files */
	RANK_SERVE,    /* ctl/serve.c: what the control socket's clients have */
	RANK_CACHE,    /* alloc/cache.c: list of caches, then one cache */
	RANK_CACHE_ONE,
	RANK_PIPE,     /* alloc/pipe.c: one pipe, and another by trying; a leaf */
	RANK_PSI,      /* reclaim/psi.c: stalls; looks at tasks */
	RANK_TASKS,    /* group/task.c: registry of threads */
	RANK_ORPHANS,  /* slab/orphan.c: slabs nobody holds */
	RANK_ROOM,     /* vm/store.c: room for a cluster on its way to the file */
	RANK_MMS,      /* vm/mm.c: which address spaces there are */
	RANK_MM,       /* vm/mm.c: windows of one mm, coming and going */
	RANK_OBJECT,   /* vm/object.c: the windows of one object */
	RANK_PT,       /* vm/table.c: the entries of one table */
	RANK_LRU,      /* lru/lruvec.c: a group's lists; a child's, then its parent's */
	RANK_NETSTOP,  /* net/cache.c: emptying other CPUs' stacks of pages */
	RANK_POOLS,    /* net/pool.c: who has which slot */
	RANK_POOL,     /* net/extent.c: extents of one pool */
	RANK_RCVBUF,   /* net/rcvbuf.c: sockets that are lowered */
	RANK_FLIGHT,   /* net/flight.c: sends that are not through */
	RANK_STOCK,    /* group/stock.c: draining other CPUs' stock */
	RANK_TALLY,    /* group/tally.c: stopping a CPU that counts external charges */
	RANK_STAT,     /* group/stat.c: per-CPU statistic slots */
	RANK_HANDLE,   /* group/handle.c: free handles */
	RANK_EXTERNAL, /* alloc/external.c: charges by hand */
	RANK_MAP,      /* alloc/maps.c: charged private maps */
	RANK_STACKS,   /* alloc/stack_cache.c: a CPU's kept stacks; nothing is taken under it */
	RANK_EXTENT,   /* page/managed.c: extents of managed memory */
	RANK_SWAP,     /* vm/swap_map.c: slots of the swap file, and who makes it longer */
	RANK_ZSWAP,    /* vm/zswap.c: states of the compressor */
	RANK_ARENA,    /* alloc/arena.c: slabs held by no thread */
	RANK_PURGE,    /* page/purge.c: one pass at a time */
	RANK_META,     /* page/meta.c: our own structures */
	RANK_RANGE,    /* page/range.c: runs longer than the largest order */
	RANK_PCP,      /* page/pcp.c: one CPU's page lists */
	RANK_BUDDY,    /* page/buddy.c */
	RANK_RCU,      /* sync/rcu.c: reader registry and deferred frees */
	RANK_EVENT,    /* group/event.c: watches; events are raised under any lock */
	RANK_MAX
};

#endif
