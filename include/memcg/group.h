/*
 * memcg/group.h - groups, limits, usage, and who pays. Include <memcg.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef MEMCG_GROUP_H
#define MEMCG_GROUP_H

#include <memcg/base.h>

MEMCG_BEGIN_DECLS

/** A memory group: a node of one tree whose root always exists. */
struct memcg;

/* --- the tree ---------------------------------------------------------- */

/** The root. Borrowed; never goes. */
MEMCG_API struct memcg *memcg_root(void);

/**
 * Makes a group below parent (NULL: the root). Returns a new reference.
 * NULL and errno: EINVAL for an empty name, one with '/' or a control
 * character, "." or "..", or over 255 bytes; EEXIST; ENODEV when the parent is
 * offline; EAGAIN past cgroup.max.descendants or cgroup.max.depth; ENOMEM.
 * Cost: about a microsecond, whatever the number of siblings.
 */
MEMCG_API MEMCG_NODISCARD struct memcg *memcg_create(struct memcg *parent, const char *name);

/** Finds "/web/tenant-7" ("/" is the root). New reference; NULL and ENOENT or EINVAL. */
MEMCG_API MEMCG_NODISCARD struct memcg *memcg_lookup(const char *path);

/**
 * Takes the group offline at once, whatever it owns, and drops the caller's
 * one reference. Its objects, pages and buffers are the parent's from then on;
 * a thread whose active group it was charges the nearest online ancestor; the
 * name is free. 0 also for a group that is offline already. -EBUSY (reference
 * kept) while it has online children; -EINVAL for NULL and for the root.
 */
MEMCG_API int memcg_destroy(struct memcg *cg);

MEMCG_API struct memcg *memcg_get(struct memcg *cg); /**< one more reference; returns cg */
MEMCG_API void memcg_put(struct memcg *cg);	     /**< drops one; NULL is allowed */

/** New reference to the parent; NULL at the root. */
MEMCG_API MEMCG_NODISCARD struct memcg *memcg_parent(struct memcg *cg);

/**
 * Walks the tree below root (NULL: all of it) in pre-order: pass NULL, then
 * what came back. Returns a new reference and drops prev's; NULL at the end. Groups made or
 * destroyed during the walk may or may not be seen; the walk ends.
 */
MEMCG_API struct memcg *memcg_next(struct memcg *root, struct memcg *prev);

/** The path, "/" for the root, into buf. Length without the NUL, or -ERANGE. */
MEMCG_API int memcg_path(struct memcg *cg, char *buf, size_t size);

/** Whether the group is online: false from its memcg_destroy() on. */
MEMCG_API bool memcg_online(struct memcg *cg);
MEMCG_API uint64_t memcg_id(struct memcg *cg); /**< never reused; the root's is 1 */

/**
 * A word of the program's. drop(data) runs when it is replaced, or when the group's last
 * reference is gone: in a call of this header, never inside an allocation or a free.
 */
MEMCG_API void memcg_set_data(struct memcg *cg, void *data, void (*drop)(void *));
MEMCG_API void *memcg_data(struct memcg *cg); /**< that word; NULL: none was set */

/* --- limits, usage ------------------------------------------------------ */

/* Passed as unsigned; never renumbered. */
enum memcg_limit {
	MEMCG_MIN = 0,
	MEMCG_LOW = 1,
	MEMCG_HIGH = 2,
	MEMCG_MAX = 3,
	MEMCG_SWAP_HIGH = 4,
	MEMCG_SWAP_MAX = 5,
	MEMCG_ZSWAP_MAX = 6
};

/**
 * Sets a limit in bytes (rounded down to 4096), MEMCG_UNLIMITED for none. Lowering max or high
 * below usage gives back what can be given back before it returns, and never refuses: that
 * runs the program's shrinkers, and for max its OOM handler. The swap limits are about managed
 * memory (<memcg/mm.h>), and lowering one moves nothing. -EINVAL for an unknown `which`.
 */
MEMCG_API int memcg_set_limit(struct memcg *cg, unsigned which, uint64_t bytes);
MEMCG_API int memcg_get_limit(struct memcg *cg, unsigned which, uint64_t *bytes);

/** What the group and all below it are charged for: at most memcg_slack() above the truth. */
MEMCG_API uint64_t memcg_current(struct memcg *cg);
MEMCG_API uint64_t memcg_slack(struct memcg *cg);    /**< charged ahead and held by CPUs */
MEMCG_API uint64_t memcg_peak(struct memcg *cg);     /**< the most that current has been */
MEMCG_API uint64_t memcg_headroom(struct memcg *cg); /**< to the nearest max on the way up */

/**
 * Of the group and all below it: bytes, and numbers of events where the kernel counts events.
 * current, then the lines of memory.stat in the kernel's order, then ours. Those of the kernel's
 * that are about things a process's own memory does not have are 0; memcg-files(5) lists them.
 * Passed with its size: it grows at the end.
 */
