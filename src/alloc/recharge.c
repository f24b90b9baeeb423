/*
 * recharge.c - moving the charge of one object. The target is charged first, the entry exchanged,
 * the old payer credited: a refusal changes nothing. A caller that moves many objects does the
 * first and the last itself, for all of them at once. An object of nobody's has no old payer: it is
 * taken in.
 */
#include <errno.h>

#include <memcg/page.h>

#include "alloc/stack.h"
#include "group/owner.h"

/* Whom an object may be taken from, and who pays for it then. */
struct transfer {
	u32 from; /* 0: whoever pays */
	u32 to;
	bool charged; /* the bytes have been moved by the caller: only the entry changes */
};

static bool pay(const struct transfer *t, u32 cost)
{
	return t->charged || charge(t->to, cost);
}

static void pay_back(const struct transfer *t, u32 handle, u32 cost)
{
	if (!t->charged)
		uncharge(handle, cost);
}

/* 0: it was freed. NOBODY: there is nobody to credit. */
static bool gives(const struct transfer *t, u32 owner)
{
	return owner && (!t->from || owner == t->from);
}

/* The slot's entry. */
static int recharge_entry(struct objcgs *v, unsigned i, const struct transfer *t, u32 cost)
{
	u32 owner = atomic_load_acquire(&v->entry[i]);

	if (!gives(t, owner))
		return -EINVAL;
	if (!pay(t, cost))
		return -ENOMEM;
	while (!atomic_cas(&v->entry[i], &owner, t->to))
		if (!gives(t, owner)) {
			pay_back(t, t->to, cost);
			return -EINVAL;
		}
	if (owner > OWNER_NOBODY)
		pay_back(t, owner, cost);
	return 0;
}

/*
 * The exceptions of an own slab. The vector names the slab's payer for as long as the slab
 * stands, also when every object of it has been moved away and nothing is
 * charged to the payer any more: so it holds a pin (given back by slab_unpin). NULL: no memory.
 * The handle is read before the vector: the word goes from one to the other, never back.
 */
static struct objcgs *exceptions(struct page *pg)
{
	struct handle *h = page_objcg_check(pg);
	struct objcgs *v = page_objcgs_check(pg);

	if (v || !h)
		return page_objcgs_check(pg);
	handle_add(h, HANDLE_PIN);
	if (!slab_exceptions(pg, h, h->index, &v))
		handle_sub(h, HANDLE_PIN);
	return v;
}

/* 1: the slab has become shared meanwhile, look again. */
static int recharge_own(struct page *pg, unsigned i, const struct transfer *t)
{
	struct objcgs *v = exceptions(pg);

	if (!v)
		return -ENOMEM;
	if (!v->fallback)
		return 1;
	/* Whoever moves a charge sees to the mark: who installed the vector may be on the way to
	 * it. */
	atomic_or(&pg->slab.hold, SLAB_HOLD_VEC);
	return recharge_entry(v, i, t, pg->slab.size);
}

/*
 * A bare slab gets its vector here, with live objects of nobody's in it and frees under way: from
 * a thread that has one of them and nothing else of the slab. See slab_vector().
 */
static int recharge_shared(struct page *pg, unsigned i, const struct transfer *t)
{
	struct objcgs *v = page_objcgs(pg);

	if (!v)
		v = slab_vector(pg, false);
	return v ? recharge_entry(v, i, t, slab_cost(pg->slab.size)) : -ENOMEM;
}

static int recharge_slot(struct page *pg, const void *p, const struct transfer *t)
{
	int err = 1;
	unsigned i;

	if (!slab_slot_start(pg, p, &i) || slab_slot_idle(pg, i))
		return -EINVAL;
	while (err == 1) {
		if (atomic_load_acquire(&pg->slab.remote) & SLAB_OWN) {
			err = recharge_own(pg, i, t);
			if (err == 1)
				cpu_relax();
			continue;
		}
		err = recharge_shared(pg, i, t);
	}
	if (!err)
		atomic_add_relaxed(&slab_counts.recharged, 1ul);
	return err;
}

HOOK_DEFINE(recharge_charged);

/* --- pages that are frozen: their count is 0, nobody else sees the mark go and come ----- */

