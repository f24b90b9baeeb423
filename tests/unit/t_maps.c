/* t_maps.c - charged maps, one rule each; the model is in maps_fixture.h. */
#include "maps_fixture.h"
#include "group/record.h"

/* ---- one rule each ---------------------------------------------------------------------- */

static void test_what_is_charged(void **state)
{
	(void)state;
	use(0);
	assert_int_equal(map(0, 4), 0);
	expect_pages(4, 0);
	assert_int_equal(map_at(8, 4, PROT_NONE, ANON), 0);
	assert_int_equal(map_at(16, 4, RW, ANON | MAP_NORESERVE), 0);
	expect_pages(4, 8);
	assert_int_equal(map_at(24, 4, RW, MAP_PRIVATE), 0);
	assert_int_equal(map_at(32, 4, RW, MAP_SHARED | MAP_ANONYMOUS), 0);
	expect_pages(4, 8);
}

static void test_length_is_rounded_up(void **state)
{
	struct map_change c;

	(void)state;
	use(0);
	assert_int_equal(maps_charge(&c, NULL, PAGE_SIZE + 1, RW, ANON), 0);
	maps_commit(&c, at(0));
	expect_pages(2, 0);
	assert_int_equal(maps_release(&c, at(0), 1), 0);
	maps_commit(&c, NULL);
	expect_pages(1, 0);
}

static void test_parts_are_uncharged(void **state)
{
	(void)state;
	use(0);
	assert_int_equal(map(0, 10), 0);
	unmap(4, 2);
	expect_pages(8, 0);
	assert_int_equal(maps_nodes, 2);
	unmap(3, 4); /* across the hole */
	expect_pages(6, 0);
	unmap(100, 5); /* nothing there */
	expect_pages(6, 0);
	unmap(0, 10);
	expect_pages(0, 0);
}

static void test_neighbours_become_one(void **state)
{
	(void)state;
	use(0);
	for (unsigned p = 0; p < 20; p += 2)
		assert_int_equal(map(p, 1), 0);
	assert_int_equal(maps_nodes, 10);
	for (unsigned p = 1; p < 20; p += 2)
		assert_int_equal(map(p, 1), 0);
	assert_int_equal(maps_nodes, 1);
	use(1);
	assert_int_equal(map(20, 1), 0); /* another payer: stays by itself */
	assert_int_equal(maps_nodes, 2);
	unmap(20, 1);
}

static void test_refused_at_max(void **state)
{
	(void)state;
	use(0);
	memcg_set_limit(group[0], MEMCG_MAX, 8 * PAGE_SIZE);
	assert_int_equal(map(0, 6), 0);
	errno = 77;
	assert_int_equal(map(10, 3), -ENOMEM);
	assert_int_equal(errno, 77);
	expect_pages(6, 0);
	assert_int_equal(map(10, 2), 0);
	expect_pages(8, 0);
}

static unsigned asked;

static unsigned give_the_first(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)wanted;
	(void)arg;
	assert_ptr_equal(limited, group[0]);
	assert_int_equal(memcg__self->busy, 0); /* the program's code may allocate */
	if (!asked++)
		unmap(0, 2);
	return asked == 1 ? MEMCG_OOM_RETRY : MEMCG_OOM_FAIL;
}

