/*
 * alloc.c - allocating objects: the way behind the fast path. An object is
 * charged first, then taken from a slab, then marked with its payer; each step
 * that fails undoes the ones before.
 */
#include <errno.h>
#include <string.h>

#include "alloc/alloc.h"
#include "group/fail.h"

/* --- own slabs: charged whole -------------------------------------------------- */

/* Slabs grow with what the heap has, but not past what a class may park: a thread that sleeps keeps
 * one or two of each. */
static unsigned own_order(const struct heap *own, unsigned class)
{
	unsigned order = class_order_own(class, own->bin[class].slabs);
	unsigned least = class_order_own(class, 0);

	while (order > least && PAGE_SIZE << order > own->allowed)
		order--;
	return order;
}

static struct page *own_slab_new(struct heap *own, unsigned class)
{
	unsigned order = own_order(own, class);
	u32 bytes = (u32)(PAGE_SIZE << order);
	struct page *pg;

	if (!charge_slot(own->handle, bytes, CHARGE_ONCE)) /* see active_alloc */
		return NULL;
	pg = block_alloc(order);
	if (!pg) {
		uncharge(own->handle, bytes);
		return NULL;
	}
	slab_make(pg, class_size[class], class, own->tid, true);
	page_set_objcg(pg, handle_of(own->handle), 0);
	return pg;
}

static void *own_alloc(struct heap *own, unsigned class)
{
	struct page *pg;

	if (!heap_refill(own, class, slab_drop)) {
		pg = own_slab_new(own, class);
		if (!pg)
			return NULL;
		/* Charging may have given back what this heap had; it cannot have given it
		 * anything. */
		heap_install(own, class, pg);
	}
	return heap_take_more(own, class);
}

/* --- the class path ------------------------------------------------------------- */

static bool slot_used_up(struct thread *t, unsigned class)
{
	struct page *pg = t->shared.bin[class].slab;

	return pg && slab_local(pg)->used == pg->slab.capacity;
}

/* The heap that serves the class for the active group: it has it, or has just earned it. NULL:
 * shared. */
static struct heap *own_for(struct thread *t, unsigned class)
{
	struct heap *own = t->own_now;
	struct bin *shared = &t->shared.bin[class];

	if (own && own->promoted >> class & 1)
		return own;
	if (unlikely(slot_used_up(t, class)))
		return heap_promote(t, class);
	if (likely(shared->turns < CROWD_TURNS))
		return NULL;
	shared->turns = 0;
	return heap_promote_alone(t, class);
}

/* Where a whole slab does not fit under max any more, a slot may: reclaim is for that one's charge.
 */
static void *active_alloc(struct thread *t, unsigned class)
{
	/* Under a rule of memory.fail each object is a charge: from shared slabs, then. */
	struct heap *own = fail_armed(t->task.handle) ? NULL : own_for(t, class);
	void *p = own ? own_alloc(own, class) : NULL;

	if (likely(p))
		return p;
	charge_forgive();
	return shared_alloc(t, class, t->task.handle, 0);
}

/* What slow paths do now and then, before they touch the heaps. */
static void thread_chores(struct thread *t)
{
	if (unlikely(atomic_load(&t->trim) & (TRIM_OWN | TRIM_ALL)))
		thread_trim(t, atomic_and(&t->trim, (u32)TRIM_REGROUP) & TRIM_ALL);
	if (unlikely(t->mode != atomic_load(&accounting_off)))
		thread_follow_mode(t);
	page_tick();
}

/* NULL: no memory for a record, or a signal handler came in while this thread is in a slow path. */
static struct thread *slow_enter(void)
{
	struct thread *t = thread_get();

	if (unlikely(!t || t->task.busy))
		return NULL;
	t->task.busy++;
	thread_chores(t);
	return t;
}

static void slow_leave(struct thread *t)
{
	t->task.busy--;
}

/* One attempt. flags: CHARGE_FLAGS. */
static void *class_alloc(u32 handle, unsigned class, unsigned flags)
{
	struct thread *t = slow_enter();
	void *p;

	if (!t)
		return NULL;
	if (handle && handle == t->task.handle && !flags)
		p = active_alloc(t, class);
	else
		p = shared_alloc(t, class, handle, flags);
	slow_leave(t);
	return p;
}

