/* mm.c - address spaces, and windows coming and going. Theory in mm.h, window.h. */
#include "vm/mm.h"

#include <errno.h>
#include <sys/mman.h>

#include "alloc/thread.h"
#include "vm/dirty.h"
#include "vm/fault.h"
#include "vm/file.h"
#include "vm/mech.h"
#include "vm/rmap.h"

/* --- the address space ------------------------------------------------------------------ */

static int vm_up(void)
{
	int err = managed_up();

	if (!err)
		err = window_up();
	if (!err)
		err = mech_up();
	if (!err)
		fault_up();
	return err;
}

static struct lock mms_lock = LOCK_INIT(RANK_MMS);
static struct list mms = LIST_INIT(mms);

static struct memcg_mm *mm_new(struct memcg *cg)
{
	struct memcg_mm *mm = meta_alloc(sizeof(*mm));

	if (!mm)
		return NULL;
	lock_init(&mm->lock, RANK_MM);
	mm->refs = 1;
	mm->handle = cg->handle;
	handle_add(mm->handle, HANDLE_PIN);
	list_init(&mm->windows);
	lock_acquire(&mms_lock);
	list_add_tail(&mms, &mm->link);
	lock_release(&mms_lock);
	return mm;
}

struct memcg_mm *memcg_mm_create(struct memcg *cg)
{
	struct memcg_mm *mm = NULL;
	int err;

	thread_need();
	cg = cg ? cg : group_active();
	err = vm_up();
	if (!err)
		err = group_vm_need(cg);
	if (!err)
		mm = mm_new(cg);
	if (!mm)
		errno = err ? -err : ENOMEM;
	return mm;
}

void mm_put(struct memcg_mm *mm)
{
	if (atomic_sub(&mm->refs, 1ul))
		return;
	lock_acquire(&mms_lock);
	list_del(&mm->link);
	lock_release(&mms_lock);
	handle_sub(mm->handle, HANDLE_PIN);
	meta_free(mm, sizeof(*mm));
}

/* False: its last reference is gone, and who dropped that is on the way to take it off the list. */
static bool mm_tryget(struct memcg_mm *mm)
{
	u64 refs = atomic_load(&mm->refs);

	while (refs)
		if (atomic_cas(&mm->refs, &refs, refs + 1))
			return true;
	return false;
}

struct memcg_mm *mm_next(struct memcg_mm *prev)
{
	struct memcg_mm *next = NULL;
	struct list *at;

	lock_acquire(&mms_lock);
	at = prev ? prev->link.next : mms.next;
	while (at != &mms && !mm_tryget(list_entry(at, struct memcg_mm, link)))
		at = at->next;
	if (at != &mms)
		next = list_entry(at, struct memcg_mm, link);
	lock_release(&mms_lock);
	if (prev)
		mm_put(prev);
	return next;
}

/* The child's are its own to destroy, without memory by then. */
void mms_fork_prepare(void)
{
	lock_acquire(&mms_lock);
}

void mms_fork_done(void)
{
	lock_release(&mms_lock);
}

HOOK_DEFINE(payer_read);

/* A move gives up its pin on the old handle a grace period after it has changed the word. */
struct handle *mm_payer(struct memcg_mm *mm)
{
	struct rcu_reader *self = self_rcu();
	struct handle *h;

	rcu_read_lock(self);
	h = atomic_load_acquire(&mm->handle);
	HOOK(payer_read);
	handle_add(h, HANDLE_PIN);
	rcu_read_unlock(self);
	return h;
}

/* --- a window comes --------------------------------------------------------------------------- */

static struct window *window_make(struct memcg_mm *mm, struct object *o, u32 offset, u32 npages)
{
	struct window *w = meta_alloc(sizeof(*w));
	uintptr_t start = w ? window_reserve(npages) : 0;

