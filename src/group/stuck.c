/* stuck.c - telling that nothing can go, and that something may. Theory in stuck.h. */
#include "group/stuck.h"

#include "group/vm.h"
#include "sys/clock.h"

#define NEW_PART 256u /* one page in so many is new: worth another trial */
#define NEW_MOST 64u  /* a quarter of the largest reserve, in pages */

u32 stuck_epoch;

u32 stuck_begin(void)
{
	u32 e = atomic_load(&stuck_epoch);

	while (!(e & 1))
		if (atomic_cas(&stuck_epoch, &e, e + 1))
			return e + 1;
	return e;
}

void stuck_over_slow(void)
{
	u32 e = atomic_load(&stuck_epoch);

	if (e & 1)
		(void)atomic_cas(&stuck_epoch, &e, e + 1); /* lost: somebody else has said it */
}

static u32 anon_pages(const struct lruvec *lv)
{
	return atomic_load(&lv->pages[LRU_INACTIVE_ANON]) +
	       atomic_load(&lv->pages[LRU_ACTIVE_ANON]);
}

void stuck_found(struct memcg *cg, u32 epoch)
{
	struct group_vm *vm = cg->vm;
	u32 n = anon_pages(&vm->lru), more = MIN(MAX(n / NEW_PART, 1u), NEW_MOST);

	atomic_store(&vm->stuck.pages, n + more);
	atomic_store(&vm->stuck.until, sys_clock_coarse_ns() + STUCK_MOST);
	atomic_store(&vm->stuck.epoch, epoch);
}

bool group_is_stuck(const struct memcg *cg)
{
	const struct group_vm *vm = cg->vm;
	u32 e = atomic_load(&vm->stuck.epoch);

	return e && e == atomic_load(&stuck_epoch) &&
	       anon_pages(&vm->lru) < atomic_load(&vm->stuck.pages) &&
	       sys_clock_coarse_ns() < atomic_load(&vm->stuck.until);
}
