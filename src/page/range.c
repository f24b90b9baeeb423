/*
 * range.c - runs of whole chunks, for blocks of more than 2^MAX_ORDER pages.
 *
 * 1. A range takes whole chunks of addresses but hands out npages of them, counted from the
 *    start: of its last chunk the rest stays untouched. Freed, it stays here: a
 *    block of 5 to 25 MiB that comes and goes faults once.
 * 2. Free runs are in one list sorted by address. Best fit, among the dirty
 *    ones first; what is left over stays a run. Neighbours merge when both are dirty
 *    or both clean: a run half clean would be taken for memory that costs nothing.
 *    The list is short (hundreds at worst), so all of it is walked.
 * 3. regn.chunk_use says of each chunk how many pages at its start may be resident (dirty)
 *    and are handed out (used). What counts as cached, exactly, is
 *	 free: dirty	handed out: dirty - used where that is positive
 *    The latter is slack: a range took over a chunk of which a longer one had touched more.
 *    The purge by age leaves it, since the next longer block wants it; the purge of everything does
 *not.
 * 4. A range grows where it is: into the rest of its last chunk, the free run behind it, and
 *    where the region ends there, new chunks. So the block that a program makes longer and longer
 *    is copied until it is the last one, and then no more.
 * 5. Chunks never go back to the region. When no new one can be had, the buddy
 *    lists are lent one of ours (range_lend_chunk) for good; the other way is closed,
 *    because buddies do not know which of them are adjacent.
 */
#include "page/free.h"

#include "sync/lock.h"
#include "sys/clock.h"
#include "sys/map.h"

static struct lock range_lock = LOCK_INIT(RANK_RANGE);
static u32 first_run; /* lowest free run's index; the list is linked through free.next and .prev */

static struct chunk_use *use_of(u32 index)
{
	return &regn.chunk_use[index / CHUNK_PAGES];
}

static u32 chunks_for(u32 npages)
{
	return DIV_ROUND_UP(npages, CHUNK_PAGES);
}

/* Pages of the range that lie in its i-th chunk. */
static u32 pages_in(u32 npages, u32 i)
{
	return MIN(npages - i * CHUNK_PAGES, CHUNK_PAGES);
}

/* ---- the list of free runs ---- */
static void link_between(struct page *pg, u32 prev, u32 next)
{
	u32 index = page_to_index(pg);

	pg->free.prev = prev;
	pg->free.next = next;
	if (prev)
		page_at(prev)->free.next = index;
	else
		first_run = index;
	if (next)
		page_at(next)->free.prev = index;
}

static void run_remove(struct page *pg)
{
	u32 next = pg->free.next, prev = pg->free.prev;

	ASSERT(pg->kind == PAGE_RANGE);
	if (prev)
		page_at(prev)->free.next = next;
	else
		first_run = next;
	if (next)
		page_at(next)->free.prev = prev;
	desc_reset(pg);
}

static u32 dirty_pages(u32 index, u32 chunks)
{
	u32 sum = 0;

	for (u32 i = 0; i < chunks; i++)
		sum += use_of(index)[i].dirty;
	return sum;
}

static bool can_merge(const struct page *low, const struct page *high)
{
	return page_to_index(low) + low->npages == page_to_index(high) &&
	       !low->free.dirty == !high->free.dirty;
}

/* The higher run's descriptor becomes that of any page inside; the younger age counts. */
static void merge_with_next(struct page *low)
{
	struct page *high = page_at(low->free.next);

	if (!low->free.next || !can_merge(low, high))
		return;
	low->npages += high->npages;
	low->free.dirty += high->free.dirty;
	if ((s32)(high->free.stamp - low->free.stamp) > 0)
		low->free.stamp = high->free.stamp;
	run_remove(high);
}

/* Chunks that are in nobody's hands, their descriptors zero. Claims them. */
static void run_insert(u32 index, u32 chunks, u32 stamp)
{
	struct page *pg = page_at(index);
	u32 prev = 0, next = first_run;

	ASSERT(lock_is_held(&range_lock));
	for (; next && next < index; next = page_at(next)->free.next)
		prev = next;
	region_claim(pg, chunks * CHUNK_PAGES, MAX_ORDER + 1);
	kind_set(pg, PAGE_RANGE);
	pg->npages = chunks * CHUNK_PAGES;
	pg->free.stamp = stamp;
	pg->free.dirty = dirty_pages(index, chunks);
	pg->flags = pg->free.dirty ? PG_DIRTY : PG_ZEROED;
	link_between(pg, prev, next);
	merge_with_next(pg);
	if (prev)
		merge_with_next(page_at(prev));
}

