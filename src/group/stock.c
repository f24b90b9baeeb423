/* stock.c - the per-CPU tables behind charge(). Theory in stock.h. */
#include <errno.h>

#include "group/fail.h"
#include "base/bits.h"
#include "group/group.h"
#include "group/stock.h"
#include "group/tally.h"
#include "sync/lock.h"

void *memcg__stock;
HOOK_DEFINE(stock_putting);
HOOK_DEFINE(stock_leaving);
u32 memcg__stock_cap = STOCK_CAP_MAX;

/* Of 64 words each, a word of `used`; those of references are no bytes. */
#define HAND_GROUP  (STOCK_SLOTS / 64)
#define BYTE_GROUPS (STOCK_BYTE_WORDS / 64)
_Static_assert(STOCK_HAND_SLOTS == 64 && STOCK_SLOTS % 64 == 0 && STOCK_REF_SLOTS % 64 == 0,
	       "a group of 64 words is of one line");

static struct lock stock_lock = LOCK_INIT(RANK_STOCK);

static struct stock_area *area(unsigned cpu)
{
	return (struct stock_area *)pcpu_area_at(memcg__stock, STOCK_SHIFT, cpu);
}

int stock_init(void)
{
	lock_init(&stock_lock, RANK_STOCK);
	memcg__stock = pcpu_map((size_t)1 << STOCK_SHIFT);
	return memcg__stock ? 0 : -ENOMEM;
}

void stock_set_root_max(u64 max)
{
	u32 cap = (u32)MAX(MIN(max / 64 / STOCK_BYTE_WORDS, STOCK_CAP_MAX), STOCK_CAP_MIN);

	if (atomic_xchg(&memcg__stock_cap, cap) > cap)
		stock_drain(NULL); /* what was charged ahead under the larger cap */
}

void stock_after_fork(void)
{
	lock_init(&stock_lock, RANK_STOCK);
	pcpu_start_all(memcg__stock, STOCK_SHIFT);
}

static bool of_refs(unsigned slot)
{
	return slot >= STOCK_BYTE_WORDS;
}

static bool of_hand(unsigned slot)
{
	return slot >= STOCK_SLOTS && !of_refs(slot);
}

/* What lay in a word of that slot is the handle's no more. The statistic first: the bytes keep the
 * handle. */
static void fold(unsigned slot, u32 handle, u32 n)
{
	if (of_refs(slot)) {
		group_refs_fold(handle, n);
		return;
	}
	if (of_hand(slot) && n)
		tally_sub(TALLY_EXTERNAL, handle, n);
	charge_fold(handle, n);
}

/* Doubles with every refill of the same handle, from four pages (a visit of a light group) to the
 * cap. */
u32 stock_batch(enum stock_line line, u32 handle)
{
	struct stock_area *a = area(pcpu_this());
	unsigned slot = stock_slot(line, handle);
	u32 cap = atomic_load(&memcg__stock_cap), n;
	u8 level = atomic_load(&a->level[slot]);

	if ((u32)(atomic_load(&a->word[slot]) >> 32) != handle)
		level = 0;
	n = (u32)(4 * PAGE_SIZE) << level;
	if (n < cap)
		atomic_store(&a->level[slot], (u8)(level + 1));
	return MIN(n, cap);
}

static size_t offset_of(unsigned slot)
{
	return __builtin_offsetof(struct stock_area, word) + slot * sizeof(u64);
}

/* Mostly a group goes on the CPU where it was used: that CPU's word needs nobody to be stopped. */
static bool leave_here(unsigned cpu, unsigned slot, u64 word)
{
	unsigned at = cpu;

	if (cpu != pcpu_this() ||
	    !pcpu_cas(memcg__stock, STOCK_SHIFT, offset_of(slot), word, 0, &at))
		return false;
	fold(slot, PCPU_TAG(word), PCPU_VALUE(word));
	return at == cpu; /* else this thread has moved, and another CPU's word was the same */
}

