/*
 * region.c - the one reserved range, and opening it.
 *
 * 1. One reservation holds, in this order: the heap's memory (aligned to a chunk), as many
 * addresses for the alias of managed memory (managed.c), the descriptors of both, back[] of the
 * heap, count[] of both, and two small arrays with an element per chunk. Only the reservation is
 * big; what is open grows with use, so a system that counts committed memory counts little more
 * than what is used.
 * 2. Memory, descriptors, back[] and count[] are opened together in steps of STEP chunks,
 *    smaller ones where the system refuses. A step half opened stays half
 *    opened: opening what is open already does no harm, and the next try does it again.
 * 3. Chunks are given out from the bottom, one to the buddy lists or several
 *    adjacent ones to a range, and never come back here. regn.chunks counts them;
 *    `ready` is how many are open. Both only grow, under the buddy lock.
 */
#include "page/free.h"

#include <errno.h>
#include <string.h>

#include "sys/log.h"
#include "sys/map.h"

#define SPAN_DEFAULT (256 * GIB)
#define SPAN_MIN     (64 * MIB)
#define SPAN_MAX     (((size_t)1 << 43) - CHUNK_SIZE) /* page indices are 32 bits, of both halves */
#define STEP	     16u
#define SMALL_ORDER  6u /* blocks up to here say in back[] how far the head is */

struct region memcg__region;
static u32 ready;

/* Where each part begins, from the base. Every part starts on a page. */
struct layout {
	size_t managed, desc, back, count, chunk_head, chunk_use, total;
};

static struct layout lay_out(size_t span)
{
	size_t pages = span >> PAGE_SHIFT, chunks = span >> CHUNK_SHIFT;
	struct layout l = {.managed = span, .desc = 2 * span};

	l.back = l.desc + 2 * pages * sizeof(struct page);
	l.count = l.back + ALIGN_UP(pages, PAGE_SIZE);
	l.chunk_head = l.count + 2 * pages * sizeof(u32); /* a page of it for each chunk */
	l.chunk_use = l.chunk_head + ALIGN_UP(chunks * sizeof(u32), PAGE_SIZE);
	l.total = l.chunk_use + ALIGN_UP(chunks * sizeof(struct chunk_use), PAGE_SIZE);
	return l;
}

static void place(char *base, size_t span, const struct layout *l)
{
	ready = 0;
	regn.chunks = 0;
	regn.managed_end = 0;
	regn.chunks_max = (u32)(span >> CHUNK_SHIFT);
	regn.managed = (u32)(l->managed >> PAGE_SHIFT);
	regn.managed_pages = (u32)((l->desc - l->managed) >> PAGE_SHIFT);
	regn.desc = (struct page *)(base + l->desc);
	regn.back = (u8 *)(base + l->back);
	regn.count = (u32 *)(base + l->count);
	regn.chunk_head = (u32 *)(base + l->chunk_head);
	regn.chunk_use = (struct chunk_use *)(base + l->chunk_use);
	regn.span = span;
	regn.base = (uintptr_t)base;
}

/* back[] has a quarter of a page for each chunk: whole pages around it are opened. */
static int open_array(void *start, size_t len)
{
	uintptr_t from = ALIGN_DOWN((uintptr_t)start, PAGE_SIZE);

	return sys_open_range((void *)from, ALIGN_UP((uintptr_t)start + len, PAGE_SIZE) - from);
}

/* Descriptors first: memory that can be reached has its descriptor. */
static int open_chunks(u32 first, u32 n)
{
	size_t page = (size_t)first * CHUNK_PAGES, pages = (size_t)n * CHUNK_PAGES;
	int err;

	err = open_array(regn.desc + page, pages * sizeof(struct page));
	if (!err)
		err = open_array(regn.back + page, pages);
	if (!err)
		err = open_array(regn.count + page, pages * sizeof(u32));
	if (!err)
		err = sys_open_range((char *)regn.base + ((size_t)first << CHUNK_SHIFT),
				     (size_t)n << CHUNK_SHIFT);
	return err;
}

/* At least `want` chunks more are open afterwards, or false. */
static bool make_ready(u32 want)
{
	u32 left = regn.chunks_max - ready, step = MIN(MAX(want, STEP), left);

	if (want > left)
		return false;
	while (open_chunks(ready, step)) {
		if (step == want)
			return false;
		step = MAX(step / 2, want);
	}
	ready += step;
	return true;
}

static bool take_locked(u32 n, u32 *first)
{
	u32 have = ready - regn.chunks;

	if (have < n && !make_ready(n - have))
		return false;
	*first = regn.chunks;
	/* Release: who sees the chunk counted finds it open (page_head's callers ask first). */
	atomic_store_release(&regn.chunks, regn.chunks + n);
	return true;
}

bool region_open_chunk_locked(u32 *chunk)
{
	return take_locked(1, chunk);
}

u32 region_take_chunks_locked(u32 n)
{
	u32 first;

	return take_locked(n, &first) ? first : 0;
}

