/* heaps.c - a thread's heaps: promotion of hot groups, giving slabs back, letting go of them all.
 */
#include <string.h>

#include "alloc/thread.h"

/* Of the least max above a heap, for all threads together, and at most: what a class that needs it
 * may keep parked. */
#define PARKED_SHARE  256u
#define PARKED_MOST   (2 * MIB)
#define PARKED_SHARED (32 * KIB) /* of shared slabs; see heap_follow_max */
#define LITTLE	      (16 * KIB) /* an own slab for who takes and gives alone */

/* Own slabs. The word may go from handle to vector between two loads, never back. */
u32 slab_payer(const struct page *pg)
{
	struct handle *h = page_objcg_check(pg);

	return h ? h->index : page_objcgs_check(pg)->fallback;
}

struct heap *heap_of_slab(struct thread *t, const struct page *pg)
{
	u8 slot = slab_local(pg)->heap;

	return slot < OWN_HEAPS ? t->own[slot] : &t->shared;
}

u32 slab_pinned(const struct page *pg)
{
	struct objcgs *v = page_objcgs_check(pg);

	return v ? v->fallback : 0;
}

void slab_unpin(u32 pinned)
{
	if (pinned)
		handle_sub(handle_of(pinned), HANDLE_PIN);
}

/*
 * An own slab was charged when it was taken; a hollow one was uncharged by whoever found it so.
 * Its bytes count as cached twice for a moment rather than not at all.
 */
void slab_drop(struct page *pg, bool hollow)
{
	u64 bytes = page_bytes(pg);
	u32 pinned = slab_pinned(pg);
	bool cached = hollow && REMOTE_STATE(hollow_settled(pg)) == SLAB_HOLLOW;

	if (!hollow && atomic_load(&pg->slab.remote) & SLAB_OWN)
		uncharge(slab_payer(pg), (u32)bytes);
	slab_unmake(pg);
	if (cached) {
		atomic_sub(&page_cached, bytes);
		atomic_sub(&hollow_slabs, 1ul);
	}
	slab_unpin(pinned);
}

/* Charged slot by slot from now on; what the whole slab cost beyond that is given back. */
static void make_shared(struct page *pg)
{
	u32 payer, bytes = (u32)page_bytes(pg);
	/* Read once: another thread's recharge may put a vector there at any moment. */
	struct handle *h = page_objcg_check(pg);
	int live;

	if (!h || !slab_sparse(pg, slab_local(pg)->used))
		return;
	payer = h->index;
	/* As if current: no remote free may find it hollow while the kind changes. */
	atomic_store(&slab_local(pg)->where, (u8)SLAB_CURRENT);
	live = slab_convert(pg, h, payer);
	if (live >= 0)
		uncharge(payer, bytes - (u32)live * slab_cost(pg->slab.size));
}

static void let_go_slab(struct page *pg)
{
	if (atomic_load(&pg->slab.remote) & SLAB_OWN)
		make_shared(pg);
	switch (orphan_add(pg)) {
	case PUSH_HOLLOW:
		slab_drop(pg, true);
		break;
	case PUSH_DEAD:
		slab_drop(pg, false);
		break;
	default:
		break;
	}
}

static void heap_end(struct thread *t, unsigned slot)
{
	struct heap *h = t->own[slot];

	heap_dissolve(h, let_go_slab, slab_drop);
	t->own[slot] = NULL;
	BUG_ON(h == t->own_now && !t->task.busy); /* only at the thread's end */
	meta_free(h, sizeof(*h));
}

void thread_dissolve(struct thread *t)
{
	unsigned i;

	for (i = 0; i < OWN_HEAPS; i++)
		if (t->own[i])
			heap_end(t, i);
	heap_dissolve(&t->shared, let_go_slab, slab_drop);
}

/* --- how much a class may park ---------------------------------------------------- */

/* The least max from cg up. */
static u64 least_max(const struct memcg *cg)
{
	u64 least = MEMCG_UNLIMITED;

	for (; cg; cg = cg->parent)
		least = MIN(least, atomic_load(&cg->counter.max));
	return least;
}

