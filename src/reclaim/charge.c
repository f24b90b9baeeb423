/*
 * charge.c - the one loop "try, reclaim, retry, give up". Its two halves are told apart in
 * charge.h.
 *
 * 1. Reclaim is in the subtree of the counter that refused, not of the charger.
 * 2. Rounds are bounded: QUIET_ROUNDS inside an attempt, CHARGE_ROUNDS attempts. Each counts as
 *    `max` of the group that refused; giving reclaim up counts as its `oom`.
 * 3. What may pass max: NOFAIL always; RESERVE, and what a source's own code allocates while it
 *    frees, as long as the group stays within its reserve. Each is counted. Such a thread never
 *    gets into this loop again: it would be asked to free while it frees.
 * 4. NOWAIT fails at once: not even stock is drained for it.
 */
#include "reclaim/charge.h"

#include "group/fail.h"
#include "group/tally.h"
#include "reclaim/failure.h"
#include "reclaim/oom.h"
#include "reclaim/owed.h"
#include "reclaim/psi.h"
#include "reclaim/scan.h"

#define QUIET_ROUNDS  3u
#define CHARGE_ROUNDS 16u

/* How far past max a reserve goes: enough for an error path, too little to live on. */
#define RESERVE_LEAST (64 * KIB)
#define RESERVE_MOST  (1024 * KIB)

void (*charge_refresh)(void);
void (*charge_told)(u32 handle);
HOOK_DEFINE(batch_charged);

static void watch(void)
{
	if (charge_watch)
		charge_watch();
}

static void tell(u32 handle)
{
	watch();
	if (charge_told)
		charge_told(handle);
}

/* --- the inner half ------------------------------------------------------------- */

static void note_refusal(u32 handle, u64 n, const struct memcg *limited)
{
	struct task *self = task_self();

	if (!self)
		return;
	self->refused.wanted = n;
	self->refused.payer = handle;
	self->refused.on_demand = false;
	self->refused.by = limited ? group_ref(limited) : (struct group_ref){0};
}

void charge_forgive(void)
{
	struct task *self = task_self();

	if (self)
		self->refused.wanted = 0;
}

static bool try_harder(u32 handle, const struct memcg *top, u64 n, unsigned flags,
		       struct memcg **limited)
{
	struct memcg *by = *limited;
	unsigned round;

	/* NULL: it died between refusal and look, and its ancestors may have room. */
	for (round = 0; round < QUIET_ROUNDS && by; round++) {
		group_event(by, EV_MAX);
		if (!(flags & MEMCG_NOWAIT))
			reclaim_quiet(by, round);
		group_put(by);
		if (charge_try_below(handle, top, n, &by))
			return true;
		if (flags & MEMCG_NOWAIT)
			break;
	}
	if (!by && charge_try_below(handle, top, n, &by))
		return true;
	*limited = by;
	return false;
}

/* A thread without a record (at its start and end) has no outer half: it ends here. */
static bool refused_bare(u32 handle, u64 n, unsigned flags, struct memcg *limited)
{
	if (limited && !(flags & MEMCG_NOWAIT))
		group_event(limited, EV_OOM);
	if (flags & MEMCG_NOFAIL)
		charge_force(handle, n);
	else if (limited)
		group_event(limited, EV_REFUSED);
	return flags & MEMCG_NOFAIL;
}

static bool refused(u32 handle, u64 n, unsigned flags, struct memcg *limited)
{
	bool forced = flags & CHARGE_FORCE;

	if (forced)
		charge_force(handle, n);
	else if (unlikely(!task_self()))
		forced = refused_bare(handle, n, flags, limited);
	else
		note_refusal(handle, n, limited);
	group_put(limited);
	return forced;
}

/* True: a rule of memory.fail refuses it. By no max, so nothing is reclaimed for it. */
static bool refused_on_demand(u32 handle, u64 n, unsigned flags)
{
	struct task *self = task_self();
	struct memcg *by = flags & CHARGE_FORCE || !self ? NULL : fail_charge(handle);

	if (likely(!by))
		return false;
	note_refusal(handle, n, by);
	self->refused.on_demand = true;
	group_put(by);
	return true;
}

