/*
 * shrinker_call.c - going through the shrinkers of one group and calling them.
 *
 * Measuring. What a scan claims to have freed is held against what the group got back, by the
 * larger of two:
 *   the fall of its usage less its stock: exact while nobody else charges it;
 *   what this thread itself credited: folds to the counters (task.folded), and what stock has
 *   grown by. Charges of others do not lessen that, save by what they take from stock.
 * So others that charge meanwhile do not make a liar of an honest one; others that free make an
 * honest one of a liar, until they stop. Empty slabs that this thread keeps are given back before
 * a claim is found wanting.
 */
#include <errno.h>

#include "reclaim/shrinker.h"

#include "group/stock.h"
#include "reclaim/scan.h"
#include "sys/clock.h"
#include "sys/futex.h"

#define AWAIT_MOST 10000000ul /* ns */

/* Of the shrinkers of a group in turn: the one this thread is in. */
struct visit {
	struct memcg *cg;
	struct memcg_shrinker *now; /* claimed; NULL: none yet, or no more */
	u64 until;		    /* those registered later are not met: the visit ends */
	unsigned how;
	bool counting; /* else scanning: only those that were counted */
	bool late_too; /* nobody else had anything */
};

/* --- claims --------------------------------------------------------------------------- */

static bool eligible(const struct visit *v, const struct memcg_shrinker *s)
{
	return s->seq <= v->until && shrinker_allowed(s, v->how);
}

/* Nobody is in it, and there is something to ask it. */
static bool callable_locked(const struct visit *v, struct memcg_shrinker *s,
			    struct shrinker_complaint *c)
{
	if (s->runner) {
		/* Acquire: the clock is read after it, so it never shows an earlier time. */
		u64 started = atomic_load_acquire(&s->started);

		record_stuck(s, sys_clock_ns() - started, c);
		return false;
	}
	if (!v->counting)
		return s->counted;
	s->counted = 0;
	return v->late_too || !record_skips(s);
}

/* The next on the list behind l that may be called. */
static struct memcg_shrinker *find_locked(const struct visit *v, struct list *l,
					  struct shrinker_complaint *c)
{
	struct list *head = &v->cg->shrinkers->own;

	for (l = l->next; l != head; l = l->next) {
		struct memcg_shrinker *s = list_entry(l, struct memcg_shrinker, link);

		if (eligible(v, s) && callable_locked(v, s, c))
			return s;
	}
	return NULL;
}

/* NULL too when the group was destroyed meanwhile: then the rest is its parent's. */
static struct memcg_shrinker *next_locked(struct visit *v, struct shrinker_complaint *c)
{
	if (!v->now && v->cg->shrinkers)
		return find_locked(v, &v->cg->shrinkers->own, c);
	if (v->now && v->now->cg == v->cg)
		return find_locked(v, &v->now->link, c);
	return NULL;
}

static void claim_locked(struct memcg_shrinker *s)
{
	atomic_store(&s->started, sys_clock_ns());
	atomic_store(&s->runner, memcg__self->tid);
}

/* Gives the claim up. True: the caller frees it, outside the lock. */
static bool leave_locked(struct memcg_shrinker *s, u32 **waiter)
{
	atomic_store(&s->runner, 0u);
	if (s->awaited || (s->gone && !s->runner_frees))
		*waiter = &s->runner;
	s->awaited = false;
	if (s->runner_frees)
		shrinker_unlink_locked(s);
	return s->runner_frees;
}

/*
 * Goes on to the next, which is claimed before the last is given up. Who waits to unregister that
 * one may free it before it is woken here: a wake of whatever is there then does no harm.
 */
static bool visit_next(struct visit *v)
{
	struct shrinker_complaint c = {0};
	struct memcg_shrinker *last = v->now;
	u32 *waiter = NULL;
	bool frees = false;

	shrinkers_hold();
	v->now = next_locked(v, &c);
	if (v->now)
		claim_locked(v->now);
	if (last)
		frees = leave_locked(last, &waiter);
	shrinkers_release();
	if (frees)
		shrinker_free(last);
	if (waiter)
		sys_futex_wake(waiter, INT32_MAX);
	shrinker_complain(&c, v->cg);
	return v->now;
}

static struct visit visit_begin(struct memcg *cg, unsigned how, bool counting)
{
	return (struct visit){.cg = cg,
			      .how = how & ~RECLAIM_LATE_TOO,
			      .late_too = how & RECLAIM_LATE_TOO,
			      .counting = counting,
			      .until = atomic_load(&shrinkers_seq)};
}

/* --- one call --------------------------------------------------------------------------- */

struct call {
	struct memcg_shrinker *s;
	int saved_errno;
};

static struct call call_begin(struct memcg_shrinker *s)
{
	struct call call = {.s = s, .saved_errno = errno};

	ASSERT(!lock_holds_any() && !memcg__self->rcu.nest);
	atomic_store(&s->started, sys_clock_ns());
	memcg__self->reclaiming++;
	return call;
}

static void call_end(const struct call *call, struct memcg *cg)
{
	u64 ns = sys_clock_ns() - call->s->started;
	struct shrinker_complaint c = {0};

	memcg__self->reclaiming--;
	errno = call->saved_errno;
	shrinkers_hold();
	record_time(call->s, ns, &c);
	shrinkers_release();
	shrinker_complain(&c, cg);
}

static bool may_call(const struct memcg *cg, unsigned how)
{
	const struct task *self = task_self();

	return shrinkers_any(cg) && how != RECLAIM_QUIET && self && !self->busy &&
	       !self->reclaiming;
}

/* --- counting ----------------------------------------------------------------------------- */

