/*
 * shared.c - objects in slabs shared by many groups: each is charged from this
 * CPU's stock and its slot's entry names the payer. The two functions at the end are
 * the second path of malloc and free, taken when the first one's bin is empty or the
 * slab has entries: still short, no lock, no shared line written.
 */
#include "alloc/alloc.h"

/* --- refilling ------------------------------------------------------------------ */

static bool shared_refill(struct thread *t, unsigned class)
{
	struct heap *h = &t->shared;
	struct page *pg;

	if (heap_refill(h, class, slab_drop))
		return true;
	pg = orphan_take(class, t->task.tid);
	if (!pg) {
		pg = block_alloc(class_order_shared(class));
		if (!pg)
			return false;
		slab_make(pg, class_size[class], class, t->task.tid, false);
	}
	heap_install(h, class, pg);
	return slab_local(pg)->used < pg->slab.capacity;
}

/* While accounting is off the first path takes parked slots as they are: only from bare slabs then.
 */
static void *shared_take(struct thread *t, unsigned class, unsigned *slot)
{
	struct bin *b = &t->shared.bin[class];
	void *p = heap_take(&t->shared, class, slot);

	if (unlikely(!p)) {
		if (!shared_refill(t, class))
			return NULL;
		p = heap_take(&t->shared, class, slot);
		BUG_ON(!p);
	}
	if (b->top == b->bottom && (!t->mode || !page_objcgs(b->slab)))
		heap_park(&t->shared, b);
	return p;
}

static void *shared_pop(struct thread *t, unsigned class, u32 handle)
{
	unsigned slot = 0;
	void *p = shared_take(t, class, &slot);

	if (unlikely(handle && t->mode)) /* its slab is not bare any more, parked slots must be */
		heap_unpark(&t->shared, slab_drop);
	if (p && unlikely(!slab_set_payer(t->shared.bin[class].slab, slot, handle))) {
		heap_give(&t->shared, t->shared.bin[class].slab, slot, slab_drop);
		return NULL;
	}
	return p;
}

HOOK_DEFINE(object_charged);

void *shared_alloc(struct thread *t, unsigned class, u32 handle, unsigned flags)
{
	u32 cost = slab_cost(class_size[class]);
	void *p;

	if (handle && unlikely(!charge_slot(handle, cost, flags)))
		return NULL;
	HOOK(object_charged);
	p = shared_pop(t, class, handle);
	if (unlikely(!p) && handle)
		uncharge(handle, cost);
	return p;
}

/* --- the second path -------------------------------------------------------------- */

/* Allocation is compiled once for each per-CPU back end: the one with sequences calls nothing. */

/* Nothing else is due on this thread: it is in no slow path, and nobody asked it to give back. */
__always_inline_ bool undisturbed(const struct thread *t)
{
	return likely(!(t->task.busy | atomic_load(&t->trim)));
}

/* The class has no slabs of the group's own on this thread. */
__always_inline_ bool served_shared(const struct thread *t, unsigned class)
{
	return !t->own_now || !(t->own_now->promoted >> class & 1);
}

/* Of a slot in a slab, which has at most SLAB_PAGES_MAX pages: the byte is a distance. */
__always_inline_ struct page *slab_head_of(const void *p)
{
	u32 index = page_index(p);

	return page_at(index - atomic_load_acquire(&regn.back[index]));
}

/* Entry of a parked slot: its index follows from where its idle bit is. */
__always_inline_ u32 *parked_entry(struct objcgs *v, const struct page *pg, u64 idle)
{
	size_t word = (size_t)(PARKED_WORD(idle) - slab_idle(pg));

	return &v->entry[word * 64 + (idle >> PARKED_BIT_SHIFT)];
}

__always_inline_ bool stock_take(u32 handle, u32 n, bool rseq)
{
	size_t off = stock_offset(handle);

	return rseq ? pcpu_take_once(memcg__stock, off, handle, n)
		    : pcpu_take_slow(memcg__stock, STOCK_SHIFT, off, handle, n);
}

__always_inline_ void *pop_charged(struct thread *t, struct bin *b, bool rseq)
{
	struct parked *top = b->top - 1;
	u32 handle = t->task.handle;
	u64 idle = top->idle;
	void *p = top->p;
	struct objcgs *v;
	struct page *pg;

	pg = slab_head_of(p);
	v = page_objcgs(pg);
	if (unlikely(!v || !stock_take(handle, slab_cost(pg->slab.size), rseq)))
		return NULL;
	atomic_store(parked_entry(v, pg, idle), handle);
	parked_clear_idle(idle);
	b->top = top;
	return p;
}

__always_inline_ void *alloc_second(size_t size, bool rseq)
{
	struct thread *t = thread_or_nobody();
	void *p = NULL;
	struct bin *b;
	unsigned class;

	if (unlikely(size > CLASS_MAX_SIZE || atomic_load(&accounting_off) || !undisturbed(t)))
		return alloc_slower(size);
	class = class_of(size);
	b = &t->shared.bin[class];
	if (likely(served_shared(t, class) && !bin_empty(b) && b->turns++ < CROWD_TURNS))
		p = pop_charged(t, b, rseq);
	return likely(p) ? p : alloc_slower(size);
}

static __noinline_ void *alloc_portable(size_t size)
{
	return alloc_second(size, false);
}

void *memcg__alloc_slow(size_t size)
{
	return likely(pcpu_rseq()) ? alloc_second(size, true) : alloc_portable(size);
}

void memcg__free_entry(struct page *pg, void *p, u64 off)
{
	const struct thread *t = thread_or_nobody();
	struct objcgs *v = page_objcgs_check(pg);
	u32 owner, cost = slab_cost(pg->slab.size);
	enum free_verdict verdict;
	unsigned i;

	if (unlikely(!v || v->fallback || t->mode || !undisturbed(t) ||
		     !slab_offset_start(pg, off, &i)))
		goto slower;
	owner = atomic_load(&v->entry[i]);
	if (unlikely(!owner)) /* another freed it before */
		goto slower;
	verdict = slab_park_slot(pg, p, i);
	if (unlikely(verdict != FREE_DONE))
		goto parked_not;
	atomic_store(&v->entry[i], 0u);
	if (likely(owner > OWNER_NOBODY))
		uncharge(owner, cost);
	return;
parked_not:
	if (verdict == FREE_FULL) {
		memcg__free_full(pg, p); /* and comes here again */
		return;
	}
slower:
	memcg__free_slow(p);
}
