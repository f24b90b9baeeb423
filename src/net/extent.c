/*
 * extent.c - a pool's extents, and which of their pages are free.
 *
 * 1. A run is looked for in extents with room: in the first that has one long enough, else the
 *    longest of a few, and the rest as it lies. So receives of many pages get pages that lie side
 * by side, and single ones fill what is left between. What comes back to a full extent is found
 * last: extents nobody needs become free as a whole, and go when they have been so for idle_ms.
 * 2. A table names the extent of each 2 MiB that is a pool's: coming home costs no walk.
 * 3. Growing is decided twice: before the extent is made, without the lock, and when it is added.
 */
#include "net/pool.h"

#include <errno.h>

#include "base/bits.h"
#include "base/runmap.h"
#include "sys/map.h"
#include "sys/clock.h"

#define LOOKED_AT 4u /* extents, for a run */

static struct extent **table; /* by number; an entry is its pool's lock's, or its maker's */

static struct extent **entry_of(u32 index)
{
	return &table[(index - regn.managed) / EXTENT_PAGES];
}

int extents_up(void)
{
	size_t bytes = regn.managed_pages / EXTENT_PAGES * sizeof(*table);

	if (!table)
		table = sys_map(ALIGN_UP(bytes, PAGE_SIZE));
	return table ? 0 : ENOMEM;
}

/* --- bits ----------------------------------------------------------------------------- */

