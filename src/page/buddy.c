/*
 * buddy.c - free blocks of 2^0 .. 2^10 pages.
 *
 * 1. Two lists for each order, dirty and clean (free.h). A block coalesces with its buddy
 *    when that is free, whole, and as clean as it is; so a clean chunk breaks up
 *    only when no dirty block fits, and memory is reused before more is touched.
 *    Clean memory becomes dirty without being written to where it would otherwise keep
 *    memory in pieces, twice: when a trimmed block comes back and the part cut off is still
 *    free (buddy_rejoin), and before a chunk is opened (join_mixed).
 * 2. The first SORTED blocks of a list are in the order of their addresses, and the lowest is
 *    taken: what lives gathers at the bottom, so that the rest becomes free in large blocks.
 *    (Taken in the order of their frees, small blocks end up in every chunk; blocks of all
 *    sizes to 4 MiB then hold four times the memory that they need.) Behind them are the
 *    blocks freed earlier, and what a split leaves: it is of the age of the block that
 *    was split. So tails are nearly the oldest, and the purge walks from there.
 * 3. Whether a buddy is free is asked of back[], which only this lock's holders write: its
 *    descriptor may be somebody's, or part of a slab's bitmap.
 * 4. Pages inside a free block lead to the heads of the smaller blocks it was made
 *    of: descriptors of kind NONE inside the block, which says enough. But when
 *    a block is split, what stays free is claimed anew; otherwise its pages
 *    could lead below it, into the part that is handed out.
 * 5. join_mixed looks at every free block, of which a program that grows over many pieces may
 *    have very many; so it is not worth it after every free. `met` counts the blocks that were
 *    put beside a free one, which is what makes an area free as a whole. A search
 *    through all blocks is paid for by an eighth as many of these before the next for its order.
 * 6. One lock. No memory is touched under it, only descriptors; opening chunks is
 *    the only system call made with it held.
 */
#include "page/free.h"

#include "sync/lock.h"
#include "sys/clock.h"

#define SORTED 32u

struct free_list {
	u32 head, tail, count;
};

static struct lock buddy_lock = LOCK_INIT(RANK_BUDDY);
static struct free_list lists[2][MAX_ORDER + 1]; /* [clean][order] */
static u32 filled[2];				 /* bit n: lists[clean][n] is not empty */
static u32 met;					 /* wraps: compare differences only */
static u32 met_at_next[MAX_ORDER + 1];		 /* join_mixed is worth it when met is past it */
u64 page_cached;

/* ---- the lists ---- */
static bool is_clean(const struct page *pg)
{
	return pg->flags & PG_ZEROED;
}

/* Before the block `next`; 0: last. */
static void link_before(struct free_list *l, struct page *pg, u32 next)
{
	u32 index = page_to_index(pg), prev = next ? page_at(next)->free.prev : l->tail;

	l->count++;
	pg->free.prev = prev;
	pg->free.next = next;
	*(prev ? &page_at(prev)->free.next : &l->head) = index;
	*(next ? &page_at(next)->free.prev : &l->tail) = index;
}

static void link_sorted(struct free_list *l, struct page *pg)
{
	u32 index = page_to_index(pg), at = l->head;

	if (l->count <= SORTED && l->tail < index) /* what the walk finds, without its misses */
		at = 0;
	for (unsigned n = SORTED; n && at && at < index; n--)
		at = page_at(at)->free.next;
	link_before(l, pg, at);
}

static u8 back_of_free(unsigned order, unsigned flags)
{
	return (u8)(BACK_FREE | (flags & PG_ZEROED ? BACK_CLEAN : 0) | order);
}

static bool is_free_head(u8 back)
{
	return back >= BACK_FREE && back != BACK_RANGE;
}

static unsigned order_of_free(u8 back)
{
	return back & ~(BACK_FREE | BACK_CLEAN);
}

/* Descriptor and mark of a free block; the caller links it. */
static struct page *buddy_mark(u32 index, unsigned order, unsigned flags, u32 stamp)
{
	struct page *pg = page_at(index);

	ASSERT(pg->kind == PAGE_NONE && !page_owned(pg));
	kind_set(pg, PAGE_BUDDY);
	pg->order = (u8)order;
	pg->flags = (u16)flags;
	pg->npages = 1u << order;
	pg->free.stamp = stamp;
	filled[is_clean(pg)] |= 1u << order;
	atomic_store(&regn.back[index], back_of_free(order, flags)); /* see page_head */
	return pg;
}

