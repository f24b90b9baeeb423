/*
 * shrinker_walk.c - the tree of nodes: which groups have shrinkers at or below them, walking
 * those, handing them to the parent, and a fork in the middle of it. Shrinkers lock throughout.
 *
 * Children are in order of group id, which rises with creation: a node is mostly added at the end,
 * and a walk whose place has gone finds the next by number.
 */
#include "reclaim/shrinker.h"

#include "page/page.h"
#include "sys/clock.h"

u64 shrinkers_steps;

static struct shrinker_node *node_of(const struct memcg *cg)
{
	return cg->shrinkers;
}

static struct shrinker_node *node_at(struct list *l)
{
	return list_entry(l, struct shrinker_node, link);
}

static struct shrinker_node *node_parent(const struct shrinker_node *n)
{
	return n->cg->parent ? node_of(n->cg->parent) : NULL;
}

/* --- making and dropping -------------------------------------------------------- */

static void node_insert(struct shrinker_node *parent, struct shrinker_node *n)
{
	struct list *before = parent->children.prev;

	while (before != &parent->children && node_at(before)->cg->id > n->cg->id)
		before = before->prev;
	list_add(before, &n->link);
}

/* Below no other yet. */
static struct shrinker_node *node_make(struct memcg *cg)
{
	struct shrinker_node *n = meta_alloc(sizeof(*n));

	if (!n)
		return NULL;
	n->cg = cg;
	list_init(&n->own);
	list_init(&n->children);
	list_init(&n->link);
	atomic_store(&cg->shrinkers, n);
	return n;
}

/* A walk that stopped in it goes on behind its elder sibling. */
static void node_drop(struct shrinker_node *n)
{
	struct shrinker_node *parent = node_parent(n);

	if (parent && parent->at == n)
		parent->at = n->link.prev == &parent->children ? NULL : node_at(n->link.prev);
	list_del(&n->link);
	atomic_store(&n->cg->shrinkers, (struct shrinker_node *)NULL);
	meta_free(n, sizeof(*n));
}

/* From the bottom, as far as nothing is registered there or below. */
static void nodes_prune(struct memcg *cg)
{
	for (; cg; cg = cg->parent)
		if (node_of(cg) && !node_of(cg)->below)
			node_drop(node_of(cg));
}

/* cg's node and those of its ancestors, upwards: trees may be deeper than a thread's stack. False:
 * no memory; what was made is below nothing. */
static bool nodes_ensure(struct memcg *cg)
{
	struct shrinker_node *child = NULL, *n;
	bool there = false;

	for (; cg && !there; cg = cg->parent, child = n) {
		there = node_of(cg);
		n = there ? node_of(cg) : node_make(cg);
		if (!n)
			return false;
		if (child)
			node_insert(n, child);
	}
	return true;
}

bool shrinker_link_locked(struct memcg_shrinker *s, struct memcg *cg)
{
	struct memcg *up;

	if (!nodes_ensure(cg)) {
		nodes_prune(cg);
		return false;
	}
	s->cg = cg;
	list_add_tail(&node_of(cg)->own, &s->link);
	for (up = cg; up; up = up->parent)
		node_of(up)->below++;
	return true;
}

void shrinker_unlink_locked(struct memcg_shrinker *s)
{
	struct memcg *up;

	list_del(&s->link);
	for (up = s->cg; up; up = up->parent)
		node_of(up)->below--;
	nodes_prune(s->cg);
}

/*
 * The parent, which is online, counts them already. They go to the front of its list: a thread that
 * is going through that one is past them and does not meet them in this pass.
 */
void shrinkers_offlined(struct memcg *cg)
{
	struct shrinker_node *n;
	struct list *l;

	shrinkers_hold();
	n = node_of(cg);
	if (n) {
		list_for_each(l, &n->own) list_entry(l, struct memcg_shrinker, link)->cg =
			cg->parent;
		list_splice(&node_of(cg->parent)->own, &n->own);
		node_drop(n);
	}
	shrinkers_release();
}

/* --- walking ------------------------------------------------------------------------ */

static struct shrinker_node *first_child(const struct shrinker_node *n)
{
	return list_empty(&n->children) ? NULL : node_at(n->children.next);
}

/* The first node below parent's group with a larger id than cg's, which is no longer there. */
static struct shrinker_node *younger_by_id(const struct shrinker_node *parent,
					   const struct memcg *cg)
{
	struct list *l;

	list_for_each(l, &parent->children)
	{
		shrinkers_steps++;
		if (node_at(l)->cg->id > cg->id)
			return node_at(l);
	}
	return NULL;
}

