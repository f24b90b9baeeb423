/* owed.c - noting and serving what an allocation must not do itself. */
#include "reclaim/owed.h"

#include "group/record.h"
#include "group/vm.h"
#include "reclaim/oom.h"
#include "reclaim/psi.h"
#include "reclaim/reclaimer.h"
#include "reclaim/scan.h"
#include "reclaim/throttle.h"
#include "sys/clock.h"

#define MARGIN_MOST (4 * MIB)
#define REST	    (100ul * 1000 * 1000) /* ns, for who had nothing to give */

bool owed_in_malloc;

/* Room that the reclaimer keeps below a max. */
static u64 margin(u64 max)
{
	return MIN(max / 16, MARGIN_MOST);
}

/* The first level, from c up, with less room left than that; NULL. */
static struct memcg *near_max(struct memcg *cg)
{
	for (; cg; cg = cg->parent) {
		u64 max = atomic_load(&cg->counter.max);

		if (max != MEMCG_UNLIMITED && counter_read(&cg->counter) + margin(max) > max)
			return cg;
	}
	return NULL;
}

static void tell_reclaimer(struct memcg *cg, bool over_high)
{
	struct memcg *near = near_max(cg);

	if (over_high)
		reclaimer_owe(cg, OWED_HIGH);
	if (near && sys_clock_coarse_ns() >= atomic_load(&group_record(near)->rests_until))
		reclaimer_owe(near, OWED_NEAR);
}

/* Penalties add up for one group; a thread that charges several is held for the last. */
void owed_high(u32 handle, u64 n)
{
	struct rcu_reader *rcu = self_rcu();
	struct task *self = task_self();
	struct memcg *cg;
	bool over;

	if (!self)
		return;
	rcu_read_lock(rcu);
	cg = handle_group(handle_of(handle));
	over = counter_over_high(&cg->counter);
	if (unlikely(over || group_swap_over_high(cg))) {
		self->high_group = group_ref(cg);
		self->high_bytes += n;
		self->owed |= OWED_HIGH;
	}
	if (unlikely(reclaimer_running()))
		tell_reclaimer(cg, over);
	rcu_read_unlock(rcu);
}

/* The last refusal alone is owed: with its own answer to who was asked. */
void owed_reclaim(struct memcg *limited, u64 n, bool asked)
{
	u32 what = OWED_SHORT | (asked ? 0 : OWED_ASK);
	struct task *self = task_self();

	if (!self || self->reclaiming)
		return;
	if (reclaimer_running()) {
		reclaimer_owe(limited, what);
		return;
	}
	self->short_group = group_ref(limited);
	self->short_bytes = n;
	self->owed = (self->owed & ~(u32)OWED_ASK) | what;
}

static void rest(struct memcg *cg)
{
	struct group_record *r = group_record_make(cg);

	if (r)
		atomic_store(&r->rests_until, sys_clock_coarse_ns() + REST);
}

/* Down to twice the margin. Only after a refusal are handlers asked. */
static void make_room(struct memcg *cg, unsigned what)
{
	u64 usage = counter_read(&cg->counter), max = atomic_load(&cg->counter.max), goal;

	goal = max == MEMCG_UNLIMITED ? max : max - 2 * margin(max);
	if (usage <= goal || reclaim_group(cg, usage - goal, RECLAIM_ANY))
		return;
	if (what & OWED_SHORT)
		oom_ask_owed(cg, usage - goal, !(what & OWED_ASK));
	else /* a tenant may live just below its max: each of its charges would ask again */
		rest(cg);
}

void owed_work(struct memcg *cg, unsigned what)
{
	if (what & OWED_HIGH)
		throttle_work(cg);
	if (what & (OWED_SHORT | OWED_NEAR))
		make_room(cg, what);
}

/* The allocation that was refused is over, and was counted; this makes room for those to come. */
static void serve_short(struct task *self, bool asked)
{
	struct memcg *cg = group_ref_get(self->short_group);
	u64 n = self->short_bytes;
	struct psi_stall stall;

	if (!cg)
		return;
	psi_begin(&stall, cg);
	if (counter_headroom(&cg->counter) < n &&
	    !reclaim_group(cg, reclaim_want(cg, n), RECLAIM_ANY))
		oom_ask_owed(cg, n, asked);
	psi_end(&stall);
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
		serve_short(self, !(owed & OWED_ASK));
	if (owed & OWED_HIGH)
		serve_high(self);
	group_run_drops();
}
