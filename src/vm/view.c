/* view.c - views come, and are mapped. Theory in view.h. */
#include "vm/view.h"

#include <errno.h>

#include "vm/fault.h"
#include "vm/mech.h"
#include "vm/rmap.h"

struct view {
	struct object object;
	struct view_runs runs; /* constant */
};

/* --- runs ------------------------------------------------------------------------------- */

bool view_runs_add(struct view_runs *r, u32 page)
{
	struct view_run *last = r->nr ? &r->run[r->nr - 1] : NULL;

	if (!last || last->first + (r->npages - last->at) != page) {
		if (r->nr == VIEW_RUNS)
			return false;
		r->run[r->nr++] = (struct view_run){.at = r->npages, .first = page};
	}
	r->npages++;
	return true;
}

u32 view_run(const struct object *o, u32 i, u32 *n)
{
	const struct view_runs *r = &container_of(o, struct view, object)->runs;
	u32 k = r->nr - 1;

	while (r->run[k].at > i)
		k--;
	*n = (k + 1 < r->nr ? r->run[k + 1].at : r->npages) - i;
	return r->run[k].first + (i - r->run[k].at);
}

/* --- life --------------------------------------------------------------------------------- */

static struct object *view_new(const struct view_runs *r)
{
	struct view *v = meta_alloc(sizeof(*v));

	if (!v)
		return NULL;
	v->runs = *r;
	object_begin(&v->object, OBJECT_NET, r->npages);
	return &v->object;
}

void view_free(struct object *o)
{
	meta_free(container_of(o, struct view, object), sizeof(struct view));
}

/* --- mapping --------------------------------------------------------------------------------- */

#define BATCH 64u /* pages locked at once */

/* Locks pages from i on, the first waiting: how many. They are adjacent, and of one table. */
static u32 lock_pages(struct window *w, u32 i, u32 *first)
{
	u32 run, n, k = 1;

	*first = window_run(w, i, &run);
	n = MIN(MIN(run, block_step(i, w->npages)), BATCH);
	page_lock(page_at(*first));
	while (k < n && page_trylock(page_at(*first + k), PAGE_BUSY))
		k++;
	return k;
}

static int map_locked(struct window *w, struct page *t, u32 i, u32 first, u32 n)
{
	struct span span = {(void *)window_address(w, i), (size_t)n << PAGE_SHIFT};
	int err = mech_map(w, window_address(w, i), n, false);

	if (unlikely(err)) {
		mech_zap(&span, 1);
		return err;
	}
	for (u32 k = 0; k < n; k++) {
		table_set(t, (i + k) % BLOCK_PAGES, pte_make(PTE_PRESENT, first + k));
		page_get(page_at(first + k));
		rmap_add_net(page_at(first + k));
	}
	return 0;
}

/* Somebody may unmap it already: of addresses that he cannot know yet, or all of the mm. */
static int map_run(struct window *w, struct page *t, u32 i, u32 first, u32 n)
{
	int err = -EFAULT;

	table_lock(t);
	if (table_all_stand(w, t, i, n))
		err = map_locked(w, t, i, first, n);
	table_unlock(t);
	return err;
}

/* How many pages from i on; -errno. */
static int map_some(struct window *w, u32 i, u32 payer)
{
	struct page *t = table_need(block_at(window_address(w, i)), payer);
	u32 first, n;
	int err;

	if (!t)
		return -ENOMEM;
	n = lock_pages(w, i, &first);
	err = map_run(w, t, i, first, n);
	if (err && !managed_fill_singly(first, n))
		err = map_run(w, t, i, first, n);
	for (u32 k = 0; k < n; k++)
		page_unlock(page_at(first + k));
	return err ? err : (int)n;
}

static int map_all(struct window *w)
{
	struct handle *payer = mm_payer(w->mm);
	int got = 0;

	for (u32 i = 0; i < w->npages && got >= 0; i += got > 0 ? (u32)got : 0)
		got = map_some(w, i, payer->index);
	handle_sub(payer, HANDLE_PIN);
	return got < 0 ? got : 0;
}

uintptr_t view_map(struct memcg_mm *mm, const struct view_runs *r)
{
	struct object *o = view_new(r);
	struct window *w = o ? window_new(mm, o, 0, r->npages, true) : NULL;
	uintptr_t at = w ? w->start : 0;

	if (w && map_all(w)) {
		window_cut(w, 0, w->npages); /* whole blocks: it cannot fail */
		at = 0;
	}
	if (o)
		object_put(o);
	return at;
}

/* --- faults ------------------------------------------------------------------------------- */

/* Whoever took it out of the window has left the entry, and with it the page. */
static int fault_locked(struct window *w, struct page *t, u32 i, unsigned flags)
{
	u64 pte = table_entries(t)[i % BLOCK_PAGES];
	int err;

	if (!table_stands(w, t, i) || pte_type(pte) != PTE_PRESENT)
		return -EFAULT;
	err = mech_map(w, window_address(w, i), 1, false);
	if (err)
		return err == -ENOENT ? -EFAULT : err;
	if (flags & FAULT_PIN)
		page_get(pte_page(pte));
	return 0;
}

int view_fault(struct window *w, u32 i, unsigned flags)
{
	struct page *t = atomic_load_acquire(&block_at(window_address(w, i))->table);
	int err;

	if (!t)
		return -EFAULT;
	table_lock(t);
	err = fault_locked(w, t, i, flags);
	table_unlock(t);
	return err;
}
