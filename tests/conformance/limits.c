/* limits.c - rows about one limit of one group: high, max, and reclaim on demand. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "row.h"
#include "rows.h"
#include "stay.h"
#include "tenant.h"

/*
 * The kernel's other half, a group without the controller, cannot be had: there is one controller,
 * and saying so is refused.
 */
void row_subtree_control(void)
{
	struct memcg *parent = group_make(NULL, "parent"), *child;

	file_write(parent, "cgroup.subtree_control", "+memory");
	child = group_make(parent, "child");
	EXPECT(file_is(child, "cgroup.controllers", "memory\n"));
	EXPECT_IS(memcg_write(parent, "cgroup.subtree_control", "-memory", 7), ==, -EBUSY);
	EXPECT(file_is(child, "cgroup.controllers", "memory\n"));
	group_end(child);
	group_end(parent);
}

/* The kernel's alloc_pagecache_max_30M: 50M through a group that may hold 30M. */
static uint64_t read_50M(struct memcg *cg)
{
	struct cache cache;
	uint64_t current;

	cache_init(&cache, cg);
	cache_read(&cache, MIB(50));
	current = current_of(cg);
	EXPECT_IS(cache.refused, ==, 0);
	EXPECT_IS(cache.given_back, >=, MIB(15));
	EXPECT_CLOSE(current, MIB(30), 5);
	cache_exit(&cache);
	return current;
}

void row_high(void)
{
	struct memcg *cg = group_make(NULL, "high");
	struct tenant anon = TENANT(cg);
	uint64_t current;

	EXPECT(file_is(cg, "memory.high", "max\n"));
	file_write(cg, "memory.swap.max", "0");
	file_write(cg, "memory.high", "30M");
	EXPECT(tenant_grow(&anon, MIB(31)));
	tenant_free(&anon);
	current = read_50M(cg);
	EXPECT_IS(event_of(cg, "high"), >, 0);
	EXPECT_IS(event_of(cg, "max"), ==, 0);
	note("current %.1fM, high %ju", (double)current / MIB(1), (uintmax_t)event_of(cg, "high"));
	group_end(cg);
}

static void grow_200M(void *arg)
{
	tenant_grow(arg, MIB(200));
}

/* The thread is stopped as soon as it was slowed down: it would take minutes. */
void row_high_sync(void)
{
	struct memcg *cg = group_make(NULL, "high_sync");
	struct tenant anon = TENANT(cg);
	struct pollfd news = {.events = POLLIN};
	struct stay process;

	file_write(cg, "memory.high", "30M");
	file_write(cg, "memory.max", "140M");
	news.fd = memcg_eventfd(cg, MEMCG_EVENT_HIGH | MEMCG_EVENT_MAX);
	EXPECT_IS(news.fd, >=, 0);
	stay_begin(&process, grow_200M, &anon);
	EXPECT_IS(poll(&news, 1, 30000), ==, 1);
	EXPECT_IS(event_of(cg, "high"), >, 0);
	EXPECT_IS(event_of(cg, "max"), ==, 0);
	__atomic_store_n(&anon.ended, true, __ATOMIC_RELEASE);
	stay_end(&process);
	EXPECT_IS(event_of(cg, "max"), ==, 0);
	note("stopped at %.1fM", (double)anon.bytes / MIB(1));
	tenant_free(&anon);
	memcg_eventfd_close(news.fd);
	group_end(cg);
}

void row_max(void)
{
	struct memcg *cg = group_make(NULL, "max");
	struct tenant anon = TENANT(cg);
	uint64_t current, died_at;

	EXPECT(file_is(cg, "memory.max", "max\n"));
	file_write(cg, "memory.swap.max", "0");
	file_write(cg, "memory.max", "30M");
	EXPECT(!tenant_grow(&anon, MIB(100)));
	died_at = anon.bytes;
	EXPECT_IS(died_at, <=, MIB(30));
	EXPECT_CLOSE(died_at, MIB(30), 3);
	tenant_free(&anon);
	current = read_50M(cg);
	EXPECT_IS(current, <=, MIB(30));
	EXPECT_IS(event_of(cg, "max"), >, 0);
	note("anon refused at %.1fM; current %.1fM, max %ju, oom %ju", (double)died_at / MIB(1),
	     (double)current / MIB(1), (uintmax_t)event_of(cg, "max"),
	     (uintmax_t)event_of(cg, "oom"));
	group_end(cg);
}

/* The kernel's reclaim_until(): asks for the difference, and again; only EAGAIN may be answered. */
bool reclaim_until(struct memcg *cg, uint64_t goal)
{
	char text[32];

	for (unsigned tries = 0; tries < 5; tries++) {
		uint64_t current = current_of(cg);
		int err;

		if (current <= goal || close_to(current, goal, 3))
			return true;
		snprintf(text, sizeof(text), "%ju", (uintmax_t)(current - goal));
		err = memcg_write(cg, "memory.reclaim", text, strlen(text));
		if (!err) { /* it says that it did: then it must have */
			current = current_of(cg);
			return current <= goal || close_to(current, goal, 3);
		}
		EXPECT_IS(err, ==, -EAGAIN);
	}
	return false;
}

void row_reclaim(void)
{
	struct memcg *cg = group_make(NULL, "reclaim");
	struct cache cache;

	EXPECT_IS(current_of(cg), ==, 0);
	cache_init(&cache, cg);
	cache_read(&cache, MIB(50));
	EXPECT_CLOSE(current_of(cg), MIB(50), 10);
	EXPECT(reclaim_until(cg, MIB(30)));
	note("current %.1fM", (double)current_of(cg) / MIB(1));
	/* More than there is: all that can be had, and -EAGAIN (kernel-observed.md). */
	EXPECT_IS(memcg_write(cg, "memory.reclaim", "100M", 4), ==, -EAGAIN);
	EXPECT_IS(cache_bytes(&cache), ==, 0);
	cache_exit(&cache);
	group_end(cg);
}
