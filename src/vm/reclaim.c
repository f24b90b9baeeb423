/*
 * reclaim.c - which pages a group gives back: its part of the list of sources (reclaim/source.h).
 *
 * 1. Anonymous pages and those of files in proportion to what there is of each. Of each kind the
 *    inactive list is filled up from the active one (lists.h) to a quarter of both, by at most four
 *    times what is asked for: so a first reclaim is not the price of the whole list. And to what is
 *    asked for: then the oldest have no time to show that they are used.
 * 2. From the inactive list the oldest go: one that was used meanwhile becomes active, one that is
 *    mapped without having been taken out before is taken out and begins again, the rest is
 * evicted.
 *    Anonymous pages of a group that may swap nothing more, or has no room to put it, are not
 * looked at: taking all of them out of their windows to no avail costs each its next fault. Nor are
 *    they where all were tried lately and none could go (group/stuck.h).
 * 3. When that is too little, compressed copies are written to the swap file, the oldest first.
 * 4. A call looks at most twice at each page, so it ends. It runs none of the program's code, and
 *    never waits for a page: whose lock is taken is left alone.
 */
#include "vm/reclaim.h"

#include "group/stuck.h"
#include "reclaim/reclaimer.h"

#include "vm/lists.h"
#include "vm/resident.h"
#include "vm/rmap.h"
#include "vm/store.h"
#include "vm/zswap.h"

/* On whose account, in the order of the events that count it. */
enum reclaim_by {
	BY_RECLAIMER = VM_STEAL_KSWAPD,
	BY_CHARGER = VM_STEAL_DIRECT,
	BY_PROGRAM = VM_STEAL_PROACTIVE
};

struct shrink {
	struct memcg *cg;
	enum reclaim_by by;
	u64 want, freed; /* bytes */
	u32 spared;	 /* pages that were used, or had no time to show it */
};

static bool claim(struct page *pg)
{
	if (!page_trylock(pg, PAGE_EVICTING))
		return false;
	if (!page_pinned(pg))
		return true;
	page_unlock(pg);
	return false;
}

static unsigned isolate(struct memcg *cg, enum lru_list list, struct page **out, unsigned n)
{
	struct lruvec *lv = &cg->vm->lru;
	unsigned got;

	lock_acquire(&lv->lock);
	got = lru_isolate(lv, list, claim, out, MIN(n, EVICT_MAX));
	lock_release(&lv->lock);
	stat_add(cg->handle->index, lru_stat(list), -(s64)got * (s64)PAGE_SIZE);
	return got;
}

static enum reclaim_by on_whose_account(void)
{
	if (reclaimer_is_self())
		return BY_RECLAIMER;
	return task_self() && task_self()->asked ? BY_PROGRAM : BY_CHARGER;
}

static void count_batch(const struct shrink *s, u64 scanned, u64 stolen)
{
	enum vm_event steal = (enum vm_event)s->by;
	enum vm_event scan = VM_SCAN_KSWAPD + (steal - VM_STEAL_KSWAPD);

	group_vm_event(s->cg, scan, scanned);
	group_vm_event(s->cg, steal, stolen);
}

/* --- active to inactive ------------------------------------------------------------------ */

/* n locked pages that are on no list: out of their windows, on the inactive list. */
static void put_on_probation(struct page **pages, unsigned n)
{
	pages_take_out(pages, n);
	for (unsigned i = 0; i < n; i++) {
		pages[i]->managed.flags &= (u8)~MG_REFERENCED;
		pages[i]->managed.flags |= MG_PROBATION;
		page_relist(pages[i], false);
		page_unlock(pages[i]);
	}
}

/* At how many pages it has looked, of which some may be pinned or somebody's. */
static unsigned refill(struct memcg *cg, enum lru_list inactive, u64 want)
{
	struct lruvec *lv = &cg->vm->lru;
	u64 in = lru_bytes(lv, inactive), active = lru_bytes(lv, inactive + 1), all = in + active;
	u64 target = MAX(MIN(all / 4, in + 4 * want), want);
	u64 n = target > in ? DIV_ROUND_UP(MIN(target - in, active), PAGE_SIZE) : 0;
	struct page *pages[EVICT_MAX];
	unsigned got, looked = 0;

	for (; looked < n; looked += (unsigned)MIN(n - looked, EVICT_MAX)) {
		got = isolate(cg, inactive + 1, pages, (unsigned)MIN(n - looked, EVICT_MAX));
		if (!got)
			continue;
		put_on_probation(pages, got);
		windows_reap();
		group_vm_event(cg, VM_REFILL, got);
		group_vm_event(cg, VM_DEACTIVATED, got);
	}
	return looked;
}

/* --- inactive to nowhere -----------------------------------------------------------------------
 */

/* The page is to be evicted now; else it has found its list, and is unlocked. */
static bool is_victim(struct shrink *s, struct page *pg)
{
	if (pg->managed.flags & MG_PROBATION && !page_mapped(pg))
		return true;
	if (pg->managed.flags & MG_REFERENCED) {
		pg->managed.flags = (u8)((pg->managed.flags & ~MG_REFERENCED) | MG_WORKINGSET);
		page_relist(pg, true);
		page_unlock(pg);
		group_vm_event(s->cg, VM_ACTIVATED, 1);
		return false;
	}
	if (!page_mapped(pg))
		return true;
	put_on_probation(&pg, 1);
	return false;
}

