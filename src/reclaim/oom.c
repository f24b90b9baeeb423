/*
 * oom.c - OOM handlers: the program's last word when reclaim found nothing.
 *
 * 1. The nearest handler at the group that is over, or above it, is asked. One that did not say
 *    it may run inside an allocation is not asked there, but at memcg_leave; for a fault no handler
 *    is asked before that.
 * 2. It is told the group whose memory should go: the one over its limit, or, when groups between
 *    that and the charger have memory.oom.group set, the topmost of them: once, not once for each.
 * 3. A handler runs on one thread at a time. Who finds it running, where it may run itself, waits
 *    for that a little and tries again, as often as the loop of charge.c has rounds: the memory
 *    that is coming free is as good for it, and a handler that is stuck costs it a third of
 *    a second.
 * 4. A hook is made with the first handler of a group and goes with its struct, so that whoever
 *    runs it needs no more than the group. Replacing waits for a call that is running, unless it
 *    is the caller's own.
 */
#include <errno.h>

#include "reclaim/oom.h"
#include "group/record.h"

#include <memcg/event.h>

#include "base/config.h"
#include "page/page.h"
#include "sync/lock.h"
#include "sys/futex.h"

struct oom_hook {
	struct memcg_oom_config config; /* oom_lock */
	bool set;			/* config has a handler; atomic, a hint */
	u32 running; /* generation and tid of who runs it; 0. oom_lock to set, futex to wait */
};

static struct lock oom_lock = LOCK_INIT(RANK_OOM);
static u32 generation; /* of processes: who ran a handler in the parent of a fork is not here */

/* Also on the way of allocations: a signal handler that allocates meanwhile gets NULL. */
static void hooks_hold(void)
{
	task_busy_begin();
	lock_acquire(&oom_lock);
}

static void hooks_release(void)
{
	lock_release(&oom_lock);
	task_busy_end();
}

#define RUNNER(tid) (generation << 16 | (tid))

/* Who runs it in this process; 0. */
static u32 runner_of(const struct oom_hook *hook)
{
	u32 who = atomic_load(&hook->running);

	return who >> 16 == (generation & 0xffff) ? who : 0;
}

/* The group's hook, made if need be. NULL: no memory. */
static struct oom_hook *hook_of(struct memcg *cg)
{
	struct group_record *r = group_record_make(cg);
	struct oom_hook *hook = r ? atomic_load_acquire(&r->oom) : NULL, *none = NULL;

	if (!r || hook)
		return hook;
	hook = meta_alloc(sizeof(*hook));
	if (!hook || atomic_cas(&r->oom, &none, hook))
		return hook;
	meta_free(hook, sizeof(*hook));
	return none;
}

void oom_group_free(struct memcg *cg)
{
	struct oom_hook *hook = group_record(cg)->oom;

	if (hook)
		meta_free(hook, sizeof(*hook));
}

/* --- setting --------------------------------------------------------------------- */

static int config_take(const struct memcg_oom_config *from, struct memcg_oom_config *to)
{
	int err = config_copy(to, sizeof(*to), from, offsetof(struct memcg_oom_config, arg));

	if (!err && (!to->oom || to->flags & ~(unsigned)MEMCG_OOM_INLINE))
		err = -EINVAL;
	return err;
}

/* Returns with the lock held and nobody else in the handler. */
static void lock_idle(struct oom_hook *hook)
{
	u32 who;

	hooks_hold();
	while ((who = runner_of(hook)) && who != RUNNER(memcg__self->tid)) {
		hooks_release();
		sys_futex_wait(&hook->running, who, 0);
		hooks_hold();
	}
}

int memcg_set_oom_handler(struct memcg *cg, const struct memcg_oom_config *config)
{
	struct memcg_oom_config c = {0};
	struct oom_hook *hook;
	int err = config ? config_take(config, &c) : 0;

	cg = cg ? cg : group_active();
	if (err)
		return err;
	hook = hook_of(cg);
	if (!hook)
		return -ENOMEM;
	lock_idle(hook);
	hook->config = c;
	atomic_store(&hook->set, c.oom != NULL);
	hooks_release();
	return 0;
}

/* --- running ------------------------------------------------------------------------ */

#define AWAIT_MOST 10000000ul /* ns */

/* The nearest hook with a handler, whether it may run or not; NULL. */
static struct oom_hook *hook_above(const struct memcg *cg)
{
	struct oom_hook *hook;