/* With the limits as they were read last. */
static bool charge_alone(u32 handle, const struct memcg *top, u64 n, unsigned flags)
{
	struct memcg *limited;
	bool done;

	if (refused_on_demand(handle, n, flags))
		return false;
	done = charge_try_below(handle, top, n, &limited) ||
	       (!(flags & (CHARGE_FORCE | CHARGE_ONCE)) &&
		try_harder(handle, top, n, flags, &limited)) ||
	       refused(handle, n, flags, limited);
	if (done)
		owed_high(handle, n);
	tell(handle);
	return done;
}

bool charge_quiet_below(u32 handle, const struct memcg *top, u64 n, unsigned flags)
{
	if (charge_refresh)
		charge_refresh();
	return charge_alone(handle, top, n, flags);
}

bool charge_quiet(u32 handle, u64 n, unsigned flags)
{
	return charge_quiet_below(handle, NULL, n, flags);
}

/*
 * Through a dead handle: from its heir's stock or as its heir is charged, and then the bytes become
 * the dead handle's. Its own stock would keep it for ever.
 */
static bool charge_dead(struct handle *h, u32 n, unsigned flags)
{
	struct handle *to = handle_heir_get(h, HANDLE_PIN);
	bool done = charge_slot(handle_index(to), n, flags);

	if (done)
		handle_add(h, n); /* first: the bytes keep one of the two */
	else if (task_self())
		task_self()->refused.payer =
			handle_index(h); /* the caller's to keep, unlike the heir */
	handle_sub(to, HANDLE_PIN + (done ? n : 0));
	return done;
}

/* A refill: n for the caller and a batch for what comes next; near a limit n alone. */
static bool refill(enum stock_line line, u32 handle, u32 n, unsigned flags)
{
	struct memcg *limited;
	u32 batch;

	if (charge_refresh)
		charge_refresh();
	rcu_poll(false);
	batch = stock_batch(line, handle);
	if (charge_try(handle, n + batch, &limited)) {
		HOOK(batch_charged);
		if (line == STOCK_BY_HAND)
			tally_add(TALLY_EXTERNAL, handle, n + batch);
		stock_put(line, handle, batch, true);
		owed_high(handle, n + batch);
		tell(handle);
		return true;
	}
	group_put(limited);
	if (!charge_alone(handle, NULL, n, flags))
		return false;
	if (line == STOCK_BY_HAND)
		tally_add(TALLY_EXTERNAL, handle, n);
	return true;
}

/* Whether bytes may be charged ahead for it at all. */
static bool goes_by_stock(u32 handle, u64 n)
{
	return n < atomic_load(&memcg__stock_cap) && !fail_armed(handle);
}

static bool take_again(enum stock_line line, u32 handle, u32 n)
{
	return pcpu_take_slow(memcg__stock, STOCK_SHIFT, stock_offset_in(line, handle), handle, n);
}

bool memcg__charge_slow(u32 handle, u64 n, unsigned flags)
{
	if (!goes_by_stock(handle, n))
		return charge_quiet(handle, n, flags);
	if (take_again(STOCK_OBJECTS, handle, (u32)n))
		return true;
	if (unlikely(handle_dead(handle_of(handle))))
		return charge_dead(handle_of(handle), (u32)n, flags);
	return refill(STOCK_OBJECTS, handle, (u32)n, flags);
}

bool charge_hand_slow(u32 handle, u32 n, unsigned flags)
{
	if (take_again(STOCK_BY_HAND, handle, n))
		return true;
	if (goes_by_stock(handle, n) && !handle_dead(handle_of(handle)))
		return refill(STOCK_BY_HAND, handle, n, flags);
	if (!memcg__charge_slow(handle, n, flags))
		return false;
	tally_add(TALLY_EXTERNAL, handle, n);
	return true;
}

/* --- the outer half ----------------------------------------------------------------- */

