/* family.c - see family.h. */
#include "family.h"

#define COLUMN(name) offsetof(struct row, name)
#define PARTS(...)                                  \
	.part = (const struct part[]){__VA_ARGS__}, \
	.nr_parts = sizeof((const struct part[]){__VA_ARGS__}) / sizeof(struct part)
#define ONE(name) PARTS({NULL, COLUMN(name), 0})
#define OF(name)  PARTS({NULL, offsetof(struct member, name), 0}), .of_process = true
#define KIND(name)                                    \
	{                                             \
		"kind=\"" #name "\"", COLUMN(name), 0 \
	}
#define EVENT(name)                                    \
	{                                              \
		"event=\"" #name "\"", COLUMN(name), 0 \
	}
#define LIMIT(name)                                    \
	{                                              \
		"limit=\"" #name "\"", COLUMN(name), 0 \
	}
#define FAILURE(name)                                                             \
	{                                                                         \
		"failure_type=\"" #name "\",scope=\"hierarchy\"", COLUMN(name), 0 \
	}

/* clang-format off */
const struct family families[] = {
	/* ---- processes ---- */
	{"memcg_up", NULL, "Whether the process, or memcg run, answered.", FAMILY_GAUGE, OF(up)},
	{"memcg_groups", NULL, "Groups with samples here.", FAMILY_GAUGE, OF(groups)},
	{"memcg_groups_left_out", NULL,
	 "Groups without samples here (--max-groups); their memory is in that of those above.",
	 FAMILY_GAUGE, OF(left_out)},
	{"memcg_answer_seconds", "seconds", "How long it took to ask the process.",
	 FAMILY_GAUGE, OF(asked_us), .digits = 6},

	/* ---- groups, by cAdvisor's names ---- */
	{"container_memory_usage_bytes", "bytes",
	 "Memory charged to the group and those below (memory.current).", FAMILY_GAUGE, ONE(current)},
	{"container_memory_working_set_bytes", "bytes", "Usage less inactive_file.", FAMILY_GAUGE,
	 PARTS({NULL, COLUMN(current), COLUMN(inactive_file)})},
	{"container_memory_max_usage_bytes", "bytes", "Most there was (memory.peak).",
	 FAMILY_GAUGE, ONE(peak)},
	{"container_memory_cache", NULL, "Bytes of file pages (file of memory.stat).",
	 FAMILY_GAUGE, ONE(file)},
	{"container_memory_rss", NULL,
	 "Bytes of anonymous managed memory (anon of memory.stat); objects are memcg_memory_bytes.",
	 FAMILY_GAUGE, ONE(anon)},
	{"container_memory_swap", NULL, "Bytes in swap (memory.swap.current).", FAMILY_GAUGE,
	 ONE(swap_current)},
	{"container_memory_failcnt", NULL, "How often memory.max was met (max of memory.events).",
	 FAMILY_UNKNOWN, ONE(max_events)},
	{"container_memory_failures", NULL, "Faults of managed memory.", FAMILY_COUNTER,
	 PARTS(FAILURE(pgfault), FAILURE(pgmajfault))},
	{"container_spec_memory_limit_bytes", "bytes", "memory.max; no sample where there is none.",
	 FAMILY_GAUGE, ONE(max)},
	{"container_pressure_memory_waiting_seconds", "seconds",
	 "Time in which some thread of the group waited for memory.", FAMILY_COUNTER,
	 ONE(some_total), .digits = 6},
	{"container_pressure_memory_stalled_seconds", "seconds",
	 "Time in which all threads of the group waited for memory.", FAMILY_COUNTER,
	 ONE(full_total), .digits = 6},

	/* ---- groups, by our own ---- */
	{"memcg_memory_bytes", "bytes", "What the usage is of (memory.stat).", FAMILY_GAUGE,
	 PARTS(KIND(anon), KIND(file), KIND(shmem), KIND(sock), KIND(slab), KIND(large),
	       KIND(buffer), KIND(kernel_stack), KIND(pagetables), KIND(external), KIND(maps),
	       KIND(zswap), KIND(cached), KIND(metadata), KIND(stock))},
	{"memcg_reclaimable_bytes", "bytes", "What reclaim could give back without swap, an estimate.",
	 FAMILY_GAUGE, ONE(reclaimable)},
	{"memcg_inactive_file_bytes", "bytes", "File pages that were not used lately.",
	 FAMILY_GAUGE, ONE(inactive_file)},
	{"memcg_limit_bytes", "bytes", "Limits and protection; no sample where there is none.",
	 FAMILY_GAUGE,
	 PARTS(LIMIT(min), LIMIT(low), LIMIT(high), LIMIT(max), LIMIT(swap_high), LIMIT(swap_max),
	       LIMIT(zswap_max))},
	{"memcg_events", NULL, "Events of the group and those below (memory.events, memory.stat).",
	 FAMILY_COUNTER,
	 PARTS({"event=\"low\"", COLUMN(low_events), 0}, {"event=\"high\"", COLUMN(high_events), 0},
	       {"event=\"max\"", COLUMN(max_events), 0}, EVENT(oom), EVENT(oom_kill),
	       EVENT(refused), EVENT(sock_throttled))},
	{"memcg_pages", NULL, "Pages scanned, taken, and moved to and from swap (memory.stat).",
	 FAMILY_COUNTER,
	 PARTS(EVENT(pgscan), EVENT(pgsteal), EVENT(pswpin), EVENT(pswpout), EVENT(zswpin),
	       EVENT(zswpout))},
	{"memcg_pressure_avg10_ratio", "ratio", "Share of the last ten seconds (memory.pressure).",
	 FAMILY_GAUGE,
	 PARTS({"kind=\"some\"", COLUMN(some_avg10), 0}, {"kind=\"full\"", COLUMN(full_avg10), 0}),
	 .digits = 4},
	{"memcg_threads", NULL, "Threads whose active group it is.", FAMILY_GAUGE, ONE(threads)},
	{"memcg_children", NULL, "Groups directly below.", FAMILY_GAUGE, ONE(children)},
};
/* clang-format on */
const unsigned nr_families = sizeof(families) / sizeof(families[0]);

static uint64_t column(const void *base, size_t offset)
{
	return *(const uint64_t *)((const char *)base + offset);
}

static bool is_number(uint64_t value)
{
	return value != SOURCE_MAX && value != SOURCE_UNKNOWN;
}

bool family_value(const struct part *part, const void *base, uint64_t *value)
{
	uint64_t less = part->less ? column(base, part->less) : 0;

	*value = column(base, part->offset);
	if (!is_number(*value) || !is_number(less))
		return false;
	/* Columns of one row are not of one moment. */
	*value = *value > less ? *value - less : 0;
	return true;
}
