/* rows.c - the table: every test of the kernel's, in its order. README.md compares the numbers. */
#include "rows.h"

#include "row.h"

#define MEMCONTROL "test_memcontrol.c"
#define KMEM	   "test_kmem.c"
#define ZSWAP	   "test_zswap.c"

const struct row rows[] = {
	{"memcg_subtree_control", MEMCONTROL, row_subtree_control, 0},
	{"memcg_current_peak", MEMCONTROL, row_current_peak, 0},
	{"memcg_current_peak_pages", MEMCONTROL, row_current_peak_pages, 0},
	{"memcg_min", MEMCONTROL, row_min, 0},
	{"memcg_min_pages", MEMCONTROL, row_min_pages, 0},
	{"memcg_low", MEMCONTROL, row_low, 0},
	{"memcg_low_pages", MEMCONTROL, row_low_pages, 0},
	{"memcg_high", MEMCONTROL, row_high, 0},
	{"memcg_high_pages", MEMCONTROL, row_high_pages, 0},
	{"memcg_high_sync", MEMCONTROL, row_high_sync, 0},
	{"memcg_max", MEMCONTROL, row_max, 0},
	{"memcg_max_pages", MEMCONTROL, row_max_pages, 0},
	{"memcg_reclaim", MEMCONTROL, row_reclaim, 0},
	{"memcg_reclaim_pages", MEMCONTROL, row_reclaim_pages, 0},
	{"memcg_oom_events", MEMCONTROL, row_oom_events, 0},
	{"memcg_swap_max_peak", MEMCONTROL, row_swap_max_peak, 0},
	{"memcg_sock", MEMCONTROL, row_sock, 0},
	{"memcg_high_work", MEMCONTROL, row_high_work, 0},
	{"memcg_high_work_cpu_max", MEMCONTROL, 0,
	 "not applicable: there is no CPU controller to bill reclaim to"},
	{"memcg_oom_group_leaf_events", MEMCONTROL, row_oom_group_leaf, 0},
	{"memcg_oom_group_parent_events", MEMCONTROL, row_oom_group_parent, 0},
	{"memcg_oom_group_score_events", MEMCONTROL, row_oom_group_score, 0},
	{"memcg_inotify_delete_file", MEMCONTROL, row_delete_file, 0},
	{"memcg_inotify_delete_dir", MEMCONTROL, row_delete_dir, 0},
	{"kmem_basic", KMEM, row_kmem_basic, 0},
	{"kmem_memcg_deletion", KMEM, row_memcg_deletion, 0},
	{"kmem_proc_kpagecgroup", KMEM, row_proc_kpagecgroup, 0},
	{"kmem_kernel_stacks", KMEM, row_kernel_stacks, 0},
	{"kmem_dead_cgroups", KMEM, row_dead_cgroups, 0},
	{"percpu_basic", KMEM, row_percpu_basic, 0},
	{"zswap_usage", ZSWAP, row_zswap_usage, 0},
	{"swapin_nozswap", ZSWAP, row_swapin_nozswap, 0},
	{"zswapin", ZSWAP, row_zswapin, 0},
	{"zswap_writeback_enabled", ZSWAP, row_zswap_writeback_enabled, 0},
	{"zswap_writeback_disabled", ZSWAP, row_zswap_writeback_disabled, 0},
	{"no_kmem_bypass", ZSWAP, row_no_kmem_bypass, 0},
	{"no_invasive_cgroup_shrink", ZSWAP, row_no_invasive_cgroup_shrink, 0},
	{"zswap_incompressible", ZSWAP, row_zswap_incompressible, 0},
	{"hugetlb_memcg", "test_hugetlb_memcg.c", 0,
	 "not applicable: no pool of huge pages, and none of hugetlbfs is charged"},
};

const unsigned row_count = sizeof(rows) / sizeof(*rows);
