/*
 * object.c - objects, and dropping their pages. Theory in object.h.
 *
 * Pages are dropped in runs: the first is waited for, the following are taken by trying, all are
 * forgotten, and one call punches their memory before they are unlocked; so nobody ever
 * meets an unlocked page that has no content and old memory.
 */
#include "vm/object.h"

#include "vm/dirty.h"
#include "vm/file.h"
#include "vm/lists.h"
#include "vm/resident.h"
#include "vm/rmap.h"
#include "vm/view.h"

void object_begin(struct object *o, enum object_kind kind, u32 npages)
{
	lock_init(&o->lock, RANK_OBJECT);
	o->kind = kind;
	o->npages = o->limit = npages;
	o->refs = 1;
	list_init(&o->windows);
}

struct object *object_new(enum object_kind kind, u32 npages)
{
	struct object *o = meta_alloc(sizeof(*o));

	if (!o)
		return NULL;
	o->first = extent_alloc(npages);
	if (!o->first) {
		meta_free(o, sizeof(*o));
		return NULL;
	}
	object_begin(o, kind, npages);
	return o;
}

void object_get(struct object *o)
{
	atomic_add(&o->refs, 1ul);
}

bool object_tryget(struct object *o)
{
	u64 refs = atomic_load(&o->refs);

	while (refs && refs < OBJECT_ENDING)
		if (atomic_cas(&o->refs, &refs, refs + 1))
			return true;
	return false;
}

/* --- dropping ---------------------------------------------------------------------------- */

static bool is_empty(const struct page *pg)
{
	/* The lock first: who had it, and has brought something in, is seen to have. */
	return !atomic_load_seq(&pg->managed.lock) &&
	       atomic_load_seq(&pg->managed.where) == WHERE_NONE;
}

/* Somebody holds it: with his reference it goes, and the object not before it. */
static void leave_to_holder(struct object *o, struct page *pg)
{
	BUG_ON(page_mapped(pg));
	page_delist(pg);
	page_clean(pg);
	object_get(o);
	pg->managed.object = o;
	pg->managed.flags |= MG_DROPPED;
	page_unlock(pg);
	page_put(pg);
}

/* Nobody has a resident page but its object: its count is 0 from now on. */
static bool take(struct page *pg)
{
	if (pg->managed.where != WHERE_RESIDENT)
		return true;
	if (page_mapped(pg) || !page_freeze(pg))
		return false;
	page_delist(pg);
	return true;
}

/* The locked page is forgotten and stays locked: true. False: unlocked, somebody else's. */
static bool forget(struct object *o, struct page *pg, bool held_stay)
{
	bool dropped = pg->managed.flags & MG_DROPPED;

	if (!dropped && take(pg)) {
		page_forget(o, pg);
		return true;
	}
	if (dropped || held_stay)
		page_unlock(pg);
	else
		leave_to_holder(o, pg);
	return false;
}

/* Forgets as many pages from i on as can be had without waiting; the first is locked. */
static u32 forget_run(struct object *o, u32 i, u32 end, bool held_stay)
{
	u32 at = i;

	while (forget(o, object_page(o, at), held_stay))
		if (++at == end || is_empty(object_page(o, at)) ||
		    !page_trylock(object_page(o, at), PAGE_BUSY))
			break;
	if (at > i)
		managed_punch(o->first + i, at - i);
	for (u32 k = i; k < at; k++)
		page_unlock(object_page(o, k));
	return MAX(at, i + 1);
}

static void drop(struct object *o, u32 from, u32 n, bool held_stay)
{
	u32 end = from + n, i = from;

	while (i < end) {
		struct page *pg = object_page(o, i);

		if (is_empty(pg)) {
			i++;
			continue;
		}
		page_lock(pg);
		i = forget_run(o, i, end, held_stay);
	}
}

void object_drop(struct object *o, u32 from, u32 n)
{
	drop(o, from, n, false);
}

void object_drop_unheld(struct object *o, u32 from, u32 n)
{
	drop(o, from, n, true);
}

/*
 * The last reference: nobody has a window or the file any more, so nothing new comes in. Pages that
 * are held take a reference each while they are dropped, and the last of those ends here again.
 */
void object_put(struct object *o)
{
	u64 left = atomic_sub(&o->refs, 1ul);

	ASSERT(!lock_holds_any());
	if (left && left != OBJECT_ENDING)
		return;
	if (o->kind == OBJECT_NET) {
		view_free(o);
		return;
	}
	if (!left) {
		struct inode *f = o->file;

		atomic_store(&o->refs, OBJECT_ENDING + 1);
		if (f)
			file_end(f);
		object_drop(o, 0, o->npages);
		if (f)
			file_forget(f);
		if (atomic_sub(&o->refs, 1ul) != OBJECT_ENDING)
			return;
	}
	extent_free(o->first, o->npages);
	meta_free(o, sizeof(*o));
}