static struct shrinker_node *younger(const struct memcg *cg)
{
	struct shrinker_node *n = node_of(cg), *parent = node_of(cg->parent);

	if (!parent)
		return NULL;
	if (!n)
		return younger_by_id(parent, cg);
	return n->link.next == &parent->children ? NULL : node_at(n->link.next);
}

/* cg may be offline, or have lost its node. It is at or below top. */
static struct shrinker_node *node_after(struct memcg *top, struct memcg *cg)
{
	struct shrinker_node *n = node_of(cg) ? first_child(node_of(cg)) : NULL;

	for (; !n && cg != top && cg->parent; cg = cg->parent)
		n = younger(cg);
	return n;
}

/* Where a walk of top begins. */
static struct shrinker_node *node_first(struct memcg *top)
{
	struct shrinker_node *n = node_of(top), *next;

	if (!n || !n->resume)
		return n;
	n->resume = false;
	while (n->at)
		n = n->at;
	next = node_after(top, n->cg);
	return next ? next : node_of(top); /* it stopped at the very end */
}

struct memcg *shrinkers_next(struct memcg *top, struct memcg *prev)
{
	struct shrinker_node *n;
	struct memcg *next = NULL;

	if (!shrinkers_any(top) && !prev)
		return NULL;
	shrinkers_hold();
	n = prev ? node_after(top, prev) : node_first(top);
	for (; n; n = node_after(top, n->cg)) {
		shrinkers_steps++;
		if (!list_empty(&n->own))
			break;
	}
	if (n)
		next = memcg_get(n->cg); /* online until shrinkers_offlined has had the lock */
	shrinkers_release();
	group_put(prev);
	return next;
}

void shrinkers_rotate(struct memcg *top, struct memcg *last)
{
	struct shrinker_node *n, *parent;

	shrinkers_hold();
	n = node_of(last);
	if (n && node_of(top)) {
		n->at = NULL;
		for (; n->cg != top && (parent = node_parent(n)); n = parent)
			parent->at = n;
		n->resume = true;
	}
	shrinkers_release();
}

/* Late is not lost: on a busy machine a thread is off its CPU for longer than most deadlines. */
#define LOST 10u

static bool is_running(const struct memcg_shrinker *s, unsigned how, u64 now)
{
	/* Set again by who is in it, without the lock: perhaps after our look at the clock. */
	u64 started = atomic_load(&s->started);

	return s->runner && shrinker_allowed(s, how) &&
	       (started > now || (now - started) / LOST < s->deadline);
}

struct memcg_shrinker *shrinker_running_locked(struct memcg *top, unsigned how)
{
	u64 now = sys_clock_ns();
	struct shrinker_node *n;
	struct list *l;

	for (n = node_of(top); n; n = node_after(top, n->cg))
		list_for_each(
			l, &n->own) if (is_running(list_entry(l, struct memcg_shrinker, link), how,
						   now)) return list_entry(l, struct memcg_shrinker,
									   link);
	return NULL;
}

/* --- fork ------------------------------------------------------------------------------- */

void shrinkers_fork_prepare(void)
{
	lock_acquire(&shrinkers_lock);
}

void shrinkers_fork_parent(void)
{
	lock_release(&shrinkers_lock);
}

/* Who was in it, or was waiting to unregister it, is not here, unless it is who forked. */
static void fork_one(struct memcg_shrinker *s, struct list *dead)
{
	if (s->runner && s->runner == memcg__self->tid)
		return;
	s->runner = 0;
	s->record.stuck = false;
	if (!s->gone)
		return;
	list_del(&s->link);
	list_add(dead, &s->link);
}

void shrinkers_fork_child(void)
{
	struct shrinker_node *n = node_of(root_group);
	struct list dead = LIST_INIT(dead), *l, *safe;

	for (; n; n = node_after(root_group, n->cg))
		list_for_each_safe(l, safe, &n->own)
			fork_one(list_entry(l, struct memcg_shrinker, link), &dead);
	list_for_each_safe(l, safe, &dead)
	{
		struct memcg_shrinker *s = list_entry(l, struct memcg_shrinker, link);

		shrinker_unlink_locked(s);
		shrinker_free(s);
	}
	lock_release(&shrinkers_lock);
}
