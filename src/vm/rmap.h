/*
 * rmap.h - mapping and unmapping pages: the entry, the count of mappings, the statistic of the
 * owner; and from a page to everywhere it is mapped.
 *
 * 1. rmap_add wants the page lock and the table lock, rmap_remove the table lock alone: so unmapped
 *    stays unmapped under the page lock, and mapped here stays mapped under the table lock.
 * 2. Neither takes a lock of a group. A mover changes the owner of a page that is mapped in the
 *    table whose lock it holds, or of one that is mapped nowhere and locked. So nobody makes the
 *    count 0 while a mapped page is moved, nor leaves 0. But who has just made it 0 has a statistic
 *    to correct, of the owner that the page had then, and a mover that finds it unmapped does not
 *    wait. Hence count and number of moves are one word: rmap_remove reads it, then the owner, and
 *    takes a mapping off by compare-and-swap, all in one RCU section, so that the owner it read is
 *    the one of that moment. (models/move.pml, READ_LATE; the discussion left that open.)
 *    The statistic of a run of pages is corrected at once: it is dearer than all the rest. The
 *    section ends after that, so the owners are there still.
 * 3. The first mapping of an anonymous page sets its (object, index), on every path.
 */
#ifndef MEMCG_VM_RMAP_H
#define MEMCG_VM_RMAP_H

#include "base/hook.h"
#include "sys/memfd.h"
#include "vm/table.h"

/* What is owed to the statistics of one owner while a run of pages is mapped or unmapped. */
struct mapped_run {
	struct rcu_reader *self;
	u32 owner; /* handle */
	s64 bytes;
};

/* The table lock is held from before the begin until after the end. */
__hidden_ void mapped_run_begin(struct mapped_run *run);
__hidden_ void mapped_run_end(struct mapped_run *run);
__hidden_ void rmap_add(struct page *pg, struct object *o, u32 index, struct mapped_run *run);
__hidden_ void rmap_remove(struct page *pg, struct mapped_run *run);
/* The same for a page of the network, which is nobody's by object and index, and counts as `sock`
 * mapped or not. */
static inline void rmap_add_net(struct page *pg)
{
	ASSERT(page_locked(pg) && pg->kind == PAGE_NET);
	(void)atomic_add(&pg->maps, 1ul);
}

/*
 * The owner of the page has been changed, by who has its lock, and, when it is mapped, the lock of
 * a table it is mapped in. Who reads the new number reads the new owner.
 */
static inline void page_moved(struct page *pg)
{
	(void)atomic_add(&pg->maps, 1ul << 32);
}

static inline bool page_mapped(const struct page *pg)
{
	return atomic_load(&pg->mapcount) != 0;
}

/* A batch of addresses to be zapped, with what keeps them the windows' meanwhile. */
struct zap {
	unsigned n;
	struct span span[64]; /* runs; not more, because a fault may run on a small signal stack */
	struct window *window[64];
};

static inline bool zap_full(const struct zap *z)
{
	return z->n >= ARRAY_SIZE(z->span);
}

/*
 * Takes a page, whose lock is held, out of every table it is in; the addresses are in z and have to
 * be zapped. False: z is full, zap it and call again.
 */
__hidden_ bool rmap_unmap(struct page *pg, struct zap *z);
/*
 * When it returns, nobody reaches the pages through the addresses gathered, but for those that the
 * system does not let go of: they are mapped again, page_mapped says so. z is empty. Those that
 * were written to are dirty. The caller calls windows_reap when the pages are unlocked.
 */
__hidden_ void zap_flush(struct zap *z);
HOOK_DECLARE(zap_pending); /* entries are cleared, the system maps the pages still */
HOOK_DECLARE(unmapped_in); /* the entry of one window is cleared; the object's lock is held */
HOOK_DECLARE(owner_read);  /* rmap_remove: count and owner are read; an RCU section */

#endif
