/* external.c - charges for memory we did not allocate. Theory in external.h. */
#include "alloc/external.h"

#include <errno.h>

#include "alloc/alloc.h"
#include "group/tally.h"
#include "sync/lock.h"

static struct lock external_lock = LOCK_INIT(RANK_EXTERNAL); /* depot; the list's head */
static struct charge_stack depot;
struct charge_page *external_pages;

void external_init(void)
{
	lock_init(&external_lock, RANK_EXTERNAL);
}

/* --- records -------------------------------------------------------------------- */

static void push(struct charge_stack *s, struct memcg_charge *c)
{
	c->next = s->top;
	s->top = c;
	s->n++;
}

static struct memcg_charge *pop(struct charge_stack *s)
{
	struct memcg_charge *c = s->top;

	s->top = c->next;
	s->n--;
	return c;
}

static void move(struct charge_stack *from, struct charge_stack *to, u32 n)
{
	while (n-- && from->n)
		push(to, pop(from));
}

/* A page's records go to one thread: its lines are that thread's for a start. */
static void page_open(struct charge_stack *s)
{
	struct charge_page *page = meta_alloc(sizeof(*page));

	if (!page)
		return;
	for (unsigned i = CHARGE_PAGE_NR; i--;)
		push(s, &page->charge[i]);
	lock_acquire(&external_lock);
	page->next = external_pages;
	atomic_store_release(&external_pages, page); /* pairs with external_each's acquire */
	lock_release(&external_lock);
}

static __noinline_ void stack_fill(struct charge_stack *s)
{
	lock_acquire(&external_lock);
	move(&depot, s, CHARGES_BATCH);
	lock_release(&external_lock);
	if (!s->n)
		page_open(s);
}

static __noinline_ void stack_spill(struct charge_stack *s, u32 n)
{
	lock_acquire(&external_lock);
	move(s, &depot, n);
	lock_release(&external_lock);
}

void external_give_up(struct charge_stack *s)
{
	if (s->n)
		stack_spill(s, s->n);
}

/* A thread without a record of its own leaves nothing on a stack of its own either. */
static __noinline_ struct memcg_charge *record_bare(void)
{
	struct charge_stack s = {0};
	struct memcg_charge *c;

	stack_fill(&s);
	c = s.n ? pop(&s) : NULL;
	external_give_up(&s);
	return c;
}

static struct memcg_charge *record_take(struct thread *t)
{
	if (unlikely(!t))
		return record_bare();
	if (unlikely(!t->charges.n))
		stack_fill(&t->charges);
	return likely(t->charges.n) ? pop(&t->charges) : NULL;
}

static void record_give(struct thread *t, struct memcg_charge *c)
{
	struct charge_stack bare = {0}, *s = likely(t) ? &t->charges : &bare;

	push(s, c);
	if (unlikely(!t))
		stack_spill(&bare, 1);
	else if (unlikely(s->n > CHARGES_KEPT))
		stack_spill(s, CHARGES_BATCH);
}

/* --- charging --------------------------------------------------------------------- */

/* Charged often enough by this thread to be worth a batch. */
static bool is_hot(const struct thread *t, u32 handle)
{
	const struct charge_heat *heat = &t->heat[handle % CHARGE_HEATS];

	return heat->handle == handle && heat->turns >= CHARGE_HOT;
}

/* Once more. A group that is new in its place begins at none. */
static bool grow_hot(struct thread *t, const struct memcg *cg, u32 handle)
{
	struct charge_heat *heat = &t->heat[handle % CHARGE_HEATS];

	if (heat->group != cg->id)
		*heat = (struct charge_heat){.group = cg->id, .handle = handle};
	return heat->turns >= CHARGE_HOT || heat->turns++ >= CHARGE_HOT;
}

/* To the byte. */
static bool charge_exactly(u32 handle, u64 bytes, unsigned flags)
{
	if (!charge_quiet(handle, bytes, flags))
		return false;
	tally_add(TALLY_EXTERNAL, handle, bytes);
	return true;
}

/* Both halves of reclaim/charge.h. */
static __noinline_ bool charge_slowly(struct thread *t, const struct memcg *cg, u32 handle,
				      u64 bytes)
{
	bool ahead = bytes && bytes < CHARGE_BY_STOCK && t && grow_hot(t, cg, handle);
	struct retry r = RETRY(0);

	if (!bytes)
		return true;
	do
		if (ahead ? charge_hand_slow(handle, (u32)bytes, r.flags)
			  : charge_exactly(handle, bytes, r.flags))
			return true;
	while (charge_again(&r));
	return false;
}

