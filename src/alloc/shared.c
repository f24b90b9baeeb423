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
		heap_park(b);
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

/* Nothing else is due on this thread: it is in no slow path, nobody asked it to give back,
 * accounting is on. */
__always_inline_ bool plain(const struct thread *t)
{
	return likely(
		!(t->task.busy | t->mode | atomic_load(&t->trim) | atomic_load(&accounting_off)));
}

/* Entry of a parked slot: its index follows from where its idle bit is. */
__always_inline_ u32 *parked_entry(struct objcgs *v, const struct page *pg, u64 idle)
{
	size_t word = (size_t)(PARKED_WORD(idle) - slab_idle(pg));

	return &v->entry[word * 64 + (idle >> PARKED_BIT_SHIFT)];
}

static inline void *shared_alloc_parked(struct thread *t, unsigned class)
{
	struct bin *b = &t->shared.bin[class];
	u32 handle = t->task.handle;
	const struct parked *top = b->top - 1;
	struct objcgs *v;
	struct page *pg;
	u32 *entry;

	if (unlikely(b->top == b->bottom))
		return NULL;
	pg = page_head(page_index(top->p));
	v = page_objcgs(pg);
	if (unlikely(!v || !pcpu_take(memcg__stock, STOCK_SHIFT, stock_offset(handle), handle,
				      slab_cost(pg->slab.size))))
		return NULL;
	entry = parked_entry(v, pg, top->idle);
	atomic_store(entry, handle);
	return bin_pop(b);
}

void *memcg__alloc_slow(size_t size)
{
	struct thread *t = thread_self();
	void *p = NULL;
	unsigned class;

	if (likely(t && size <= CLASS_MAX_SIZE && plain(t))) {
		class = class_of(size);
		if (!t->own_now || !(t->own_now->promoted >> class & 1))
			p = shared_alloc_parked(t, class);
	}
	return likely(p) ? p : alloc_slower(size);
}

void memcg__free_entry(struct page *pg, void *p, u64 off)
{
	struct thread *t = thread_self();
	struct objcgs *v = page_objcgs_check(pg);
	u32 owner, cost = slab_cost(pg->slab.size);
	unsigned i;

	if (unlikely(!v || v->fallback || !plain(t) || !slab_offset_start(pg, off, &i)))
		goto slower;
	owner = atomic_load(&v->entry[i]);
	if (unlikely(!owner || slab_park_slot(pg, p, i) != FREE_DONE))
		goto slower; /* without an owner: another freed it before */
	atomic_store(&v->entry[i], 0u);
	if (likely(owner > OWNER_NOBODY))
		uncharge(owner, cost);
	return;
slower:
	memcg__free_slow(p);
}
