/*
 * managed.c - managed memory beside the bare mechanism it is made of (bare.h), measured in turn in
 * one process. Figures are for a page.
 */
#include "managed.h"

#include <string.h>
#include <sys/mman.h>

#include "vm/fault.h"
#include "vm/reclaim.h"

#define PAGES 4096u
#define BYTES ((size_t)PAGES * PAGE_SIZE)

static struct memcg_mm *mm;
static char *range;

static void up(void)
{
	mm = managed_mm();
	range = bench_need(memcg_mmap(mm, BYTES, PROT_READ | PROT_WRITE, 0, NULL, 0));
	bare_up(BYTES);
}

static void touch(volatile char *p, size_t step)
{
	for (size_t i = 0; i < BYTES; i += step)
		p[i] = 1;
}

static void read_all(const volatile char *p, size_t step)
{
	for (size_t i = 0; i < BYTES; i += step)
		(void)p[i];
}

static void unmap_ours(void)
{
	struct window *w = window_find((uintptr_t)range);

	pages_unmap(w, 0, PAGES);
	window_put(w);
}

static void unmap_bare(void)
{
	bare_unmap(0, PAGES);
}

/* --- faults ------------------------------------------------------------------------------ */

static void read_ours(void)
{
	read_all(range, PAGE_SIZE);
}

static void read_bare(void)
{
	read_all(bare.window, PAGE_SIZE);
}

static void read_ours_sparse(void)
{
	read_all(range, AROUND * PAGE_SIZE);
}

static void read_bare_sparse(void)
{
	read_all(bare.window, AROUND * PAGE_SIZE);
}

/* One page of sixteen is in memory, so none comes with another. */
static void minor(void)
{
	touch(range, AROUND * PAGE_SIZE);
	for (size_t i = 0; i < PAGES; i += AROUND)
		bare_bring(i, 1);
	managed_in_turn(&(struct side){unmap_ours, read_ours_sparse},
			&(struct side){unmap_bare, read_bare_sparse}, PAGES / AROUND);
}

static void around(void)
{
	touch(range, PAGE_SIZE);
	bare_bring(0, PAGES);
	bare.around = AROUND * PAGE_SIZE;
	managed_in_turn(&(struct side){unmap_ours, read_ours},
			&(struct side){unmap_bare, read_bare}, PAGES);
}

static void prefault_ours(void)
{
	if (memcg_madvise(mm, range, BYTES, MEMCG_WILLNEED))
		bench_die("memcg_madvise");
}

static void prefault_bare(void)
{
	bare_map(0, PAGES);
}

static void prefault(void)
{
	touch(range, PAGE_SIZE);
	bare_bring(0, PAGES);
	managed_in_turn(&(struct side){unmap_ours, prefault_ours},
			&(struct side){unmap_bare, prefault_bare}, PAGES);
}

/* --- out and in ---------------------------------------------------------------------------- */

static void evict_ours(void)
{
	if (memcg_madvise(mm, range, BYTES, MEMCG_PAGEOUT))
		bench_die("memcg_madvise");
}

/* Through the alias, as what comes back does. */
static void bring_bare(void)
{
	text_fill(bare.alias, BYTES);
	bare.unpack = false;
	bare_map(0, PAGES);
}

static void evict_bare(void)
{
	bare_all_out();
	bare.unpack = true;
}

static void evict(void)
{
	text_fill(range, BYTES);
	managed_in_turn(&(struct side){read_ours, evict_ours},
			&(struct side){bring_bare, evict_bare}, PAGES);
}

static void refault(void)
{
	text_fill(range, BYTES);
	text_fill(bare.alias, BYTES);
	managed_in_turn(&(struct side){evict_ours, read_ours},
			&(struct side){evict_bare, read_bare}, PAGES);
}

/* --- the cases ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
} pages[] = {
	{"minor", minor},     {"around", around}, {"prefault", prefault},
	{"refault", refault}, {"evict", evict},
};

static const struct {
	const char *name; /* up to the next '/' */
	void (*run)(const struct bench_time *t, const char *arg);
} others[] = {
	{"working-set", managed_working_set},
	{"map", managed_map},
	{"reclaim", managed_reclaim},
	{"memory", managed_memory},
};

static bool measure_mechanism(const char *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (!strcmp(pages[i].name, arg)) {
			up();
			pages[i].run();
			return true;
		}
	return false;
}

void measure_managed(const struct bench_time *t, const char *arg)
{
	size_t length = strcspn(arg, "/");

	if (measure_mechanism(arg))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strlen(others[i].name) == length && !memcmp(others[i].name, arg, length)) {
			others[i].run(t, arg + length + (arg[length] == '/'));
			return;
		}
	bench_die("no such case");
}
