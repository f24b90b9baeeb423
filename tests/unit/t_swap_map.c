/* t_swap_map.c - slots of the swap file: each is given out once, in rows while there are some. */
#include "swapfile_fixture.h"

static void clusters_first(void)
{
	u32 a[32], b[8], c[8], d[32];

	use(NULL, 4 * MIB);
	CHECK(swap_alloc(a, 32) == 32 && in_a_row(a, 32) && !(a[0] % SWAP_CLUSTER));
	CHECK(swap_alloc(b, 8) == 8 && in_a_row(b, 8) && !(b[0] % SWAP_CLUSTER));
	CHECK(swap_alloc(c, 8) == 8 && in_a_row(c, 8) && c[0] == b[7] + 1); /* goes on there */
	CHECK(swap_alloc(d, 32) == 32 && in_a_row(d, 32) && !(d[0] % SWAP_CLUSTER));
	CHECK(swap_alloc(d, 40) == SWAP_CLUSTER); /* no more in one call */
}

/* Every slot but the header, once; none past the size, in whatever pieces. */
static void every_slot_once(void)
{
	static const u64 sizes[] = {2, 3, 32, 33, 64, 100, 4095, 4096, 4097, 8200};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned n = 1; n <= 32; n = n * 5 + 2) {
			pid_t pid = fork();
			int status;

			if (!pid) {
				use(NULL, sizes[i] * PAGE_SIZE + 17);
				CHECK(swap_slots() == sizes[i] - 1);
				CHECK(swap_slots_free() == sizes[i] - 1);
				CHECK(take_all(n) == sizes[i] - 1 && !swap_slots_free());
				for (u32 k = 0; k < sizes[i] - 1; k++)
					swap_free(slots[k]);
				CHECK(swap_slots_free() == sizes[i] - 1);
				CHECK(take_all(n) == sizes[i] - 1 && said_nothing());
				_exit(0);
			}
			CHECK(waitpid(pid, &status, 0) == pid && !status);
		}
}

/* No cluster is free: scattered ones, rather than none; and clusters again when there are some. */
static void scattered_when_there_is_no_cluster(void)
{
	u32 to[32], n;

	use(NULL, 2 * MIB);
	n = take_all(32);
	CHECK(n == 511);
	for (u32 i = 0; i < n; i += 3)
		swap_free(slots[i]);
	CHECK(swap_slots_free() == (n + 2) / 3);
	CHECK(swap_alloc(to, 32) == 32 && !in_a_row(to, 32));
	for (u32 i = 0; i < 32; i++) {
		CHECK(swap_map_used(to[i]));
		swap_free(to[i]);
	}
	for (u32 i = 0; i < n; i++)
		if (i % 3 && slots[i] / 32 == 5)
			swap_free(slots[i]);
	CHECK(swap_alloc(to, 32) == 32 && in_a_row(to, 32) && to[0] == 160);
}

static void the_file_is_lengthened_before_slots_scatter(void)
{
	u32 to[32];

	use(NULL, 64 * MIB);
	for (u32 i = 0; i < 127; i++)
		CHECK(swap_alloc(slots + i * 32, 32) == 32 && slots[i * 32] < 4096);
	for (u32 i = 0; i < 127 * 32; i += 2)
		swap_free(slots[i]);
	CHECK(swap_alloc(to, 32) == 32 && in_a_row(to, 32) && to[0] == 4096);
}

static void given_back_twice(void)
{
	u32 slot;

	use(NULL, MIB);
	CHECK(swap_alloc(&slot, 1) == 1);
	EXPECT_BUG(swap_free(slot + 1), "not in use");
	EXPECT_BUG(swap_free(0), "not in use");
	EXPECT_BUG(swap_free(256), "not in use"); /* past the end */
	swap_free(slot);
	EXPECT_BUG(swap_free(slot), "not in use");
	EXPECT_BUG((void)get(slot, 0), "impossible");
}

static void no_swap_file_is_wanted(void)
{
	static const u64 sizes[] = {0, 1, 4096, 8191};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (!fork()) {
			u32 slot;

			use(NULL, sizes[i]);
			CHECK(!swap_slots() && !swap_slots_free());
			CHECK(swap_alloc(&slot, 1) == -ENOSPC && said_nothing());
			CHECK(unnamed_descriptor() < 0);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		int status;

		CHECK(wait(&status) > 0 && !status);
	}
}

static void as_large_as_there_is(void)
{
	u32 to[32];

	use(NULL, UINT64_MAX);
	CHECK(swap_slots() == 0x7ffffffe && swap_slots_free() == 0x7ffffffe);
	put(3, 32, to);
	CHECK(!get(to[31], 34) && swap_slots_free() == 0x7ffffffe - 32 && said_nothing());
}

/* A bit and a checksum for a slot, made as the file grows. */
static void metadata_is_small(void)
{
	u64 before, first;
	u32 n;

	use(NULL, 64 * MIB);
	before = meta_bytes;
	CHECK(swap_alloc(slots, 1) == 1);
	first = meta_bytes - before;
	CHECK(first <= 4 * 64 * KIB); /* a block of each size that is needed */
	n = take_all(32);
	CHECK(n == 16382 && meta_bytes - before - first <= 5 * n);
}

/* No memory of our own for the map: no swap file, or as much of it as there was memory for. */
static void no_memory_for_the_map(void)
{
	static const size_t sizes[] = {sizeof(void *), 576, 16 * KIB, PAGE_SIZE};
	u32 slot;

	use(NULL, MIB);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		while (meta_alloc(sizes[i]))
			;
	CHECK(swap_alloc(&slot, 1) == -ENOSPC);
	sys_fault_disarm_all();
	CHECK(lines(said()) == 1 && unnamed_descriptor() < 0);
}

static void no_memory_for_a_chunk(void)
{
	void *keep = NULL, *p;
	u32 slot;

	use(NULL, 64 * MIB);
	CHECK(swap_alloc(&slot, 1) == 1);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 0, 1, 0, 0);
	while ((p = meta_alloc(16 * KIB)))
		keep = p;
	CHECK(keep && take_all(32) == 4094 && swap_slots() == 16383);
	meta_free(keep, 16 * KIB);
	CHECK(swap_alloc(&slot, 1) == 1);
	sys_fault_disarm_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SWAP_TEST(clusters_first),
		SWAP_TEST(every_slot_once),
		SWAP_TEST(scattered_when_there_is_no_cluster),
		SWAP_TEST(the_file_is_lengthened_before_slots_scatter),
		SWAP_TEST(given_back_twice),
		SWAP_TEST(no_swap_file_is_wanted),
		SWAP_TEST(as_large_as_there_is),
		SWAP_TEST(metadata_is_small),
		SWAP_TEST(no_memory_for_the_map),
		SWAP_TEST(no_memory_for_a_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
