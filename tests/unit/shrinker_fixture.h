/*
 * shrinker_fixture.h - a real cache for the tests of reclaim by the program: blocks charged to a
 * group, freed by its shrinker. Blocks are larger than any slab class, so usage is exact.
 */
#ifndef MEMCG_TESTS_SHRINKER_FIXTURE_H
#define MEMCG_TESTS_SHRINKER_FIXTURE_H

#include "group_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fork_fixture.h"
#include "group/stock.h"
#include "reclaim/scan.h"
#include "reclaim/shrinker.h"
#include "sys/clock.h"
#include "sys/futex.h"

#define BLOCK (64 * KIB)

struct cache {
	pthread_mutex_t lock;
	void **block; /* of block_nr; a chain through their first words */
	u64 block_nr;
	u64 counts, scans, freed; /* calls, and bytes */
	struct memcg *last_cg;	  /* what the last call was given */
	size_t last_bytes;
	struct memcg_shrinker *shrinker;
};

static inline void cache_add(struct cache *c, struct memcg *cg, u64 bytes)
{
	for (; bytes; bytes -= BLOCK) {
		void **p = memcg_malloc_in(cg, BLOCK);

		assert_non_null(p);
		pthread_mutex_lock(&c->lock);
		*p = c->block;
		c->block = p;
		c->block_nr++;
		pthread_mutex_unlock(&c->lock);
	}
}

static inline u64 cache_bytes(struct cache *c)
{
	u64 n;

	pthread_mutex_lock(&c->lock);
	n = c->block_nr * BLOCK;
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* At most `bytes`, rounded up to blocks. */
static inline size_t cache_shed(struct cache *c, size_t bytes)
{
	size_t freed = 0;
	void **p;

	while (freed < bytes) {
		pthread_mutex_lock(&c->lock);
		p = c->block;
		if (p) {
			c->block = *p;
			c->block_nr--;
		}
		pthread_mutex_unlock(&c->lock);
		if (!p)
			break;
		memcg_free(p);
		freed += BLOCK;
	}
	atomic_add_relaxed(&c->freed, freed);
	return freed;
}

static size_t cache_count(struct memcg *cg, void *arg)
{
	struct cache *c = arg;

	atomic_add_relaxed(&c->counts, 1ul);
	atomic_store(&c->last_cg, cg);
	return cache_bytes(c);
}

static size_t cache_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	struct cache *c = arg;

	(void)deadline_ns;
	atomic_add_relaxed(&c->scans, 1ul);
	atomic_store(&c->last_cg, cg);
	atomic_store(&c->last_bytes, bytes);
	return cache_shed(c, bytes);
}

/* A machine that does not schedule us for seconds must not make it late. */
#define PATIENT 600000u

static inline struct memcg_shrinker_config cache_config(struct cache *c)
{
	return (struct memcg_shrinker_config){.size = sizeof(struct memcg_shrinker_config),
					      .name = "cache",
					      .count = cache_count,
					      .scan = cache_scan,
					      .arg = c,
					      .deadline_ms = PATIENT};
}

#define CACHE_INIT                                 \
	{                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, \
	}

static inline void cache_register_as(struct cache *c, struct memcg *cg, unsigned priority,
				     unsigned flags)
{
	struct memcg_shrinker_config config = cache_config(c);

	config.priority = priority;
	config.flags = flags;
	c->shrinker = memcg_shrinker_register(cg, &config);
	assert_non_null(c->shrinker);
}

static inline void cache_register(struct cache *c, struct memcg *cg)
{
	cache_register_as(c, cg, 0, 0);
}

static inline void cache_end(struct cache *c)
{
	memcg_shrinker_unregister(c->shrinker);
	c->shrinker = NULL;
	cache_shed(c, SIZE_MAX);
}

/* Objects of slab classes: what frees of them give back is in stock and in slabs kept open. */
#define SMALL	 500u
#define SMALL_NR 20000u

static struct {
	void *object[SMALL_NR];
	unsigned nr;
} small;

static inline size_t small_count(struct memcg *cg, void *arg)
{
	(void)cg;
	(void)arg;
	return (size_t)small.nr * SMALL;
}

static inline size_t small_scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	size_t freed;

	(void)cg;
	(void)deadline_ns;
	(void)arg;
	for (freed = 0; freed < bytes && small.nr; freed += SMALL)
		memcg_free(small.object[--small.nr]);
	return freed;
}

static inline void small_fill(struct memcg *cg)
{
	for (small.nr = 0; small.nr < SMALL_NR; small.nr++)
		assert_non_null(small.object[small.nr] = memcg_malloc_in(cg, SMALL));
}

/* Nothing is registered anywhere any more. */
static inline void none_left(void)
{
	assert_null(root_group->shrinkers);
}

/* A word another thread will set; the deadline is for a test that is broken. */
static inline void wait_for(u32 *word, u32 value)
{
	u64 end = sys_clock_ns() + 150ul * 1000000000;

	while (atomic_load_acquire(word) != value) {
		assert_true(sys_clock_ns() < end);
		sys_sleep_ns(200000);
	}
}

#endif
