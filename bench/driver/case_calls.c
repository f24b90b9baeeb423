/*
 * case_calls.c - what memcg-bench-group measures: libmemcg's own calls, against what hosts would
 * write by hand, the bare mechanism, or a number.
 */
#include "case.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define LINKED_CASE(name_, ms_, ...)                                                    \
	{                                                                               \
		.name = (name_), .linked = true, .ms = (ms_), .metric = { __VA_ARGS__ } \
	}
/* A point of a curve (docs/scaling.md). */
#define POINT(name_, weight_, ...)                                                           \
	{                                                                                    \
		.name = (name_), .linked = true, .ms = 8, .weight = (weight_), .repeats = 5, \
		.metric = {                                                                  \
			{.key = "ns", .unit = "ns"},                                         \
			##__VA_ARGS__                                                        \
		}                                                                            \
	}
#define CREATE(n, weight_)                                                                  \
	POINT("growth/create/" n, weight_, {.key = "make", .suffix = "make", .unit = "ns"}, \
	      {.key = "bytes", .suffix = "bytes", .unit = "bytes"})
/* The reference is what hosts write by hand: an atomic for each level, limit and peak looked at. */
#define CHARGE(depth)                   \
	LINKED_CASE("charge/" depth, 8, \
		    {.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "naive"})
/* memcg_owner and the put of what it gives; memcg_owner_id. */
#define OWNER(kind)                                                \
	LINKED_CASE("owner/" kind, 8, {.key = "ns", .unit = "ns"}, \
		    {.key = "id_ns", .suffix = "id", .unit = "ns"})
/* The reference is mmap, mprotect of a page, munmap. */
#define STACK(name_)                   \
	LINKED_CASE("stack/" name_, 8, \
		    {.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "by_hand"})
#define TARGET(ns_)                                                                              \
	{                                                                                        \
		.key = "ns", .unit = "ns", .against = AGAINST_TARGET, .target = (ns_), .goal = 1 \
	}

/* A row of what limits promise: at most so many nanoseconds. Rounds are short: on a busy machine
 * one of 8 ms always holds somebody else's turn. */
#define LIMIT_NS(name_, ns_) LINKED_CASE("limits/" name_, 1, TARGET(ns_))
#define RECLAIM(name_, ...)                                                        \
	{                                                                          \
		.name = "limits/" name_, .linked = true, .repeats = 6, .metric = { \
			{.key = "mib_s", .unit = "MiB/s", __VA_ARGS__},            \
			{.key = "mib", .suffix = "freed", .unit = "MiB"}           \
		}                                                                  \
	}
/* The kernel's delay; more than that would be held too long. */
#define THROTTLE(name_, ...)                                                                \
	{                                                                                   \
		.name = "limits/throttle/" name_, .linked = true, .repeats = 6, .metric = { \
			{.key = "ms", .unit = "ms", __VA_ARGS__},                           \
		}                                                                           \
	}
#define KERNEL_MS(ms_) .against = AGAINST_TARGET, .target = (ms_), .goal = 1.05
#define ZSWAP(what)               \
	LINKED_CASE(              \
		"zswap/" what, 8, \
		{.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "bare", .goal = 1.1})
#define BY_HAND .against = AGAINST_KEY, .other = "by_hand"
#define FOLD(n)                                                       \
	LINKED_CASE("limits/fold/" n, 8, {.key = "ns", .unit = "ns"}, \
		    {.key = "change_ns",                              \
		     .suffix = "change",                              \
		     .unit = "ns",                                    \
		     .against = AGAINST_KEY,                          \
		     .other = "half_ns",                              \
		     .goal = 1.25})

/* Beside a second thread on another CPU, and alone. */
#define HANDLE_CALL(name_)                                           \
	LINKED_CASE("handle/" name_, 8, {.key = "ns", .unit = "ns"}, \
		    {.key = "alone", .suffix = "alone", .unit = "ns"})
/* Whatever was left or inherited. */
#define HANDLE_DESTROY(name_)                                                                      \
	{                                                                                          \
		.name = "handle/" name_, .linked = true, .repeats = 3,                             \
		.metric =                                                                          \
		{ {.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "least", .goal = 2} \
		}                                                                                  \
	}

/* At most so much. */
#define AT_MOST(key_, suffix_, unit_, most_)                                                    \
	{                                                                                       \
		.key = (key_), .suffix = (suffix_), .unit = (unit_), .against = AGAINST_TARGET, \
		.target = (most_), .goal = 1,                                                   \
	}
