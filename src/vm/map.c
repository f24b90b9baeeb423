/*
 * map.c - the calls that make, change and unmake ranges of an mm.
 */
#include <errno.h>
#include <sys/mman.h>

#include "alloc/thread.h"
#include "vm/fault.h"
#include "vm/file.h"
#include "vm/reclaim.h"

/* --- memcg_mmap -------------------------------------------------------------------------- */

#define MAP_FLAGS (MEMCG_MAP_SHARED | MEMCG_MAP_PREFAULT | MEMCG_MAP_LOCKED)

/* Pages of length, or 0 and errno. */
static u32 pages_of(size_t length)
{
	size_t n = DIV_ROUND_UP(length, PAGE_SIZE);

	if (!length)
		errno = EINVAL;
	else if (length > SIZE_MAX - PAGE_SIZE)
		errno = EOVERFLOW;
	else if (n > regn.managed_pages)
		errno = ENOMEM;
	else
		return (u32)n;
	return 0;
}

static bool prot_fits(int prot)
{
	return prot == PROT_READ || prot == (PROT_READ | PROT_WRITE);
}

/* What was asked for besides; else the window goes again. */
static int furnish(struct window *w, unsigned flags)
{
	u32 done;
	int err;

	if (!(flags & (MEMCG_MAP_PREFAULT | MEMCG_MAP_LOCKED)))
		return 0;
	err = fault_range(w, 0, w->npages, flags & MEMCG_MAP_LOCKED ? FAULT_PIN : 0, &done);
	if (err && flags & MEMCG_MAP_LOCKED)
		for (u32 i = 0; i < done; i++)
			page_put(window_page(w, i));
	w->locked = !err && flags & MEMCG_MAP_LOCKED;
	return err;
}

static void *map_object(struct memcg_mm *mm, struct object *o, u32 offset, u32 npages, int prot,
			unsigned flags)
{
	struct window *w = window_new(mm, o, offset, npages, prot & PROT_WRITE);
	int err;

	if (!w) {
		errno = ENOMEM;
		return NULL;
	}
	err = furnish(w, flags);
	if (!err)
		return (void *)w->start;
	window_cut(w, 0, npages);
	errno = err == -EIO || err == -ENXIO ? -err : ENOMEM;
	return NULL;
}

static bool mapping_fits(const struct memcg_mm *mm, int prot, unsigned flags)
{
	if (mm && prot_fits(prot) && !(flags & ~(unsigned)MAP_FLAGS))
		return true;
	errno = EINVAL;
	return false;
}

static int file_fits(const struct memcg_file *file, u64 offset, u32 npages, int prot)
{
	u32 has = file->file->object->npages;

	if (!IS_ALIGNED(offset, PAGE_SIZE))
		return EINVAL;
	if (prot & PROT_WRITE && !file->writable)
		return EACCES;
	if (offset > (u64)INT64_MAX - ((u64)npages << PAGE_SHIFT))
		return EOVERFLOW;
	return npages > has || offset >> PAGE_SHIFT > has - npages ? EFBIG : 0;
}

/* What lies behind the end is mapped too: the file may grow. */
static void *map_file(struct memcg_mm *mm, struct memcg_file *file, u64 offset, u32 npages,
		      int prot, unsigned flags)
{
	int err = file_fits(file, offset, npages, prot);

	if (!err)
		return map_object(mm, file->file->object, (u32)(offset >> PAGE_SHIFT), npages, prot,
				  flags);
	errno = err;
	return NULL;
}

void *memcg_mmap(struct memcg_mm *mm, size_t length, int prot, unsigned flags,
		 struct memcg_file *file, uint64_t offset)
{
	u32 npages = mapping_fits(mm, prot, flags) ? pages_of(length) : 0;
	struct object *o;
	void *at;

	if (!npages)
		return NULL;
	thread_need();
	if (file)
		return map_file(mm, file, offset, npages, prot, flags);
	if (offset) {
		errno = EINVAL;
		return NULL;
	}
	o = object_new(flags & MEMCG_MAP_SHARED ? OBJECT_SHMEM : OBJECT_ANON, npages);
	if (!o) {
		errno = ENOMEM;
		return NULL;
	}
	at = map_object(mm, o, 0, npages, prot, flags);
	object_put(o);
	return at;
}

static bool is_shared(const struct object *o)
{
	return o->kind == OBJECT_SHMEM || o->kind == OBJECT_FILE;
}

/* The shared window at addr, that has npages from there on; NULL and errno. */
static struct window *shared_at(const void *addr, u32 npages, u32 *i)
{
	struct window *w = window_find((uintptr_t)addr);

	*i = w ? window_index(w, (uintptr_t)addr) : 0;
	if (w && is_shared(w->object) && IS_ALIGNED((uintptr_t)addr, PAGE_SIZE) && *i < w->npages &&
	    npages <= w->npages - *i)
		return w;
	if (w)
		window_put(w);
	errno = EINVAL;
	return NULL;
}

