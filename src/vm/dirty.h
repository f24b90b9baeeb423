/*
 * dirty.h - which pages of files differ from them.
 *
 * 1. MG_DIRTY, and with it `file_dirty` of the page's owner, says what has been seen. A page that
 *    is mapped by a write is dirty at once. One that is mapped by a read is protected by the
 *    system, which notes the first write without telling us (mech.h): until somebody looks, the
 *    mapping alone knows. So whoever ends a mapping looks first:
 *	eviction, sync		after the zap, which leaves a mark where nothing was written, with
 *				the page lock held: rmap.c calls dirty_after_zap
 *	munmap, DONTNEED	have no page locks. Under the table lock they zap, look, and note it
 *				in `written`, before the entry goes (dirty_when_zapped); whoever
 *				has the page lock next makes it MG_DIRTY
 *    and moves, sync, and reads of the statistics of who maps files look at all (dirty_look).
 * 2. A page becomes clean when it is written to its file: page lock held, mapped nowhere and not
 *    pinned before that begins, so that nobody writes to it meanwhile and the next one to do so
 *    is noticed. A pinned page cannot be unmapped: it is written, and stays dirty.
 * 3. What cannot be known counts as written: where the system notices nothing, each page of a
 *    window that may write.
 */
#ifndef MEMCG_VM_DIRTY_H
#define MEMCG_VM_DIRTY_H

#include "vm/window.h"

/* Page lock held, the page is in memory and a file's. */
__hidden_ void page_dirty(struct page *pg);
__hidden_ void page_clean(struct page *pg);
/* As far as has been seen, `written` included. */
__hidden_ bool page_is_dirty(struct page *pg);

/* A window of a file that may write. */
static inline bool window_dirties(const struct window *w)
{
	return w->object->kind == OBJECT_FILE && w->writable;
}

/*
 * [addr, addr + len) of w has just been zapped; the pages there are locked, not mapped by w. Or
 * that was refused, and they are: what was written so far is dirty, and the system notices the
 * rest.
 */
__hidden_ void dirty_after_zap(struct window *w, uintptr_t addr, size_t len);
/* The table's lock is held: pages [i, i + n) of its block will be cut from it. Zaps them. */
__hidden_ void dirty_before_cut(struct window *w, struct page *t, u32 i, u32 n);
/* The same, of pages that have just been zapped. */
__hidden_ void dirty_when_zapped(struct window *w, struct page *t, u32 i, u32 n);
/* After that, without locks: what was written counts. */
__hidden_ void dirty_after_cut(struct window *w, u32 i, u32 n);
/* Page i, locked, is present in w's table and touched all the same: before it is mapped again. */
__hidden_ void dirty_before_map(struct window *w, u32 i);

/*
 * Looks at every window of the object. waits: also at pages that somebody is at, so that what was
 * written before the call is dirty; no lock is held then.
 */
__hidden_ void dirty_look(struct object *o, bool waits);

#endif
