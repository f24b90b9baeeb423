/*
 * cache.c - each CPU's stack of free pages of each pool.
 *
 * 1. A stack is a word of the CPU: number of moves << 32 | index of the page on top, 0: empty. The
 *    pages are linked through their descriptors, and each knows how many lie from it down. One
 *    exchange of the word takes a page or puts one. Every move makes the upper half another, so who
 *    was interrupted between look and exchange fails, also when the same page is on top again.
 * 2. Pages that are moved count one by one: with the depth that tells pushes from pops. Statistics
 *    cost the paths nothing but a look at whether 2^20 moves are full.
 * 3. All pools' words of a CPU lie together: a few lines, for 255 pools 2 KiB.
 * 4. A push or a pop is refused where the exchange fails four times: the bits serve as well.
 */
#include "net/pool.h"

#define NET_SHIFT  12 /* area of one CPU */
#define TRIES	   4u
#define OPS_FOLDED (1u << 20)

struct net_area {
	struct pcpu_area head;
	u64 top[POOLS_MAX + 1];
};
_Static_assert(sizeof(struct net_area) <= (1u << NET_SHIFT), "one page holds a CPU's stacks");

static void *areas;					/* constant after cache_init */
static struct lock stop_lock = LOCK_INIT(RANK_NETSTOP); /* who stops a CPU */

int cache_init(void)
{
	lock_init(&stop_lock, RANK_NETSTOP);
	areas = areas ? areas : pcpu_map((size_t)1 << NET_SHIFT);
	return areas ? 0 : -1;
}

static struct net_area *area(unsigned cpu)
{
	return (struct net_area *)((char *)areas + ((size_t)cpu << NET_SHIFT));
}

static size_t offset_of(const struct memcg_pool *p)
{
	return offsetof(struct net_area, top) + p->slot * sizeof(u64);
}

static struct page *page_of(u32 index)
{
	return index ? page_at(index) : NULL;
}

/* Pages from this one down. It may be on its way out of the stack: then the exchange fails. */
static u32 depth_of(u32 index)
{
	return index ? atomic_load(&page_at(index)->net.depth) : 0;
}

/* After n more moves, in the word's upper half. */
static void count_ops(struct memcg_pool *p, u32 before, u32 n)
{
	if (unlikely((before & ~(OPS_FOLDED - 1)) != ((before + n) & ~(OPS_FOLDED - 1))))
		atomic_add_relaxed(&p->ops, (u64)OPS_FOLDED);
}

static bool move(struct memcg_pool *p, u64 old, u32 top, u32 n)
{
	u32 moves = PCPU_TAG(old);
	unsigned cpu;

	if (unlikely(!pcpu_cas(areas, NET_SHIFT, offset_of(p), old, PCPU_WORD(moves + n, top),
			       &cpu)))
		return false;
	count_ops(p, moves, n);
	return true;
}

static u64 look(const struct memcg_pool *p)
{
	return atomic_load(&area(pcpu_this())->top[p->slot]);
}

struct page *cache_pop(struct memcg_pool *p)
{
	for (unsigned i = 0; i < TRIES; i++) {
		u64 old = look(p);
		struct page *pg = page_of(PCPU_VALUE(old));

		if (!pg)
			return NULL;
		/* Whoever has taken it meanwhile may be writing there: then the exchange fails. */
		if (unlikely(!move(p, old, atomic_load(&pg->net.next), 1)))
			continue;
		atomic_store(&pg->net.flags, 0);
		return pg;
	}
	return NULL;
}

/* On top of what old says. */
static void link_to(struct page *pg, u64 old)
{
	atomic_store(&pg->net.next, PCPU_VALUE(old));
	atomic_store(&pg->net.depth, depth_of(PCPU_VALUE(old)) + 1);
}

bool cache_push(struct memcg_pool *p, struct page *pg)
{
	atomic_store(&pg->net.flags, NET_KEPT);
	for (unsigned i = 0; i < TRIES; i++) {
		u64 old = look(p);

		if (unlikely(depth_of(PCPU_VALUE(old)) >= CACHE_KEEP))
			return false;
		link_to(pg, old);
		if (likely(move(p, old, page_to_index(pg), 1)))
			return true;
	}
	return false;
}

/* --- giving up ---------------------------------------------------------------------- */

static u32 chain(u32 index, struct page **out, u32 n)
{
	u32 i;

	for (i = 0; i < n && index; i++) {
		out[i] = page_at(index);
		index = atomic_load(&out[i]->net.next);
	}
	return i;
}

/* The newest half: what lies deeper is as good, and one exchange cuts it off. */
static void flush_here(struct memcg_pool *p)
{
	struct page *out[CACHE_KEEP / 2];
	u64 old = look(p);
	u32 n = chain(PCPU_VALUE(old), out, ARRAY_SIZE(out));

	if (!n || !move(p, old, atomic_load(&out[n - 1]->net.next), n))
		return; /* another thread is at it */
	atomic_add_relaxed(&p->flushed, (u64)n);
	extents_give(p, out, n, true);
}

/* Nobody pushes; pops may be under way, and have the page or not. */
static void empty(struct memcg_pool *p, unsigned cpu)
{
	u64 *top = &area(cpu)->top[p->slot], old = atomic_load(top);
	struct page *pg;

	while ((pg = page_of(PCPU_VALUE(old)))) {
		u64 new = PCPU_WORD(PCPU_TAG(old) + 1, atomic_load(&pg->net.next));

		if (!atomic_cas(top, &old, new))
			continue;
		count_ops(p, PCPU_TAG(old), 1);
		atomic_add_relaxed(&p->flushed, 1ul);
		extents_give(p, &pg, 1, true);
		old = atomic_load(top);
	}
}

/*
 * A CPU that cannot be stopped (percpu.h) keeps its pages: they are free, and found by the next
 * who tries.
 */
void cache_flush(struct memcg_pool *p, bool all)
{
	if (!all) {
		flush_here(p);
		return;
	}
	lock_acquire(&stop_lock);
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++) {
		if (!PCPU_VALUE(atomic_load(&area(cpu)->top[p->slot])) ||
		    !pcpu_stop(&area(cpu)->head, cpu))
			continue;
		empty(p, cpu);
		pcpu_start(&area(cpu)->head);
	}
	lock_release(&stop_lock);
}

/* --- looking ------------------------------------------------------------------------- */

u32 cache_pages(const struct memcg_pool *p)
{
	u32 n = 0;

	for (unsigned cpu = 0; areas && cpu < pcpu_count; cpu++)
		n += depth_of(PCPU_VALUE(atomic_load(&area(cpu)->top[p->slot])));
	return n;
}

/* All moves are pushes and pops, and pushes less pops is what lies there. */
void cache_ops(const struct memcg_pool *p, u64 *pops, u64 *pushes)
{
	u64 ops = atomic_load(&p->ops), depth = cache_pages(p);

	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		ops += PCPU_TAG(atomic_load(&area(cpu)->top[p->slot])) & (OPS_FOLDED - 1);
	*pops = ops > depth ? (ops - depth) / 2 : 0;
	*pushes = *pops + depth;
}
