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
		OBJECT(kind "/8192", 8, goal_), OBJECT(kind "/32768", 8, goal_)

/* Memory beside bytes asked for: all that is resident (comparable), and slabs alone (the goal). */
#define TENANTS(name_, ms_, goal_)                                 \
	{                                                          \
		.name = "tenants/" name_, .ms = (ms_), .metric = { \
			NS(goal_),                                 \
			{.key = "rss_per_live",                    \
			 .suffix = "rss-per-live",                 \
			 .unit = "ratio",                          \
			 .against = AGAINST_PEERS},                \
			{.key = "slab_per_live",                   \
			 .suffix = "slab-per-live",                \
			 .unit = "ratio",                          \
			 .against = AGAINST_TARGET,                \
			 .target = 1,                              \
			 .goal = 1.3},                             \
		}                                                  \
	}

const struct bench_case object_cases[] = {
	SIZES("pair", 1.15),
	SIZES("batch", 0),
	OBJECT("rndwin", 8, 1.15),
	OBJECT("prodcons/64", 20, 0),
	OBJECT("prodcons/256", 20, 0),
	OBJECT("prodcons/1024", 20, 0),
	OBJECT("two-groups", 20, 0),
	TENANTS("1/local", 8, 1.15),
	TENANTS("16/local", 8, 1.15),
	TENANTS("256/local", 8, 1.5),
	TENANTS("4096/local", 8, 1.5),
	TENANTS("1/remote", 20, 1.15),
	TENANTS("16/remote", 20, 1.15),
	TENANTS("256/remote", 20, 1.5),
	TENANTS("4096/remote", 20, 1.5),
};
const size_t object_case_count = COUNT(object_cases);
_Static_assert(COUNT(object_cases) <= CASES_MAX / 2, "results have room for every case");