void *memcg_mmap_same(struct memcg_mm *mm, const void *addr, size_t length, int prot,
		      unsigned flags)
{
	u32 npages = mapping_fits(mm, prot, flags) ? pages_of(length) : 0, i;
	struct window *w = npages ? shared_at(addr, npages, &i) : NULL;
	void *at;

	if (!w)
		return NULL;
	if (w->object->kind == OBJECT_FILE && prot & PROT_WRITE && !w->writable)
		at = (errno = EACCES, NULL);
	else
		at = map_object(mm, w->object, w->offset + i, npages, prot, flags);
	window_put(w);
	return at;
}

/* --- ranges of windows ---------------------------------------------------------------------- */

/* A part of the mm's addresses that lies in one window. */
struct part {
	struct window *w; /* referenced */
	u32 i, n;
};

/* The part that [addr, end) begins with. False: nothing of mm's is at addr. */
static bool part_at(struct memcg_mm *mm, uintptr_t addr, uintptr_t end, struct part *p)
{
	p->w = window_find(addr);
	if (!p->w)
		return false;
	p->i = window_index(p->w, addr);
	if (p->w->mm != mm || p->i >= p->w->npages) {
		window_put(p->w);
		return false;
	}
	p->n = (u32)MIN((u64)(p->w->npages - p->i), (u64)(end - addr) >> PAGE_SHIFT);
	return true;
}

static int range_check(const struct memcg_mm *mm, const void *addr, size_t length, uintptr_t *end)
{
	uintptr_t from = (uintptr_t)addr;

	if (!mm || !length || !IS_ALIGNED(from, PAGE_SIZE) || length > SIZE_MAX - PAGE_SIZE ||
	    __builtin_add_overflow(from, ALIGN_UP(length, PAGE_SIZE), end))
		return -EINVAL;
	return 0;
}

static int range_each(struct memcg_mm *mm, void *addr, size_t length, int (*each)(struct part *p))
{
	uintptr_t at = (uintptr_t)addr, end;
	int err = range_check(mm, addr, length, &end);
	struct part p;

	thread_need();

	while (!err && at < end) {
		if (!part_at(mm, at, end, &p))
			return -EINVAL;
		err = each(&p);
		at += (uintptr_t)p.n << PAGE_SHIFT;
		window_put(p.w);
	}
	return err;
}

static int nothing(struct part *p)
{
	(void)p;
	return 0;
}

static int cut(struct part *p)
{
	return window_cut(p->w, p->i, p->n);
}

int memcg_munmap(struct memcg_mm *mm, void *addr, size_t length)
{
	int err = range_each(mm, addr, length, nothing);

	return err ? err : range_each(mm, addr, length, cut);
}

/* --- advice -------------------------------------------------------------------------------------
 */

/* A view's pages stay in memory, and in it. */
static bool is_view(const struct part *p)
{
	return p->w->object->kind == OBJECT_NET;
}

static int advise_cold(struct part *p)
{
	if (!is_view(p))
		pages_deactivate(p->w, p->i, p->n);
	return 0;
}

static int advise_pageout(struct part *p)
{
	if (!is_view(p))
		pages_evict(p->w, p->i, p->n);
	return 0;
}

static int advise_willneed(struct part *p)
{
	u32 done;

	return fault_range(p->w, p->i, p->n, 0, &done);
}

static int advise_dontneed(struct part *p)
{
	int err;

	if (is_view(p))
		return 0;
	err = pages_unmap(p->w, p->i, p->n);
	if (p->w->object->kind == OBJECT_ANON)
		object_drop_unheld(p->w->object, p->w->offset + p->i, p->n);
	return err ? -EBUSY : 0;
}

int memcg_madvise(struct memcg_mm *mm, void *addr, size_t length, unsigned advice)
{
	static int (*const each[])(struct part * p) = {
		[MEMCG_COLD] = advise_cold,
		[MEMCG_PAGEOUT] = advise_pageout,
		[MEMCG_WILLNEED] = advise_willneed,
		[MEMCG_DONTNEED] = advise_dontneed,
	};
	int err = range_each(mm, addr, length, nothing);

	if (err || advice >= ARRAY_SIZE(each) || !each[advice])
		return -EINVAL;
	return range_each(mm, addr, length, each[advice]);
}

/* --- the end
 * ---------------------------------------------------------------------------------------- */

void memcg_mm_destroy(struct memcg_mm *mm)
{
	if (!mm)
		return;
	while (!list_empty(&mm->windows)) {
		struct list *first = mm->windows.next;
		struct window *w = list_entry(first, struct window, of_mm);

		window_cut(w, 0, w->npages);
		if (mm->windows.next == first)
			break; /* the child of a fork, which must not: nothing of it is here */
	}
	mm_put(mm);
}
