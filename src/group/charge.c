/*
 * charge.c - the lower half of charging: one try at the counters, forcing, folding. What is
 * done about a refusal is the business of reclaim/charge.c.
 *
 * A charge is made in this order: counters of the group the handle names now
 * (and its ancestors), then the handle's refs. A fold undoes it in the other
 * order of meaning: it looks the group up anew, so that bytes charged before a group was
 * destroyed are credited to whoever inherited them. Both walks lie within one
 * RCU section, so the group they found is valid memory.
 *
 * What a group owns itself (counter.h: own) is handed to its parent when it is destroyed. A charge
 * or fold that found the group before that and counts after it would leave its bytes with the dead
 * group; so it looks the group up again when it has counted, and hands on what stands there.
 * Both sides exchange or add to `own`: whichever is second sees what the first did before.
 */
#include "group/charge.h"

#include "group/record.h"
#include "group/tally.h"

void (*charge_watch)(void);
HOOK_DEFINE(charge_found);
HOOK_DEFINE(fold_found);

static struct memcg *group_of_counter(struct counter *c)
{
	return container_of(c, struct memcg, counter);
}

/* cg's own bytes were changed through h; RCU section. */
static void own_follow(const struct handle *h, struct memcg *cg)
{
	struct memcg *heir;

	/* Pairs with memcg_destroy: it redirects the handle, then passes on. */
	while (unlikely((heir = handle_group(h)) != cg)) {
		counter_pass_own(&cg->counter, &heir->counter);
		cg = heir; /* which may have gone meanwhile */
	}
}

/* top's descendants may have been destroyed, and top itself: then cg is at it or above. */
bool group_counts_below(const struct memcg *cg, const struct memcg *top)
{
	return !top || cg->depth > top->depth;
}

static const struct counter *stop_at(const struct memcg *cg, const struct memcg *top)
{
	if (!top)
		return NULL;
	return group_counts_below(cg, top) ? &top->counter : &cg->counter;
}

bool charge_try_below(u32 handle, const struct memcg *top, u64 n, struct memcg **limited)
{
	struct rcu_reader *self = self_rcu();
	struct handle *h = handle_of(handle);
	struct counter *fail;
	struct memcg *cg;
	bool done;

	*limited = NULL;
	if (unlikely(n > HANDLE_BYTES / 2 || handle_bytes(h) > HANDLE_BYTES / 2))
		return false; /* past what refs can count; half of it, so that racing charges fit */
	rcu_read_lock(self);
	cg = handle_group(h);
	HOOK(charge_found);
	if (unlikely(!group_records_make(cg))) {
		rcu_read_unlock(self);
		return false; /* no memory for what is to be counted of it */
	}
	done = counter_try_charge_below(&cg->counter, stop_at(cg, top), n, &fail);
	if (done) {
		own_follow(h, cg);
		handle_add(h, n);
	} else {
		*limited = group_tryget(group_of_counter(fail));
	}
	rcu_read_unlock(self);
	return done;
}

bool charge_try(u32 handle, u64 n, struct memcg **limited)
{
	return charge_try_below(handle, NULL, n, limited);
}

void charge_force(u32 handle, u64 n)
{
	struct rcu_reader *self = self_rcu();
	struct handle *h = handle_of(handle);
	struct memcg *cg;

	rcu_read_lock(self);
	cg = handle_group(h);
	HOOK(charge_found);
	(void)group_records_make(cg); /* without: record.h, 3 */
	counter_charge(&cg->counter, n);
	own_follow(h, cg);
	rcu_read_unlock(self);
	handle_add(h, n);
}

void charge_fold_below(u32 handle, const struct memcg *top, u64 bytes)
{
	struct rcu_reader *self = self_rcu();
	struct handle *h = handle_of(handle);
	struct memcg *cg;

	if (!bytes)
		return; /* nothing holds the handle for it */
	rcu_read_lock(self);
	cg = handle_group(h);
	HOOK(fold_found);
	counter_uncharge_below(&cg->counter, stop_at(cg, top), bytes);
	if (unlikely(memcg__self->measured) && group_below(cg, memcg__self->measured))
		memcg__self->folded += bytes;
	own_follow(h, cg);
	handle_shorten(h);
	rcu_read_unlock(self);
	handle_sub(h, bytes);
	if (charge_watch)
		charge_watch();
}

void charge_fold(u32 handle, u64 bytes)
{
	charge_fold_below(handle, NULL, bytes);
}

void uncharge_bytes(u32 handle, u64 n)
{
	charge_fold(handle, n);
}

/*
 * Through a dead handle: the bytes become the heir's, which pays for them as it is, and are parked
 * as its. That is two atomics, whatever the depth; no counter moves.
 */
static void uncharge_dead(struct handle *h, u32 n)
{
	struct handle *to = handle_heir_get(h, n);

	handle_sub(h, n);
	uncharge(handle_index(to), n); /* it may have died meanwhile: once more */
}

/* Every eighth stray free takes the slot over: a thread that only frees must get a stock some time.
 */
static bool give_again(enum stock_line line, u32 handle, u32 n)
{
	return pcpu_give_slow(memcg__stock, STOCK_SHIFT, stock_offset_in(line, handle), handle, n,
			      atomic_load(&memcg__stock_cap));
}

static void park(enum stock_line line, u32 handle, u32 n)
{
	static u32 strays; /* racy; any mix will do */
	u32 s = atomic_load(&strays);

	atomic_store(&strays, s + 1);
	stock_put(line, handle, n, s % 8 == 0);
}

void memcg__uncharge_slow(u32 handle, u32 n)
{
	if (give_again(STOCK_OBJECTS, handle, n))
		return;
	if (unlikely(handle_dead(handle_of(handle))))
		uncharge_dead(handle_of(handle), n);
	else
		park(STOCK_OBJECTS, handle, n);
}

/* A dead one's are no charge by hand any more when its heir has them. */
void uncharge_hand_slow(u32 handle, u32 n)
{
	if (give_again(STOCK_BY_HAND, handle, n))
		return;
	if (unlikely(handle_dead(handle_of(handle)))) {
		tally_sub(TALLY_EXTERNAL, handle, n);
		uncharge_dead(handle_of(handle), n);
	} else {
		park(STOCK_BY_HAND, handle, n);
	}
}
