/*
 * file_read.c - pages of files come in, and how long the file is. Theory in file.h.
 *
 * Reading ahead: a miss where the last read ended doubles what is read at once, up to 32 pages; any
 * other begins with one again, and at the begin of the file with four. Neighbours are taken as far
 * as they are in a row, free of content, and nobody is at them; charged to the same payer when they
 * fit without anything being reclaimed for them.
 */
#include <errno.h>

#include "alloc/alloc.h"
#include "group/task.h"
#include "sys/cpu.h"
#include "sys/file.h"
#include "sys/futex.h"
#include "sys/io.h"
#include "vm/file.h"
#include "vm/lists.h"
#include "vm/reclaim.h"
#include "vm/resident.h"
#include "vm/rmap.h"
#include "vm/workingset.h"

#define AHEAD_MAX 32u

/* --- reading ------------------------------------------------------------------------------ */

static u64 offset_of(u32 index)
{
	return (u64)index << PAGE_SHIFT;
}

/* Pages that have content now, from the first on; the rest of the last one is zero. -errno. */
static int read_run(struct object *o, u32 index, u32 n)
{
	struct inode *f = o->file;
	struct sys_file_info info;
	ssize_t got = file_info(f, f->fd, &info);

	if (!got)
		got = sys_pread_full(f->fd, page_address(object_page(o, index)),
				     (size_t)n << PAGE_SHIFT, offset_of(index));
	if (got > 0)
		return (int)DIV_ROUND_UP((size_t)got, PAGE_SIZE);
	managed_punch(o->first + index, n); /* an error may have left some */
	if (!got)
		return -ENXIO;			/* shorter than it was a moment ago */
	return got == -EFAULT ? -ENOMEM : -EIO; /* EFAULT: the system has no memory for the alias */
}

/* Locked pages that are charged: those that get content, or -errno; the charge of the others goes.
 */
static int bring_charged(struct object *o, u32 index, u32 n, u32 handle)
{
	int got = read_run(o, index, n);
	u32 in = got > 0 ? (u32)got : 0;

	uncharge_pages(handle, (u64)(n - in) << PAGE_SHIFT);
	for (u32 i = index; i < index + in; i++) {
		struct workingset was = workingset_of(object_page(o, i));

		page_settle(o, i, handle);
		object_page(o, i)->managed.flags |= MG_AHEAD;
		workingset_refault(object_page(o, i), was);
	}
	return got;
}

/* --- ahead ---------------------------------------------------------------------------------- */

static u32 ahead_wanted(struct inode *f, u32 index)
{
	u32 n = atomic_load(&f->next) == index ? MIN(2 * atomic_load(&f->ahead), AHEAD_MAX) : 1;

	n = !index && n < 4 ? 4 : n;
	atomic_store(&f->ahead, n);
	return n;
}

/* Locks pages after index: how many there are with it. */
static u32 lock_ahead(struct object *o, u32 index, u32 n)
{
	u32 end = MIN(index + n, atomic_load(&o->limit)), i = index + 1;

	for (; i < end; i++) {
		struct page *pg = object_page(o, i);

		if (atomic_load(&pg->managed.where) != WHERE_NONE || !page_trylock(pg, PAGE_BUSY))
			break;
		if (atomic_load_acquire(&pg->managed.flags) & MG_DROPPED ||
		    pg->managed.where != WHERE_NONE) {
			page_unlock(pg);
			break;
		}
	}
	return i - index;
}

/* Those after the first: what has content joins its list. */
static void unlock_ahead(struct object *o, u32 index, u32 n)
{
	for (u32 i = index + 1; i < index + n; i++) {
		struct page *pg = object_page(o, i);

		if (pg->managed.where == WHERE_RESIDENT)
			page_enlist(pg);
		page_unlock(pg);
	}
}

static int bring_ahead(struct object *o, u32 index, u32 n, u32 handle)
{
	int got = -ENOMEM;

	if (n > 1 && charge_pages(handle, (u64)n << PAGE_SHIFT, MEMCG_NOWAIT | CHARGE_ONCE))
		got = bring_charged(o, index, n, handle);
	else if (n > 1)
		charge_forgive();
	return got;
}

int file_bring(struct object *o, u32 index, u32 handle)
{
	u32 n = lock_ahead(o, index, ahead_wanted(o->file, index));
	int got = bring_ahead(o, index, n, handle);

	if (got <= 0) /* the page that is needed, alone */
		got = page_charge(handle) ? bring_charged(o, index, 1, handle) : -ENOMEM;
	unlock_ahead(o, index, n);
	if (got > 0)
		atomic_store(&o->file->next, index + (u32)got);
	return got > 0 ? 0 : got;
}

/* --- how long it is ----------------------------------------------------------------------------
 */

#define BATCH 32u

/* Locks up to BATCH pages from *i on that have content or are just given some: how many. */
static unsigned lock_some(struct object *o, u32 *i, struct page **out)
{
	unsigned n = 0;

	for (; *i < o->npages && n < BATCH; ++*i) {
		struct page *pg = object_page(o, *i);

		if (atomic_load(&pg->managed.where) != WHERE_RESIDENT && !page_locked(pg))
			continue;
		if (!n)
			page_lock(pg);
		else if (!page_trylock(pg, PAGE_BUSY))
			break;
		out[n++] = pg;
	}
	return n;
}

HOOK_DEFINE(file_cut_off);
HOOK_DEFINE(file_waits);