struct memcg_stat {
	uint64_t current;

	uint64_t anon, file;
	uint64_t kernel;       /**< slab + large + buffer + pagetables + kernel_stack */
	uint64_t kernel_stack; /**< memcg_stack_alloc over 4096 bytes */
	uint64_t pagetables;   /**< MEMCG_PAGE_TABLE */
	uint64_t sec_pagetables;
	uint64_t percpu;
	uint64_t sock; /**< network pages: <memcg/net.h> */
	uint64_t vmalloc, shmem;
	uint64_t zswap, zswapped, zswap_incomp;
	uint64_t file_mapped, file_dirty, file_writeback;
	uint64_t swapcached;
	uint64_t anon_thp, file_thp, shmem_thp;
	uint64_t inactive_anon, active_anon, inactive_file, active_file, unevictable;
	uint64_t slab_reclaimable;
	uint64_t slab_unreclaimable; /**< all of slab */
	uint64_t slab;		     /**< objects in slabs, slots and owner entries */
	uint64_t hugetlb;
	uint64_t workingset_refault_anon, workingset_refault_file;
	uint64_t workingset_activate_anon, workingset_activate_file;
	uint64_t workingset_restore_anon, workingset_restore_file;
	uint64_t workingset_nodereclaim;
	uint64_t pgdemote_kswapd, pgdemote_direct, pgdemote_khugepaged, pgdemote_proactive;
	uint64_t pgsteal_kswapd, pgsteal_direct, pgsteal_khugepaged, pgsteal_proactive;
	uint64_t pgscan_kswapd, pgscan_direct, pgscan_khugepaged, pgscan_proactive;
	uint64_t pgrefill, pgpromote_success, pgscan, pgsteal;
	uint64_t pswpin, pswpout;
	uint64_t pgfault, pgmajfault;
	uint64_t pgactivate, pgdeactivate;
	uint64_t pglazyfree, pglazyfreed;
	uint64_t swpin_zero, swpout_zero;
	uint64_t zswpin, zswpout, zswpwb;
	uint64_t thp_fault_alloc, thp_collapse_alloc, thp_swpout, thp_swpout_fallback;
	uint64_t numa_pages_migrated, numa_pte_updates, numa_hint_faults;

	uint64_t peak;
	uint64_t large;	   /**< objects over the largest slab class */
	uint64_t buffer;   /**< MEMCG_PAGE_BUFFER */
	uint64_t external; /**< memcg_charge */
	uint64_t maps;	   /**< private anonymous maps charged by the preload */
	uint64_t stock;	   /**< charged ahead, owned by no object yet */
	uint64_t cached;   /**< root only: free pages and stacks the library keeps */
	uint64_t metadata; /**< root only: the library's own structures */
	uint64_t local;	   /**< what the group itself owns, without its children */

	uint64_t charge_refused; /**< numbers: charges refused, at a max of the group or below */
	uint64_t charge_nowait;	 /**< those of them with MEMCG_NOWAIT */
	uint64_t charge_nofail;	 /**< made past a max by MEMCG_NOFAIL */
	uint64_t charge_reserve; /**< made past a max by MEMCG_RESERVE */
	uint64_t move_charge;	 /**< 1 to 3 written to memory.move_charge_at_immigrate */
};

/**
 * Fills *out (as far as `size` goes; the rest of a larger one is zeroed). Folds
 * first: exact when nothing is in motion. 0, -EINVAL for a NULL out or size 0.
 * Microseconds; if pages of files are mapped that the group or one below pays for, and files may be
 * written through windows, some 30 ns more for each page of a file in any such window.
 */
MEMCG_API int memcg_stat(struct memcg *cg, struct memcg_stat *out, size_t size);

/**
 * Gets memory back from cg and below: charged ahead and cached, then by the program's shrinkers, in
 * proportion to what they have and as protection allows (cg's own min and low do not count). 0, or
 * -EAGAIN when it was less than bytes. Runs the program's code.
 */
MEMCG_API int memcg_reclaim(struct memcg *cg, uint64_t bytes);

/**
 * Serves what this thread owes to memory.high and memory.swap.high here: gives memory back to the
 * first, and when that was not enough, or too much is in swap, waits, 2 seconds at most. Asks the
 * OOM handler about a fault that was refused. memcg_leave does the same. Does nothing when nothing
 * is owed. May run the program's shrinkers and handlers.
 */
MEMCG_API void memcg_throttle(void);

/**
 * Reads or writes a file of the group: those of cgroup v2, with its names, formats and answers, and
 * some of our own; memcg-files(5) lists them. Reading: the length without the NUL; -ENOENT: no
 * such file; -EACCES: not to be read; -EINVAL: buf is NULL; -ERANGE: the text and its NUL do not
 * fit. Writing: 0; -ENOENT; -EACCES; -EINVAL: not understood, empty, or with a NUL inside; -ERANGE:
 * a number past what the file takes; -E2BIG: over 4096 bytes; -ENODEV: the group was destroyed (it
 * can still be read); and what the file adds. A refused write changes nothing.
 */
