/*
 * footprint.c - what the library itself keeps for managed memory, of what it manages: descriptors
 * and tables for pages that are in memory; and the map of the swap file when all of them are out.
 * What is resident of the process is counted, whatever the library says: the pages themselves are a
 * file's, and so are those in the swap file.
 */
#include "managed.h"

#include <string.h>
#include <sys/mman.h>

#define BYTES (512 * MIB)
#define QUICK (32 * MIB)

/* No page like another, and none that compresses. */
static void noise_fill(char *p, size_t bytes)
{
	u64 seed = CHILD_SEED;

	for (size_t i = 0; i < bytes; i += sizeof(u32))
		*(u32 *)(p + i) = bench_random(&seed);
}

void managed_memory(const struct bench_time *t, const char *arg)
{
	size_t bytes = quick(t) ? QUICK : BYTES;
	struct memcg_mm *mm = managed_mm();
	struct memcg *cg = bench_need(memcg_lookup("/a0/b0"));
	double rss = (double)bench_rss(), percent = 100 / (double)bytes;
	struct memcg_stat s;
	char *p;

	(void)arg;
	p = bench_need(memcg_mmap(mm, bytes, PROT_READ | PROT_WRITE, MEMCG_MAP_PREFAULT, NULL, 0));
	noise_fill(p, bytes);
	bench_print("in", percent * ((double)bench_rss() - rss));
	if (memcg_madvise(mm, p, bytes, MEMCG_PAGEOUT) || memcg_stat(cg, &s, sizeof(s)))
		bench_die("pages to the swap file");
	if (s.anon)
		bench_die("all pages are to go");
	bench_print("out", percent * ((double)bench_rss() - rss));
}