static bool bit_get(const u64 *bits, u32 i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void bit_set(u64 *bits, u32 i, bool on)
{
	bits[i / 64] = on ? bits[i / 64] | BIT(i % 64) : bits[i / 64] & ~BIT(i % 64);
}

struct run {
	struct extent *e;
	u32 at, n;
};

/* The first run of at least n free pages, else the longest. */
static struct run run_in(struct extent *e, u32 n)
{
	const struct runmap m = {.word = e->taken, .nr = EXTENT_PAGES};
	struct run best = {.e = e};
	u32 at = runmap_next(&m, 0, false);

	while (at < EXTENT_PAGES && best.n < n) {
		u32 end = runmap_next(&m, at, true);

		if (end - at > best.n)
			best = (struct run){e, at, end - at};
		at = runmap_next(&m, end, false);
	}
	return best;
}

static struct run find_locked(struct memcg_pool *p, u32 n)
{
	struct run best = {0};
	struct list *l;
	u32 looked = 0;

	list_for_each(l, &p->room)
	{
		struct run r = run_in(list_entry(l, struct extent, link), n);

		if (r.n > best.n)
			best = r;
		if (best.n >= n || ++looked == LOOKED_AT)
			break;
	}
	best.n = MIN(best.n, n);
	return best;
}

/* The first there is: once no run is long enough another search for each piece would cost more than
 * receiving into them, and small ones leave the long ones to who asks for many. */
static struct run rest_locked(struct memcg_pool *p, u32 n)
{
	struct run r = {0};

	if (!list_empty(&p->room))
		r = run_in(list_entry(p->room.next, struct extent, link), 1);
	r.n = MIN(r.n, n);
	return r;
}

/* --- extents come and go ----------------------------------------------------------------- */

static bool may_grow(const struct memcg_pool *p)
{
	return atomic_load(&p->pages) < p->max_pages;
}

static struct extent *extent_make(struct memcg_pool *p)
{
	struct extent *e = meta_alloc(sizeof(*e));

	if (!e)
		return NULL;
	e->first = extent_alloc(EXTENT_PAGES);
	if (!e->first) {
		meta_free(e, sizeof(*e));
		return NULL;
	}
	for (u32 i = 0; i < EXTENT_PAGES; i++) {
		struct page *pg = page_at(e->first + i);

		pg->npages = 1;
		kind_set(pg, PAGE_NET);
	}
	*entry_of(e->first) = e;
	extent_set_pool(e->first, p->slot);
	return e;
}

/* What is over max_pages is taken for ever. */
static void extent_add_locked(struct memcg_pool *p, struct extent *e)
{
	e->pages = e->free = MIN(EXTENT_PAGES, p->max_pages - p->pages);
	for (u32 i = e->pages; i < EXTENT_PAGES; i++)
		bit_set(e->taken, i, true);
	e->stamp = sys_clock_coarse_ms();
	list_add(&p->room, &e->link);
	atomic_store(&p->pages, p->pages + e->pages);
}

static void extent_unmake(struct extent *e)
{
	extent_set_pool(e->first, 0);
	*entry_of(e->first) = NULL;
	managed_punch(e->first, EXTENT_PAGES);
	extent_free(e->first, EXTENT_PAGES);
	meta_free(e, sizeof(*e));
}

/* Their pages are all free, none is on a stack, and they are in no pool's lists. */
void extents_unmake(struct list *list)
{
	while (!list_empty(list)) {
		struct extent *e = list_entry(list->next, struct extent, link);

		list_del(&e->link);
		extent_unmake(e);
	}
}

/* Not under the lock: the descriptors may have to be had from the system. */
static bool grow(struct memcg_pool *p)
{
	struct extent *e = may_grow(p) ? extent_make(p) : NULL;
	bool used;

	if (!e)
		return false;
	lock_acquire(&p->lock);
	used = may_grow(p);
	if (used)
		extent_add_locked(p, e);
	lock_release(&p->lock);
	if (!used)
		extent_unmake(e); /* another thread was as quick: there is room */
	return true;
}

/* --- taking ---------------------------------------------------------------------------- */

static void take_page_locked(struct memcg_pool *p, struct extent *e, u32 i)
{
	bit_set(e->taken, i, true);
	if (bit_get(e->resident, i)) {
		bit_set(e->resident, i, false);
		atomic_store(&page_at(e->first + i)->net.flags, 0);
		p->resident--;
	}
}

/* After pages came or went: one word that all share, once. */
static void count_resident_locked(const struct memcg_pool *p, u32 before)
{
	if (p->resident != before)
		atomic_add(&page_cached, ((u64)p->resident - before) << PAGE_SHIFT);
}

static void take_run_locked(struct memcg_pool *p, const struct run *r)
{
	u32 before = p->resident;

	for (u32 i = 0; i < r->n; i++)
		take_page_locked(p, r->e, r->at + i);
	count_resident_locked(p, before);
	r->e->free -= r->n;
	atomic_store(&p->taken, p->taken + r->n);
	if (!r->e->free) {
		list_del(&r->e->link);
		list_add(&p->full, &r->e->link);
	}
}

/* What the check at free kept out of use while it lay here stays taken, and is nobody's. */
static u32 run_pages(const struct run *r, struct page **out)
{
	u32 n = 0;

	for (u32 i = 0; i < r->n; i++) {
		struct page *pg = page_at(r->e->first + r->at + i);

		if (likely(atomic_load(&pg->kind) == PAGE_NET))
			out[n++] = pg;
	}
	return n;
}

static u32 take_free(struct memcg_pool *p, struct page **out, u32 n)
{
	struct run r;
	u32 got = 0;

	lock_acquire(&p->lock);
	do {
		r = got ? rest_locked(p, n - got) : find_locked(p, n);
		if (!r.n)
			break;
		take_run_locked(p, &r);
		got += run_pages(&r, out + got);
	} while (got < n);
	p->most = MAX(p->most, p->taken);
	lock_release(&p->lock);
	return got;
}

/* At its bytes a pool gets back what CPUs keep and what waits, before it has nothing. */
u32 extents_take(struct memcg_pool *p, struct page **out, u32 n)
{
	u32 got = 0;

	do
		got += take_free(p, out + got, n - got);
	while (got < n && grow(p));
	if (likely(got))
		return got;
	punch_flush(p);
	cache_flush_all(p);
	return take_free(p, out, n);
}

/* --- giving ----------------------------------------------------------------------------------- */

static void give_locked(struct memcg_pool *p, struct page *pg, bool resident, u32 now)
{
	struct extent *e = *entry_of(page_to_index(pg));
	u32 i = page_to_index(pg) - e->first;

	BUG_ON(!bit_get(e->taken, i));
	bit_set(e->taken, i, false);
	atomic_store(&pg->net.flags, resident ? NET_KEPT : 0);
	if (resident) { /* what has no memory has no age */
		bit_set(e->resident, i, true);
		p->resident++;
		e->stamp = now;
	}
	if (!e->free++) {
		list_del(&e->link);
		list_add_tail(&p->room, &e->link);
	}
	atomic_store(&p->taken, p->taken - 1);
}

/* Then it is the caller's alone, with its extents. */
static bool is_over_locked(struct memcg_pool *p, struct list *extents)
{
	list_init(extents);
	if (likely(atomic_load(&p->state) != POOL_EMPTIED) || p->taken)
		return false;
	atomic_store(&p->state, (u32)POOL_ENDED);
	list_splice(extents, &p->room);
	atomic_sub(&page_cached, (u64)p->resident << PAGE_SHIFT);
	p->resident = 0;
	return true;
}

static void end(struct memcg_pool *p, struct list *extents)
{
	extents_unmake(extents);
	pool_end(p);
}

void extents_give(struct memcg_pool *p, struct page **pages, u32 n, bool resident)
{
	u32 now = sys_clock_coarse_ms(), before;
	struct list extents;
	bool over;

	lock_acquire(&p->lock);
	before = p->resident;
	for (u32 i = 0; i < n; i++)
		give_locked(p, pages[i], resident, now);
	count_resident_locked(p, before);
	over = is_over_locked(p, &extents);
	lock_release(&p->lock);
	if (unlikely(over))
		end(p, &extents);
}

void extents_emptied(struct memcg_pool *p)
{
	struct list extents;
	bool over;

	lock_acquire(&p->lock);
	atomic_store(&p->state, (u32)POOL_EMPTIED);
	over = is_over_locked(p, &extents);
	lock_release(&p->lock);
	if (over)
		end(p, &extents);
}

/* --- by age -------------------------------------------------------------------------------------
 */

static bool is_old(const struct extent *e, u32 now, u32 min_age_ms)
{
	return !min_age_ms || now - e->stamp >= min_age_ms;
}

static struct run resident_run(struct extent *e)
{
	const struct runmap m = {.word = e->resident, .nr = EXTENT_PAGES};
	u32 at = runmap_next(&m, 0, true);

	return (struct run){e, at, runmap_next(&m, at, false) - at};
}

u32 extents_take_old(struct memcg_pool *p, u32 now, u32 min_age_ms, u32 *first)
{
	struct run r = {0};
	struct list *l;

	lock_acquire(&p->lock);
	if (p->resident)
		list_for_each(l, &p->room)
		{
			struct extent *e = list_entry(l, struct extent, link);

			if (is_old(e, now, min_age_ms) && (r = resident_run(e)).n)
				break;
		}
	if (r.n) {
		*first = r.e->first + r.at;
		take_run_locked(p, &r);
	}
	lock_release(&p->lock);
	return r.n;
}

void extents_drop_idle(struct memcg_pool *p, u32 now, u32 min_age_ms)
{
	struct list idle = LIST_INIT(idle), *l, *next;

	lock_acquire(&p->lock);
	list_for_each_safe(l, next, &p->room)
	{
		struct extent *e = list_entry(l, struct extent, link);

		if (e->free < e->pages || resident_run(e).n || !is_old(e, now, min_age_ms))
			continue;
		list_del(l);
		list_add(&idle, l);
		atomic_store(&p->pages, p->pages - e->pages);
	}
	lock_release(&p->lock);
	extents_unmake(&idle);
}