/* Off its list, and of kind NONE with an all-zero descriptor; its head leads to itself. */
static void buddy_remove(struct page *pg)
{
	struct free_list *l = &lists[is_clean(pg)][pg->order];
	u32 next = pg->free.next, prev = pg->free.prev;

	ASSERT(pg->kind == PAGE_BUDDY);
	l->count--;
	if (prev)
		page_at(prev)->free.next = next;
	else
		l->head = next;
	if (next)
		page_at(next)->free.prev = prev;
	else
		l->tail = prev;
	if (!l->head)
		filled[is_clean(pg)] &= ~(1u << pg->order);
	desc_reset(pg);
	atomic_store(&regn.back[page_to_index(pg)], 0u);
}

/*
 * The block's descriptor is zero; the pages count as cached already, or not, as its flags say.
 * Joined to its buddies: the block that it is part of then, marked, and on no list.
 */
static struct page *join_buddies(u32 index, unsigned order, unsigned flags)
{
	ASSERT(lock_is_held(&buddy_lock));
	ASSERT(flags == PG_DIRTY || flags == PG_ZEROED);
	for (; order < MAX_ORDER; order++) {
		u32 buddy = index ^ (1u << order);

		if (regn.back[buddy] != back_of_free(order, flags)) {
			met += is_free_head(regn.back[buddy]);
			break;
		}
		buddy_remove(page_at(buddy));
		index &= ~(1u << order);
	}
	return buddy_mark(index, order, flags, sys_clock_coarse_ms());
}

static void buddy_insert(u32 index, unsigned order, unsigned flags)
{
	struct page *pg = join_buddies(index, order, flags);

	link_sorted(&lists[is_clean(pg)][pg->order], pg);
}

/*
 * What was cut off a block that is handed out: like what a split leaves, it is taken last, so that
 * the block may have it again, when it is freed or grows. Large ones are for the purge, which
 * expects old ones there.
 */
static void buddy_insert_cut(u32 index, unsigned order, unsigned flags)
{
	struct page *pg = join_buddies(index, order, flags);
	struct free_list *l = &lists[is_clean(pg)][pg->order];

	if (pg->order < AGED_ORDER_MIN)
		link_before(l, pg, 0);
	else
		link_sorted(l, pg);
}

/* Halves a block off the lists until it has the order; the upper halves stay free. */
static void split(u32 index, unsigned from, unsigned to, unsigned flags, u32 stamp)
{
	while (from > to) {
		u32 half = index + (1u << --from);
		struct page *pg;

		region_claim(page_at(half), 1u << from, from);
		pg = buddy_mark(half, from, flags, stamp);
		link_before(&lists[is_clean(pg)][from], pg, 0);
	}
}

/* ---- making whole what is free in pieces ---- */
/* The pages are part of an aligned block, and no free block crosses their ends. */
static bool all_free(u32 index, u32 end, u32 *clean)
{
	*clean = 0;
	while (index < end && is_free_head(regn.back[index])) {
		u32 npages = 1u << order_of_free(regn.back[index]);

		if (regn.back[index] & BACK_CLEAN)
			*clean += npages;
		index += npages;
	}
	return index == end;
}

/*
 * Takes what is free from index to end off the lists, if that is all of it. It is one with
 * dirty memory from now on: clean pages of it count as cached, although
 * they are not resident until somebody writes to them.
 */
static bool try_absorb(u32 index, u32 end)
{
	u32 clean;

	if (!all_free(index, end, &clean))
		return false;
	while (index < end) {
		struct page *pg = page_at(index);

		index += pg->npages;
		buddy_remove(pg);
	}
	cached_add(clean);
	return true;
}

/*
 * A block of which only npages were kept gets the rest back if all of that is free still.
 * Without this the part that was used comes back dirty and the rest stayed clean: never
 * one block again, so that the next allocation of that size would touch fresh memory.
 */
bool buddy_rejoin(u32 index, u32 npages, unsigned order)
{
	u32 end = index + (1u << order);
	bool whole;

	lock_acquire(&buddy_lock);
	whole = try_absorb(index + npages, end);
	if (whole)
		region_claim(page_at(index), end - index, order);
	lock_release(&buddy_lock);
	return whole;
}

struct join {
	unsigned order;
	u32 wanted; /* blocks still to be made */
	u32 seen;   /* free blocks looked at */
};

/* The next on the list that is not among the size pages from i on. */
static u32 next_beyond(u32 i, u32 size)
{
	u32 next = i;

	do {
		next = page_at(next)->free.next;
	} while (next && next - i < size);
	return next;
}

