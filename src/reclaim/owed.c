/* owed.c - noting and serving what an allocation must not do itself. */
#include "reclaim/owed.h"

#include "reclaim/oom.h"
#include "reclaim/scan.h"
#include "reclaim/throttle.h"

bool owed_in_malloc;

/* Penalties add up for one group; a thread that charges several is held for the last. */
void owed_high(u32 handle, u64 n)
{
	struct rcu_reader *rcu = self_rcu();
	struct task *self = task_self();
	struct memcg *cg;

	if (!self)
		return;
	rcu_read_lock(rcu);
	cg = handle_group(handle_of(handle));
	if (unlikely(counter_over_high(&cg->counter))) {
		self->high_group = group_ref(cg);
		self->high_bytes += n;
		self->owed |= OWED_HIGH;
	}
	rcu_read_unlock(rcu);
}

void owed_reclaim(struct memcg *limited, u64 n)
{
	struct task *self = task_self();

	if (!self || self->reclaiming)
		return;
	self->short_group = group_ref(limited);
	self->short_bytes = n;
	self->owed |= OWED_SHORT;
}

/* The allocation that was refused is over, and was counted; this makes room for those to come. */
static void serve_short(struct task *self)
{
	struct memcg *cg = group_ref_get(self->short_group);
	u64 n = self->short_bytes;

	if (!cg)
		return;
	if (counter_headroom(&cg->counter) < n &&
	    !reclaim_group(cg, reclaim_want(cg, n), RECLAIM_ANY))
		oom_ask(cg, cg->handle->index, n, RECLAIM_ANY);
	group_put(cg);
}

static void serve_high(struct task *self)
{
	struct memcg *cg = group_ref_get(self->high_group);
	u64 n = self->high_bytes;

	self->high_bytes = 0;
	if (!cg)
		return; /* offline: its new owner's high is its own */
	throttle(cg, n);
	group_put(cg);
}

void owed_serve_slow(struct task *self)
{
	u32 owed = self->owed;

	self->owed = 0;
	if (owed & OWED_SHORT)
		serve_short(self);
	if (owed & OWED_HIGH)
		serve_high(self);
	group_run_drops();
}