static u64 shrink_batch(struct shrink *s, enum lru_list inactive, u64 bytes, unsigned *looked)
{
	const u32 *there = &s->cg->vm->lru.pages[inactive];
	unsigned n = (unsigned)MIN(DIV_ROUND_UP(bytes, PAGE_SIZE), (u64)EVICT_MAX);
	struct page *pages[EVICT_MAX];
	unsigned victims = 0, got;
	u64 freed;

	*looked = MIN(n, atomic_load(there)); /* also at those that are pinned or somebody's */
	got = isolate(s->cg, inactive, pages, n);
	for (unsigned i = 0; i < got; i++)
		if (is_victim(s, pages[i]))
			pages[victims++] = pages[i];
	s->spared += got - victims;
	freed = evict_pages(pages, victims);
	count_batch(s, got, freed >> PAGE_SHIFT);
	return freed;
}

static u64 shrink_list(struct shrink *s, enum lru_list inactive, u64 want)
{
	struct lruvec *lv = &s->cg->vm->lru;
	u64 looks = 2 * ((lru_bytes(lv, inactive) + lru_bytes(lv, inactive + 1)) >> PAGE_SHIFT);
	u64 freed = 0;
	unsigned looked = 1, filled;

	while (freed < want && looks && looked) {
		filled = refill(s->cg, inactive, want - freed);
		freed += shrink_batch(s, inactive, want - freed, &looked);
		looked += filled;
		looks -= MIN(looks, looked);
	}
	return freed;
}

/* --- the source
 * ------------------------------------------------------------------------------------ */

static u64 evictable(const struct lruvec *lv, enum lru_list inactive)
{
	return lru_bytes(lv, inactive) + lru_bytes(lv, inactive + 1);
}

static bool has_room(const struct memcg *cg)
{
	return counter_headroom(&cg->vm->swap) >= PAGE_SIZE && store_has_room(cg);
}

/* Those that have their copy still need no room. */
static u64 evictable_anon(const struct memcg *cg)
{
	if (group_is_stuck(cg) || (!group_vm_stat(cg, STAT_SWAPCACHED) && !has_room(cg)))
		return 0;
	return evictable(&cg->vm->lru, LRU_INACTIVE_ANON);
}

/* Of what they stand for, a guess. */
static u64 writable_copies(const struct memcg *cg)
{
	u64 bytes = lru_bytes(&cg->vm->lru, LRU_COPIES) / 4;

	return bytes && store_may_write_back(cg) ? bytes : 0;
}

static u64 vm_count(struct memcg *cg, unsigned how)
{
	if (how == RECLAIM_QUIET)
		return 0;
	return evictable_anon(cg) + evictable(&cg->vm->lru, LRU_INACTIVE_FILE) +
	       writable_copies(cg);
}

/* As long as fewer than that were spared, a look at all of them says what the next would say. */
#define SPARED_PART 16u

static u64 shrink_anon(struct shrink *s, u64 want)
{
	u64 all = evictable(&s->cg->vm->lru, LRU_INACTIVE_ANON) >> PAGE_SHIFT, freed;
	u32 epoch = stuck_begin();

	s->spared = 0;
	freed = shrink_list(s, LRU_INACTIVE_ANON, want);
	if (want && !freed && s->spared <= all / SPARED_PART)
		stuck_found(s->cg, epoch);
	return freed;
}

/* No step of this may end up here again: what it allocates is charged by force. */
static u64 vm_scan(struct memcg *cg, u64 bytes, unsigned how)
{
	struct shrink s = {.cg = cg, .by = on_whose_account()};
	u64 anon = evictable_anon(cg);
	u64 file = evictable(&cg->vm->lru, LRU_INACTIVE_FILE);
	u64 from_file = (u64)((unsigned __int128)bytes * file / (anon + file + 1));

	(void)how; /* all of it is the library's own */
	task_paging_begin();
	s.freed = shrink_list(&s, LRU_INACTIVE_FILE, from_file);
	if (s.freed < bytes && anon)
		s.freed += shrink_anon(&s, bytes - s.freed);
	if (s.freed < bytes)
		s.freed += store_write_back(cg, bytes - s.freed);
	task_paging_end();
	return s.freed;
}

/* Behind where the last walk of top stopped; or from top on, also when that was the very end. */
static struct memcg *first_of(struct memcg *top)
{
	struct memcg *last = group_vm_resume(top), *next;

	next = last ? group_next(top, last) : NULL;
	return next ? next : group_next(top, NULL);
}

/* Where top has no managed memory, no group below it has. */
static struct memcg *vm_next(struct memcg *top, struct memcg *prev)
{
	if (!prev && !atomic_load_acquire(&top->vm))
		return NULL;
	prev = prev ? group_next(top, prev) : first_of(top);
	while (prev && (!atomic_load_acquire(&prev->vm) || !vm_count(prev, RECLAIM_OWN)))
		prev = group_next(top, prev);
	return prev;
}

/* Memory that no copy is in is nobody's: of use to the root alone. */
static u64 vm_drain(struct memcg *target, bool all)
{
	return target == root_group ? zswap_trim(all) : 0;
}

const struct reclaim_source managed_pages = {
	.name = "managed pages",
	.own = true,
	.drain = vm_drain,
	.next = vm_next,
	.count = vm_count,
	.scan = vm_scan,
	.rotate = group_vm_stopped,
};
