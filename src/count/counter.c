/*
 * counter.c - climbing the counters.
 *
 * 1. Limits. A charger adds to usage, then reads max; a setter exchanges max,
 *    then reads usage. All four are sequentially consistent, so one of the two sees the
 *    other: either the charger is refused by the new max, or the setter finds the charge in
 *    usage and reclaims. Nobody slips in between.
 * 2. Wrapping. usage must not wrap, not even between an add and its roll-back: an
 *    uncharge that met a wrapped word would report an underflow that is none.
 *    Charges of COUNTER_HUGE and more therefore go by compare-and-swap and never
 *    store a sum that does not fit. Smaller ones can wrap only a level that
 *    holds nearly 2^64 already, which is more than any memory; they are refused there too.
 * 3. Uncharging is a compare-and-swap as well, because a subtraction cannot be
 *    clamped afterwards: in between, a second uncharge would find the wrapped word large enough and
 *    take from it in silence.
 * 4. Peak is a racy maximum. Two chargers that raise it at once may leave the
 *    smaller value, and a charge that a higher level refused has raised it on
 *    the lower ones. Both are tolerated: the error is one charge beside a
 *    figure people look at, and a loop here would be paid by every charge. It is
 *    taken from sums that passed the level's max, so it does not exceed that.
 * 5. Protection. A parent must know how much its children claim without visiting them. Each
 *    counter remembers what it has in its parent's sum (min_usage: usage, at most min) and
 *    exchanges it when that changes; the difference goes to the sum, so the sum is exact
 *    whatever the order; for a moment, between the two steps of several, it may be below 0. Only
 *    counters with a min or a low do this. Whoever exchanges reads usage and setting again
 *    after it: of two that do so at once the later may have come with older figures, and
 *    nobody might ever come again to mend that.
 */
#include "count/counter.h"

#include "base/assert.h"
#include "sys/log.h"

u64 counter_underflows;

void counter_init(struct counter *c, struct counter *parent)
{
	*c = (struct counter){
		.high = MEMCG_UNLIMITED,
		.max = MEMCG_UNLIMITED,
		.parent = parent,
	};
}

/* Stores only a new maximum, so that the line stays shared once usage has stopped growing. */
static void note_peak(struct counter *c, u64 usage)
{
	if (likely(usage <= atomic_load(&c->local_peak)))
		return; /* nor is it more than the peak, which is never below */
	atomic_store(&c->local_peak, usage);
	if (usage > atomic_load(&c->peak))
		atomic_store(&c->peak, usage);
}

/* Max less what stands against it uncharged. */
static u64 level_limit(const struct counter *c)
{
	/* Pairs with the exchange in counter_set_max. A plain load on x86. */
	u64 max = __atomic_load_n(&c->max, __ATOMIC_SEQ_CST);
	u64 extra;

	if (likely(!c->extra) || max == MEMCG_UNLIMITED)
		return max;
	extra = atomic_load(c->extra);
	if (unlikely((s64)extra < 0))
		extra = 0; /* added to and taken from by different threads: for a moment below
			      nothing */
	return extra < max ? max - extra : 0;
}

static u64 claimable(const u64 *setting, const u64 *usage)
{
	u64 set = atomic_load_seq(setting), used = atomic_load_seq(usage);

	return used < set ? used : set;
}

/* One of min and low: what c has in its parent's sum becomes usage, at most the setting. */
static void claim(const u64 *setting, const u64 *usage, u64 *mine, u64 *sum)
{
	u64 share, old;

	/* Exchange, then look again: pairs with those who change usage or setting, then come here.
	 */
	while ((share = claimable(setting, usage)) != atomic_load_seq(mine)) {
		old = atomic_xchg(mine, share);
		atomic_add_relaxed(sum, share - old);
	}
}

static void claim_both(struct counter *c)
{
	if (!c->parent)
		return;
	claim(&c->min, &c->usage, &c->min_usage, &c->parent->children_min);
	claim(&c->low, &c->usage, &c->low_usage, &c->parent->children_low);
}

/* After usage has changed. */
static inline void note_usage(struct counter *c)
{
	if (unlikely(atomic_load(&c->min) | atomic_load(&c->low)))
		claim_both(c);
}

/* What the level does not hold is reported, and the level set to 0. */
static void level_sub(struct counter *c, u64 n)
{
	u64 old = atomic_load(&c->usage);

	while (!atomic_cas(&c->usage, &old, old < n ? 0 : old - n))
		;
	note_usage(c);
	if (likely(old >= n))
		return;
	atomic_add_relaxed(&counter_underflows, 1);
	log_line("counter %p: uncharge of %llu bytes from a usage of %llu, set to 0: "
		 "something was uncharged twice; compare with the recount of memcg_report()",
		 (void *)c, (unsigned long long)n, (unsigned long long)old);
}

