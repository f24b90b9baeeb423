/*
 * pool.c - pools come and go, and which page is whose. Theory in pool.h.
 *
 * The child of a fork has none of its parent's managed memory. Its parent's pools are there by
 * name: pages that it has references on can be put and are uncharged, and go nowhere then.
 */
#include "net/pool.h"

#include <errno.h>
#include <string.h>

#include "alloc/thread.h"
#include "base/config.h"
#include "net/flight.h"
#include "sys/map.h"

#define SIZE_LEAST   offsetof(struct memcg_pool_config, idle_ms)
#define IDLE_DEFAULT 1000u
#define POOL_FLAGS   ((unsigned)MEMCG_POOL_STRICT)

static struct lock pools_lock = LOCK_INIT(RANK_POOLS); /* who has which slot */
struct memcg_pool *pools[POOLS_MAX + 1];
static u64 ids;	 /* given so far; pools_lock */
u8 *extent_pool; /* constant once it is there */

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

/* What is where it was is a pool, for as long as the section lasts: then its id tells which. */
struct memcg_pool *pool_live(struct pool_ref ref)
{
	struct memcg_pool *p = pool_at(ref.slot);

	if (p != ref.pool || p->id != ref.id || atomic_load(&p->state) != POOL_LIVE)
		return NULL;
	return p;
}

/* --- coming --------------------------------------------------------------------------------- */

static int config_take(const struct memcg_pool_config *from, struct memcg_pool_config *to)
{
	int err;

	*to = (struct memcg_pool_config)MEMCG_POOL_CONFIG_INIT;
	if (!from)
		return 0;
	err = -config_copy(to, sizeof(*to), from, SIZE_LEAST);
	if (!err && (to->flags & ~POOL_FLAGS || (to->bytes && to->bytes < PAGE_SIZE)))
		return EINVAL;
	return err;
}

static struct memcg_pool *pool_new(const struct memcg_pool_config *c)
{
	struct memcg_pool *p = meta_alloc(sizeof(*p));
	u64 most = c->bytes ? c->bytes >> PAGE_SHIFT : regn.managed_pages;

	if (!p)
		return NULL;
	lock_init(&p->lock, RANK_POOL);
	list_init(&p->room);
	list_init(&p->full);
	p->flags = c->flags;
	p->idle_ms = c->idle_ms ? c->idle_ms : IDLE_DEFAULT;
	p->max_pages = (u32)MIN(most, (u64)regn.managed_pages);
	strncpy(p->name, c->name ? c->name : "pool", sizeof(p->name) - 1);
	return p;
}

/* What all pools share, with the first. */
static int shared_up_locked(void)
{
	size_t bytes = ALIGN_UP(regn.managed_pages / EXTENT_PAGES, PAGE_SIZE);

	int err = extents_up();

	if (!err)
		err = cache_up();
	if (err || extent_pool)
		return err;
	/* Last, and release: who sees it finds the rest. */
	atomic_store_release(&extent_pool, (u8 *)sys_map(bytes));
	return extent_pool ? 0 : ENOMEM;
}

