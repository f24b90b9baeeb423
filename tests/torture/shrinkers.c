/* shrinkers.c - caches that shrink and handlers. Theory in shrinkers.h. */
#include "shrinkers.h"

#include "group/task.h"

#include "groups.h"
#include "item.h"
#include "lineage.h"

#define NR   24u
#define ROOM 512u

static struct cache {
	pthread_mutex_t lock;
	struct item *item[ROOM];
	unsigned nr;
	size_t bytes; /* read without the lock by count */
	pthread_mutex_t life;
	struct memcg_shrinker *shrinker;
	struct memcg *home; /* whom it was registered for last, referenced */
} caches[NR];

void shrinkers_begin(void)
{
	for (unsigned i = 0; i < NR; i++) {
		pthread_mutex_init(&caches[i].lock, NULL);
		pthread_mutex_init(&caches[i].life, NULL);
	}
}

/* --- callbacks ----------------------------------------------------------------------- */

static size_t count(struct memcg *cg, void *arg)
{
	struct cache *at = arg;

	(void)cg;
	return atomic_load(&at->bytes);
}

static size_t shed(struct cache *at, size_t bytes)
{
	size_t freed = 0;

	while (at->nr && freed < bytes) {
		struct item *it = at->item[--at->nr];
		size_t size = it->size;

		item_free(it);
		atomic_store(&at->bytes, at->bytes - size);
		freed += size;
	}
	return freed;
}

static void enlist(struct cache *at, struct memcg *cg, struct chance *c);

static void unregister_itself(struct cache *at, struct memcg *cg, struct chance *c)
{
	if (pthread_mutex_trylock(&at->life))
		return;
	memcg_shrinker_unregister(at->shrinker);
	at->shrinker = NULL;
	DID(self);
	if (one_in(c, 2))
		enlist(at, cg, c);
	pthread_mutex_unlock(&at->life);
}

static void meddle(struct cache *at, struct memcg *cg, struct chance *c)
{
	switch (below(c, 32)) {
	case 0:
		group_flip(c, true);
		break;
	case 1:
		unregister_itself(at, cg, c);
		break;
	case 2:
		item_free(item_object_in(cg, 1 + below(c, 4000), 0, c));
		break;
	case 3:
		memcg_leave(memcg_enter(cg));
		memcg_reclaim(cg, MIB);
		break;
	default:
		break;
	}
}

/* Who counts exactly? One in 64 says twice what it did. */
static size_t scan(struct memcg *cg, size_t bytes, uint64_t deadline_ns, void *arg)
{
	struct chance *c = callback_chance();
	struct cache *at = arg;
	size_t freed;

	(void)deadline_ns;
	DID(scans);
	meddle(at, cg, c);
	if (pthread_mutex_trylock(&at->lock))
		return MEMCG_SHRINK_STOP;
	freed = shed(at, bytes);
	pthread_mutex_unlock(&at->lock);
	return one_in(c, 64) ? 2 * freed : freed;
}

/* --- registrations --------------------------------------------------------------------- */

static void enlist(struct cache *at, struct memcg *cg, struct chance *c)
{
	struct memcg_shrinker_config config = MEMCG_SHRINKER_CONFIG_INIT;

	config.name = "torture";
	config.count = count;
	config.scan = scan;
	config.arg = at;
	config.priority = one_in(c, 16) ? 12 : 0;
	config.flags = one_in(c, 3) ? 0 : MEMCG_SHRINK_INLINE;
	config.deadline_ms = 100000; /* lines about busy machines say nothing here */
	at->shrinker = memcg_shrinker_register(cg, &config);
	memcg_put(at->home);
	at->home = memcg_get(cg);
}

void cache_flip(struct chance *c)
{
	struct cache *at = &caches[below(c, NR)];
	struct memcg *cg = group_random(c);

	pthread_mutex_lock(&at->life);
	if (!at->shrinker) {
		enlist(at, cg, c);
	} else if (one_in(c, 4)) {
		memcg_shrinker_unregister(at->shrinker);
		at->shrinker = NULL;
	}
	pthread_mutex_unlock(&at->life);
	memcg_put(cg);
}

static struct memcg *home_of(struct cache *at, struct chance *c)
{
	struct memcg *cg;

	pthread_mutex_lock(&at->life);
	cg = memcg_get(at->home && !one_in(c, 16) ? at->home : NULL);
	pthread_mutex_unlock(&at->life);
	return cg;
}

/* Takes what a cache takes without its lock: shrinkers of others may try that meanwhile. */
void cache_fill(struct chance *c)
{
	struct cache *at = &caches[below(c, NR)];
	struct memcg *home = home_of(at, c), *previous = memcg_enter(home);
	unsigned n = 1 + (unsigned)below(c, 64);

	memcg_put(home);
	for (unsigned i = 0; i < n; i++) {
		size_t size = one_in(c, 8) ? 4000 + below(c, 100000) : 100 + below(c, 3000);
		struct item *it = item_object(size, c);

		if (!it)
			continue;
		pthread_mutex_lock(&at->lock);
		if (at->nr < ROOM) {
			at->item[at->nr++] = it;
			atomic_store(&at->bytes, at->bytes + size);
			it = NULL;
		}
		pthread_mutex_unlock(&at->lock);
		item_free(it);
	}
	memcg_leave(previous);
}

/* --- handlers -------------------------------------------------------------------------- */

static unsigned out_of_memory(struct memcg *limited, uint64_t wanted, void *arg)
{
	struct chance *c = callback_chance();

	(void)wanted;
	DID(ooms);
	EXPECT(limited && memcg__self->reclaiming && !memcg__self->busy, "a handler's place");
	for (unsigned i = 0; i < 16; i++)
		item_free(item_take(c));
	if (one_in(c, 8))
		group_flip(c, true);
	return (unsigned)(uintptr_t)arg;
}

void handler_flip(struct chance *c)
{
	struct memcg_oom_config config = MEMCG_OOM_CONFIG_INIT;
	struct memcg *cg = group_random(c);

	config.oom = out_of_memory;
	config.arg = (void *)(uintptr_t)below(c, 3);
	config.flags = one_in(c, 2) ? MEMCG_OOM_INLINE : 0;
	memcg_set_oom_handler(cg, one_in(c, 3) ? NULL : &config);
	if (one_in(c, 4))
		memcg_write(cg, "memory.oom.group", one_in(c, 2) ? "1" : "0", 1);
	memcg_put(cg);
}

/* --- quiet -------------------------------------------------------------------------------- */

void shrinkers_settle(void)
{
	for (unsigned i = 0; i < NR; i++) {
		if (caches[i].home)
			lineage_keep(memcg_id(caches[i].home));
		for (unsigned k = 0; k < caches[i].nr; k++)
			item_settle(caches[i].item[k]);
	}
}

void shrinkers_end(void)
{
	for (unsigned i = 0; i < NR; i++) {
		memcg_shrinker_unregister(caches[i].shrinker);
		memcg_put(caches[i].home);
		shed(&caches[i], SIZE_MAX);
	}
}