/* In a hook, which marks its thread: all that is done before a refusal is done, and it counts. */
static void test_refused_in_a_hook(void **state)
{
	struct memcg_oom_config c = MEMCG_OOM_CONFIG_INIT;
	u64 refusals = atomic_load(&group_record(group[0])->events[EV_REFUSED]);

	(void)state;
	use(0);
	c.oom = give_the_first;
	c.flags = MEMCG_OOM_INLINE;
	asked = 0;
	assert_int_equal(memcg_set_oom_handler(group[0], &c), 0);
	memcg_set_limit(group[0], MEMCG_MAX, 8 * PAGE_SIZE);
	assert_int_equal(map(0, 8), 0);
	memcg__self->busy++;
	assert_int_equal(map(10, 2), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(atomic_load(&group_record(group[0])->events[EV_REFUSED]), refusals);
	assert_int_equal(map(20, 2), -ENOMEM);
	assert_int_equal(memcg__self->busy, 1);
	memcg__self->busy--;
	assert_int_equal(asked, 2);
	assert_int_equal(atomic_load(&group_record(group[0])->events[EV_REFUSED]), refusals + 1);
	expect_pages(8, 0);
}

/* At max a map may still be replaced by another: only the difference is new. */
static void test_fixed_replaces(void **state)
{
	const u64 others[GROUPS] = {6 * PAGE_SIZE, 2 * PAGE_SIZE};

	(void)state;
	use(0);
	memcg_set_limit(group[0], MEMCG_MAX, 8 * PAGE_SIZE);
	assert_int_equal(map(0, 8), 0);
	assert_int_equal(map_at(2, 4, RW, ANON | MAP_FIXED), 0);
	expect_pages(8, 0);
	assert_int_equal(map_at(6, 4, RW, ANON | MAP_FIXED), -ENOMEM);
	expect_pages(8, 0);
	use(1);
	assert_int_equal(map_at(2, 2, RW, ANON | MAP_FIXED), 0);
	expect(others, 0);
	assert_int_equal(map_at(2, 2, RW, MAP_SHARED | MAP_FIXED), 0);
	expect_pages(6, 0);
	assert_int_equal(map_at(0, 2, PROT_NONE, ANON | MAP_FIXED), 0);
	expect_pages(4, 2);
	/* Refused by the kernel where something stands: nothing may be taken off. */
	assert_int_equal(map_at(20, 1, RW, ANON | MAP_FIXED | MAP_FIXED_NOREPLACE), 0);
	unmap(20, 1);
}

static void test_protection_charges_once(void **state)
{
	(void)state;
	use(0);
	memcg_set_limit(group[0], MEMCG_MAX, 8 * PAGE_SIZE);
	assert_int_equal(map_at(0, 20, PROT_NONE, ANON), 0);
	assert_int_equal(protect(4, 4, RW), 0);
	expect_pages(4, 16);
	assert_int_equal(protect(0, 10, RW), -ENOMEM); /* six more */
	expect_pages(4, 16);
	assert_int_equal(protect(2, 8, RW), 0); /* four more: the others are charged already */
	expect_pages(8, 12);
	assert_int_equal(protect(0, 20, PROT_NONE), 0);
	expect_pages(8, 12);
	assert_int_equal(protect(4, 4, RW), 0);
	expect_pages(8, 12);
	unmap(0, 20);
	expect_pages(0, 0);
}

static void test_lazy_stays_lazy(void **state)
{
	(void)state;
	use(0);
	assert_int_equal(map_at(0, 4, RW, ANON | MAP_NORESERVE), 0);
	assert_int_equal(map_at(4, 4, PROT_NONE, ANON), 0);
	assert_int_equal(protect(0, 8, RW), 0);
	expect_pages(4, 4);
	assert_int_equal(protect(0, 2, PROT_NONE), 0);
	assert_int_equal(protect(0, 2, RW), 0);
	expect_pages(6, 2);
}

static void test_moves(void **state)
{
	const u64 shared[GROUPS] = {8 * PAGE_SIZE, 4 * PAGE_SIZE};

	(void)state;
	use(0);
	memcg_set_limit(group[0], MEMCG_MAX, 8 * PAGE_SIZE);
	assert_int_equal(map(0, 4), 0);
	assert_int_equal(move(0, 4, 0, 2, 0), 0); /* shrink */
	expect_pages(2, 0);
	assert_int_equal(move(0, 2, 0, 9, 0), -ENOMEM);
	expect_pages(2, 0);
	use(1);
	assert_int_equal(move(0, 2, 30, 8, MREMAP_MAYMOVE), 0); /* grows for its owner */
	expect_pages(8, 0);
	assert_int_equal(map(50, 8), 0);
	assert_int_equal(move(50, 8, 30, 4, MREMAP_MAYMOVE | MREMAP_FIXED), 0);
	expect((const u64[GROUPS]){4 * PAGE_SIZE, 4 * PAGE_SIZE}, 0);
	use(0);
	assert_int_equal(move(34, 4, 60, 4, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), 0);
	expect(shared, 0);
	assert_int_equal(map_at(80, 2, PROT_NONE, ANON), 0);
	assert_int_equal(move(80, 2, 90, 6, MREMAP_MAYMOVE), 0);
	expect(shared, 6 * PAGE_SIZE);
	unmap(30, 4);
	expect_pages(8, 6);
}

static void test_kernel_refuses(void **state)
{
	struct map_change c;

	(void)state;
	use(0);
	assert_int_equal(map(0, 8), 0);
	assert_int_equal(map_at(20, 4, PROT_NONE, ANON), 0);
	assert_int_equal(maps_charge(&c, at(0), 4 * PAGE_SIZE, RW, ANON | MAP_FIXED), 0);
	maps_cancel(&c);
	assert_int_equal(maps_charge(&c, NULL, 4 * PAGE_SIZE, RW, ANON), 0);
	maps_cancel(&c);
	assert_int_equal(maps_release(&c, at(2), 3 * PAGE_SIZE), 0);
	maps_cancel(&c);
	assert_int_equal(maps_protect(&c, at(20), 2 * PAGE_SIZE, RW), 0);
	maps_cancel(&c);
	assert_int_equal(maps_move(&c, at(0), 8 * PAGE_SIZE, 12 * PAGE_SIZE,
				   MREMAP_MAYMOVE | MREMAP_FIXED, at(20)),
			 0);
	maps_cancel(&c);
	expect_pages(8, 4);
	assert_int_equal(maps_nodes, 2);
}

static void test_nonsense_changes_nothing(void **state)
{
	struct map_change c;

	(void)state;
	use(0);
	assert_int_equal(map(0, 2), 0);
	assert_int_equal(maps_charge(&c, NULL, 0, RW, ANON), 0);
	maps_commit(&c, at(0));
	assert_int_equal(maps_charge(&c, NULL, SIZE_MAX, RW, ANON), 0);
	maps_cancel(&c);
	assert_int_equal(maps_release(&c, (char *)at(0) + 1, PAGE_SIZE), 0);
	maps_cancel(&c);
	assert_int_equal(maps_release(&c, at(0), SIZE_MAX), 0);
	maps_cancel(&c);
	assert_int_equal(maps_move(&c, at(0), 2 * PAGE_SIZE, 0, 0, NULL), 0);
	maps_cancel(&c);
	assert_int_equal(maps_move(&c, at(0), 0, PAGE_SIZE, MREMAP_MAYMOVE, NULL), 0);
	maps_cancel(&c);
	expect_pages(2, 0);
}

/* More than a handle can count would spoil its references: it counts as lazy. */
static void test_absurd_sizes_are_not_charged(void **state)
{
	struct map_change c;
	size_t huge = (size_t)1 << 46;

	(void)state;
	use(0);
	assert_int_equal(maps_charge(&c, NULL, huge, RW, ANON), 0);
	maps_commit(&c, at(0));
	expect_pages(0, huge / PAGE_SIZE);
	assert_int_equal(maps_release(&c, at(0), huge), 0);
	maps_commit(&c, NULL);
	expect_pages(0, 0);
}

static void test_map_outlives_its_group(void **state)
{
	u64 before = memcg_current(memcg_root());

	(void)state;
	use(2);
	assert_int_equal(map(0, 5), 0);
	use(0);
	assert_int_equal(memcg_destroy(group[2]), 0);
	group[2] = NULL;
	assert_true(memcg_current(memcg_root()) >= before + 5 * PAGE_SIZE);
	unmap(0, 5);
	assert_true(memcg_current(memcg_root()) < before + 5 * PAGE_SIZE);
}

/* Unmapped by a raw system call; then the kernel gives the addresses again. */
static void test_stale_maps_are_noticed(void **state)
{
	(void)state;
	use(1);
	assert_int_equal(map(0, 8), 0);
	use(0);
	assert_int_equal(map(2, 4), 0);
	expect((const u64[GROUPS]){4 * PAGE_SIZE, 4 * PAGE_SIZE}, 0);
}

/* Takes all there is of one size, and gives it back. */
static void **hoard(size_t size)
{
	void **list = NULL, **p;

	while ((p = meta_alloc(size))) {
		*p = list;
		list = p;
	}
	return list;
}

static void give_back(void **list, size_t size)
{
	while (list) {
		void **next = *list;

		meta_free(list, size);
		list = next;
	}
}

static void test_without_memory_for_nodes(void **state)
{
	void **blocks, **nodes;
	struct map_change c;

	(void)state;
	use(0);
	assert_int_equal(map(0, 8), 0);
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 1);
	blocks = hoard(64 * KIB);
	nodes = hoard(sizeof(struct map));
	assert_int_equal(maps_release(&c, at(2), PAGE_SIZE), -ENOMEM);
	maps_cancel(&c);
	assert_int_equal(maps_charge(&c, NULL, PAGE_SIZE, RW, ANON), -ENOMEM);
	assert_int_equal(maps_protect(&c, at(2), PAGE_SIZE, RW), -ENOMEM);
	assert_int_equal(maps_move(&c, at(2), PAGE_SIZE, PAGE_SIZE, 0, NULL), -ENOMEM);
	sys_fault_disarm_all();
	give_back(nodes, sizeof(struct map));
	give_back(blocks, 64 * KIB);
	expect_pages(8, 0);
	unmap(2, 1);
	expect_pages(7, 0);
}

