/*
 * object.h - what windows show: a run of pages with an index each, and where a page that is not in
 * memory comes from.
 *
 * 1. An object has an extent of managed memory for its life: page i of it is page first + i, and
 *    its descriptor says where the content is. Private anonymous memory has one window, shared
 *    anonymous memory (shmem) and files any number.
 * 2. A page in memory has one reference of the object, which goes when it is evicted or dropped;
 *    only who freezes the count at what he expects may take the memory away. Pins and pages
 *    given on are references: such a page stays.
 * 3. References: windows, files, pages that somebody still holds after they were dropped. The last
 *    one gives the extent back: it waits for page locks, and writes what is dirty of a file. So no
 *    reference of an object, a window or a page is given up with a lock of rank.h held, nor with a
 *    page lock, unless another of the same is known to be left (windows: window_put_later).
 * 4. Locks: the list of windows is under `lock` (RANK_OBJECT); `size` and what a page is under the
 *    page lock.
 */
#ifndef MEMCG_VM_OBJECT_H
#define MEMCG_VM_OBJECT_H

#include "base/list.h"
#include "page/managed.h"
#include "vm/page_lock.h"

/* NET: others' pages, vm/view.h; nothing else here is said of those. */
enum object_kind { OBJECT_ANON, OBJECT_SHMEM, OBJECT_FILE, OBJECT_NET };

/* managed.flags; page lock. */
enum managed_flags {
	MG_REFERENCED = 1u << 0,	    /* used since the lists were looked at */
	MG_PROBATION = 1u << 1,		    /* unmapped to see whether it is used */
	MG_DIRTY = MANAGED_DIRTY,	    /* a file's: differs from it */
	MG_WORKINGSET = 1u << 3,	    /* was active when it was evicted, or came back soon */
	MG_SWAPCACHED = MANAGED_SWAPCACHED, /* in memory and, as entry says, in the swap file: not
					       mapped since */
	MG_AHEAD = 1u << 6,		    /* a file's: brought in, and not used yet */
	MG_DROPPED = 1u << 4,		    /* not its object's any more, held by somebody */
};

#define OBJECT_ENDING (1ul << 63)

struct object {
	struct lock lock;
	enum object_kind kind; /* constant */
	u32 first, npages;     /* constant */
	u32 limit;	       /* pages from here on are past the end of the file; atomic */
	struct inode *file;    /* OBJECT_FILE: vm/file.h; constant until the last reference */
	u64 refs;	       /* with OBJECT_ENDING when nobody has it but held pages */
	u32 resident;	       /* pages in memory; atomic */
	struct list windows;   /* struct window, of_object */
};

/* What is not zero, but for the extent; one reference. */
__hidden_ void object_begin(struct object *o, enum object_kind kind, u32 npages);
/* One reference. NULL: no memory, or no addresses left. */
__hidden_ struct object *object_new(enum object_kind kind, u32 npages);
__hidden_ void object_get(struct object *o);
__hidden_ bool object_tryget(struct object *o); /* false: its end has begun */
/* The last one: every page is dropped, and the extent goes. No lock is held. */
__hidden_ void object_put(struct object *o);

static inline struct page *object_page(const struct object *o, u32 index)
{
	return page_at(o->first + index);
}

/*
 * The content of pages [from, from + n) goes: memory, copies, slots, charges. None of them is
 * mapped nor becomes so, or the caller unmaps it after. A page that somebody holds goes with his
 * reference. Waits for page locks.
 */
__hidden_ void object_drop(struct object *o, u32 from, u32 n);
/* The same, but a page that is mapped or held stays as it is. */
__hidden_ void object_drop_unheld(struct object *o, u32 from, u32 n);

/*
 * Somebody has the resident page besides its object: it is not even unmapped, because system calls
 * use it where it is mapped. Page lock held: memcg_pin takes it, so what is not pinned stays so. Or
 * the lock of a table where it is mapped: it is pinned before it is mapped to be.
 */
static inline bool page_pinned(const struct page *pg)
{
	return page_count(pg) > 1;
}

/* page_ops of ANON, FILE and SHMEM. */
__hidden_ void object_init(void);

#endif
