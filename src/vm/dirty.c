/* dirty.c - looking for what was written. Theory in dirty.h. */
#include "vm/dirty.h"

#include "count/stat.h"
#include "group/handle.h"
#include "group/task.h"
#include "sys/memfd.h"
#include "vm/mech.h"
#include "vm/table.h"

static void count(const struct page *pg, s64 bytes)
{
	if (pg->kind == PAGE_FILE)
		stat_add(page_objcg(pg)->index, STAT_FILE_DIRTY, bytes);
}

void page_dirty(struct page *pg)
{
	ASSERT(page_locked(pg));
	atomic_store(&pg->managed.written, (u8)0);
	if (pg->managed.flags & MG_DIRTY)
		return;
	pg->managed.flags |= MG_DIRTY;
	count(pg, PAGE_SIZE);
}

void page_clean(struct page *pg)
{
	atomic_store(&pg->managed.written, (u8)0);
	if (!(pg->managed.flags & MG_DIRTY))
		return;
	pg->managed.flags &= (u8)~MG_DIRTY;
	count(pg, -(s64)PAGE_SIZE);
}

/* Acquire: pairs with note_written, which writes it before the mapping's count falls. */
bool page_is_dirty(struct page *pg)
{
	(void)atomic_load_acquire(&pg->mapcount);
	if (atomic_load(&pg->managed.written))
		page_dirty(pg);
	return pg->managed.flags & MG_DIRTY;
}

/* --- one block's worth of pages ----------------------------------------------------------- */

struct look {
	u64 bits[BLOCK_PAGES / 64];
};

static void look_at(struct look *l, uintptr_t addr, u32 n)
{
	*l = (struct look){{0}};
	mech_unwritten(addr, n, l->bits);
}

static bool was_written(const struct look *l, u32 k)
{
	return !(l->bits[k / 64] >> (k % 64) & 1);
}

static bool is_mapped(const struct window *w, const struct page *t, u32 i)
{
	u64 pte = atomic_load(&table_entries(t)[i % BLOCK_PAGES]);

	return pte == pte_make(PTE_PRESENT, page_to_index(window_page(w, i)));
}

/* --- when mappings end -------------------------------------------------------------------- */

void dirty_after_zap(struct window *w, uintptr_t addr, size_t len)
{
	u32 i = window_index(w, addr), end = i + (u32)(len >> PAGE_SHIFT), n;
	struct look l;

	for (; window_dirties(w) && i < end; i += n) {
		n = MIN(end - i, BLOCK_PAGES);
		look_at(&l, window_address(w, i), n);
		for (u32 k = 0; k < n; k++)
			if (was_written(&l, k))
				page_dirty(window_page(w, i + k));
	}
}

/*
 * Not the page lock: its holder may be waiting for the table. The store comes before the count of
 * mappings falls (rmap_remove, an atomic exchange); pairs with page_is_dirty.
 */
static void note_written(struct window *w, struct page *t, u32 i, u32 n, const struct look *l)
{
	for (u32 k = 0; k < n; k++)
		if (is_mapped(w, t, i + k) && was_written(l, k))
			atomic_store(&window_page(w, i + k)->managed.written, (u8)1);
}

void dirty_when_zapped(struct window *w, struct page *t, u32 i, u32 n)
{
	struct look l;

	ASSERT(n <= BLOCK_PAGES);
	if (!window_dirties(w))
		return;
	look_at(&l, window_address(w, i), n);
	note_written(w, t, i, n, &l);
}

/* Not zapped they can be written to until the addresses are gone: that counts, done or not. */
void dirty_before_cut(struct window *w, struct page *t, u32 i, u32 n)
{
	struct span span = {(void *)window_address(w, i), (size_t)n << PAGE_SHIFT};
	const struct look all = {{0}};

	if (!window_dirties(w))
		return;
	if (likely(!mech_zap(&span, 1)))
		dirty_when_zapped(w, t, i, n);
	else
		note_written(w, t, i, n, &all);
}

static bool is_here(const struct page *pg)
{
	return pg->managed.where == WHERE_RESIDENT && !(pg->managed.flags & MG_DROPPED);
}

void dirty_after_cut(struct window *w, u32 i, u32 n)
{
	for (u32 end = i + n; window_dirties(w) && i < end; i++) {
		struct page *pg = window_page(w, i);

		if (!atomic_load(&pg->managed.written))
			continue;
		task_busy_begin();
		page_lock(pg);
		if (is_here(pg))
			page_is_dirty(pg);
		page_unlock(pg);
		task_busy_end();
	}
}

/* The system took the mapping away by itself, or another thread has just mapped it. */
void dirty_before_map(struct window *w, u32 i)
{
	const struct page *t = atomic_load_acquire(&block_at(window_address(w, i))->table);
	struct look l;

	if (!window_dirties(w) || !t || !is_mapped(w, t, i))
		return;
	look_at(&l, window_address(w, i), 1);
	if (was_written(&l, 0))
		page_dirty(window_page(w, i));
}

/* --- looking at all ----------------------------------------------------------------------- */

/* Still mapped, now that it is locked: so it is what was looked at. */
static void mark(struct window *w, struct page *t, u32 i, bool waits)
{
	struct page *pg = window_page(w, i);

	task_busy_begin(); /* as in file_write_all: a signal handler may touch it */
	if (waits)
		page_lock(pg);
	if (waits || page_trylock(pg, PAGE_BUSY)) {
		if (is_mapped(w, t, i) && is_here(pg))
			page_dirty(pg);
		page_unlock(pg);
	}
	task_busy_end();
}

/*
 * What is mapped is looked up before the system is asked: a page that is mapped, unwritten, between
 * the two must not count.
 */
static void look_at_block(struct window *w, u32 i, u32 n, bool waits)
{
	struct page *t = atomic_load_acquire(&block_at(window_address(w, i))->table);
	u64 mapped[BLOCK_PAGES / 64] = {0}, any = 0;
	struct look l;

	for (u32 k = 0; t && k < n; k++) {
		mapped[k / 64] |= (u64)is_mapped(w, t, i + k) << (k % 64);
		any |= mapped[k / 64];
	}
	if (!any)
		return;
	look_at(&l, window_address(w, i), n);
	for (u32 k = 0; k < n; k++)
		if (mapped[k / 64] >> (k % 64) & 1 && was_written(&l, k))
			mark(w, t, i + k, waits);
}

static void look_at_window(struct window *w, bool waits)
{
	for (u32 i = 0, n; i < w->npages; i += n) {
		n = MIN(BLOCK_PAGES, w->npages - i);
		look_at_block(w, i, n, waits);
	}
}

/* The window after this one, referenced; a window keeps its place as long as it is. */
static struct window *next_window(struct object *o, struct window *w)
{
	struct list *at;

	lock_acquire(&o->lock);
	at = w ? w->of_object.next : o->windows.next;
	while (at != &o->windows && !window_tryget(list_entry(at, struct window, of_object)))
		at = at->next;
	lock_release(&o->lock);
	if (w)
		window_put(w);
	return at == &o->windows ? NULL : list_entry(at, struct window, of_object);
}

void dirty_look(struct object *o, bool waits)
{
	for (struct window *w = next_window(o, NULL); w; w = next_window(o, w))
		if (window_dirties(w))
			look_at_window(w, waits);
}
