/*
 * file_copy.c - reading a file through the cache without a window. The buffer may be managed memory
 * itself: so the page is held by a reference, and no lock, while it is copied from.
 */
#include <errno.h>
#include <string.h>

#include "alloc/thread.h"
#include "group/vm.h"
#include "vm/file.h"
#include "vm/lists.h"
#include "vm/resident.h"

/* Page lock held. In memory, and past the next look at the lists. */
static int bring(struct object *o, u32 index, u32 payer)
{
	struct page *pg = object_page(o, index);
	bool was_in = pg->managed.where == WHERE_RESIDENT, major;
	int err;

	if (index >= atomic_load_seq(&o->limit)) /* pairs with set_limit (file_read.c) */
		return -ENXIO;
	if (pg->managed.flags & MG_DROPPED)
		return -EIO;
	err = page_bring(o, index, payer, &major);
	if (err)
		return err;
	if (!was_in)
		page_enlist(pg);
	if (!(pg->managed.flags & MG_AHEAD)) /* as in fault.c, page_used */
		pg->managed.flags |= MG_REFERENCED;
	pg->managed.flags &= (u8)~MG_AHEAD;
	page_get(pg);
	return 0;
}

HOOK_DEFINE(file_copies);

static int copy_page(struct object *o, u64 offset, char *to, size_t n, u32 payer)
{
	struct page *pg = object_page(o, (u32)(offset >> PAGE_SHIFT));
	int err;

	HOOK(file_copies);
	page_lock(pg);
	err = bring(o, (u32)(offset >> PAGE_SHIFT), payer);
	page_unlock(pg);
	if (err)
		return err;
	memcpy(to, (char *)page_address(pg) + offset % PAGE_SIZE, n);
	page_put(pg);
	return 0;
}

/* -ENXIO: it has become shorter, what is there was read. Any other error is no end of the file. */
static ssize_t copy(struct object *o, u64 offset, char *to, size_t n, u32 payer)
{
	size_t done = 0, step;
	int err = 0;

	for (; done < n && !err; done += err ? 0 : step) {
		step = MIN(n - done, PAGE_SIZE - (offset + done) % PAGE_SIZE);
		err = copy_page(o, offset + done, to + done, step, payer);
	}
	return !err || err == -ENXIO ? (ssize_t)done : err;
}

static ssize_t read_from(struct inode *f, char *to, size_t n, u64 offset, struct handle *payer)
{
	u64 size = MIN(atomic_load(&f->size), (u64)f->object->npages << PAGE_SHIFT);

	if (offset >= size)
		return atomic_load(&f->size) > offset ? -EFBIG : 0;
	return copy(f->object, offset, to, (size_t)MIN((u64)n, size - offset), payer->index);
}

ssize_t memcg_file_read(struct memcg_file *file, void *buf, size_t n, uint64_t offset)
{
	struct memcg *cg;
	struct handle *payer;
	ssize_t got;
	int err;

	if (!file || (!buf && n))
		return -EINVAL;
	thread_need();
	cg = group_active();
	err = group_vm_need(cg);
	if (!err)
		err = file_look(file->file);
	if (err)
		return err;
	payer = cg->handle;
	handle_add(payer, HANDLE_PIN);
	got = read_from(file->file, buf, n, offset, payer);
	handle_sub(payer, HANDLE_PIN);
	return got;
}
