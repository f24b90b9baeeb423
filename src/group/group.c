/* group.c - a group by itself: references, sums. The tree is in tree.c, events in event.c. */
#include "group/fail.h"
#include "group/group.h"
#include "group/record.h"
#include "group/stock.h"
#include "group/vm.h"
#include "page/page.h"

void (*group_on_free)(struct memcg *cg);

/*
 * One call in so many that find no word of theirs on this CPU makes one: a group that is met now
 * and then is counted in one place, as it comes, and does not throw out who is met all the time.
 */
#define REF_STRAYS 64u
#define REF_BATCH  (STOCK_REF_CAP / 4)

static bool is_stray(void)
{
	static u32 strays; /* racy; any mix will do */
	u32 s = atomic_load(&strays);

	atomic_store(&strays, s + 1);
	return s % REF_STRAYS;
}

/* One of those that this CPU has ahead, by a sequence. */
static inline bool take_ref(u32 handle)
{
	return pcpu_take_once(memcg__stock, stock_offset_in(STOCK_REFS, handle), handle, 1);
}

static bool take_ref_slow(u32 handle)
{
	return pcpu_take_slow(memcg__stock, STOCK_SHIFT, stock_offset_in(STOCK_REFS, handle),
			      handle, 1);
}

static bool give_ref_slow(u32 handle)
{
	return pcpu_give_slow(memcg__stock, STOCK_SHIFT, stock_offset_in(STOCK_REFS, handle),
			      handle, 1, STOCK_REF_CAP);
}

/* A dead group's references are in its count alone (stock_put): the last one is noticed. */
static __noinline_ struct memcg *get_slow(struct memcg *cg)
{
	u64 n, was;
	bool stray;

	if (take_ref_slow(cg->index))
		return cg;
	stray = is_stray();
	n = stray ? 1 : 1 + REF_BATCH;
	was = atomic_add(&cg->refs, n) - n;
	BUG_ON(was == 0);
	if (!stray)
		stock_put(STOCK_REFS, cg->index, REF_BATCH, true);
	return cg;
}

struct memcg *memcg_get(struct memcg *cg)
{
	cg = cg ? cg : group_active();
	return likely(take_ref(cg->index)) ? cg : get_slow(cg);
}

/* The handle goes with the struct; the parent's struct outlives it by its own grace period. */
static void group_free(struct rcu_head *rcu)
{
	struct memcg *cg = container_of(rcu, struct memcg, rcu), *parent = cg->parent;

	if (group_on_free)
		group_on_free(cg);
	fail_free(cg);
	group_vm_free(cg);
	counter_unprotect(&cg->counter); /* whoever was charging when it went offline is done now */
	event_free(cg);
	group_record_free(cg);
	meta_free(cg, group_bytes(cg->name_len));
	group_put(parent);
}

static void group_end(struct memcg *cg)
{
	handle_sub(cg->handle, HANDLE_PIN);
	rcu_defer(&cg->rcu, group_free);
}

/*
 * Groups whose last reference is gone and whose drop has not run. drop is the program's code: it
 * may take locks that the caller of malloc holds, and allocate. So it runs only in
 * calls that the program makes of this file and tree.c, never where memory is charged
 * or a grace period ended. Linked by hash_next, which nobody else uses by then.
 */
static struct memcg *ended;

static void end_later(struct memcg *cg)
{
	struct memcg *first = atomic_load(&ended);

	do {
		cg->hash_next = first;
	} while (!atomic_cas(&ended, &first, cg));
}

void group_run_drops(void)
{
	struct memcg *cg, *next;

	if (likely(!atomic_load(&ended)) || (task_self() && memcg__self->busy))
		return;
	for (cg = atomic_xchg(&ended, (struct memcg *)NULL); cg; cg = next) {
		next = cg->hash_next;
		cg->drop(cg->data);
		group_end(cg);
	}
}

/* The root stays, whoever puts what he did not get. */
static void refs_sub(struct memcg *cg, u64 n)
{
	if (cg == root_group || atomic_sub(&cg->refs, n))
		return;
	if (cg->drop)
		end_later(cg);
	else
		group_end(cg);
}

/* Who took them out of a word has them: so the struct is there, whoever destroyed the group. */
void group_refs_fold(u32 handle, u32 n)
{
	if (n)
		refs_sub(handle_of(handle)->made, n);
}

