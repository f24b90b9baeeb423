/*
 * punch.c - the memory of free pages goes to the system: of each page that comes home to a STRICT
 * pool, or that the system may still read, before it is free again; of others by age.
 *
 * 1. Pages that come home so wait for others, up to 32 (punch[], the pool's lock), so that runs of
 *    them cost one system call. Waiting, they are taken. By age they go whether others came or not.
 * 2. While its memory is taken a page is taken too: nobody has it, and the pool cannot end.
 * 3. Where the system refuses, a page's memory is cleared instead (managed.c). Not if the system
 * may still read it: such a page waits again, or where there is no room to wait, is never used
 * again.
 */
#include "net/pool.h"

#include "sys/clock.h"
#include "sys/memfd.h"

static u32 run_of(const u32 *index, u32 n)
{
	u32 run = 1;

	while (run < n && index[run] == index[0] + run)
		run++;
	return run;
}

static void sort(u32 *index, u32 n)
{
	for (u32 i = 1; i < n; i++) {
		u32 x = index[i], at = i;

		for (; at && index[at - 1] > x; at--)
			index[at] = index[at - 1];
		index[at] = x;
	}
}

static void give_run(struct memcg_pool *p, u32 first, u32 n, bool resident)
{
	struct page *pages[64];

	for (u32 i = 0, step; i < n; i += step) {
		step = MIN(n - i, (u32)ARRAY_SIZE(pages));
		for (u32 k = 0; k < step; k++)
			pages[k] = page_at(first + i + k);
		extents_give(p, pages, step, resident);
	}
}

static bool may_be_read(u32 first, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (atomic_load(&page_at(first + i)->net.flags) & NET_SENT)
			return true;
	return false;
}

static void wait_again(struct memcg_pool *p, const u32 *index, u32 n)
{
	lock_acquire(&p->lock);
	for (u32 i = 0; i < n && p->pending < ARRAY_SIZE(p->punch) - 1; i++)
		p->punch[p->pending++] = index[i];
	lock_release(&p->lock);
}

static void punch_run(struct memcg_pool *p, const u32 *index, u32 n)
{
	bool resident = false;

	if (!may_be_read(index[0], n))
		resident = managed_punch(index[0], n);
	else if (sys_punch(managed_fd(), managed_offset(index[0]), (u64)n << PAGE_SHIFT)) {
		wait_again(p, index, n);
		return;
	}
	if (!resident)
		atomic_add_relaxed(&p->released, (u64)n);
	give_run(p, index[0], n, resident);
}

/* The batch's memory goes, run by run; then the pages are free. */
static void punch(struct memcg_pool *p, u32 *index, u32 n)
{
	sort(index, n);
	for (u32 i = 0, run; i < n; i += run) {
		run = run_of(index + i, n - i);
		punch_run(p, index + i, run);
	}
}

static u32 pending_take_locked(struct memcg_pool *p, u32 *index)
{
	u32 n = p->pending;

	for (u32 i = 0; i < n; i++)
		index[i] = p->punch[i];
	p->pending = 0;
	return n;
}

/* A dying pool waits for nothing. */
static void give_one(struct memcg_pool *p, const struct page *pg)
{
	u32 index[ARRAY_SIZE(p->punch)], n = 0;

	lock_acquire(&p->lock);
	p->punch[p->pending++] = page_to_index(pg);
	if (p->pending == ARRAY_SIZE(p->punch) || atomic_load(&p->state))
		n = pending_take_locked(p, index);
	lock_release(&p->lock);
	punch(p, index, n);
}

void punch_give(struct memcg_pool *p, struct page **pages, u32 n)
{
	for (u32 i = 0; i < n; i++)
		give_one(p, pages[i]);
}

void punch_flush(struct memcg_pool *p)
{
	u32 index[ARRAY_SIZE(p->punch)], n;

	lock_acquire(&p->lock);
	n = pending_take_locked(p, index);
	lock_release(&p->lock);
	punch(p, index, n);
}

HOOK_DEFINE(purge_taken);

/* What the system refuses once, it may refuse for ever: the next pass tries. */
u64 punch_old(struct memcg_pool *p, u32 min_age_ms)
{
	u32 now = sys_clock_coarse_ms(), first, n;
	u64 bytes = 0;
	bool refused = false;

	while (!refused && (n = extents_take_old(p, now, min_age_ms, &first))) {
		HOOK(purge_taken);
		refused = managed_punch(first, n);
		if (refused) {
			atomic_add_relaxed(&page_purge_failed, 1ul);
		} else {
			atomic_add_relaxed(&p->released, (u64)n);
			bytes += (u64)n << PAGE_SHIFT;
		}
		give_run(p, first, n, refused);
	}
	extents_drop_idle(p, now, min_age_ms);
	return bytes;
}
