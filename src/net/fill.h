/*
 * fill.h - the page a group's small reads go on in.
 *
 * 1. A pool has a word for each handle, by its index (two handles may share one): the page whose
 *    rest was offered last, or 0. The word is no reference. A page goes home with the last of its
 *    fragments, rest and all, and the word may name it still, or by then another life of it.
 * 2. So who reads exchanges the word for 0, gets a reference by page_tryget, and looks: a network
 *    page of this pool, offered for this word (net.fill), owned by this handle. Then it is claimed:
 *    net.fill is exchanged for FILL_WRITING. That one exchange says who writes behind net.filled:
 * two may have found the same page, one in an earlier life and one in this.
 * 3. What is written there nobody sees: fragments end before it. filled is the claimer's alone, and
 *    comes with the store that offers the page again. It is rounded up to 16, so that what lies
 * there may be read as words.
 * 4. The owner cannot change while a page is claimed: recharging freezes the count, and the
 *    claimer has a reference. A page that is moved with a managed range (memcg_mm_move) is
 *    locked (net.lock) by the mover, who then finds it claimed and leaves it; the claimer claims
 *    first and then finds it locked. Whoever comes second sees the other.
 * 5. net.fill is 0 from publication on until a rest is offered. The newest offer takes the word;
 * the rest of a page that had it is lost until that goes home. It is charged all the time.
 */
#ifndef MEMCG_NET_FILL_H
#define MEMCG_NET_FILL_H

#include "net/pool.h"

#define FILL_LEAST 256u /* bytes: a rest that is shorter is not worth a fragment more */

struct fill {
	struct page *pg; /* claimed, with a reference; NULL: none */
	u32 at;		 /* first free byte */
};

/* False: there is none; fill_claim would find that too. */
__hidden_ bool fill_may_claim(struct pool_ref ref, u32 handle);
/* A page of handle's (0: nobody's) to go on in. Not to be kept across anything that sleeps. */
__hidden_ struct fill fill_claim(struct pool_ref ref, u32 handle);
/* It is not used: offered as it was, and put. */
__hidden_ void fill_unclaim(struct memcg_pool *p, u32 handle, struct fill *f);
/*
 * The first `end` bytes of the page are somebody's: what is left is offered when it is worth it.
 * The caller has a reference.
 */
__hidden_ void fill_offer(struct memcg_pool *p, u32 handle, struct page *pg, u32 end);

/* What is left behind the first `end` bytes is worth an offer. */
static inline bool fill_worth(u32 end)
{
	return ALIGN_UP(end, 16u) + FILL_LEAST <= PAGE_SIZE;
}

static inline u32 fill_room(const struct fill *f)
{
	return f->pg ? (u32)PAGE_SIZE - f->at : 0;
}

#endif
