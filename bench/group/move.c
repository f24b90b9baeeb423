/*
 * move.c - moving an address space from group to group: bytes of range a second. The pages are in
 * memory and mapped, or compressed, or shared with a window of another address space.
 */
#include "cases.h"

#include <string.h>
#include <sys/mman.h>

#include <memcg/mm.h>

#include "base/types.h"

#define BYTES (1024 * MIB)
#define QUICK (16 * MIB)
#define MOVES 4u

static struct memcg_mm *mm, *second;
static struct memcg *a, *b;

static void *range(size_t bytes, unsigned flags)
{
	return bench_need(memcg_mmap(mm, bytes, PROT_READ | PROT_WRITE, flags, NULL, 0));
}

static void present(size_t bytes)
{
	(void)range(bytes, MEMCG_MAP_PREFAULT);
}

static void shared(size_t bytes)
{
	void *p = range(bytes, MEMCG_MAP_SHARED | MEMCG_MAP_PREFAULT);

	(void)bench_need(memcg_mmap_same(second, p, bytes, PROT_READ, MEMCG_MAP_PREFAULT));
}

/* A page of each is not one word all over. */
static void compressed(size_t bytes)
{
	char *p = range(bytes, MEMCG_MAP_PREFAULT);

	for (size_t i = 0; i < bytes; i += PAGE_SIZE)
		memset(p + i, (int)(i / PAGE_SIZE), PAGE_SIZE / 2);
	if (memcg_madvise(mm, p, bytes, MEMCG_PAGEOUT))
		bench_die("memcg_madvise");
}

static double seconds_to(struct memcg *to, size_t bytes)
{
	struct memcg_move r;

	if (memcg_mm_move(mm, to, MEMCG_MOVE_ANON | MEMCG_MOVE_FILE, &r, sizeof(r)) ||
	    r.moved != bytes)
		bench_die("memcg_mm_move");
	return (double)r.nsec / 1e9;
}

void measure_move(const struct bench_time *t, const char *arg)
{
	size_t bytes = quick(t) ? QUICK : BYTES;
	double took[MOVES];

	a = group_make(group_make(NULL, "a", 0), "b", 0);
	b = group_make(group_make(NULL, "c", 0), "d", 0);
	mm = bench_need(memcg_mm_create(a));
	second = bench_need(memcg_mm_create(b));
	if (!strcmp(arg, "present"))
		present(bytes);
	else if (!strcmp(arg, "shared"))
		shared(bytes);
	else if (!strcmp(arg, "compressed"))
		compressed(bytes);
	else
		bench_die("no such case");
	for (unsigned i = 0; i < MOVES; i++)
		took[i] = seconds_to(i % 2 ? a : b, bytes);
	bench_print("mib_s", (double)bytes / (double)MIB / median(took, MOVES));
}
