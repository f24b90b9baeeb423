/* arena.c - a heap under a lock. Theory in arena.h. */
#include "alloc/arena.h"

#include <errno.h>

#include "alloc/alloc.h"

/* Threads have small numbers, and nobody's is one higher (thread.c). */
#define ARENA_TID ((~0u >> SLAB_HOLD_SHIFT) - 1)

static void enter(struct arena *a, struct task *self)
{
	if (self)
		self->busy++;
	lock_acquire(&a->lock);
}

/* A busy thread may have been interrupted while it held this lock, or one of the page layer's. */
static bool try_enter(struct arena *a, struct task *self)
{
	if ((self && self->busy) || !lock_try(&a->lock))
		return false;
	if (self)
		self->busy++;
	return true;
}

static void leave(struct arena *a, struct task *self)
{
	lock_release(&a->lock);
	if (self)
		self->busy--;
}

/* --- taking --------------------------------------------------------------------- */

static bool refill_locked(struct heap *h, unsigned class)
{
	struct page *pg;

	if (heap_refill(h, class, slab_drop))
		return true;
	pg = block_alloc(class_order_shared(class));
	if (!pg)
		return false;
	slab_make(pg, class_size[class], class, ARENA_TID, false);
	heap_install(h, class, pg);
	return true;
}

static void *take_locked(struct arena *a, unsigned class, u32 handle)
{
	struct heap *h = a->heap;
	unsigned slot = 0;
	void *p;

	if (unlikely(!a->made)) {
		heap_init(h, ARENA_TID, 0, OWN_HEAPS);
		a->made = true;
	}
	p = heap_take(h, class, &slot);
	if (!p) {
		if (!refill_locked(h, class))
			return NULL;
		p = heap_take(h, class, &slot);
		BUG_ON(!p);
	}
	if (likely(slab_set_payer(h->bin[class].slab, slot, handle)))
		return p;
	heap_give(h, h->bin[class].slab, slot, slab_drop);
	return NULL;
}

/* Not by charge_slot: that would note a throttling for a group over its high. */
static void charge_past(u32 handle, u32 n)
{
	if (likely(pcpu_take(memcg__stock, STOCK_SHIFT, stock_offset(handle), handle, n)))
		return;
	charge_force(handle, n);
	if (charge_watch)
		charge_watch();
}

void *arena_alloc(struct arena *a, u32 handle, size_t size)
{
	struct task *self = task_self();
	unsigned class = class_of(size);
	u32 cost = slab_cost(class_size[class]);
	void *p;

	if (handle)
		charge_past(handle, cost);
	enter(a, self);
	p = take_locked(a, class, handle);
	leave(a, self);
	if (unlikely(!p) && handle)
		uncharge(handle, cost);
	return p;
}

/* --- giving back ------------------------------------------------------------------ */

/* Whoever pays for slot i now; ends the process when nobody has it. */
static u32 unslab_set_payer(struct page *pg, unsigned i, const void *p)
{
	struct objcgs *v = page_objcgs(pg);
	u32 owner;

	if (unlikely(slab_slot_idle(pg, i)))
		memcg__free_bad(p, "arena_free");
	owner = v ? atomic_xchg(&v->entry[i], 0u) : OWNER_NOBODY;
	if (unlikely(!owner)) /* a stranger freed it, and it is not collected yet */
		memcg__free_bad(p, "arena_free");
	return owner;
}

void arena_free(struct arena *a, void *p)
{
	struct task *self = task_self();
	struct page *pg = block_of(p);
	u32 owner, cost;
	unsigned i;

	if (unlikely(!pg || pg->kind != PAGE_SLAB || slab_holder(pg) != ARENA_TID ||
		     !slab_slot_start(pg, p, &i)))
		memcg_bug("arena_free(%p): no object of an arena", p);
	if (!try_enter(a, self)) {
		memcg__free_slow(p);
		return;
	}
	cost = slab_cost(pg->slab.size);
	owner = unslab_set_payer(pg, i, p);
	heap_give(a->heap, pg, i, slab_drop); /* the slab may be gone after this */
	leave(a, self);
	if (owner > OWNER_NOBODY)
		uncharge(owner, cost);
}

/* Of a busy thread too: its caller made it that. Who has the lock, this thread even, keeps it. */
u64 arena_trim(struct arena *a, bool all)
{
	u64 bytes;

	if (!lock_try(&a->lock))
		return 0;
	bytes = a->made ? heap_trim(a->heap, all, slab_drop) : 0;
	lock_release(&a->lock);
	return bytes;
}

void arena_fork_prepare(struct arena *a)
{
	lock_acquire(&a->lock);
}

void arena_fork_done(struct arena *a)
{
	lock_release(&a->lock);
}
