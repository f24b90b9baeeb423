/*
 * meta.c - memory for our own structures.
 *
 * 1. Size classes: multiples of 16 up to a line, of a line up to 4 KiB, powers of two up to 64 KiB.
 *    (A vector of owner entries is a little more than a power of two, and there is one for
 *    each shared slab: in a class of the next power it would cost twice its entries.) A class
 * carves its objects from 64 KiB blocks as they are asked for, so what is not asked for stays
 * untouched; freed objects are on the class's list. A block never changes its class and never goes
 * back: a stale pointer sees an object of the same size. (The first word of a freed object is the
 * list's.)
 * 2. Larger ones are whole blocks or ranges of whole pages; freed, they wait on one list
 *    for the next of the same length. They are few: tables that grow.
 * 3. One lock; nothing here is on a path that a program calls often.
 * 4. Each block's head descriptor holds the size of its objects, and every free is held
 *    against it. Debug builds mark freed objects in their second word: an object
 *    freed twice, or written to after its free, ends the process.
 */
#include "page/free.h"

#include <string.h>

#include "sync/lock.h"

#define STEP_SHIFT   4u
#define STEPPED_MAX  4096u
#define CARVED_SHIFT 16u
#define CARVED_MAX   ((size_t)1 << CARVED_SHIFT)
#define STEPPED_NR   (STEPPED_MAX >> STEP_SHIFT)
#define CLASS_NR     (STEPPED_NR + CARVED_SHIFT - 12) /* 8 KiB, 16 KiB ... 64 KiB */
#define CARVED_ORDER (CARVED_SHIFT - PAGE_SHIFT)
#define FREE_MARK    0x6d65746166726565ul

struct free_object {
	struct free_object *next;
	u64 mark; /* debug builds: FREE_MARK ^ address */
};

struct meta_class {
	struct free_object *free;
	char *bump, *end; /* what is left of the last block */
	bool clean;	  /* the last block reads as zero */
};

static struct lock meta_lock = LOCK_INIT(RANK_META);
static struct meta_class classes[CLASS_NR];
static struct free_object *large_free;
u64 meta_bytes;
void (*meta_grown)(u64 bytes);

static unsigned class_of(size_t size)
{
	if (size > CACHELINE) /* structures with lines of their own begin on one */
		size = ALIGN_UP(size, CACHELINE);
	if (size <= STEPPED_MAX)
		return size ? (unsigned)((size - 1) >> STEP_SHIFT) : 0;
	return STEPPED_NR + log2_up(size) - 13;
}

static size_t class_size(unsigned class)
{
	if (class < STEPPED_NR)
		return (size_t)(class + 1) << STEP_SHIFT;
	return (size_t)8192 << (class - STEPPED_NR);
}

/* The size the head's descriptor must show for an object of `size`. */
static u64 size_in_head(size_t size)
{
	return size <= CARVED_MAX ? class_size(class_of(size)) : ALIGN_UP(size, PAGE_SIZE);
}

/* ---- freed objects ---- */
static u64 mark_of(const struct free_object *o)
{
	return FREE_MARK ^ (u64)(uintptr_t)o;
}

#ifdef MEMCG_DEBUG
/* The program's data may look like the mark: only an object that is on the list is free. */
static void check_not_free(const struct free_object *list, const struct free_object *o)
{
	if (o->mark != mark_of(o))
		return;
	for (; list; list = list->next)
		if (list == o)
			memcg_bug("meta_free(%p): freed twice", (const void *)o);
}
#else
static void check_not_free(const struct free_object *list, const struct free_object *o)
{
	(void)list;
	(void)o;
}
#endif

static void push(struct free_object **list, void *p)
{
	struct free_object *o = p;

	check_not_free(*list, o);
	o->next = *list;
	o->mark = mark_of(o);
	*list = o;
}

static void *pop(struct free_object **at)
{
	struct free_object *o = *at;

	ASSERT(o->mark == mark_of(o)); /* else: written to after its free */
	*at = o->next;
	return o;
}

