/*
 * pool.c - pools come and go, and which page is whose. Theory in pool.h.
 *
 * The child of a fork has none of its parent's managed memory, and so no pools: their slots are
 * forgotten there.
 */
#include "net/pool.h"

#include <errno.h>
#include <string.h>

#include "alloc/thread.h"
#include "base/config.h"
#include "sys/map.h"

#define SIZE_LEAST   offsetof(struct memcg_pool_config, idle_ms)
#define IDLE_DEFAULT 1000u
#define POOL_FLAGS   ((unsigned)MEMCG_POOL_STRICT)

static struct lock pools_lock = LOCK_INIT(RANK_POOLS); /* who has which slot */
static struct memcg_pool *pools[POOLS_MAX + 1];	       /* RCU */
static u8 *extent_pool; /* slot of the pool that has it; 0: none; constant once it is there */

/* --- whose a page is ------------------------------------------------------------------- */

static u32 extent_number(u32 index)
{
	return (index - regn.managed) / EXTENT_PAGES;
}

void extent_set_pool(u32 first, u32 slot)
{
	/* Release: who finds the slot finds the pool, and descriptors of its kind. */
	__atomic_store_n(&extent_pool[extent_number(first)], (u8)slot, __ATOMIC_RELEASE);
}

struct memcg_pool *pool_at(u32 slot)
{
	return slot ? atomic_load_acquire(&pools[slot]) : NULL;
}

struct memcg_pool *pool_of(const struct page *pg)
{
	u32 index = page_to_index(pg);

	if (!extent_pool || index < regn.managed || index - regn.managed >= regn.managed_pages)
		return NULL;
	return pool_at(atomic_load_acquire(&extent_pool[extent_number(index)]));
}

/* --- coming --------------------------------------------------------------------------------- */

static int config_take(const struct memcg_pool_config *from, struct memcg_pool_config *to)
{
	int err;

	*to = (struct memcg_pool_config)MEMCG_POOL_CONFIG_INIT;
	if (!from)
		return 0;
	err = -config_copy(to, sizeof(*to), from, SIZE_LEAST);
	return !err && to->flags & ~POOL_FLAGS ? EINVAL : err;
}

static struct memcg_pool *pool_new(const struct memcg_pool_config *c)
{
	struct memcg_pool *p = meta_alloc(sizeof(*p));
	u64 most = c->bytes ? c->bytes >> PAGE_SHIFT : regn.managed_pages;

	if (!p)
		return NULL;
	lock_init(&p->lock, RANK_POOL);
	p->flags = c->flags;
	p->idle_ms = c->idle_ms ? c->idle_ms : IDLE_DEFAULT;
	p->max_pages = (u32)MIN(MAX(most, 1ul), (u64)regn.managed_pages);
	strncpy(p->name, c->name ? c->name : "pool", sizeof(p->name) - 1);
	return p;
}

/* What all pools share, with the first. */
static int shared_up_locked(void)
{
	size_t bytes = ALIGN_UP(regn.managed_pages / EXTENT_PAGES, PAGE_SIZE);

	if (!extent_pool)
		extent_pool = sys_map(bytes);
	return extent_pool && !cache_init() ? 0 : ENOMEM;
}

static int slot_take_locked(struct memcg_pool *p)
{
	for (u32 slot = 1; slot <= POOLS_MAX; slot++) {
		if (pools[slot])
			continue;
		p->slot = slot;
		atomic_store_release(&pools[slot], p);
		return 0;
	}
	return ENOSPC;
}

static int pool_publish(struct memcg_pool *p)
{
	int err;

	lock_acquire(&pools_lock);
	err = shared_up_locked();
	if (!err)
		err = slot_take_locked(p);
	lock_release(&pools_lock);
	return err;
}

struct memcg_pool *memcg_pool_create(const struct memcg_pool_config *config)
{
	struct memcg_pool_config c;
	struct memcg_pool *p = NULL;
	int err = config_take(config, &c);

