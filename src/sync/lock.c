/*
 * lock.c - the futex mutex, and the check of the lock order.
 *
 * 1. The word is 0 free, 1 held, 2 held and somebody may sleep. A thread that has slept once
 *    takes the lock with 2: it cannot know whether others sleep too. The price is one
 *    needless wake at the end of a contended phase.
 * 2. Sections under our locks are short, so waiting begins with a little spinning.
 * 3. Debug builds keep the locks a thread holds in a small thread-local array. The order is
 *    checked before waiting, so that a violation is a line and not a deadlock.
 */
#include "sync/lock.h"

#include "base/assert.h"
#include "sys/cpu.h"
#include "sys/futex.h"

#define SPINS 100

void lock_acquire_slow(struct lock *l)
{
	for (int i = 0; i < SPINS; i++) {
		u32 free = 0;

		if (!atomic_load(&l->word) && atomic_cas(&l->word, &free, 1u))
			return;
		cpu_relax();
	}
	while (atomic_xchg(&l->word, 2u))
		sys_futex_wait(&l->word, 2, 0); /* any answer: the exchange looks again */
}

void lock_release_slow(struct lock *l)
{
	sys_futex_wake(&l->word, 1);
}

void lock_fork_acquire(struct lock *l)
{
	u32 free = 0;

	while (!atomic_cas(&l->word, &free, 1u)) {
		sys_cpu_yield();
		free = 0;
	}
}

/* As lock_release does it: somebody may have gone to sleep on the word meanwhile. */
void lock_fork_release(struct lock *l)
{
	if (atomic_xchg(&l->word, 0u) == 2)
		lock_release_slow(l);
}

#ifdef MEMCG_DEBUG

#define HELD_MAX (2 * RANK_MAX) /* rising ranks, and some taken by lock_try */

static __thread const struct lock *held[HELD_MAX];
static __thread u32 held_count;

static u32 highest_rank(void)
{
	u32 rank = RANK_NONE;

	for (u32 i = 0; i < held_count; i++)
		if (held[i]->rank > rank)
			rank = held[i]->rank;
	return rank;
}

static bool forget(const struct lock *l)
{
	for (u32 i = held_count; i-- > 0;) {
		if (held[i] != l)
			continue;
		for (held_count--; i < held_count; i++)
			held[i] = held[i + 1];
		return true;
	}
	return false;
}

void lock_rank_check(const struct lock *l)
{
	u32 highest = highest_rank();

	if (held_count && l->rank <= highest)
		memcg_bug("lock order: rank %u wanted while rank %u is held; see src/sync/rank.h",
			  l->rank, highest);
}

void lock_rank_push(struct lock *l)
{
	if (held_count == HELD_MAX)
		memcg_bug("lock order: %u locks held at once, rank %u is one too many", HELD_MAX,
			  l->rank);
	held[held_count++] = l;
}

void lock_rank_pop(struct lock *l)
{
	if (!forget(l))
		memcg_bug("lock order: rank %u released by a thread that does not hold it",
			  l->rank);
}

bool lock_is_held(const struct lock *l)
{
	for (u32 i = 0; i < held_count; i++)
		if (held[i] == l)
			return true;
	return false;
}

bool lock_holds_any(void)
{
	return held_count;
}

#endif

void lock_init(struct lock *l, enum lock_rank rank)
{
#ifdef MEMCG_DEBUG
	forget(l); /* the child of a fork re-makes locks this thread took before it */
#endif
	l->rank = rank;
	atomic_store_release(&l->word, 0u);
}