static int slot_take_locked(struct memcg_pool *p)
{
	for (u32 slot = 1; slot <= POOLS_MAX; slot++) {
		if (pools[slot])
			continue;
		p->slot = slot;
		p->id = ++ids;
		cache_begin(p);
		atomic_store_release(&pools[slot], p); /* pairs with pool_at */
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

HOOK_DEFINE(pool_dying);

static void pool_free(struct rcu_head *rcu)
{
	struct memcg_pool *p = container_of(rcu, struct memcg_pool, rcu);

	meta_free(p, sizeof(*p));
}

void pool_end(struct memcg_pool *p)
{
	lock_acquire(&pools_lock);
	atomic_store(&pools[p->slot], (struct memcg_pool *)NULL);
	lock_release(&pools_lock);
	rcu_defer(&p->rcu, pool_free);
}

/* Nobody is at a stack any more. The pool ends here when nothing is out, else not before. */
static void pool_empty(struct memcg_pool *p)
{
	cache_end(p);
	punch_flush(p);
	punch_old(p, 0);
	extents_emptied(p);
}

int memcg_pool_destroy(struct memcg_pool *p)
{
	u32 live = POOL_LIVE;

	if (!p)
		return 0;
	thread_need();
	if (!atomic_cas(&p->state, &live, (u32)POOL_DYING))
		return -EINVAL;
	HOOK(pool_dying);
	rcu_synchronize(); /* pairs with the sections around every push and pop: net.c */
	pool_empty(p);
	return 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

static void stat_fill(struct memcg_pool *p, struct memcg_pool_stat *s)
{
	u64 pops, pushes, kept = cache_pages(p), taken, flushed;

	cache_ops(p, &pops, &pushes);
	lock_acquire(&p->lock);
	taken = p->taken - p->pending;
	*s = (struct memcg_pool_stat){
		.bytes = (u64)(p->taken + p->resident) << PAGE_SHIFT,
		.peak = p->most,
	};
	lock_release(&p->lock);
	flushed = atomic_load(&p->flushed);
	s->out = taken > kept ? taken - kept : 0;
	s->fast = pops > flushed ? pops - flushed : 0;
	s->slow = atomic_load(&p->slow);
	s->recycled = pushes + atomic_load(&p->returned);
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

/* --- in the child of a fork ------------------------------------------------------------------- */

/* No free page has memory here. Tolerated: what another thread of the parent was just giving back
 * may be missing from `cached`, and the root's line is short of it. */
static void forget_kept(void)
{
	for (u32 i = regn.managed; extent_pool && i < regn.managed_end; i++)
		if (atomic_load(&extent_pool[extent_number(i)]) && page_at(i)->kind == PAGE_NET)
			page_at(i)->net.flags &= (u8) ~(NET_KEPT | NET_STACKED);
}

void net_fork_child(void)
{
	lock_init(&pools_lock, RANK_POOLS);
	for (u32 slot = 1; slot <= POOLS_MAX; slot++) {
		struct memcg_pool *p = pools[slot];

		if (!p)
			continue;
		lock_init(&p->lock, RANK_POOL);
		p->state = POOL_FORKED;
		page_cached -= (u64)p->resident << PAGE_SHIFT;
		p->resident = 0;
	}
	forget_kept();
	cache_fork_child();
}

/* --- for the root ------------------------------------------------------------------------------
 */

/* There has been one: what all share stands. */
static bool any_pool(void)
{
	return atomic_load_acquire(&extent_pool);
}

u64 net_stacked(void)
{
	struct rcu_reader *self = self_rcu();
	u64 n = 0;

	rcu_read_lock(self);
	for (u32 slot = 1; any_pool() && slot <= POOLS_MAX; slot++) {
		struct memcg_pool *p = pool_at(slot);

		n += p ? cache_pages(p) : 0;
	}
	rcu_read_unlock(self);
	return n << PAGE_SHIFT;
}

static void flush(struct memcg_pool *p, bool all)
{
	if (all)
		cache_flush_all(p);
	else
		cache_flush_old(p);
}

HOOK_DEFINE(purge_found);

/*
 * Stacks are found by slot: one that is emptied may end meanwhile, and they are the next pool's.
 * Seen alive in this section it has them until the section ends: pairs with the grace period in
 * memcg_pool_destroy, after which it empties them itself.
 */
static u64 purge(struct memcg_pool *p, bool all)
{
	u32 state;

	HOOK(purge_found);
	state = atomic_load(&p->state);
	if (state == POOL_FORKED)
		return 0;
	if (state == POOL_LIVE)
		flush(p, all);
	punch_flush(p);
	return punch_old(p, all ? 0 : p->idle_ms);
}

/* A pool stays while the section lasts, whatever comes home meanwhile. */
u64 net_purge(bool all)
{
	struct rcu_reader *self = self_rcu();
	u64 n = 0;

	flight_sweep(false);
	rcu_read_lock(self);
	for (u32 slot = 1; any_pool() && slot <= POOLS_MAX; slot++) {
		struct memcg_pool *p = pool_at(slot);

		if (p)
			n += purge(p, all);
	}
	rcu_read_unlock(self);
	return n;
}