/* An area is found by its first block, so it is looked at once. */
static void join_along(struct join *j, u32 i)
{
	u32 size = 1u << j->order, next;

	for (; i && j->wanted; i = next) {
		bool first = IS_ALIGNED(i, size);

		j->seen++;
		next = next_beyond(i, first ? size : 1);
		if (!first || !try_absorb(i, i + size))
			continue;
		buddy_insert(i, j->order, PG_DIRTY);
		j->wanted--;
	}
}

/*
 * Makes dirty blocks of the order out of areas that are free in pieces, clean and dirty; up to
 * a chunk of them, as much as opening one would give. Only while there is no block of
 * this order or above.
 */
static __noinline_ bool join_mixed(unsigned order)
{
	struct join j = {.order = order, .wanted = CHUNK_PAGES >> order};

	for (unsigned below = order; below--;) {
		join_along(&j, lists[false][below].head);
		join_along(&j, lists[true][below].head);
	}
	if (j.wanted)
		met_at_next[order] = met + j.seen / 8;
	return filled[false] >> order;
}

static bool join_is_worth_it(unsigned order)
{
	return (s32)(met - met_at_next[order]) > 0;
}

/* ---- taking and putting ---- */
static struct page *take_from(bool clean, unsigned order)
{
	u32 fit = filled[clean] >> order;
	unsigned flags, from;
	struct page *pg;
	u32 stamp;

	if (!fit)
		return NULL;
	from = order + bit_first(fit);
	pg = page_at(lists[clean][from].head);
	flags = pg->flags;
	stamp = pg->free.stamp;
	buddy_remove(pg);
	split(page_to_index(pg), from, order, flags, stamp);
	region_claim(pg, 1u << order, order);
	pg->order = (u8)order;
	pg->flags = (u16)flags;
	pg->npages = 1u << order;
	return pg;
}

/* Page 0 is never handed out: index 0 means none. */
static void add_first_chunk(void)
{
	struct page *pg = page_at(0);

	region_claim(pg, 1, 0);
	pg->npages = 1;
	kind_set(pg, PAGE_META);
	for (unsigned order = 0; order < MAX_ORDER; order++) {
		region_claim(page_at(1u << order), 1u << order, order);
		buddy_insert(1u << order, order, PG_ZEROED);
	}
}

static bool add_chunk(void)
{
	u32 chunk;

	if (!region_open_chunk_locked(&chunk))
		return false;
	region_claim(page_at(chunk * CHUNK_PAGES), CHUNK_PAGES, MAX_ORDER);
	buddy_insert(chunk * CHUNK_PAGES, MAX_ORDER, PG_ZEROED);
	return true;
}

static struct page *take_listed(unsigned order)
{
	struct page *pg = take_from(false, order);

	return pg ? pg : take_from(true, order);
}

struct page *buddy_take_free(unsigned order, bool clean)
{
	struct page *pg;

	lock_acquire(&buddy_lock);
	pg = take_from(clean, order);
	lock_release(&buddy_lock);
	return pg;
}

/* At the end of the region a search is worth it always. */
static __noinline_ struct page *take_slow(unsigned order)
{
	if ((join_is_worth_it(order) && join_mixed(order)) || add_chunk() || join_mixed(order))
		return take_listed(order);
	return NULL;
}

/* Dirty blocks in `out` still count as cached. Up to n, of which only the first is searched for. */
unsigned buddy_take(unsigned order, struct page **out, unsigned n)
{
	unsigned got = 0;

	BUG_ON(order > MAX_ORDER);
	lock_acquire(&buddy_lock);
	while (got < n &&
	       ((out[got] = take_listed(order)) || (!got && (out[got] = take_slow(order)))))
		got++;
	lock_release(&buddy_lock);
	return got;
}

/* As buddy_take: dirty blocks count as cached before and after. */
void buddy_put(struct page **blocks, unsigned n)
{
	lock_acquire(&buddy_lock);
	for (unsigned i = 0; i < n; i++) {
		unsigned order = blocks[i]->order, flags = blocks[i]->flags;

		desc_reset(blocks[i]);
		buddy_insert(page_to_index(blocks[i]), order, flags);
	}
	lock_release(&buddy_lock);
}

/*
 * Pages without a block of their own: in the largest pieces that alignment and
 * length allow. Each piece is claimed: its pages led to the block it was cut from.
 */
static void put_span_locked(u32 index, u32 npages, unsigned flags,
			    void (*insert)(u32 index, unsigned order, unsigned flags))
{
	while (npages) {
		unsigned order = MIN(bit_first(index | CHUNK_PAGES), bit_last(npages));

		region_claim(page_at(index), 1u << order, order);
		insert(index, order, flags);
		index += 1u << order;
		npages -= 1u << order;
	}
}

