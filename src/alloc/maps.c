/* maps.c - private maps of unmodified programs, charged. Theory in maps.h. */
#include <errno.h>
#include <sys/mman.h>

#include "alloc/alloc.h"
#include "alloc/map_tree.h"
#include "alloc/maps.h"
#include "sync/lock.h"

enum change_kind { CHANGE_NONE = 0, CHANGE_MAP, CHANGE_UNMAP, CHANGE_PROTECT, CHANGE_MOVE };

/* Nodes a change may need: two for each cut out of a tree, one for each map that is new. */
#define NODES_CUT  2u
#define NODES_MAP  (NODES_CUT + NODES_CUT + 1)
#define NODES_MOVE (NODES_CUT + NODES_CUT + NODES_CUT + 2)

/*
 * A handle counts bytes in 42 bits. What all maps together may charge stays well below; a
 * program that maps more cannot mean to use it, so it counts as LAZY.
 */
#define MAPS_MOST     (2048 * GIB)
#define ADDRESS_SPACE (1ul << 47)

u64 memcg__foreign;
u64 maps_reserved, maps_nodes;

static struct lock map_lock = LOCK_INIT(RANK_MAP);
static struct map *root; /* map lock */
struct map *const *const maps_registry = &root;
static struct list changes = LIST_INIT(changes); /* under way; map lock */
static u64 prio_state;				 /* map lock */
static u64 charged_total;

/* ---- nodes ----------------------------------------------------------------- */

static void node_free(struct map *m)
{
	atomic_add_relaxed(&maps_nodes, 0 - 1ul);
	meta_free(m, sizeof(*m));
}

static void spares_free(struct map_change *c)
{
	struct map *m;

	while ((m = c->spare)) {
		c->spare = m->right;
		node_free(m);
	}
}

/* Before the lock: growth of our own memory is charged to the root by locks of lower rank. */
static bool spares_fill(struct map_change *c, unsigned n)
{
	while (n--) {
		struct map *m = meta_alloc(sizeof(*m));

		if (!m) {
			spares_free(c);
			return false;
		}
		atomic_add_relaxed(&maps_nodes, 1ul);
		m->right = c->spare;
		c->spare = m;
	}
	return true;
}

/* Priorities need to be unlike addresses, nothing more. */
static u32 prio_next_locked(void)
{
	prio_state = prio_state * 6364136223846793005ul + 1442695040888963407ul;
	return (u32)(prio_state >> 32);
}

static struct map *node_new_locked(struct map_change *c, uintptr_t start, u64 len, u32 handle,
				   u32 standing)
{
	struct map *m = c->spare;

	BUG_ON(!m);
	c->spare = m->right;
	*m = (struct map){.start = start,
			  .end = start + len,
			  .handle = handle,
			  .prio = prio_next_locked(),
			  .standing = standing};
	return m;
}

/* ---- the set ----------------------------------------------------------------- */

static void divide_locked(struct map_change *c, struct map **tree, uintptr_t at)
{
	struct map *m = tree_across(*tree, at), *upper, *l, *r;

	if (!m)
		return;
	upper = node_new_locked(c, at, m->end - at, m->handle, m->standing);
	m->end = at;
	tree_split(*tree, at, &l, &r);
	*tree = tree_merge(tree_merge(l, upper), r);
}

/* Cuts [start, start + len) out of a tree; NODES_CUT spares. */
static struct map *cut_locked(struct map_change *c, struct map **tree, uintptr_t start, u64 len)
{
	struct map *l, *mid, *r;

	divide_locked(c, tree, start);
	divide_locked(c, tree, start + len);
	tree_split(*tree, start, &l, &mid);
	tree_split(mid, start + len, &mid, &r);
	*tree = tree_merge(l, r);
	return mid;
}

static bool alike(const struct map *a, const struct map *b)
{
	return a && b && a->end == b->start && a->standing == b->standing && a->handle == b->handle;
}

/* Into the set, as one with the neighbours it is like. */
static void put_locked(struct map *m)
{
	struct map *l, *r, *last, *first;

	tree_split(root, m->start, &l, &r);
	first = tree_first(r);
	if (alike(m, first)) {
		first = tree_pop(&r);
		m->end = first->end;
		node_free(first);
	}
	last = tree_last(l);
	if (alike(last, m)) {
		last->end = m->end;
		node_free(m);
		m = NULL;
	}
	root = tree_merge(tree_merge(l, m), r);
}

