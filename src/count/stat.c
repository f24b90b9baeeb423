/*
 * stat.c - the per-CPU tables behind stat.h.
 *
 *	heads[cpu]: lock, live bits	one line each, so that a CPU that never
 *	slots[cpu][64]			counted anything has its slots untouched
 *
 * pcpu_this() is a hint: a thread that moves on takes the lock of a table that is
 * not its CPU's any more. That is right, only slower, hence a lock and not a per-CPU sequence.
 *
 * A slot never holds more than STAT_BATCH of an item: a sum that passes it leaves
 * in the same call, and a single amount that is larger never enters. So at most one
 * slot leaves in each call, and it can be carried out of the lock on the stack.
 */
#include "count/stat.h"

#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "sync/lock.h"
#include "sync/percpu.h"
#include "sys/map.h"

#define STAT_SHIFT 6
#define STAT_SLOTS (1u << STAT_SHIFT)

struct stat_slot {
	u32 tag;	    /* meaningful while the live bit is set */
	s64 delta[STAT_NR]; /* |delta| <= STAT_BATCH outside the lock */
} __cacheline_aligned_;

struct stat_head {
	struct lock lock; /* RANK_STAT: live and the CPU's slots */
	u64 live;	  /* bit for each slot in use; written under lock, peeked at without */
} __cacheline_aligned_;

/* Of a CPU; touched as they are used. */
#define SLOTS_BYTES (sizeof(struct stat_slot) * STAT_SLOTS)
_Static_assert(SLOTS_BYTES % PAGE_SIZE == 0, "a CPU's slots are whole pages");
_Static_assert(sizeof(struct stat_slot) == 3 * CACHELINE, "a slot is three lines: tag and items");
_Static_assert(STAT_SLOTS <= 64, "a live bit for each slot");

static stat_sink stat_deliver;	     /* constant after stat_init */
static struct stat_head *stat_heads; /* NULL until the first use; then constant. Release: set up */

void stat_init(stat_sink sink)
{
	stat_deliver = sink;
}

static size_t heads_bytes(void)
{
	return ALIGN_UP(pcpu_count * sizeof(struct stat_head), PAGE_SIZE);
}

static struct stat_slot *slots_of(struct stat_head *heads, unsigned cpu)
{
	return (struct stat_slot *)((char *)heads + heads_bytes() + cpu * SLOTS_BYTES);
}

/* Neighbouring tags are handed out one after the other: spread them. */
static unsigned slot_of(u32 tag)
{
	return (u32)(tag * 0x9e3779b1u) >> (32 - STAT_SHIFT);
}

static void init_locks(struct stat_head *heads)
{
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		lock_init(&heads[cpu].lock, RANK_STAT);
}

/* NULL: no memory. Not remembered, the next call asks again: a shortage passes. */
static __cold_ struct stat_head *map_tables(void)
{
	size_t bytes = heads_bytes() + pcpu_count * SLOTS_BYTES;
	struct stat_head *mine = sys_map(bytes), *first = NULL;

	if (!mine)
		return NULL;
	init_locks(mine);
	if (atomic_cas(&stat_heads, &first, mine)) /* release; pairs with tables() */
		return mine;
	sys_unmap(mine, bytes);
	return first;
}

static struct stat_head *tables(void)
{
	struct stat_head *heads = atomic_load_acquire(&stat_heads);

	return likely(heads) ? heads : map_tables();
}

/* Empties slot i of the CPU into *out. */
static void take_locked(struct stat_head *head, struct stat_slot *slot, unsigned i,
			struct stat_slot *out)
{
	*out = *slot;
	memset(slot->delta, 0, sizeof(slot->delta));
	atomic_store(&head->live, head->live & ~BIT(i));
}

static bool over_batch(s64 n)
{
	return n > STAT_BATCH || n < -STAT_BATCH;
}

/* True: *out is for the sink: what another tag had here, or ours that has passed the batch. */
static bool add_locked(struct stat_head *head, struct stat_slot *slot, u32 tag, unsigned item,
		       s64 n, struct stat_slot *out)
{
	unsigned i = slot_of(tag);
	bool leaves = false;

	if ((head->live & BIT(i)) && slot->tag != tag) {
		take_locked(head, slot, i, out);
		leaves = true;
	}
	slot->tag = tag;
	slot->delta[item] += n;
	if (over_batch(slot->delta[item])) {
		ASSERT(!leaves); /* n alone does not pass it */
		take_locked(head, slot, i, out);
		return true;
	}
	atomic_store(&head->live, head->live | BIT(i));
	return leaves;
}

static void deliver_one(u32 tag, unsigned item, s64 n)
{
	s64 delta[STAT_NR] = {0};

	delta[item] = n;
	stat_deliver(tag, delta);
}

void stat_add(u32 tag, unsigned item, s64 n)
{
	struct stat_head *heads;
	struct stat_slot out;
	unsigned cpu;
	bool leaves;

	BUG_ON(item >= STAT_NR);
	heads = over_batch(n) ? NULL : tables();
	if (!heads) {
		deliver_one(tag, item, n);
		return;
	}
	cpu = pcpu_this();
	lock_acquire(&heads[cpu].lock);
	leaves = add_locked(&heads[cpu], slots_of(heads, cpu) + slot_of(tag), tag, item, n, &out);
	lock_release(&heads[cpu].lock);
	if (leaves)
		stat_deliver(out.tag, out.delta);
}

/*
 * Takes slot i of the CPU when it is in use (and is of *tag, unless tag is NULL).
 * The peek without the lock is a tolerated race: who started a stat_add that is
 * not over yet may be missed, and that is what stat.h says of folds.
 */
static bool take(struct stat_head *heads, unsigned cpu, unsigned i, const u32 *tag,
		 struct stat_slot *out)
{
	struct stat_head *head = &heads[cpu];
	struct stat_slot *slot = slots_of(heads, cpu) + i;
	bool mine;

	if (!(atomic_load(&head->live) & BIT(i)))
		return false;
	lock_acquire(&head->lock);
	mine = (head->live & BIT(i)) && (!tag || slot->tag == *tag);
	if (mine)
		take_locked(head, slot, i, out);
	lock_release(&head->lock);
	return mine;
}

void stat_fold(u32 tag)
{
	struct stat_head *heads = atomic_load_acquire(&stat_heads); /* pairs with map_tables */
	struct stat_slot out;

	if (!heads)
		return;
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		if (take(heads, cpu, slot_of(tag), &tag, &out))
			stat_deliver(out.tag, out.delta);
}

void stat_fold_all(void)
{
	struct stat_head *heads = atomic_load_acquire(&stat_heads); /* pairs with map_tables */
	struct stat_slot out;

	if (!heads)
		return;
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		for (u64 left = atomic_load(&heads[cpu].live); left; left &= left - 1)
			if (take(heads, cpu, bit_first(left), NULL, &out))
				stat_deliver(out.tag, out.delta);
}

void stat_after_fork(void)
{
	if (stat_heads)
		init_locks(stat_heads);
}
