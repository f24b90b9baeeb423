/*
 * stat_lines.h - the lines of memory.stat, once. Names and order are the kernel's, so that what
 * parses its file parses ours; then come the lines that only this library has. The file is printed
 * from this list, and stat.c holds struct memcg_stat to it: members stand there in this order,
 * behind current. A new line of ours goes at the end; programs hold the struct by its size.
 */
#ifndef MEMCG_GROUP_STAT_LINES_H
#define MEMCG_GROUP_STAT_LINES_H

#define STAT_LINES_KERNEL(X)        \
	X(anon)                     \
	X(file)                     \
	X(kernel)                   \
	X(kernel_stack)             \
	X(pagetables)               \
	X(sec_pagetables)           \
	X(percpu)                   \
	X(sock)                     \
	X(vmalloc)                  \
	X(shmem)                    \
	X(zswap)                    \
	X(zswapped)                 \
	X(zswap_incomp)             \
	X(file_mapped)              \
	X(file_dirty)               \
	X(file_writeback)           \
	X(swapcached)               \
	X(anon_thp)                 \
	X(file_thp)                 \
	X(shmem_thp)                \
	X(inactive_anon)            \
	X(active_anon)              \
	X(inactive_file)            \
	X(active_file)              \
	X(unevictable)              \
	X(slab_reclaimable)         \
	X(slab_unreclaimable)       \
	X(slab)                     \
	X(hugetlb)                  \
	X(workingset_refault_anon)  \
	X(workingset_refault_file)  \
	X(workingset_activate_anon) \
	X(workingset_activate_file) \
	X(workingset_restore_anon)  \
	X(workingset_restore_file)  \
	X(workingset_nodereclaim)   \
	X(pgdemote_kswapd)          \
	X(pgdemote_direct)          \
	X(pgdemote_khugepaged)      \
	X(pgdemote_proactive)       \
	X(pgsteal_kswapd)           \
	X(pgsteal_direct)           \
	X(pgsteal_khugepaged)       \
	X(pgsteal_proactive)        \
	X(pgscan_kswapd)            \
	X(pgscan_direct)            \
	X(pgscan_khugepaged)        \
	X(pgscan_proactive)         \
	X(pgrefill)                 \
	X(pgpromote_success)        \
	X(pgscan)                   \
	X(pgsteal)                  \
	X(pswpin)                   \
	X(pswpout)                  \
	X(pgfault)                  \
	X(pgmajfault)               \
	X(pgactivate)               \
	X(pgdeactivate)             \
	X(pglazyfree)               \
	X(pglazyfreed)              \
	X(swpin_zero)               \
	X(swpout_zero)              \
	X(zswpin)                   \
	X(zswpout)                  \
	X(zswpwb)                   \
	X(thp_fault_alloc)          \
	X(thp_collapse_alloc)       \
	X(thp_swpout)               \
	X(thp_swpout_fallback)      \
	X(numa_pages_migrated)      \
	X(numa_pte_updates)         \
	X(numa_hint_faults)

#define STAT_LINES_OURS(X) \
	X(peak)            \
	X(large)           \
	X(buffer)          \
	X(external)        \
	X(maps)            \
	X(stock)           \
	X(cached)          \
	X(metadata)        \
	X(local)           \
	X(charge_refused)  \
	X(charge_nowait)   \
	X(charge_nofail)   \
	X(charge_reserve)  \
	X(move_charge)

#define STAT_LINES(X)        \
	STAT_LINES_KERNEL(X) \
	STAT_LINES_OURS(X)

#endif
