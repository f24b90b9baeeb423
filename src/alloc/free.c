/*
 * free.c - giving objects back: the way behind the fast path. The page's kind
 * and mark say what to do; a switch for accounting is not asked.
 */
#include <errno.h>

#include "alloc/alloc.h"
#include "sys/log.h"

static const char *kind_name(const struct page *pg)
{
	return pg->kind < PAGE_KIND_NR ? kind_table[pg->kind].name : "corrupt";
}

void memcg__free_bad(const void *p, const char *call)
{
	u32 index = page_index(p);
	struct page *pg;
	unsigned i;

	if (!region_has(p))
		memcg_bug("%s(%p): not a pointer of this library", call, p);
	if (!region_opened(index))
		memcg_bug("%s(%p): memory that was never handed out", call, p);
	pg = page_head(index);
	if (pg->kind != PAGE_SLAB)
		memcg_bug("%s(%p): not the start of an object, or freed before (page kind %s, "
			  "block %p)",
			  call, p, kind_name(pg), page_address(pg));
	if (pg->slab.class == SLAB_CLASS_CACHE)
		memcg_bug("%s(%p): the object belongs to a cache (slab %p)", call, p,
			  page_address(pg));
	if (!slab_slot_start(pg, p, &i))
		memcg_bug("%s(%p): inner pointer, slab %p of %u-byte slots", call, p,
			  page_address(pg), pg->slab.size);
	memcg_bug("%s(%p): double free, slab %p of %u-byte slots", call, p, page_address(pg),
		  pg->slab.size);
}

/* An exception of an own slab goes back to being the payer's: forced, the memory is in use. */
static void end_exception(u32 owner, u32 payer, u32 size)
{
	uncharge(owner, size);
	if (!pcpu_take(memcg__stock, STOCK_SHIFT, stock_offset(payer), payer, size))
		memcg__charge_slow(payer, size, CHARGE_FORCE);
}

/* --- frees by the holder --------------------------------------------------------- */

/* Nothing is changed before the bits agree that the slot is in use. */
static void free_held(struct thread *t, struct page *pg, void *p)
{
	struct objcgs *v = page_objcgs_check(pg);
	u32 owner = 0, payer = v ? v->fallback : 0, size = pg->slab.size;
	unsigned i;

	if (unlikely(!slab_slot_start(pg, p, &i) || slab_slot_idle(pg, i)))
		memcg__free_bad(p, "free");
	if (v) {
		owner = atomic_load(&v->entry[i]);
		if (unlikely(!owner)) /* another freed it, and it is not collected yet */
			memcg__free_bad(p, "free");
		atomic_store(&v->entry[i], payer);
	}
	if (payer && owner != payer)
		end_exception(owner, payer,
			      size); /* before the slab can go, and its charge whole */
	t->task.busy++;
	heap_give(heap_of_slab(t, pg), pg, i, slab_drop); /* the slab may be gone after this */
	t->task.busy--;
	if (!payer && owner > OWNER_NOBODY)
		uncharge(owner, slab_cost(size));
}

void memcg__free_full(struct page *pg, void *p)
{
	struct thread *t = thread_self();

	t->task.busy++;
	heap_spill(heap_of_slab(t, pg), pg->slab.bin, slab_drop);
	t->task.busy--;
	free_fast(p);
}

/* --- frees by strangers ------------------------------------------------------------ */

HOOK_DEFINE(free_claimed);
HOOK_DEFINE(free_taken);

/* DEAD. payer: of the whole slab; 0: it is shared. */
static void orphan_end(struct page *pg, u32 payer, u32 bytes)
{
	u32 pinned = slab_pinned(pg);

	if (payer)
		uncharge(payer, bytes);
	orphan_bury(pg);
	slab_unpin(pinned);
}

