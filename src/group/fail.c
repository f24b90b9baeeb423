/* fail.c - rules that refuse charges. Theory in fail.h. */
#include <errno.h>

#include "group/fail.h"
#include "group/group.h"
#include "group/stock.h"
#include "page/page.h"

struct fail {
	struct fault_rule rule;
	struct fail_counts n; /* atomics: each charge gets a number of its own */
	struct rcu_head rcu;
};

u32 fail_rules;

bool fail_armed_slow(u32 handle)
{
	struct rcu_reader *self = self_rcu();
	const struct memcg *cg;

	rcu_read_lock(self);
	cg = handle_group(handle_of(handle));
	while (cg && !atomic_load(&cg->fail))
		cg = cg->parent;
	rcu_read_unlock(self);
	return cg;
}

static bool hits(struct fail *f)
{
	if (!fault_rule_hits(&f->rule, atomic_add(&f->n.seen, 1ul)))
		return false;
	atomic_add_relaxed(&f->n.failed, 1ul);
	return true;
}

struct memcg *fail_charge_slow(u32 handle)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;

	rcu_read_lock(self);
	for (cg = handle_group(handle_of(handle)); cg; cg = cg->parent) {
		/* Pairs with the exchange in fail_set. */
		struct fail *f = atomic_load_acquire(&cg->fail);

		if (f && hits(f))
			break;
	}
	if (cg)
		cg = group_tryget(cg); /* NULL: it died this moment, and its rule with it */
	rcu_read_unlock(self);
	return cg;
}

static void free_deferred(struct rcu_head *rcu)
{
	struct fail *f = container_of(rcu, struct fail, rcu);

	meta_free(f, sizeof(*f));
}

int fail_set(struct memcg *cg, const struct fault_rule *rule)
{
	struct fail *f = NULL, *old;

	if (rule) {
		f = meta_alloc(sizeof(*f));
		if (!f)
			return -ENOMEM;
		f->rule = *rule;
		atomic_add_relaxed(&fail_rules, 1u);
	}
	old = atomic_xchg(&cg->fail, f);
	if (old) {
		atomic_sub(&fail_rules, 1u);
		rcu_defer(&old->rcu, free_deferred);
	}
	if (f)
		stock_take_out(cg);
	rcu_poll(false); /* who only sets rules makes nothing but deferred frees */
	return 0;
}

bool fail_get(struct memcg *cg, struct fault_rule *rule, struct fail_counts *counts)
{
	struct rcu_reader *self = self_rcu();
	const struct fail *f;

	rcu_read_lock(self);
	f = atomic_load_acquire(&cg->fail);
	if (f) {
		*rule = f->rule;
		counts->seen = atomic_load(&f->n.seen);
		counts->failed = atomic_load(&f->n.failed);
	}
	rcu_read_unlock(self);
	return f;
}

void fail_free(struct memcg *cg)
{
	if (!cg->fail)
		return;
	atomic_sub(&fail_rules, 1u);
	meta_free(cg->fail, sizeof(*cg->fail));
}
