/*
 * view.h - pages of the network side by side: a window of pages that are others' already.
 *
 * 1. The object of a view (OBJECT_NET) has no extent. Its pages lie in up to VIEW_RUNS runs, each
 *    of adjacent pages of the file, and each run is a mapping of the system's. It has one window.
 * 2. Entries are present from view_map until the page is cut from the window: all of them, at any
 *    time, because nobody evicts the page of a view, advice does not unmap it, and it is on no list
 *    of pages. For each present entry the page has one mapping in its count, and one reference of
 *    the view. Both go when the addresses have gone (mm.c, tell_pages): first the mapping, so that
 *    the last put finds none. Unmapped in part, the view keeps the other pages.
 * 3. The page's own words (net/pool.h) lie where an object's page says of what it is. A view writes
 *    nothing in it: the page may be in several, and whose it is says its pool.
 * 4. Locks: mapping takes page locks as any other (rmap.h, 1). A fault takes the table's alone: a
 *    present entry keeps the page as it is. That is what a mover relies on too.
 * 5. A page that was never written to has no memory: it is given some, zero, before it is mapped.
 */
#ifndef MEMCG_VM_VIEW_H
#define MEMCG_VM_VIEW_H

#include "vm/object.h"

#define VIEW_RUNS 16u

struct memcg_mm;
struct window;

struct view_runs {
	u32 nr;
	u32 npages; /* in all */
	struct view_run {
		u32 at;	   /* the page of the view it begins at */
		u32 first; /* index of that page */
	} run[VIEW_RUNS];
};

/* One page more at the end. False: that would be a run too many. */
__hidden_ bool view_runs_add(struct view_runs *r, u32 page);

/*
 * A window through mm that shows the pages, each of which the caller has a reference on. Its first
 * address; 0: no memory, or no addresses. May sleep and reclaim; no lock is held.
 */
__hidden_ uintptr_t view_map(struct memcg_mm *mm, const struct view_runs *r);
/* Of a view's object: the index of page i, and how many pages from there on are its run's. */
__hidden_ u32 view_run(const struct object *o, u32 i, u32 *n);
/* As fault_page, for a page of a view. */
__hidden_ int view_fault(struct window *w, u32 i, unsigned flags);
/* The last reference to a view's object. */
__hidden_ void view_free(struct object *o);

#endif
