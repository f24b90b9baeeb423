/* group.c - a group by itself: references, sums. The tree is in tree.c, events in event.c. */
#include "group/fail.h"
#include "group/group.h"
#include "group/vm.h"
#include "page/page.h"

void (*group_on_free)(struct memcg *cg);

struct memcg *memcg_get(struct memcg *cg)
{
	u64 was;

	cg = cg ? cg : group_active();
	was = atomic_add(&cg->refs, 1ul) - 1;
	BUG_ON(was == 0);
	return cg;
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

void group_put(struct memcg *cg)
{
	if (!cg || cg == root_group || atomic_sub(&cg->refs, 1ul))
		return;
	if (cg->drop)
		end_later(cg);
	else
		group_end(cg);
}

void memcg_put(struct memcg *cg)
{
	group_put(cg);
	group_run_drops();
}

/* Never raises a count from 0: that group is being freed, look at its handle again. */
struct memcg *group_tryget(struct memcg *cg)
{
	u64 refs = atomic_load(&cg->refs);

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
		for (i = 0; i < STAT_BASIC_NR; i++)
			if (delta[i])
				atomic_add_relaxed(&cg->stat[i], delta[i]);
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
