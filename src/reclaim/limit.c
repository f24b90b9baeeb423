/*
 * limit.c - limits of a group, and giving memory back on demand.
 */
#include <errno.h>

#include "reclaim/charge.h"
#include "page/page.h"

static u64 pages_down(u64 bytes)
{
	return bytes == MEMCG_UNLIMITED ? bytes : ALIGN_DOWN(bytes, PAGE_SIZE);
}

/* Stock, caches, free pages: everything that can go without a program noticing. */
static void shrink_all(struct memcg *cg)
{
	stock_drain(cg);
	if (charge_give_back)
		charge_give_back(cg);
	if (cg == root_group)
		page_purge_all();
	stock_drain(cg);
}

static void set_max(struct memcg *cg, u64 bytes)
{
	counter_set_max(&cg->counter, bytes);
	if (cg == root_group)
		stock_set_root_max(bytes);
	if (group_current(cg) > bytes)
		shrink_all(cg);
}

int memcg_set_limit(struct memcg *cg, unsigned which, uint64_t bytes)
{
	cg = cg ? cg : group_active();
	bytes = pages_down(bytes);
	switch (which) {
	case MEMCG_MIN:
		counter_set_min(&cg->counter, bytes);
		return 0;
	case MEMCG_LOW:
		counter_set_low(&cg->counter, bytes);
		return 0;
	case MEMCG_HIGH:
		counter_set_high(&cg->counter, bytes);
		return 0;
	case MEMCG_MAX:
		set_max(cg, bytes);
		return 0;
	case MEMCG_SWAP_HIGH:
	case MEMCG_SWAP_MAX:
	case MEMCG_ZSWAP_MAX:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

int memcg_get_limit(struct memcg *cg, unsigned which, uint64_t *bytes)
{
	const struct counter *c = &(cg ? cg : group_active())->counter;

	if (!bytes || which > MEMCG_ZSWAP_MAX)
		return -EINVAL;
	switch (which) {
	case MEMCG_MIN:
		*bytes = atomic_load(&c->min);
		return 0;
	case MEMCG_LOW:
		*bytes = atomic_load(&c->low);
		return 0;
	case MEMCG_HIGH:
		*bytes = atomic_load(&c->high);
		return 0;
	case MEMCG_MAX:
		*bytes = atomic_load(&c->max);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

int memcg_reclaim(struct memcg *cg, uint64_t bytes)
{
	u64 before, after;

	cg = cg ? cg : group_active();
	before = group_current(cg);
	shrink_all(cg);
	after = group_current(cg);
	return before >= bytes && after <= before - bytes ? 0 : -EAGAIN;
}
