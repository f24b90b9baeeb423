/*
 * net.c - network pages as the page layer knows them: what the free check asks, what the last put
 * does; and pages without a socket. Theory in pool.h.
 */
#include "net/net.h"

#include <errno.h>

#include "group/tally.h"

/* --- the kind --------------------------------------------------------------------------- */

/*
 * Asked of every page of the kind at its last put, by the check at free: a pool has handed it out.
 * The pool of such a page cannot end meanwhile; of any other, nothing is looked at but that it is
 * there.
 */
static bool net_fits(const struct page *pg)
{
	return atomic_load(&pg->net.flags) & NET_OUT && pool_of(pg);
}

static void net_leave(struct handle *h, unsigned kind, u64 bytes)
{
	(void)kind;
	tally_sub(TALLY_SOCK, handle_index(h), bytes); /* first: the bytes keep the handle */
}

static void net_uncharge(struct handle *h, u64 bytes)
{
	uncharge_pages(handle_index(h), bytes);
}

/* Uncharged, and its count is 0. Whether its memory goes before it is free. */
static bool reset(const struct memcg_pool *p, struct page *pg)
{
	unsigned sent = atomic_load(&pg->net.flags) & NET_SENT;

	atomic_store(&pg->net.flags, (u8)sent);
	pg->net.filled = 0;
	pg->net.where = WHERE_NONE;
	return unlikely(sent || p->flags & MEMCG_POOL_STRICT);
}

static void go_home(struct memcg_pool *p, struct page **pages, u32 n, bool punched)
{
	if (unlikely(atomic_load(&p->state) == POOL_FORKED))
		return;
	if (punched)
		punch_give(p, pages, n);
	else
		pool_untake(p, pages, n);
}

/* In the section nobody empties the stacks for good. */
static void net_release(struct page *pg)
{
	struct rcu_reader *self = self_rcu();
	struct memcg_pool *p;

	rcu_read_lock(self);
	p = pool_of(pg);
	go_home(p, &pg, 1, reset(p, pg));
	rcu_read_unlock(self);
}

/* The last put of a page alone, which is what is put most. */
static void net_finish(struct page *pg, struct handle *h)
{
	tally_sub(TALLY_SOCK, handle_index(h), PAGE_SIZE);
	uncharge(handle_index(h), PAGE_SIZE);
	net_release(pg);
}

/* Of one pool and one way. How many from the first on. */
static u32 release_some(struct page **pages, u32 n)
{
	struct memcg_pool *p = pool_of(pages[0]);
	bool punched = reset(p, pages[0]);
	u32 i;

	for (i = 1; i < n && pool_of(pages[i]) == p; i++)
		punched |= reset(p, pages[i]);
	go_home(p, pages, i, punched);
	return i;
}

/* A batch: those that lie together come home together. */
static void net_release_run(struct page **pages, size_t n)
{
	struct rcu_reader *self = self_rcu();

	rcu_read_lock(self);
	for (size_t i = 0; i < n;)
		i += release_some(pages + i, (u32)(n - i));
	rcu_read_unlock(self);
}

int net_init(void)
{
	page_ops[PAGE_NET] = (struct page_ops){
		.leave = net_leave,
		.uncharge = net_uncharge,
		.release = net_release,
		.finish = net_finish,
		.release_run = net_release_run,
		.fits = net_fits,
	};
	page_cached_more = net_stacked;
	page_purge_more = net_purge;
	return 0;
}

void net_publish(struct page *pg, struct handle *h)
{
	ASSERT(pg->kind == PAGE_NET && !atomic_load(&pg->net.flags));
	pg->net.where = WHERE_RESIDENT;
	atomic_store(&pg->net.fill, 0u); /* what an earlier life offered, this one has not */
	atomic_store(&pg->net.flags, NET_OUT);
	if (likely(h))
		page_set_objcg(pg, h, 0);
	page_publish(pg, PAGE_NET);
}

#define TAKE_FEW 4u

/* --- taking and charging -----------------------------------------------------------------------
 */

