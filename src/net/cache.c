/*
 * cache.c - each CPU's stack of free pages of each pool.
 *
 * 1. A stack is a word of the CPU: tag << 32 | index of the page on top, 0: empty. The pages are
 *    linked through their descriptors, and each knows how many lie from it down. One exchange of
 *    the word takes a page or puts one.
 * 2. The tag is the number of moves, and below it the CPU's number. So who was interrupted
 *    between look and exchange fails, though the same page is on top again, with another below;
 *    and though it runs on another CPU by now, where that page may be on top after as many
 *    moves. Tolerated: all the moves that a tag can tell apart (4 million with 1024 CPUs, two
 *    thousand million with two) while a thread stands between two instructions, and then the same
 *    page on top.
 * 3. Pages that are moved count one by one: with the depth that tells pushes from pops. Statistics
 *    cost the paths nothing but a look at whether 2^20 moves are full.
 * 4. All pools' words of a CPU lie together: a few lines, for 255 pools 2 KiB.
 * 5. A push or a pop is refused where the exchange fails four times: the bits serve as well.
 */
#include "net/pool.h"

#include <errno.h>

#include "sys/clock.h"

#define NET_SHIFT  12 /* area of one CPU */
#define TRIES	   4u
#define OPS_FOLDED (1u << 20)

struct net_area {
	struct pcpu_area head;
	u64 top[POOLS_MAX + 1];
	u32 seen[POOLS_MAX + 1]; /* tag when it was last looked at for age; stop_lock */
};
_Static_assert(sizeof(struct net_area) <= (1u << NET_SHIFT), "one page holds a CPU's stacks");
_Static_assert(PCPU_MAX *(u64)OPS_FOLDED <= 1ul << 32, "a tag has room for both");

static void *areas;					/* constant after the first pool */
static unsigned cpu_bits;				/* the same */
static struct lock stop_lock = LOCK_INIT(RANK_NETSTOP); /* who stops a CPU */

static struct net_area *area(unsigned cpu)
{
	return (struct net_area *)pcpu_area_at(areas, NET_SHIFT, cpu);
}

static void number_words(void)
{
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		for (u32 slot = 0; slot <= POOLS_MAX; slot++)
			area(cpu)->top[slot] = PCPU_WORD(cpu, 0);
}

