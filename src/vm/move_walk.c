/* move_walk.c - the two passes over an mm's tables. Theory in move.h. */
#include "vm/move.h"

#include <errno.h>

#include "sys/clock.h"
#include "vm/dirty.h"
#include "vm/lists.h"

#define BATCH 32u /* entries looked at under one hold of the table lock: some ten microseconds */

/* --- windows --------------------------------------------------------------------------------- */

static void pass_begin(struct memcg_mm *mm)
{
	lock_acquire(&mm->lock);
	mm->pass++;
	lock_release(&mm->lock);
}

/* One that left the list meanwhile is an empty one itself: then from the front. */
static struct window *unseen_after(struct memcg_mm *mm, struct window *w)
{
	struct list *at = w && !list_empty(&w->of_mm) ? &w->of_mm : &mm->windows;

	for (at = at->next; at != &mm->windows; at = at->next) {
		struct window *next = list_entry(at, struct window, of_mm);

		if (next->pass != mm->pass)
			return next;
	}
	return NULL;
}

/* The next window of the pass with a reference; that of w is given back. A window on the list has
 * one for being mapped. */
static struct window *pass_next(struct memcg_mm *mm, struct window *w)
{
	struct window *next;

	lock_acquire(&mm->lock);
	next = unseen_after(mm, w);
	if (next) {
		BUG_ON(!window_tryget(next));
		next->pass = mm->pass;
	}
	lock_release(&mm->lock);
	if (w)
		window_put(w);
	return next;
}

/* Pages of the network are nobody's file: only who asked for them has them. */
static bool is_wanted(const struct move *m, const struct window *w)
{
	bool anon = w->object->kind == OBJECT_ANON || w->object->kind == OBJECT_NET;

	return m->what & (anon ? MEMCG_MOVE_ANON : MEMCG_MOVE_FILE);
}

/* Calls each() for every table of the windows that are to be moved. */
static void each_table(struct move *m,
		       void (*each)(struct move *m, struct window *w, u32 i, struct page *t,
				    void *arg),
		       void *arg)
{
	struct window *w = NULL;

	pass_begin(m->mm);
	while ((w = pass_next(m->mm, w))) {
		for (u32 i = 0; is_wanted(m, w) && i < w->npages; i += BLOCK_PAGES) {
			struct page *t =
				atomic_load_acquire(&block_at(window_address(w, i))->table);

			if (t)
				each(m, w, i, t, arg);
		}
	}
}

/* What an entry leads to: NULL: a hole. */
static struct page *entry_page(const struct window *w, u32 i, u64 pte)
{
	switch (pte_type(pte)) {
	case PTE_HOLE:
		return NULL;
	case PTE_PRESENT:
		return pte_page(pte);
	default: /* of a view: it is being mapped, or unmapped again */
		return w->object->kind == OBJECT_NET ? NULL : window_page(w, i);
	}
}

/* --- the first pass ------------------------------------------------------------------------ */

static void count_entry(struct move *m, struct page *pg, bool present, struct move_cost *all)
{
	struct move_cost cost;

	switch (move_look(m, pg, present, &cost)) {
	case MOVE_TAKE:
		m->out.moved += PAGE_SIZE;
		all->mem += cost.mem;
		all->swap += cost.swap;
		return;
	case MOVE_ELSEWHERE:
		m->out.mapped_elsewhere += PAGE_SIZE;
		return;
	case MOVE_NOT_OURS:
		m->out.not_ours += PAGE_SIZE;
		return;
	case MOVE_SWAPPED:
		m->out.swapped += PAGE_SIZE;
		return;
	case MOVE_NOTHING:
		return;
	}
}

static void count_table(struct move *m, struct window *w, u32 i, struct page *t, void *arg)
{
	struct move_cost *all = arg;
	u32 n = MIN(BLOCK_PAGES, w->npages - i);

	all->mem += move_table_cost(m, t).mem;
	for (u32 k = 0; k < n; k++) {
		u64 pte = atomic_load(&table_entries(t)[k]);
		struct page *pg = entry_page(w, i + k, pte);

		if (pg)
			count_entry(m, pg, pte_type(pte) == PTE_PRESENT, all);
	}
}

