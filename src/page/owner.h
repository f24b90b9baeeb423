/*
 * owner.h - the owner word: who owns a page, in one word, pointer and type
 * together. The only file that names the field (tools/check-owner); desc.h declares it.
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
 * 3. A vector appears without a lock, by compare-and-swap; so whoever looks at a slab loads the
 *    word once, with acquire (paired with page_set_objcgs and page_convert_objcgs: the entries
 *    come with it), and decides on that value. It goes with the slab alone.
 * 4. Page -> handle is a binding. It is stable, and a plain load enough, for who holds the page
 *    exclusively, or an object of it that nobody else recharges. Handle -> group is
 *    another step with rules of its own, and no ordering is paid here for it: group/owner.h.
 *
 *			page is			binding pinned by	load
 *   page_objcg		no vector		the caller		plain
 *   page_objcg_rcu	no vector, held		nothing: recharge	once, RCU section
 *   page_objcg_check	anything		nothing			once; vector: NULL
 *   page_objcgs	slab, not own		no need: rule 3		once
 *   page_objcgs_check	anything		no need: rule 3		once; handle: NULL
 */
#ifndef MEMCG_PAGE_OWNER_H
#define MEMCG_PAGE_OWNER_H

#include "page/desc.h"
#include "sync/rcu.h"

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

/* ---- a word that was loaded once: whatever is decided, on this value ---- */
static inline u64 owner_type(u64 word)
{
	return word & MEMCG_DATA_MASK;
}

/* Of the handle or the vector. A number: the memory may be another process's. */
static inline u64 owner_address(u64 word)
{
	return word & ~MEMCG_DATA_MASK;
}

static inline bool owner_is_objcgs(u64 word)
{
	return word & MEMCG_DATA_OBJCGS;
}

/* NULL: nobody's, or a vector. */
static inline struct handle *owner_objcg(u64 word)
{
	return owner_is_objcgs(word) ? NULL : (struct handle *)owner_address(word);
}

/* NULL: nobody's, or a handle. */
static inline struct objcgs *owner_objcgs(u64 word)
{
	return owner_is_objcgs(word) ? (struct objcgs *)owner_address(word) : NULL;
}

/*
 * The whole word, once, of any page at any moment; who holds nothing gets what was true a
 * moment ago. Acquire: pairs with page_set_objcgs and page_convert_objcgs.
 */
static inline u64 page_owner_word(const struct page *pg)
{
	return atomic_load_acquire(&pg->memcg_data);
}

/* ---- page -> handle ---- */
/*
 * Caller pins the binding: it holds the page exclusively (its count is 0, or it is not published
 * yet), or an object of it which nobody recharges meanwhile. Not a slab that has a
 * vector or may get one. Pairs with nothing: what pins the binding has ordered the mark before.
 */
static inline struct handle *page_objcg(const struct page *pg)
{
	ASSERT(!owner_is_objcgs(pg->memcg_data));
	return (struct handle *)owner_address(pg->memcg_data);
}

/*
 * Caller holds the page (a reference), so that it is nobody's slab, but not the binding: it may
 * be recharged this moment. The handle stays one while the RCU section lasts: an index is
 * reused a grace period after its last byte is gone. Pairs with page_replace_objcg.
 */
static inline struct handle *page_objcg_rcu(const struct page *pg)
{
	u64 word = page_owner_word(pg);

	ASSERT(rcu_read_lock_held());
	ASSERT(!owner_is_objcgs(word));
	return (struct handle *)owner_address(word);
}

/*
 * Any page, by whoever: a slab whose vector may appear any moment, or has, gives NULL then. What
 * pins the handle is the caller's business: an object of the page, or an RCU section.
 */
static inline struct handle *page_objcg_check(const struct page *pg)
{
	return owner_objcg(page_owner_word(pg));
}

/* ---- page -> vector ---- */
/* The vector of a slab that is shared or bare, or NULL: bare, until somebody installs one. */
static inline struct objcgs *page_objcgs(const struct page *pg)
{
	u64 word = page_owner_word(pg);

	ASSERT(!word || owner_is_objcgs(word));
	return (struct objcgs *)owner_address(word);
}

/* The vector of any page, or NULL: an own slab without exceptions, a kernel-style page. */
static inline struct objcgs *page_objcgs_check(const struct page *pg)
{
	return owner_objcgs(page_owner_word(pg));
}

/* Charged to somebody in some way. The free path's question: one load and a compare. */
static inline bool page_owned(const struct page *pg)
{
	return pg->memcg_data != 0;
}

/* ---- writers ---- */
/*
 * Caller has charged h and holds the page exclusively, before it is published: which orders the
 * store for every reader. A slab that is marked so is an own one: it has no type.
 */
static inline void page_set_objcg(struct page *pg, struct handle *h, u64 type)
{
	BUG_ON(pg->memcg_data != 0);
	ASSERT(h && !(type & MEMCG_DATA_OBJCGS));
	ASSERT(pg->kind != PAGE_SLAB || type == 0);
	atomic_store(&pg->memcg_data, (u64)h | type);
}

/*
 * Moves the mark of a page the caller has a reference on: recharge. h is charged already; the
 * caller credits whom it returns, NULL: it was nobody's and is typed now as kernel-style pages are.
 * An exchange, because other holders may do the same: each payer in between is returned to one of
 * them. Readers see the old handle or the new one, and what that leads to: release, pairs with
 * page_owner_word.
 */
static inline struct handle *page_replace_objcg(struct page *pg, struct handle *h)
{
	u64 word = atomic_load(&pg->memcg_data);

	ASSERT(!owner_is_objcgs(word));
	while (!atomic_cas(&pg->memcg_data, &word,
			   (u64)h | (word ? owner_type(word) : MEMCG_DATA_KMEM)))
		;
	return (struct handle *)owner_address(word);
}

/* Caller has uncharged, or is about to, and holds the page exclusively (its count is 0). */
static inline void page_clear_objcg(struct page *pg)
{
	ASSERT(pg->kind != PAGE_SLAB && !owner_is_objcgs(pg->memcg_data));
	atomic_store(&pg->memcg_data, 0ul);
}

/* The slab is empty and goes; its vector, if any, was looked up before and is the caller's. */
static inline void page_clear_objcgs(struct page *pg)
{
	ASSERT(pg->kind == PAGE_SLAB);
	atomic_store(&pg->memcg_data, 0ul);
}

/*
 * Installs v on a slab that has none; false: somebody was first, free v. Whoever holds an object
 * of the slab, or the slab. Release, for v's entries: pairs with page_owner_word.
 */
static inline bool page_set_objcgs(struct page *pg, struct objcgs *v)
{
	u64 none = 0;

	ASSERT(pg->kind == PAGE_SLAB);
	return atomic_cas(&pg->memcg_data, &none, (u64)v | MEMCG_DATA_OBJCGS);
}

/* handle -> vector, only in slab/convert.c. False: the word is not h any more. */
static inline bool page_convert_objcgs(struct page *pg, struct handle *h, struct objcgs *v)
{
	u64 old = (u64)h;

	ASSERT(pg->kind == PAGE_SLAB);
	return atomic_cas(&pg->memcg_data, &old, (u64)v | MEMCG_DATA_OBJCGS);
}

#endif