static u64 count_one(const struct visit *v)
{
	struct memcg_shrinker *s = v->now;
	struct call call = call_begin(s);
	u64 n = s->count(v->cg, s->arg);

	call_end(&call, v->cg);
	shrinkers_hold();
	n = s->counted = record_believed(s, MIN(n, counter_read(&v->cg->counter)));
	shrinkers_release();
	return n;
}

u64 shrinkers_count(struct memcg *cg, unsigned how)
{
	struct visit v = visit_begin(cg, how, true);
	u64 usage = counter_read(&cg->counter), sum = 0;

	if (!may_call(cg, how))
		return 0;
	while (visit_next(&v))
		sum += count_one(&v);
	return MIN(sum, usage);
}

/* --- scanning ------------------------------------------------------------------------------ */

struct measure {
	struct memcg *cg;
	u64 usage, stock;
	bool alone; /* all that it and those below it have is charged to its own handle */
};

/* Others' handles are those of groups below, and of dead ones it inherited: these pin its own. */
static bool is_alone(struct memcg *cg)
{
	return cg != root_group && atomic_load(&cg->handle->refs) / HANDLE_PIN == 1 &&
	       !group_descendants(cg);
}

static u64 stock_now(const struct measure *m)
{
	return m->alone ? stock_of(m->cg->handle->index) : stock_sum(m->cg);
}

static struct measure measure_begin(struct memcg *cg)
{
	struct measure m = {.cg = cg, .usage = counter_read(&cg->counter), .alone = is_alone(cg)};

	m.stock = stock_now(&m);
	memcg__self->folded = 0;
	memcg__self->measured = cg;
	return m;
}

static u64 came_back(const struct measure *m)
{
	u64 stock = stock_now(m);
	s64 fell = (s64)(m->usage - counter_read(&m->cg->counter)) + (s64)(stock - m->stock);
	s64 credited = (s64)memcg__self->folded + (s64)(stock - m->stock);

	return (u64)MAX(MAX(fell, credited), 0);
}

static u64 measure_end(const struct measure *m, u64 claimed)
{
	u64 bytes = came_back(m);

	if (bytes < claimed) {
		reclaim_drain_sources(m->cg, false);
		bytes = came_back(m);
	}
	memcg__self->measured = NULL;
	return bytes;
}

/* One that freed less than it was asked for has no more just now, whatever it said. */
static void settle(const struct visit *v, u64 asked, u64 claimed, u64 measured)
{
	struct memcg_shrinker *s = v->now;
	struct shrinker_complaint c = {0};

	shrinkers_hold();
	s->counted = claimed < asked ? 0 : s->counted - MIN(s->counted, claimed);
	record_claim(s, claimed, measured, &c);
	shrinkers_release();
	shrinker_complain(&c, v->cg);
}

static u64 scan_one(const struct visit *v, u64 bytes)
{
	struct memcg_shrinker *s = v->now;
	struct measure m = measure_begin(v->cg);
	struct call call = call_begin(s);
	size_t said = s->scan(v->cg, bytes, s->started + s->deadline, s->arg);
	u64 claimed, measured;

	call_end(&call, v->cg);
	claimed = said == MEMCG_SHRINK_STOP ? 0 : MIN(said, m.usage);
	measured = measure_end(&m, claimed);
	settle(v, bytes, claimed, measured);
	return MIN(claimed, measured);
}

static u64 weight(const struct memcg_shrinker *s)
{
	return MAX(s->counted >> s->priority, 1ul);
}

static u64 weights(const struct visit *v)
{
	struct list *l;
	u64 sum = 0;

	shrinkers_hold();
	if (v->cg->shrinkers)
		list_for_each(l, &v->cg->shrinkers->own)
		{
			struct memcg_shrinker *s = list_entry(l, struct memcg_shrinker, link);

			if (eligible(v, s) && !s->runner && s->counted)
				sum += weight(s);
		}
	shrinkers_release();
	return sum;
}

static u64 scan_round(struct memcg *cg, u64 bytes, unsigned how)
{
	struct visit v = visit_begin(cg, how, false);
	u64 sum = weights(&v), freed = 0;

	while (visit_next(&v)) {
		/* Another thread may have counted it meanwhile: its share is never the whole twice.
		 */
		u64 part = MIN(weight(v.now), sum);
		u64 share = (u64)((unsigned __int128)bytes * part / MAX(sum, 1ul));

		share = MIN(share, v.now->counted);
		if (share)
			freed += scan_one(&v, share);
	}
	return freed;
}

/* Twice: what some had not, the others are asked for too. */
u64 shrinkers_scan(struct memcg *cg, u64 bytes, unsigned how)
{
	u64 freed;

	if (!may_call(cg, how))
		return 0;
	freed = scan_round(cg, bytes, how);
	return freed < bytes ? freed + scan_round(cg, bytes - freed, how) : freed;
}

/* It may be gone by the time this sleeps, and its memory another's: then it sleeps in vain. */
static bool shrinkers_await(struct memcg *top, unsigned how)
{
	struct memcg_shrinker *s;
	u32 who = 0;

	if (!may_call(top, how))
		return false;
	shrinkers_hold();
	s = shrinker_running_locked(top, how);
	if (s) {
		s->awaited = true;
		who = s->runner;
	}
	shrinkers_release();
	if (s)
		sys_futex_wait(&s->runner, who, AWAIT_MOST);
	return s;
}

const struct reclaim_source shrinkers = {
	.name = "shrinkers",
	.next = shrinkers_next,
	.count = shrinkers_count,
	.scan = shrinkers_scan,
	.await = shrinkers_await,
	.rotate = shrinkers_rotate,
};
