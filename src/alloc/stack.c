/* stack.c - stacks: making them, and checking what is freed. Theory in stack.h. */
#include <errno.h>

#include "alloc/guard.h"
#include "alloc/stack.h"
#include "sys/log.h"

void stacks_init(void)
{
	stack_cache_init();
	reclaim_source_add(&kept_stacks);
}

/* --- blocks ------------------------------------------------------------------------ */

static struct page *stack_make(u32 npages)
{
	struct page *pg = pages_take(npages, log2_up(npages));

	if (unlikely(!pg) && stack_cache_drain())
		pg = pages_take(npages, log2_up(npages));
	if (!pg)
		return NULL;
	pg->stack.guard = 1;
	pg->stack.how = (u8)guard_make(page_address(pg));
	return pg;
}

struct page *stack_take(u32 npages)
{
	struct page *pg = stack_cache_take(npages);

	if (!pg) {
		page_tick();
		pg = stack_make(npages);
	}
	if (pg)
		atomic_store(&pg->stack.live, (u8)1);
	return pg;
}

/* A guard that cannot be lifted: nobody may have the block again, and nobody pays for it. */
static __cold_ void stack_lost(struct page *pg)
{
	log_line("stack %p: the system does not take its guard away; its %zu bytes stay out of use",
		 page_address(pg), page_bytes(pg));
	atomic_store(&pg->kind, (u8)PAGE_BAD);
	atomic_add_relaxed(&page_bad_count, 1ul);
}

void stack_unmake(struct page *pg)
{
	if (unlikely(!guard_lift(page_address(pg), pg->stack.how))) {
		stack_lost(pg);
		return;
	}
	pg->stack.guard = 0;
	pg->stack.how = GUARD_NONE;
	pages_give(pg);
}

void stack_release(struct page *pg)
{
	atomic_store(&pg->kind, (u8)PAGE_NONE);
	atomic_store(&pg->stack.live,
		     (u8)0); /* also when the last put was not memcg_stack_free's */
	if (!stack_cache_put(pg))
		stack_unmake(pg);
}

static char *stack_base(const struct page *pg)
{
	return (char *)page_address(pg) + ((size_t)pg->stack.guard << PAGE_SHIFT);
}

static void *page_stack_alloc(size_t size)
{
	struct page *pg;
	u32 npages;

	if (size > PTRDIFF_MAX - PAGE_SIZE || size >> PAGE_SHIFT >= UINT32_MAX - CHUNK_PAGES)
		return NULL;
	npages = (u32)DIV_ROUND_UP(size, PAGE_SIZE) + 1;
	pg = kmem_try(handle_for(NULL), npages, log2_up(npages), PAGE_STACK, 0);
	return pg ? stack_base(pg) : NULL;
}

static void page_stack_free(struct page *pg, const void *base)
{
	if (base != stack_base(pg))
		memcg_bug("memcg_stack_free(%p): not the base of a stack, which is %p", base,
			  (void *)stack_base(pg));
	if (!atomic_xchg(&pg->stack.live, (u8)0))
		memcg_bug("memcg_stack_free(%p): not the base of a stack: freed before", base);
	if (pg->stack.how == GUARD_FILLED && !guard_intact(page_address(pg), PAGE_SIZE))
		memcg_bug("memcg_stack_free(%p): stack overflow: the guard below its %zu bytes was "
			  "written to",
			  base, page_bytes(pg) - PAGE_SIZE);
	page_put(pg);
}

/* --- small ones: objects of caches -------------------------------------------------- */

#define CANARY 64u /* bytes below the stack, so that it is aligned to a cache line */
#define SMALLS 4u  /* 512 bytes to STACK_SMALL_MAX */

static struct memcg_cache *smalls[SMALLS]; /* made when the first is asked for, by exchange */

static u32 small_size(unsigned i)
{
	return STACK_SMALL_MAX >> (SMALLS - 1 - i);
}

static struct memcg_cache *small_cache(unsigned i)
{
	struct memcg_cache *c = atomic_load_acquire(&smalls[i]), *mine;

	if (likely(c))
		return c;
	mine = memcg_cache_create("stacks", small_size(i) + CANARY, CANARY, NULL);
	if (!mine || atomic_cas(&smalls[i], &c, mine))
		return mine;
	(void)memcg_cache_destroy(mine); /* somebody was first */
	return c;
}

static void *small_alloc(size_t size)
{
	struct memcg_cache *c;
	unsigned i = 0;
	char *p;

	while (small_size(i) < size)
		i++;
	c = small_cache(i);
	p = c ? memcg_cache_alloc(c, 0) : NULL;
	if (!p)
		return NULL;
	guard_fill(p, CANARY);
	return p + CANARY;
}

/* The one of smalls[] that the slab is of; SMALLS: it is no slab of stacks. */
static unsigned small_class(const struct page *pg)
{
	unsigned i = 0;

	if (pg->kind != PAGE_SLAB || pg->slab.class != SLAB_CLASS_CACHE)
		return SMALLS;
	while (i < SMALLS && atomic_load(&smalls[i]) != pg->slab.cache)
		i++;
	return i;
}

static void small_free(struct page *pg, unsigned class, void *base)
{
	char *p = (char *)base - CANARY;
	unsigned i;

	if (!slab_slot_start(pg, p, &i))
		memcg_bug("memcg_stack_free(%p): not the base of a stack of %u bytes", base,
			  small_size(class));
	if (slab_slot_idle(pg, i))
		memcg_bug("memcg_stack_free(%p): not the base of a stack: freed before", base);
	if (!guard_intact(p, CANARY))
		memcg_bug("memcg_stack_free(%p): stack overflow: the canary below its %u bytes was "
			  "written to",
			  base, small_size(class));
	memcg_cache_free(atomic_load(&smalls[class]), p);
}

/* --- any of them ------------------------------------------------------------------------- */

const void *stack_object(const struct page *pg, const void *p)
{
	unsigned i;

	if (pg->kind == PAGE_STACK)
		return page_address(pg);
	if (small_class(pg) == SMALLS || !slab_slot_of(pg, p, &i))
		return p;
	return slab_slot(pg, i);
}

void *memcg_stack_alloc(size_t size)
{
	void *base;

	if (!size) {
		errno = EINVAL;
		return NULL;
	}
	thread_need();
	base = size <= STACK_SMALL_MAX ? small_alloc(size) : page_stack_alloc(size);
	if (!base)
		errno = ENOMEM;
	return base;
}

void memcg_stack_free(void *base)
{
	struct page *pg = base ? block_of(base) : NULL;
	int saved = errno;
	unsigned class;

	if (!base)
		return;
	class = pg ? small_class(pg) : SMALLS;
	if (class < SMALLS)
		small_free(pg, class, base);
	else if (pg && pg->kind == PAGE_STACK)
		page_stack_free(pg, base);
	else
		memcg_bug("memcg_stack_free(%p): not the base of a stack, or freed before", base);
	errno = saved;
}
