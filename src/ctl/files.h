/* files.h - what reads (show_) and writes (store_) the files of file_table.c, file by file. */
#ifndef MEMCG_CTL_FILES_H
#define MEMCG_CTL_FILES_H

#include "ctl/file.h"

#define SHOW(name)  __hidden_ int show_##name(struct memcg *cg, struct text *t)
#define STORE(name) __hidden_ int store_##name(struct memcg *cg, const char *buf, size_t len)

/* file_usage.c */
SHOW(current);
SHOW(peak);
STORE(peak);
SHOW(slack);
SHOW(swap_current);
SHOW(swap_peak);
SHOW(zswap_current);
STORE(reclaim);
SHOW(accounting);
STORE(accounting);

/* file_balloon.c */
SHOW(balloon);
STORE(balloon);

/* file_fail.c */
SHOW(fail);
STORE(fail);

/* file_limit.c */
SHOW(min);
STORE(min);
SHOW(low);
STORE(low);
SHOW(high);
STORE(high);
SHOW(max);
STORE(max);
SHOW(swap_high);
STORE(swap_high);
SHOW(swap_max);
STORE(swap_max);
SHOW(zswap_max);
STORE(zswap_max);
SHOW(zswap_writeback);
STORE(zswap_writeback);
SHOW(oom_group);
STORE(oom_group);

/* file_move.c */
SHOW(move_charge);
STORE(move_charge);

/* file_event.c */
SHOW(events);
SHOW(events_local);
SHOW(swap_events);
SHOW(pressure);
STORE(pressure);

/* file_owners.c */
SHOW(owners);
SHOW(report);

/* file_task.c */
SHOW(threads);
SHOW(procs);
SHOW(cgroup_events);
struct task;
__hidden_ const struct memcg *file_task_home(const struct task *task);

/* file_stat.c */
SHOW(stat);
SHOW(numa_stat);

/* file_cgroup.c */
SHOW(cgroup_type);
STORE(cgroup_type);
SHOW(controllers);
SHOW(subtree_control);
STORE(subtree_control);
SHOW(cgroup_stat);
SHOW(max_descendants);
STORE(max_descendants);
SHOW(max_depth);
STORE(max_depth);

#undef SHOW
#undef STORE

#endif
