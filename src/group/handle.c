/* handle.c - the table of handles. Theory in handle.h. */
#include "count/stat.h"
#include "group/handle.h"
#include "sync/lock.h"
#include "sys/map.h"

#define HANDLE_STEP (64 * KIB) /* bytes of table opened at once */

struct handle *handle_table;
u64 handles_dead;

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
	h->up = up; /* before the word: who reads that from a stale stock word follows this */
	atomic_store_release(&h->word, (u64)cg);
	atomic_store_release(&h->refs, HANDLE_PIN);
	return h;
}

/* `to` is of an online group, so it is alive; h keeps it alive from now on. */
void handle_redirect(struct handle *h, struct handle *to)
{
	handle_add(to, HANDLE_PIN);
	atomic_store_release(&h->word, (u64)to | HANDLE_REDIRECT);
	atomic_add(&handles_dead, 1ul);
}

static void handle_reuse(struct rcu_head *rcu)
{
	struct handle *h = container_of(rcu, struct handle, rcu);
	struct handle *to = (struct handle *)(h->word & ~HANDLE_REDIRECT);

	stat_fold(h->index); /* what CPUs hold back under this index is not its next group's */
	lock_acquire(&handle_lock);
	h->next_free = handle_free;
	handle_free = h->index;
	lock_release(&handle_lock);
	handle_sub(to, HANDLE_PIN);
}

/*
 * Nobody owns anything through h and its group is gone. Readers in RCU sections
 * may still follow its word, so word and entry stay until they have left.
 */
void handle_last(struct handle *h)
{
	BUG_ON(!(h->word & HANDLE_REDIRECT));
	atomic_sub(&handles_dead, 1ul);
	rcu_defer(&h->rcu, handle_reuse);
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