/* ---- taking and freeing ---- */
static struct page *best_fit(u32 chunks, bool dirty)
{
	struct page *best = NULL;

	for (u32 i = first_run; i; i = page_at(i)->free.next) {
		struct page *pg = page_at(i);

		if (!pg->free.dirty == dirty || pg->npages < chunks * CHUNK_PAGES)
			continue;
		if (!best || pg->npages < best->npages)
			best = pg;
	}
	return best;
}

/* Off the list with its first chunks; the others stay as a run of the same age. */
static u32 run_take(struct page *pg, u32 chunks)
{
	u32 index = page_to_index(pg), left = pg->npages / CHUNK_PAGES - chunks;
	u32 stamp = pg->free.stamp;

	run_remove(pg);
	if (left)
		run_insert(index + chunks * CHUNK_PAGES, left, stamp);
	return index;
}

/* Index of the first page, in nobody's hands; 0: none free. */
static u32 take_free(u32 chunks)
{
	struct page *pg = best_fit(chunks, true);

	if (!pg)
		pg = best_fit(chunks, false);
	return pg ? run_take(pg, chunks) : 0;
}

/* Enters the pages as handed out; a range that grows has some of them. True: all of them read as
 * zero. */
static bool mark_used(u32 index, u32 npages)
{
	bool zero = true;
	u64 reused = 0;

	for (u32 i = 0; i < chunks_for(npages); i++) {
		struct chunk_use *use = use_of(index) + i;

		reused -= MIN(use->dirty, use->used);
		use->used = (u16)pages_in(npages, i);
		reused += MIN(use->dirty, use->used);
		zero &= !use->dirty;
	}
	cached_sub(reused);
	return zero;
}

static struct page *hand_out(u32 index, u32 npages)
{
	struct page *pg = page_at(index);

	region_claim(pg, npages, MAX_ORDER + 1);
	pg->flags = mark_used(index, npages) ? PG_ZEROED : 0;
	pg->npages = npages;
	return pg;
}

static struct page *range_try_alloc(u32 npages)
{
	struct page *pg = NULL;
	u32 index;

	lock_acquire(&range_lock);
	index = take_free(chunks_for(npages));
	if (!index)
		index = region_take_chunks(chunks_for(npages)) * CHUNK_PAGES;
	if (index)
		pg = hand_out(index, npages);
	lock_release(&range_lock);
	return pg;
}

/* At the end of the region: once everything free is clean, neighbours are one run. */
struct page *range_alloc(u32 npages)
{
	struct page *pg;

	BUG_ON(npages <= CHUNK_PAGES);
	pg = range_try_alloc(npages);
	if (unlikely(!pg) && range_purge_try())
		pg = range_try_alloc(npages);
	return pg;
}

/* ---- growing ---- */
/* The free run that begins at the index, in chunks; 0: none. */
static u32 run_at(u32 index)
{
	u32 i = first_run;

	while (i && i < index)
		i = page_at(i)->free.next;
	return i == index && i ? page_at(i)->npages / CHUNK_PAGES : 0;
}

/* The chunks from the index on are in nobody's hands: off the list, or new where that ends. */
static bool take_at(u32 index, u32 chunks)
{
	u32 listed = MIN(run_at(index), chunks);

	if (listed < chunks &&
	    !region_take_chunks_at(index / CHUNK_PAGES + listed, chunks - listed))
		return false;
	if (listed)
		run_take(page_at(index), listed);
	return true;
}

bool range_grow(struct page *pg, u32 npages)
{
	u32 index = page_to_index(pg), had = pg->npages, chunks = chunks_for(had);
	u32 more = chunks_for(npages) - chunks;
	bool grows;

	lock_acquire(&range_lock);
	grows = !more || take_at(index + chunks * CHUNK_PAGES, more);
	if (grows) {
		region_claim_behind(pg, had, npages, MAX_ORDER + 1);
		mark_used(index, npages);
		atomic_store(&pg->npages, npages);
	}
	lock_release(&range_lock);
	return grows;
}

static void mark_unused(u32 index, u32 npages)
{
	for (u32 i = 0; i < chunks_for(npages); i++) {
		struct chunk_use *use = use_of(index) + i;

		use->dirty = MAX(use->dirty, use->used);
		use->used = 0;
	}
	cached_add(npages);
}

