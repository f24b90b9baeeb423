/*
 * cache.h - what stands for the kernel's page cache: a cache of the program's, the oldest entry
 * first out, that a shrinker makes smaller. The entries are the group's objects, allocated like any
 * other; the shrinker may run on whatever thread is refused, so it only tries the lock.
 */
#ifndef CONFORMANCE_CACHE_H
#define CONFORMANCE_CACHE_H

#include <pthread.h>

#include "group.h"

struct entry;
struct cache {
	struct memcg *cg;
	struct memcg_shrinker *shrinker;
	size_t least, most; /* sizes of entries: drawn between them */
	uint32_t seed;
	/* lock */
	pthread_mutex_t lock;
	struct entry *oldest, **newest;
	uint64_t bytes, entries;
	uint64_t given_back; /* by the shrinker */
	uint64_t refused;    /* entries that could not be had */
};

/* Pages of a file: entries of 4096 bytes. */
void cache_init(struct cache *c, struct memcg *cg);
/* Small ones, of sizes between least and most: the kernel's dentries. */
void cache_init_small(struct cache *c, struct memcg *cg, size_t least, size_t most);
/* Reads bytes that are not in it yet, in requests; the entries stay in it. */
void cache_read(struct cache *c, uint64_t bytes);
void cache_add(struct cache *c, uint64_t entries); /* the same, by number */
uint64_t cache_bytes(struct cache *c);
void cache_exit(struct cache *c); /* unregisters, and frees what is left */

#endif