static bool level_try_huge(struct counter *c, u64 n)
{
	u64 old = atomic_load(&c->usage), now;

	do {
		if (__builtin_add_overflow(old, n, &now) || now > level_limit(c))
			return false;
	} while (!atomic_cas(&c->usage, &old, now));
	note_peak(c, now);
	note_usage(c);
	return true;
}

/* One level of a charge. False leaves it as it was. */
static bool level_try(struct counter *c, u64 n)
{
	u64 now;

	if (unlikely(n >= COUNTER_HUGE))
		return level_try_huge(c, n);
	now = atomic_add(&c->usage, n);
	if (unlikely(now < n)) {
		atomic_sub(&c->usage, n); /* wrapped: back the same way */
		return false;
	}
	if (unlikely(now > level_limit(c))) {
		level_sub(c, n);
		return false;
	}
	note_peak(c, now);
	note_usage(c);
	return true;
}

bool counter_try_charge_below(struct counter *c, const struct counter *top, u64 n,
			      struct counter **fail)
{
	struct counter *level, *done;

	for (level = c; level != top; level = level->parent) {
		if (likely(level_try(level, n)))
			continue;
		atomic_add_relaxed(&level->failcnt, 1);
		for (done = c; done != level; done = done->parent)
			level_sub(done, n);
		if (fail)
			*fail = level;
		return false;
	}
	atomic_add(&c->own, n);
	return true;
}

bool counter_try_charge(struct counter *c, u64 n, struct counter **fail)
{
	return counter_try_charge_below(c, NULL, n, fail);
}

void counter_charge(struct counter *c, u64 n)
{
	u64 now;

	atomic_add(&c->own, n);
	for (; c; c = c->parent) {
		now = atomic_add(&c->usage, n);
		BUG_ON(now < n); /* memory that exists is not 2^64 bytes */
		note_peak(c, now);
		note_usage(c);
	}
}

void counter_uncharge_below(struct counter *c, const struct counter *top, u64 n)
{
	atomic_sub(&c->own, n);
	for (; c != top; c = c->parent)
		level_sub(c, n);
}

void counter_uncharge(struct counter *c, u64 n)
{
	counter_uncharge_below(c, NULL, n);
}

u64 counter_own(const struct counter *c)
{
	s64 own = (s64)atomic_load(&c->own);

	return own > 0 ? (u64)own : 0;
}

void counter_pass_own(struct counter *from, struct counter *to)
{
	u64 n = atomic_xchg(&from->own, (u64)0);

	if (n)
		atomic_add(&to->own, n);
}

u64 counter_set_max(struct counter *c, u64 max)
{
	/* Pairs with the load in level_limit: see 1. The caller reads usage next, by counter_read.
	 */
	return atomic_xchg(&c->max, max);
}

void counter_set_min(struct counter *c, u64 min)
{
	__atomic_store_n(&c->min, min, __ATOMIC_SEQ_CST); /* pairs with the loads in claim() */
	claim_both(c);
}

void counter_set_low(struct counter *c, u64 low)
{
	__atomic_store_n(&c->low, low, __ATOMIC_SEQ_CST); /* as above */
	claim_both(c);
}

void counter_unprotect(struct counter *c)
{
	counter_set_min(c, 0);
	counter_set_low(c, 0);
}

void counter_set_high(struct counter *c, u64 high)
{
	atomic_store(&c->high, high);
}

u64 counter_reset_local_peak(struct counter *c, u64 *before)
{
	u64 usage = atomic_load(&c->usage);

	/* A charger may store an older, higher sum right after: tolerated as in 4. What is raised
	 * between load and exchange is in *before. */
	*before = atomic_xchg(&c->local_peak, usage);
	if (*before > atomic_load(&c->peak))
		atomic_store(&c->peak, *before); /* the race of 4 had left a smaller one */
	return usage;
}

u64 counter_headroom(const struct counter *c)
{
	u64 least = MEMCG_UNLIMITED, limit, usage, room;

	for (; c; c = c->parent) {
		limit = level_limit(c);
		if (limit == MEMCG_UNLIMITED)
			continue;
		usage = atomic_load(&c->usage);
		room = usage < limit ? limit - usage : 0;
		least = room < least ? room : least;
	}
	return least;
}

struct counter *counter_over_high(struct counter *c)
{
	for (; c; c = c->parent)
		if (atomic_load(&c->usage) > atomic_load(&c->high))
			return c;
	return NULL;
}
