/* vm.c - a group's managed memory. Theory in vm.h. */
#include "group/record.h"
#include "group/vm.h"

#include <errno.h>

#include "group/owner.h"
#include "group/stuck.h"

#include "group/charge.h"

/* --- coming and going ------------------------------------------------------------- */

static struct group_vm *group_vm_new(struct memcg *cg)
{
	struct group_vm *vm = meta_alloc(sizeof(*vm));

	if (!vm)
		return NULL;
	counter_init(&vm->swap, cg->parent ? &cg->parent->vm->swap : NULL);
	lruvec_init(&vm->lru);
	return vm;
}

/*
 * From the top down, since a counter is made with its parent's. Under the tree's lock: a group that
 * goes offline has its lists handed on then, and must not get any with pages on them between that
 * look and its handle's redirection.
 */
static int make_locked(struct memcg *cg)
{
	struct group_vm *vm = group_vm_new(cg);

	if (!vm)
		return -ENOMEM;
	(void)atomic_xchg(&cg->vm, vm); /* release, and before the limits are read */
	group_swap_limits(cg);		/* pairs with memcg_set_limit */
	return 0;
}

static struct memcg *topmost_without(struct memcg *cg)
{
	while (cg->parent && !cg->parent->vm)
		cg = cg->parent;
	return cg;
}

int group_vm_need(struct memcg *cg)
{
	int err = 0;

	if (atomic_load_acquire(&cg->vm)) /* pairs with the exchange above */
		return 0;
	group_tree_lock();
	while (!cg->vm && !err)
		err = make_locked(topmost_without(cg));
	group_tree_unlock();
	return err;
}

void group_swap_limits(struct memcg *cg)
{
	struct group_vm *vm = atomic_load_seq(&cg->vm);

	if (!vm)
		return;
	counter_set_max(&vm->swap, atomic_load_seq(&group_record(cg)->swap_max));
	counter_set_high(&vm->swap, atomic_load_seq(&group_record(cg)->swap_high));
	stuck_over();
}

void group_vm_free(struct memcg *cg)
{
	if (cg->vm)
		meta_free(cg->vm, sizeof(*cg->vm));
}

/*
 * Whoever looks for a page's lruvec sees the old handle and waits for this lock, or the new one. A
 * child's lock, then its parent's: no other place takes two.
 */
void group_vm_offline(struct memcg *cg)
{
	struct group_vm *vm = atomic_load_acquire(&cg->vm), *up = cg->parent->vm;

	if (vm) {
		lock_acquire(&vm->lru.lock);
		lock_acquire_nested(&up->lru.lock);
	}
	handle_redirect(cg->handle, cg->parent->handle, cg->parent);
	if (vm) {
		lru_splice(&up->lru, &vm->lru);
		lock_release(&up->lru.lock);
		lock_release(&vm->lru.lock);
		counter_pass_own(&vm->swap, &up->swap);
	}
}

void group_vm_stopped(struct memcg *top, struct memcg *last)
{
	struct group_ref at = group_ref(last);

	atomic_store(&top->vm->stopped.handle, at.handle);
	atomic_store(&top->vm->stopped.id, at.id);
}

struct memcg *group_vm_resume(struct memcg *top)
{
	struct group_ref at = {.handle = atomic_load(&top->vm->stopped.handle)};

	at.id = atomic_xchg(&top->vm->stopped.id, 0ul);
	return at.id ? group_ref_get(at) : NULL;
}

void (*group_vm_look)(const struct memcg *cg);

void group_vm_fork_child(struct memcg *cg)
{
	if (cg->vm)
		lruvec_init(&cg->vm->lru);
}

/* --- statistics ------------------------------------------------------------------------ */

void group_vm_sink(struct memcg *cg, const s64 delta[STAT_NR])
{
	struct group_vm *vm = atomic_load_acquire(&cg->vm);

	for (unsigned i = STAT_BASIC_NR; vm && i < STAT_NR; i++)
		if (delta[i])
			atomic_add_relaxed(&vm->stat[i - STAT_BASIC_NR], delta[i]);
}

