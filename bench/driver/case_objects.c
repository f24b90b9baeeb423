/*
 * case_objects.c - what memcg-bench-child measures under every allocator.
 */
#include "case.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NS(goal_)                                                                    \
	{                                                                            \
		.key = "ns", .unit = "ns", .against = AGAINST_PEERS, .goal = (goal_) \
	}
#define OBJECT(name_, ms_, goal_)                                     \
	{                                                             \
		.name = (name_), .ms = (ms_), .metric = { NS(goal_) } \
	}
#define SIZES(kind, goal_)                                                                         \
	OBJECT(kind "/16", 8, goal_), OBJECT(kind "/64", 8, goal_), OBJECT(kind "/256", 8, goal_), \
		OBJECT(kind "/1024", 8, goal_), OBJECT(kind "/2048", 8, goal_),                    \
		OBJECT(kind "/8192", 8, goal_), OBJECT(kind "/32768", 8, goal_),                   \
		OBJECT(kind "/131072", 8, goal_), OBJECT(kind "/1048576", 8, goal_)

#define BESIDE(key_, suffix_, unit_)                                                          \
	{                                                                                     \
		.key = (key_), .suffix = (suffix_), .unit = (unit_), .against = AGAINST_PEERS \
	}
/* More threads than one, perhaps more than CPUs: time that passed, and what all CPUs spent. */
#define THREADS(name_, ms_, weight_)                                           \
	{                                                                      \
		.name = (name_), .ms = (ms_), .weight = (weight_), .metric = { \
			NS(1.0),                                               \
			BESIDE("cpu", "cpu", "ns"),                            \
		}                                                              \
	}
#define THREADS_RSS(name_, ms_, weight_)                                       \
	{                                                                      \
		.name = (name_), .ms = (ms_), .weight = (weight_), .metric = { \
			NS(1.0),                                               \
			BESIDE("cpu", "cpu", "ns"),                            \
			BESIDE("rss_mib", "rss", "MiB"),                       \
		}                                                              \
	}
#define CROWD(n)  THREADS("crowd/" n, 20, WEIGHT_CURVE)
#define SERVER(n) THREADS_RSS("server/" n, 20, WEIGHT_CURVE)
#define BLOCKS(name_)                                          \
	{                                                      \
		.name = "blocks/" name_, .ms = 20, .metric = { \
			NS(1.1),                               \
			BESIDE("rss_mib", "rss", "MiB"),       \
		}                                              \
	}
#define MANY(n, weight_, ...)                                                               \
	{                                                                                   \
		.name = "many/" n, .ms = 8, .weight = (weight_), ##__VA_ARGS__, .metric = { \
			NS(0),                                                              \
			BESIDE("rss_per_live", "rss-per-live", "ratio"),                    \
		}                                                                           \
	}

/* Memory beside bytes asked for: all that is resident (comparable), and slabs alone (the goal). */
#define TENANTS(name_, ms_, goal_, ...)                                           \
	{                                                                         \
		.name = "tenants/" name_, .ms = (ms_), ##__VA_ARGS__, .metric = { \
			NS(goal_),                                                \
			{.key = "rss_per_live",                                   \
			 .suffix = "rss-per-live",                                \
			 .unit = "ratio",                                         \
			 .against = AGAINST_PEERS},                               \
			{.key = "slab_per_live",                                  \
			 .suffix = "slab-per-live",                               \
			 .unit = "ratio",                                         \
			 .against = AGAINST_TARGET,                               \
			 .target = 1,                                             \
			 .goal = 1.3},                                            \
		}                                                                 \
	}

const struct bench_case object_cases[] = {
	SIZES("pair", 1.0),
	SIZES("batch", 1.0),
	OBJECT("rndwin", 8, 1.0),
	OBJECT("realloc/vector", 8, 0),
	OBJECT("realloc/text", 8, 0),
	OBJECT("realloc/large", 8, 0),
	BLOCKS("touch"),
	BLOCKS("zero"),
	{.name = "soak",
	 .metric = {NS(0), BESIDE("peak", "peak", "ratio"), BESIDE("settled", "settled", "ratio")}},
	OBJECT("prodcons/64", 20, 1.0),
	OBJECT("prodcons/256", 20, 1.0),
	OBJECT("prodcons/1024", 20, 1.0),
	THREADS("chain/2", 20, WEIGHT_ALWAYS),
	THREADS("chain/4", 20, WEIGHT_ALWAYS),
	THREADS_RSS("server/4", 20, WEIGHT_ALWAYS),
	THREADS_RSS("short-threads", 20, WEIGHT_ALWAYS),
	OBJECT("two-groups", 20, 1.0),
	THREADS("crowd/8", 20, WEIGHT_ALWAYS),
	TENANTS("1/local", 8, 1.0),
	TENANTS("16/local", 8, 1.0),
	TENANTS("256/local", 8, 1.3),
	TENANTS("4096/local", 8, 1.3),
	TENANTS("1/remote", 20, 1.0),
	TENANTS("16/remote", 20, 1.0),
	TENANTS("256/remote", 20, 1.3),
	TENANTS("4096/remote", 20, 1.3),
	/* What curves are drawn through, with the ones above (docs/scaling.md). */
	CROWD("1"),
	CROWD("2"),
	CROWD("4"),
	CROWD("16"),
	CROWD("32"),
	CROWD("64"),
	SERVER("1"),
	SERVER("2"),
	SERVER("8"),
	SERVER("16"),
	SERVER("32"),
	SERVER("64"),
	TENANTS("65536/local", 8, 1.3, .weight = WEIGHT_CURVE, .repeats = 6),
	TENANTS("1000000/local", 8, 1.3, .weight = WEIGHT_HEAVY, .repeats = 3),
	MANY("1000", WEIGHT_CURVE),
	MANY("10000", WEIGHT_CURVE),
	MANY("100000", WEIGHT_CURVE),
	MANY("1000000", WEIGHT_CURVE),
	MANY("10000000", WEIGHT_CURVE, .repeats = 3),
	MANY("100000000", WEIGHT_HEAVY, .repeats = 3),
};
const size_t object_case_count = COUNT(object_cases);
_Static_assert(COUNT(object_cases) <= CASES_MAX / 2, "results have room for every case");
