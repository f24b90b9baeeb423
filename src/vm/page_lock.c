/*
 * page_lock.c - waiting for a page. As in sync/lock.c: who has slept takes the lock as one with
 * waiters, because it cannot know whether others sleep too.
 */
#include "vm/page_lock.h"

#include "sys/futex.h"

#define SPINS 200 /* a fault by itself takes a few microseconds */

void page_lock_slow(struct page *pg)
{
	u32 *word = &pg->managed.lock, now;

	ASSERT(!lock_holds_any());
	task_paging_begin();
	for (int i = 0; i < SPINS; i++) {
		u32 free = 0;

		if (!atomic_load(word) && atomic_cas(word, &free, (u32)PAGE_BUSY))
			return;
		cpu_relax();
	}
	for (now = atomic_load(word);;) {
		if (!now) {
			if (atomic_cas(word, &now, PAGE_BUSY | PAGE_LOCK_WAITERS))
				return;
		} else if (now & PAGE_LOCK_WAITERS ||
			   atomic_cas(word, &now, now | PAGE_LOCK_WAITERS)) {
			sys_futex_wait(word, now | PAGE_LOCK_WAITERS, 0);
			now = atomic_load(word);
		}
	}
}

void page_unlock_slow(struct page *pg)
{
	sys_futex_wake(&pg->managed.lock, 1);
}
