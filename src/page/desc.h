/*
 * desc.h - the 64-byte descriptor of every 4 KiB page, and the arithmetic
 * between addresses, indices and descriptors.
 *
 * 1. The region is one reserved range of addresses: the heap's, opened from the bottom in
 *    chunks of 4 MiB, and behind it the alias of managed memory (managed.h). regn.desc[] has
 *    one struct page for each 4 KiB of both; region_has() is about the heap alone.
 * 2. A *block* is what is handed out: a head page and its tails. Only the
 *    head's descriptor describes it; regn.back[] has a byte for each page
 *    that leads from any page to its head (page_head). The tails' descriptors
 *    are zero (kind NONE), but for a slab, whose tails hold its slot bitmap.
 *    Counts do not lie in it: regn.count[] has one for each page, used by heads of counted kinds
 *    and 0 for all others at all times. Who has the address of a page that was freed since may
 *    try to get a reference (page_tryget), and finds 0 whatever that memory is by now; in a
 *    descriptor it could find a slab's slot bits and change them.
 * 3. Who may write: a free block is its list's (buddy, pcp or range lock); a
 *    block handed out is its holder's. back[] is written under the buddy lock (of ranges:
 *    the range lock), before the block's address is known to anybody; and when a page is split,
 *    by who has it to itself (split.c).
 */
#ifndef MEMCG_PAGE_DESC_H
#define MEMCG_PAGE_DESC_H

#include "base/assert.h"
#include "base/bits.h"
#include "base/types.h"
#include "page/kind.h"
#include "sync/atomic.h"
#include "sync/lock.h"

#define MAX_ORDER   10u /* largest buddy block: one chunk */
#define CHUNK_SHIFT (PAGE_SHIFT + MAX_ORDER)
#define CHUNK_SIZE  ((size_t)1 << CHUNK_SHIFT)
#define CHUNK_PAGES (1u << MAX_ORDER)

enum page_flags {
	PG_ZEROED = 1u << 0, /* memory reads as zero: fresh, or purged; true when handed out */
	PG_DIRTY = 1u << 1,  /* free block: resident, counts as cached */
};

struct bin;
struct slab_head {
	u64 remote;   /* frees by others: see slab/slab.h; any thread, by compare-and-swap */
	u32 hold;     /* thread id << 2 | SLAB_HOLD_*: holder's plain path; see slab/slab.h */
	u32 size;     /* bytes of a slot */
	u32 inverse;  /* ceil(2^32 / size) */
	u16 capacity; /* slots */
	u16 class;    /* size class, or SLAB_CLASS_CACHE */
	union {
		struct bin *bin; /* the holder's bin for it (slab/heap.h); NULL: an orphan */
		struct memcg_cache *cache; /* class == SLAB_CLASS_CACHE */
	};
	u32 end; /* bytes of all slots: capacity * size */
	u32 spare;
};

/*
 * A page of managed memory. Its descriptor belongs to (object, index) as long as the object has its
 * extent, whether the page's content is in memory or not; `where` says where it is.
 */
struct object; /* vm/object.h */
enum page_where {
	WHERE_NONE = 0,	    /* nowhere: never touched, or dropped; reads as zero or from its file */
	WHERE_RESIDENT = 1, /* in the memory that the alias shows */
	WHERE_SAME = 2,	    /* entry is the word that fills it */
	WHERE_ZSWAP = 3,    /* entry is a compressed copy */
	WHERE_SWAP = 4,	    /* entry is a slot of the swap file */
};
#define MANAGED_SWAPCACHED (1u << 5) /* of flags: in memory, and a slot of the swap file */
#define MANAGED_DIRTY	   (1u << 2)
struct managed {
	u32 lock; /* the page lock: vm/page_lock.h. It guards where, flags, object, index, entry */
	u8 where; /* enum page_where */
	u8 flags; /* enum managed_flags, vm/object.h */
	u8 list;  /* the list it is on, 0: none; lruvec lock (lru/lruvec.h) */
	u8 written;	/* seen when a mapping went, without the page lock: vm/dirty.h; atomic */
	u32 next, prev; /* page indices on that list, 0 ends; lruvec lock */
	struct object *object; /* NULL until its first mapping sets it, with index */
	u64 entry;  /* by where; resident: its slot in the swap file, if it has it still */
	u32 index;  /* in the object */
	u32 shadow; /* not resident: the age at which it was evicted, 0: never */
};

/*
 * A network page, out of its pool or in it: net/pool.h. What a managed page has in the same place
 * means the same here; it is never on a list of its group's and never evicted.
 */
/* Of flags: free, and its memory may be here. */
#define NET_PAGE_KEPT	 (1u << 2) /* counts in page_cached */
#define NET_PAGE_STACKED (1u << 3) /* on a CPU's stack: page_cached_more */
struct net_page {
	u32 lock;
	u8 where; /* RESIDENT while it is out */
	u8 flags; /* enum net_flags, atomic */
	u8 list;  /* 0 */
	u8 written;
	u32 next;  /* in a CPU's stack: the page below; atomic */
	u32 depth; /* pages from this one down; atomic */
	u32 fill;  /* offered to reads: 1 + slot, 0: not; or NET_FILL_WRITING; atomic; net/fill.h */
	u32 filled; /* who has claimed the page writes behind that; its alone */
};
#define NET_FILL_WRITING UINT32_MAX

