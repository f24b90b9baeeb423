/* fill.c - offering and claiming the rest of a page. Theory in fill.h. */
#include "net/fill.h"

#include "group/task.h"
#include "group/handle.h"

static u32 slot_of(u32 handle)
{
	return handle % FILL_SLOTS;
}

/* The word may be of an earlier life: whatever the page is by now, its descriptor is there. */
static bool fits(const struct memcg_pool *p, const struct page *pg, u32 handle)
{
	return pool_of(pg) == p && atomic_load(&pg->net.fill) == slot_of(handle) + 1;
}

static bool owned_by(const struct page *pg, u32 handle)
{
	return page_objcg_rcu(pg) == (handle ? handle_of(handle) : NULL);
}

/* With a reference. The order is fill.h's 4: claimed, then not locked, then the owner. */
static bool claim(const struct memcg_pool *p, struct page *pg, u32 handle)
{
	u32 offered = slot_of(handle) + 1;

	if (!fits(p, pg, handle) || !atomic_cas(&pg->net.fill, &offered, NET_FILL_WRITING))
		return false;
	/* Pairs with who locks a page for another group: locked, then fill is looked at. */
	if (!atomic_load_seq(&pg->net.lock) && owned_by(pg, handle))
		return true;
	atomic_store(&pg->net.fill, 0u); /* its rest is nobody's: it may be another's page by now */
	return false;
}

/* RCU section. */
static struct page *find(struct memcg_pool *p, u32 handle)
{
	u32 *word = &p->fill[slot_of(handle)], index = atomic_load(word);

	index = index ? atomic_xchg(word, 0u) : 0;
	if (!index)
		return NULL;
	return page_tryget(page_at(index)) ? page_at(index) : NULL;
}

bool fill_may_claim(struct pool_ref ref, u32 handle)
{
	struct rcu_reader *self = self_rcu();
	struct memcg_pool *p;
	bool may;

	rcu_read_lock(self);
	p = pool_live(ref);
	may = p && atomic_load(&p->fill[slot_of(handle)]);
	rcu_read_unlock(self);
	return may;
}

struct fill fill_claim(struct pool_ref ref, u32 handle)
{
	struct rcu_reader *self = self_rcu();
	struct fill f = {0};
	struct memcg_pool *p;
	struct page *pg = NULL;

	rcu_read_lock(self);
	p = pool_live(ref);
	if (p)
		pg = find(p, handle);
	if (pg && claim(p, pg, handle))
		f = (struct fill){pg, pg->net.filled};
	rcu_read_unlock(self);
	if (pg && !f.pg)
		page_put(pg);
	return f;
}

void fill_offer(struct memcg_pool *p, u32 handle, struct page *pg, u32 end)
{
	u32 filled = ALIGN_UP(end, 16u);

	if (!fill_worth(end)) {
		atomic_store(&pg->net.fill, 0u);
		return;
	}
	pg->net.filled = filled;
	/* Release: pairs with the exchange in claim, after which filled is read. */
	atomic_store_release(&pg->net.fill, slot_of(handle) + 1);
	atomic_store(&p->fill[slot_of(handle)], page_to_index(pg));
}

void fill_unclaim(struct memcg_pool *p, u32 handle, struct fill *f)
{
	if (!f->pg)
		return;
	fill_offer(p, handle, f->pg, f->at);
	page_put(f->pg);
	f->pg = NULL;
}
