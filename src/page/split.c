/*
 * split.c - one counted page of 2^n 4 KiB pages becomes several, each counted and owned for itself.
 *
 * 1. Who splits has the only reference, and takes it: the count is frozen, 1 -> 0, so nobody else
 *    gets at the page until its pieces are published.
 * 2. Nothing is charged and nothing credited: bytes are the reference (adr/001), and the pieces
 * have together the bytes that the page had. Each gets the mark, and gives its bytes back with its
 * own last put. No reference on the handle is taken for the new ones: there is none for each page.
 * 3. Look-ups by address need no reference and go on meanwhile. So a piece's descriptor is whole
 *    before back[] leads to it, and until then its pages lead to the old head, which says
 *    the same kind and owner. The walk of a recount goes by npages of the old head: the
 *    pieces behind it are made first, then it shrinks.
 * 4. Only kinds of which nothing but the caller knows where they end: buffers and tables. An object
 *    is freed by its start; a stack has a guard at its low end.
 */
#include <errno.h>

#include "base/hook.h"
#include "page/free.h"

HOOK_DEFINE(split_made);
HOOK_DEFINE(split_claimed);

static bool kind_splits(unsigned kind)
{
	return kind == PAGE_BUFFER || kind == PAGE_TABLE;
}

/* The last piece of a trimmed block is shorter. */
static u32 piece_pages(u32 npages, u32 at, unsigned order)
{
	return MIN(npages - at, 1u << order);
}

static void piece_make(struct page *piece, const struct page *of, u32 npages, unsigned order)
{
	ASSERT(piece->kind == PAGE_NONE && !page_count(piece));
	piece->order = (u8)order;
	piece->flags = of->flags;
	piece->npages = npages;
	if (page_owned(of))
		page_set_objcg(piece, page_objcg(of), owner_type(page_owner_word(of)));
	kind_set(piece, of->kind);
}

static void split_frozen(struct page *pg, unsigned order)
{
	u32 npages = pg->npages, step = 1u << order;

	for (u32 at = step; at < npages; at += step) {
		piece_make(pg + at, pg, piece_pages(npages, at, order), order);
		HOOK(split_made);
	}
	pg->npages = piece_pages(npages, 0, order);
	pg->order = (u8)order;
	for (u32 at = 0; at < npages; at += step)
		buddy_claim(pg + at);
	HOOK(split_claimed);
	for (u32 at = step; at < npages; at += step)
		page_thaw(pg + at);
	page_thaw(pg);
}

int page_split(struct page *pg, unsigned order)
{
	if (!kind_splits(pg->kind) || pg->npages > CHUNK_PAGES || order > pg->order)
		return -EINVAL;
	if (order == pg->order)
		return 0;
	if (pg->mapcount || !page_freeze(pg))
		return -EBUSY;
	split_frozen(pg, order);
	return 0;
}