/* By address: those that lie side by side are one piece to read into. */
static void sort_few(struct page **pages, u32 n)
{
	for (u32 i = 1; i < n; i++)
		for (u32 k = i; k && pages[k] < pages[k - 1]; k--) {
			struct page *pg = pages[k];

			pages[k] = pages[k - 1];
			pages[k - 1] = pg;
		}
}

/* Few pages come from the stack: that they lie side by side saves less than finding such costs. */
u32 pool_take(struct memcg_pool *p, struct page **out, u32 n)
{
	u32 got = 0, more;

	if (n <= TAKE_FEW)
		while (got < n && (out[got] = cache_pop(p)))
			got++;
	if (likely(got == n)) {
		if (n <= TAKE_FEW)
			sort_few(out, n);
		return n;
	}
	page_tick(); /* a program may have no other memory of ours that comes and goes */
	more = extents_take(p, out + got, n - got);
	atomic_add_relaxed(&p->slow, (u64)more);
	return got + more;
}

HOOK_DEFINE(untake_live);

void pool_untake(struct memcg_pool *p, struct page **pages, u32 n)
{
	if (n == 1 && likely(atomic_load(&p->state) == POOL_LIVE)) {
		HOOK(untake_live);
		if (likely(cache_push(p, pages[0])))
			return;
		cache_flush(p);
		if (cache_push(p, pages[0]))
			return;
	}
	atomic_add_relaxed(&p->returned, (u64)n);
	extents_give(p, pages, n, true);
}

/* As many of n pages as fit, by one look at the counters; then what there is room for, or one. */
u32 net_charge(u32 handle, struct memcg *cg, u32 n)
{
	u64 room;

	if (!handle || charge_pages(handle, (u64)n << PAGE_SHIFT, CHARGE_ONCE))
		return n;
	charge_forgive();
	room = memcg_headroom(cg) >> PAGE_SHIFT;
	n = (u32)MIN(MAX(room, 1ul), (u64)n);
	if (charge_bytes(handle, (u64)n << PAGE_SHIFT, 0))
		return n;
	return n > 1 && charge_bytes(handle, PAGE_SIZE, 0) ? 1 : 0;
}

void net_uncharge_pages(u32 handle, u32 n)
{
	if (handle && n)
		uncharge_pages(handle, (u64)n << PAGE_SHIFT);
}

/* Refused: what the kernel counts when it closes a window. */
int net_refused(struct memcg_pool *p, struct memcg *cg)
{
	atomic_add_relaxed(&p->refused, 1ul);
	group_event(cg, EV_SOCK_THROTTLED);
	return -ENOBUFS;
}

int net_refused_ref(struct pool_ref ref, struct memcg *cg)
{
	struct rcu_reader *self = self_rcu();
	struct memcg_pool *p;
	int err;

	rcu_read_lock(self);
	p = pool_live(ref);
	err = p ? net_refused(p, cg) : -ESHUTDOWN;
	rcu_read_unlock(self);
	return err;
}

/* What is charged, or less; the rest is uncharged. counted: -ENOBUFS is told. */
static int take_charged(struct pool_ref ref, u32 handle, struct memcg *cg, struct page **out,
			u32 fit, bool counted)
{
	struct rcu_reader *self = self_rcu();
	struct memcg_pool *p;
	int got = -ESHUTDOWN;
	u32 took = 0;

	rcu_read_lock(self);
	p = pool_live(ref);
	if (p) {
		took = fit ? pool_take(p, out, fit) : 0;
		got = (int)took;
		if (!took)
			got = counted ? net_refused(p, cg) : -ENOBUFS;
	}
	rcu_read_unlock(self);
	net_uncharge_pages(handle, fit - took);
	return got;
}

/* Charged first: that may take its time, and the pool end meanwhile. */
int net_take_ref(struct pool_ref ref, u32 handle, struct memcg *cg, struct page **out, u32 n,
		 bool counted)
{
	return take_charged(ref, handle, cg, out, net_charge(handle, cg, n), counted);
}

