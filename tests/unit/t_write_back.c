/*
 * t_write_back.c - a group that has nothing but compressed copies is at its max, and two threads
 * want memory of it: each gets it, though one room for copies on their way to the file serves both.
 */
#include "mm_fixture.h"

#ifdef MEMCG_DEBUG
#include <pthread.h>

#include "vm/store.h"

#define COPIES ((size_t)4096) /* every other one compresses */
#define WANTED ((size_t)64)   /* far more than the reserve that a fault may take */

static char *first, *second;
static u32 begun, waits, done; /* atomic; of the second thread */
static pthread_t racer;

static void *bring_second(void *arg)
{
	long err = memcg_madvise(mm, second, WANTED << PAGE_SHIFT, MEMCG_WILLNEED);

	(void)arg;
	atomic_store(&done, 1u);
	return (void *)err;
}

static void on_room_taken(void)
{
	atomic_store(&waits, 1u);
}

/* In the first thread, once: the second comes now, and waits or is through. */
static void on_copies_chosen(void)
{
	if (atomic_xchg(&begun, 1u))
		return;
	CHECK(!pthread_create(&racer, NULL, bring_second, NULL));
	while (!atomic_load(&waits) && !atomic_load(&done))
		usleep(100);
}

static void test_two_at_once(void)
{
	void *err;
	char *p;

	mm_set_up();
	first = map_pages(WANTED);
	second = map_pages(WANTED);
	p = map_pages(COPIES);
	write_pages(p, 7, COPIES);
	page_out(p, COPIES);
	*first = *second = 1; /* their tables */
	page_out(first, 1);
	page_out(second, 1);
	CHECK(STAT(cg, anon) == 0 && STAT(cg, zswap) > 3 * WANTED << PAGE_SHIFT);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, held(cg))); /* nothing is charged ahead */
	hook_room_taken = on_room_taken;
	hook_copies_chosen = on_copies_chosen;
	CHECK(!memcg_madvise(mm, first, WANTED << PAGE_SHIFT, MEMCG_WILLNEED));
	CHECK(begun && !pthread_join(racer, &err));
	CHECK(waits && !err);
	hook_room_taken = hook_copies_chosen = NULL;
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, MEMCG_UNLIMITED));
	check_pages(p, 7, COPIES);
	memcg_mm_destroy(mm);
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_two_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
	printf("# hook points are in debug builds only\n");
	return 0;
}
#endif
