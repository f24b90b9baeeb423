/* tally.c - the per-CPU words behind tally_add(). Theory in tally.h. */
#include "group/tally.h"

#include <errno.h>

#include "base/bits.h"
#include "group/group.h"
#include "sync/lock.h"

void *tally_areas;
HOOK_DEFINE(tally_adding);
HOOK_DEFINE(tally_ending);

static struct lock tally_lock = LOCK_INIT(RANK_TALLY); /* who stops a CPU */

static struct tally_area *area(unsigned cpu)
{
	return (struct tally_area *)pcpu_area_at(tally_areas, TALLY_SHIFT, cpu);
}

static struct tally_words *words(unsigned cpu, enum tally_line line)
{
	return &area(cpu)->line[line];
}

int tally_init(void)
{
	lock_init(&tally_lock, RANK_TALLY);
	tally_areas = pcpu_map((size_t)1 << TALLY_SHIFT);
	return tally_areas ? 0 : -ENOMEM;
}

void tally_after_fork(void)
{
	lock_init(&tally_lock, RANK_TALLY);
	pcpu_start_all(tally_areas, TALLY_SHIFT);
}

static s64 delta_of(u64 word)
{
	return word ? (s64)PCPU_VALUE(word) - (s64)TALLY_ZERO : 0;
}

static bool fits(s64 delta)
{
	return delta < (s64)TALLY_ZERO && delta >= -(s64)TALLY_ZERO;
}

static void deliver(enum tally_line line, u32 handle, s64 n)
{
	static const u8 item[TALLY_NR] = {
		[TALLY_EXTERNAL] = STAT_EXTERNAL,
		[TALLY_SOCK] = STAT_SOCK,
		[TALLY_LARGE] = STAT_LARGE,
	};
	s64 delta[STAT_NR] = {0};

	delta[item[line]] = n;
	if (n)
		group_stat_sink(handle, delta);
}

/* n more in this CPU's word, which becomes handle's. False: it changed meanwhile. RCU section. */
static bool try_add(enum tally_line line, u32 handle, s64 n)
{
	size_t off = tally_offset(line, handle);
	unsigned cpu = pcpu_this();
	u64 old = atomic_load((u64 *)((char *)area(cpu) + off));
	bool ours = PCPU_TAG(old) == handle;
	s64 sum = n + (ours ? delta_of(old) : 0), keep = fits(sum) ? sum : 0;

	pcpu_note_used(words(cpu, line)->used, handle % TALLY_SLOTS);
	HOOK(tally_adding);
	if (!pcpu_cas(tally_areas, TALLY_SHIFT, off, old, PCPU_WORD(handle, (s64)TALLY_ZERO + keep),
		      &cpu))
		return false;
	pcpu_note_used(words(cpu, line)->used,
		       handle % TALLY_SLOTS); /* this thread may have moved */
	if (!ours)
		deliver(line, PCPU_TAG(old), delta_of(old));
	deliver(line, handle, sum - keep);
	return true;
}

void tally_add_slow(enum tally_line line, u32 handle, s64 n)
{
	struct rcu_reader *self = self_rcu();
	unsigned tries = 4;

	rcu_read_lock(self); /* from taking a word out until it is delivered: tally.h, 4 */
	while (tries && (!fits(n) || !try_add(line, handle, n)))
		tries--;
	if (!tries)
		deliver(line, handle, n);
	rcu_read_unlock(self);
}

static s64 sum_used(const struct tally_words *w, unsigned i, const struct handle *top)
{
	s64 sum = 0;

	for (u64 left = atomic_load(&w->used[i]); left; left &= left - 1) {
		u64 word = atomic_load(&w->word[i * 64 + bit_first(left)]);

		if (delta_of(word) && (!top || handle_below(handle_of(PCPU_TAG(word)), top)))
			sum += delta_of(word);
	}
	return sum;
}

s64 tally_sum(enum tally_line line, const struct handle *top)
{
	struct rcu_reader *self = self_rcu();
	s64 sum = 0;

	if (top && top->index == HANDLE_ROOT)
		top = NULL;
	rcu_read_lock(self);
	for (unsigned cpu = 0; cpu < pcpu_count; cpu++)
		for (unsigned i = 0; i < TALLY_SLOTS / 64; i++)
			sum += sum_used(words(cpu, line), i, top);
	rcu_read_unlock(self);
	return sum;
}

static u64 *word_at(unsigned cpu, enum tally_line line, u32 handle)
{
	return &words(cpu, line)->word[handle % TALLY_SLOTS];
}

static bool holds(unsigned cpu, enum tally_line line, u32 handle, u64 *word)
{
	*word = atomic_load(word_at(cpu, line, handle));
	return PCPU_TAG(*word) == handle && delta_of(*word);
}

/* Mostly it is this CPU's word, and nobody need be stopped. */
static bool end_here(unsigned cpu, enum tally_line line, u32 handle, u64 word)
{
	unsigned at = cpu;

	if (cpu != pcpu_this() ||
	    !pcpu_cas(tally_areas, TALLY_SHIFT, tally_offset(line, handle), word, 0, &at))
		return false;
	deliver(line, handle, delta_of(word));
	return at == cpu; /* else this thread has moved, and another CPU's word was the same */
}

static bool end_there(unsigned cpu, enum tally_line line, u32 handle)
{
	struct rcu_reader *self = self_rcu();
	struct tally_area *a = area(cpu);
	u64 word;

	if (!pcpu_stop(tally_areas, TALLY_SHIFT, cpu))
		return false;
	if (holds(cpu, line, handle, &word)) {
		HOOK(tally_ending);
		rcu_read_lock(self); /* it may be that of one who ends now, too: tally.h, 4 */
		/* Not always what was read: as in leave_there, stock.c. */
		word = pcpu_swap(&a->head, word_at(cpu, line, handle), 0);
		deliver(line, PCPU_TAG(word), delta_of(word));
		rcu_read_unlock(self);
	}
	pcpu_start(tally_areas, TALLY_SHIFT, cpu);
	return true;
}

static bool end_line(enum tally_line line, u32 handle)
{
	bool done = true;
	u64 word;

	for (unsigned cpu = 0; cpu < pcpu_count; cpu++) {
		if (!holds(cpu, line, handle, &word) || end_here(cpu, line, handle, word))
			continue;
		lock_acquire(&tally_lock);
		done = end_there(cpu, line, handle) && done;
		lock_release(&tally_lock);
	}
	return done;
}

bool tally_end(u32 handle)
{
	bool done = true;

	for (unsigned line = 0; line < TALLY_NR; line++)
		done = end_line((enum tally_line)line, handle) && done;
	return done;
}