int cache_up(void)
{
	if (areas)
		return 0;
	areas = pcpu_map((size_t)1 << NET_SHIFT);
	if (!areas)
		return ENOMEM;
	while (1u << cpu_bits < pcpu_count)
		cpu_bits++;
	number_words();
	return 0;
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

/* The word after n more moves. */
static u64 word_after(u64 old, u32 top, u32 n)
{
	return PCPU_WORD(PCPU_TAG(old) + (n << cpu_bits), top);
}

static u32 moves_of(u64 word)
{
	return PCPU_TAG(word) >> cpu_bits & (OPS_FOLDED - 1);
}

static void count_ops(struct memcg_pool *p, u64 before, u32 n)
{
	if (unlikely(moves_of(before) + n >= OPS_FOLDED))
		atomic_add_relaxed(&p->ops, (u64)OPS_FOLDED);
}

__always_inline_ bool move(struct memcg_pool *p, u64 old, u32 top, u32 n)
{
	unsigned cpu;

	if (unlikely(!pcpu_cas(areas, NET_SHIFT, offset_of(p), old, word_after(old, top, n), &cpu)))
		return false;
	count_ops(p, old, n);
	return true;
}

__always_inline_ u64 look(const struct memcg_pool *p)
{
	return atomic_load(&area(pcpu_here())->top[p->slot]);
}

HOOK_DEFINE(cache_looked);

/* What the check at free kept out of use while it lay here stays so: it is nowhere then. */
struct page *cache_pop(struct memcg_pool *p)
{
	for (unsigned i = 0; i < TRIES; i++) {
		u64 old = look(p);
		struct page *pg = page_of(PCPU_VALUE(old));
		u32 below;

		if (!pg)
			return NULL;
		below = atomic_load(&pg->net.next);
		HOOK(cache_looked);
		/* Whoever has taken it meanwhile may be writing there: then the exchange fails. */
		if (unlikely(!move(p, old, below, 1)))
			continue;
		if (unlikely(atomic_load(&pg->kind) != PAGE_NET))
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
	atomic_store(&pg->net.flags, NET_STACKED);
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

/* The n on top, as they are found; *below: what lies under them. */
static u32 chain(u64 word, struct page **out, u32 n, u32 *below)
{
	u32 i;

	*below = PCPU_VALUE(word);
	for (i = 0; i < n && *below; i++) {
		out[i] = page_at(*below);
		*below = atomic_load(&out[i]->net.next);
	}
	return i;
}

static void give(struct memcg_pool *p, struct page **pages, u32 n)
{
	atomic_add_relaxed(&p->flushed, (u64)n);
	extents_give(p, pages, n, true);
}

/* The newest half: what lies deeper is as good, and one exchange cuts it off. */
void cache_flush(struct memcg_pool *p)
{
	struct page *out[CACHE_KEEP / 2];
	u64 old = look(p);
	u32 below, n = chain(old, out, ARRAY_SIZE(out), &below);

	if (n && move(p, old, below, n))
		give(p, out, n);
	/* else another thread is at it */
}

/* Of any CPU: it is stopped, or nobody is at the pool any more. */
static void empty(struct memcg_pool *p, unsigned cpu)
{
	struct page *out[CACHE_KEEP / 2];
	u64 *top = &area(cpu)->top[p->slot], old = atomic_load(top);
	u32 n, below;

	while ((n = chain(old, out, ARRAY_SIZE(out), &below))) {
		if (!atomic_cas(top, &old, word_after(old, below, n)))
			continue;
		count_ops(p, old, n);
		give(p, out, n);
		old = atomic_load(top);
	}
}

/*
 * A CPU that cannot be stopped (percpu.h) keeps its pages: they are free, and found by the next
 * who tries.
 */
static void stop_and_empty(struct memcg_pool *p, unsigned cpu)
{
	if (!pcpu_stop(areas, NET_SHIFT, cpu))
		return;
	empty(p, cpu);
	pcpu_start(areas, NET_SHIFT, cpu);
}

void cache_flush_all(struct memcg_pool *p)
{
	lock_acquire(&stop_lock);
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		if (PCPU_VALUE(atomic_load(&area(cpu)->top[p->slot])))
			stop_and_empty(p, cpu);
	lock_release(&stop_lock);
}

static bool has_not_moved(struct memcg_pool *p, unsigned cpu)
{
	u64 word = atomic_load(&area(cpu)->top[p->slot]);
	u32 *seen = &area(cpu)->seen[p->slot];
	bool same = *seen == PCPU_TAG(word);

	*seen = PCPU_TAG(word);
	return same && PCPU_VALUE(word);
}

void cache_flush_old(struct memcg_pool *p)
{
	u32 now = sys_clock_coarse_ms();

	lock_acquire(&stop_lock);
	if (now - p->aged_ms >= p->idle_ms) {
		p->aged_ms = now;
		for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
			if (has_not_moved(p, cpu))
				stop_and_empty(p, cpu);
	}
	lock_release(&stop_lock);
}

/* No CPU is stopped for it, so none can refuse: a purge may be at it, and has the lock. */
void cache_end(struct memcg_pool *p)
{
	lock_acquire(&stop_lock);
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		empty(p, cpu);
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

static u64 moves_now(const struct memcg_pool *p)
{
	u64 n = 0;

	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		n += moves_of(atomic_load(&area(cpu)->top[p->slot]));
	return n;
}

/* What the slot's last pool did there is not this one's. */
void cache_begin(struct memcg_pool *p)
{
	p->ops = 0 - moves_now(p);
	p->aged_ms = sys_clock_coarse_ms();
}

/* All moves are pushes and pops, and pushes less pops is what lies there. */
void cache_ops(const struct memcg_pool *p, u64 *pops, u64 *pushes)
{
	u64 ops = atomic_load(&p->ops) + moves_now(p), depth = cache_pages(p);

	*pops = (s64)ops > (s64)depth ? (ops - depth) / 2 : 0;
	*pushes = *pops + depth;
}

/* Pages that lie there are the parent's. */
void cache_fork_child(void)
{
	lock_init(&stop_lock, RANK_NETSTOP);
	if (!areas)
		return;
	pcpu_start_all(areas, NET_SHIFT);
	number_words();
}
