/* t_maps_model.c - charged maps against the model: random calls, many maps, threads. */
#include "maps_fixture.h"

/* ---- everything at once, against the model --------------------------------------------------- */

static u64 seed;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % n;
}

static unsigned count(unsigned p, unsigned n, unsigned what)
{
	unsigned found = 0;

	for (unsigned i = p; i < p + n; i++)
		found += page[i] == what;
	return found;
}

static void paint(unsigned p, unsigned n, unsigned what)
{
	while (n--)
		page[p++] = what;
}

static void random_map(unsigned g, unsigned p, unsigned n)
{
	static const int prots[] = {RW, RW, PROT_NONE, PROT_READ};
	int prot = prots[below(4)], lazy = below(8) ? 0 : MAP_NORESERVE;
	unsigned what = prot != RW ? IS_HELD : lazy ? IS_LAZY : IS_OWNED + g;

	assert_int_equal(map_at(p, n, prot, ANON | MAP_FIXED | lazy), 0);
	paint(p, n, what);
}

static void random_protect(unsigned g, unsigned p, unsigned n)
{
	int prot = below(2) ? RW : PROT_READ;

	assert_int_equal(protect(p, n, prot), 0);
	for (unsigned i = p; i < p + n; i++)
		if (prot == RW && page[i] == IS_HELD)
			page[i] = IS_OWNED + g;
		else if (prot != RW && page[i] == IS_LAZY)
			page[i] = IS_HELD;
}

/* From one half to the other, so that source and target do not overlap. */
static void random_move(unsigned p, unsigned n)
{
	unsigned half = PAGES / 2, m = 1 + below(12), from = p % (half - 12), to, last;

	to = half + below(half - 12);
	if (below(2)) {
		unsigned swap = from;

		from = to;
		to = swap;
	}
	n = MIN(n, 12u);
	last = page[from + n - 1];
	if (count(from, n, IS_UNMAPPED)) /* the kernel would not */
		return;
	assert_int_equal(move(from, n, to, m, MREMAP_MAYMOVE | MREMAP_FIXED), 0);
	memmove(&page[to], &page[from], MIN(n, m) * sizeof(page[0]));
	if (m > n)
		paint(to + n, m - n, last);
	paint(from, n, IS_UNMAPPED);
}

static void random_cancel(unsigned p, unsigned n)
{
	struct map_change c;

	switch (below(3)) {
	case 0:
		assert_int_equal(maps_charge(&c, at(p), n * PAGE_SIZE, RW, ANON | MAP_FIXED), 0);
		break;
	case 1:
		assert_int_equal(maps_protect(&c, at(p), n * PAGE_SIZE, RW), 0);
		break;
	default:
		assert_int_equal(maps_release(&c, at(p), n * PAGE_SIZE), 0);
	}
	maps_cancel(&c);
}

static void random_step(void)
{
	unsigned g = below(GROUPS), p = below(PAGES), n = 1 + below(MIN(24u, PAGES - p));

	use(g);
	switch (below(5)) {
	case 0:
		random_map(g, p, n);
		break;
	case 1:
		unmap(p, n);
		paint(p, n, IS_UNMAPPED);
		break;
	case 2:
		random_protect(g, p, n);
		break;
	case 3:
		random_move(p, n);
		break;
	default:
		random_cancel(p, n);
	}
}

static void test_random_against_model(void **state)
{
	(void)state;
	seed = 20240117;
	for (unsigned i = 0; i < 20000; i++) {
		random_step();
		if (i % 16 == 0)
			expect_model();
	}
	expect_model();
}

/* Distance grows with the logarithm: 10^5 maps take moments, not minutes. */
static void test_many_maps(void **state)
{
	(void)state;
	use(0);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(map((i * 7919u % 100000u) * 2, 1), 0);
	assert_int_equal(maps_nodes, 100000);
	expect_pages(100000, 0);
	unmap(0, 200000);
	assert_int_equal(maps_nodes, 0);
	expect_pages(0, 0);
}

/* ---- threads, each in pages of its own, for groups they share ------------------------------- */

#define THREADS 4u
#define ROUNDS	4000u

static u32 surprises;

static void thread_round(char *area, unsigned i)
{
	struct map_change c;
	size_t len = (1 + i % 7) * PAGE_SIZE;

	if (maps_charge(&c, area, len, i % 3 ? RW : PROT_NONE, ANON | MAP_FIXED))
		goto refused;
	maps_commit(&c, area);
	if (maps_protect(&c, area + PAGE_SIZE, len, RW))
		goto refused;
	if (i % 5)
		maps_commit(&c, NULL);
	else
		maps_cancel(&c);
	if (maps_release(&c, area + (i % 4) * PAGE_SIZE, 2 * PAGE_SIZE))
		goto refused;
	maps_commit(&c, NULL);
	return;
refused:
	atomic_add_relaxed(&surprises, 1u);
}

static void *thread_of_maps(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg;
	char *area = at(1000 * (n + 1));
	struct map_change c;

	for (unsigned i = 0; i < ROUNDS; i++) {
		use((i + n) % GROUPS);
		thread_round(area, i);
	}
	if (maps_release(&c, area, 100 * PAGE_SIZE))
		atomic_add_relaxed(&surprises, 1u);
	maps_commit(&c, NULL);
	memcg_leave(NULL);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	for (uintptr_t n = 0; n < THREADS; n++)
		assert_int_equal(pthread_create(&t[n], NULL, thread_of_maps, (void *)n), 0);
	for (unsigned n = 0; n < THREADS; n++)
		pthread_join(t[n], NULL);
	assert_int_equal(surprises, 0);
	assert_int_equal(maps_nodes, 0);
	expect_pages(0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_random_against_model),
		TEST(test_many_maps),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
