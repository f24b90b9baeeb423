/* handle.c - the table of handles. Theory in handle.h. */
#include "count/stat.h"
#include "group/group.h"
#include "group/tally.h"
#include "sync/lock.h"
#include "sys/map.h"

#define HANDLE_STEP (64 * KIB) /* bytes of table opened at once */

struct handle *handle_table;
HOOK_DEFINE(handle_shortens);

static struct lock handle_lock = LOCK_INIT(RANK_HANDLE);
static u32 handle_free;		      /* first free entry, 0: none */
static u32 handle_used = HANDLE_ROOT; /* entries below have been used */
static u32 handle_opened;	      /* entries below are readable */
static u32 handle_max;

int handle_init(void)
{
	size_t bytes = 4 * GIB;

	lock_init(&handle_lock, RANK_HANDLE);
	for (; bytes >= HANDLE_STEP; bytes /= 2) {
		handle_table = sys_reserve(bytes, PAGE_SIZE);
		if (handle_table)
			break;
	}
	handle_max = (u32)(bytes / sizeof(struct handle));
	return handle_table ? 0 : -1;
}

static bool open_more_locked(void)
{
	if (handle_used < handle_opened)
		return true;
	if (handle_opened >= handle_max ||
	    sys_open_range(handle_table + handle_opened, HANDLE_STEP) < 0)
		return false;
	handle_opened += HANDLE_STEP / sizeof(struct handle);
	return true;
}

static struct handle *take_locked(void)
{
	struct handle *h = NULL;

	if (handle_free) {
		h = handle_of(handle_free);
		handle_free = h->next_free;
	} else if (open_more_locked()) {
		h = handle_of(handle_used);
		h->index = handle_used++;
	}
	return h;
}

struct handle *handle_new(struct memcg *cg, struct handle *up)
{
	struct handle *h;

	lock_acquire(&handle_lock);
	h = take_locked();
	lock_release(&handle_lock);
	if (!h)
		return NULL;
	h->made = cg;
	h->up = up; /* before the word: who reads that from a stale stock word follows this */
	atomic_store_release(&h->word, (u64)cg);
	atomic_store_release(&h->refs, HANDLE_PIN);
	return h;
}

/*
 * h keeps `to` alive from now on. Counted as dead before it can be found dead, and end. The
 * exchange orders the word before the look for stock that follows (put_follow, stock.c).
 */
void handle_redirect(struct handle *h, struct handle *to, struct memcg *cg)
{
	handle_add(to, HANDLE_PIN);
	group_count_dying(cg, 1);
	(void)atomic_xchg(&h->word, (u64)to | HANDLE_REDIRECT);
}

/* Never raises a count from 0: that handle has ended, look again from where it was found. */
static bool try_add(struct handle *h, u64 n)
{
	u64 refs = atomic_load(&h->refs);

	while (refs)
		if (atomic_cas(&h->refs, &refs, refs + n))
			return true;
	return false;
}

/* Acquire as in handle_group. RCU section. */
static struct handle *heir_of(struct handle *h)
{
	u64 word;

	while ((word = atomic_load_acquire(&h->word)) & HANDLE_REDIRECT)
		h = (struct handle *)(word & ~HANDLE_REDIRECT);
	return h;
}

/* RCU section; the caller holds h. Why this is safe: handle.h, 9. */
void handle_shorten_slow(struct handle *h)
{
	u64 word = atomic_load_acquire(&h->word);
	struct handle *to = heir_of(h);

	if (word == ((u64)to | HANDLE_REDIRECT) || !try_add(to, HANDLE_PIN))
		return;
	HOOK(handle_shortens);
	if (atomic_cas(&h->word, &word, (u64)to | HANDLE_REDIRECT))
		handle_sub((struct handle *)(word & ~HANDLE_REDIRECT), HANDLE_PIN);
	else
		handle_sub(to, HANDLE_PIN);
}

struct handle *handle_heir_get(struct handle *h, u64 n)
{
	struct rcu_reader *self = self_rcu();
	struct handle *to;

	rcu_read_lock(self);
	do
		to = heir_of(h);
	while (!try_add(to, n));
	handle_shorten(h);
	rcu_read_unlock(self);
	return to;
}

/* Nobody is delivering what was counted under this index any more. */
static void handle_reuse(struct rcu_head *rcu)
{
	struct handle *h = container_of(rcu, struct handle, rcu);
	struct handle *to = (struct handle *)(h->word & ~HANDLE_REDIRECT);

	lock_acquire(&handle_lock);
	h->next_free = handle_free;
	handle_free = h->index;
	lock_release(&handle_lock);
	handle_sub(to, HANDLE_PIN);
}

/*
 * What CPUs hold back under this index is not its next group's: it goes to the heir. Who took some
 * of it out before this is in a section that delivers it: wait for those too.
 */
static void handle_settle(struct rcu_head *rcu)
{
	struct handle *h = container_of(rcu, struct handle, rcu);
	bool settled = tally_end(h->index);

	stat_fold(h->index);
	rcu_defer(&h->rcu, settled ? handle_reuse : handle_settle);
}

/*
 * Nobody owns anything through h and its group is gone. Readers in RCU sections
 * may still follow its word, so word and entry stay until they have left.
 */
void handle_last(struct handle *h)
{
	struct rcu_reader *self = self_rcu();

	BUG_ON(!handle_dead(h));
	rcu_read_lock(self);
	group_count_dying(handle_group(h), -1);
	rcu_read_unlock(self);
	rcu_defer(&h->rcu, handle_settle);
}

u32 handle_count(void)
{
	return atomic_load(&handle_used);
}

void handle_fork_prepare(void)
{
	lock_acquire(&handle_lock);
}

void handle_fork_done(void)
{
	lock_release(&handle_lock);
}
