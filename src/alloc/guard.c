/* guard.c - making, lifting and checking guards. Theory in guard.h. */
#include "alloc/guard.h"

#include "base/assert.h"
#include "base/bits.h"
#include "sync/atomic.h"
#include "sys/log.h"
#include "sys/map.h"

#define PATTERN 0x5afe57ac6a4dull

bool guards_by_pages;
u32 guards_budget;
u32 guards_protected;
u64 guards_filled;

/* --- the pattern ----------------------------------------------------------------- */

/* Multiplied, so that no part of a word is zero, or the same in the next. */
static u64 pattern_at(const u64 *at)
{
	return ((u64)(uintptr_t)at ^ PATTERN) * 0x9e3779b97f4a7c15ull | 1;
}

void guard_fill(void *at, size_t n)
{
	for (u64 *w = at; n; w++, n -= sizeof(*w))
		*w = pattern_at(w);
}

/* From the top: what runs over the end of a stack comes from there. */
bool guard_intact(const void *at, size_t n)
{
	const u64 *w = (const u64 *)((const char *)at + n);

	while (w-- > (const u64 *)at)
		if (*w != pattern_at(w))
			return false;
	return true;
}

/* --- protection, within its budget -------------------------------------------------- */

/* A guard cuts one mapping into three. Any thread may find the number out; it is the same. */
static u32 budget(void)
{
	u32 n = atomic_load(&guards_budget);

	if (unlikely(!n)) {
		n = MAX(sys_maps_max() / 4 / 2, 1u);
		atomic_store(&guards_budget, n);
	}
	return n;
}

static bool protect(void *page)
{
	if (atomic_add(&guards_protected, 1u) <= budget() &&
	    !sys_guard_protect(page, PAGE_SIZE, true))
		return true;
	atomic_sub(&guards_protected, 1u);
	return false;
}

/* --- any of them ------------------------------------------------------------------------ */

static __cold_ void fill(void *page)
{
	guard_fill(page, PAGE_SIZE);
	if (atomic_add(&guards_filled, 1ul) == 1)
		log_line("stack guards: no more to be had (%u by protection, for which there is a "
			 "quarter of vm.max_map_count): an overflow of stacks made now is found "
			 "when they are freed",
			 atomic_load(&guards_protected));
}

enum guard_kind guard_make(void *page)
{
	if (likely(!guards_by_pages && !sys_guard_mark(page, PAGE_SIZE, true)))
		return GUARD_MARKED;
	if (protect(page))
		return GUARD_PROTECTED;
	fill(page);
	return GUARD_FILLED;
}

bool guard_lift(void *page, enum guard_kind how)
{
	if (how == GUARD_MARKED)
		return !sys_guard_mark(page, PAGE_SIZE, false);
	if (how != GUARD_PROTECTED)
		return true;
	if (sys_guard_protect(page, PAGE_SIZE, false))
		return false;
	atomic_sub(&guards_protected, 1u);
	return true;
}
