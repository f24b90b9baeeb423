/* cache.c - see cache.h. */
#include "cache.h"

#include <time.h>

#include "row.h"
#include "tenant.h"

#define PAGE 4096u

struct entry {
	struct entry *next;
	uint32_t size;
	char data[];
};

/* --- giving back ------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t drop_oldest(struct cache *c)
{
	struct entry *e = c->oldest;
	uint32_t size = e->size;

	c->oldest = e->next;
	if (!e->next)
		c->newest = &c->oldest;
	c->bytes -= size;
	c->entries--;
	memcg_free(e);
	return size;
}

static size_t count(struct memcg *cg, void *arg)
{
	struct cache *c = arg;

	(void)cg;
	return __atomic_load_n(&c->bytes, __ATOMIC_RELAXED); /* a guess will do */
}

static size_t scan(struct memcg *cg, size_t bytes, uint64_t deadline, void *arg)
{
	struct cache *c = arg;
	size_t freed = 0;
	unsigned n = 0;

	(void)cg;
	if (pthread_mutex_trylock(&c->lock))
		return MEMCG_SHRINK_STOP;
	while (freed < bytes && c->oldest && (++n % 64 || now_ns() < deadline))
		freed += drop_oldest(c);
	c->given_back += freed;
	pthread_mutex_unlock(&c->lock);
	return freed;
}

/* --- filling ----------------------------------------------------------------------------- */

static uint32_t draw(struct cache *c)
{
	c->seed = c->seed * 1664525u + 1013904223u;
	return (uint32_t)(c->least + (c->seed >> 8) % (c->most - c->least + 1));
}

/* Allocated outside the lock: our own shrinker may run in there. */
static void add_one(struct cache *c)
{
	uint32_t size = draw(c);
	struct entry *e = memcg_malloc(size);

	pthread_mutex_lock(&c->lock);
	if (e) {
		e->next = NULL;
		e->size = size;
		*c->newest = e;
		c->newest = &e->next;
		c->bytes += size;
		c->entries++;
	} else {
		c->refused++;
	}
	pthread_mutex_unlock(&c->lock);
}

static void request(struct cache *c, uint64_t entries)
{
	MEMCG_SCOPE(c->cg);

	while (entries--)
		add_one(c);
}

void cache_add(struct cache *c, uint64_t entries)
{
	uint64_t once = REQUEST / c->most;

	for (; entries > once; entries -= once)
		request(c, once);
	request(c, entries);
}

void cache_read(struct cache *c, uint64_t bytes)
{
	cache_add(c, bytes / ((c->least + c->most) / 2));
}

/* --- life ------------------------------------------------------------------------------------ */

void cache_init_small(struct cache *c, struct memcg *cg, size_t least, size_t most)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;

	*c = (struct cache){.cg = cg, .least = least, .most = most, .seed = 1};
	pthread_mutex_init(&c->lock, NULL);
	c->newest = &c->oldest;
	config.name = "cache";
	config.count = count;
	config.scan = scan;
	config.arg = c;
	config.flags = MEMCG_SHRINK_INLINE;
	config.deadline_ms = 10000; /* a machine without time for us makes nobody late */
	c->shrinker = memcg_shrinker_register(cg, &config);
	EXPECT(c->shrinker);
}

void cache_init(struct cache *c, struct memcg *cg)
{
	cache_init_small(c, cg, PAGE, PAGE);
}

uint64_t cache_bytes(struct cache *c)
{
	uint64_t bytes;

	pthread_mutex_lock(&c->lock);
	bytes = c->bytes;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

void cache_exit(struct cache *c)
{
	memcg_shrinker_unregister(c->shrinker);
	while (c->oldest)
		drop_oldest(c);
}