u64 group_refs(const struct memcg *cg)
{
	return atomic_load(&cg->refs) - stock_refs_of(cg->index);
}

static __noinline_ void put_slow(struct memcg *cg)
{
	if (give_ref_slow(cg->index))
		return;
	if (is_stray())
		refs_sub(cg, 1);
	else
		stock_put(STOCK_REFS, cg->index, 1, true);
}

/* True: it is among those that this CPU has ahead. */
static inline bool give_ref(const struct memcg *cg)
{
	return pcpu_give_once(memcg__stock, stock_offset_in(STOCK_REFS, cg->index), cg->index, 1,
			      STOCK_REF_CAP);
}

void group_put(struct memcg *cg)
{
	if (cg && unlikely(!give_ref(cg)))
		put_slow(cg);
}

static __noinline_ void put_and_drop(struct memcg *cg)
{
	group_put(cg);
	group_run_drops();
}

void memcg_put(struct memcg *cg)
{
	if (unlikely(!cg || atomic_load(&ended) || !give_ref(cg)))
		put_and_drop(cg);
}

/* Never raises a count from 0: that group is being freed, look at its handle again. */
struct memcg *group_tryget(struct memcg *cg)
{
	u64 refs;

	/* In the section cg's handle is no other group's; a word of it is of references it has. */
	if (likely(take_ref(cg->index)))
		return cg;
	refs = atomic_load(&cg->refs);
	while (refs)
		if (atomic_cas(&cg->refs, &refs, refs + 1))
			return cg;
	return NULL;
}

struct memcg *group_ref_get(struct group_ref ref)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg = NULL;

	if (!ref.id)
		return NULL;
	rcu_read_lock(self);
	/* The handle may be another group's by now, or nobody's: the id says so. */
	cg = handle_group(handle_of(ref.handle));
	cg = cg && cg->id == ref.id ? group_tryget(cg) : NULL;
	rcu_read_unlock(self);
	return cg;
}

bool group_below(const struct memcg *cg, const struct memcg *top)
{
	while (cg && cg != top)
		cg = cg->parent;
	return cg == top;
}

void group_count_dying(struct memcg *cg, s32 n)
{
	for (; cg; cg = cg->parent)
		atomic_add_relaxed(&cg->dying, (u32)n);
}

u32 group_dying(const struct memcg *cg)
{
	return atomic_load(&cg->dying);
}

/* The root also answers for what the library keeps in caches. */
u64 group_current(struct memcg *cg)
{
	u64 n = atomic_load(&cg->counter.usage);

	return cg == root_group ? n + page_cached_now() : n;
}

u64 group_local_bytes(struct memcg *cg)
{
	u64 n = counter_own(&cg->counter);

	return cg == root_group ? n + page_cached_now() : n;
}

void group_stat_sink(u32 tag, const s64 delta[STAT_NR])
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;
	unsigned i;

	rcu_read_lock(self);
	for (cg = handle_group(handle_of(tag)); cg; cg = cg->parent) {
		struct group_record *r = group_record_make(cg);

		for (i = 0; r && i < STAT_BASIC_NR; i++)
			if (delta[i])
				atomic_add_relaxed(&r->stat[i], delta[i]);
		group_vm_sink(cg, delta);
	}
	rcu_read_unlock(self);
}

bool memcg_online(struct memcg *cg)
{
	return atomic_load(&(cg ? cg : group_active())->online);
}

uint64_t memcg_id(struct memcg *cg)
{
	return cg ? cg->id : group_active()->id;
}

void *memcg_data(struct memcg *cg)
{
	return atomic_load_acquire(&(cg ? cg : group_active())->data);
}

uint64_t memcg_current(struct memcg *cg)
{
	return group_current(cg ? cg : group_active());
}

uint64_t memcg_peak(struct memcg *cg)
{
	u64 peak, now;

	cg = cg ? cg : group_active();
	peak = counter_peak(&cg->counter);
	now = group_current(cg);
	return MAX(peak, now); /* the root's caches are no charge and raise no counter's peak */
}

uint64_t memcg_headroom(struct memcg *cg)
{
	return counter_headroom(&(cg ? cg : group_active())->counter);
}
