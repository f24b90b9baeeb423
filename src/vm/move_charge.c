/*
 * move_charge.c - the bytes of a move: charged ahead to the target, given up by who had them.
 *
 * Everything is counted below the common ancestor alone (group/charge.h), memory and swap apart.
 * Between the two steps the bytes are counted twice down there, and once from the ancestor up.
 */
#include <errno.h>

#include "group/vm.h"
#include "reclaim/charge.h"
#include "vm/move.h"

/* memory.max of the target and of what is between: the one loop, and its reclaim. */
static bool charge_mem(struct move *m, u64 n)
{
	struct retry r = RETRY(0);

	do {
		if (!n || charge_quiet_below(m->payer->index, m->top, n, 0))
			return true;
	} while (charge_again(&r));
	return false;
}

static bool charge_swap(struct move *m, u64 n)
{
	return !n || swap_charge_below(m->payer, m->top, n);
}

int move_charge(struct move *m, struct move_cost cost)
{
	if (!charge_mem(m, cost.mem))
		return -ENOMEM;
	m->mem = cost.mem;
	if (!charge_swap(m, cost.swap)) {
		move_give_back(m);
		return -ENOMEM;
	}
	m->swap = cost.swap;
	return 0;
}

bool move_charge_more(struct move *m, struct move_cost cost)
{
	u64 mem = cost.mem - MIN(cost.mem, m->mem), swap = cost.swap - MIN(cost.swap, m->swap);

	if (mem && !charge_quiet_below(m->payer->index, m->top, mem, CHARGE_ONCE)) {
		charge_forgive(); /* the page stays; that is all */
		return false;
	}
	m->mem += mem;
	if (!charge_swap(m, swap))
		return false;
	m->swap += swap;
	return true;
}

void move_spend(struct move *m, struct handle *h, struct move_cost cost)
{
	BUG_ON(!move_charged(m, cost));
	if (m->run && m->run != h)
		move_settle(m);
	m->run = h; /* kept by the bytes that it has not given up yet */
	m->mem -= cost.mem;
	m->swap -= cost.swap;
	m->run_mem += cost.mem;
	m->run_swap += cost.swap;
}

void move_settle(struct move *m)
{
	struct handle *h = m->run;
	u64 mem = m->run_mem, swap = m->run_swap;

	m->run = NULL;
	m->run_mem = m->run_swap = 0;
	if (swap) /* first: the handle may go with its last bytes */
		swap_uncharge_below(h, m->top, swap);
	if (mem)
		charge_fold_below(h->index, m->top, mem);
}

void move_give_back(struct move *m)
{
	charge_fold_below(m->payer->index, m->top, m->mem);
	if (m->swap)
		swap_uncharge_below(m->payer, m->top, m->swap);
	m->mem = m->swap = 0;
}