	if (!start) {
		if (w)
			meta_free(w, sizeof(*w));
		return NULL;
	}
	*w = (struct window){.mm = mm,
			     .object = o,
			     .start = start,
			     .npages = npages,
			     .offset = offset,
			     .refs = 1,
			     .left = npages};
	object_get(o);
	atomic_add(&mm->refs, 1ul);
	return w;
}

/* Found by evictors from here on, by faults when its blocks are set. */
static void window_show(struct window *w)
{
	lock_acquire(&w->object->lock);
	list_add_tail(&w->object->windows, &w->of_object);
	lock_release(&w->object->lock);
	lock_acquire(&w->mm->lock);
	list_add_tail(&w->mm->windows, &w->of_mm);
	w->pass = w->mm->pass; /* what comes in through it is charged as the walk wants it */
	lock_release(&w->mm->lock);
	window_find_on(w);
}

struct window *window_new(struct memcg_mm *mm, struct object *o, u32 offset, u32 npages,
			  bool writable)
{
	struct window *w = window_make(mm, o, offset, npages);

	if (!w)
		return NULL;
	w->writable = writable;
	if (window_dirties(w))
		file_writers_add(o->file, 1);
	if (mech_open(w)) {
		list_init(&w->of_object);
		window_put(w);
		return NULL;
	}
	window_show(w);
	return w;
}

/*
 * --- part of a window goes
 * -------------------------------------------------------------------------
 *
 * A mapped page must not be found unmapped before its addresses are: somebody might take its
 * content away while a CPU still writes to it. So entries become holes that name the page, then the
 * addresses go, then the pages are told. Faults map at no hole. One at a time in an mm: its lock.
 *
 * References that a locked window had of its pages are given up after all that, without a lock: of
 * a page that its file has let go it may be the last, and that gives memory back, or ends an object
 * (object.h 3). Until then a bit for each says so; hence such a window is cut block by block.
 */

struct cut {
	u32 fresh;		    /* pages that were no holes yet */
	u64 held[BLOCK_PAGES / 64]; /* of a locked window: which, of its one block */
};

/* Entries of [i, i + n) become holes. */
static void mark_entries(struct window *w, struct page *t, u32 i, u32 n, struct cut *c)
{
	u32 slot = i % BLOCK_PAGES;

	table_lock(t);
	dirty_before_cut(w, t, i, n);
	for (u32 end = slot + n; slot < end; slot++) {
		u64 pte = table_entries(t)[slot];
		u32 page = pte_type(pte) == PTE_PRESENT ? page_to_index(pte_page(pte)) : 0;

		if (pte_type(pte) == PTE_HOLE)
			continue;
		c->fresh++;
		c->held[slot / 64] |= (u64)w->locked << slot % 64;
		table_set(t, slot, pte_make(PTE_HOLE, page));
	}
	table_unlock(t);
}

/* The addresses are gone. How many pages were told, and which. */
static u32 tell_pages(struct page *t, u32 slot, u32 n, struct page **told)
{
	struct mapped_run run;
	u32 nr = 0;

	table_lock(t);
	mapped_run_begin(&run);
	for (u32 end = slot + n; slot < end; slot++) {
		u64 pte = table_entries(t)[slot];

		if (pte == pte_make(PTE_HOLE, 0))
			continue;
		ASSERT(pte_type(pte) == PTE_HOLE);
		rmap_remove(pte_page(pte), &run);
		table_set(t, slot, pte_make(PTE_HOLE, 0));
		told[nr++] = pte_page(pte);
	}
	mapped_run_end(&run);
	table_unlock(t);
	return nr;
}

static bool is_whole(const struct window *w, u32 i, u32 n)
{
	return !(i % BLOCK_PAGES) && n == MIN(BLOCK_PAGES, w->npages - i);
}

/*
 * Pages of one block. A block that goes whole: its slot first,
 * then the table. A fault that is on the way makes a table or not, and then finds the slot cleared:
 * pairs with the compare-and-swap in table_need and the load after it in table_stands().
 */