/* A pair of calls: alone, beside a second CPU, and 1000 of the one before 1000 of the other. */
#define GROUP_PAIR(name_, ns_, ...)                                                    \
	LINKED_CASE("groups/" name_, 8, TARGET(ns_), AT_MOST("two", "two", "ns", ns_), \
		    ##__VA_ARGS__)
#define GROUP_BATCH(ns_) AT_MOST("batch", "batch", "ns", ns_)
/* What takes seconds to set up. */
#define GROUP_ONCE(name_, ...)                                                                   \
	{                                                                                        \
		.name = "groups/" name_, .linked = true, .repeats = 6, .metric = { __VA_ARGS__ } \
	}

/* Beside the bare mechanism. */
#define MANAGED(name_, goal_)                                                       \
	{                                                                           \
		.name = "managed/" name_, .linked = true, .repeats = 7, .metric = { \
			{.key = "ns",                                               \
			 .unit = "ns",                                              \
			 .against = AGAINST_KEY,                                    \
			 .other = "bare",                                           \
			 .goal = (goal_)},                                          \
		}                                                                   \
	}

/* Of the touches of a working set, those that found their page; and what the others cost. */
#define WORKING_SET(name_, repeats_)                                                               \
	{                                                                                          \
		.name = "managed/working-set" name_, .linked = true, .repeats = (repeats_),        \
		.metric = {                                                                        \
			{.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "unlimited"}, \
			{.key = "hit",                                                             \
			 .suffix = "hit",                                                          \
			 .unit = "%",                                                              \
			 .against = AGAINST_KEY,                                                   \
			 .other = "lru"},                                                          \
			{.key = "miss_ns",                                                         \
			 .suffix = "miss",                                                         \
			 .unit = "ns",                                                             \
			 .against = AGAINST_KEY,                                                   \
			 .other = "bare"},                                                         \
		}                                                                                  \
	}

/* By so many threads. */
#define MANAGED_RECLAIM(threads)                                                              \
	{                                                                                     \
		.name = "managed/reclaim/" threads, .linked = true, .repeats = 3,             \
		.metric =                                                                     \
		{ {.key = "mib_s", .unit = "MiB/s", .against = AGAINST_KEY, .other = "bare"}, \
		}                                                                             \
	}

/* Of what is managed, at most 2.5 %. */
#define PERCENT(key_, suffix_, ...)                                             \
	{                                                                       \
		.key = (key_), .suffix = (suffix_), .unit = "%", ##__VA_ARGS__, \
	}

/* A gibibyte, as it is after the name. */
#define MOVE(name_)                                                              \
	{                                                                        \
		.name = "move/" name_, .linked = true, .repeats = 3, .metric = { \
			{.key = "mib_s", .unit = "MiB/s"},                       \
		}                                                                \
	}

/* Beside it, in the output of one run: the block alone, a copy of the page. */
#define NET(name_, ns_) LINKED_CASE("net/" name_, 8, TARGET(ns_))

/* Beside it a buffer and a copy. */
#define RECEIVE(name_)                                                                        \
	{                                                                                     \
		.name = "net/receive/" name_, .linked = true, .repeats = 5, .metric = {       \
			{.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "copy"}, \
		}                                                                             \
	}

/* By io_uring; beside it by epoll, and a call for each piece. */
#define RECEIVER(name_)                                                                       \
	{                                                                                     \
		.name = "net/receiver/" name_, .linked = true, .repeats = 5, .metric = {      \
			{.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "copy"}, \
			{.key = "poll",                                                       \
			 .suffix = "poll",                                                    \
			 .unit = "ns",                                                        \
			 .against = AGAINST_KEY,                                              \
			 .other = "copy"},                                                    \
			{.key = "recv",                                                       \
			 .suffix = "recv",                                                    \
			 .unit = "ns",                                                        \
			 .against = AGAINST_KEY,                                              \
			 .other = "copy"},                                                    \
		}                                                                             \
	}

/* Beside it the copy. */
#define SEND(name_)                                                                           \
	{                                                                                     \
		.name = "net/send/" name_, .linked = true, .repeats = 5, .metric = {          \
			{.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "copy"}, \
		}                                                                             \
	}

/* Beside it pages of a pool; and how much of it was mapped at all. */
#define BORROW(name_)                                                                          \
	{                                                                                      \
		.name = "net/borrow/" name_, .linked = true, .repeats = 5, .metric = {         \
			{.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "pages"}, \
			{.key = "mapped", .suffix = "mapped", .unit = "%"},                    \
		}                                                                              \
	}

const struct bench_case call_cases[] = {
	CHARGE("1"),
	CHARGE("2"),
	CHARGE("3"),
	CHARGE("4"),
	CHARGE("5"),
	LINKED_CASE("enter-leave", 8, {.key = "ns", .unit = "ns"}),
	LINKED_CASE("current", 8, {.key = "ns", .unit = "ns"}),
	LINKED_CASE("stat", 8, {.key = "ns", .unit = "ns"}),
	LINKED_CASE("owner/page-objcg", 8,
		    {.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "raw"}),
	LINKED_CASE("owner/page-memcg-rcu", 8, {.key = "ns", .unit = "ns"}),
	OWNER("shared"),
	OWNER("own"),
	OWNER("bare"),
	OWNER("cache"),
	OWNER("large"),
	OWNER("range"),
	OWNER("buffer"),
	OWNER("table"),
	OWNER("stack"),
	LINKED_CASE("free-unaccounted/page", 8,
		    {.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "block"}),
	LINKED_CASE("free-unaccounted/object", 8,
		    {.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "own"}),
	MANAGED("minor", 1.25),
	MANAGED("around", 1.25),
	MANAGED("prefault", 1.25),
	MANAGED("refault", 1.25),
	MANAGED("evict", 1.25),
	{.name = "managed/map",
	 .linked = true,
	 .repeats = 9,
	 .metric = {{.key = "ns", .unit = "ns", .against = AGAINST_KEY, .other = "uncounted"}}},
	WORKING_SET("", 5),
	WORKING_SET("/changed", 3),
	MANAGED_RECLAIM("1"),
	MANAGED_RECLAIM("2"),
	{.name = "managed/memory",
	 .linked = true,
	 .repeats = 6,
	 .metric = {PERCENT("in", NULL, .against = AGAINST_TARGET, .target = 2.5, .goal = 1),
		    PERCENT("out", "out", .against = AGAINST_TARGET, .target = 2.5, .goal = 1)}},
	NET("page", 20),
	NET("run", 20),
	NET("hand-over", 50),
	RECEIVE("4/1"),
	RECEIVE("64/1"),
	RECEIVE("1024/1"),
	RECEIVE("4/4"),
	RECEIVE("64/4"),
	RECEIVE("1024/4"),
	RECEIVER("4/1"),
	RECEIVER("64/1"),
	RECEIVER("1024/1"),
	RECEIVER("4/4"),
	RECEIVER("64/4"),
	RECEIVER("1024/4"),
	SEND("zerocopy/4"),
	SEND("zerocopy/64"),
	SEND("zerocopy/1024"),
	SEND("sendfile/4"),
	SEND("sendfile/64"),
	SEND("sendfile/1024"),
	BORROW("plain"),
	BORROW("sendfile"),
	BORROW("zerocopy"),
	MOVE("present"),
	MOVE("shared"),
	MOVE("compressed"),
	HANDLE_CALL("charge"),
	HANDLE_CALL("get-put"),
	HANDLE_CALL("enter-leave"),
	LINKED_CASE("handle/charged-on/2", 8, {.key = "ns", .unit = "ns"},
		    {.key = "least", .suffix = "here", .unit = "ns"}),
	HANDLE_DESTROY("leaves/1"),
	HANDLE_DESTROY("leaves/1000"),
	HANDLE_DESTROY("leaves/1000000"),
	HANDLE_DESTROY("inherits/1"),
	HANDLE_DESTROY("inherits/1000"),
	HANDLE_DESTROY("inherits/100000"),
	GROUP_PAIR("inlined/1", 1.5, GROUP_BATCH(1.5)),
	GROUP_PAIR("inlined/16", 1.5, GROUP_BATCH(1.5)),
	GROUP_PAIR("by-hand/1", 4, GROUP_BATCH(4)),
	GROUP_PAIR("by-hand/16", 4, GROUP_BATCH(4)),
	GROUP_PAIR("get-put/3", 3),
	GROUP_PAIR("stat/3", 1000),
	GROUP_ONCE("create-destroy/1", TARGET(2000)),
	GROUP_ONCE("create-destroy/1000000", TARGET(2000)),
	GROUP_ONCE("leaves/1000000", TARGET(5000)),
	GROUP_ONCE("idle", AT_MOST("bytes", NULL, "bytes", 512),
		   AT_MOST("mib", "million", "MiB", 1024), AT_MOST("s", "made", "s", 5)),
	GROUP_ONCE("fold/10000", TARGET(5e6)),
	STACK("kept"),
	STACK("cold"),
	STACK("protected"),
	STACK("small"),
	{.name = "create-destroy",
	 .linked = true,
	 .repeats = 6,
	 .metric = {TARGET(5000),
		    {.key = "last_ns",
		     .suffix = "last-tenth",
		     .unit = "ns",
		     .against = AGAINST_KEY,
		     .other = "first_ns"},
		    {.key = "rss_mib",
		     .suffix = "rss",
		     .unit = "MiB",
		     .against = AGAINST_TARGET,
		     .target = 64,
		     .goal = 1}}},
	{.name = "idle-group",
	 .linked = true,
	 .repeats = 6,
	 .metric = {{.key = "bytes",
		     .unit = "bytes",
		     .against = AGAINST_TARGET,
		     .target = 1024,
		     .goal = 1},
		    {.key = "rss_bytes", .suffix = "rss", .unit = "bytes"}}},
	LIMIT_NS("current/10000", 10),
	LIMIT_NS("stat/1", 1000),
	LIMIT_NS("stat/10000", 1000),
	LIMIT_NS("stat/10000-used", 1000),
	FOLD("8"),
	FOLD("64"),
	LINKED_CASE("limits/readers", 2,
		    {.key = "ns",
		     .unit = "ns",
		     .against = AGAINST_KEY,
		     .other = "alone",
		     .goal = 1.25}),
	RECLAIM("slabs"),
	RECLAIM("pages"),
	RECLAIM("shrinkers/1", BY_HAND),
	RECLAIM("shrinkers/1000", BY_HAND),
	LINKED_CASE("limits/walk/10000", 8,
		    {.key = "ns",
		     .unit = "ns",
		     .against = AGAINST_KEY,
		     .other = "alone",
		     .goal = 1.25}),
	LINKED_CASE("limits/refused", 2,
		    {.key = "ns",
		     .unit = "ns",
		     .against = AGAINST_KEY,
		     .other = "little",
		     .goal = 1.5}),
	THROTTLE("101"),
	THROTTLE("105", KERNEL_MS(159)),
	THROTTLE("110", KERNEL_MS(639)),
	{.name = "limits/groups",
	 .linked = true,
	 .repeats = 6,
	 .metric = {{.key = "ns",
		     .unit = "ns",
		     .against = AGAINST_KEY,
		     .other = "first_ns",
		     .goal = 1.5},
		    {.key = "bytes",
		     .suffix = "bytes",
		     .unit = "bytes",
		     .against = AGAINST_TARGET,
		     .target = 1024,
		     .goal = 1}}},
	ZSWAP("store"),
	ZSWAP("load"),
	LINKED_CASE("zswap/same", 2, {.key = "ns", .unit = "ns"}),
	POINT("charge/6", WEIGHT_CURVE, {.key = "naive", .suffix = "naive", .unit = "ns"}),
	POINT("charge/8", WEIGHT_CURVE, {.key = "naive", .suffix = "naive", .unit = "ns"}),
	POINT("charge/12", WEIGHT_CURVE, {.key = "naive", .suffix = "naive", .unit = "ns"}),
	POINT("charge/16", WEIGHT_CURVE, {.key = "naive", .suffix = "naive", .unit = "ns"}),
	POINT("growth/depth/1", WEIGHT_CURVE),
	POINT("growth/depth/2", WEIGHT_CURVE),
	POINT("growth/depth/4", WEIGHT_CURVE),
	POINT("growth/depth/8", WEIGHT_CURVE),
	POINT("growth/depth/16", WEIGHT_CURVE),
	CREATE("1", WEIGHT_CURVE),
	CREATE("10", WEIGHT_CURVE),
	CREATE("100", WEIGHT_CURVE),
	CREATE("1000", WEIGHT_CURVE),
	CREATE("10000", WEIGHT_CURVE),
	CREATE("100000", WEIGHT_CURVE),
	CREATE("1000000", WEIGHT_HEAVY),
	POINT("growth/stat/100", WEIGHT_CURVE),
	POINT("growth/stat/1000", WEIGHT_CURVE),
	POINT("growth/stat/10000", WEIGHT_CURVE),
	POINT("growth/stat/100000", WEIGHT_CURVE),
	POINT("growth/stat/1000000", WEIGHT_HEAVY),
};
const size_t call_case_count = COUNT(call_cases);
_Static_assert(COUNT(call_cases) <= CASES_MAX / 2, "results have room for every case");
