/*
 * tree.c - the hierarchy: names, creation, destruction, look-up, walking.
 *
 * 1. tree_lock covers all of it; nothing on the way of a charge takes it.
 * 2. The order at destroy, and who may come between its steps:
 *    - *Offline* (offline_locked), one section of the tree lock, which is the lock of the child's
 *      and of the parent's lists: off the lists, the name free, the handle redirected. There is no
 *      list of what was inherited to splice: what led to this handle leads on through it. From
 *      the exchange of the one word on, whoever looks up finds the parent.
 *    - What it owned itself by count (counter.own) is passed on. Who found the group before the
 *      exchange and counts after it looks again and passes on what it left (own_follow, charge.c).
 *    - *Kill* (kill_handle): the stock CPUs hold for it is taken out and folded, to the heir. Who
 *      puts a batch there afterwards sees the exchange and takes it out (put_follow, stock.c).
 *    - *Fold*: statistics CPUs hold back under its index are delivered, to the heir and all above.
 *      A late one is delivered later, to whoever lives then: no ancestor is ever told less or
 *      more than all, for every delivery climbs from the living to the root.
 *    - The tree's reference is dropped. The struct stays a grace period longer than its last
 *      reference, so who found it in a section may still count in it: that means nothing.
 */
#include <errno.h>
#include <string.h>

#include "group/group.h"
#include "group/record.h"
#include "group/stock.h"
#include "group/vm.h"
#include "page/page.h"
#include "sync/lock.h"

#define NAME_LEN_MAX 255u
#define HASH_FIRST   64u

struct memcg *root_group;
void (*group_offlined)(struct memcg *cg);
void (*group_destroyed)(struct memcg *cg);
HOOK_DEFINE(group_redirected);
HOOK_DEFINE(group_offline);

static struct lock tree_lock = LOCK_INIT(RANK_TREE);
static u64 next_id = 1; /* tree lock; read by group_next_id */

/* Names: parent and name to group, chained. Doubled when there are half as many groups as buckets:
 * a chain is other groups' memory, which is in no cache when there are many. */
static struct {
	struct memcg **bucket;
	u32 size, used;
} names;

bool tree_locked(void)
{
	return lock_is_held(&tree_lock);
}

static u32 name_hash(const struct memcg *parent, const char *name, size_t len)
{
	u64 h = parent->id * 0x9e3779b97f4a7c15ul;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 0x100000001b3ul;
	return (u32)(h ^ h >> 32);
}

static struct memcg *find_locked(const struct memcg *parent, const char *name, size_t len)
{
	u32 hash = name_hash(parent, name, len);
	struct memcg *cg = names.bucket[hash & (names.size - 1)];

	for (; cg; cg = cg->hash_next)
		if (cg->hash == hash && cg->parent == parent && cg->name_len == len &&
		    !memcmp(cg->name, name, len))
			return cg;
	return NULL;
}

/* Without memory for a larger table the old one goes on, only slower. */
static void names_grow_locked(void)
{
	u32 size = names.size * 2, i;
	struct memcg **bucket = meta_alloc(size * sizeof(*bucket));

	if (!bucket)
		return;
	for (i = 0; i < names.size; i++)
		while (names.bucket[i]) {
			struct memcg *cg = names.bucket[i];

			names.bucket[i] = cg->hash_next;
			cg->hash_next = bucket[cg->hash & (size - 1)];
			bucket[cg->hash & (size - 1)] = cg;
		}
	meta_free(names.bucket, names.size * sizeof(*bucket));
	names.bucket = bucket;
	names.size = size;
}

static void names_add_locked(struct memcg *cg)
{
	struct memcg **slot;

	if (names.used >= names.size / 2)
		names_grow_locked();
	slot = &names.bucket[cg->hash & (names.size - 1)];
	cg->hash_next = *slot;
	*slot = cg;
	names.used++;
}

