/*
 * scan.c - the policy of reclaim: whom to ask, in which order, for how much. In the subtree of the
 * group that is over its limit, whoever charged.
 *
 * 1. First what nobody would miss: stock, empty slabs, cached pages (source.h, drain).
 * 2. Then the groups that have something, each in proportion to what it has and to how far it is
 *    above its protection (count/protect.c): the priorities 12..0 of the kernel, each asking for
 *    twice the share of the one before, until enough came back. The first is where all together are
 *    asked for no more than is wanted: with smaller shares a walk would not be fairer, and what is
 *    dear by the call (an unmapping, a transfer) would be done for a page at a time. A group at or
 *    under its min is never asked; one at or under its low only in a second pass, when the first
 *    found nothing at all, and that is counted as its event `low`.
 *    What is left out for being slow is asked in that case too, before any low is broken.
 * 3. A walk that has enough stops, and the next one begins behind: so a tree of thousands of
 *    caches is not called whole for one page, and none is always first.
 * 4. A request ends whatever its callbacks do: groups that they make are left out of it.
 * 5. What was freed counts by the usage of the target before and after. Others may charge
 *    meanwhile: then the sources' word is taken, which they check themselves.
 */
#include "reclaim/scan.h"

#include "group/stock.h"
#include "page/page.h"

#define SCAN_PRIORITY 12u

const struct reclaim_source *reclaim_sources[RECLAIM_SOURCES + 1];

struct scan {
	struct memcg *target;
	u64 want, freed;
	enum reclaim_how how;
	unsigned priority;
	bool low_too;	   /* the second pass */
	bool low_skipped;  /* somebody was left alone for its low */
	unsigned late_too; /* RECLAIM_LATE_TOO, or 0 */
	bool asked_any;	   /* in this walk */
	u64 born_before;   /* ids of the groups that are met */
};

void reclaim_source_add(const struct reclaim_source *source)
{
	unsigned i = 0;

	while (reclaim_sources[i])
		i++;
	BUG_ON(i == RECLAIM_SOURCES);
	reclaim_sources[i] = source;
}

/* --- the quiet part ----------------------------------------------------------- */

u64 reclaim_drain_sources(struct memcg *target, bool all)
{
	u64 bytes = 0;
	unsigned i;

	task_busy_begin();
	for (i = 0; reclaim_sources[i]; i++)
		if (reclaim_sources[i]->drain)
			bytes += reclaim_sources[i]->drain(target, all);
	task_busy_end();
	return bytes;
}

static u64 drain_all(struct memcg *target)
{
	u64 bytes = reclaim_drain_sources(target, false);

	task_busy_begin();
	if (target == root_group)
		bytes += page_purge_all();
	bytes += stock_drain(target);
	task_busy_end();
	return bytes;
}

u64 reclaim_quiet(struct memcg *target, unsigned round)
{
	u64 bytes;

	if (round)
		return drain_all(target);
	task_busy_begin();
	bytes = stock_drain(target);
	task_busy_end();
	return bytes;
}

/* --- whom to ask, and for how much -------------------------------------------------- */

/* What protection leaves of size; 0: the group is left alone. */
static u64 exposed(struct scan *s, struct memcg *cg, u64 size)
{
	struct protection p = counter_protection(&cg->counter, &s->target->counter);
	u64 usage = counter_read(&cg->counter), kept = p.min;

	if (usage <= p.min)
		return 0;
	if (usage <= p.low && !s->low_too) {
		s->low_skipped = true;
		return 0;
	}
	if (usage <= p.low)
		group_event(cg, EV_LOW);
	else if (p.low > p.min && !s->low_too)
		kept = p.low;
	size -= (u64)((unsigned __int128)size * MIN(kept, usage) / (usage + 1));
	return size;
}

/* Never less than a page: a small cache must not have to wait for the last priority. And never
 * more than is still wanted: the one who happens to be asked last would pay for all. */
static u64 asked(const struct scan *s, u64 size)
{
	return MIN(MAX(size >> s->priority, PAGE_SIZE),
		   MIN(size, MAX(s->want - s->freed, PAGE_SIZE)));
}

