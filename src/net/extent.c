/*
 * extent.c - a pool's extents, and which of their pages are free.
 *
 * A run is looked for extent by extent: the first that is long enough, else the longest there is.
 * So receives of many pages get pages that lie side by side, and single ones fill what is left
 * between; extents nobody needs become free as a whole, and go when they have been so for idle_ms.
 */
#include "net/pool.h"

#include "base/bits.h"
#include "base/runmap.h"
#include "sys/clock.h"

/* Wraps after 49 days: only differences are compared. */
static u32 now_ms(void)
{
	return (u32)(sys_clock_coarse_ns() / 1000000);
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

	for (struct extent *e = p->extents; e && best.n < n; e = e->next) {
		struct run r = e->free > best.n ? run_in(e, n) : best;

		if (r.n > best.n)
			best = r;
	}
	best.n = MIN(best.n, n);
	return best;
}

static struct extent *extent_of(struct memcg_pool *p, const struct page *pg)
{
	u32 first = ALIGN_DOWN(page_to_index(pg) - regn.managed, EXTENT_PAGES) + regn.managed;
	struct extent *e = p->extents;

	while (e->first != first)
		e = e->next;
	return e;
}

/* --- extents come and go ----------------------------------------------------------------- */

static bool may_grow(const struct memcg_pool *p)
{
	return p->pages + EXTENT_PAGES <= p->max_pages || (!p->pages && p->max_pages);
}

/* A pool of less than an extent has the rest of it taken for ever. */
static void cut_to_max(struct memcg_pool *p, struct extent *e)
{
	u32 nr = MIN(p->max_pages, EXTENT_PAGES);

	for (u32 i = nr; i < EXTENT_PAGES; i++)
		bit_set(e->taken, i, true);
	e->free = nr;
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
	cut_to_max(p, e);
	e->stamp = now_ms();
	extent_set_pool(e->first, p->slot);
	return e;
}

