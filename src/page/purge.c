/*
 * purge.c - free memory goes back to the system: by age now and then, or all at once.
 *
 * 1. Nobody runs in the background. Slow paths call page_tick(); on each CPU one call in
 *    TICKS_PER_LOOK reads the coarse clock; when page_purge_ms have passed
 *    since the last pass one thread makes the next.
 * 2. A pass takes old blocks off the lists (kind BALLOON), gives their memory back
 *    with no lock of the lists held, and puts them back clean. Neighbours go in one call.
 * 3. By age only blocks of 64 KiB and more are looked at: a call costs about as much as
 *    the faults it saves on smaller ones, and larger ones come of them by coalescing.
 * 4. purge_lock: one pass at a time, and none under way when the process forks, whose child
 *    would miss the blocks that were off the lists.
 */
#include "page/free.h"

#include "sync/lock.h"
#include "sync/percpu_fast.h"
#include "sys/clock.h"
#include "sys/map.h"

#define TICKS_PER_LOOK 64u /* of one line's */
#define TICK_LINES     64u
#define BATCH	       64u

u32 page_purge_ms = 1000;
u64 (*page_cached_more)(void);
u64 (*page_purge_more)(bool all);
u64 page_purge_failed;

static struct lock purge_lock = LOCK_INIT(RANK_PURGE);
static u32 last_pass_ms; /* under purge_lock, read racily */

/* A line for each CPU, or for a few: one for all is what CPUs would wait for in every slow path. */
static struct {
	u32 n; /* racy: a lost count delays a look */
} __cacheline_aligned_ ticks[TICK_LINES];

void purge_lock_acquire(void)
{
	lock_acquire(&purge_lock);
}

void purge_lock_release(void)
{
	lock_release(&purge_lock);
}

/* ---- blocks ---- */
static void sort_by_index(struct piece *p, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct piece x = p[i];
		unsigned at = i;

		for (; at && p[at - 1].index > x.index; at--)
			p[at] = p[at - 1];
		p[at] = x;
	}
}

/* Length of the run of adjacent blocks that starts at p[0]. */
static unsigned adjacent(const struct piece *p, unsigned n)
{
	unsigned i = 1;

	while (i < n && p[i].index == p[i - 1].index + (1u << p[i - 1].order))
		i++;
	return i;
}

/* Bytes given back; what the system refused stays dirty. */
static u64 purge_batch(struct piece *p, unsigned n)
{
	u64 done = 0;

	sort_by_index(p, n);
	while (n) {
		unsigned run = adjacent(p, n);
		size_t bytes = ((size_t)run << p[0].order) << PAGE_SHIFT;
		bool ok = !sys_purge(page_address(page_at(p[0].index)), bytes);

		if (ok)
			done += bytes;
		else
			atomic_add_relaxed(&page_purge_failed, 1ul);
		for (unsigned i = 0; i < run; i++)
			buddy_purge_put(&p[i], ok);
		p += run;
		n -= run;
	}
	return done;
}

/* Ends at the first batch not wholly purged: its blocks are young again, and would come round. */
static u64 purge_order(unsigned order, u32 min_age_ms, u64 want)
{
	size_t bytes = PAGE_SIZE << order;
	struct piece batch[BATCH];
	u64 done = 0;

	while (done < want) {
		u64 missing = (want - done - 1) / bytes + 1;
		unsigned n =
			buddy_purge_take(order, min_age_ms, batch, (unsigned)MIN(missing, BATCH));
		u64 got = purge_batch(batch, n);

		done += got;
		if (!n || got < n * bytes)
			break;
	}
	return done;
}

static u64 buddy_purge_held(u32 min_age_ms, u64 want)
{
	unsigned lowest = min_age_ms ? AGED_ORDER_MIN : 0;
	u64 done = 0;

	for (unsigned order = MAX_ORDER + 1; order-- > lowest && done < want;)
		done += purge_order(order, min_age_ms, want - done);
	return done;
}

u64 buddy_purge(u32 min_age_ms, u64 want)
{
	u64 done;

	lock_acquire(&purge_lock);
	done = buddy_purge_held(min_age_ms, want);
	lock_release(&purge_lock);
	return done;
}

/* ---- passes ---- */
static __noinline_ void pass_by_age(u32 now)
{
	if (!lock_try(&purge_lock))
		return;
	if (now - last_pass_ms >= page_purge_ms) {
		atomic_store(&last_pass_ms, now);
		buddy_purge_held(page_purge_ms, UINT64_MAX);
		range_purge_held(page_purge_ms, UINT64_MAX);
	}
	lock_release(&purge_lock);
}

void page_tick(void)
{
	u32 *mine = &ticks[pcpu_here() % TICK_LINES].n, n = atomic_load(mine) + 1, now;

	atomic_store(mine, n);
	if (likely(n % TICKS_PER_LOOK))
		return;
	now = sys_clock_coarse_ms();
	if (now - atomic_load(&last_pass_ms) < page_purge_ms)
		return;
	pass_by_age(now);
	if (page_purge_more)
		page_purge_more(false);
}

u64 page_purge_all(void)
{
	u64 done;

	pcp_drain_all();
	done = buddy_purge(0, UINT64_MAX);
	done += range_purge(0, UINT64_MAX);
	return done + (page_purge_more ? page_purge_more(true) : 0);
}

u64 range_purge(u32 min_age_ms, u64 want)
{
	u64 done;

	lock_acquire(&purge_lock);
	done = range_purge_held(min_age_ms, want);
	lock_release(&purge_lock);
	return done;
}

/* For callers that hold locks of a higher rank than purge_lock, so only when it is free. */
u64 range_purge_try(void)
{
	u64 done;

	if (!lock_try(&purge_lock))
		return 0;
	done = range_purge_held(0, UINT64_MAX);
	lock_release(&purge_lock);
	return done;
}

/* ---- fork ---- */
void page_after_fork_prepare(void)
{
	lock_acquire(&purge_lock);
	meta_fork_lock();
	range_fork_lock();
	pcp_fork_lock();
	buddy_fork_lock();
}

void page_after_fork_done(void)
{
	buddy_fork_unlock();
	pcp_fork_unlock();
	range_fork_unlock();
	meta_fork_unlock();
	lock_release(&purge_lock);
}
