/*
 * page.h - the page layer's surface: blocks of 4 KiB pages, their kinds and
 * counts, the one free path, and our own structures.
 *
 * Locks: RANK_PURGE, RANK_META, RANK_RANGE, RANK_PCP, RANK_BUDDY; all but the
 * first are held for a short walk, none across a call of a higher layer.
 * Nothing here charges anybody: a block comes without an owner, and page_free
 * hands an owned one to page_ops[kind].uncharge, which a higher layer filled in.
 */
#ifndef MEMCG_PAGE_PAGE_H
#define MEMCG_PAGE_PAGE_H

#include "base/hook.h"
#include "page/desc.h"
#include "page/owner.h"

/* The one table by which a lower layer reaches up. Filled at start-up, then constant. */
struct page_ops {
	/* Count is 0, the mark gone: what memory.stat says of the kind, then the counter. */
	void (*leave)(struct handle *h, unsigned kind, u64 bytes);
	void (*uncharge)(struct handle *h, u64 bytes);
	void (*release)(struct page *pg); /* after uncharge; NULL: to the page allocator */
	/* All three of a page alone, for kinds that come and go often; NULL: one after the other.
	 */
	void (*finish)(struct page *pg, struct handle *h);
	void (*release_run)(struct page **pages, size_t n); /* of a batch; NULL: one by one */
	bool (*fits)(const struct page *pg); /* asked by the check at free; NULL: yes */
};
extern __hidden_ struct page_ops page_ops[PAGE_KIND_NR];

/* region.c: -ENOMEM when not even the smallest range can be had. span 0: choose. */
__hidden_ int region_init(u64 span);
__hidden_ bool region_open_chunk_locked(u32 *chunk);	/* buddy lock held: next chunk, opened */
__hidden_ u32 region_take_chunks_locked(u32 n);		/* n adjacent, opened; first, 0: none */
__hidden_ u32 region_take_chunks(u32 n);		/* as above, takes the buddy lock */
__hidden_ bool region_take_chunks_at(u32 chunk, u32 n); /* the same if that is the next one */
__hidden_ void region_claim(struct page *pg, u32 npages, unsigned order); /* writes back[] */
__hidden_ void region_claim_behind(const struct page *pg, u32 had, u32 npages, unsigned order);
__hidden_ void region_claim_anew(const struct page *pg); /* a piece of a block: split.c */

/*
 * block.c: blocks. PG_ZEROED in the result's flags tells memory that reads as zero.
 * Who frees a block has set its kind to NONE, cleared the owner word, and left the tails'
 * descriptors zero; the rest of the head's descriptor may be as it is.
 */
__hidden_ struct page *block_alloc(unsigned order); /* kind NONE, no count; NULL */
__hidden_ void block_free(struct page *pg);	    /* any block but a range; also a trimmed one */
/* Keeps the first npages, frees the rest: as clean memory while the kind is NONE still. */
__hidden_ void block_trim(struct page *pg, u32 npages);
/*
 * A block that is handed out becomes one of npages, where it is. False: something behind it is
 * not free, and nothing has changed. The caller has it to itself (page_freeze).
 */
__hidden_ bool block_grow(struct page *pg, u32 npages);

/* buddy.c, pcp.c. Order of the calls: region_init, buddy_init; after pcpu_init pcp_init. */
__hidden_ void buddy_init(void);
__hidden_ u64 buddy_purge(u32 min_age_ms, u64 want); /* bytes given back to the system */
__hidden_ void pcp_init(void);
__hidden_ void pcp_drain_all(void);

/* range.c: runs of whole chunks, for blocks over 2^MAX_ORDER pages. */
__hidden_ struct page *range_alloc(u32 npages); /* head; no count, kind NONE, npages set */
__hidden_ void range_free(struct page *pg);
__hidden_ bool range_grow(struct page *pg, u32 npages); /* as block_grow */
__hidden_ u64 range_purge(u32 min_age_ms, u64 want);

/*
 * purge.c. Fork: prepare takes every lock of this layer, in the parent, before; done gives them
 * back, in the parent and in the child.
 */
__hidden_ void page_after_fork_prepare(void);
__hidden_ void page_after_fork_done(void);

/* Bytes that are free, ours and not known to be clean: an upper bound, see free.h. The root's
 * `cached`. */
extern __hidden_ u64 page_cached;

/* What higher layers keep, where a count would be dear: bytes, now. NULL: nothing. */
extern __hidden_ u64 (*page_cached_more)(void);

