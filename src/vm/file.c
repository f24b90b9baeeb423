/* file.c - which files are cached, opening and closing them. Theory in file.h. */
#include "vm/file.h"

#include <errno.h>
#include <fcntl.h>

#include "alloc/thread.h"
#include "count/stat.h"
#include "group/vm.h"
#include "sys/file.h"
#include "sys/futex.h"
#include "sys/io.h"
#include "sys/log.h"
#include "vm/dirty.h"

#define ROOM_LEAST (16u << 20 >> PAGE_SHIFT) /* pages */

static struct lock files_lock = LOCK_INIT(RANK_EXTENT);
static struct list files = LIST_INIT(files);
static u32 writers; /* windows of all files that may write; atomic */
static u32 ends;    /* files that have ended: a futex */

HOOK_DEFINE(file_ending);
HOOK_DEFINE(file_made);
HOOK_DEFINE(file_awaited);

/* --- one file ---------------------------------------------------------------------------- */

int file_info(struct inode *f, int fd, struct sys_file_info *info)
{
	int err = sys_file_info(fd, info);

	if (!err && info->device == f->device && info->inode == f->inode)
		return 0;
	if (err && err != -EBADF)
		return err;
	if (!atomic_xchg(&f->lost, 1u))
		log_line("a file (device %lu, inode %lu): the program closed the library's "
			 "descriptor %d of it: it is neither read nor written any more",
			 (unsigned long)f->device, (unsigned long)f->inode, fd);
	return -EIO;
}

/* With room to grow when there is, else as it is. NULL: no memory, or larger than can be managed.
 */
static struct object *object_for(u64 size)
{
	u64 n = DIV_ROUND_UP(size, PAGE_SIZE), room = MAX(n / 2, (u64)ROOM_LEAST);
	struct object *o = NULL;

	if (n + room <= regn.managed_pages)
		o = object_new(OBJECT_FILE, (u32)(n + room));
	if (!o && n && n <= regn.managed_pages)
		o = object_new(OBJECT_FILE, (u32)n);
	return o;
}

/* NULL and *err: -ENOMEM, or no descriptor is left. */
static struct inode *file_new(int fd, bool writable, const struct sys_file_info *info, int *err)
{
	struct inode *f = meta_alloc(sizeof(*f));
	struct object *o = f ? object_for(info->size) : NULL;

	*err = -ENOMEM;
	if (!o)
		goto no_object;
	*f = (struct inode){.object = o,
			    .device = info->device,
			    .inode = info->inode,
			    .fd = sys_dup(fd),
			    .fd_write = -1,
			    .size = info->size};
	if (f->fd < 0) {
		*err = f->fd;
		goto no_descriptor;
	}
	if (writable)
		f->fd_write = f->fd;
	atomic_store(&o->limit, (u32)MIN(DIV_ROUND_UP(info->size, PAGE_SIZE), (u64)o->npages));
	return f;

no_descriptor:
	object_put(o);
no_object:
	if (f)
		meta_free(f, sizeof(*f));
	return NULL;
}

/* A number that the program has closed is its own by now. */
static void close_descriptors(struct inode *f)
{
	struct sys_file_info info;

	if (f->fd_write >= 0 && f->fd_write != f->fd && !file_info(f, f->fd_write, &info))
		sys_close(f->fd_write);
	if (!file_info(f, f->fd, &info))
		sys_close(f->fd);
}

static void file_free(struct inode *f)
{
	close_descriptors(f);
	meta_free(f, sizeof(*f));
}

/* The object has no reference any more, so nobody finds the file; but who looks for it waits. */
void file_end(struct inode *f)
{
	HOOK(file_ending);
	if (file_write_all(f))
		log_line("a file (device %lu, inode %lu) is closed by all and could not be written "
			 "(error %d): what was changed in memory is lost; sync it before",
			 (unsigned long)f->device, (unsigned long)f->inode,
			 (int)(u32)atomic_load(&f->error));
}

/* Nobody has a page of it locked any more, so nobody is writing one. */
void file_forget(struct inode *f)
{
	f->object->file = NULL;
	lock_acquire(&files_lock);
	list_del(&f->all);
	lock_release(&files_lock);
	atomic_add(&ends, 1u);
	sys_futex_wake(&ends, INT32_MAX);
	file_free(f);
}

/* --- all files ------------------------------------------------------------------------------ */

/* Referenced. *ending: it is there no more, but not quite gone. Lock held. */
static struct inode *find_locked(const struct sys_file_info *info, bool *ending)
{
	struct list *at;

	*ending = false;
	list_for_each(at, &files)
	{
		struct inode *f = list_entry(at, struct inode, all);

		if (f->device != info->device || f->inode != info->inode)
			continue;
		*ending = !object_tryget(f->object);
		return *ending ? NULL : f;
	}
	return NULL;
}

/* What was opened for writing serves all, also who has opened it for reading. */
static int need_writable_locked(struct inode *f, int fd)
{
	int copy;

	if (f->fd_write >= 0)
		return 0;
	copy = sys_dup(fd);
	if (copy < 0)
		return copy;
	atomic_store_release(&f->fd_write, copy);
	return 0;
}

/* Waits for one that is ending. Lock held before and after. */
static struct inode *find_or_wait_locked(const struct sys_file_info *info)
{
	struct inode *f;
	bool ending;
	u32 seen;

	for (;;) {
		seen = atomic_load(&ends); /* changes after one has left the list */
		f = find_locked(info, &ending);
		if (!ending)
			return f;
		lock_release(&files_lock);
		HOOK(file_awaited);
		sys_futex_wait(&ends, seen, 0);
		lock_acquire(&files_lock);
	}
}

