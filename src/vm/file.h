/*
 * file.h - files cached in managed memory: one object for each inode, whoever opens it.
 *
 * 1. A file is known by device and inode, so opening it twice finds the same pages. It lives as
 *    long as its object: while it is open (struct memcg_file) or has a window. With the last
 *    reference what is dirty is written, then the pages go; who opens it meanwhile waits for that.
 * 2. The object has an extent for the file as it was first seen and room to grow: half as much
 *    again, and at least 16 MiB. What lies behind that cannot be mapped or cached until the file
 *    has been closed by all and opened again.
 * 3. `size` is what the file had when it was last looked at (file_look): before each fault, sync,
 *    read and mapping. When it shrank, object->limit comes down first, so that nothing is mapped or
 *    brought in behind it any more; then the pages behind it leave their windows and go, whether
 *    dirty or not, and the rest of the last page is cleared. When it grew, what is new in the
 *    page that was last is read where the page is zero: it may have been written to through a
 *    window since the file grew, and that stays. What was written there before, behind the end, is
 *    cleared when the page is written back, and until then is taken for the same. Between two
 *    looks the cache may show what is no longer there. Who finds the length changed and somebody
 *    at it already waits until he is through: `size` is stored when all the rest is done.
 * 4. The cache does not see writes to the file by other means, and they do not see what is dirty.
 *    Nor does it see that the file was emptied and is as long again at the next look.
 * 5. Nothing is written past the end of the file. An error of writing leaves the page dirty and in
 *    memory, and is noted: `error` is errno, and a number that rises. Each handle reports it
 *    once, at its next sync; one opened later does not hear of it.
 * 6. The descriptors are copies of the program's. It may close their numbers and open others there:
 *    device and inode are compared before each use (file_info), so that no other file is read,
 *    written or closed; between that and the use the race is tolerated. And it may set flags of
 *    the open file, which are shared: with O_APPEND nothing is written.
 * 7. Locks: the list of all files under files_lock (RANK_EXTENT, a leaf). Reading and writing are
 *    done with page locks and nothing else; outside a fault, which no
 *    signal interrupts, the thread is busy as long as it has them.
 */
#ifndef MEMCG_VM_FILE_H
#define MEMCG_VM_FILE_H

#include <memcg/mm.h>

#include "sys/io.h"
#include "vm/object.h"

struct inode {
	struct object *object; /* constant; whose reference is ours */
	struct list all;       /* files_lock */
	u64 device, inode;     /* constant */
	int fd;		       /* constant: to read */
	int fd_write;	       /* -1, then constant; files_lock, read atomically */
	u64 size;	       /* as last seen; by who has `resizing`, read atomically */
	u32 resizing;	       /* somebody is at 3; atomic */
	u32 resized;	       /* how often somebody was: a futex */
	u32 lost;	       /* a descriptor is another file's: it has been said; atomic */
	u32 writers;	       /* windows that may write; atomic */
	u64 error;	       /* number << 32 | errno; atomic */
	u32 next, ahead;       /* where a sequential reader would go on, and pages to read then;
				* written without a lock: a lost update costs a read */
};

struct memcg_file {
	struct inode *file; /* its object is referenced */
	bool writable;	    /* constant */
	u64 seen;	    /* the error that was reported last; atomic */
};

HOOK_DECLARE(file_grows);	   /* file_read.c: its length is known, its limit not yet raised */
HOOK_DECLARE(file_resize_awaited); /* file_read.c: somebody else is at 3, this thread is to wait */
HOOK_DECLARE(file_cut_off); /* file_read.c: what lies behind the end is in no window any more */
HOOK_DECLARE(
	file_copies);	 /* memcg_file_read: a page that lay before the end is about to be locked */
HOOK_DECLARE(file_made); /* nobody had the file open; nobody knows yet that it is now */
HOOK_DECLARE(file_waits);   /* what lies behind the end is mapped where munmap is at it */
HOOK_DECLARE(file_ending);  /* nobody has it, nothing of it is written yet */
HOOK_DECLARE(file_written); /* pages are with the system, and locked still */
HOOK_DECLARE(file_awaited); /* who opens a file that is ending is about to wait */

/*
 * What the system says of a descriptor of ours. -EIO: the program has closed it, and it is nothing
 * or another file's by now, which must not be read or written: one log line a file says so.
 */
__hidden_ int file_info(struct inode *f, int fd, struct sys_file_info *info);
/* How long is it? Follows up what has changed. 0; -EIO. No lock is held. May sleep. */
__hidden_ int file_look(struct inode *f);

/*
 * file_read.c. Page index, locked and nowhere, comes in from the file, charged to handle; *ahead
 * more with it where reading is sequential, onto their lists. -ENXIO: the file ends before it;
 * -ENOMEM, -EIO.
 */
__hidden_ int file_bring(struct object *o, u32 index, u32 handle);

/*
 * file_write.c. Writes what is dirty of n pages, in the order of their addresses, locked and in no
 * window unless pinned; those that are not pinned are clean then. -errno of any, which is noted.
 */
__hidden_ int file_write_pages(struct page **pages, unsigned n);
/* All that is dirty and can be locked; a look (dirty.h) before it says what is. */
__hidden_ int file_write_all(struct inode *f);
__hidden_ void file_note_error(struct inode *f, int err);
/* A clean locked page, off its list and in no window: its count is 0 now. False: it stays. */
__hidden_ bool file_page_leave(struct page *pg);
/* After that: uncharged; its memory is the caller's to punch. */
__hidden_ void file_page_gone(struct page *pg);

/* The object's last reference has gone; returns with everything written that can be, f is gone. */
__hidden_ void file_end(struct inode *f);
/* After its pages have been dropped: an evictor may have been writing one that was clean by then.
 */
__hidden_ void file_forget(struct inode *f);

/* Windows that may write come and go. */
__hidden_ void file_writers_add(struct inode *f, int n);
/*
 * Statistics of cg and all below it are about to be read. Free of charge while nothing of a file
 * can be written, and while none of theirs is mapped; else all of every file that can be is looked
 * at: some 30 ns a page that is mapped.
 */
__hidden_ void files_look(const struct memcg *cg);
__hidden_ void files_fork_child(void);

#endif