/* All lines by one stop: that is what costs. */
static void leave_there(unsigned cpu, u32 handle)
{
	struct stock_area *a = area(cpu);
	u64 word[STOCK_LINES] = {0};

	lock_acquire(&stock_lock);
	if (pcpu_stop(memcg__stock, STOCK_SHIFT, cpu)) {
		for (unsigned line = 0; line < STOCK_LINES; line++) {
			u64 *at = &a->word[stock_slot((enum stock_line)line, handle)];

			if (PCPU_TAG(atomic_load(at)) != handle)
				continue;
			HOOK(stock_leaving);
			word[line] = pcpu_swap(&a->head, at, 0);
		}
		pcpu_start(memcg__stock, STOCK_SHIFT, cpu);
	}
	lock_release(&stock_lock);
	/* With the portable back end a put that was under way may have been first: then ours has
	 * been folded by it, and this is somebody else's. */
	for (unsigned line = 0; line < STOCK_LINES; line++)
		if (word[line])
			fold(stock_slot((enum stock_line)line, handle), PCPU_TAG(word[line]),
			     PCPU_VALUE(word[line]));
}

/* True: that is done. */
static bool leave_line(unsigned cpu, enum stock_line line, u32 handle)
{
	unsigned slot = stock_slot(line, handle);
	u64 word = atomic_load(&area(cpu)->word[slot]);

	return PCPU_TAG(word) != handle || leave_here(cpu, slot, word);
}

void stock_leave(u32 handle)
{
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++) {
		bool left = true;

		for (unsigned line = 0; line < STOCK_LINES; line++)
			left &= leave_line(cpu, (enum stock_line)line, handle);
		if (!left)
			leave_there(cpu, handle);
	}
}

/*
 * Who put a word in its place looks whether the group went meanwhile. By a read that also writes:
 * memcg_destroy exchanges the handle's word and then looks for words here, so one of the two
 * sees what the other did (kill_handle, tree.c).
 */
static void put_follow(u32 handle)
{
	if (unlikely(atomic_add(&handle_of(handle)->word, 0ul) & HANDLE_REDIRECT))
		stock_leave(handle);
}

static u32 cap_of(unsigned slot)
{
	return of_refs(slot) ? STOCK_REF_CAP : atomic_load(&memcg__stock_cap);
}

/*
 * Adds to this CPU's word, folding what does not fit. Another handle's word is
 * replaced when `evict` says that this handle is about to be busy; else it stays and
 * ours is folded: a stray free must not throw out a working batch.
 */
void stock_put(enum stock_line line, u32 handle, u32 n, bool evict)
{
	unsigned slot = stock_slot(line, handle), cpu = pcpu_this(), tries;
	u32 cap = cap_of(slot), had, keep;

	/* Charges would be served that no rule sees; bytes would keep a handle that is dead. */
	if (unlikely(fail_armed(handle) || handle_dead(handle_of(handle)))) {
		fold(slot, handle, n);
		return;
	}
	for (tries = 0; tries < 4; tries++) {
		u64 old = atomic_load(&area(cpu)->word[slot]);
		u32 tag = PCPU_TAG(old);

		if (tag && tag != handle && !evict)
			break;
		had = tag == handle ? (u32)old : 0;
		/* Over the cap half; but what came is kept, for who frees and takes in turn. */
		keep = had + n <= cap ? had + n : MAX(cap / 2, MIN(n, cap));
		pcpu_note_used(area(cpu)->used, slot);
		HOOK(stock_putting);
		if (!pcpu_cas(memcg__stock, STOCK_SHIFT, offset_of(slot), old,
			      PCPU_WORD(handle, keep), &cpu))
			continue;
		pcpu_note_used(area(cpu)->used, slot); /* this thread may have moved */
		if (tag && tag != handle && (u32)old)
			fold(slot, tag, (u32)old);
		if (tag != handle)
			put_follow(handle);
		if (had + n > keep)
			fold(slot, handle, had + n - keep);
		return;
	}
	fold(slot, handle, n);
}

/* NULL: everybody. Everything is below the root, which is not worth a look at the handle. */
static const struct handle *handle_or_all(const struct memcg *top)
{
	return !top || top == root_group ? NULL : top->handle;
}

static bool wanted(u32 handle, const struct memcg *top)
{
	struct rcu_reader *self = self_rcu();
	bool yes;

	if (!handle_or_all(top))
		return true;
	rcu_read_lock(self);
	yes = handle_below(handle_of(handle), top->handle);
	rcu_read_unlock(self);
	return yes;
}

/* RCU section. */
static u64 sum_used(const struct stock_area *a, unsigned i, const struct handle *top)
{
	u64 bytes = 0;

	for (u64 left = atomic_load(&a->used[i]); left; left &= left - 1) {
		u64 word = atomic_load(&a->word[i * 64 + bit_first(left)]);

		if ((u32)word && (!top || handle_below(handle_of((u32)(word >> 32)), top)))
			bytes += (u32)word;
	}
	return bytes;
}