static void put_all_locked(struct map **tree)
{
	struct map *m;

	while ((m = tree_pop(tree)))
		put_locked(m);
}

static u64 tree_sum(struct map *t, u32 standing, u32 handle)
{
	u64 n = 0;

	for (; t; t = t->right) {
		n += tree_sum(t->left, standing, handle);
		if (t->standing == standing && (!handle || t->handle == handle))
			n += map_len(t);
	}
	return n;
}

/* ---- charges: no lock held ----------------------------------------------------- */

static void credit(u32 handle, u64 n)
{
	if (!n)
		return;
	atomic_add_relaxed(&charged_total, 0 - n);
	stat_add(handle, STAT_MAPS, -(s64)n); /* before: the handle may go with its last byte */
	uncharge_bytes(handle, n);
}

/*
 * The hooks mark the whole call as a slow path, for the signal handlers that interrupt it. But
 * nothing is open here, so the loop's outer half may run the program's code: what is
 * cut out is of a range the program is replacing.
 */
static bool charge_again_unmarked(struct retry *r)
{
	struct task *self = task_self();
	u32 busy = self ? self->busy : 0;
	bool again;

	if (!self)
		return false;
	self->busy = 0;
	again = charge_again(r);
	self->busy = busy;
	return again;
}

static bool charge_ahead(struct map_change *c, u64 n)
{
	struct retry r = RETRY(0);

	if (!n)
		return true;
	while (!charge_quiet(c->handle, n, r.flags))
		if (!charge_again_unmarked(&r))
			return false;
	c->charged = n;
	atomic_add_relaxed(&charged_total, n);
	stat_add(c->handle, STAT_MAPS, (s64)n);
	return true;
}

/* What a map that is gone was charged, less what stays for the map that replaced it. */
static void credit_map(struct map_change *c, const struct map *m)
{
	u64 n = map_len(m), stays;

	if (m->standing != CHARGED) {
		atomic_add_relaxed(&maps_reserved, 0 - n);
		return;
	}
	stays = m->handle == c->handle ? MIN(n, c->kept) : 0;
	c->kept -= stays;
	credit(m->handle, n - stays);
}

static void credit_tree(struct map_change *c, struct map **tree)
{
	struct map *m;

	while ((m = tree_pop(tree))) {
		credit_map(c, m);
		node_free(m);
	}
}

/* ---- a change, whatever it is ---------------------------------------------------- */

static u32 payer(void)
{
	return task_self() ? memcg__self->handle : HANDLE_ROOT;
}

static void change_init(struct map_change *c, enum change_kind kind, const void *addr, size_t len)
{
	*c = (struct map_change){.start = (uintptr_t)addr,
				 .old_len = ALIGN_UP((u64)len, PAGE_SIZE),
				 .handle = payer(),
				 .kind = (u8)kind};
	/* What the kernel will refuse, or has nothing to do for, changes nothing. */
	if (!len || len > ADDRESS_SPACE || !IS_ALIGNED((uintptr_t)addr, PAGE_SIZE))
		c->kind = CHANGE_NONE;
}

/* With the lock, when there are nodes for what is to come. */
static bool change_begin(struct map_change *c, unsigned nodes)
{
	int saved = errno;

	if (!spares_fill(c, nodes)) {
		c->kind = CHANGE_NONE;
		errno = saved;
		return false;
	}
	lock_acquire(&map_lock);
	list_add(&changes, &c->link);
	return true;
}

static void change_end_locked(struct map_change *c)
{
	list_del(&c->link);
	spares_free(c);
}

void maps_cancel(struct map_change *c)
{
	int saved = errno;

	if (c->kind == CHANGE_NONE)
		return;
	lock_acquire(&map_lock);
	put_all_locked(&c->taken);
	put_all_locked(&c->target);
	change_end_locked(c);
	lock_release(&map_lock);
	credit(c->handle, c->charged);
	c->kind = CHANGE_NONE;
	errno = saved;
}

/* The end of every beginning: charges n, or undoes the change. */
static int charge_or_cancel(struct map_change *c, u64 n)
{
	int saved = errno;
	bool charged = charge_ahead(c, n);

	errno = saved;
	if (charged)
		return 0;
	maps_cancel(c);
	return -ENOMEM;
}

/* ---- mmap --------------------------------------------------------------------------- */

