/*
 * page_lock.h - the lock of one managed page: 0, or what is done to the page.
 *
 * 1. BUSY: its content is being brought in, it is being mapped, moved, truncated. EVICTING: its
 *    content is on the way out. Nothing else stands for either: who finds it taken waits, or,
 *    holding other pages' locks, leaves the page alone.
 * 2. It guards where the content is (where, entry), flags, object and index, and the memory itself
 *    against being taken away. What is mapped can become unmapped without it (by munmap), what is
 *    unmapped cannot become mapped.
 * 3. A thread waits for one only while it holds no other page lock and no lock of rank.h. Several
 *    are taken by trying. So eviction, which holds many, never waits for a fault.
 *    One exception: who brings a page in has its lock while he is charged for it, may reclaim for
 *    that, and reclaim ends windows that evictors left behind (windows_reap). With the last window
 *    and file an object ends, and its pages are waited for. Nobody has that object, so who has one
 *    of them locked found it on a list, evicts it or writes its copy, and waits for no page.
 * 4. A thread that holds one, or the lock of a table, says so in its task (paging): a signal
 * handler that then touches memory which has to be brought in gets the program's SIGBUS. It would
 * wait for its own thread, with every signal held back.
 */
#ifndef MEMCG_VM_PAGE_LOCK_H
#define MEMCG_VM_PAGE_LOCK_H

#include "group/task.h"
#include "page/page.h"

enum page_lock { PAGE_BUSY = 1u, PAGE_EVICTING = 2u };

__hidden_ void page_lock_slow(struct page *pg);
__hidden_ void page_unlock_slow(struct page *pg);

static inline bool page_trylock(struct page *pg, enum page_lock state)
{
	u32 free = 0;

	task_paging_begin(); /* before: a signal may come in between */
	if (likely(atomic_cas(&pg->managed.lock, &free, (u32)state)))
		return true;
	task_paging_end();
	return false;
}

static inline void page_lock(struct page *pg)
{
	if (unlikely(!page_trylock(pg, PAGE_BUSY)))
		page_lock_slow(pg);
}

#define PAGE_LOCK_WAITERS 4u

static inline void page_unlock(struct page *pg)
{
	if (unlikely(atomic_xchg(&pg->managed.lock, 0u) & PAGE_LOCK_WAITERS))
		page_unlock_slow(pg);
	task_paging_end();
}

static inline bool page_locked(const struct page *pg)
{
	return atomic_load(&pg->managed.lock) != 0;
}

#endif