int net_try_take(struct pool_ref ref, u32 handle, struct page **out, u32 n)
{
	int got;

	if (handle && !charge_pages(handle, (u64)n << PAGE_SHIFT, CHARGE_ONCE)) {
		charge_forgive();
		return 0;
	}
	got = take_charged(ref, handle, NULL, out, n, false);
	return got > 0 ? got : 0;
}

int net_take(struct memcg_pool *p, u32 handle, struct memcg *cg, struct page **out, u32 n)
{
	return net_take_ref(pool_ref(p), handle, cg, out, n, true);
}

/* The system may have written to what it was offered, whatever it says of it. */
void net_untake(struct memcg_pool *p, struct page **pages, u32 n)
{
	struct rcu_reader *self = self_rcu();

	if (!n)
		return;
	rcu_read_lock(self);
	go_home(p, pages, n, p->flags & MEMCG_POOL_STRICT);
	rcu_read_unlock(self);
}

/*
 * One page as it mostly comes: charged from the stock, and the stack has one. NULL: the long way.
 * The section begins with the call, so p is as alive in it as it was then.
 */
static struct page *take_one(struct memcg_pool *p, u32 handle)
{
	struct rcu_reader *self = self_rcu();
	struct page *pg = NULL;

	rcu_read_lock(self);
	if (likely(handle && atomic_load(&p->state) == POOL_LIVE) &&
	    likely(pcpu_take(memcg__stock, STOCK_SHIFT, stock_offset(handle), handle, PAGE_SIZE))) {
		pg = cache_pop(p);
		if (unlikely(!pg))
			uncharge(handle, PAGE_SIZE);
	}
	rcu_read_unlock(self);
	return pg;
}

static void give_out(struct page *pg, u32 handle, struct memcg_frag *frag)
{
	net_publish(pg, handle ? handle_of(handle) : NULL);
	*frag = (struct memcg_frag){(struct memcg_page *)pg, 0, PAGE_SIZE};
}

static __noinline_ ssize_t alloc_some(struct memcg_pool *p, u32 handle, struct memcg *cg,
				      struct memcg_frag *frags, size_t n)
{
	struct page *pages[NET_BATCH];
	int got = net_take(p, handle, cg, pages, (u32)MIN(n, NET_BATCH));

	for (int i = 0; i < got; i++)
		give_out(pages[i], handle, &frags[i]);
	if (got > 0 && handle)
		tally_add(TALLY_SOCK, handle, (u64)got << PAGE_SHIFT);
	return got;
}

ssize_t memcg_pool_alloc(struct memcg_pool *p, struct memcg *cg, struct memcg_frag *frags, size_t n)
{
	struct page *pg;
	u32 handle;

	if (!p || !frags || !n)
		return -EINVAL;
	thread_need();
	cg = cg ? cg : group_active();
	handle = handle_for(cg);
	pg = n == 1 ? take_one(p, handle) : NULL;
	if (unlikely(!pg))
		return alloc_some(p, handle, cg, frags, n);
	give_out(pg, handle, frags);
	tally_add(TALLY_SOCK, handle, PAGE_SIZE);
	return 1;
}

/* --- fragments
 * ------------------------------------------------------------------------------------ */

void memcg_frags_get(const struct memcg_frag *frags, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (frags[i].page)
			page_get((struct page *)frags[i].page);
}

/* errno stays as it is: no call of the system's is made but through sys/, which sees to it. */
void memcg_frags_put(struct memcg_frag *frags, size_t n)
{
	struct page *batch[NET_BATCH];

	if (n == 1 && frags->page) { /* mostly */
		struct page *pg = (struct page *)frags->page;

		frags->page = NULL;
		page_put(pg);
		return;
	}
	for (size_t i = 0, step; i < n; i += step) {
		step = MIN(n - i, NET_BATCH);
		for (size_t k = 0; k < step; k++) {
			batch[k] = (struct page *)frags[i + k].page;
			frags[i + k].page = NULL;
		}
		pages_release(batch, step);
	}
}