static __noinline_ void uncharge_slowly(struct thread *t, u32 handle, u64 bytes)
{
	if (!bytes)
		return;
	if (bytes < CHARGE_BY_STOCK && t && is_hot(t, handle)) {
		uncharge_hand_slow(handle, (u32)bytes);
		return;
	}
	tally_sub(TALLY_EXTERNAL, handle, bytes); /* first: the bytes keep the handle */
	uncharge_bytes(handle, bytes);
}

static inline void record_fill(struct memcg_charge *c, u32 handle, u64 bytes, u32 tid)
{
	c->handle = handle;
	c->bytes = bytes;
	c->home = tid;
	atomic_store_release(&c->live, CHARGE_LIVE);
}

static bool charge_record(struct thread *t, struct memcg_charge *c, const struct memcg *cg,
			  u64 bytes)
{
	u32 handle = bytes ? cg->index : 0;

	if (!charge_slowly(t, cg, handle, bytes))
		return false;
	record_fill(c, handle, bytes, memcg__self->tid);
	return true;
}

static __noinline_ struct memcg_charge *charge_any(struct memcg *cg, size_t bytes)
{
	struct thread *t = thread_get();
	struct memcg_charge *c = likely(bytes < HANDLE_PIN) ? record_take(t) : NULL;

	if (likely(c && charge_record(t, c, cg ? cg : group_active(), bytes)))
		return c;
	if (c)
		record_give(t, c);
	errno = ENOMEM;
	return NULL;
}

/* What a word of this CPU may serve. */
static inline bool by_hand(u64 bytes)
{
	return bytes - 1 < CHARGE_BY_STOCK - 1;
}

/* Calls nothing, so that nothing is saved for it: what is not at hand is charge_any's. */
struct memcg_charge *memcg_charge(struct memcg *cg, size_t bytes)
{
	struct thread *t = thread_or_nobody(); /* nobody has no records */
	struct memcg_charge *c = t->charges.top;

	if (unlikely(!c || !cg || !by_hand(bytes) || !charge_hand_fast(cg->index, (u32)bytes)))
		return charge_any(cg, bytes);
	t->charges.top = c->next;
	t->charges.n--;
	record_fill(c, cg->index, bytes, t->task.tid);
	return c;
}

/* True: it was live, and the caller is who returns it. */
static bool charge_end(struct memcg_charge *c)
{
	u32 was = atomic_load(&c->live);

	if (likely(c->home == memcg__self->tid)) /* of what is no charge at all it means nothing */
		atomic_store(&c->live, 0u);
	else if (was == CHARGE_LIVE)
		was = atomic_xchg(&c->live, 0u);
	return was == CHARGE_LIVE;
}

void external_shrink(struct memcg_charge *c, u64 bytes)
{
	u64 less = c->bytes - bytes;

	BUG_ON(!bytes || bytes > c->bytes);
	c->bytes = bytes;
	uncharge_slowly(thread_self(), c->handle, less);
}

static __noinline_ void uncharge_any(struct memcg_charge *c)
{
	struct thread *t = thread_self();

	if (!c)
		return;
	if (unlikely(!charge_end(c)))
		memcg_bug("memcg_uncharge(%p): not a charge, or returned before", (void *)c);
	uncharge_slowly(t, c->handle, c->bytes);
	record_give(t, c);
}

/* Live, made by this thread, which has a record and room on its stack. */
static inline bool ends_here(const struct thread *t, const struct memcg_charge *c)
{
	return c->home == t->task.tid && c->home && atomic_load(&c->live) == CHARGE_LIVE &&
	       t->charges.n < CHARGES_KEPT;
}

/* Calls nothing, as memcg_charge. */
void memcg_uncharge(struct memcg_charge *c)
{
	struct thread *t = thread_or_nobody();

	if (unlikely(!c || !ends_here(t, c) || !by_hand(c->bytes) ||
		     !uncharge_hand_fast(c->handle, (u32)c->bytes))) {
		uncharge_any(c);
		return;
	}
	atomic_store(&c->live, 0u);
	push(&t->charges, c);
}

/* --- looking ---------------------------------------------------------------------- */

void external_each(void (*each)(u32 handle, u64 bytes, unsigned stat_item, void *arg), void *arg)
{
	const struct charge_page *page = atomic_load_acquire(&external_pages);

	for (; page; page = page->next)
		for (unsigned i = 0; i < CHARGE_PAGE_NR; i++) {
			const struct memcg_charge *c = &page->charge[i];

			if (atomic_load(&c->live) == CHARGE_LIVE && c->bytes)
				each(c->handle, c->bytes, STAT_EXTERNAL, arg);
		}
}

void external_fork_prepare(void)
{
	lock_acquire(&external_lock);
}

void external_fork_done(void)
{
	lock_release(&external_lock);
}
