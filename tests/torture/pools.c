/* pools.c - taking pages of pools, and replacing pools. Theory in pools.h. */
#include "pools.h"

#include <errno.h>

#include "item.h"

#define POOLS 5u
#define BATCH 24u

static struct place {
	pthread_mutex_t lock;
	struct memcg_pool *pool;
} place[POOLS] = {[0 ... POOLS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static struct memcg_pool *pool_new(struct chance *c)
{
	struct memcg_pool_config config = MEMCG_POOL_CONFIG_INIT;
	struct memcg_pool *pool;

	config.flags = one_in(c, 4) ? MEMCG_POOL_STRICT : 0;
	config.bytes = one_in(c, 3) ? PAGE_SIZE * (1 + below(c, 900)) : 0;
	config.idle_ms = 1 + (unsigned)below(c, 50);
	pool = memcg_pool_create(&config);
	EXPECT(pool || errno == ENOSPC || errno == ENOMEM, "no pool: %d", errno);
	return pool;
}

/* A pool with a hundred others' pages out may wait long for them: there are slots enough. */
static void place_fill(struct place *at, struct chance *c)
{
	EXPECT(!at->pool || !memcg_pool_destroy(at->pool), "a pool is not destroyed");
	at->pool = pool_new(c);
}

void pools_begin(void)
{
	struct chance *c = callback_chance();

	for (unsigned i = 0; i < POOLS; i++)
		place_fill(&place[i], c);
}

void pools_end(bool child)
{
	for (unsigned i = 0; i < POOLS; i++) {
		if (place[i].pool)
			EXPECT(!memcg_pool_destroy(place[i].pool) || child,
			       "a pool is not destroyed");
		place[i].pool = NULL;
	}
}

void pool_renew(struct chance *c)
{
	struct place *at = &place[below(c, POOLS)];

	pthread_mutex_lock(&at->lock);
	place_fill(at, c);
	pthread_mutex_unlock(&at->lock);
}

static ssize_t take(struct memcg_frag *frag, struct chance *c)
{
	struct place *at = &place[below(c, POOLS)];
	size_t n = one_in(c, 2) ? 1 : 1 + below(c, BATCH);
	ssize_t got = 0;

	pthread_mutex_lock(&at->lock);
	if (at->pool)
		got = memcg_pool_alloc(at->pool, NULL, frag, n);
	pthread_mutex_unlock(&at->lock);
	EXPECT((got >= 0 && got <= (ssize_t)n) || got == -ENOBUFS, "%zu pages of a pool: %zd", n,
	       got);
	if (got < 0)
		DID(refused);
	return got;
}

/* Those that come as fragments with a second reference go in a batch, and stay as items. */
void pool_pages(struct chance *c)
{
	struct memcg_frag frag[BATCH];
	ssize_t got = take(frag, c);

	if (got <= 0)
		return;
	if (one_in(c, 4)) {
		memcg_frags_put(frag, (size_t)got);
		return;
	}
	memcg_frags_get(frag, (size_t)got);
	for (ssize_t i = 0; i < got; i++) {
		struct item *it = item_of_net(frag[i].page, c);

		item_look(it, c);
		item_pass_on(it, c);
	}
	memcg_frags_put(frag, (size_t)got);
}