MEMCG_API ssize_t memcg_read(struct memcg *cg, const char *file, char *buf, size_t size);
MEMCG_API int memcg_write(struct memcg *cg, const char *file, const void *buf, size_t len);

/**
 * A reader of one file: what an open file is in the kernel. Returns a new one, which holds a
 * reference of the group (NULL: the active one), for memcg_ctl_close(). NULL and errno: ENOENT: no
 * such file; ENODEV: the group was destroyed; ENOMEM. Once its group was destroyed a reader answers
 * -ENODEV. The calls below may be made by any thread, also for one reader at once.
 */
struct memcg_ctl;
MEMCG_API MEMCG_NODISCARD struct memcg_ctl *memcg_ctl_open(struct memcg *cg, const char *file);

/**
 * Reads its file, as memcg_read(). memory.peak: this reader's own peak, once it was reset. A file
 * with a descriptor (memcg_ctl_fd): makes that unreadable, and ready to tell of what happens after
 * this read.
 */
MEMCG_API ssize_t memcg_ctl_read(struct memcg_ctl *ctl, char *buf, size_t size);

/**
 * Writes its file, as memcg_write(). memory.peak: starts this reader's own peak afresh, whatever is
 * written. memory.pressure: "some|full STALL_US WINDOW_US" makes this reader's trigger; -EBUSY: it
 * has one.
 */
MEMCG_API int memcg_ctl_write(struct memcg_ctl *ctl, const void *buf, size_t len);

/**
 * An eventfd (close-on-exec, non-blocking) that becomes readable when the file has news:
 * memory.events and memory.events.local after an event, memory.pressure by its trigger (-EOPNOTSUPP
 * before there is one), and these and cgroup.events when the group was destroyed. It is the
 * reader's: the same at every call, closed by memcg_ctl_close() and by nobody else; poll it, and
 * leave reading it to memcg_ctl_read(). In the child of a fork ask again: the parent's tells the
 * parent. -EOPNOTSUPP: the file never has news; -ENODEV, -EMFILE, -ENFILE, -ENOMEM.
 */
MEMCG_API int memcg_ctl_fd(struct memcg_ctl *ctl);

/** Ends a reader, its descriptor and its reference of the group. NULL is allowed. */
MEMCG_API void memcg_ctl_close(struct memcg_ctl *ctl);

/* --- who pays ------------------------------------------------------------ */

/**
 * Makes cg the group this thread allocates for (NULL: the root). Returns the
 * previous one with its reference, for memcg_leave(). A few nanoseconds; never
 * allocates, locks or drains.
 */
MEMCG_API struct memcg *memcg_enter(struct memcg *cg);
MEMCG_API void memcg_leave(struct memcg *previous); /**< NULL goes to the root */
MEMCG_API struct memcg *memcg_active(void);	    /**< borrowed, until this thread leaves */

/** This thread's last refusal. */
struct memcg_failure {
	uint64_t group;	 /**< id of the group whose max refused; 0: the system did */
	uint64_t limit;	 /**< that max */
	uint64_t wanted; /**< bytes asked for */
	char path[256];	 /**< its path, cut from the left when longer */
};
/** Says which charge of this thread was refused last. 0; -ENOENT: none ever was; -EINVAL. */
MEMCG_API int memcg_last_failure(struct memcg_failure *out, size_t size);

#ifndef __cplusplus
static inline void memcg_scope_end_(struct memcg **previous)
{
	memcg_leave(*previous);
}
#define MEMCG_SCOPE_NAME_(a, b) a##b
#define MEMCG_SCOPE_2_(cg, n)                                                               \
	__attribute__((cleanup(memcg_scope_end_), unused)) struct memcg *MEMCG_SCOPE_NAME_( \
		memcg_scope_, n) = memcg_enter(cg)
#define MEMCG_SCOPE(cg) MEMCG_SCOPE_2_(cg, __LINE__) /**< to the end of the block */
#endif

MEMCG_END_DECLS

#ifdef __cplusplus
class memcg_scope
{
	struct memcg *previous_;

      public:
	explicit memcg_scope(struct memcg *cg) : previous_(memcg_enter(cg))
	{
	}
	~memcg_scope()
	{
		memcg_leave(previous_);
	}
	memcg_scope(const memcg_scope &) = delete;
	memcg_scope &operator=(const memcg_scope &) = delete;
};
#define MEMCG_SCOPE_NAME_(a, b) a##b
#define MEMCG_SCOPE_2_(cg, n)	memcg_scope MEMCG_SCOPE_NAME_(memcg_scope_, n)(cg)
#define MEMCG_SCOPE(cg)		MEMCG_SCOPE_2_(cg, __LINE__)
#endif

#endif
