/* rows.h - the rows that are ported, and what they share. */
#ifndef CONFORMANCE_ROWS_H
#define CONFORMANCE_ROWS_H

#include <memcg.h>

void row_subtree_control(void);
void row_current_peak(void);
void row_min(void);
void row_low(void);
void row_min_pages(void);
void row_low_pages(void);
void row_high(void);
void row_high_pages(void);
void row_current_peak_pages(void);
void row_high_sync(void);
void row_max(void);
void row_reclaim(void);
void row_max_pages(void);
void row_reclaim_pages(void);
void row_swap_max_peak(void);
void row_sock(void);
void row_high_work(void);
void row_oom_events(void);
void row_oom_group_leaf(void);
void row_oom_group_parent(void);
void row_oom_group_score(void);
void row_delete_file(void);
void row_delete_dir(void);
void row_kmem_basic(void);
void row_memcg_deletion(void);
void row_proc_kpagecgroup(void);
void row_kernel_stacks(void);
void row_dead_cgroups(void);
void row_percpu_basic(void);
void row_zswap_usage(void);
void row_swapin_nozswap(void);
void row_zswapin(void);
void row_zswap_writeback_enabled(void);
void row_zswap_writeback_disabled(void);
void row_no_kmem_bypass(void);
void row_no_invasive_cgroup_shrink(void);
void row_zswap_incompressible(void);

/* A reader of memory.peak or memory.swap.peak, and its peak. */
struct memcg_ctl *reader_open(struct memcg *cg, const char *file);
void reader_reset(struct memcg_ctl *ctl);
uint64_t reader_peak(struct memcg_ctl *ctl);

/* Asks memory.reclaim for the difference, five times at most. */
bool reclaim_until(struct memcg *cg, uint64_t goal);

#endif
