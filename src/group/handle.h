/*
 * handle.h - what memory names instead of a group.
 *
 * 1. A handle is an entry of one flat table that never goes away, named by its
 *    32-bit index. Index 0 is "none", 1 is OWNER_NOBODY; the root's is 2.
 * 2. Its word is its group, or (bit 0) the handle that took over: destroying a group
 *    writes that one word, whatever the group owned or had inherited. Chains are no longer than the
 *    tree is deep, and shortened by who gives bytes back through one (9).
 * 3. A charge is the reference: refs = pins << 42 | bytes. Bytes are those charged
 *    through this handle, in stock or owned by objects. Pins: the group that was
 *    made with it (until its struct is freed), handles redirected to it, external
 *    charges. When refs reaches 0 the entry is reused after a grace period.
 * 4. handle -> group: only inside an RCU section or under the tree lock, and the group found is
 * valid memory, not a reference: handle_tryget_group() takes one, or finds that the group died and
 *    looks again. Counter updates need no reference, only the section.
 * 5. The word changes under the tree lock from group to handle, once, by an exchange (pairs with
 *    the acquire in handle_group); and from then on only from handle to handle further on.
 * 6. While its group lives a handle is counted per CPU: what CPUs hold in stock is in refs, so
 *    an object moves a word of its CPU and refs moves once a batch. A dead one is counted by refs
 *    alone: destroying takes its words out of every CPU (stock_leave) and none is put there any
 *    more. What is returned through it is credited to refs of it and its heir, and parked as the
 *    heir's; so it goes with its last byte, whatever CPUs do (charge.c).
 * 7. Dead handles are counted in every group at or above who pays for them (memcg.dying).
 * 8. When refs reaches 0: a grace period, for readers that follow the word; what CPUs hold back of
 *    statistics under the index goes to the heir; another, for who was delivering some; reuse.
 * 9. Shortening: h names h2 names h3. Who holds h pins h3, exchanges h's word against what it had
 *    read, and drops h's pin on h2. A reader that has read h2 is in an RCU section, and h2's entry
 *    and word outlast that, whatever its refs are. h3 may have lost its last pin meanwhile (only
 *    h2 held it, and somebody else shortened): so it is pinned by a try that never raises a 0.
 */
#ifndef MEMCG_GROUP_HANDLE_H
#define MEMCG_GROUP_HANDLE_H

#include "base/hook.h"
#include "page/owner.h"
#include "sync/rcu.h"

struct memcg;

#define HANDLE_PIN	(1ul << 42)
#define HANDLE_BYTES	(HANDLE_PIN - 1)
#define HANDLE_ROOT	2u
#define HANDLE_REDIRECT 1ul

struct handle {
	u64 refs; /* anyone, atomically */
	u64 word; /* tree lock; read in RCU sections */
	u32 index;
	u32 next_free; /* handle lock */
	struct rcu_head rcu;
	struct handle *up;  /* its group's parent's, NULL: the root's. Constant while that lives */
	struct memcg *made; /* its group as long as that is referenced, dead or not; constant */
};
_Static_assert(sizeof(struct handle) == 64, "a handle is one cache line");

extern __hidden_ struct handle *handle_table;

__hidden_ int handle_init(void);
/* Of cg, whose parent has `up`. One pin; NULL. */
__hidden_ struct handle *handle_new(struct memcg *cg, struct handle *up);
/* `to` is of an online group, cg. Tree lock held, or nobody has seen h's group. */
__hidden_ void handle_redirect(struct handle *h, struct handle *to, struct memcg *cg);
__hidden_ void handle_last(struct handle *h); /* refs reached 0 */
/*
 * The handle that pays for h now, with n more (bytes, pins) in its refs: it stays, whoever is
 * destroyed. The caller holds h, and sees to it that the bytes are charged.
 */
__hidden_ struct handle *handle_heir_get(struct handle *h, u64 n);
__hidden_ void handle_shorten_slow(struct handle *h);
HOOK_DECLARE(handle_shortens); /* the way on is pinned, and not yet taken */
__hidden_ void handle_fork_prepare(void);
__hidden_ void handle_fork_done(void);
__hidden_ u32 handle_count(void); /* indices below this have been used */

/* The hierarchy lock, which redirects, is this thread's. In debug builds: others cannot tell. */
__hidden_ bool tree_locked(void);

static inline struct handle *handle_of(u32 index)
{
	return &handle_table[index];
}

/* By arithmetic: its line is written by every batch. */
static inline u32 handle_index(const struct handle *h)
{
	return (u32)(h - handle_table);
}

/* Redirected: its group was destroyed, and it will never name one again while it is referenced. */
static inline bool handle_dead(const struct handle *h)
{
	return atomic_load(&h->word) & HANDLE_REDIRECT;
}

static inline u64 handle_bytes(const struct handle *h)
{
	return atomic_load(&h->refs) & HANDLE_BYTES;
}

/* Caller knows that refs is not 0 and stays so: it holds a pin, an object, or the group. */
static inline void handle_add(struct handle *h, u64 n)
{
	atomic_add(&h->refs, n);
}

static inline void handle_sub(struct handle *h, u64 n)
{
	if (unlikely(atomic_sub(&h->refs, n) == 0))
		handle_last(h);
}

/* When h names a handle that is dead itself. RCU section; the caller holds h. */
static inline void handle_shorten(struct handle *h)
{
	u64 word = atomic_load_acquire(&h->word);

	if (unlikely(word & HANDLE_REDIRECT &&
		     handle_dead((struct handle *)(word & ~HANDLE_REDIRECT))))
		handle_shorten_slow(h);
}

/*
 * Whether what is charged to h is top's or below it: by handles alone, a line for each level. The
 * parent of a living group lives, and so does what a redirect names; RCU section, as below.
 */
__always_inline_ bool handle_below(const struct handle *h, const struct handle *top)
{
	ASSERT(rcu_read_lock_held() || tree_locked());
	while (h) {
		u64 word = atomic_load_acquire(&h->word);

		if (unlikely(word & HANDLE_REDIRECT))
			h = (const struct handle *)(word & ~HANDLE_REDIRECT);
		else if (h->up == top || h == top)
			return true; /* the first spares most a step */
		else
			h = h->up;
	}
	return false;
}

/*
 * The living group that pays for h now. RCU section, or the tree lock; the caller holds h somehow.
 * What it gives is memory that stays a group while the section lasts, and no reference: it may
 * be destroyed this moment. Each acquire pairs with the release in handle_redirect.
 */
static inline struct memcg *handle_group(const struct handle *h)
{
	u64 word = atomic_load_acquire(&h->word);

	ASSERT(rcu_read_lock_held() || tree_locked());
	while (unlikely(word & HANDLE_REDIRECT))
		word = atomic_load_acquire(&((struct handle *)(word & ~HANDLE_REDIRECT))->word);
	return (struct memcg *)word;
}

#endif