void move_count(struct move *m, struct move_cost *all)
{
	*all = (struct move_cost){0};
	each_table(m, count_table, all);
}

/* --- the second pass ------------------------------------------------------------------------- */

/*
 * The page an entry leads to, locked, when there is something to move in it; the caller unlocks it.
 * NULL: there is nothing, or somebody is at it.
 */
static struct page *target_of(struct move *m, struct window *w, u32 i, u64 pte)
{
	struct page *pg = entry_page(w, i, pte);

	if (!pg || atomic_load(&pg->managed.where) == WHERE_NONE)
		return NULL;
	if (page_trylock(pg, PAGE_BUSY))
		return pg;
	m->out.busy += PAGE_SIZE;
	return NULL;
}

/* 0; -EAGAIN: the locked page would move, had its cost been charged. */
static int take(struct move *m, struct page *pg, bool present, struct move_cost *cost)
{
	switch (move_look(m, pg, present, cost)) {
	case MOVE_TAKE:
		if (!move_charged(m, *cost))
			return -EAGAIN;
		*(move_page(m, pg, *cost) ? &m->out.moved : &m->out.busy) += PAGE_SIZE;
		return 0;
	case MOVE_ELSEWHERE:
		m->out.mapped_elsewhere += PAGE_SIZE;
		return 0;
	case MOVE_NOT_OURS:
		m->out.not_ours += PAGE_SIZE;
		return 0;
	case MOVE_SWAPPED:
		m->out.swapped += PAGE_SIZE;
		return 0;
	case MOVE_NOTHING:
		return 0;
	}
	return 0;
}

/* How many of the entries [k, end) are done; *lacks: the next one's cost is not charged. */
static u32 take_entries(struct move *m, struct window *w, u32 i, struct page *t, u32 k, u32 end,
			struct move_cost *lacks)
{
	u32 from = k;
	int err = 0;

	*lacks = (struct move_cost){0};
	for (; k < end && !err; k += !err) {
		u64 pte = table_entries(t)[k];
		struct page *pg = target_of(m, w, i + k, pte);

		if (!pg)
			continue;
		err = take(m, pg, pte_type(pte) == PTE_PRESENT, lacks);
		page_unlock(pg);
	}
	if (!err)
		*lacks = (struct move_cost){0};
	return k - from;
}

/* As slow as it was asked to be. */
static void pace(const struct move *m)
{
	u64 due, now;

	if (!move_rate)
		return;
	due = m->begin + (u64)((unsigned __int128)m->out.moved * 1000000000u / move_rate);
	while ((now = sys_clock_ns()) < due)
		sys_sleep_ns(due - now);
}

/* One hold of the table lock; how many entries it has done. */
static u32 batch(struct move *m, struct window *w, u32 i, struct page *t, u32 k, u32 end,
		 struct move_cost *lacks)
{
	u32 done;

	table_lock(t);
	done = take_entries(m, w, i, t, k, end, lacks);
	table_unlock(t);
	move_settle(m);
	pace(m);
	return done;
}

/*
 * A page that came between the passes is charged when it is met, once: what does not fit then, or
 * costs more the second time, stays.
 */
static void move_entries(struct move *m, struct window *w, u32 i, struct page *t, void *arg)
{
	u32 n = MIN(BLOCK_PAGES, w->npages - i), lacking = UINT32_MAX, k = 0;
	struct move_cost lacks;

	(void)arg;
	table_lock(t);
	(void)move_table(m, t);
	table_unlock(t);
	while (k < n) {
		k += batch(m, w, i, t, k, MIN(n, k + BATCH), &lacks);
		if (!lacks.mem && !lacks.swap)
			continue;
		if (lacking == k || !move_charge_more(m, lacks)) {
			m->out.busy += PAGE_SIZE;
			k++;
		} else {
			lacking = k;
		}
	}
}

/* What was written to files and nobody has seen is dirty before it is moved, not on the way. */
static void look_for_writes(struct move *m)
{
	struct window *w = NULL;

	pass_begin(m->mm);
	while ((w = pass_next(m->mm, w)))
		if (w->object->kind == OBJECT_FILE && is_wanted(m, w))
			dirty_look(w->object, false);
}

void move_pages(struct move *m)
{
	look_for_writes(m);
	each_table(m, move_entries, NULL);
}