/* And unlocks them. False: one is mapped still, where munmap has begun (mm.c) but not ended. */
static bool take_out(struct page **pages, unsigned n)
{
	bool all = true;

	pages_take_out(pages, n);
	for (unsigned k = 0; k < n; k++) {
		all = all && !page_mapped(pages[k]);
		page_unlock(pages[k]);
	}
	return all;
}

/* Everything from page `from` on goes. o->limit says so already: nothing is mapped there again. */
static void drop_behind(struct object *o, u32 from)
{
	struct page *pages[BATCH];

	for (u32 i = from, at = from; i < o->npages; at = i) {
		unsigned n;
		bool all;

		task_busy_begin(); /* as in file_write_all */
		n = lock_some(o, &i, pages);
		all = take_out(pages, n);
		task_busy_end();
		windows_reap();
		if (all)
			continue;
		i = at; /* a window is being unmapped: it will be, soon */
		HOOK(file_waits);
		sys_cpu_yield();
	}
	HOOK(file_cut_off);
	object_drop(o, from, o->npages - from);
}

/*
 * What is zero in the page takes what the file has there. What is not was written through a window,
 * and stays: the page may be mapped, and be written to this moment, hence the exchange.
 */
static void fill_zeros(char *p, const char *file, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char zero = 0;

		if (file[i])
			(void)atomic_cas(p + i, &zero, file[i]);
	}
}

/* Piece by piece: a fault may be served on a small stack. */
static int read_into_zeros(struct inode *f, char *p, size_t len, u64 from)
{
	char buf[512];
	ssize_t got = 1;

	for (size_t at = 0; at < len && got > 0; at += (size_t)got) {
		got = sys_pread_full(f->fd, buf, MIN(len - at, sizeof(buf)), from + at);
		if (got > 0)
			fill_zeros(p + at, buf, (size_t)got);
	}
	return got < 0 ? -EIO : 0;
}

/* In memory, locked. It was cut off at `from`, or has grown from there to `to`. */
static int tail_locked(struct inode *f, char *page, u64 from, u64 to)
{
	size_t at = from % PAGE_SIZE, len = (size_t)MIN(to - from, PAGE_SIZE - at);

	if (to > from)
		return read_into_zeros(f, page + at, len, from);
	__builtin_memset(page + at, 0, PAGE_SIZE - at);
	return 0;
}

/* The page that is the last, or was. -EIO: what it has got in the file could not be read. */
static int refresh_tail(struct inode *f, u64 from, u64 to)
{
	struct page *pg = object_page(f->object, (u32)(from >> PAGE_SHIFT));
	int err = 0;

	task_busy_begin(); /* as in file_write_all */
	page_lock(pg);
	if (pg->managed.where == WHERE_RESIDENT && !(pg->managed.flags & MG_DROPPED))
		err = tail_locked(f, (char *)page_address(pg), from, to);
	page_unlock(pg);
	task_busy_end();
	return err;
}

/* A full barrier: a fault locks its page, then reads the limit; we look at locks after this. */
static void set_limit(struct object *o, u64 size)
{
	atomic_xchg(&o->limit, (u32)MIN(DIV_ROUND_UP(size, PAGE_SIZE), (u64)o->npages));
}

HOOK_DEFINE(file_grows);

/*
 * The size last: who finds it as it is need not wait. An error leaves it, and who looks next tries
 * again.
 */
static int resize(struct inode *f, u64 size)
{
	u64 was = f->size, least = MIN(size, was);
	u32 end = (u32)MIN(DIV_ROUND_UP(least, PAGE_SIZE), (u64)f->object->npages);
	int err = 0;

	if (size < was) {
		set_limit(f->object, size);
		drop_behind(f->object, end);
	}
	if (least % PAGE_SIZE && least >> PAGE_SHIFT < f->object->npages)
		err = refresh_tail(f, least, size);
	if (err)
		return err;
	HOOK(file_grows);
	set_limit(f->object, size);
	atomic_store_release(&f->size, size); /* pairs with file_look */
	return 0;
}

HOOK_DEFINE(file_resize_awaited);

/*
 * Waits for who is at it: no lock is held, and he needs nothing of who faults. False: this thread
 * is at a file itself, and has been interrupted by a signal handler, which finds things as they
 * are. A thread without a record is in a fault, where no signal interrupts.
 */
static bool resize_begin(struct inode *f)
{
	u32 seen, idle;

	if (task_self() && memcg__self->resizing)
		return false;
	for (;;) {
		seen = atomic_load_acquire(&f->resized); /* changes after `resizing` is 0 */
		idle = 0;
		if (atomic_cas(&f->resizing, &idle, 1u))
			break;
		HOOK(file_resize_awaited);
		sys_futex_wait(&f->resized, seen, 0);
	}
	if (task_self())
		memcg__self->resizing++;
	return true;
}

static void resize_end(struct inode *f)
{
	if (task_self() && memcg__self->resizing) /* 0: the record was made in between */
		memcg__self->resizing--;
	atomic_store_release(&f->resizing, 0u);
	atomic_add(&f->resized, 1u);
	sys_futex_wake(&f->resized, INT32_MAX);
}

/* Acquire: who sees a new size sees the limit that goes with it (resize). */
int file_look(struct inode *f)
{
	struct sys_file_info info;
	int err = file_info(f, f->fd, &info);

	if (err)
		return err;
	if (likely(info.size == atomic_load_acquire(&f->size)) || !resize_begin(f))
		return 0;
	err = file_info(f, f->fd, &info); /* what was seen may be old by now */
	if (!err && info.size != f->size)
		err = resize(f, info.size);
	resize_end(f);
	return err;
}