static enum standing standing_of(u64 len, int prot, int flags)
{
	if (!(flags & MAP_ANONYMOUS) || (flags & MAP_TYPE) != MAP_PRIVATE)
		return UNKNOWN;
	if (!(prot & PROT_WRITE))
		return RESERVED;
	if (flags & MAP_NORESERVE || atomic_load(&accounting_off) ||
	    atomic_load(&charged_total) + len > MAPS_MOST)
		return LAZY;
	return CHARGED;
}

int maps_charge(struct map_change *c, void *addr, size_t len, int prot, int flags)
{
	bool replaces = (flags & MAP_FIXED) && !(flags & MAP_FIXED_NOREPLACE);

	change_init(c, CHANGE_MAP, replaces ? addr : NULL, len);
	c->standing = (u8)standing_of(c->old_len, prot, flags);
	if (c->kind == CHANGE_NONE || (c->standing == UNKNOWN && !replaces)) {
		c->kind = CHANGE_NONE;
		return 0;
	}
	if (!change_begin(c, NODES_MAP))
		return -ENOMEM;
	if (replaces)
		c->taken = cut_locked(c, &root, c->start, c->old_len);
	if (c->standing == CHARGED)
		c->kept = MIN(tree_sum(c->taken, CHARGED, c->handle), c->old_len);
	lock_release(&map_lock);
	return charge_or_cancel(c, c->standing == CHARGED ? c->old_len - c->kept : 0);
}

static void place_locked(struct map_change *c, uintptr_t start, u64 len, u64 part, u32 handle)
{
	if (c->standing == UNKNOWN)
		return;
	if (c->standing != CHARGED)
		atomic_add_relaxed(&maps_reserved, part);
	put_locked(node_new_locked(c, start + len - part, part, handle, c->standing));
}

static void commit_map_locked(struct map_change *c, uintptr_t at)
{
	u32 handle = c->standing == CHARGED ? c->handle : 0;

	c->stale = cut_locked(c, &root, at, c->old_len);
	place_locked(c, at, c->old_len, c->old_len, handle);
}

/* ---- munmap, mprotect ------------------------------------------------------------------ */

int maps_release(struct map_change *c, void *addr, size_t len)
{
	change_init(c, CHANGE_UNMAP, addr, len);
	if (c->kind == CHANGE_NONE)
		return 0;
	if (!change_begin(c, NODES_CUT))
		return -ENOMEM;
	c->taken = cut_locked(c, &root, c->start, c->old_len);
	lock_release(&map_lock);
	return 0;
}

/*
 * Writable: what was RESERVED is charged to whoever makes it so. Not writable: what
 * was LAZY may become CHARGED the next time. A protection that the kernel applies to a part of
 * the range only, before it meets a hole, counts as none.
 */
int maps_protect(struct map_change *c, void *addr, size_t len, int prot)
{
	u64 need = 0;

	change_init(c, CHANGE_PROTECT, addr, len);
	if (c->kind == CHANGE_NONE)
		return 0;
	if (!change_begin(c, NODES_CUT))
		return -ENOMEM;
	c->taken = cut_locked(c, &root, c->start, c->old_len);
	if (prot & PROT_WRITE) {
		need = tree_sum(c->taken, RESERVED, 0);
		c->standing = (u8)standing_of(need, prot, MAP_PRIVATE | MAP_ANONYMOUS);
	} else {
		c->standing = RESERVED;
	}
	lock_release(&map_lock);
	return charge_or_cancel(c, c->standing == CHARGED ? need : 0);
}

static void commit_protect_locked(struct map_change *c)
{
	struct map *m;

	while ((m = tree_pop(&c->taken))) {
		if (m->standing == RESERVED && c->standing == CHARGED) {
			m->handle = c->handle;
			atomic_add_relaxed(&maps_reserved, 0 - map_len(m));
		}
		if (m->standing == RESERVED || (m->standing == LAZY && c->standing == RESERVED))
			m->standing = c->standing;
		put_locked(m);
	}
}

/* ---- mremap ------------------------------------------------------------------------------ */

/*
 * Grown bytes are charged to the owner of the map's end, as realloc keeps a block's owner.
 * With MREMAP_DONTUNMAP the new addresses are a map of their own, of the active group.
 */
static u64 move_need_locked(struct map_change *c)
{
	struct map *last = tree_last(c->taken);

	if (c->keep_old) {
		c->standing = tree_sum(c->taken, CHARGED, 0) ? CHARGED : last->standing;
		return c->standing == CHARGED ? c->new_len : 0;
	}
	if (c->new_len <= c->old_len || last->end != c->start + c->old_len)
		return 0;
	c->standing = (u8)last->standing;
	if (c->standing != CHARGED)
		return 0;
	c->handle = last->handle;
	return c->new_len - c->old_len;
}

