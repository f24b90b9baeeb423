/*
 * owner.c - whose is it: the owner of any inner address, at any moment.
 *
 * Slab objects follow the slab protocol: the owner word of the slab's head is loaded once; it is a
 * vector (the slot's entry says), or a handle (the slab's), or 0 (bare). All
 * other pages - large objects, buffers, tables, stacks - do not: they are
 * blocks of their own, their owner word never names a vector, and it is
 * the block's. A slab whose word is 0 can get a vector between two loads;
 * that is why there is one load and everything is decided on its value.
 */
#include <errno.h>

#include <memcg/page.h>

#include "alloc/alloc.h"

struct page *block_of(const void *p)
{
	struct page *pg;

	if (!region_has(p) || !region_opened(page_index(p)))
		return NULL;
	pg = page_head(page_index(p));
	return kind_table[pg->kind < PAGE_KIND_NR ? pg->kind : PAGE_BAD].owned ? pg : NULL;
}

/* The one load; see the top of the file. */
static u32 slot_payer(const struct page *pg, const void *p)
{
	u64 word = page_owner_once(pg);
	const struct objcgs *v = (const struct objcgs *)(word & ~MEMCG_DATA_MASK);
	const struct handle *h = (const struct handle *)(word & ~MEMCG_DATA_MASK);
	unsigned i;

	if (!word || !slab_slot_of(pg, p, &i) || slab_slot_idle(pg, i))
		return 0;
	if (word & MEMCG_DATA_OBJCGS) {
		u32 owner = atomic_load(&v->entry[i]);

		return owner > OWNER_NOBODY ? owner : 0;
	}
	return h->index;
}

u32 payer_of(const void *p)
{
	struct page *pg = block_of(p);
	struct handle *h;

	if (!pg)
		return 0;
	if (pg->kind == PAGE_SLAB)
		return slot_payer(pg, p);
	h = page_objcg_once(pg);
	return h ? h->index : 0;
}

/*
 * tryget, and when the group died in between look at the handle again. The payer is
 * read inside the section: recharged meanwhile, its index is not reused before the end.
 */
struct memcg *memcg_owner(const void *p)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg = NULL;
	u32 payer;

	rcu_read_lock(self);
	payer = payer_of(p);
	while (payer && !cg)
		cg = group_tryget(handle_group(handle_of(payer)));
	rcu_read_unlock(self);
	return cg;
}

uint64_t memcg_owner_id(const void *p)
{
	struct rcu_reader *self = self_rcu();
	u32 payer;
	u64 id;

	rcu_read_lock(self);
	payer = payer_of(p);
	id = payer ? handle_group(handle_of(payer))->id : 0;
	rcu_read_unlock(self);
	return id;
}

struct memcg *memcg_page_owner(struct memcg_page *page)
{
	return memcg_owner(page_address((struct page *)page));
}

size_t object_size(const void *p, const char *call)
{
	struct page *pg;
	unsigned i;

	if (!region_has(p) || !region_opened(page_index(p)))
		memcg__free_bad(p, call);
	pg = page_head(page_index(p));
	if (pg->kind == PAGE_SLAB && slab_slot_start(pg, p, &i))
		return pg->slab.size;
	if (pg->kind == PAGE_LARGE && p == page_address(pg))
		return page_bytes(pg);
	memcg__free_bad(p, call);
}

size_t memcg_usable_size(const void *p)
{
	return p ? object_size(p, "memcg_usable_size") : 0;
}
