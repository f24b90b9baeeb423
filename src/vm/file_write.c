/* file_write.c - dirty pages go to their file. Theory in file.h, dirty.h. */
#include <errno.h>
#include <fcntl.h>

#include "count/stat.h"
#include "group/handle.h"
#include "group/task.h"
#include "sys/file.h"
#include "sys/io.h"
#include "vm/dirty.h"
#include "vm/file.h"
#include "vm/reclaim.h"
#include "vm/resident.h"
#include "vm/rmap.h"
#include "vm/workingset.h"

/* The number rises with each, so that who has heard of one hears of the next. */
void file_note_error(struct inode *f, int err)
{
	u64 was = atomic_load(&f->error);

	while (!atomic_cas(&f->error, &was, ((was >> 32) + 1) << 32 | (u32)-err))
		;
}

/* --- one run of neighbours ---------------------------------------------------------------- */

static void count_writeback(struct page *const *pages, unsigned n, s64 bytes)
{
	for (unsigned i = 0; i < n; i++)
		stat_add(page_objcg(pages[i])->index, STAT_FILE_WRITEBACK, bytes);
}

/*
 * Behind the end nothing is kept: a clean page is what the file will have when it grows. One that
 * may be written to meanwhile stays dirty, and as it is.
 */
static void clear_behind(struct page *const *pages, unsigned n, u64 size)
{
	u64 k = (size >> PAGE_SHIFT) - pages[0]->managed.index; /* wraps where the end is before */

	if (k < n && !page_pinned(pages[k]) && !page_mapped(pages[k]))
		__builtin_memset((char *)page_address(pages[k]) + size % PAGE_SIZE, 0,
				 PAGE_SIZE - size % PAGE_SIZE);
}

/* Its flags are shared with the descriptor that the program has: they may have changed. */
static int may_write(int fd)
{
	int flags = sys_open_flags(fd);

	if (flags < 0)
		return flags;
	return flags & O_APPEND ? -EINVAL : 0; /* would write behind the end, not where asked */
}

/*
 * As far as the file goes now: what lies behind its end is nobody's. Between look and write another
 * process may make it shorter, and would find it as long again: that is tolerated.
 */
static int write_bytes(struct inode *f, struct page *const *pages, unsigned n)
{
	u64 from = (u64)pages[0]->managed.index << PAGE_SHIFT, len = (u64)n << PAGE_SHIFT;
	struct sys_file_info info;
	int err = file_info(f, f->fd_write, &info);

	if (!err)
		err = may_write(f->fd_write);
	if (err)
		return err;
	clear_behind(pages, n, info.size);
	len = from < info.size ? MIN(len, info.size - from) : 0;
	if (from + len > sys_file_size_limit())
		return -EFBIG; /* the system would send a signal besides */
	return len ? sys_pwrite_full(f->fd_write, page_address(pages[0]), len, from) : 0;
}

HOOK_DEFINE(file_written);

/*
 * Before they are written: one that is pinned or mapped now may be written to meanwhile, and
 * neither any more when we are done. What is free of both stays so while it is locked.
 */
static void clean_unused(struct page *const *pages, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!page_pinned(pages[i]) && !page_mapped(pages[i]))
			page_clean(pages[i]);
}

static int write_run(struct page **pages, unsigned n)
{
	struct inode *f = pages[0]->managed.object->file;
	int err;

	clean_unused(pages, n);
	count_writeback(pages, n, PAGE_SIZE);
	err = write_bytes(f, pages, n);
	HOOK(file_written);
	count_writeback(pages, n, -(s64)PAGE_SIZE);
	if (err)
		file_note_error(f, err);
	for (unsigned i = 0; err && i < n; i++)
		page_dirty(pages[i]);
	return err;
}

static bool goes_on(const struct page *last, const struct page *pg)
{
	return pg == last + 1 && pg->managed.object == last->managed.object;
}

static bool is_dirty(struct page *pg)
{
	return pg->kind == PAGE_FILE && page_is_dirty(pg);
}

int file_write_pages(struct page **pages, unsigned n)
{
	int err = 0, one;

	for (unsigned i = 0, k; i < n; i = k) {
		k = i + 1;
		if (!is_dirty(pages[i]))
			continue;
		while (k < n && goes_on(pages[k - 1], pages[k]) && is_dirty(pages[k]))
			k++;
		one = write_run(pages + i, k - i);
		err = err ? err : one;
	}
	return err;
}

/* --- all of a file -------------------------------------------------------------------------- */

#define BATCH 32u

static bool wants_writing(struct page *pg)
{
	return pg->managed.where == WHERE_RESIDENT && !(pg->managed.flags & MG_DROPPED) &&
	       page_is_dirty(pg);
}

/* Dirty neighbours from the first dirty one on, locked: that one waiting, the rest as they are. */
static unsigned lock_dirty(struct object *o, u32 *i, struct page **out)
{
	unsigned n = 0;

	for (; *i < o->npages && n < BATCH; ++*i) {
		struct page *pg = object_page(o, *i);

		if (atomic_load(&pg->managed.where) != WHERE_RESIDENT) {
			if (n)
				break;
			continue;
		}
		if (n && !page_trylock(pg, PAGE_EVICTING))
			break;
		if (!n)
			page_lock(pg);
		if (wants_writing(pg)) {
			out[n++] = pg;
			continue;
		}
		page_unlock(pg);
		if (n)
			break;
	}
	return n;
}

/* Pinned pages stay mapped: system calls use them where they are. */
static void take_out_unpinned(struct page **pages, unsigned n)
{
	struct page *free[BATCH];
	unsigned k = 0;

	for (unsigned i = 0; i < n; i++)
		if (!page_pinned(pages[i]))
			free[k++] = pages[i];
	pages_take_out(free, k);
}

/*
 * Busy while pages are locked, because that lasts as long as the device does: a signal handler of
 * this thread that touches one of them is refused (fault.c), and does not wait for itself.
 */
int file_write_all(struct inode *f)
{
	struct page *pages[BATCH];
	int err = 0, one;

	for (u32 i = 0; i < f->object->npages;) {
		unsigned n;

		task_busy_begin();
		n = lock_dirty(f->object, &i, pages);
		take_out_unpinned(pages, n);
		one = n ? file_write_pages(pages, n) : 0;
		err = err ? err : one;
		for (unsigned k = 0; k < n; k++)
			page_unlock(pages[k]);
		task_busy_end();
		windows_reap();
	}
	return err;
}

/* --- eviction --------------------------------------------------------------------------------- */

bool file_page_leave(struct page *pg)
{
	return !page_mapped(pg) && !page_is_dirty(pg) && page_freeze(pg);
}

void file_page_gone(struct page *pg)
{
	struct workingset left = workingset_left(pg);

	page_forget(pg->managed.object, pg);
	workingset_keep(pg, left);
}
