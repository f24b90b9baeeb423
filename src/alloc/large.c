/*
 * large.c - kernel-style pages: objects over the largest class, counted pages; and what stacks
 * (stack.c) share with them. Charged when taken, marked, and uncharged on the one free path by
 * whoever drops the last reference: page_ops[].uncharge.
 */
#include <errno.h>
#include <string.h>

#include <memcg/page.h>

#include "alloc/stack.h"
#include "group/tally.h"

static const u8 kind_item[PAGE_KIND_NR] = {
	[PAGE_LARGE] = STAT_LARGE, [PAGE_BUFFER] = STAT_BUFFER, [PAGE_TABLE] = STAT_TABLE,
	[PAGE_STACK] = STAT_STACK, [PAGE_NET] = STAT_SOCK,
};

/* Up to half of what a word of stock holds. Larger ones that come and go in turn would overflow it
 * each time: a refill, a fold and their climbs instead of one climb. */
static bool by_stock(u64 n)
{
	return n < atomic_load(&memcg__stock_cap) / 2;
}

bool charge_pages(u32 handle, u64 n, unsigned flags)
{
	if (by_stock(n) && !(flags & ~CHARGE_ONCE))
		return charge_slot(handle, (u32)n, flags);
	return charge_quiet(handle, n, flags);
}

void uncharge_pages(u32 handle, u64 n)
{
	if (by_stock(n))
		uncharge(handle, (u32)n);
	else
		uncharge_bytes(handle, n);
}

/* Large objects come and go as others do, so they have words of their own (group/tally.h). */
void kind_add(u32 handle, unsigned kind, u64 bytes)
{
	if (kind == PAGE_LARGE)
		tally_add(TALLY_LARGE, handle, bytes);
	else
		stat_add(handle, kind_item[kind], (s64)bytes);
}

void kind_sub(u32 handle, unsigned kind, u64 bytes)
{
	if (kind == PAGE_LARGE)
		tally_sub(TALLY_LARGE, handle, bytes);
	else
		stat_add(handle, kind_item[kind], -(s64)bytes);
}

static void kmem_leave(struct handle *h, unsigned kind, u64 bytes)
{
	kind_sub(h->index, kind, bytes);
}

void pages_uncharge(struct handle *h, u64 bytes)
{
	uncharge_pages(h->index, bytes);
}

void pages_ops_init(void)
{
	static const struct page_ops kmem = {.leave = kmem_leave, .uncharge = pages_uncharge};

	page_ops[PAGE_LARGE] = page_ops[PAGE_BUFFER] = page_ops[PAGE_TABLE] = kmem;
	page_ops[PAGE_STACK] = kmem;
	page_ops[PAGE_STACK].release = stack_release;
}

/* Memory for npages: a block cut to size, or a range of chunks. */
struct page *pages_take(u32 npages, unsigned order)
{
	struct page *pg;

	if (order > MAX_ORDER)
		return range_alloc(npages);
	pg = block_alloc(order);
	if (pg && npages < (1u << order))
		block_trim(pg, npages);
	return pg;
}

void pages_give(struct page *pg)
{
	if (pg->npages > CHUNK_PAGES)
		range_free(pg);
	else
		block_free(pg);
}

static void pages_zero(struct page *pg)
{
	if (!(pg->flags & PG_ZEROED))
		memset(page_address(pg), 0, page_bytes(pg));
}

HOOK_DEFINE(page_charged);

/* Charged, taken, marked, in this order; NULL undoes what was done. handle 0: nobody's. */
static struct page *kmem_pages(u32 handle, u32 npages, unsigned order, unsigned kind,
			       unsigned flags)
{
	u64 bytes = (u64)npages << PAGE_SHIFT;
	struct page *pg;

	if (handle && !charge_pages(handle, bytes, flags & ~(unsigned)MEMCG_ZERO))
		return NULL;
	pg = kind == PAGE_STACK ? stack_take(npages) : pages_take(npages, order);
	if (!pg) {
		if (handle)
			uncharge_pages(handle, bytes);
		return NULL;
	}
	if (flags & MEMCG_ZERO)
		pages_zero(pg);
	pg->flags &= (u16)~PG_ZEROED;
	HOOK(page_charged);
	if (handle) {
		page_set_objcg(pg, handle_of(handle), MEMCG_DATA_KMEM);
		kind_add(handle, kind, bytes);
	}
	page_publish(pg, kind);
	return pg;
}

struct page *kmem_try(u32 handle, u32 npages, unsigned order, unsigned kind, unsigned flags)
{
	struct retry r = RETRY(flags & CHARGE_FLAGS);
	struct page *pg;

	do
		pg = kmem_pages(handle, npages, order, kind, r.flags | (flags & MEMCG_ZERO));
	while (unlikely(!pg) && charge_again(&r));
	return pg;
}

