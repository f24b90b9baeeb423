/*
 * file_table.c - every file of a group, once: what it is called, what serves it, what its
 * manual says. `make docs` writes memcg-files(5) and docs/files.md from here.
 */
#include "ctl/files.h"

#define BYTES "bytes"
#define LIMIT "bytes or `max`"
#define SIZE  "a size or `max`"

const struct file file_table[] = {
	{"memory.current", show_current, NULL, 0, BYTES, NULL,
	 "What the group and all below it are charged for, `memory.slack` with it. The root's has "
	 "what the library keeps in caches in it."},
	{"memory.peak", show_peak, store_peak, FILE_PEAK, BYTES, "anything",
	 "The most that `memory.current` has been since the group was made. A write through a "
	 "reader (memcg_ctl_open) starts that reader's own peak afresh, and changes what no "
	 "other reader sees; by memcg_write it changes nothing. A charge that a group further up "
	 "refused can be in it, as in the kernel."},
	{"memory.min", show_min, store_min, 0, LIMIT, SIZE,
	 "Memory up to this is not reclaimed, whatever happens."},
	{"memory.low", show_low, store_low, 0, LIMIT, SIZE,
	 "Memory up to this is reclaimed only when nothing unprotected is left."},
	{"memory.high", show_high, store_high, 0, LIMIT, SIZE,
	 "Past this the group is reclaimed from and its threads are slowed down; nothing is "
	 "refused."},
	{"memory.max", show_max, store_max, 0, LIMIT, SIZE,
	 "Past this, after reclaim, charges are refused. Lowering it below what there is "
	 "reclaims, and does not refuse."},
	{"memory.reclaim", NULL, store_reclaim, 0, NULL,
	 "a size, then options `swappiness=`0..200 or `swappiness=max`",
	 "Reclaims that much. -EAGAIN when it was less. The options are read and have no effect "
	 "where nothing is swapped."},
	{"memory.oom.group", show_oom_group, store_oom_group, FILE_NOT_ON_ROOT, "0 or 1", "0 or 1",
	 "1: when the group or one below it is out of memory, the handler is called for this "
	 "group as a whole."},
	{"memory.events", show_events, NULL, FILE_EVENTS, "lines of name and number", NULL,
	 "How often a limit came into play in the group and below: `low` broken, `high` passed, "
	 "`max` met (several times for one charge that is tried again), `oom` (reclaim gave up: a "
	 "handler was asked, or the charge refused), `oom_kill` and `oom_group_kill` (a handler "
	 "killed something). A charge that may not wait, or that `memory.fail` refuses, is no `oom`."},
	{"memory.events.local", show_events_local, NULL, FILE_EVENTS_LOCAL,
	 "lines of name and number", NULL, "The same for the limits of the group alone."},
	{"memory.stat", show_stat, NULL, 0, "lines of name and number", NULL,
	 "A line for each member of struct memcg_stat behind `current`: the kernel's lines in its "
	 "order, then ours. 4096 bytes hold it. Lines without a meaning here are 0: see below."},
	{"memory.numa_stat", show_numa_stat, NULL, 0, "lines `name N0=number`", NULL,
	 "The lines of `memory.stat` that the kernel keeps for each node. Which node memory lies "
	 "on is not known: all stands at node 0. 4096 bytes hold it."},
	{"memory.pressure", show_pressure, store_pressure, FILE_PRESSURE,
	 "lines `some` and `full` with `avg10`, `avg60`, `avg300` (percent) and `total` (us)",
	 "`some` or `full`, a stall and a window in microseconds",
	 "Time lost because memory was short: in reclaim, at `memory.high`. `some`: at least one "
	 "thread of the group and those below waited; `full`: all of them did. A write through a "
	 "reader (memcg_ctl_open) makes that reader's trigger: its descriptor becomes readable "
	 "when the stall grows by so much within the window (500000 to 10000000), at most once "
	 "in a window; a second one is -EBUSY. By memcg_write it is looked at, and makes none."},
	{"memory.swap.current", show_swap_current, NULL, 0, BYTES, NULL,
	 "Managed memory of the group and those below it that is not in memory: filled by one word, "
	 "compressed, or in the swap file, at its full size; and what is in memory again and still "
	 "in the file."},
	{"memory.swap.peak", show_swap_peak, store_peak, FILE_SWAP_PEAK, BYTES, "anything",
	 "The most that `memory.swap.current` has been. A write through a reader (memcg_ctl_open) "
	 "is as for `memory.peak`."},
	{"memory.swap.high", show_swap_high, store_swap_high, 0, LIMIT, SIZE,
	 "Each page that is swapped out past this is counted in `memory.swap.events`, and who "
	 "charges memory to the group meanwhile is held for a while, as for `memory.high` and in "
	 "addition to it, by how far swap is past this."},
	{"memory.swap.max", show_swap_max, store_swap_max, 0, LIMIT, SIZE,
	 "Past this nothing more of the group is swapped out: its pages stay in memory, under "
	 "`memory.max`."},
	{"memory.swap.events", show_swap_events, NULL, 0, "lines of name and number", NULL,
	 "`high`: swapped out past `memory.swap.high`. `max`: not swapped out because of a "
	 "`memory.swap.max`. `fail`: not, because there was no room for it, or an error of the "
	 "disk: the page stayed in memory."},
	{"memory.zswap.current", show_zswap_current, NULL, 0, BYTES, NULL,
	 "What compressed copies of the group's pages cost; part of `memory.current`."},
	{"memory.zswap.max", show_zswap_max, store_zswap_max, 0, LIMIT, SIZE,
	 "Past this the oldest copies of the group are written to the swap file; where that makes "
	 "no room, pages go there uncompressed. 0: nothing is compressed."},
	{"memory.zswap.writeback", show_zswap_writeback, store_zswap_writeback, 0, "0 or 1",
	 "0 or 1",
	 "0, here or above: nothing of the group is written to the swap file. What neither "
	 "compresses nor may be written stays in memory."},
	{"memory.move_charge_at_immigrate", show_move_charge, store_move_charge, FILE_OURS,
	 "a number", "0 to 3",
	 "What memcg_mm_move to this group moves when its flags do not say: 1 private anonymous "
	 "memory and what of it is swapped out, 2 pages in memory of files and of shared memory, 3 both, 0 "
	 "nothing. For those who know it from cgroup v1, where it is deprecated: writing another "
	 "value than 0 says so in a line, once, and is counted in `move_charge` of "
	 "`memory.stat`."},
	{"memory.slack", show_slack, NULL, FILE_OURS, BYTES, NULL,
	 "Charged ahead for the group and those below it, held by CPUs and owned by no object: "
	 "`memory.current` is above the truth by this at most."},
	{"memory.accounting", show_accounting, store_accounting, FILE_OURS, "0 or 1", "0 or 1",
	 "0: new objects are nobody's. One switch for all, written at the root only (-EACCES "
	 "elsewhere). What is charged stays so: a free goes by the object's mark. Threads follow "
	 "at their next slow path."},
	{"memory.balloon", show_balloon, store_balloon, FILE_OURS, BYTES, SIZE,
	 "Free memory of the process that is kept out of use. Written, at the root only (-EACCES elsewhere): so much of what is free now is taken off the "
	 "free lists and given to the system, what is resident first, and stacks that are kept "
	 "with it; written lower, it is free again. "
	 "What is out can be given to nobody: allocations open other memory, or fail where there is "
	 "none. It takes no more than is free, in pages, so read how much it is. It is charged to "
	 "nobody: `memory.current` of the root falls by what was cached of it, and its limits leave "
	 "it out."},
	{"memory.owners", show_owners, NULL, FILE_OURS,
	 "lines `kind objects=`N` bytes=`N, and `total`", NULL,
	 "What the group itself pays for, without those below it, counted from the memory and not "
	 "from counters. Kinds: `slab.`SIZE for each size of slots, `large`, `buffer`, `table`, "
	 "`stack`, `anon`, `file` and `shmem` (managed pages in memory), `external`, `maps`, and "
	 "`stock` (charged ahead, no objects). A slab of the group's own counts whole. "
	 "Takes time in proportion to all memory of the process; exact "
	 "when no other thread allocates meanwhile. -ENODEV for a group that was destroyed."},
	{"memory.report", show_report, NULL, FILE_OURS, "text", NULL,
	 "The report of memcg_report for the group and those below it: the tree with usage beside "
	 "limits, then the recount from the memory. Every difference in the process is named, "
	 "whosever it is; at the root there are sums too. Time and exactness as for "
	 "`memory.owners`."},
	{"memory.fail", show_fail, store_fail, FILE_OURS,
	 "`off`; or the rule, then lines `seen` and `failed`",
	 "`off`; or any of `nth=`N `every=`N `p=`N`ppm` `seed=`N, blanks between",
	 "Refuses charges on demand, as a max would. Of the charges made for the group and those "
	 "below since it was written: the `nth`, each `every`-th after that (with no `nth`, from "
	 "the start), and besides each with a chance of `p` in a million; the same `seed` refuses "
	 "the same ones. A charge that a group refuses is not counted further up. Nothing is "
	 "charged ahead under a rule, so every charge is seen; an object in a slab that was "
	 "charged whole makes none."},
	{"cgroup.type", show_cgroup_type, store_cgroup_type, FILE_NOT_ON_ROOT, "`domain`",
	 "`threaded`",
	 "Always `domain`. Writing `threaded` is -EOPNOTSUPP, as with the kernel's memory "
	 "controller; anything else -EINVAL."},
	{"cgroup.controllers", show_controllers, NULL, 0, "`memory`", NULL,
	 "The one controller there is."},
	{"cgroup.subtree_control", show_subtree_control, store_subtree_control, 0, "`memory`",
	 "`+memory`, `-memory`", "Always `memory`. It cannot be taken away: `-memory` is -EBUSY."},
	{"cgroup.events", show_cgroup_events, NULL, FILE_NOT_ON_ROOT | FILE_END,
	 "lines of name and number", NULL,
	 "`populated`: 1 when the active group of some thread is this one or one below. `frozen`: 0. "
	 "Threads come and go without notice: a reader's descriptor tells of the group's end "
	 "alone."},
	{"cgroup.procs", show_procs, NULL, 0, "the number of this process, or nothing", NULL,
	 "There when `cgroup.threads` has a line. To go into a group there is memcg_enter."},
	{"cgroup.threads", show_threads, NULL, 0, "a number a line", NULL,
	 "The system's numbers of the threads whose active group this is, or that are in a group "
	 "which was destroyed and pay for this one now. A thread is known from the first time it "
	 "entered a group or needed the library's slow path."},
	{"cgroup.stat", show_cgroup_stat, NULL, 0, "lines of name and number", NULL,
	 "`nr_descendants`: groups below. `nr_dying_descendants`: deleted groups that memory "
	 "still names, and that this group or one below pays for now; they hold no struct."},
	{"cgroup.max.descendants", show_max_descendants, store_max_descendants, 0,
	 "a number or `max`", "0 to 2147483647, or `max` (the same as the largest)",
	 "How many groups there may be below; memcg_create past it fails with EAGAIN."},
	{"cgroup.max.depth", show_max_depth, store_max_depth, 0, "a number or `max`",
	 "0 to 2147483647, or `max` (the same as the largest)",
	 "How deep the tree below may be; memcg_create past it fails with EAGAIN."},
};

const size_t file_count = ARRAY_SIZE(file_table);
