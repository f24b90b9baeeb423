/*
 * mapping.c - mapping pages that are in memory, and unmapping them again: by the library, and by
 * the same steps without an owner: locks, the system's part, the entry, the count of mappings. What
 * lies between the two is whose page it is, and that group's statistics. Shared anonymous
 * memory, because mappings of private pages are not counted by the group.
 */
#include "managed.h"

#include <string.h>
#include <sys/mman.h>

#include "vm/fault.h"
#include "vm/mech.h"
#include "vm/reclaim.h"
#include "vm/rmap.h"

#define PAGES 4096u
#define BYTES ((size_t)PAGES * PAGE_SIZE)
#define RUN   128u /* as the library maps ranges */
#define TURNS 32u

static struct memcg_mm *mm;
static struct window *window;

static void up(void)
{
	char *p;

	mm = managed_mm();
	p = bench_need(memcg_mmap(mm, BYTES, PROT_READ | PROT_WRITE,
				  MEMCG_MAP_SHARED | MEMCG_MAP_PREFAULT, NULL, 0));
	window = bench_need(window_find((uintptr_t)p));
	pages_unmap(window, 0, PAGES);
}

/* --- with accounts --------------------------------------------------------------------------- */

static void counted(void)
{
	if (memcg_madvise(mm, (void *)window->start, BYTES, MEMCG_WILLNEED))
		bench_die("memcg_madvise");
	pages_unmap(window, 0, PAGES);
}

/* --- without --------------------------------------------------------------------------------- */

static struct page *table_at(u32 i)
{
	return block_at(window_address(window, i))->table;
}

static void map_run(u32 i)
{
	struct page *t = table_at(i);

	for (u32 k = i; k < i + RUN; k++)
		page_lock(window_page(window, k));
	table_lock(t);
	if (mech_map(window, window_address(window, i), RUN, false))
		bench_die("a mapping");
	for (u32 k = i; k < i + RUN; k++) {
		struct page *pg = window_page(window, k);

		table_set(t, k % BLOCK_PAGES, pte_make(PTE_PRESENT, page_to_index(pg)));
		(void)atomic_add(&pg->maps, 1ul);
	}
	table_unlock(t);
	for (u32 k = i; k < i + RUN; k++)
		page_unlock(window_page(window, k));
}

static void unmap_block(u32 i)
{
	struct span span = {(void *)window_address(window, i), BLOCK_SIZE};
	struct page *t = table_at(i);

	table_lock(t);
	mech_zap(&span, 1);
	for (u32 k = i; k < i + BLOCK_PAGES; k++) {
		table_set(t, k % BLOCK_PAGES, PTE_NONE);
		(void)atomic_sub(&window_page(window, k)->maps, 1ul);
	}
	table_unlock(t);
}

static void uncounted(void)
{
	for (u32 i = 0; i < PAGES; i += RUN)
		map_run(i);
	for (u32 i = 0; i < PAGES; i += BLOCK_PAGES)
		unmap_block(i);
}

/* --- in turn, or one of them to have its instructions counted --------------------------------- */

static double once(void (*run)(void))
{
	uint64_t start = bench_now();

	run();
	return (double)(bench_now() - start) / PAGES;
}

static void in_turn(void)
{
	double took[2][TURNS];

	for (unsigned i = 0; i < TURNS; i++) {
		took[0][i] = once(counted);
		took[1][i] = once(uncounted);
	}
	bench_print("ns", median(took[0], TURNS));
	bench_print("uncounted", median(took[1], TURNS));
}

void managed_map(const struct bench_time *t, const char *arg)
{
	up();
	if (!*arg)
		in_turn();
	for (uint64_t done = 0; done < t->ops; done += PAGES)
		(strcmp(arg, "uncounted") ? counted : uncounted)();
}