static bool within_reserve(struct memcg *limited, u64 n)
{
	u64 max = atomic_load(&limited->counter.max);
	u64 reserve = MIN(MAX(max / 64, RESERVE_LEAST), RESERVE_MOST);

	return n <= reserve && counter_read(&limited->counter) + n <= max + reserve;
}

/* The last attempt goes past max, if anything entitles this thread to that. */
static bool pass_max(struct retry *r, struct memcg *limited, u64 n, bool freeing)
{
	if (r->flags & CHARGE_FORCE)
		return false; /* it was, and there is no memory */
	if (r->flags & MEMCG_NOFAIL) {
		if (limited)
			group_event(limited, EV_NOFAIL);
	} else if ((r->flags & MEMCG_RESERVE || freeing) && limited && within_reserve(limited, n)) {
		group_event(limited, EV_RESERVE);
	} else {
		return false;
	}
	r->flags |= CHARGE_FORCE;
	return true;
}

/* The stall is the payer's: it is short, whoever limits it. */
static void stall_begin(struct psi_stall *s, u32 payer)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;

	rcu_read_lock(self);
	cg = group_tryget(handle_group(handle_of(payer)));
	rcu_read_unlock(self);
	psi_begin(s, cg);
	group_put(cg);
}

static bool reclaims(struct memcg *limited, u64 want, enum reclaim_how how)
{
	return reclaim_group(limited, want, how) || reclaim_await(limited, how);
}

/* Memory, or a handler's word that some came free. Bounded, whatever they say. */
static bool relieve(struct retry *r, const struct refusal *why, struct memcg *limited)
{
	enum reclaim_how how = r->flags & CHARGE_OWN ? RECLAIM_OWN : RECLAIM_INLINE;
	u64 want = reclaim_want(limited, why->wanted);
	struct psi_stall stall;
	bool done;

	stall_begin(&stall, why->payer);
	done = (r->rounds++ < CHARGE_ROUNDS && reclaims(limited, want, how)) ||
	       (how != RECLAIM_OWN && r->rounds < 2 * CHARGE_ROUNDS &&
		oom_relieve(limited, why->payer, why->wanted, RECLAIM_INLINE));
	psi_end(&stall);
	return done;
}

static void give_up(struct memcg *limited, u64 n, unsigned flags)
{
	failure_record(limited, n);
	if (!limited)
		return;
	group_event(limited, EV_REFUSED);
	if (flags & CHARGE_OWN)
		group_event(limited, EV_OOM); /* else counted when a handler was looked for */
	if (flags & MEMCG_NOWAIT)
		group_event(limited, EV_NOWAIT);
	else
		owed_reclaim(limited, n, !(flags & CHARGE_OWN)); /* for what comes next */
	watch();
}

static bool decide(struct retry *r, struct refusal *why, struct memcg *limited)
{
	bool freeing = task_self()->reclaiming;
	bool may_wait = !(r->flags & (MEMCG_NOWAIT | CHARGE_FORCE)) && !freeing && !why->on_demand;

	if (may_wait && !limited && why->by.id)
		return r->rounds++ <
		       CHARGE_ROUNDS; /* died meanwhile: its ancestors may have room */
	if (may_wait && limited && relieve(r, why, limited))
		return true;
	if (pass_max(r, limited, why->wanted, freeing))
		return true;
	give_up(limited, why->wanted, r->flags);
	return false;
}

bool charge_again(struct retry *r)
{
	struct task *self = task_self();
	struct memcg *limited;
	struct refusal why;
	bool again;

	if (!self || self->busy || !self->refused.wanted)
		return false;
	why = self->refused;
	self->refused.wanted = 0;
	limited = group_ref_get(why.by);
	again = decide(r, &why, limited);
	group_put(limited);
	return again;
}

bool charge_bytes(u32 handle, u64 n, unsigned flags)
{
	struct retry r = RETRY(flags);

	do {
		if (charge_quiet(handle, n, r.flags))
			return true;
	} while (charge_again(&r));
	return false;
}
