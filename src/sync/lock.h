/*
 * lock.h - a small futex mutex: 0 free, 1 held, 2 held with waiters.
 * Never allocates, works before libpthread does, may be forcibly re-made in the
 * child of a fork. Debug builds check the order of rank.h.
 * Not for signal handlers.
 */
#ifndef MEMCG_SYNC_LOCK_H
#define MEMCG_SYNC_LOCK_H

#include "base/types.h"
#include "sync/atomic.h"
#include "sync/rank.h"

struct lock {
	u32 word;
	u32 rank;
};

#define LOCK_INIT(r)                   \
	{                              \
		.word = 0, .rank = (r) \
	}

/* Free and of that rank, whoever held it before: also in the child of a fork. */
__hidden_ void lock_init(struct lock *l, enum lock_rank rank);
__hidden_ void lock_acquire_slow(struct lock *l);
__hidden_ void lock_release_slow(struct lock *l);
#ifdef MEMCG_DEBUG
__hidden_ void lock_rank_check(const struct lock *l); /* before waiting for l */
__hidden_ void lock_rank_push(struct lock *l);	      /* l is ours now */
__hidden_ void lock_rank_pop(struct lock *l);
__hidden_ bool lock_is_held(const struct lock *l); /* by this thread */
__hidden_ bool lock_holds_any(void);		   /* this thread */
#else
static inline void lock_rank_check(const struct lock *l)
{
	(void)l;
}
static inline void lock_rank_push(struct lock *l)
{
	(void)l;
}
static inline void lock_rank_pop(struct lock *l)
{
	(void)l;
}
static inline bool lock_is_held(const struct lock *l)
{
	return atomic_load(&l->word) != 0;
}
static inline bool lock_holds_any(void)
{
	return false;
}
#endif

static inline void lock_acquire(struct lock *l)
{
	u32 free = 0;

	lock_rank_check(l);
	if (unlikely(!atomic_cas(&l->word, &free, 1u)))
		lock_acquire_slow(l);
	lock_rank_push(l);
}

/* A second lock of a rank that is held; the caller says what orders the two. */
static inline void lock_acquire_nested(struct lock *l)
{
	u32 free = 0;

	if (unlikely(!atomic_cas(&l->word, &free, 1u)))
		lock_acquire_slow(l);
	lock_rank_push(l);
}

/* True when taken. Exempt from the order check: it cannot wait. */
static inline bool lock_try(struct lock *l)
{
	u32 free = 0;

	if (!atomic_cas(&l->word, &free, 1u))
		return false;
	lock_rank_push(l);
	return true;
}

/*
 * For who forks: all locks of one rank at once, outside the order, which knows one of a rank, and
 * uncounted by its checks. Waiting is safe when who holds one needs only locks that are taken
 * after these.
 */
__hidden_ void lock_fork_acquire(struct lock *l);
__hidden_ void lock_fork_release(struct lock *l); /* in the parent, and in the child */

static inline void lock_release(struct lock *l)
{
	lock_rank_pop(l);
	if (unlikely(atomic_xchg(&l->word, 0u) == 2))
		lock_release_slow(l);
}

#endif
