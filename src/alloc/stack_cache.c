/*
 * stack_cache.c - each CPU's own stacks that were freed, to be taken again.
 *
 * 1. A CPU keeps up to ENTRIES of them, BYTES in all, of any sizes, none larger than half of that.
 *    Who wants one gets a stack of exactly its pages (it is charged for as many), the one freed
 *    last. What there is no room for makes the oldest go, so that a size nobody asks
 *    for any more does not stay.
 * 2. Kept stacks are counted in page_cached whole, as dirty free blocks are; under the lock with
 *    the change of kind, so that the recount agrees at any moment when no lock is held.
 * 3. A thread may have moved to another CPU when it gets at the list, so each has a lock, nearly
 *    always free. Where it is not nobody waits: the stack is made anew, or unmade.
 * 4. Nothing is taken under the lock, and no system call made: what leaves is unmade after.
 * 5. They go when the root is short, is asked to reclaim, no other block can be had, or
 *    memory.balloon wants free memory (ctl/file_balloon.c). A stack
 *    with a filled guard is not kept: the next one made may get a better guard.
 * 6. The child of a fork has them all, save those another thread was about to unmake.
 */
#include <string.h>

#include "alloc/guard.h"
#include "alloc/stack.h"
#include "sync/lock.h"
#include "sync/percpu.h"
#include "sys/map.h"

#define ENTRIES 16u
#define BYTES	MIB

struct kept {
	struct lock lock;
	u32 n;
	u64 bytes;
	u32 index[ENTRIES]; /* of heads, oldest first */
} __cacheline_aligned_;

HOOK_DEFINE(stack_keeping);

static struct kept *all; /* one for each CPU, constant; NULL: no memory, nothing is kept */

void stack_cache_init(void)
{
	all = sys_map(pcpu_count * sizeof(*all));
	for (unsigned cpu = 0; all && cpu < pcpu_count; cpu++)
		lock_init(&all[cpu].lock, RANK_STACKS);
}

/* This CPU's, locked; or NULL. */
static struct kept *try_lock_this(void)
{
	struct kept *k = all ? &all[pcpu_this()] : NULL;

	return k && lock_try(&k->lock) ? k : NULL;
}

static void add_locked(struct kept *k, struct page *pg)
{
	u64 bytes = page_bytes(pg);

	k->index[k->n++] = page_to_index(pg);
	k->bytes += bytes;
	HOOK(stack_keeping);
	atomic_add_relaxed(&page_cached, bytes);
	atomic_store(&pg->kind, (u8)PAGE_STACK_KEPT);
}

static struct page *remove_locked(struct kept *k, u32 i)
{
	struct page *pg = page_at(k->index[i]);
	u64 bytes = page_bytes(pg);

	memmove(&k->index[i], &k->index[i + 1], (--k->n - i) * sizeof(k->index[0]));
	k->bytes -= bytes;
	atomic_add_relaxed(&page_cached, 0 - bytes);
	atomic_store(&pg->kind, (u8)PAGE_NONE);
	return pg;
}

struct page *stack_cache_take(u32 npages)
{
	struct kept *k = try_lock_this();
	struct page *pg = NULL;

	if (!k)
		return NULL;
	for (u32 i = k->n; i-- && !pg;)
		if (page_at(k->index[i])->npages == npages)
			pg = remove_locked(k, i);
	lock_release(&k->lock);
	return pg;
}

bool stack_cache_put(struct page *pg)
{
	struct page *out[ENTRIES];
	u64 bytes = page_bytes(pg);
	struct kept *k;
	u32 n = 0;

	if (bytes > BYTES / 2 || pg->stack.how == GUARD_FILLED)
		return false;
	k = try_lock_this();
	if (!k)
		return false;
	while (k->n == ENTRIES || k->bytes + bytes > BYTES)
		out[n++] = remove_locked(k, 0);
	add_locked(k, pg);
	lock_release(&k->lock);
	while (n)
		stack_unmake(out[--n]);
	return true;
}

static struct page *oldest(struct kept *k)
{
	struct page *pg;

	lock_acquire(&k->lock);
	pg = k->n ? remove_locked(k, 0) : NULL;
	lock_release(&k->lock);
	return pg;
}

u64 stack_cache_drain(void)
{
	struct page *pg;
	u64 bytes = 0;

	for (unsigned cpu = 0; all && cpu < pcpu_count; cpu++)
		while ((pg = oldest(&all[cpu]))) {
			bytes += page_bytes(pg);
			stack_unmake(pg);
		}
	return bytes;
}

/* They are nobody's: of use to the root alone, whose purge comes after (scan.c). */
static u64 kept_drain(struct memcg *target, bool everything)
{
	(void)everything;
	return target == root_group ? stack_cache_drain() : 0;
}

const struct reclaim_source kept_stacks = {.name = "kept stacks", .drain = kept_drain};

void stack_cache_fork_prepare(void)
{
	for (unsigned cpu = 0; all && cpu < pcpu_count; cpu++)
		lock_fork_acquire(&all[cpu].lock);
}

void stack_cache_fork_done(void)
{
	for (unsigned cpu = 0; all && cpu < pcpu_count; cpu++)
		lock_fork_release(&all[cpu].lock);
}