/* A change of a thread that the child does not have is undone there. */
static void test_fork_in_the_middle(void **state)
{
	struct map_change unmapping, growing;
	pid_t child;
	int status;

	(void)state;
	use(0);
	assert_int_equal(map(0, 8), 0);
	assert_int_equal(maps_release(&unmapping, at(2), 2 * PAGE_SIZE), 0);
	assert_int_equal(maps_charge(&growing, NULL, 4 * PAGE_SIZE, RW, ANON), 0);
	child = fork();
	if (!child) {
		expect_pages(8, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	maps_commit(&unmapping, NULL);
	maps_cancel(&growing);
	expect_pages(6, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_charged),
		TEST(test_length_is_rounded_up),
		TEST(test_parts_are_uncharged),
		TEST(test_neighbours_become_one),
		TEST(test_refused_at_max),
		TEST(test_refused_in_a_hook),
		TEST(test_fixed_replaces),
		TEST(test_protection_charges_once),
		TEST(test_lazy_stays_lazy),
		TEST(test_moves),
		TEST(test_kernel_refuses),
		TEST(test_nonsense_changes_nothing),
		TEST(test_absurd_sizes_are_not_charged),
		TEST(test_map_outlives_its_group),
		TEST(test_stale_maps_are_noticed),
		TEST(test_without_memory_for_nodes),
		TEST(test_fork_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
