/* workingset.c - ages and distances. Theory in workingset.h. */
#include "vm/workingset.h"

#include "group/owner.h"
#include "group/vm.h"

static u32 older(struct lruvec *lv)
{
	return atomic_add(&lv->age, 1u);
}

struct workingset workingset_left(struct page *pg)
{
	struct rcu_reader *self = self_rcu();
	struct workingset w = {.handle = page_objcg(pg)->index,
			       .active = pg->managed.flags & MG_WORKINGSET};

	rcu_read_lock(self);
	w.age = older(&page_memcg_rcu(pg)->vm->lru);
	rcu_read_unlock(self);
	w.age += !w.age; /* 0 is never */
	return w;
}

/* A copy's entry is where it is, and its owner stays: the age is enough. */
void workingset_keep(struct page *pg, struct workingset w)
{
	pg->managed.shadow = w.age;
	if (pg->managed.where == WHERE_NONE)
		pg->managed.entry = (u64)w.handle << 1 | w.active;
}

struct workingset workingset_of(const struct page *pg)
{
	struct workingset w = {.age = pg->managed.shadow};

	if (!w.age)
		return w;
	if (pg->managed.where == WHERE_NONE) {
		w.handle = (u32)(pg->managed.entry >> 1);
		w.active = pg->managed.entry & 1;
	} else {
		w.handle = page_objcg(pg)->index;
		w.active = pg->managed.flags & MG_WORKINGSET;
	}
	return w;
}

/* What a longer inactive list of this kind would have pushed out: everything but that list. */
static u32 others(const struct lruvec *lv, bool file)
{
	u32 n = atomic_load(&lv->pages[LRU_ACTIVE_FILE]) + atomic_load(&lv->pages[LRU_ACTIVE_ANON]);

	return n + atomic_load(&lv->pages[file ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE]);
}

static void activate(struct page *pg, struct memcg *cg, bool file, bool was_active)
{
	pg->managed.flags |= MG_WORKINGSET;
	older(&cg->vm->lru);
	group_vm_event(cg, file ? VM_ACTIVATE_FILE : VM_ACTIVATE_ANON, 1);
	if (was_active)
		group_vm_event(cg, file ? VM_RESTORE_FILE : VM_RESTORE_ANON, 1);
}

void workingset_refault(struct page *pg, struct workingset was)
{
	struct rcu_reader *self = self_rcu();
	bool file = pg->kind == PAGE_FILE;
	struct memcg *cg;
	struct lruvec *lv;

	pg->managed.shadow = 0;
	if (!was.age)
		return;
	rcu_read_lock(self);
	cg = page_memcg_rcu(pg);
	lv = &cg->vm->lru;
	group_vm_event(cg, file ? VM_REFAULT_FILE : VM_REFAULT_ANON, 1);
	if (was.handle == page_objcg(pg)->index &&
	    atomic_load(&lv->age) - was.age <= others(lv, file))
		activate(pg, cg, file, was.active);
	rcu_read_unlock(self);
}