void range_free(struct page *pg)
{
	u32 index = page_to_index(pg), npages = pg->npages;

	BUG_ON(pg->kind != PAGE_NONE || page_owned(pg) || npages <= CHUNK_PAGES);
	lock_acquire(&range_lock);
	desc_reset(pg);
	mark_unused(index, npages);
	run_insert(index, chunks_for(npages), sys_clock_coarse_ms());
	lock_release(&range_lock);
}

/* A dirty block counts whole: what of the chunk was not resident counts from now on. */
bool range_lend_chunk(void)
{
	u32 index, dirty;

	lock_acquire(&range_lock);
	index = take_free(1);
	if (index) {
		dirty = use_of(index)->dirty;
		use_of(index)->dirty = 0;
		if (dirty)
			cached_add(CHUNK_PAGES - dirty);
		buddy_put_span(index, CHUNK_PAGES, dirty ? PG_DIRTY : PG_ZEROED);
	}
	lock_release(&range_lock);
	return index;
}

/* ---- the purge; the caller holds purge_lock ---- */
/* The lowest dirty run above `after` that is old enough, off the list as kind BALLOON. */
static struct page *purge_take(u32 after, u32 min_age_ms, u32 *chunks)
{
	u32 now = sys_clock_coarse_ms(), i, npages;
	struct page *pg = NULL;

	lock_acquire(&range_lock);
	for (i = first_run; i; i = page_at(i)->free.next) {
		pg = page_at(i);
		if (i > after && pg->free.dirty && now - pg->free.stamp >= min_age_ms)
			break;
	}
	if (i) {
		npages = pg->npages;
		*chunks = npages / CHUNK_PAGES;
		run_remove(pg);
		kind_set(pg, PAGE_BALLOON);
		pg->npages = npages;
	}
	lock_release(&range_lock);
	return i ? pg : NULL;
}

/* What the system refused is still dirty, and young. */
static void purge_put(struct page *pg, u32 chunks)
{
	lock_acquire(&range_lock);
	desc_reset(pg);
	run_insert(page_to_index(pg), chunks, sys_clock_coarse_ms());
	lock_release(&range_lock);
}

/* The resident pages from chunk `use` on that one call reaches: full chunks, then a part. */
static u32 dirty_stretch(const struct chunk_use *use, u32 chunks, u32 *covered)
{
	u32 pages = 0, i = 0;

	do {
		pages += use[i].dirty;
	} while (use[i++].dirty == CHUNK_PAGES && i < chunks);
	*covered = i;
	return pages;
}

static bool purge_pages(u32 index, u32 pages)
{
	if (sys_purge(page_address(page_at(index)), (size_t)pages << PAGE_SHIFT)) {
		atomic_add_relaxed(&page_purge_failed, 1ul);
		return false;
	}
	cached_sub(pages);
	return true;
}

/* chunk_use of a run off the list is written without the lock: nobody else looks at it. */
static u64 purge_run(u32 index, u32 chunks)
{
	u64 done = 0;

	while (chunks) {
		struct chunk_use *use = use_of(index);
		u32 covered, pages = dirty_stretch(use, chunks, &covered);

		if (pages && purge_pages(index, pages)) {
			done += pages;
			for (u32 i = 0; i < covered; i++)
				use[i].dirty = 0;
		}
		index += covered * CHUNK_PAGES;
		chunks -= covered;
	}
	return done;
}

/* With the lock held, so that no range begins or ends meanwhile. */
static u64 purge_slack(void)
{
	u64 done = 0;

	lock_acquire(&range_lock);
	for (u32 c = 0; c < atomic_load(&regn.chunks); c++) {
		struct chunk_use *use = &regn.chunk_use[c];
		u32 slack = use->dirty - use->used;

		if (!use->used || use->dirty <= use->used)
			continue;
		if (!purge_pages(c * CHUNK_PAGES + use->used, slack))
			continue;
		done += slack;
		use->dirty = use->used;
	}
	lock_release(&range_lock);
	return done;
}

u64 range_purge_held(u32 min_age_ms, u64 want)
{
	struct page *pg;
	u32 after = 0, chunks;
	u64 done = 0;

	while (done << PAGE_SHIFT < want && (pg = purge_take(after, min_age_ms, &chunks))) {
		after = page_to_index(pg);
		done += purge_run(after, chunks);
		purge_put(pg, chunks);
	}
	if (!min_age_ms && done << PAGE_SHIFT < want)
		done += purge_slack();
	return done << PAGE_SHIFT;
}

void range_fork_lock(void)
{
	lock_acquire(&range_lock);
}

void range_fork_unlock(void)
{
	lock_release(&range_lock);
}
