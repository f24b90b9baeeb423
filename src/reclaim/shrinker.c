/* shrinker.c - registering and unregistering. Theory in shrinker.h. */
#include <errno.h>
#include <string.h>

#include "reclaim/shrinker.h"

#include "base/config.h"
#include "page/page.h"
#include "sys/futex.h"

#define PRIORITY_MAX  12u
#define DEADLINE_MS   10u
#define DEADLINE_MAX  (3600 * 1000ul) /* ms; beyond it none is meant */
#define NSEC_PER_MSEC 1000000ul
#define SIZE_LEAST    offsetof(struct memcg_shrinker_config, arg)
#define UNNAMED	      "unnamed"

struct lock shrinkers_lock = LOCK_INIT(RANK_SHRINKER);
u64 shrinkers_seq;

/* --- the config ----------------------------------------------------------------- */

static int config_take(const struct memcg_shrinker_config *from, struct memcg_shrinker_config *to)
{
	int err = from ? config_copy(to, sizeof(*to), from, SIZE_LEAST) : -EINVAL;

	if (err)
		return err;
	if (!to->count || !to->scan || to->priority > PRIORITY_MAX ||
	    to->flags & ~(unsigned)MEMCG_SHRINK_INLINE)
		return -EINVAL;
	return 0;
}

/* --- life ------------------------------------------------------------------------- */

static struct memcg_shrinker *shrinker_new(const struct memcg_shrinker_config *c)
{
	struct memcg_shrinker *s = meta_alloc(sizeof(*s));
	const char *name = c->name ? c->name : UNNAMED;

	if (!s)
		return NULL;
	s->count = c->count;
	s->scan = c->scan;
	s->arg = c->arg;
	s->priority = c->priority;
	s->flags = c->flags;
	s->deadline = MIN(c->deadline_ms ? c->deadline_ms : DEADLINE_MS, DEADLINE_MAX);
	s->deadline *= NSEC_PER_MSEC;
	s->record.credit = SHRINKER_SURE;
	memcpy(s->name, name, strnlen(name, SHRINKER_NAME - 1));
	return s;
}

void shrinker_free(struct memcg_shrinker *s)
{
	meta_free(s, sizeof(*s));
}

/*
 * online is cleared before shrinkers_offlined takes the lock: who still sees it set here is on the
 * list when that moves the list to the parent.
 */
static int shrinker_add(struct memcg_shrinker *s, struct memcg *cg)
{
	int err = 0;

	shrinkers_hold();
	s->seq = shrinkers_seq + 1;
	atomic_store(&shrinkers_seq, s->seq);
	if (!atomic_load(&cg->online))
		err = -ENODEV;
	else if (!shrinker_link_locked(s, cg))
		err = -ENOMEM;
	shrinkers_release();
	return err;
}

struct memcg_shrinker *memcg_shrinker_register(struct memcg *cg,
					       const struct memcg_shrinker_config *config)
{
	struct memcg_shrinker_config c;
	struct memcg_shrinker *s = NULL;
	int err = config_take(config, &c);

	cg = cg ? cg : group_active();
	if (!err) {
		s = shrinker_new(&c);
		err = s ? shrinker_add(s, cg) : -ENOMEM;
	}
	if (!err)
		return s;
	if (s)
		shrinker_free(s);
	errno = -err;
	return NULL;
}

/* Returns with the lock held. It is not claimed again, so the wait ends when the call does. */
static void wait_idle(struct memcg_shrinker *s)
{
	u32 who;

	while ((who = atomic_load(&s->runner))) {
		shrinkers_release();
		sys_futex_wait(&s->runner, who, 0); /* any answer: looked at again */
		shrinkers_hold();
	}
}

void memcg_shrinker_unregister(struct memcg_shrinker *s)
{
	if (!s)
		return;
	shrinkers_hold();
	BUG_ON(s->gone); /* unregistered twice */
	s->gone = true;
	if (s->runner && s->runner == memcg__self->tid) {
		s->runner_frees = true;
		shrinkers_release();
		return;
	}
	wait_idle(s);
	shrinker_unlink_locked(s);
	shrinkers_release();
	shrinker_free(s);
}