bool frozen_is_paid(const struct page *pg, u32 to)
{
	struct rcu_reader *self = self_rcu();
	bool same;

	rcu_read_lock(self);
	same = !to || page_memcg(pg) == handle_group(handle_of(to));
	rcu_read_unlock(self);
	return same;
}

void frozen_take_over(struct page *pg, u32 to)
{
	if (page_owned(pg))
		page_uncharge(pg);
	if (!to)
		return;
	page_set_objcg(pg, handle_of(to), pg->kind == PAGE_NET ? 0 : MEMCG_DATA_KMEM);
	kind_add(to, pg->kind, page_bytes(pg));
}

HOOK_DEFINE(recharge_frozen);

static bool in_view(const struct page *pg)
{
	return atomic_load(&pg->mapcount);
}

/*
 * The caller's reference is the only one, and no view's: then the page is frozen. Looked at before:
 * who pins through a view relies on the view's reference, which is never to be away. And after: a
 * holder may have made a view meanwhile and put its own, if the caller has none.
 */
static bool freeze_own(struct page *pg)
{
	if (in_view(pg) || !page_freeze(pg))
		return false;
	HOOK(recharge_frozen);
	if (likely(!in_view(pg)))
		return true;
	page_thaw(pg);
	return false;
}

/*
 * A network page is one group's with all its fragments, and a move of an address space may be at it
 * (vm/move.h): so its payer is changed by who has it alone. It is charged with the page thawed,
 * for that may reclaim.
 */
static int recharge_net(struct page *pg, u32 to)
{
	bool paid;

	if (!page_count(pg))
		return -EINVAL; /* in its pool */
	if (!freeze_own(pg))
		return -EBUSY;
	paid = frozen_is_paid(pg, to);
	page_thaw(pg);
	if (paid)
		return 0;
	if (!charge_pages(to, PAGE_SIZE, 0))
		return -ENOMEM;
	HOOK(recharge_charged);
	if (!freeze_own(pg)) {
		uncharge_pages(to, PAGE_SIZE);
		return -EBUSY;
	}
	frozen_take_over(pg, to);
	page_thaw(pg);
	return 0;
}

static int recharge_page(struct page *pg, u32 to)
{
	u64 bytes = page_bytes(pg);
	struct handle *h;

	if (pg->kind == PAGE_NET)
		return recharge_net(pg, to);
	if (!charge_pages(to, bytes, 0))
		return -ENOMEM;
	HOOK(recharge_charged);
	h = page_replace_objcg(pg, handle_of(to)); /* of now: others may recharge it as well */
	kind_add(to, pg->kind, bytes);
	if (!h) /* it was nobody's */
		return 0;
	kind_sub(h->index, pg->kind, bytes);
	uncharge_pages(h->index, bytes);
	return 0;
}

static int recharge(const void *object, u32 handle)
{
	struct page *pg = block_of(object);

	if (!pg)
		return -EINVAL;
	object = stack_object(pg, object);
	if (pg->kind == PAGE_SLAB)
		return recharge_slot(pg, object, &(struct transfer){.to = handle});
	return object == page_address(pg) ? recharge_page(pg, handle) : -EINVAL;
}

int object_recharge(void *object, u32 from, u32 to, bool charged)
{
	struct transfer t = {.from = from, .to = to, .charged = charged};
	struct page *pg = block_of(object);

	return pg && pg->kind == PAGE_SLAB ? recharge_slot(pg, object, &t) : -EINVAL;
}

int memcg_recharge(void *object, struct memcg *to)
{
	u32 handle = group_or_root(to)->handle->index;
	struct retry r = RETRY(0);
	int err;

	thread_need();
	do
		err = recharge(object, handle);
	while (unlikely(err == -ENOMEM) && charge_again(&r));
	return err;
}

int memcg_page_recharge(struct memcg_page *page, struct memcg *to)
{
	u32 handle = group_or_root(to)->handle->index;
	struct retry r = RETRY(0);
	int err;

	if (!page)
		return -EINVAL;
	thread_need();
	do
		err = recharge_page((struct page *)page, handle);
	while (unlikely(err == -ENOMEM) && charge_again(&r));
	return err;
}
