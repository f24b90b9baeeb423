/* alloc.h - what the files of this directory share. */
#ifndef MEMCG_ALLOC_ALLOC_H
#define MEMCG_ALLOC_ALLOC_H

#include "alloc/fast.h"
#include "base/hook.h"
#include "reclaim/owed.h"
#include "reclaim/source.h"

/* flags: MEMCG_ZERO, NOWAIT, NOFAIL, RESERVE. handle 0: nobody pays. Errno is set on NULL. */
__hidden_ void *object_alloc(u32 handle, size_t size, size_t align, unsigned flags);
/* One attempt; flags: MEMCG_ZERO and CHARGE_FLAGS. */
__hidden_ void *large_alloc(u32 handle, size_t size, size_t align, unsigned flags);
/* The block at p, of PAGE_LARGE, has room for size bytes where it is. -ENOSPC: it must be moved for
 * that; -ENOMEM: its payer may not have so much. Nothing has changed then. */
__hidden_ int large_grow(void *p, size_t size);
HOOK_DECLARE(large_frozen); /* nobody gets a reference on the block, which is to grow */
__hidden_ void pages_ops_init(void);
/* large.c. Memory for npages: a block of 2^order cut to size, or a range. Kind NONE; NULL.
 */
__hidden_ struct page *pages_take(u32 npages, unsigned order);
__hidden_ void pages_give(struct page *pg); /* kind NONE */
/* npages of a kernel-style kind, charged and marked, with reclaim between attempts. handle 0:
 * nobody's. flags: MEMCG_ZERO and CHARGE_FLAGS. */
__hidden_ struct page *kmem_try(u32 handle, u32 npages, unsigned order, unsigned kind,
				unsigned flags);
/* Bytes of pages of a kind come to, or go from, what memory.stat says of it; paid for meanwhile. */
__hidden_ void kind_add(u32 handle, unsigned kind, u64 bytes);
__hidden_ void kind_sub(u32 handle, unsigned kind, u64 bytes);

/* shared.c: from the shared set, for any handle (0: nobody). NULL: over max, or no memory. */
__hidden_ void *shared_alloc(struct thread *t, unsigned class, u32 handle, unsigned flags);
/* What shared.c's short ways do not do. */
__hidden_ void *alloc_slower(size_t size);

/* The block p lies in, if p lies in memory handed out; NULL. Any pointer. */
__hidden_ struct page *block_of(const void *p);
/* The handle that pays for the object p lies in; 0: nobody. Any pointer. */
__hidden_ u32 payer_of(const void *p);
HOOK_DECLARE(owner_loaded);	/* owner.c: a slab's owner word has been loaded */
HOOK_DECLARE(free_claimed);	/* free.c: a sparse own orphan is this thread's to convert */
HOOK_DECLARE(recharge_charged); /* recharge.c: a page's taker is charged, its mark is as it was */
HOOK_DECLARE(recharge_frozen);	/* recharge.c: nobody gets a reference on the page */
HOOK_DECLARE(owner_group);	/* its group has been found, and nothing is held of it */
HOOK_DECLARE(free_taken);	/* a remote free has its payer, and has not pushed the slot */
HOOK_DECLARE(steal_found);	/* pipe.c: a page to steal, its count and payer not looked at */
HOOK_DECLARE(page_charged);	/* large.c: pages are charged, and bear no mark */
HOOK_DECLARE(object_charged);	/* shared.c: a slot is charged, and not taken */
__hidden_ size_t object_size(const void *p, const char *call);

/*
 * One attempt to have `to` pay for an object of a slab that `from` (0: whoever) pays for. charged:
 * the object's cost is the caller's to move: `to` is charged already and stays so whatever the
 * answer, and `from` keeps its charge, which the caller folds where the answer is 0.
 * 0; -EINVAL: not from's, not an object; -ENOMEM: `to` is over its max.
 */
__hidden_ int object_recharge(void *object, u32 from, u32 to, bool charged);

/*
 * recharge.c. Of a page that the caller has frozen. Does `to` (0: nobody) pay for it already, by
 * whatever handle? Then: it does; `to` was charged by the caller, who paid before is credited.
 */
__hidden_ bool frozen_is_paid(const struct page *pg, u32 to);
__hidden_ void frozen_take_over(struct page *pg, u32 to);

/* Charges n bytes of page memory, by stock when small. The inner half: see reclaim/charge.h. */
__hidden_ bool charge_pages(u32 handle, u64 n, unsigned flags);
__hidden_ void uncharge_pages(u32 handle, u64 n);
/* The same for page_ops: one for all kinds, so that a batch of them is one update. */
__hidden_ void pages_uncharge(struct handle *h, u64 bytes);

extern __hidden_ const struct reclaim_source held_slabs;

/* external.c, cache.c */
__hidden_ void external_init(void);
__hidden_ void caches_fork_prepare(void);
__hidden_ void caches_fork_done(void);

/* What new objects of this thread are charged to; 0: accounting is off. */
static inline u32 handle_for(struct memcg *cg)
{
	if (unlikely(atomic_load(&accounting_off)))
		return 0;
	return (cg ? cg : group_active())->handle->index;
}

#endif