/* A block of 2^n pages is aligned to its size; that is where larger alignments come from. */
static unsigned large_order(u32 npages, size_t align)
{
	unsigned order = log2_up(npages);

	return align > PAGE_SIZE ? MAX(order, log2_up(align >> PAGE_SHIFT)) : order;
}

void *large_alloc(u32 handle, size_t size, size_t align, unsigned flags)
{
	struct thread *t = thread_get();
	struct page *pg;
	u32 npages;

	if (size > PTRDIFF_MAX - PAGE_SIZE || align > CHUNK_SIZE || !t || t->task.busy ||
	    size >> PAGE_SHIFT >= UINT32_MAX - CHUNK_PAGES) {
		errno = ENOMEM;
		return NULL;
	}
	npages = (u32)MAX(DIV_ROUND_UP(size, PAGE_SIZE), 1ul);
	t->task.busy++;
	page_tick();
	pg = kmem_pages(handle, npages, large_order(npages, align), PAGE_LARGE, flags);
	t->task.busy--;
	return pg ? page_address(pg) : NULL;
}

/* --- growing where it is ------------------------------------------------------------ */

HOOK_DEFINE(large_frozen);

/* Frozen, so that nobody gets a reference on a page whose size changes. False: it has one, or there
 * is no room behind it. */
static bool grow_frozen(struct page *pg, u32 npages)
{
	bool grows;

	if (!page_freeze(pg))
		return false;
	HOOK(large_frozen);
	grows = pg->npages > CHUNK_PAGES ? range_grow(pg, npages) : block_grow(pg, npages);
	page_thaw(pg);
	return grows;
}

/* One attempt; errno values, negative. */
static int grow_try(struct page *pg, u32 handle, u32 npages, unsigned flags)
{
	u64 more = (u64)(npages - pg->npages) << PAGE_SHIFT;

	if (handle && !charge_pages(handle, more, flags))
		return -ENOMEM;
	if (!grow_frozen(pg, npages)) {
		if (handle)
			uncharge_pages(handle, more);
		return -ENOSPC;
	}
	if (handle)
		kind_add(handle, PAGE_LARGE, more);
	return 0;
}

/*
 * Only the difference is charged, first: a block at its group's limit grows as far as it may,
 * where a copy of it would need the limit twice.
 */
int large_grow(void *p, size_t size)
{
	struct page *pg = page_head(page_index(p));
	struct thread *t = thread_get();
	u32 handle = payer_of(p);
	struct retry r = RETRY(0);
	int err;

	if (size >> PAGE_SHIFT >= UINT32_MAX - CHUNK_PAGES || !t || t->task.busy)
		return -ENOSPC;
	do {
		t->task.busy++;
		page_tick();
		err = grow_try(pg, handle, (u32)DIV_ROUND_UP(size, PAGE_SIZE), r.flags);
		t->task.busy--;
	} while (unlikely(err == -ENOMEM) && charge_again(&r));
	owed_serve_in_malloc();
	return err;
}

/* --- counted pages ------------------------------------------------------------------- */

#define PAGES_FLAGS (MEMCG_ACCOUNT | MEMCG_ZERO | MEMCG_NOWAIT | MEMCG_NOFAIL | MEMCG_RESERVE)

struct memcg_page *memcg_pages_alloc(unsigned order, unsigned kind, unsigned flags)
{
	struct page *pg;
	u32 handle;

	if (order > MAX_ORDER || (kind != MEMCG_PAGE_BUFFER && kind != MEMCG_PAGE_TABLE) ||
	    flags & ~(unsigned)PAGES_FLAGS) {
		errno = EINVAL;
		return NULL;
	}
	thread_need();
	handle = flags & MEMCG_ACCOUNT ? handle_for(NULL) : 0;
	pg = kmem_try(handle, 1u << order, order, kind, flags & ~(unsigned)MEMCG_ACCOUNT);
	if (!pg)
		errno = ENOMEM;
	return (struct memcg_page *)pg;
}

void *memcg_page_address(struct memcg_page *page)
{
	return page_address((struct page *)page);
}

struct memcg_page *memcg_page_of(const void *address)
{
	struct page *pg = block_of(address);

	/* By a stale address it may become anything this moment: tryget, then look again. */
	return pg && kind_table[atomic_load(&pg->kind)].counted ? (struct memcg_page *)pg : NULL;
}

struct memcg_page *memcg_page_get(struct memcg_page *page)
{
	page_get((struct page *)page);
	return page;
}

bool memcg_page_tryget(struct memcg_page *page)
{
	return page_tryget((struct page *)page);
}

void memcg_page_put(struct memcg_page *page)
{
	int saved = errno;

	if (page)
		page_put((struct page *)page);
	errno = saved;
}

int memcg_page_split(struct memcg_page *page, unsigned order)
{
	return page ? page_split((struct page *)page, order) : -EINVAL;
}

void memcg_pages_release(struct memcg_page **pages, size_t n)
{
	int saved = errno;

	pages_release((struct page **)pages, n);
	errno = saved;
}
