/*
 * owner.c - whose is it: the owner of any inner address, at any moment.
 *
 * 1. Slab objects follow the slab protocol: the owner word of the slab's head is loaded once; it is
 *    a vector (the slot's entry says), or a handle (the slab's), or 0 (bare). They are the
 *    objects of size classes (up to CLASS_MAX_SIZE), and those of caches.
 * 2. All other pages do not: large objects, because an object of pages of its own needs no
 *    vector to tell it from its neighbours; buffers and tables, which are the program's pages;
 *    stacks over 4096 bytes, which are blocks with a guard (smaller ones are objects of a cache).
 *    Each is a block, its owner word is the block's and never names a vector.
 * 3. A slab whose word is 0 has live objects all the same (MEMCG_UNACCOUNTED, accounting off), and
 *    gets its vector with its first owned object: from its holder, or from whoever recharges an
 * object of nobody's in it, between any two loads of anybody else. That is why there is one load
 * and everything is decided on its value. The kind of a page does not change while an object of it
 * lives.
 * 4. What is neither is nobody's: block_of().
 */
#include <errno.h>

#include <memcg/page.h>

#include "alloc/alloc.h"
#include "group/owner.h"

HOOK_DEFINE(owner_loaded);
HOOK_DEFINE(owner_group);

/* Network pages lie in the alias of managed memory, each by itself. */
static __noinline_ struct page *network_page_of(const void *p)
{
	u64 index = ((uintptr_t)p - regn.base) >> PAGE_SHIFT;

	if (index < regn.managed || index >= atomic_load_acquire(&regn.managed_end))
		return NULL;
	return atomic_load(&page_at((u32)index)->kind) == PAGE_NET ? page_at((u32)index) : NULL;
}

struct page *block_of(const void *p)
{
	struct page *pg;
	u8 kind;

	if (unlikely(!region_has(p)))
		return network_page_of(p);
	if (!region_opened(page_index(p)))
		return NULL;
	pg = page_head(page_index(p));
	kind = atomic_load(&pg->kind); /* of memory that is free it changes at any moment */
	return kind_table[kind < PAGE_KIND_NR ? kind : PAGE_BAD].owned ? pg : NULL;
}

/* The one load; see the top of the file. */
static u32 slot_payer(const struct page *pg, const void *p)
{
	u64 word = page_owner_word(pg);
	unsigned i;

	HOOK(owner_loaded);
	if (!word || !slab_slot_of(pg, p, &i) || slab_slot_idle(pg, i))
		return 0;
	if (owner_is_objcgs(word)) {
		/* Pairs with the exchange in recharge_entry: whom it names was made before. */
		u32 owner = atomic_load_acquire(&owner_objcgs(word)->entry[i]);

		return owner > OWNER_NOBODY ? owner : 0;
	}
	return owner_objcg(word)->index;
}

u32 payer_of(const void *p)
{
	struct page *pg = block_of(p);
	struct handle *h;

	if (!pg)
		return 0;
	if (pg->kind == PAGE_SLAB)
		return slot_payer(pg, p);
	h = page_objcg_check(pg);
	return h ? h->index : 0;
}

/* RCU section: recharged meanwhile, the payer's index is not reused before its end. */
static struct memcg *group_of_address(const void *p)
{
	struct page *pg = block_of(p);
	u32 payer;

	if (!pg)
		return NULL;
	if (pg->kind != PAGE_SLAB)
		return page_memcg_check(pg);
	payer = slot_payer(pg, p);
	return payer ? handle_group(handle_of(payer)) : NULL;
}

/* tryget, and when the group died in between look again: its heir pays by then. */
struct memcg *memcg_owner(const void *p)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg, *got = NULL;

	rcu_read_lock(self);
	while (!got && (cg = group_of_address(p))) {
		HOOK(owner_group);
		got = group_tryget(cg);
	}
	rcu_read_unlock(self);
	return got;
}

uint64_t memcg_owner_id(const void *p)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;
	u64 id;

	rcu_read_lock(self);
	cg = group_of_address(p);
	id = cg ? cg->id : 0;
	rcu_read_unlock(self);
	return id;
}

/* The caller holds the page, and that it may be recharged meanwhile is what page_memcg_rcu is for.
 */
struct memcg *memcg_page_owner(struct memcg_page *page)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg, *got = NULL;

	rcu_read_lock(self);
	while (page && !got && (cg = page_memcg_rcu((struct page *)page))) {
		HOOK(owner_group);
		got = group_tryget(cg);
	}
	rcu_read_unlock(self);
	return got;
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
