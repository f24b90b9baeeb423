/* window.c - the range of addresses, its blocks, and references to windows. */
#include "vm/window.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/runmap.h"
#include "group/task.h"
#include "sys/map.h"
#include "sys/memfd.h"
#include "vm/dirty.h"
#include "vm/file.h"
#include "vm/mm.h"

struct window_zone zone;

static struct lock zone_lock = LOCK_INIT(RANK_EXTENT);
static struct runmap addresses;

/* Addresses are cheap: four times what can be managed, so that unmapping leaves room. */
#define ZONE_TIMES 4u

static size_t array_bytes(void)
{
	return ALIGN_UP(regn.managed_pages / BLOCK_PAGES * ZONE_TIMES * sizeof(struct block),
			PAGE_SIZE);
}

static int array_up(void)
{
	size_t bytes = array_bytes();
	void *array = sys_reserve(bytes, PAGE_SIZE);

	if (!array)
		return -ENOMEM;
	if (sys_open_range(array, bytes)) {
		sys_unmap(array, bytes);
		return -ENOMEM;
	}
	zone.block = array;
	return 0;
}

/* As many addresses as the system gives, up to that. */
static u32 reserve_some(u32 nr)
{
	void *base = NULL;

	for (; nr; nr /= 2) {
		base = sys_reserve((size_t)nr << BLOCK_SHIFT, BLOCK_SIZE);
		if (base)
			break;
	}
	zone.base = (uintptr_t)base;
	return nr;
}

static int up_locked(void)
{
	u32 nr = regn.managed_pages / BLOCK_PAGES * ZONE_TIMES;

	if (zone.nr)
		return 0;
	if (!addresses.word)
		addresses.word = meta_alloc(runmap_bytes(nr));
	if (!addresses.word || (!zone.block && array_up()))
		return -ENOMEM;
	addresses.nr = reserve_some(nr);
	atomic_store_release(&zone.nr, addresses.nr);
	return addresses.nr ? 0 : -ENOMEM;
}

int window_up(void)
{
	int err;

	lock_acquire(&zone_lock);
	err = up_locked();
	lock_release(&zone_lock);
	return err;
}

static struct window *ended; /* wait for windows_reap; by compare-and-swap, taken all at once */

/* Whoever had the lock is not here; at worst some addresses are lost. Nor is any window to end. */
void windows_fork_child(void)
{
	lock_init(&zone_lock, RANK_EXTENT);
	atomic_store(&ended, (struct window *)NULL);
	/* What the system maps for the child where the parent has a window is no window. */
	if (zone.block && sys_purge(zone.block, array_bytes()))
		memset(zone.block, 0, array_bytes());
}

uintptr_t window_reserve(u32 npages)
{
	u32 first;

	lock_acquire(&zone_lock);
	first = runmap_take(&addresses, DIV_ROUND_UP(npages, BLOCK_PAGES));
	lock_release(&zone_lock);
	return first == RUNMAP_NONE ? 0 : zone.base + ((uintptr_t)first << BLOCK_SHIFT);
}

void window_unreserve(uintptr_t start, u32 npages)
{
	lock_acquire(&zone_lock);
	runmap_give(&addresses, (u32)((start - zone.base) >> BLOCK_SHIFT),
		    DIV_ROUND_UP(npages, BLOCK_PAGES));
	lock_release(&zone_lock);
}

/* --- references ------------------------------------------------------------------------ */

bool window_tryget(struct window *w)
{
	u64 refs = atomic_load(&w->refs);

	while (refs)
		if (atomic_cas(&w->refs, &refs, refs + 1))
			return true;
	return false;
}

/* Pairs with window_find_on. */
static struct window *get_from(struct window **slot)
{
	struct rcu_reader *self = self_rcu();
	struct window *w;

	rcu_read_lock(self);
	w = atomic_load_acquire(slot);
	if (w && !window_tryget(w))
		w = NULL;
	rcu_read_unlock(self);
	return w;
}

struct window *window_find(uintptr_t addr)
{
	return window_has((void *)addr) ? get_from(&block_at(addr)->window) : NULL;
}

struct window *window_find_unmapped(uintptr_t addr)
{
	return window_has((void *)addr) ? get_from(&block_at(addr)->whose) : NULL;
}

void window_find_on(struct window *w)
{
	struct block *b = block_at(w->start), *end = b + DIV_ROUND_UP(w->npages, BLOCK_PAGES);

	for (; b < end; b++) {
		atomic_store_release(&b->whose, w);
		atomic_store_release(&b->window, w);
	}
}

void window_find_off(struct window *w)
{
	struct block *b = block_at(w->start), *end = b + DIV_ROUND_UP(w->npages, BLOCK_PAGES);

	for (; b < end; b++)
		atomic_store(&b->window, (struct window *)NULL);
}

static void window_free(struct rcu_head *rcu)
{
	struct window *w = container_of(rcu, struct window, rcu);

	meta_free(w, sizeof(*w));
}

/* Nobody is in the window any more, so nobody installs another. */
static void clear_blocks(struct window *w)
{
	struct block *b = block_at(w->start), *end = b + DIV_ROUND_UP(w->npages, BLOCK_PAGES);
	struct page *dead[64];
	size_t n = 0;

	for (; b < end; b++) {
		atomic_store(&b->whose, (struct window *)NULL);
		if (!b->table)
			continue;
		dead[n++] = b->table;
		atomic_store(&b->table, (struct page *)NULL);
		if (n == ARRAY_SIZE(dead)) {
			pages_release(dead, n);
			n = 0;
		}
	}
	pages_release(dead, n);
}

static void window_end(struct window *w)
{
	lock_acquire(&w->object->lock);
	list_del(&w->of_object); /* before its tables go: see rmap_unmap */
	lock_release(&w->object->lock);
	clear_blocks(w);
	window_unreserve(w->start, w->npages);
	if (window_dirties(w))
		file_writers_add(w->object->file, -1);
	object_put(w->object);
	mm_put(w->mm);
	rcu_defer(&w->rcu, window_free);
}

void window_put_many(struct window *w, u32 n)
{
	if (!atomic_sub(&w->refs, (u64)n))
		window_end(w);
}

void window_put(struct window *w)
{
	window_put_many(w, 1);
}

/* --- ends that have to wait ------------------------------------------------------------- */

void window_put_later(struct window *w)
{
	struct window *top = atomic_load(&ended);

	if (atomic_sub(&w->refs, 1ul))
		return;
	do
		w->later = top;
	while (!atomic_cas(&ended, &top, w));
}

void windows_reap(void)
{
	struct window *w, *next;

	ASSERT(!lock_holds_any());
	if (!atomic_load(&ended))
		return;
	for (w = atomic_xchg(&ended, (struct window *)NULL); w; w = next) {
		next = w->later;
		window_end(w);
	}
}