static void scan_one(struct scan *s, const struct reclaim_source *source, struct memcg *cg)
{
	unsigned how = s->how | s->late_too;
	u64 has = source->count(cg, how), size;

	if (!has)
		return;
	size = exposed(s, cg, has);
	if (!size)
		return;
	s->asked_any = true;
	s->freed += source->scan(cg, asked(s, size), how);
}

static void scan_source(struct scan *s, const struct reclaim_source *source)
{
	struct memcg *cg = NULL;

	while ((cg = source->next(s->target, cg))) {
		if (cg->id < s->born_before)
			scan_one(s, source, cg);
		if (s->freed < s->want)
			continue;
		source->rotate(s->target, cg);
		group_put(cg);
		return;
	}
}

static void scan_sources(struct scan *s)
{
	unsigned i;

	for (i = 0; reclaim_sources[i] && s->freed < s->want; i++)
		if (reclaim_sources[i]->next && (reclaim_sources[i]->own || s->how != RECLAIM_OWN))
			scan_source(s, reclaim_sources[i]);
}

/* Asked of all together: not more than is wanted. */
static unsigned first_priority(const struct scan *s)
{
	u64 usage = counter_read(&s->target->counter);
	unsigned priority = 0;

	while (priority < SCAN_PRIORITY && usage >> priority > s->want)
		priority++;
	return priority;
}

/* Where one walk finds nobody to ask, the next would not either. */
static void scan_pass(struct scan *s)
{
	s->asked_any = true;
	for (s->priority = first_priority(s) + 1;
	     s->asked_any && s->priority-- && s->freed < s->want;) {
		s->asked_any = false;
		scan_sources(s);
	}
}

/* --- the request ------------------------------------------------------------------------ */

/* Also for RECLAIM_OWN: nothing of ours is open, and this thread is not reclaiming already. */
static bool program_may_run(enum reclaim_how how)
{
	const struct task *self = task_self();

	return how != RECLAIM_QUIET && self && !self->busy && !self->reclaiming;
}

bool reclaim_await(struct memcg *target, enum reclaim_how how)
{
	unsigned i;

	if (!program_may_run(how) || how == RECLAIM_OWN)
		return false;
	for (i = 0; reclaim_sources[i]; i++)
		if (reclaim_sources[i]->await && reclaim_sources[i]->await(target, how))
			return true;
	return false;
}

/*
 * Somebody was left alone for its low, and nothing came of the others. When another thread is in
 * their sources just now that is no wonder: low is not broken for it, and what the other made room
 * for is worth another try, which 1 byte stands for.
 */
static u64 scan_low(struct scan *s)
{
	if (reclaim_await(s->target, s->how)) {
		scan_pass(s);
		return MAX(s->freed, 1ul);
	}
	s->low_too = true;
	scan_pass(s);
	return s->freed;
}

static u64 scan(struct memcg *target, u64 want, enum reclaim_how how)
{
	struct scan s = {.target = target, .want = want, .how = how};

	s.born_before = group_next_id();
	scan_pass(&s);
	if (!s.freed) {
		s.late_too = RECLAIM_LATE_TOO; /* rather slow than refused */
		scan_pass(&s);
	}
	return s.freed || !s.low_skipped ? s.freed : scan_low(&s);
}

u64 reclaim_group(struct memcg *target, u64 want, enum reclaim_how how)
{
	u64 before = group_current(target), now, freed = 0;

	drain_all(target);
	now = group_current(target);
	if ((now >= before || before - now < want) && program_may_run(how)) {
		freed = scan(target, now < before ? want - (before - now) : want, how);
		drain_all(target); /* what was freed is in this thread's heaps and stock */
		now = group_current(target);
	}
	return MAX(freed, now < before ? before - now : 0);
}

u64 reclaim_want(struct memcg *limited, u64 n)
{
	return MAX(n, MIN(RECLAIM_BATCH, atomic_load(&limited->counter.max) / 16));
}