static char *reserve(size_t *span, bool shrink)
{
	for (;;) {
		char *base = sys_reserve(lay_out(*span).total, CHUNK_SIZE);

		if (base || !shrink || *span / 2 < SPAN_MIN)
			return base;
		*span /= 2;
	}
}

static size_t span_of(u64 wanted)
{
	return wanted ? ALIGN_UP(MIN(wanted, SPAN_MAX), CHUNK_SIZE) : SPAN_DEFAULT;
}

int region_init(u64 wanted)
{
	size_t span = span_of(wanted);
	char *base = reserve(&span, !wanted);
	struct layout l = lay_out(span);

	if (!base) {
		log_line("cannot reserve %zu MiB of addresses: raise the limit of address space "
			 "(ulimit -v) or ask for a smaller region",
			 span / MIB);
		return -ENOMEM;
	}
	place(base, span, &l);
	/*
	 * Descriptors, back[] and count[] can be read before their chunk is open, and say "nothing
	 * here": a free of any pointer into the range needs no test for that. The
	 * arrays by chunk are opened whole.
	 */
	if (!sys_open_readable(base + l.desc, l.chunk_head - l.desc) &&
	    !sys_open_range(base + l.chunk_head, l.total - l.chunk_head) && make_ready(1))
		return 0;
	log_line("cannot open the first %zu MiB of the region: the system gives no memory",
		 CHUNK_SIZE / MIB);
	memset(&regn, 0, sizeof(regn));
	sys_unmap(base, l.total);
	return -ENOMEM;
}

/* ---- from any page to its head ---- */
typedef u64 __attribute__((may_alias)) back_word; /* of eight pages, little-endian */

static u8 back_inside(u32 i, unsigned order)
{
	return (u8)(order <= SMALL_ORDER ? i : BACK_ORDER | order);
}

/* Eight pages at once where a block has as many: it is aligned then. */
static void claim_small(u32 index, u32 npages)
{
	u32 i = 0;

	if (IS_ALIGNED(index, 8u))
		for (; i + 8 <= npages; i += 8)
			atomic_store((back_word *)&regn.back[index + i], /* see page_head */
				     0x0706050403020100ul + i * 0x0101010101010101ul);
	for (; i < npages; i++)
		atomic_store(&regn.back[index + i], (u8)i);
}

static void claim_chunks(u32 first, u32 n, u32 head)
{
	memset(regn.back + (size_t)first * CHUNK_PAGES, BACK_RANGE, (size_t)n * CHUNK_PAGES);
	for (u32 i = 0; i < n; i++)
		atomic_store(&regn.chunk_head[first + i], head);
}

/*
 * Every page of the block leads to pg from now on. order <= MAX_ORDER: a block
 * aligned to its order, of which npages are used; MAX_ORDER + 1: whole chunks, a range.
 */
void region_claim(struct page *pg, u32 npages, unsigned order)
{
	u32 index = page_to_index(pg);

	if (order > MAX_ORDER)
		claim_chunks(index / CHUNK_PAGES, DIV_ROUND_UP(npages, CHUNK_PAGES), index);
	else if (order <= SMALL_ORDER)
		claim_small(index, npages);
	else
		memset(regn.back + index, (int)(BACK_ORDER | order), npages);
}

/*
 * The same for what a block has got behind its first `had` pages, whose bytes lead to pg as
 * they are: it is aligned to its larger order too.
 */
void region_claim_behind(const struct page *pg, u32 had, u32 npages, unsigned order)
{
	u32 index = page_to_index(pg), chunks = DIV_ROUND_UP(had, CHUNK_PAGES);

	if (order > MAX_ORDER)
		claim_chunks(index / CHUNK_PAGES + chunks,
			     DIV_ROUND_UP(npages, CHUNK_PAGES) - chunks, index);
	else
		for (u32 i = had; i < npages; i++)
			atomic_store(&regn.back[index + i], back_inside(i, order));
}

/*
 * The same for a piece of a block that was handed out, which look-ups by address may go to
 * meanwhile. Release: who is led to pg finds its descriptor; pairs with page_head.
 */
void region_claim_anew(const struct page *pg)
{
	u32 index = page_to_index(pg);

	for (u32 i = 0; i < pg->npages; i++)
		atomic_store_release(&regn.back[index + i], back_inside(i, pg->order));
}

/*
 * Whatever the byte says, the answer lies at or below the page asked for, so it
 * is open. A stale chunk_head (the chunk is free, or being split) shows a
 * descriptor of kind NONE or of the free run.
 */
struct page *page_head_slow(u32 index, u8 back)
{
	unsigned order = back & ~BACK_ORDER;
	u32 head;

	if (back >= BACK_FREE && back != BACK_RANGE)
		return page_at(index);
	if (order <= MAX_ORDER)
		return page_at(ALIGN_DOWN(index, 1u << order));
	head = atomic_load(&regn.chunk_head[index / CHUNK_PAGES]);
	return page_at(head && head <= index ? head : index);
}