int maps_move(struct map_change *c, void *old, size_t old_len, size_t new_len, int flags,
	      void *target)
{
	u64 need;

	change_init(c, CHANGE_MOVE, old, old_len);
	c->new_len = ALIGN_UP((u64)new_len, PAGE_SIZE);
	c->keep_old = flags & MREMAP_DONTUNMAP;
	if (!new_len || new_len > ADDRESS_SPACE || c->kind == CHANGE_NONE) {
		c->kind = CHANGE_NONE;
		return 0;
	}
	if (!change_begin(c, NODES_MOVE))
		return -ENOMEM;
	c->taken = cut_locked(c, &root, c->start, c->old_len);
	if (flags & MREMAP_FIXED)
		c->target = cut_locked(c, &root, (uintptr_t)target, c->new_len);
	need = c->taken ? move_need_locked(c) : 0;
	lock_release(&map_lock);
	return charge_or_cancel(c, need);
}

/* What lay beyond the new length stays in c->taken, to be credited; the rest goes to `at`. */
static void shift_locked(struct map_change *c, uintptr_t at)
{
	struct map *low, *m;

	divide_locked(c, &c->taken, c->start + c->new_len);
	tree_split(c->taken, c->start + c->new_len, &low, &c->taken);
	while ((m = tree_pop(&low))) {
		m->start += at - c->start;
		m->end += at - c->start;
		put_locked(m);
	}
}

static void commit_move_locked(struct map_change *c, uintptr_t at)
{
	u32 handle = c->standing == CHARGED ? c->handle : 0;

	c->stale = cut_locked(c, &root, at, c->new_len);
	if (c->keep_old) {
		put_all_locked(&c->taken);
		place_locked(c, at, c->new_len, c->new_len, handle);
		return;
	}
	shift_locked(c, at);
	if (c->new_len > c->old_len)
		place_locked(c, at, c->new_len, c->new_len - c->old_len, handle);
}

void maps_commit(struct map_change *c, void *result)
{
	int saved = errno;

	if (c->kind == CHANGE_NONE)
		return;
	lock_acquire(&map_lock);
	if (c->kind == CHANGE_MAP)
		commit_map_locked(c, (uintptr_t)result);
	else if (c->kind == CHANGE_PROTECT)
		commit_protect_locked(c);
	else if (c->kind == CHANGE_MOVE)
		commit_move_locked(c, (uintptr_t)result);
	change_end_locked(c);
	lock_release(&map_lock);
	credit_tree(c, &c->taken);
	credit_tree(c, &c->target);
	credit_tree(c, &c->stale);
	c->kind = CHANGE_NONE;
	owed_serve_in_malloc();
	errno = saved;
}

/* ---- recount and fork ------------------------------------------------------------------------ */

static void each_of(struct map *t, void (*each)(u32, u64, unsigned, void *), void *arg)
{
	for (; t; t = t->right) {
		each_of(t->left, each, arg);
		if (t->standing == CHARGED)
			each(t->handle, map_len(t), STAT_MAPS, arg);
	}
}

void maps_each(void (*each)(u32 handle, u64 bytes, unsigned stat_item, void *arg), void *arg)
{
	lock_acquire(&map_lock);
	each_of(root, each, arg);
	lock_release(&map_lock);
}

void maps_fork_prepare(void)
{
	lock_acquire(&map_lock);
}

void maps_fork_parent(void)
{
	lock_release(&map_lock);
}

/*
 * The changes of threads that are not here any more never happened, as far as can be known.
 * Their stacks are: nobody has unmapped them. A thread caught between charging and noting it
 * leaves the child charged for it: tolerated.
 */
void maps_fork_child(void)
{
	struct list gone = LIST_INIT(gone);

	list_splice(&gone, &changes);
	for (struct list *at = gone.next; at != &gone; at = at->next) {
		struct map_change *c = list_entry(at, struct map_change, link);

		put_all_locked(&c->taken);
		put_all_locked(&c->target);
		spares_free(c);
	}
	lock_release(&map_lock);
	for (struct list *at = gone.next; at != &gone; at = at->next) {
		struct map_change *c = list_entry(at, struct map_change, link);

		credit(c->handle, c->charged);
	}
}