void buddy_put_span(u32 index, u32 npages, unsigned flags)
{
	lock_acquire(&buddy_lock);
	put_span_locked(index, npages, flags, buddy_insert);
	lock_release(&buddy_lock);
}

void buddy_put_cut(u32 index, u32 npages, unsigned flags)
{
	lock_acquire(&buddy_lock);
	put_span_locked(index, npages, flags, buddy_insert_cut);
	lock_release(&buddy_lock);
}

/* Free blocks lie side by side from index to end; the last may reach further. */
static bool free_up_to(u32 index, u32 end)
{
	while (index < end && is_free_head(regn.back[index]))
		index += 1u << order_of_free(regn.back[index]);
	return index >= end;
}

/* The pages of free blocks from index to end are in nobody's hands, and count as cached no more. */
static void take_span(u32 index, u32 end)
{
	while (index < end) {
		struct page *pg = page_at(index);
		u32 next = index + pg->npages, used = MIN(next, end) - index;
		unsigned flags = pg->flags;

		buddy_remove(pg);
		if (flags & PG_DIRTY)
			cached_sub(used);
		put_span_locked(index + used, next - index - used, flags, buddy_insert_cut);
		index = next;
	}
}

/* The order is written here: a neighbour that becomes free goes by what back[] says of it. */
bool buddy_grow(struct page *pg, u32 npages, unsigned order)
{
	u32 index = page_to_index(pg), had = pg->npages;
	bool grows;

	lock_acquire(&buddy_lock);
	grows = free_up_to(index + had, index + npages);
	if (grows) {
		take_span(index + had, index + npages);
		region_claim_behind(pg, had, npages, order);
		pg->order = (u8)order;
		atomic_store(&pg->npages, npages);
	}
	lock_release(&buddy_lock);
	return grows;
}

/* Locked, because a neighbour that becomes free looks at the byte of the page beside it. */
void buddy_claim(const struct page *piece)
{
	lock_acquire(&buddy_lock);
	region_claim_anew(piece);
	lock_release(&buddy_lock);
}

u32 region_take_chunks(u32 n)
{
	u32 first;

	lock_acquire(&buddy_lock);
	first = region_take_chunks_locked(n);
	lock_release(&buddy_lock);
	return first;
}

bool region_take_chunks_at(u32 chunk, u32 n)
{
	bool taken;

	lock_acquire(&buddy_lock);
	taken = regn.chunks == chunk && region_take_chunks_locked(n);
	lock_release(&buddy_lock);
	return taken;
}

/* ---- the purge ---- */
/*
 * Takes up to n dirty blocks of the order that are old enough, nearly the oldest
 * first: the order of addresses puts some young ones among them, which are passed over.
 * They are kind BALLOON, on no list, until buddy_purge_put.
 */
unsigned buddy_purge_take(unsigned order, u32 min_age_ms, struct piece *out, unsigned n)
{
	u32 now = sys_clock_coarse_ms(), index, prev;
	unsigned got = 0, young = 0;

	lock_acquire(&buddy_lock);
	for (index = lists[false][order].tail; got < n && index; index = prev) {
		struct page *pg = page_at(index);

		prev = pg->free.prev;
		if (now - pg->free.stamp < min_age_ms) {
			if (++young > 2 * SORTED)
				break;
			continue;
		}
		buddy_remove(pg);
		kind_set(pg, PAGE_BALLOON);
		pg->npages = 1u << order;
		out[got++] = (struct piece){index, order};
	}
	lock_release(&buddy_lock);
	return got;
}

/* Not purged: dirty as before, but young again, so that the next pass comes to others first. */
void buddy_purge_put(const struct piece *piece, bool purged)
{
	lock_acquire(&buddy_lock);
	desc_reset(page_at(piece->index));
	buddy_insert(piece->index, piece->order, purged ? PG_ZEROED : PG_DIRTY);
	lock_release(&buddy_lock);
	if (purged)
		cached_sub(1u << piece->order);
}

void buddy_init(void)
{
	u32 chunk;

	lock_init(&buddy_lock, RANK_BUDDY);
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		lists[false][order] = lists[true][order] = (struct free_list){0};
	filled[false] = filled[true] = 0;
	met = 0;
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		met_at_next[order] = 0;
	lock_acquire(&buddy_lock);
	/* region_init opened it: cannot fail. */
	BUG_ON(!region_open_chunk_locked(&chunk) || chunk != 0);
	add_first_chunk();
	lock_release(&buddy_lock);
}

void buddy_fork_lock(void)
{
	lock_acquire(&buddy_lock);
}

void buddy_fork_unlock(void)
{
	lock_release(&buddy_lock);
}