struct page {
	u64 memcg_data; /* the owner word: owner.h only */
	u32 npages;	/* pages in the block; less than 2^order after a trim */
	u8 kind;	/* enum page_kind */
	u8 order;	/* block of 2^order pages; ranges: 0 */
	u16 flags;	/* enum page_flags; the holder's */
	/* Of its own: network pages are mapped and typed at once. */
	union {
		struct {
			s32 mapcount; /* mappings; 0: none */
			u32 moves;    /* how often its owner was changed: see vm/rmap.h */
		};
		u64 maps; /* both */
	};
	union {
		struct {
			u32 next,
				prev; /* indices on the free list; 0 ends (page 0 is never free) */
			u32 zero;     /* lies where slab.hold does: no thread holds a free block */
			u32 stamp;    /* ms, when it became free */
			u32 dirty;    /* ranges: resident pages, see range.c */
		} free;
		struct {
			u64 size; /* bytes of each object in it; of a large one: its pages */
		} meta;
		struct {
			u64 bytes; /* asked for */
		} large;
		struct {
			u16 guard; /* pages of guard at the low end */
			u8 how;	   /* enum guard_kind, alloc/guard.h */
			u8 live;   /* the program's, until memcg_stack_free exchanges it */
		} stack;
		struct {
			struct lock lock; /* RANK_PT: its entries; vm/table.h */
			u32 zero;	  /* as in free */
			u32 used;	  /* entries that are not none */
		} table;
		struct slab_head slab;
		struct managed managed; /* ANON, FILE, SHMEM */
		struct net_page net;
		u64 room[5];
	};
} __cacheline_aligned_;

_Static_assert(sizeof(struct page) == 64, "a descriptor is one cache line");
_Static_assert(__builtin_offsetof(struct page, room) == 24, "owner and kind stay first");
/* The free check reads owner word, kind and flags: all in the first 16 bytes. */
_Static_assert(__builtin_offsetof(struct page, flags) < 16, "free check reads one line");
/* Kind and mapcount are not overlaid: a page can be mapped whatever its kind. */
_Static_assert(__builtin_offsetof(struct page, mapcount) >= 16, "mapcount overlays nothing");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "mapcount is the low half of maps");

/* Of a chunk that is part of a range, pages counted from its start. */
struct chunk_use {
	u16 dirty; /* may be resident, handed out or not */
	u16 used;  /* handed out; 0: free */
};

struct region {
	uintptr_t base;	   /* first byte; constant after region_init */
	size_t span;	   /* bytes of it that are the heap's; constant */
	struct page *desc; /* constant */
	u8 *back;	   /* constant */
	u32 *chunk_head;   /* per chunk: head page index of the range over it; RANK_RANGE */
	struct chunk_use *chunk_use; /* per chunk of ranges; RANK_RANGE */
	u32 chunks;		     /* opened so far; RANK_BUDDY, read racily */
	u32 chunks_max;		     /* constant */
	u32 *count; /* constant; references to a block, by its head's index: page.h */
	u32 managed, managed_pages; /* first page behind the heap's, and how many; constant */
	u32 managed_end; /* descriptors of managed pages below are open; RANK_EXTENT, read racily */
} __cacheline_aligned_;

/* In the private version node: the preload compiles the fast path in. */
extern __private_ struct region memcg__region;
#define regn memcg__region

/*
 * back[] of a page: 0..63 pages back to the head; BACK_ORDER|n: in a block aligned to 2^n;
 * BACK_FREE|n, with BACK_CLEAN: itself the head of a block on the buddy lists; BACK_RANGE.
 */
#define BACK_ORDER 0x80u
#define BACK_FREE  0xc0u
#define BACK_CLEAN 0x10u
#define BACK_RANGE 0xffu

/* True for every address the region could ever hold: one subtraction and a compare. */
__always_inline_ bool region_has(const void *p)
{
	return (uintptr_t)p - regn.base < regn.span;
}

__always_inline_ u32 page_index(const void *p)
{
	return (u32)(((uintptr_t)p - regn.base) >> PAGE_SHIFT);
}

__always_inline_ struct page *page_at(u32 index)
{
	return &regn.desc[index];
}

__always_inline_ u32 page_to_index(const struct page *pg)
{
	return (u32)(pg - regn.desc);
}

__always_inline_ void *page_address(const struct page *pg)
{
	return (void *)(regn.base + ((uintptr_t)page_to_index(pg) << PAGE_SHIFT));
}

/* Blocks that are not slabs, and ranges; outlined because frees of slab objects never come here. */
#define page_head_slow memcg__page_head_slow
__private_ struct page *page_head_slow(u32 index, u8 back);

/*
 * The head of the block a page index lies in. For memory that is not handed
 * out the answer is a descriptor of some kind that says so. index < chunks * CHUNK_PAGES.
 */
__always_inline_ struct page *page_head(u32 index)
{
	u8 back = atomic_load_acquire(&regn.back[index]); /* pairs with region_claim_anew */

	if (likely(back < BACK_ORDER))
		return page_at(index) - back;
	return page_head_slow(index, back);
}

__always_inline_ bool region_opened(u32 index)
{
	return index < atomic_load_acquire(&regn.chunks) * CHUNK_PAGES; /* pairs with region.c */
}

/* Of a counted kind, which is its head; see page.h for who may change it. */
static inline u32 *page_count_of(const struct page *pg)
{
	return &regn.count[page_to_index(pg)];
}

/* 0: it is of no counted kind, or its last put has begun. */
static inline u32 page_count(const struct page *pg)
{
	return atomic_load(page_count_of(pg));
}

static inline size_t page_bytes(const struct page *pg)
{
	return (size_t)pg->npages << PAGE_SHIFT;
}

#endif
