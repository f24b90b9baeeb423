/* remote.c - frees by threads that do not hold the slab. Theory in slab.h section 3. */
#include "slab/slab.h"

/* The last live slot: only the one being freed is left. `used` of an orphan is frozen. */
static bool push_empties(const struct page *pg, u64 old)
{
	return REMOTE_COUNT(old) + 1u == atomic_load(&slab_local(pg)->used);
}

static enum slab_push held_verdict(const struct page *pg, u64 old)
{
	if (!(old & SLAB_OWN) || atomic_load(&slab_local(pg)->where) == SLAB_CURRENT)
		return PUSH_DONE;
	return push_empties(pg, old) ? PUSH_HOLLOW : PUSH_DONE;
}

static enum slab_push orphan_verdict(const struct page *pg, u64 old)
{
	u32 live = (u32)atomic_load(&slab_local(pg)->used) - REMOTE_COUNT(old) - 1u;

	if (!live)
		return PUSH_DEAD;
	if (REMOTE_STATE(old) == SLAB_LISTED)
		return PUSH_DONE;
	if (!(old & SLAB_OWN))
		return pg->slab.class < CLASS_NR ? PUSH_LIST : PUSH_DONE;
	return slab_sparse(pg, live) && !page_objcgs_check(pg) ? PUSH_CONVERT : PUSH_DONE;
}

static enum slab_push push_verdict(const struct page *pg, u64 old)
{
	switch (REMOTE_STATE(old)) {
	case SLAB_HELD:
		return held_verdict(pg, old);
	case SLAB_ORPHAN:
	case SLAB_LISTED:
		return orphan_verdict(pg, old);
	case SLAB_CLAIMED: /* whoever claimed it looks at the count when done */
		return PUSH_DONE;
	default:
		memcg_bug("free of %p: every object of that slab was freed before",
			  page_address(pg));
	}
}

static u64 verdict_state(enum slab_push v, u64 old)
{
	static const u8 state[] = {
		[PUSH_HOLLOW] = SLAB_HOLLOW,
		[PUSH_DEAD] = SLAB_DEAD,
		[PUSH_LIST] = SLAB_CLAIMED,
		[PUSH_CONVERT] = SLAB_CLAIMED,
	};

	return v == PUSH_DONE ? old & REMOTE_STATE_MASK : REMOTE_STATE_OF(state[v]);
}

enum slab_push slab_push(struct page *pg, unsigned i, void *p, bool own)
{
	u64 old = atomic_load_acquire(&pg->slab.remote), new;
	enum slab_push verdict;

	do {
		if (!!(old & SLAB_OWN) != own)
			return PUSH_CHANGED;
		verdict = push_verdict(pg, old);
		*(u16 *)p = REMOTE_HEAD(old);
		new = (old & ~(0xfffffffful | REMOTE_STATE_MASK)) | verdict_state(verdict, old) |
		      (u64)(REMOTE_COUNT(old) + 1u) << 16 | (i + 1);
	} while (!atomic_cas(&pg->slab.remote, &old, new));
	return verdict;
}