/* The CPU is stopped. */
static u64 drain_used(struct stock_area *a, unsigned i, struct memcg *top)
{
	u64 sum = 0;

	for (u64 left = atomic_load(&a->used[i]); left; left &= left - 1) {
		u64 *at = &a->word[i * 64 + bit_first(left)], word = atomic_load(at);

		if (!word || !wanted((u32)(word >> 32), top))
			continue;
		word = pcpu_swap(&a->head, at, 0);
		if ((u32)word)
			fold(i * 64, PCPU_TAG(word), (u32)word);
		sum += (u32)word;
	}
	return sum;
}

/* Stopping a CPU is dear: not for words that hold nothing, unless those are to go, too. */
static bool holds_used(const struct stock_area *a, unsigned i, struct memcg *top, bool empty)
{
	for (u64 left = atomic_load(&a->used[i]); left; left &= left - 1) {
		u64 word = atomic_load(&a->word[i * 64 + bit_first(left)]);

		if ((empty ? word : (u32)word) && wanted((u32)(word >> 32), top))
			return true;
	}
	return false;
}

static u64 drain_cpu(unsigned cpu, struct memcg *top)
{
	struct stock_area *a = area(cpu);
	u64 sum = 0;

	for (unsigned i = 0; i < BYTE_GROUPS; i++)
		sum += drain_used(a, i, top);
	return sum;
}

static bool holds_any(unsigned cpu, struct memcg *top, bool empty)
{
	const struct stock_area *a = area(cpu);

	for (unsigned i = 0; i < BYTE_GROUPS; i++)
		if (holds_used(a, i, top, empty))
			return true;
	return false;
}

static u64 drain(struct memcg *top, bool empty)
{
	u64 sum = 0;
	unsigned cpu;

	lock_acquire(&stock_lock);
	for (cpu = 0; cpu < pcpu_count; cpu++) {
		if (!holds_any(cpu, top, empty) || !pcpu_stop(memcg__stock, STOCK_SHIFT, cpu))
			continue;
		sum += drain_cpu(cpu, top);
		pcpu_start(memcg__stock, STOCK_SHIFT, cpu);
	}
	lock_release(&stock_lock);
	return sum;
}

u64 stock_drain(struct memcg *top)
{
	return drain(top, false);
}

void stock_take_out(struct memcg *top)
{
	(void)drain(top, true);
}

static void each_used(struct stock_area *a, unsigned i,
		      void (*each)(u32 handle, u32 bytes, void *arg), void *arg)
{
	for (u64 left = atomic_load(&a->used[i]); left; left &= left - 1) {
		u64 word = atomic_load(&a->word[i * 64 + bit_first(left)]);

		if ((u32)word)
			each((u32)(word >> 32), (u32)word, arg);
	}
}

void stock_each(void (*each)(u32 handle, u32 bytes, void *arg), void *arg)
{
	unsigned cpu, i;

	for (cpu = 0; cpu < pcpu_count; cpu++)
		for (i = 0; i < BYTE_GROUPS; i++)
			each_used(area(cpu), i, each, arg);
}

/* One section for all words: this is read by every memcg_stat. */
static u64 sum_groups(const struct memcg *top, unsigned from, unsigned to)
{
	const struct handle *of = handle_or_all(top);
	struct rcu_reader *self = self_rcu();
	u64 bytes = 0;

	rcu_read_lock(self);
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		for (unsigned i = from; i < to; i++)
			bytes += sum_used(area(cpu), i, of);
	rcu_read_unlock(self);
	return bytes;
}

u64 stock_sum(const struct memcg *top)
{
	return sum_groups(top, 0, BYTE_GROUPS);
}

u64 stock_hand_sum(const struct memcg *top)
{
	return sum_groups(top, HAND_GROUP, HAND_GROUP + 1);
}

static u64 held_in(enum stock_line line, u32 handle)
{
	u64 n = 0;

	for (unsigned cpu = 0; cpu < pcpu_count; cpu++) {
		u64 word = atomic_load(&area(cpu)->word[stock_slot(line, handle)]);

		if (PCPU_TAG(word) == handle)
			n += PCPU_VALUE(word);
	}
	return n;
}

u64 stock_of(u32 handle)
{
	return held_in(STOCK_OBJECTS, handle) + held_in(STOCK_BY_HAND, handle);
}

u64 stock_refs_of(u32 handle)
{
	return held_in(STOCK_REFS, handle);
}

uint64_t memcg_slack(struct memcg *cg)
{
	return stock_sum(cg ? cg : group_active());
}
