/*
 * convert.c - owner vectors: the first on a bare slab, exceptions on an own
 * one, and own -> shared.
 *
 * The vector is published in the owner word before the kind in the remote word
 * flips, and says of every live slot what the handle said: a look-up that
 * comes between sees the same owner both ways.
 */
#include <errno.h>

#include "base/hook.h"
#include "slab/slab.h"

size_t objcgs_bytes(u32 nr)
{
	return sizeof(struct objcgs) + (size_t)nr * sizeof(u32);
}

static struct objcgs *objcgs_new(const struct page *pg, u32 fallback)
{
	struct objcgs *v = meta_alloc(objcgs_bytes(pg->slab.capacity));

	if (v) {
		v->nr = pg->slab.capacity;
		v->fallback = fallback;
	}
	return v;
}

/*
 * Slots that are not free now are nobody's: they were handed out bare. Who does
 * not hold the slab cannot trust the bits and says so of every slot, which is
 * right for a free slot too: its next owner writes the entry.
 */
static void mark_bare(const struct page *pg, struct objcgs *v, bool holder)
{
	unsigned i;

	for (i = 0; i < v->nr; i++)
		if (!holder || !slab_slot_idle(pg, i))
			v->entry[i] = OWNER_NOBODY;
}

HOOK_DEFINE(vector_made);
HOOK_DEFINE(vector_installed);

/*
 * The hold says that there are entries before there are: its holder may meet a stranger's vector
 * at once and write an owner into it, who must not be overlooked when the object is freed.
 */
struct objcgs *slab_vector(struct page *pg, bool holder)
{
	struct objcgs *v = objcgs_new(pg, 0);

	if (!v)
		return page_objcgs(pg);
	mark_bare(pg, v, holder);
	atomic_or(&pg->slab.hold, SLAB_HOLD_VEC);
	HOOK(vector_made);
	if (!page_set_objcgs(pg, v)) { /* somebody was first */
		meta_free(v, objcgs_bytes(v->nr));
		return page_objcgs(pg);
	}
	HOOK(vector_installed);
	return v;
}

bool slab_exceptions(struct page *pg, struct handle *h, u32 index, struct objcgs **out)
{
	struct objcgs *v = objcgs_new(pg, index);
	bool ours = false;
	unsigned i;

	if (v) {
		for (i = 0; i < v->nr; i++)
			v->entry[i] = index;
		ours = page_convert_objcgs(pg, h, v);
		if (!ours)
			meta_free(v, objcgs_bytes(v->nr));
	}
	if (ours)
		atomic_or(&pg->slab.hold, SLAB_HOLD_VEC);
	*out = ours ? v : page_objcgs_check(pg);
	return ours;
}

/* Slots on the remote list are free: no entry. Pushes only prepend, so the list from w on is
 * stable. */
static void clear_listed(const struct page *pg, struct objcgs *v, u64 w)
{
	unsigned n = REMOTE_COUNT(w), next = REMOTE_HEAD(w);

	if (slab_list_lost(pg, w))
		return;
	for (; n && next; n--) {
		atomic_store(&v->entry[next - 1], 0u);
		next = *(u16 *)slab_slot(pg, next - 1);
	}
}

int slab_convert(struct page *pg, struct handle *h, u32 index)
{
	u64 w = atomic_load_acquire(&pg->slab.remote);
	struct objcgs *v = objcgs_new(pg, 0);
	unsigned i;

	if (!v)
		return -ENOMEM;
	for (i = 0; i < v->nr; i++)
		v->entry[i] = slab_slot_idle(pg, i) ? 0 : index;
	if (!page_convert_objcgs(pg, h, v)) {
		meta_free(v, objcgs_bytes(v->nr));
		return -EEXIST;
	}
	do {
		clear_listed(pg, v, w);
	} while (!atomic_cas(&pg->slab.remote, &w, (w & ~SLAB_OWN) + REMOTE_GEN));
	atomic_or(&pg->slab.hold, SLAB_HOLD_VEC);
	atomic_add_relaxed(&slab_counts.demoted, 1ul);
	return slab_local(pg)->used - REMOTE_COUNT(w);
}