/* ---- growing ---- */
static void claim(struct page *pg, u64 size)
{
	kind_set(pg, PAGE_META);
	pg->meta.size = size;
	atomic_add_relaxed(&meta_bytes, page_bytes(pg));
}

static void tell_grown(u64 bytes)
{
	if (bytes && meta_grown)
		meta_grown(bytes);
}

static bool meta_grow(struct meta_class *c, size_t size)
{
	struct page *pg = block_alloc(CARVED_ORDER);

	if (!pg)
		return false;
	claim(pg, size);
	c->bump = page_address(pg);
	/* Not past the last whole object. */
	c->end = c->bump + CARVED_MAX / size * size;
	c->clean = pg->flags & PG_ZEROED;
	return true;
}

/* *grown: bytes taken from the page allocator; *dirty: the object is to be cleared. */
static void *take_locked(struct meta_class *c, size_t size, u64 *grown, bool *dirty)
{
	char *p;

	*dirty = true;
	if (c->free)
		return pop(&c->free);
	if (c->bump == c->end) {
		if (!meta_grow(c, size))
			return NULL;
		*grown = CARVED_MAX;
	}
	p = c->bump;
	c->bump += size;
	*dirty = !c->clean;
	return p;
}

/* ---- larger than a class ---- */
static void *large_take(u64 bytes)
{
	void *p = NULL;

	lock_acquire(&meta_lock);
	for (struct free_object **at = &large_free; *at; at = &(*at)->next) {
		if (page_at(page_index(*at))->meta.size != bytes)
			continue;
		p = pop(at);
		break;
	}
	lock_release(&meta_lock);
	return p;
}

static struct page *large_grow(u64 npages)
{
	struct page *pg;

	if (npages > UINT32_MAX)
		return NULL;
	if (npages > CHUNK_PAGES)
		return range_alloc((u32)npages);
	pg = block_alloc(log2_up(npages));
	if (pg)
		block_trim(pg, (u32)npages);
	return pg;
}

static void *large_alloc(size_t size)
{
	u64 bytes = size_in_head(size);
	void *p = large_take(bytes);
	struct page *pg;

	if (p)
		return memset(p, 0, bytes);
	pg = large_grow(bytes >> PAGE_SHIFT);
	if (!pg)
		return NULL;
	claim(pg, bytes);
	tell_grown(bytes);
	p = page_address(pg);
	return pg->flags & PG_ZEROED ? p : memset(p, 0, bytes);
}

/* ---- the two calls ---- */
void *meta_alloc(size_t size)
{
	unsigned class;
	u64 grown = 0;
	bool dirty;
	void *p;

	if (size > CARVED_MAX)
		return size > PTRDIFF_MAX ? NULL : large_alloc(size);
	class = class_of(size);
	lock_acquire(&meta_lock);
	p = take_locked(&classes[class], class_size(class), &grown, &dirty);
	lock_release(&meta_lock);
	tell_grown(grown);
	return p && dirty ? memset(p, 0, class_size(class)) : p;
}

static bool is_ours(const void *p, size_t size)
{
	const struct page *pg;

	if (!region_has(p) || !region_opened(page_index(p)))
		return false;
	pg = page_head(page_index(p));
	return pg->kind == PAGE_META && pg->meta.size == size_in_head(size) &&
	       ((uintptr_t)p - (uintptr_t)page_address(pg)) % pg->meta.size == 0;
}

void meta_free(void *p, size_t size)
{
	if (!p)
		return;
	if (unlikely(!is_ours(p, size)))
		memcg_bug("meta_free(%p, %zu): not an object of that size", p, size);
	lock_acquire(&meta_lock);
	push(size <= CARVED_MAX ? &classes[class_of(size)].free : &large_free, p);
	lock_release(&meta_lock);
}

void meta_fork_lock(void)
{
	lock_acquire(&meta_lock);
}

void meta_fork_unlock(void)
{
	lock_release(&meta_lock);
}