static void mark_block(struct window *w, u32 i, u32 n, struct cut *c)
{
	struct block *b = block_at(window_address(w, i));
	struct page *t;

	if (atomic_load(&b->window) != w)
		return; /* it has gone whole before */
	if (is_whole(w, i, n))
		(void)atomic_xchg(&b->window, (struct window *)NULL);
	t = atomic_load_seq(&b->table);
	if (t)
		mark_entries(w, t, i, n, c);
	else
		c->fresh += n;
}

static void mark(struct window *w, u32 i, u32 end, struct cut *c)
{
	for (u32 step; i < end; i += step) {
		step = block_step(i, end);
		mark_block(w, i, step, c);
	}
}

/* A view had each of its pages by being mapped: see view.h, 2. */
static void tell(struct window *w, u32 i, u32 end)
{
	struct page *told[BLOCK_PAGES];

	for (u32 step, n; i < end; i += step) {
		struct page *t = atomic_load_acquire(&block_at(window_address(w, i))->table);

		step = block_step(i, end);
		n = t ? tell_pages(t, i % BLOCK_PAGES, step, told) : 0;
		if (w->object->kind == OBJECT_NET)
			pages_release(told, n);
	}
}

/* A block that goes in part keeps its holes in a table; the first and the last one may be such. */
static bool tables_for_holes(struct window *w, u32 i, u32 end)
{
	struct handle *payer = mm_payer(w->mm);
	u32 last = ALIGN_DOWN(end - 1, BLOCK_PAGES);
	bool there = true;

	if (!is_whole(w, i, block_step(i, end)))
		there = table_need(block_at(window_address(w, i)), payer->index);
	if (there && last > i && !is_whole(w, last, end - last))
		there = table_need(block_at(window_address(w, last)), payer->index);
	handle_sub(payer, HANDLE_PIN);
	return there;
}

/* The last of it: the reference of being mapped goes. */
static void window_end(struct window *w)
{
	lock_acquire(&w->mm->lock);
	list_del(&w->of_mm);
	lock_release(&w->mm->lock);
	window_find_off(w); /* blocks that went piece by piece */
	window_put(w);
}

HOOK_DEFINE(cut_marked);

/* The addresses and the entries; the pages are what they were but for their mapping. */
static void cut_off(struct window *w, u32 i, u32 n, struct cut *c)
{
	task_paging_begin();
	lock_acquire(&w->mm->lock);
	mark(w, i, i + n, c);
	if (c->fresh) {
		HOOK(cut_marked);
		mech_close(window_address(w, i), (size_t)n << PAGE_SHIFT);
		tell(w, i, i + n);
	}
	lock_release(&w->mm->lock);
	task_paging_end();
}

static void let_go(struct window *w, u32 first, const struct cut *c)
{
	for (u32 k = 0; k < BLOCK_PAGES; k++)
		if (c->held[k / 64] >> k % 64 & 1)
			page_put(window_page(w, first + k));
}

/* How many pages were the window's. */
static u32 cut_some(struct window *w, u32 i, u32 n)
{
	struct cut c = {.fresh = 0};

	cut_off(w, i, n, &c);
	if (!c.fresh)
		return 0;
	let_go(w, ALIGN_DOWN(i, BLOCK_PAGES), &c);
	dirty_after_cut(w, i, n);
	if (w->object->kind == OBJECT_ANON)
		object_drop(w->object, w->offset + i, n);
	return c.fresh;
}

int window_cut(struct window *w, u32 i, u32 n)
{
	u32 end = i + n, fresh = 0;

	if (!tables_for_holes(w, i, end))
		return -ENOMEM;
	for (u32 step; i < end; i += step) {
		step = w->locked ? block_step(i, end) : end - i;
		fresh += cut_some(w, i, step);
	}
	if (fresh && !atomic_sub(&w->left, fresh))
		window_end(w);
	return 0;
}
