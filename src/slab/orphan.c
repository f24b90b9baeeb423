/*
 * orphan.c - slabs that nobody holds. Shared ones with room are on a list for
 * their class, where any thread takes them; own ones and full ones wait off the list
 * until a free changes what they are. One lock: this is the path of thread
 * exit and displacement, not of objects.
 */
#include "slab/slab.h"
#include "sync/lock.h"

static struct lock orphan_lock = LOCK_INIT(RANK_ORPHANS);
static u32 orphan_head[CLASS_NR]; /* written under the lock; peeked at without: a hint */

void orphan_init(void)
{
	lock_init(&orphan_lock, RANK_ORPHANS);
}

void orphan_fork_prepare(void)
{
	lock_acquire(&orphan_lock);
}

void orphan_fork_done(void)
{
	lock_release(&orphan_lock);
}

static void link_locked(struct page *pg)
{
	struct slab_local *l = slab_local(pg);
	u32 *head = &orphan_head[pg->slab.class], first = *head;

	l->listed = 1;
	l->prev = 0;
	l->next = first;
	if (first)
		slab_local(page_at(first))->prev = page_to_index(pg);
	atomic_store(head, page_to_index(pg));
}

static void unlink_locked(struct page *pg)
{
	struct slab_local *l = slab_local(pg);

	if (l->next)
		slab_local(page_at(l->next))->prev = l->prev;
	if (l->prev)
		slab_local(page_at(l->prev))->next = l->next;
	else
		atomic_store(&orphan_head[pg->slab.class], l->next);
	l->listed = 0;
}

/* ORPHAN or LISTED, with the list in step; DEAD when nothing is left alive. Lock held. */
static enum slab_push settle_locked(struct page *pg)
{
	struct slab_local *l = slab_local(pg);
	u64 old = atomic_load_acquire(&pg->slab.remote);
	enum slab_state state;
	bool room;

	do {
		if (REMOTE_HOLLOW(old)) {
			hollow_settled(pg);
			return PUSH_HOLLOW;
		}
		room = l->used - REMOTE_COUNT(old) < pg->slab.capacity;
		state = !(old & SLAB_OWN) && room && pg->slab.class < CLASS_NR ? SLAB_LISTED
									       : SLAB_ORPHAN;
		if (REMOTE_COUNT(old) == l->used)
			state = SLAB_DEAD;
	} while (!atomic_cas(&pg->slab.remote, &old,
			     ((old & ~REMOTE_STATE_MASK) | REMOTE_STATE_OF(state)) + REMOTE_GEN));
	if (state == SLAB_LISTED)
		link_locked(pg);
	return state == SLAB_DEAD ? PUSH_DEAD : PUSH_DONE;
}

enum slab_push orphan_add(struct page *pg)
{
	enum slab_push verdict;

	atomic_add_relaxed(&slab_counts.orphaned, 1ul);
	atomic_store(&slab_local(pg)->where, (u8)SLAB_NOWHERE);
	slab_set_hold(pg, 0);
	lock_acquire(&orphan_lock);
	verdict = settle_locked(pg);
	lock_release(&orphan_lock);
	return verdict;
}

bool orphan_settle(struct page *pg)
{
	bool dead;

	lock_acquire(&orphan_lock);
	dead = settle_locked(pg) == PUSH_DEAD;
	lock_release(&orphan_lock);
	return dead;
}

/* LISTED -> HELD; false: the last free made it DEAD first, and its freer will unlink it. */
static bool hold_locked(struct page *pg, u32 tid)
{
	u64 old = atomic_load_acquire(&pg->slab.remote);

	do {
		if (REMOTE_STATE(old) != SLAB_LISTED)
			return false;
	} while (!atomic_cas(&pg->slab.remote, &old,
			     (old & ~REMOTE_STATE_MASK) | REMOTE_STATE_OF(SLAB_HELD)));
	unlink_locked(pg);
	slab_set_hold(pg, tid);
	return true;
}

struct page *orphan_take(unsigned class, u32 tid)
{
	u32 index;

	if (!atomic_load(&orphan_head[class]))
		return NULL;
	lock_acquire(&orphan_lock);
	for (index = orphan_head[class]; index; index = slab_local(page_at(index))->next)
		if (hold_locked(page_at(index), tid))
			break;
	lock_release(&orphan_lock);
	if (!index)
		return NULL;
	slab_claim(page_at(index));
	return page_at(index);
}

void orphan_bury(struct page *pg)
{
	lock_acquire(&orphan_lock);
	if (slab_local(pg)->listed)
		unlink_locked(pg);
	lock_release(&orphan_lock);
	slab_unmake(pg);
}
