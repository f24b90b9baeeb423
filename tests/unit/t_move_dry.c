/*
 * t_move_dry.c - what a move is going to cost: a dry run says so beforehand, and the move itself
 * asks for no more.
 */
#include "move_fixture.h"

static struct memcg_mm *mm;
static char *anon, *shared;

enum { PAGES = 5 };

/* Of cg's, private and shared memory, a table for each. */
static void mm_set_up(void)
{
	set_up();
	mm = memcg_mm_create(cg);
	CHECK(mm);
	anon = range(mm, PAGES, 0);
	shared = range(mm, PAGES, MEMCG_MAP_SHARED);
	fill(anon, PAGES, CONTENT_TEXT);
	fill(shared, PAGES, CONTENT_TEXT);
	CHECK(held(cg) == (2 * PAGES + 2) * PAGE_SIZE);
}

static void mm_tear_down(void)
{
	memcg_mm_destroy(mm);
	CHECK(!held(cg) && !held(other));
	closes();
}

static struct memcg_move move_to(struct memcg *to, unsigned flags, int err)
{
	struct memcg_move r;

	CHECK(memcg_mm_move(mm, to, flags, &r, sizeof(r)) == err);
	return r;
}

static u64 refused(struct memcg *to, unsigned flags)
{
	return move_to(to, flags | MEMCG_MOVE_DRY_RUN, 0).refused;
}

/* To the page: what the dry run says fits moves, what it says does not is refused. */
static void it_costs_what_it_has(void)
{
	const u64 all = (2 * PAGES + 2) * PAGE_SIZE;

	mm_set_up();
	CHECK(!memcg_set_limit(other, MEMCG_MAX, all - PAGE_SIZE));
	CHECK(refused(other, MOVE_ALL) == all);
	CHECK(move_to(other, MOVE_ALL, -ENOMEM).refused == all && !held(other));
	CHECK(!memcg_set_limit(other, MEMCG_MAX, all));
	CHECK(!refused(other, MOVE_ALL) && held(cg) == all);
	CHECK(move_to(other, MOVE_ALL, 0).moved == 2 * PAGES * PAGE_SIZE);
	CHECK(held(other) == all && !held(cg));
	mm_tear_down();
}

/*
 * The private part has moved on; what is shared stayed, and the tables of its range with it. So
 * there is nothing to be charged for either when the mm moves again.
 */
static void what_is_not_ours_costs_nothing(void)
{
	struct memcg *third = memcg_create(NULL, "third");
	struct memcg_move r;

	mm_set_up();
	(void)move_to(other, MEMCG_MOVE_ANON, 0);
	CHECK(held(cg) == (PAGES + 1) * PAGE_SIZE && held(other) == held(cg));
	CHECK(third && !memcg_set_limit(third, MEMCG_MAX, 0));
	r = move_to(third, MEMCG_MOVE_FILE | MEMCG_MOVE_DRY_RUN, 0);
	CHECK(!r.refused && !r.moved && r.not_ours == PAGES * PAGE_SIZE);
	CHECK(!memcg_set_limit(third, MEMCG_MAX, (PAGES + 1) * PAGE_SIZE));
	CHECK(!refused(third, MOVE_ALL));
	CHECK(move_to(third, MOVE_ALL, 0).moved == PAGES * PAGE_SIZE);
	CHECK(held(third) == (PAGES + 1) * PAGE_SIZE && !held(other));
	CHECK(held(cg) == (PAGES + 1) * PAGE_SIZE);
	mm_tear_down();
	CHECK(!memcg_destroy(third));
}

/* A copy costs what it was compressed to, and its place in swap; one that was dropped nothing. */
static void copies_cost_what_they_are(void)
{
	mm_set_up();
	advise(mm, anon, PAGES, MEMCG_PAGEOUT);
	CHECK(held(cg) < (2 * PAGES + 2) * PAGE_SIZE && swap_of(cg) == PAGES * PAGE_SIZE);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, ALIGN_UP(held(cg), PAGE_SIZE)));
	CHECK(!refused(other, MOVE_ALL));
	CHECK(!memcg_set_limit(other, MEMCG_MAX, ALIGN_DOWN(held(cg) - 1, PAGE_SIZE)));
	CHECK(refused(other, MOVE_ALL) == held(cg) + PAGES * PAGE_SIZE);
	advise(mm, anon, PAGES, MEMCG_DONTNEED);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, (PAGES + 2) * PAGE_SIZE));
	CHECK(!refused(other, MOVE_ALL));
	CHECK(move_to(other, MOVE_ALL, 0).moved == PAGES * PAGE_SIZE);
	mm_tear_down();
}

/* All of the private part is in swap, and so it asks for swap. The target has no managed memory. */
static void swap_max_is_looked_at(void)
{
	const u64 swap = PAGES * PAGE_SIZE;
	struct memcg *third = memcg_create(NULL, "third"), *below = memcg_create(third, "below");
	u64 all;

	mm_set_up();
	CHECK(third && below);
	advise(mm, anon, PAGES, MEMCG_PAGEOUT);
	all = held(cg) + swap;
	CHECK(swap_of(cg) == swap && !third->vm);
	CHECK(!memcg_set_limit(third, MEMCG_SWAP_MAX, swap - PAGE_SIZE)); /* above the target */
	CHECK(refused(below, MOVE_ALL) == all && !below->vm);
	CHECK(move_to(below, MOVE_ALL, -ENOMEM).refused == all && below->vm);
	CHECK(refused(below, MOVE_ALL) == all && !refused(below, MEMCG_MOVE_FILE));
	CHECK(!memcg_set_limit(third, MEMCG_SWAP_MAX, swap));
	CHECK(!refused(below, MOVE_ALL));
	CHECK(!move_to(below, MOVE_ALL, 0).refused && swap_of(below) == swap);
	mm_tear_down();
	CHECK(!memcg_destroy(below) && !memcg_destroy(third));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(it_costs_what_it_has),
		FAULTS_TEST(what_is_not_ours_costs_nothing),
		FAULTS_TEST(copies_cost_what_they_are),
		FAULTS_TEST(swap_max_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