/* The last step of a remote free; for PUSH_DONE the slab may be gone already. */
static void push_follow(struct page *pg, enum slab_push verdict, bool own, u32 payer, u32 bytes)
{
	u32 cost;
	int live;

	switch (verdict) {
	case PUSH_HOLLOW:
		atomic_add(&page_cached, (u64)bytes);
		atomic_add(&hollow_slabs, 1ul);
		uncharge(payer, bytes);
		break;
	case PUSH_DEAD:
		orphan_end(pg, own ? payer : 0, bytes);
		break;
	case PUSH_LIST:
		if (orphan_settle(pg))
			orphan_bury(pg);
		break;
	case PUSH_CONVERT:
		HOOK(free_claimed);
		cost = slab_cost(pg->slab.size);
		live = slab_convert(pg, handle_of(payer), payer);
		if (live >= 0)
			uncharge(payer, bytes - (u32)live * cost);
		if (orphan_settle(pg)) /* exceptions may have come first: then it is own still */
			orphan_end(pg, live < 0 ? payer : 0, bytes);
		break;
	default:
		break;
	}
}

/*
 * Exchanges the entry, so that of two frees of one object only one gets
 * an owner. 0 in a shared slab: it was freed before.
 */
static u32 take_entry(struct page *pg, struct objcgs *v, unsigned i, const void *p)
{
	u32 owner = atomic_xchg(&v->entry[i], v->fallback);

	if (unlikely(!owner))
		memcg_bug("free(%p): double free, slab %p of %u-byte slots", p, page_address(pg),
			  pg->slab.size);
	return owner;
}

static void free_remote(struct page *pg, void *p)
{
	u32 bytes = (u32)page_bytes(pg), size = pg->slab.size, owner = 0, payer = 0;
	enum slab_push verdict;
	struct objcgs *v;
	bool own, took = false;
	unsigned i;

	if (unlikely(!slab_slot_start(pg, p, &i) || pg->slab.class >= CLASS_NR))
		memcg__free_bad(p, "free");
	do {
		own = atomic_load_acquire(&pg->slab.remote) & SLAB_OWN;
		v = page_objcgs_check(pg);
		if (own) {
			payer = v ? v->fallback : slab_payer(pg);
			if (v && payer && !took) {
				owner = take_entry(pg, v, i, p);
				took = true;
				if (owner != payer)
					end_exception(owner, payer, size);
			}
		} else if (v) {
			payer = 0;
			owner = take_entry(pg, v, i, p);
		}
		HOOK(free_taken);
		verdict = slab_push(pg, i, p, own);
	} while (unlikely(verdict == PUSH_CHANGED));
	push_follow(pg, verdict, own, payer, bytes);
	if (!own && owner > OWNER_NOBODY)
		uncharge(owner, slab_cost(size));
}

static void slab_free(struct thread *t, struct page *pg, void *p)
{
	if (t && slab_holder(pg) == t->task.tid && pg->slab.class < CLASS_NR)
		free_held(t, pg, p);
	else
		free_remote(pg, p);
}

void memcg__free_slow(void *p)
{
	struct thread *t = thread_self();
	int saved = errno;
	struct page *pg;

	if (unlikely(!region_has(p) || !region_opened(page_index(p))))
		memcg__free_bad(p, "free");
	pg = page_head(page_index(p));
	if (pg->kind == PAGE_SLAB)
		slab_free(t, pg, p);
	else if (pg->kind == PAGE_LARGE && p == page_address(pg))
		page_put(pg);
	else
		memcg__free_bad(p, "free");
	errno = saved;
}

/* --- the public calls ------------------------------------------------------------------ */

void memcg_free(void *p)
{
	if (unlikely(!p))
		return;
	if (unlikely(!region_has(p)))
		memcg__free_bad(p, "memcg_free");
	free_fast(p);
}

void memcg_free_sized(void *p, size_t size)
{
	if (!p)
		return;
	if (size > object_size(p, "memcg_free_sized"))
		memcg_bug("memcg_free_sized(%p, %zu): the block has %zu bytes", p, size,
			  object_size(p, "memcg_free_sized"));
	memcg_free(p);
}