static inline u64 page_cached_now(void)
{
	s64 n = (s64)atomic_load(&page_cached) + (page_cached_more ? (s64)page_cached_more() : 0);

	return n > 0 ? (u64)n : 0; /* writers meet in any order: for a moment below nothing */
}

extern __hidden_ u32 page_purge_ms;
extern __hidden_ u64 page_purge_failed; /* calls that the system refused */
/* What higher layers keep goes too: all of it, or by age; bytes. No lock is held. NULL: nothing. */
extern __hidden_ u64 (*page_purge_more)(bool all);
__hidden_ void page_tick(void);	    /* called by slow paths: purges by age, now and then */
__hidden_ u64 page_purge_all(void); /* everything free, at once; bytes */

/*
 * balloon.c: free memory out of use, its memory with the system: as many bytes as asked for,
 * or as many as are free (page_balloon says). Lowered, they are free again. Nobody is charged for
 * it.
 */
extern __hidden_ u64 page_balloon; /* bytes that are out */
__hidden_ void page_balloon_set(u64 bytes);

/* Atomic, since an owner look-up by any address may read it at any moment. */
static inline void kind_set(struct page *pg, enum page_kind kind)
{
	atomic_store(&pg->kind, (u8)kind);
}

/*
 * put.c: counts. get needs a reference of the caller's; tryget fails once the
 * count has reached 0. put: the last one looks at the kind *after* the count
 * is zero, uncharges if the mark says so, and hands the block to whoever its kind says.
 *
 * Only heads of counted kinds have a count other than 0, from page_publish to the last put. So
 * who has no more than the address of a page that may be gone (found in a structure that is
 * read without a lock, say) calls tryget, and *looks again* where it was found: what was got
 * is a page of a counted kind, but it may be another that came to lie there.
 */
static inline void page_get(struct page *pg)
{
	u32 was = atomic_add(page_count_of(pg), 1) - 1;

	BUG_ON(was == 0);
}
__hidden_ bool page_tryget(struct page *pg);
/*
 * A block that was taken becomes a page of a counted kind, with one reference. Everything else of
 * it is made, its owner too. Release: pairs with page_tryget, whose caller finds that.
 */
static inline void page_publish(struct page *pg, enum page_kind kind)
{
	ASSERT(kind_table[kind].counted && !page_count(pg));
	/* Release: pairs with the look-ups by address, which read the kind and then the owner. */
	__atomic_store_n(&pg->kind, (u8)kind, __ATOMIC_RELEASE);
	atomic_store_release(page_count_of(pg), 1u);
}
__hidden_ void page_put(struct page *pg);
extern __hidden_ u64 page_bad_count; /* pages that failed the check at free */
__hidden_ bool
page_freeze(struct page *pg); /* 1 -> 0 by compare-and-swap: now it is the caller's */
/* And back. Release: pairs with page_tryget, whose caller finds what was done to the page. */
static inline void page_thaw(struct page *pg)
{
	BUG_ON(page_count(pg));
	atomic_store_release(page_count_of(pg), 1u);
}
/*
 * split.c: a page becomes pieces of 2^order pages, each with one reference and the same owner; the
 * caller has the only reference. -EBUSY: it has not; -EINVAL: order or kind. Nothing changed then.
 */
__hidden_ int page_split(struct page *pg, unsigned order);
HOOK_DECLARE(tryget_loaded); /* put.c: a count has been read */
HOOK_DECLARE(page_dropped);  /* put.c: the count has become 0, and nothing was done since */
HOOK_DECLARE(release_dead);  /* put.c: the dead of a batch are frozen, and still marked */
HOOK_DECLARE(split_made);    /* a piece's descriptor is made, nothing leads to it */
HOOK_DECLARE(split_claimed); /* back[] leads to them, they have no count yet */
/* n puts; one uncharge for a run of pages of one owner, whatever kinds. Uses the array as it goes.
 */
__hidden_ void pages_release(struct page **pages, size_t n);
/* Its mark goes, and who it named is credited. Count is 0, and it is owned. */
__hidden_ void page_uncharge(struct page *pg);
/* The one free path: count is 0. Checks, uncharges by the mark, releases. */
__hidden_ void page_free(struct page *pg);

/*
 * meta.c: memory for our own structures, cleared, never given back to the
 * system, type-stable per size class (rounded up to 16). NULL when the system
 * refuses. Not charged to groups: its sum is the root's `metadata`.
 */
__hidden_ void *meta_alloc(size_t size);
__hidden_ void meta_free(void *p, size_t size);
extern __hidden_ u64 meta_bytes;		/* pages taken for it, bytes */
__hidden_ extern void (*meta_grown)(u64 bytes); /* told of every growth; may be NULL */

#endif
