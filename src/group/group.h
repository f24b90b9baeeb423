/*
 * group.h - the group and the tree. (The directory's entry header; charging is
 * in charge.h, what memory names is in handle.h.)
 *
 * 1. Life. online: in the tree, found by name. memcg_destroy takes it offline in one
 *    section of the tree lock: off the lists, name free, handle redirected. The struct lives
 *    while anybody references it, and a grace period more, because readers walk
 *    from a handle to it without a reference.
 * 2. References: one of the tree while online; those of the program; one of each
 *    child's struct (so that the chain of counters is whole). Memory never
 *    references a group, only handles. While the group is online CPUs have some of them ahead,
 *    which nobody holds (stock.h): a get and a put of who is often met move a word of their CPU.
 *    Destroying takes those out before the tree's reference is dropped, and none is put there any
 *    more: so refs is exact from then on, and the last put is the one that finds 0.
 * 3. Its counter goes on existing while offline and means nothing then: what
 *    was charged through it is credited past it. Ancestors stay exact, because
 *    both walks pass them.
 * 4. tree_lock (RANK_TREE) covers: parent/children lists, names, online, the
 *    counts of descendants and their limits. It is not on the way of any charge.
 */
#ifndef MEMCG_GROUP_GROUP_H
#define MEMCG_GROUP_GROUP_H

#include <memcg/group.h>

#include "base/list.h"
#include "base/up.h"
#include "count/counter.h"
#include "count/stat.h"
#include "group/event.h"
#include "group/handle.h"
#include "group/task.h"

struct group_record;

/* What every group has, in six lines with a name of up to 30 bytes; the rest is in record.h. */
struct memcg {
	struct counter counter;
	/* Read by chargers, constant. */
	struct memcg *parent;
	struct handle *handle;
	u64 id;
	u32 index; /* of its handle */
	u32 depth;
	struct group_record *record;	 /* NULL until something happened to it; then constant */
	struct group_vm *vm;		 /* managed memory: group/vm.h; NULL until there is some */
	struct fail *fail;		 /* group/fail.c, published by RCU; NULL: no rule */
	struct shrinker_node *shrinkers; /* reclaim/shrinker.h; NULL: none at or below */
	/* Atomics. */
	u64 refs;		 /* with those that CPUs have ahead: stock.h */
	u32 dying;		 /* handles redirected to it or below and still referenced */
	u32 owed;		 /* reclaim/reclaimer.c */
	struct memcg *owed_next; /* its queue */
	u8 oom_group;		 /* memory.oom.group */
	u8 no_zswap_writeback;
	u8 move_charge; /* memory.move_charge_at_immigrate, 0 to 3 */
	/* Tree lock. */
	bool online;	 /* read without the lock: a hint */
	u32 nr_children; /* read without it */
	struct memcg *hash_next;
	u32 hash;
	u32 descendants;
	union {
		struct {
			struct list children, sibling;
		};
		struct rcu_head rcu; /* when nobody references it: it is on no list then */
	};
	/* The program's; tree lock. */
	void *data; /* read without it */
	void (*drop)(void *);
	u8 name_len;
	char name[];
};

/* From where the name begins: the struct's own size has up to a cache line behind that. */
static inline size_t group_bytes(size_t name_len)
{
	return offsetof(struct memcg, name) + name_len + 1;
}

extern __hidden_ struct memcg *root_group;

/* The struct goes: what higher layers hung on it goes too. Set at bring-up. */
extern __hidden_ void (*group_on_free)(struct memcg *cg);
/* It goes offline, under the tree lock: what is registered with it goes to its parent. */
extern __hidden_ void (*group_offlined)(struct memcg *cg);
/* It is destroyed, and still referenced; no lock held. Atomic; NULL: nobody wants to know. */
extern __hidden_ void (*group_destroyed)(struct memcg *cg);

__hidden_ int group_init(void);		    /* the root */
__hidden_ void group_put(struct memcg *cg); /* as memcg_put, running no code of the program */
__hidden_ void group_run_drops(void);	    /* what group_put left; in calls of the program */
__hidden_ bool group_below(const struct memcg *cg, const struct memcg *top); /* or the same */
__hidden_ struct memcg *group_tryget(struct memcg *cg); /* RCU section; NULL: it was dying */
__hidden_ u64 group_refs(const struct memcg *cg);	/* those that somebody holds */
__hidden_ u64 group_current(struct memcg *cg);
/* The path, into buf; of one that is too long the end. */
__hidden_ void group_path_end(const struct memcg *cg, char *buf, size_t size);
__hidden_ u64 group_local_bytes(struct memcg *cg); /* charged to it, not to its children */
/* memcg_stat in two steps: before looks and folds, once for several groups below cg. */
struct memcg_stat;
__hidden_ void group_stat_before(const struct memcg *cg);
__hidden_ void group_stat(struct memcg *cg, struct memcg_stat *out);
__hidden_ void group_stat_sink(u32 tag, const s64 delta[STAT_NR]);
__hidden_ void group_tree_lock(void);
__hidden_ void group_tree_unlock(void);
__hidden_ void tree_fork_prepare(void);
__hidden_ void tree_fork_done(void);
/* Between the two: each group, the root first. */
__hidden_ void tree_fork_each(void (*each)(struct memcg *cg));
__hidden_ void group_count_dying(struct memcg *cg, s32 n); /* and above; RCU section or tree lock */
__hidden_ u32
group_dying(const struct memcg *cg); /* dead handles that it and those below pay for */
HOOK_DECLARE(group_redirected); /* destroy: the handle is, the tree lock held; nothing handed on */
HOOK_DECLARE(group_offline);	/* it is; what CPUs hold of it is where it was */
/* As memcg_next, running no code of the program. */
__hidden_ struct memcg *group_next(struct memcg *root, struct memcg *prev);
/* The same without what is deeper (the root's depth is 0). */
__hidden_ struct memcg *group_next_within(struct memcg *root, struct memcg *prev, u32 deepest);
__hidden_ u32 group_descendants(struct memcg *cg);
__hidden_ u64 group_next_id(void); /* no group made from now on has a smaller one */

/* Whoever has a group has met a library that is up; who has none may be the first caller. */
static inline struct memcg *group_or_root(struct memcg *cg)
{
	if (!cg)
		lib_up();
	return cg ? cg : root_group;
}

static inline struct group_ref group_ref(const struct memcg *cg)
{
	return (struct group_ref){.id = cg->id, .handle = cg->handle->index};
}

/* With a reference; NULL when it is offline by now (its handle's successor has another id). */
__hidden_ struct memcg *group_ref_get(struct group_ref ref);

/* The active group of a thread with or without a record. */
static inline struct memcg *group_active(void)
{
	return group_or_root(memcg__self->active);
}

/* The handle this thread's charges go to. */
static inline u32 task_handle(void)
{
	return group_active()->handle->index;
}

#endif
