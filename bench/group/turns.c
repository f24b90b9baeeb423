/* turns.c - two ways of doing the same, in turn in one process. */
#include "managed.h"

#define ROUNDS 16u

struct memcg_mm *managed_mm(void)
{
	return bench_need(memcg_mm_create(group_make(group_make(NULL, "a", 0), "b", 0)));
}

double managed_once(const struct side *s, unsigned pages)
{
	uint64_t start;

	s->before();
	start = bench_now();
	s->run();
	return (double)(bench_now() - start) / pages;
}

void managed_in_turn(const struct side *a, const struct side *b, unsigned pages)
{
	double took[2][ROUNDS];

	for (unsigned r = 0; r < ROUNDS; r++) {
		took[0][r] = managed_once(a, pages);
		took[1][r] = managed_once(b, pages);
	}
	bench_print("ns", median(took[0], ROUNDS));
	bench_print("bare", median(took[1], ROUNDS));
}