static void names_del_locked(struct memcg *cg)
{
	struct memcg **at = &names.bucket[cg->hash & (names.size - 1)];

	while (*at != cg)
		at = &(*at)->hash_next;
	*at = cg->hash_next;
	names.used--;
}

/* --- making ---------------------------------------------------------------- */

static struct memcg *group_new(struct memcg *parent, const char *name, size_t len)
{
	struct memcg *cg = meta_alloc(group_bytes(len));

	if (!cg)
		return NULL;
	counter_init(&cg->counter, parent ? &parent->counter : NULL);
	cg->parent = parent;
	cg->name_len = (u8)len;
	memcpy(cg->name, name, len);
	list_init(&cg->children);
	list_init(&cg->sibling);
	cg->refs = 2; /* the tree's and the creator's */
	cg->online = true;
	cg->handle = handle_new(cg, parent ? parent->handle : NULL);
	if (!cg->handle) {
		meta_free(cg, group_bytes(len));
		return NULL;
	}
	cg->index = cg->handle->index;
	return cg;
}

static void scrap_free(struct rcu_head *rcu)
{
	struct memcg *cg = container_of(rcu, struct memcg, rcu);

	meta_free(cg, group_bytes(cg->name_len));
}

/*
 * Undoes group_new for a group nobody has seen: save who still has the name of an earlier group
 * with this handle, and looks at the id here (group_ref_get). For him it stays valid memory.
 */
static void group_scrap(struct memcg *cg)
{
	handle_redirect(cg->handle, root_group->handle, root_group);
	handle_sub(cg->handle, HANDLE_PIN);
	rcu_defer(&cg->rcu, scrap_free);
}

int group_init(void)
{
	lock_init(&tree_lock, RANK_TREE);
	names.size = HASH_FIRST;
	names.bucket = meta_alloc(names.size * sizeof(*names.bucket));
	if (!names.bucket)
		return -ENOMEM;
	root_group = group_new(NULL, "", 0);
	if (!root_group)
		return -ENOMEM;
	root_group->id = next_id;
	atomic_store(&next_id, next_id + 1);
	root_group->counter.extra = &page_cached;
	BUG_ON(root_group->handle->index != HANDLE_ROOT);
	return 0;
}

