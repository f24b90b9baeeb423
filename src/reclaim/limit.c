/*
 * limit.c - limits of a group, and giving memory back on demand.
 */
#include <errno.h>

#include "reclaim/oom.h"
#include "reclaim/scan.h"
#include "group/record.h"
#include "group/stock.h"
#include "group/stuck.h"
#include "group/vm.h"

static u64 pages_down(u64 bytes)
{
	return bytes == MEMCG_UNLIMITED ? bytes : ALIGN_DOWN(bytes, PAGE_SIZE);
}

#define ROUNDS 16u /* of reclaim by a setter */

/* Another writer's value is another writer's business. */
static bool still(const u64 *limit, u64 bytes)
{
	return atomic_load(limit) == bytes;
}

static u64 over(struct memcg *cg, u64 bytes)
{
	u64 usage = group_current(cg);

	return usage > bytes ? usage - bytes : 0;
}

static void set_high(struct memcg *cg, u64 bytes)
{
	unsigned round;
	u64 n;

	counter_set_high(&cg->counter, bytes);
	for (round = 0; round < ROUNDS && (n = over(cg, bytes)); round++)
		if (!still(&cg->counter.high, bytes) || !reclaim_group(cg, n, RECLAIM_ANY))
			return;
}

/* Never refused. What reclaim cannot free the program may: its handler is asked, and that is all.
 */
static void set_max(struct memcg *cg, u64 bytes)
{
	unsigned round;
	u64 n;

	counter_set_max(&cg->counter, bytes);
	if (cg == root_group)
		stock_set_root_max(bytes);
	for (round = 0; round < ROUNDS && (n = over(cg, bytes)); round++) {
		if (!still(&cg->counter.max, bytes))
			return;
		if (reclaim_group(cg, n, RECLAIM_ANY))
			continue;
		if (!oom_handled(cg) || !oom_relieve(cg, cg->handle->index, n, RECLAIM_ANY))
			return;
	}
}

/* One that is offline claims nothing of its parent, whoever still has it and sets what. */
static void set_protection(struct memcg *cg, void (*set)(struct counter *c, u64 bytes), u64 bytes)
{
	set(&cg->counter, bytes);
	if (!atomic_load_seq(&cg->online)) /* pairs with offline_locked, group/tree.c */
		counter_unprotect(&cg->counter);
}

static int set_swap(struct memcg *cg, unsigned which, u64 bytes)
{
	struct group_record *r = group_record_make(cg);

	if (!r)
		return -ENOMEM;
	if (which == MEMCG_ZSWAP_MAX) {
		atomic_store(&r->zswap_max, bytes);
		stuck_over();
		return 0;
	}
	(void)atomic_xchg(which == MEMCG_SWAP_HIGH ? &r->swap_high : &r->swap_max, bytes);
	group_swap_limits(cg);
	return 0;
}

int memcg_set_limit(struct memcg *cg, unsigned which, uint64_t bytes)
{
	cg = cg ? cg : group_active();
	bytes = pages_down(bytes);
	stuck_over(); /* what is over a lowered one is to be tried */
	switch (which) {
	case MEMCG_MIN:
		set_protection(cg, counter_set_min, bytes);
		return 0;
	case MEMCG_LOW:
		set_protection(cg, counter_set_low, bytes);
		return 0;
	case MEMCG_HIGH:
		set_high(cg, bytes);
		return 0;
	case MEMCG_MAX:
		set_max(cg, bytes);
		return 0;
	case MEMCG_SWAP_HIGH:
	case MEMCG_SWAP_MAX:
	case MEMCG_ZSWAP_MAX:
		return set_swap(cg, which, bytes);
	default:
		return -EINVAL;
	}
}

int memcg_get_limit(struct memcg *cg, unsigned which, uint64_t *bytes)
{
	const struct counter *c;

	if (!bytes)
		return -EINVAL;
	cg = cg ? cg : group_active();
	c = &cg->counter;
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
	case MEMCG_SWAP_HIGH:
		*bytes = atomic_load(&group_record(cg)->swap_high);
		return 0;
	case MEMCG_SWAP_MAX:
		*bytes = atomic_load(&group_record(cg)->swap_max);
		return 0;
	case MEMCG_ZSWAP_MAX:
		*bytes = atomic_load(&group_record(cg)->zswap_max);
		return 0;
	default:
		return -EINVAL;
	}
}

/* On demand there is time to look everywhere, once. */
static u64 drain_thoroughly(struct memcg *cg)
{
	u64 before = group_current(cg), now;

	reclaim_drain_sources(cg, true);
	now = group_current(cg);
	return before > now ? before - now : 0;
}

static u64 reclaim_on_demand(struct memcg *cg, u64 bytes)
{
	u64 done = drain_thoroughly(cg);

	for (unsigned round = 0; round < ROUNDS && done < bytes; round++) {
		u64 n = reclaim_group(cg, bytes - done, RECLAIM_ANY);

		if (!n)
			break;
		done += n;
	}
	return done;
}

int memcg_reclaim(struct memcg *cg, uint64_t bytes)
{
	struct task *self = task_self(); /* without a record it counts as who charges */
	u64 done;

	cg = cg ? cg : group_active();
	stuck_over(); /* the program wants it tried */
	if (self)
		self->asked++;
	done = reclaim_on_demand(cg, bytes);
	if (self)
		self->asked--;
	group_run_drops();
	return done >= bytes ? 0 : -EAGAIN;
}