/* Only now does the object lead to it: one that lost the race goes without ending. */
static void show_locked(struct inode *f)
{
	f->object->file = f;
	list_add_tail(&files, &f->all);
}

/* It, or one that somebody has opened meanwhile; the other is made without a lock. */
static struct inode *file_share(struct inode *fresh, const struct sys_file_info *info)
{
	struct inode *f;

	lock_acquire(&files_lock);
	f = find_or_wait_locked(info);
	if (!f)
		show_locked(fresh);
	lock_release(&files_lock);
	if (!f)
		return fresh;
	object_put(fresh->object);
	file_free(fresh);
	return f;
}

static struct inode *file_find(const struct sys_file_info *info)
{
	struct inode *f;

	lock_acquire(&files_lock);
	f = find_or_wait_locked(info);
	lock_release(&files_lock);
	return f;
}

/* The file of fd, its object referenced; or NULL and *err. */
static struct inode *file_get(int fd, bool writable, int *err)
{
	struct sys_file_info info;
	struct inode *f;

	*err = sys_file_info(fd, &info);
	if (!*err && !info.regular)
		*err = -EINVAL;
	if (*err)
		return NULL;
	f = file_find(&info);
	if (!f) {
		f = file_new(fd, writable, &info, err);
		if (!f)
			return NULL;
		HOOK(file_made);
		f = file_share(f, &info);
	}
	lock_acquire(&files_lock);
	*err = writable ? need_writable_locked(f, fd) : 0;
	lock_release(&files_lock);
	if (!*err)
		return f;
	object_put(f->object);
	return NULL;
}

/* --- handles ------------------------------------------------------------------------------- */

/*
 * Reading needs the right to; O_APPEND would write elsewhere than asked, O_DIRECT not what lies
 * across the end.
 */
static int flags_fit(int flags)
{
	if (flags < 0)
		return flags;
	if (flags & O_PATH)
		return -EBADF;
	if ((flags & O_ACCMODE) == O_WRONLY)
		return -EACCES;
	return flags & (O_APPEND | O_DIRECT) ? -EINVAL : 0;
}

static struct memcg_file *file_handle_new(struct inode *f, bool writable)
{
	struct memcg_file *h = meta_alloc(sizeof(*h));

	if (h)
		*h = (struct memcg_file){
			.file = f, .writable = writable, .seen = atomic_load(&f->error)};
	return h;
}

struct memcg_file *memcg_file_open(int fd, unsigned flags)
{
	int how = sys_open_flags(fd), err = flags ? -EINVAL : flags_fit(how);
	bool writable = (how & O_ACCMODE) == O_RDWR;
	struct memcg_file *h = NULL;
	struct inode *f = NULL;

	thread_need();
	if (!err)
		err = managed_up();
	if (!err)
		f = file_get(fd, writable, &err);
	if (f) {
		h = file_handle_new(f, writable);
		err = -ENOMEM;
		if (!h)
			object_put(f->object);
	}
	if (!h)
		errno = -err;
	return h;
}

void memcg_file_close(struct memcg_file *file)
{
	if (!file)
		return;
	thread_need();
	object_put(file->file->object);
	meta_free(file, sizeof(*file));
}

/* Each error once: who sees a number that is not the last it told has news. */
static int report(struct memcg_file *h)
{
	u64 now = atomic_load(&h->file->error);

	return atomic_xchg(&h->seen, now) == now ? 0 : -(int)(u32)now;
}

int memcg_file_sync(struct memcg_file *file)
{
	struct inode *f;
	int err;

	if (!file)
		return -EINVAL;
	thread_need();
	f = file->file;
	err = file_look(f);
	if (!err) {
		dirty_look(f->object, true);
		file_write_all(f);
		err = sys_fsync(f->fd);
	}
	if (err)
		file_note_error(f, err);
	return report(file);
}

/* --- looking at all ------------------------------------------------------------------------- */

void file_writers_add(struct inode *f, int n)
{
	atomic_add(&f->writers, (u32)n);
	atomic_add(&writers, (u32)n);
}

/* The file after this one, referenced; one keeps its place as long as it is. */
static struct inode *next_file(struct inode *f)
{
	struct list *at;

	lock_acquire(&files_lock);
	at = f ? f->all.next : files.next;
	while (at != &files && !object_tryget(list_entry(at, struct inode, all)->object))
		at = at->next;
	lock_release(&files_lock);
	if (f)
		object_put(f->object);
	return at == &files ? NULL : list_entry(at, struct inode, all);
}

/* What is mapped no more has told all it knew (dirty.h 1). Shared memory counts as files, too. */
static bool maps_files(const struct memcg *cg)
{
	stat_fold_all();
	return group_vm_stat(cg, STAT_FILE_MAPPED) &&
	       group_vm_stat(cg, STAT_FILE) > group_vm_stat(cg, STAT_SHMEM);
}

void files_look(const struct memcg *cg)
{
	if (!atomic_load(&writers) || !maps_files(cg))
		return;
	for (struct inode *f = next_file(NULL); f; f = next_file(f))
		if (atomic_load(&f->writers))
			dirty_look(f->object, false);
}

/* The child has no managed memory; the descriptors are the parent's files all the same. */
void files_fork_child(void)
{
	struct list *at, *next;

	lock_init(&files_lock, RANK_EXTENT);
	list_for_each_safe(at, next, &files)
	{
		close_descriptors(list_entry(at, struct inode, all));
	}
	list_init(&files);
	writers = 0;
}