	for (; cg; cg = cg->parent) {
		hook = atomic_load_acquire(&group_record(cg)->oom); /* pairs with hook_of */
		if (hook && atomic_load(&hook->set))
			return hook;
	}
	return NULL;
}

static bool may_run(const struct memcg_oom_config *c, enum reclaim_how how)
{
	return c->oom &&
	       (how == RECLAIM_ANY || (how == RECLAIM_INLINE && c->flags & MEMCG_OOM_INLINE));
}

/* False: it may not run now, or another thread runs it, which *who is then. */
static bool hook_claim(struct oom_hook *hook, enum reclaim_how how, struct memcg_oom_config *out,
		       u32 *who)
{
	bool may;

	hooks_hold();
	*out = hook->config;
	*who = may_run(out, how) ? runner_of(hook) : 0;
	may = may_run(out, how) && !*who;
	if (may)
		atomic_store(&hook->running, RUNNER(memcg__self->tid));
	hooks_release();
	return may;
}

/* Another thread is in it: then it is worth another try, whatever comes of that. */
static bool hook_await(struct oom_hook *hook, u32 who)
{
	if (who)
		sys_futex_wait(&hook->running, who, AWAIT_MOST);
	return who;
}

static void hook_done(struct oom_hook *hook)
{
	hooks_hold();
	atomic_store(&hook->running, 0u);
	hooks_release();
	sys_futex_wake(&hook->running, INT32_MAX);
}

/* The topmost from payer's group up to limited that goes as a whole; else limited. Referenced. */
static struct memcg *victim_of(struct memcg *limited, u32 payer)
{
	struct rcu_reader *self = self_rcu();
	struct memcg *cg, *victim = limited;

	rcu_read_lock(self);
	cg = handle_group(handle_of(payer));
	if (group_below(cg, limited))
		for (;; cg = cg->parent) {
			if (atomic_load(&cg->oom_group))
				victim = cg;
			if (cg == limited)
				break;
		}
	victim = group_tryget(victim);
	rcu_read_unlock(self);
	return victim ? victim : memcg_get(limited);
}

static bool hook_run(struct oom_hook *hook, const struct memcg_oom_config *c, struct memcg *victim,
		     u64 n)
{
	struct task *self = task_self();
	int saved = errno; /* an allocation that succeeds after all leaves it */
	unsigned says;

	self->reclaiming++;
	says = c->oom(victim, n, c->arg);
	self->reclaiming--;
	errno = saved;
	hook_done(hook);
	if (says == MEMCG_OOM_KILLED) {
		group_event(victim, EV_OOM_KILL);
		if (atomic_load(&victim->oom_group))
			group_event(victim, EV_OOM_GROUP_KILL);
	}
	return says == MEMCG_OOM_RETRY || says == MEMCG_OOM_KILLED;
}

bool oom_handled(const struct memcg *cg)
{
	return hook_above(cg);
}

bool oom_ask(struct memcg *limited, u32 payer, u64 n, enum reclaim_how how)
{
	const struct task *self = task_self();
	struct oom_hook *hook = hook_above(limited);
	struct memcg_oom_config c;
	struct memcg *victim;
	bool relieved;
	u32 who;

	if (!hook || !self || self->busy || self->reclaiming)
		return false;
	if (!hook_claim(hook, how, &c, &who))
		return hook_await(hook, who);
	victim = victim_of(limited, payer);
	relieved = hook_run(hook, &c, victim, n);
	group_put(victim);
	return relieved;
}

bool oom_relieve(struct memcg *limited, u32 payer, u64 n, enum reclaim_how how)
{
	group_event(limited, EV_OOM);
	return oom_ask(limited, payer, n, how);
}

void oom_ask_owed(struct memcg *limited, u64 n, bool asked)
{
	const struct oom_hook *hook = hook_above(limited);
	bool had_its_say;

	if (!hook)
		return;
	hooks_hold();
	had_its_say = asked && hook->config.flags & MEMCG_OOM_INLINE;
	hooks_release();
	if (!had_its_say)
		oom_ask(limited, limited->handle->index, n, RECLAIM_ANY);
}

/* --- fork ----------------------------------------------------------------------------- */

void oom_fork_prepare(void)
{
	lock_acquire(&oom_lock);
}

void oom_fork_parent(void)
{
	lock_release(&oom_lock);
}

void oom_fork_child(void)
{
	generation++;
	lock_release(&oom_lock);
}