/* Their pages are all free, none is on a stack, and they are on no pool's list. */
void extents_unmake(struct extent *e)
{
	while (e) {
		struct extent *next = e->next;

		extent_set_pool(e->first, 0);
		for (unsigned i = 0; i < ARRAY_SIZE(e->resident); i++)
			atomic_sub(&page_cached, (u64)bit_count(e->resident[i]) << PAGE_SHIFT);
		managed_punch(e->first, EXTENT_PAGES);
		extent_free(e->first, EXTENT_PAGES);
		meta_free(e, sizeof(*e));
		e = next;
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
	used = may_grow(p); /* another thread may have been as quick */
	if (used) {
		e->next = p->extents;
		p->extents = e;
		p->pages += e->free;
	}
	lock_release(&p->lock);
	if (!used)
		extents_unmake(e);
	return true;
}

/* --- taking and giving ----------------------------------------------------------------------- */

static void take_page_locked(struct extent *e, u32 i)
{
	bit_set(e->taken, i, true);
	if (bit_get(e->resident, i)) {
		bit_set(e->resident, i, false);
		atomic_store(&page_at(e->first + i)->net.flags, 0);
		atomic_sub(&page_cached, PAGE_SIZE);
	}
}

static u32 take_locked(struct memcg_pool *p, struct page **out, u32 n)
{
	struct run r = find_locked(p, n);

	for (u32 i = 0; i < r.n; i++) {
		take_page_locked(r.e, r.at + i);
		out[i] = page_at(r.e->first + r.at + i);
	}
	if (r.n)
		r.e->free -= r.n;
	p->taken += r.n;
	p->most = MAX(p->most, p->taken);
	return r.n;
}

static u32 take_free(struct memcg_pool *p, struct page **out, u32 n)
{
	u32 got = 0, more;

	lock_acquire(&p->lock);
	do {
		more = take_locked(p, out + got, n - got);
		got += more;
	} while (more && got < n);
	lock_release(&p->lock);
	return got;
}

/* At its bytes a pool gets back what other CPUs keep and what waits, before it has too little. */
u32 extents_take(struct memcg_pool *p, struct page **out, u32 n)
{
	u32 got = 0;

	do
		got += take_free(p, out + got, n - got);
	while (got < n && grow(p));
	if (likely(got))
		return got;
	extents_give_punched(p, NULL);
	cache_flush(p, true);
	return take_free(p, out, n);
}

static void give_locked(struct memcg_pool *p, struct page *pg, bool resident, u32 now)
{
	struct extent *e = extent_of(p, pg);
	u32 i = page_to_index(pg) - e->first;

	atomic_store(&pg->net.flags, 0);
	BUG_ON(!bit_get(e->taken, i));
	bit_set(e->taken, i, false);
	if (resident) { /* what has no memory has no age */
		bit_set(e->resident, i, true);
		atomic_store(&pg->net.flags, NET_KEPT);
		atomic_add(&page_cached, PAGE_SIZE);
		e->stamp = now;
	}
	e->free++;
	p->taken--;
}

void extents_give(struct memcg_pool *p, struct page **pages, u32 n, bool resident)
{
	u32 now = now_ms();
	bool last;

	lock_acquire(&p->lock);
	for (u32 i = 0; i < n; i++)
		give_locked(p, pages[i], resident, now);
	last = !p->taken && atomic_load(&p->state) == POOL_EMPTIED;
	if (last)
		atomic_store(&p->state, (u32)POOL_ENDED);
	lock_release(&p->lock);
	if (last)
		pool_end(p);
}

/* --- memory that goes first ---------------------------------------------------------------- */

static void sort(u32 *index, u32 n)
{
	for (u32 i = 1; i < n; i++) {
		u32 x = index[i], at = i;

		for (; at && index[at - 1] > x; at--)
			index[at] = index[at - 1];
		index[at] = x;
	}
}

/* The batch's memory goes, run by run; then the pages are free. */
static void punch(struct memcg_pool *p, u32 *index, u32 n)
{
	struct page *pages[ARRAY_SIZE(p->punch)];

	sort(index, n);
	for (u32 i = 0, run; i < n; i += run) {
		for (run = 1; i + run < n && index[i + run] == index[i] + run; run++)
			;
		managed_punch(index[i], run);
	}
	for (u32 i = 0; i < n; i++)
		pages[i] = page_at(index[i]);
	atomic_add_relaxed(&p->released, (u64)n);
	extents_give(p, pages, n, false);
}

static u32 pending_take_locked(struct memcg_pool *p, u32 *index)
{
	u32 n = p->pending;

	for (u32 i = 0; i < n; i++)
		index[i] = p->punch[i];
	p->pending = 0;
	return n;
}

/* pg NULL: only what waits. A dying pool waits for nothing. */
void extents_give_punched(struct memcg_pool *p, struct page *pg)
{
	u32 index[ARRAY_SIZE(p->punch)], n = 0;

	lock_acquire(&p->lock);
	if (pg)
		p->punch[p->pending++] = page_to_index(pg);
	if (!pg || p->pending == ARRAY_SIZE(p->punch) || atomic_load(&p->state))
		n = pending_take_locked(p, index);
	lock_release(&p->lock);
	if (n)
		punch(p, index, n);
}

/* --- by age ------------------------------------------------------------------------------------
 */

/* Free pages with memory, of one extent and side by side: taken out of the bits for the call. */
static u32 purge_take_locked(struct extent *e, u32 *from)
{
	u32 i = 0, n = 0;

	while (i < EXTENT_PAGES && !bit_get(e->resident, i))
		i++;
	for (*from = i; i < EXTENT_PAGES && bit_get(e->resident, i); i++, n++)
		take_page_locked(e, i);
	e->free -= n;
	return n;
}

static bool is_old(const struct extent *e, u32 now, u32 min_age_ms)
{
	return !min_age_ms || now - e->stamp >= min_age_ms;
}

/* A run of the first old extent that has one; the extent stays: a page of it is taken. */
static u32 purge_find_locked(struct memcg_pool *p, u32 now, u32 min_age_ms, u32 *first)
{
	u32 n = 0, from;

	for (struct extent *e = p->extents; e && !n; e = e->next)
		if (is_old(e, now, min_age_ms) && (n = purge_take_locked(e, &from)))
			*first = e->first + from;
	p->taken += n;
	return n;
}

static void purge_done(struct memcg_pool *p, u32 first, u32 n)
{
	struct page *pages[64];

	for (u32 i = 0, step; i < n; i += step) {
		step = MIN(n - i, (u32)ARRAY_SIZE(pages));
		for (u32 k = 0; k < step; k++)
			pages[k] = page_at(first + i + k);
		extents_give(p, pages, step, false);
	}
}

/* Extents that have been free as a whole for so long. */
static void drop_idle(struct memcg_pool *p, u32 now, u32 min_age_ms)
{
	struct extent *idle = NULL, **at, *e;

	lock_acquire(&p->lock);
	for (at = &p->extents; (e = *at);) {
		if (e->free < EXTENT_PAGES || !is_old(e, now, min_age_ms)) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		e->next = idle;
		idle = e;
		p->pages -= EXTENT_PAGES;
	}
	lock_release(&p->lock);
	extents_unmake(idle);
}

u64 extents_purge(struct memcg_pool *p, u32 min_age_ms, u64 want)
{
	u32 now = now_ms(), first, n;
	u64 bytes = 0;

	while (bytes < want) {
		lock_acquire(&p->lock);
		n = purge_find_locked(p, now, min_age_ms, &first);
		lock_release(&p->lock);
		if (!n)
			break;
		managed_punch(first, n);
		atomic_add_relaxed(&p->released, (u64)n);
		purge_done(p, first, n);
		bytes += (u64)n << PAGE_SHIFT;
	}
	drop_idle(p, now, min_age_ms);
	return bytes;
}