static bool name_valid(const char *name, size_t len)
{
	size_t i;

	if (!len || len > NAME_LEN_MAX || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (i = 0; i < len; i++)
		if (name[i] == '/' || (u8)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

static int may_create_locked(struct memcg *parent, const char *name, size_t len)
{
	const struct memcg *up;
	u32 below = 1;

	if (!parent->online)
		return -ENODEV;
	if (find_locked(parent, name, len))
		return -EEXIST;
	for (up = parent; up; up = up->parent, below++) {
		const struct group_record *r = group_record(up);

		if (up->descendants >= atomic_load(&r->max_descendants) ||
		    below > atomic_load(&r->max_depth))
			return -EAGAIN;
	}
	return 0;
}

static void link_locked(struct memcg *cg)
{
	struct memcg *up;

	cg->id = next_id;
	atomic_store(&next_id, next_id + 1);
	cg->depth = cg->parent->depth + 1;
	cg->hash = name_hash(cg->parent, cg->name, cg->name_len);
	names_add_locked(cg);
	list_add_tail(&cg->parent->children, &cg->sibling); /* so siblings stand in order of id */
	memcg_get(cg->parent);
	atomic_store(&cg->parent->nr_children, cg->parent->nr_children + 1);
	for (up = cg->parent; up; up = up->parent)
		up->descendants++;
}

static int create(struct memcg *parent, const char *name, struct memcg **out)
{
	size_t len = name ? strnlen(name, NAME_LEN_MAX + 1) : 0;
	struct memcg *cg;
	int err;

	if (!name_valid(name ? name : "", len))
		return -EINVAL;
	rcu_poll(false);
	group_run_drops();
	cg = group_new(parent, name, len);
	if (!cg)
		return -ENOMEM;
	lock_acquire(&tree_lock);
	err = may_create_locked(parent, name, len);
	if (!err)
		link_locked(cg);
	lock_release(&tree_lock);
	if (err)
		group_scrap(cg);
	*out = cg;
	return err;
}

struct memcg *memcg_create(struct memcg *parent, const char *name)
{
	struct memcg *cg = NULL;
	int err = create(group_or_root(parent), name, &cg);

	if (err) {
		errno = -err;
		return NULL;
	}
	return cg;
}

/* --- unmaking --------------------------------------------------------------- */

/*
 * One section: off the lists, the name free, the handle redirected. From here
 * on whatever it owned is the parent's.
 */
static int offline_locked(struct memcg *cg)
{
	struct memcg *up;

	if (!list_empty(&cg->children))
		return -EBUSY;
	names_del_locked(cg);
	list_del(&cg->sibling);
	atomic_store(&cg->parent->nr_children, cg->parent->nr_children - 1);
	for (up = cg->parent; up; up = up->parent)
		up->descendants--;
	group_vm_offline(cg);
	HOOK(group_redirected);
	counter_pass_own(&cg->counter, &cg->parent->counter); /* pairs with own_follow, charge.c */
	(void)atomic_xchg(&cg->online, false); /* then event_offline looks for watches */
	counter_unprotect(&cg->counter);       /* pairs with set_protection, reclaim/limit.c */
	if (group_offlined)
		group_offlined(cg);
	return 1;
}

/* It is counted by its refs alone from now on, and goes with the last byte. */
static void kill_handle(u32 handle)
{
	HOOK(group_offline);
	stock_leave(handle);
	stat_fold(handle);
}

/* No lock is held: this may run the program's code. */
static void tell_destroyed(struct memcg *cg)
{
	void (*tell)(struct memcg * cg) = atomic_load(&group_destroyed);

	if (unlikely(tell))
		tell(cg);
}

int memcg_destroy(struct memcg *cg)
{
	int went = 0;

	if (!cg || cg == root_group)
		return -EINVAL;
	lock_acquire(&tree_lock);
	if (cg->online)
		went = offline_locked(cg);
	lock_release(&tree_lock);
	if (went < 0)
		return went;
	if (went) {
		event_offline(cg);
		kill_handle(cg->handle->index);
		tell_destroyed(cg);
		memcg_put(cg); /* the tree's */
	}
	memcg_put(cg);
	rcu_poll(false);
	return 0;
}

/* Word and drop are exchanged as one: of two that replace the same word, one drops it. */
void memcg_set_data(struct memcg *cg, void *data, void (*drop)(void *))
{
	struct memcg *g = cg ? cg : group_active();
	void (*old_drop)(void *);
	void *old;

	lock_acquire(&tree_lock);
	old = g->data;
	old_drop = g->drop;
	atomic_store_release(&g->data, data); /* to who gets it from memcg_data */
	g->drop = drop;
	lock_release(&tree_lock);
	if (old_drop)
		old_drop(old);
}

/* --- looking ------------------------------------------------------------------ */

struct memcg *memcg_root(void)
{
	return group_or_root(NULL);
}

struct memcg *memcg_lookup(const char *path)
{
	struct memcg *cg = memcg_root();

	if (!path || *path != '/') {
		errno = EINVAL;
		return NULL;
	}
	lock_acquire(&tree_lock);
	while (cg && *path) {
		size_t len;

		while (*path == '/')
			path++;
		len = strcspn(path, "/");
		if (len)
			cg = find_locked(cg, path, len);
		path += len;
	}
	if (cg)
		memcg_get(cg);
	lock_release(&tree_lock);
	if (!cg)
		errno = ENOENT;
	return cg;
}

struct memcg *memcg_parent(struct memcg *cg)
{
	struct memcg *parent = (cg ? cg : group_active())->parent;

	return parent ? memcg_get(parent) : NULL;
}

/* The first child with a larger id: also right after prev has left the list. */
static struct memcg *sibling_after_locked(struct memcg *prev)
{
	struct list *at;

	if (prev->online && prev->sibling.next != &prev->parent->children)
		return list_entry(prev->sibling.next, struct memcg, sibling);
	if (prev->online)
		return NULL;
	list_for_each(at, &prev->parent->children)
	{
		struct memcg *cg = list_entry(at, struct memcg, sibling);

		if (cg->id > prev->id)
			return cg;
	}
	return NULL;
}

static struct memcg *next_locked(struct memcg *top, struct memcg *prev, u32 deepest)
{
	if (prev->depth < deepest && !list_empty(&prev->children))
		return list_entry(prev->children.next, struct memcg, sibling);
	for (; prev != top && prev->parent; prev = prev->parent) {
		struct memcg *cg = sibling_after_locked(prev);

		if (cg)
			return cg;
	}
	return NULL;
}

struct memcg *group_next_within(struct memcg *root, struct memcg *prev, u32 deepest)
{
	struct memcg *next;

	if (!prev)
		return memcg_get(root);
	lock_acquire(&tree_lock);
	next = next_locked(root, prev, deepest);
	if (next)
		memcg_get(next);
	lock_release(&tree_lock);
	group_put(prev);
	return next;
}

struct memcg *group_next(struct memcg *root, struct memcg *prev)
{
	return group_next_within(root, prev, UINT32_MAX);
}

struct memcg *memcg_next(struct memcg *root, struct memcg *prev)
{
	struct memcg *next = group_next(group_or_root(root), prev);

	group_run_drops();
	return next;
}

/* Filled from the end, as names are met on the way up. The chain of parents is constant. */
int memcg_path(struct memcg *cg, char *buf, size_t size)
{
	const struct memcg *at;
	size_t len = 0, pos;

	cg = cg ? cg : group_active();
	if (!buf)
		return -EINVAL;
	for (at = cg; at->parent; at = at->parent)
		len += at->name_len + 1;
	if (len == 0)
		len = 1;
	if (size < len + 1)
		return -ERANGE;
	buf[0] = '/';
	buf[len] = '\0';
	for (at = cg, pos = len; at->parent; at = at->parent) {
		pos -= at->name_len;
		memcpy(buf + pos, at->name, at->name_len);
		buf[--pos] = '/';
	}
	return (int)len;
}

/* The end of a long path says more than its start: filled from there, as far as there is room. */
void group_path_end(const struct memcg *cg, char *buf, size_t size)
{
	char *at = buf + size - 1;

	*at = '\0';
	for (; cg->parent && at > buf; cg = cg->parent) {
		size_t n = MIN((size_t)cg->name_len, (size_t)(at - buf));

		at -= n;
		memcpy(at, cg->name + cg->name_len - n, n);
		if (at > buf)
			*--at = '/';
	}
	if (!*at)
		*--at = '/';
	memmove(buf, at, (size_t)(buf + size - at));
}

u64 group_next_id(void)
{
	return atomic_load(&next_id);
}

u32 group_descendants(struct memcg *cg)
{
	u32 n;

	lock_acquire(&tree_lock);
	n = cg->descendants;
	lock_release(&tree_lock);
	return n;
}

void group_tree_lock(void)
{
	lock_acquire(&tree_lock);
}

void group_tree_unlock(void)
{
	lock_release(&tree_lock);
}

void tree_fork_prepare(void)
{
	lock_acquire(&tree_lock);
}

void tree_fork_each(void (*each)(struct memcg *cg))
{
	for (struct memcg *cg = root_group; cg; cg = next_locked(root_group, cg, UINT32_MAX))
		each(cg);
}

void tree_fork_done(void)
{
	lock_release(&tree_lock);
}
