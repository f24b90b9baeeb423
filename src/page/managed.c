/*
 * managed.c - the file of managed memory, its alias, and which extents of it are taken.
 *
 * Extents are found by first fit from the bottom, so that the descriptors in use lie together: a
 * high-water mark says how far they are open. The descriptors of an extent that is given back
 * go back to the system with it and read as zero when they are used again.
 */
#include "page/managed.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/runmap.h"
#include "sync/lock.h"
#include "sys/file.h"
#include "sys/map.h"
#include "sys/memfd.h"

#define OPEN_STEP 16u /* extents whose descriptors are opened at once: 512 KiB of them */

static struct lock managed_lock = LOCK_INIT(RANK_EXTENT);
static struct runmap extents;
static u32 opened;    /* extents below have open descriptors */
static int file = -1; /* release: the alias stands; never closed */

bool managed_is_up(void)
{
	return atomic_load_acquire(&file) >= 0;
}

int managed_fd(void)
{
	return atomic_load_acquire(&file);
}

static void *alias_base(void)
{
	return (char *)regn.base + ((size_t)regn.managed << PAGE_SHIFT);
}

static int map_alias(void)
{
	size_t bytes = (size_t)regn.managed_pages << PAGE_SHIFT;
	int fd = sys_memfd(bytes), err;

	if (fd < 0)
		return fd;
	err = sys_map_shared(alias_base(), bytes, PROT_READ | PROT_WRITE, fd, 0);
	if (err < 0) {
		sys_close(fd);
		return err;
	}
	return fd;
}

static int up_locked(void)
{
	u32 nr = regn.managed_pages / EXTENT_PAGES;
	int fd;

	if (managed_is_up())
		return 0;
	if (!extents.word) {
		extents.word = meta_alloc(runmap_bytes(nr));
		if (!extents.word)
			return -ENOMEM;
		extents.nr = nr;
		runmap_take(&extents, 1); /* index 0 of a list means its end */
	}
	fd = map_alias();
	if (fd < 0)
		return fd;
	atomic_store_release(&file, fd); /* pairs with managed_is_up */
	return 0;
}

int managed_up(void)
{
	int err;

	if (managed_is_up())
		return 0;
	lock_acquire(&managed_lock);
	err = up_locked();
	lock_release(&managed_lock);
	return err;
}

/* --- extents ----------------------------------------------------------------------- */

static struct page *extent_desc(u32 extent)
{
	return page_at(regn.managed + extent * EXTENT_PAGES);
}

static bool open_up_to(u32 extent)
{
	u32 want = MIN(ALIGN_UP(extent, OPEN_STEP), extents.nr);
	size_t pages;

	if (extent <= opened)
		return true;
	pages = (size_t)(want - opened) * EXTENT_PAGES;
	if (sys_open_range(extent_desc(opened), pages * sizeof(struct page)) ||
	    sys_open_range(page_count_of(extent_desc(opened)), pages * sizeof(u32)))
		return false;
	opened = want;
	/* Release: who sees it finds them readable and zero, or what they are by now. */
	atomic_store_release(&regn.managed_end, regn.managed + want * EXTENT_PAGES);
	return true;
}

static u32 take_locked(u32 n)
{
	u32 first = runmap_take(&extents, n);

	if (first == RUNMAP_NONE)
		return 0;
	if (open_up_to(first + n))
		return regn.managed + first * EXTENT_PAGES;
	runmap_give(&extents, first, n);
	return 0;
}

u32 extent_alloc(u32 npages)
{
	u32 n = DIV_ROUND_UP(npages, EXTENT_PAGES), first;

	lock_acquire(&managed_lock);
	first = managed_is_up() ? take_locked(n) : 0;
	lock_release(&managed_lock);
	return first;
}

/* Memory that cannot be given back is cleared: what reads it next relies on zeroes. */
void extent_free(u32 first, u32 npages)
{
	u32 n = DIV_ROUND_UP(npages, EXTENT_PAGES);
	size_t bytes = (size_t)n * EXTENT_PAGES * sizeof(struct page);

	if (sys_purge(page_at(first), bytes))
		__builtin_memset(page_at(first), 0, bytes);
	lock_acquire(&managed_lock);
	runmap_give(&extents, (first - regn.managed) / EXTENT_PAGES, n);
	lock_release(&managed_lock);
}

/* --- memory ------------------------------------------------------------------------ */

/* As in extent_free: whoever gets the page next relies on zeroes, and may be another. */
int managed_punch(u32 first, u32 n)
{
	int err = sys_punch(managed_fd(), managed_offset(first), (u64)n << PAGE_SHIFT);

	if (unlikely(err))
		__builtin_memset(page_address(page_at(first)), 0, (size_t)n << PAGE_SHIFT);
	return err;
}

int managed_fill(u32 first, u32 n)
{
	return sys_fill(managed_fd(), managed_offset(first), (u64)n << PAGE_SHIFT);
}

/* fallocate makes huge pages where shmem_enabled says so, however the file is mapped. */
int managed_fill_singly(u32 first, u32 n)
{
	int err = sys_populate(page_address(page_at(first)), (u64)n << PAGE_SHIFT);

	return err == -EINVAL ? managed_fill(first, n) : err; /* a system that does not know it */
}

u64 managed_resident(void)
{
	return managed_is_up() ? sys_file_memory(managed_fd()) : 0;
}

/* --- fork ---------------------------------------------------------------------------- */

void managed_fork_prepare(void)
{
	lock_acquire(&managed_lock);
}

void managed_fork_parent(void)
{
	lock_release(&managed_lock);
}

/* The alias did not come along (DONTFORK); the file did, and is the parent's. */
void managed_fork_child(void)
{
	lock_init(&managed_lock, RANK_EXTENT);
	if (managed_is_up())
		sys_close(file);
	file = -1;
}