	thread_need();
	if (!err)
		err = -managed_up();
	if (!err) {
		p = pool_new(&c);
		err = p ? pool_publish(p) : ENOMEM;
	}
	if (!err)
		return p;
	if (p)
		meta_free(p, sizeof(*p));
	errno = err;
	return NULL;
}

/* --- going ----------------------------------------------------------------------------------- */

static void pool_free(struct rcu_head *rcu)
{
	struct memcg_pool *p = container_of(rcu, struct memcg_pool, rcu);

	meta_free(p, sizeof(*p));
}

void pool_end(struct memcg_pool *p)
{
	extents_unmake(p->extents);
	lock_acquire(&pools_lock);
	atomic_store(&pools[p->slot], (struct memcg_pool *)NULL);
	lock_release(&pools_lock);
	rcu_defer(&p->rcu, pool_free);
}

/* Stacks and what waits for the system are bits; the pool ends here when nothing is out. */
static void pool_empty(struct memcg_pool *p)
{
	atomic_store(&p->state, (u32)POOL_EMPTIED);
	cache_flush(p, true);
	extents_give_punched(p, NULL);
	extents_give(p, NULL, 0, false);
}

int memcg_pool_destroy(struct memcg_pool *p)
{
	if (!p)
		return 0;
	if (atomic_xchg(&p->state, (u32)POOL_DYING) != POOL_LIVE)
		return -EINVAL;
	rcu_synchronize(); /* pairs with the sections around every push: net_release */
	pool_empty(p);
	return 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

static void stat_fill(struct memcg_pool *p, struct memcg_pool_stat *s)
{
	u64 pops, pushes, kept = cache_pages(p), taken, refilled, flushed;

	cache_ops(p, &pops, &pushes);
	lock_acquire(&p->lock);
	taken = p->taken - p->pending;
	*s = (struct memcg_pool_stat){.bytes = (u64)p->pages << PAGE_SHIFT, .peak = p->most};
	lock_release(&p->lock);
	refilled = atomic_load(&p->refilled);
	flushed = atomic_load(&p->flushed);
	s->out = taken > kept ? taken - kept : 0;
	s->fast = pops > flushed ? pops - flushed : 0;
	s->slow = atomic_load(&p->slow);
	s->recycled = (pushes > refilled ? pushes - refilled : 0) + atomic_load(&p->returned);
	s->released = atomic_load(&p->released);
	s->refused = atomic_load(&p->refused);
}

int memcg_pool_stat(struct memcg_pool *p, struct memcg_pool_stat *out, size_t size)
{
	struct memcg_pool_stat s;

	if (!p || !out || !size)
		return -EINVAL;
	stat_fill(p, &s);
	memset(out, 0, size);
	memcpy(out, &s, MIN(size, sizeof(s)));
	return 0;
}

void net_fork_child(void)
{
	lock_init(&pools_lock, RANK_POOLS);
	memset(pools, 0, sizeof(pools));
}

/* --- for the root -------------------------------------------------------------------------------
 */

/* The pool stays while the section lasts. */
static u64 each_pool(u64 (*each)(struct memcg_pool *p, bool all), bool all)
{
	struct rcu_reader *self = self_rcu();
	u64 n = 0;

	rcu_read_lock(self);
	for (u32 slot = 1; slot <= POOLS_MAX; slot++)
		if (pool_at(slot))
			n += each(pool_at(slot), all);
	rcu_read_unlock(self);
	return n;
}

static u64 kept_bytes(struct memcg_pool *p, bool all)
{
	(void)all;
	return (u64)cache_pages(p) << PAGE_SHIFT;
}

u64 net_cached(void)
{
	return extent_pool ? each_pool(kept_bytes, false) : 0;
}

static u64 purge(struct memcg_pool *p, bool all)
{
	if (all)
		cache_flush(p, true);
	return extents_purge(p, all ? 0 : p->idle_ms, UINT64_MAX);
}

u64 net_purge(bool all)
{
	return extent_pool ? each_pool(purge, all) : 0;
}