u64 group_vm_stat(const struct memcg *cg, unsigned item)
{
	struct group_vm *vm = atomic_load_acquire(&cg->vm);
	s64 n = vm ? atomic_load(&vm->stat[item - STAT_BASIC_NR]) : 0;

	return n > 0 ? (u64)n : 0;
}

void group_vm_event(struct memcg *cg, enum vm_event event, u64 n)
{
	for (; cg; cg = cg->parent)
		atomic_add_relaxed(&cg->vm->event[event], n);
}

void handle_vm_event(const struct handle *h, enum vm_event event, u64 n)
{
	struct rcu_reader *self = self_rcu();

	rcu_read_lock(self);
	group_vm_event(handle_group(h), event, n);
	rcu_read_unlock(self);
}

void page_vm_event(const struct page *pg, enum vm_event event)
{
	struct rcu_reader *self = self_rcu();

	rcu_read_lock(self);
	group_vm_event(page_memcg_rcu(pg), event, 1);
	rcu_read_unlock(self);
}

bool group_swap_over_high(const struct memcg *cg)
{
	struct group_vm *vm = atomic_load_acquire(&cg->vm);

	return vm && counter_over_high(&vm->swap);
}

void group_swap_event(struct memcg *cg, enum swap_event event)
{
	for (; cg; cg = cg->parent)
		atomic_add_relaxed(&cg->vm->swap_event[event], 1ul);
}

/* --- page -> lruvec -------------------------------------------------------------------- */

HOOK_DEFINE(lruvec_found);

struct lruvec *page_lruvec_lock(struct page *pg)
{
	struct rcu_reader *self = self_rcu();
	struct lruvec *lv;
	struct memcg *cg;

	for (;;) {
		rcu_read_lock(self);
		cg = handle_group(page_objcg_rcu(pg));
		lv = &cg->vm->lru;
		HOOK(lruvec_found);
		lock_acquire(&lv->lock); /* short sections: a reader may wait for one */
		/* Pairs with group_vm_offline: under the lock the group cannot die, nor the page
		 * leave it without being isolated first. */
		if (likely(handle_group(page_objcg_rcu(pg)) == cg)) {
			rcu_read_unlock(self);
			return lv;
		}
		lock_release(&lv->lock);
		rcu_read_unlock(self);
	}
}

/* --- swap -------------------------------------------------------------------------------- */

/* As in group/charge.c: cg may have been destroyed between look and count. */
static void own_follow(const struct handle *h, struct memcg *cg)
{
	struct memcg *heir;

	while (unlikely((heir = handle_group(h)) != cg)) {
		counter_pass_own(&cg->vm->swap, &heir->vm->swap);
		cg = heir;
	}
}

static const struct counter *stop_at(const struct memcg *cg, const struct memcg *top)
{
	if (!top)
		return NULL;
	return group_counts_below(cg, top) ? &top->vm->swap : &cg->vm->swap;
}

HOOK_DEFINE(swap_payer_found);

bool swap_charge_below(struct handle *h, const struct memcg *top, u64 n)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;
	bool done;

	rcu_read_lock(self);
	cg = handle_group(h);
	HOOK(swap_payer_found);
	done = counter_try_charge_below(&cg->vm->swap, stop_at(cg, top), n, NULL);
	if (done)
		handle_add(h, n);
	else
		group_swap_event(cg, SWAP_MAX);
	if (done && counter_over_high(&cg->vm->swap))
		group_swap_event(cg, SWAP_HIGH);
	own_follow(h, cg);
	rcu_read_unlock(self);
	return done;
}

bool swap_charge(struct handle *h, u64 n)
{
	return swap_charge_below(h, NULL, n);
}

void swap_uncharge_below(struct handle *h, const struct memcg *top, u64 n)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg;

	rcu_read_lock(self);
	cg = handle_group(h);
	counter_uncharge_below(&cg->vm->swap, stop_at(cg, top), n);
	own_follow(h, cg);
	rcu_read_unlock(self);
	handle_sub(h, n);
}

void swap_uncharge(struct handle *h, u64 n)
{
	swap_uncharge_below(h, NULL, n);
}
