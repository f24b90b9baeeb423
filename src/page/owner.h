/*
 * owner.h - the owner word: who owns a page, in one word, pointer and type
 * together. The only file that names the field.
 *
 *   0			nobody's
 *   handle		a slab of one owner, charged whole
 *   handle | KMEM	a kernel-style page: charged, uncharged on the one free path
 *   vector | OBJCGS	a slab with an owner entry for each slot
 *
 * Rules
 * 1. Pointer and type are written in one store. The word goes 0 -> handle, 0 ->
 *    vector, and back to 0 when the page is freed. handle -> vector happens only in the two
 *    protocols of slab/convert.c, where every entry of the vector says what the handle said.
 * 2. A mark means charged: whoever writes a handle has charged it.
 * 3. A vector appears without a lock, by compare-and-swap from 0; so readers
 *    of slabs load the word once, with acquire (paired with page_set_objcgs), and decide on
 *    that value.
 * 4. Page -> handle is stable while the caller holds the page exclusively or an
 *    object of it. Handle -> group is another step with rules of its own: group/handle.h.
 */
#ifndef MEMCG_PAGE_OWNER_H
#define MEMCG_PAGE_OWNER_H

#include "page/desc.h"

struct handle; /* group/handle.h; opaque here */

#define MEMCG_DATA_OBJCGS 1ul
#define MEMCG_DATA_KMEM	  2ul
#define MEMCG_DATA_MASK	  7ul

/*
 * Owner entries of a slab's slots. entry[i]: 0 free (shared slabs), OWNER_NOBODY,
 * else a handle's index. fallback: 0 for a shared slab; for an own slab with exceptions
 * the index of the handle that is charged for the whole slab.
 */
struct objcgs {
	u32 nr;
	u32 fallback;
	u32 entry[];
};
#define OWNER_NOBODY 1u /* handle index 1 is never a handle */

/* Plain load and mask. Caller: holds the page exclusively or an object of it; not a shared slab. */
static inline struct handle *page_objcg(const struct page *pg)
{
	ASSERT(!(pg->memcg_data & MEMCG_DATA_OBJCGS));
	return (struct handle *)(pg->memcg_data & ~MEMCG_DATA_MASK);
}

/* As page_objcg, for readers that hold nothing: the value may be of a moment ago. */
static inline struct handle *page_objcg_once(const struct page *pg)
{
	u64 word = atomic_load_acquire(&pg->memcg_data);

	return word & MEMCG_DATA_OBJCGS ? NULL : (struct handle *)(word & ~MEMCG_DATA_MASK);
}

/* The vector, or NULL. Any slab page, at any moment; pairs with page_set_objcgs. */
static inline struct objcgs *page_objcgs(const struct page *pg)
{
	u64 word = atomic_load_acquire(&pg->memcg_data);

	return word & MEMCG_DATA_OBJCGS ? (struct objcgs *)(word & ~MEMCG_DATA_MASK) : NULL;
}

/* The whole word, once, for readers that hold nothing: everything is decided on this value. */
static inline u64 page_owner_once(const struct page *pg)
{
	return atomic_load_acquire(&pg->memcg_data);
}

/* Charged to somebody in some way. The free path's question: one load and a compare. */
static inline bool page_owned(const struct page *pg)
{
	return pg->memcg_data != 0;
}

/* The whole word, for checks and reports. Exclusively held pages. */
static inline u64 page_owner_word(const struct page *pg)
{
	return atomic_load(&pg->memcg_data);
}

/* Caller has charged h and holds the page exclusively, before it is published. */
static inline void page_set_objcg(struct page *pg, struct handle *h, u64 type)
{
	BUG_ON(pg->memcg_data != 0);
	ASSERT(pg->kind != PAGE_SLAB || type == 0);
	atomic_store(&pg->memcg_data, (u64)h | type);
}

/* Moves the mark of a page the caller holds: recharge. Both are charged by the caller's
 * bookkeeping. */
static inline void page_replace_objcg(struct page *pg, struct handle *h)
{
	ASSERT(!(pg->memcg_data & MEMCG_DATA_OBJCGS));
	atomic_store(&pg->memcg_data, (u64)h | (pg->memcg_data & MEMCG_DATA_MASK));
}

/* Caller has uncharged, or is about to, and holds the page exclusively (its count is 0). */
static inline void page_clear_owner(struct page *pg)
{
	atomic_store(&pg->memcg_data, 0ul);
}

/* Installs v on a slab that has none; false: somebody was first, free v. Release: v's entries. */
static inline bool page_set_objcgs(struct page *pg, struct objcgs *v)
{
	u64 none = 0;

	return atomic_cas(&pg->memcg_data, &none, (u64)v | MEMCG_DATA_OBJCGS);
}

/* handle -> vector, only in slab/convert.c. False: the word is not h any more. */
static inline bool page_convert_objcgs(struct page *pg, struct handle *h, struct objcgs *v)
{
	u64 old = (u64)h;

	return atomic_cas(&pg->memcg_data, &old, (u64)v | MEMCG_DATA_OBJCGS);
}

#endif