/*
 * Slots of shared slabs are charged one by one while accounting is on, which costs more than a
 * refill spares, and a group that lives on parked ones never uses a slab up: it would not earn its
 * own.
 */
static u64 parked_most(const struct heap *h)
{
	return h->handle || atomic_load(&accounting_off) ? PARKED_MOST : PARKED_SHARED;
}

/*
 * Of the least max above the handle, 0: the root's; divided by the threads, because each of them
 * may park as much, and one that sleeps gives nothing back.
 */
static u64 parked_share(u32 handle)
{
	struct rcu_reader *self = self_rcu();
	u64 max;

	rcu_read_lock(self);
	max = least_max(handle ? handle_group(handle_of(handle)) : root_group);
	rcu_read_unlock(self);
	return max / PARKED_SHARE / MAX(task_count(), 1u);
}

void heap_follow_max(struct heap *h)
{
	heap_allow(h, MIN(parked_share(h->handle), parked_most(h)));
}

static u64 trim(struct heap *h, bool all)
{
	heap_follow_max(h);
	return heap_trim(h, all, slab_drop);
}

u64 thread_trim(struct thread *t, bool all)
{
	u64 bytes = trim(&t->shared, all);
	unsigned i;

	for (i = 0; i < OWN_HEAPS; i++)
		if (t->own[i])
			bytes += trim(t->own[i], all);
	return bytes;
}

void thread_count_grown(const struct thread *t)
{
	heap_count_grown(&t->shared);
	for (unsigned i = 0; i < OWN_HEAPS; i++)
		if (t->own[i])
			heap_count_grown(t->own[i]);
}

/* The place is free, its group is gone, or it has stood in the way of hot groups often enough. */
static bool place_free(struct thread *t, unsigned slot)
{
	struct heap *h = t->own[slot];

	if (h && !handle_dead(handle_of(h->handle)) && ++t->displaced[slot] < 8)
		return false;
	if (h)
		heap_end(t, slot);
	t->displaced[slot] = 0;
	return true;
}

static struct heap *own_make(struct thread *t, u32 handle)
{
	unsigned slot = handle % OWN_HEAPS;
	struct heap *h;

	if (!place_free(t, slot))
		return NULL;
	h = meta_alloc(sizeof(*h));
	if (!h)
		return NULL;
	heap_init(h, t->task.tid, handle, (u8)slot);
	heap_follow_max(h);
	t->own[slot] = t->own_now = h;
	if (!t->mode)
		t->bins = h->bin;
	return h;
}

static struct heap *promote(struct thread *t, unsigned class)
{
	struct heap *own = t->own_now ? t->own_now : own_make(t, t->task.handle);

	if (own && !(own->promoted >> class & 1)) {
		own->promoted |= BIT(class);
		atomic_add_relaxed(&slab_counts.promoted, 1ul);
	}
	return own;
}

/*
 * The current shared slab of the class is used up. When the active group has earned them (crowd.h),
 * it gets slabs of its own for this class on this thread: the heap, else NULL.
 */
struct heap *heap_promote(struct thread *t, unsigned class)
{
	struct page *pg = t->shared.bin[class].slab;

	if (promote_off || !t->task.handle || !pg ||
	    !crowd_look(&t->crowd, pg, t->shared.bin[class].slabs, t->task.handle))
		return NULL;
	return promote(t, class);
}

/* The slab may hold one object: so it must be little, by itself and beside the least max. */
static bool slab_is_little(u32 handle, unsigned class)
{
	u64 bytes = PAGE_SIZE << class_order_own(class, 0);

	return bytes <= LITTLE && bytes <= parked_share(handle);
}

struct heap *heap_promote_alone(struct thread *t, unsigned class)
{
	if (promote_off || !t->task.handle || !crowd_vote(&t->crowd, class, t->task.handle) ||
	    !slab_is_little(t->task.handle, class))
		return NULL;
	return promote(t, class);
}