/* Attempts, with reclaim between them, until one succeeds or the loop gives up. */
static void *object_try(u32 handle, unsigned class, size_t size, size_t align, unsigned flags)
{
	struct retry r = RETRY(flags & CHARGE_FLAGS);
	void *p;

	do {
		if (likely(class < CLASS_NR))
			p = class_alloc(handle, class, r.flags);
		else
			p = large_alloc(handle, size, align, r.flags | (flags & MEMCG_ZERO));
	} while (unlikely(!p) && charge_again(&r));
	if (unlikely(!p))
		errno = ENOMEM;
	owed_serve_in_malloc();
	return p;
}

void *alloc_slower(size_t size)
{
	struct thread *t = thread_get();
	u32 handle;

	if (unlikely(t && atomic_load(&t->trim) & TRIM_REGROUP))
		thread_regroup(t);
	handle = t && likely(!t->mode) ? t->task.handle : handle_for(NULL);
	return object_try(handle, size <= CLASS_MAX_SIZE ? class_of(size) : CLASS_NR, size, 0, 0);
}

/* The general form: any payer, alignment and flags. */
void *object_alloc(u32 handle, size_t size, size_t align, unsigned flags)
{
	unsigned class = align <= 16 ? CLASS_NR : class_aligned(size, align);
	void *p;

	if (align <= 16 && size <= CLASS_MAX_SIZE)
		class = class_of(size);
	p = object_try(handle, class, size, align, flags);
	if (p && class < CLASS_NR && flags & MEMCG_ZERO)
		memset(p, 0, size);
	return p;
}

/* --- the public calls -------------------------------------------------------------- */

void *memcg_malloc(size_t size)
{
	return alloc_fast(size);
}

void *memcg_calloc(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	if (bytes > CLASS_MAX_SIZE)
		return object_alloc(handle_for(NULL), bytes, 0, MEMCG_ZERO);
	p = alloc_fast(bytes);
	return p ? memset(p, 0, bytes) : NULL;
}

void *memcg_aligned_alloc(size_t align, size_t size)
{
	if (!is_pow2(align)) {
		errno = EINVAL;
		return NULL;
	}
	return align <= 16 ? alloc_fast(size) : object_alloc(handle_for(NULL), size, align, 0);
}

#define ALLOC_FLAGS (MEMCG_ZERO | MEMCG_NOWAIT | MEMCG_NOFAIL | MEMCG_RESERVE | MEMCG_UNACCOUNTED)

void *memcg_alloc(struct memcg *cg, size_t size, size_t align, unsigned flags)
{
	u32 handle;

	if (flags & ~(unsigned)ALLOC_FLAGS || (align && !is_pow2(align))) {
		errno = EINVAL;
		return NULL;
	}
	lib_up();
	handle = flags & MEMCG_UNACCOUNTED ? 0 : handle_for(cg);
	return object_alloc(handle, size, align, flags & ~(unsigned)MEMCG_UNACCOUNTED);
}

/*
 * A larger block, the old bytes, the old block's payer. The object at p keeps
 * its handle alive until the copy has its own charge.
 */
static void *realloc_move(void *p, size_t old, size_t size)
{
	const struct thread *t = thread_self();
	u32 payer = payer_of(p);
	/* While accounting is off the fast path's objects are nobody's. */
	bool fast = t && !t->mode && payer == t->task.handle;
	void *q = fast ? alloc_fast(size) : object_alloc(payer, size, 0, 0);

	if (!q)
		return NULL;
	memcpy(q, p, MIN(old, size));
	memcg_free(p);
	return q;
}

/* Pages grow where they are, if what is behind them is free. */
static void *realloc_grow(void *p, size_t old, size_t size)
{
	switch (large_grow(p, size)) {
	case 0:
		return p;
	case -ENOMEM:
		errno = ENOMEM;
		return NULL;
	default:
		return realloc_move(p, old, size);
	}
}

/* The block is large enough as it is: where a smaller one cannot be had it stays. */
static void *realloc_shrink(void *p, size_t old, size_t size)
{
	int saved = errno;
	void *q = realloc_move(p, old, size);

	if (q)
		return q;
	errno = saved;
	return p;
}

void *memcg_realloc(void *p, size_t size)
{
	size_t old;

	if (!p)
		return memcg_malloc(size);
	if (!size) {
		memcg_free(p);
		return NULL;
	}
	if (size > PTRDIFF_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	old = object_size(p, "realloc");
	/* In place when it fits and does not waste half, or is too small to matter. */
	if (size <= old && (size >= old / 2 || old <= 64))
		return p;
	if (size < old)
		return realloc_shrink(p, old, size);
	return old > CLASS_MAX_SIZE ? realloc_grow(p, old, size) : realloc_move(p, old, size);
}

void *memcg_reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return memcg_realloc(p, bytes);
}
