/* t_convert.c - own slabs that become shared: at exact bytes, or not at all. */
#include "alloc_fixture.h"

#define SIZE 1024u
#define COST (SIZE + 4)
#define SLAB (16 * KIB) /* 16 slots */

static void *shared[16], *sparse[16], *dense[16];

static void take16(void **p)
{
	for (int i = 0; i < 16; i++)
		CHECK((p[i] = memcg_malloc(SIZE)));
}

/* A shared slab, which makes the group hot, and two own ones. */
static void take_all(void)
{
	memcg_leave(memcg_get(cg));
	take16(shared);
	take16(sparse);
	take16(dense);
	CHECK(page_head(page_index(sparse[0]))->slab.remote & SLAB_OWN);
	CHECK(page_head(page_index(sparse[0])) == page_head(page_index(sparse[15])));
	CHECK(page_head(page_index(dense[0]))->slab.remote & SLAB_OWN);
	for (int i = 3; i < 16; i++)
		memcg_free(sparse[i]);
	memcg_free(dense[15]);
}

static void *leave_all(void *arg)
{
	(void)arg;
	take_all();
	return NULL;
}

static void *leave_with_exception(void *arg)
{
	(void)arg;
	take_all();
	CHECK(!memcg_recharge(sparse[1], other));
	return NULL;
}

static void run(void *(*fn)(void *))
{
	pthread_t thread;

	cg = memcg_create(NULL, "a");
	other = memcg_create(NULL, "b");
	CHECK(cg && other);
	CHECK(!pthread_create(&thread, NULL, fn, NULL) && !pthread_join(thread, NULL));
}

/* At its thread's end the sparse one costs its three objects, the dense one is charged whole. */
static void at_the_end_of_its_thread(void)
{
	u64 demoted;

	run(leave_all);
	CHECK(held(cg) == 16 * COST + 3 * COST + SLAB && slab_counts.demoted == 1);
	closes();
	for (int i = 0; i < 3; i++) {
		CHECK(memcg_owner_id(sparse[i]) == memcg_id(cg));
		memcg_free(sparse[i]);
		CHECK(held(cg) == 16 * COST + (2 - i) * COST + SLAB);
	}
	demoted = slab_counts.demoted;
	/* Whole while 12 are left; 11 cost less than three quarters of it. */
	for (unsigned left = 14; left >= 12; left--) {
		memcg_free(dense[left]);
		CHECK(held(cg) == 16 * COST + SLAB && slab_counts.demoted == demoted);
	}
	for (unsigned left = 11; left > 0; left--) {
		memcg_free(dense[left]);
		CHECK(held(cg) == (16 + left) * COST && slab_counts.demoted == demoted + 1);
	}
	closes();
	memcg_free(dense[0]);
	for (int i = 0; i < 16; i++)
		memcg_free(shared[i]);
	CHECK(!held(cg));
	closes();
}

/* What has exceptions stays an own slab: they say what cannot be said twice. */
static void exceptions_keep_it_own(void)
{
	run(leave_with_exception);
	CHECK(!slab_counts.demoted && held(other) == SIZE);
	CHECK(held(cg) == 16 * COST + SLAB - SIZE + SLAB);
	closes();
	memcg_free(sparse[0]);
	memcg_free(sparse[1]);
	CHECK(!held(other) && held(cg) == 16 * COST + 2 * SLAB);
	memcg_free(sparse[2]); /* the last: the slab goes, whole */
	CHECK(held(cg) == 16 * COST + SLAB && !slab_counts.demoted);
	closes();
}

/* ---- the layer itself ---- */
static struct heap heap;

static struct page *own_slab(unsigned taken)
{
	struct page *pg = block_alloc(2);
	unsigned slot;

	CHECK(pg);
	slab_make(pg, SIZE, class_of(SIZE), 1, true);
	page_set_objcg(pg, (struct handle *)0x4000, 0);
	heap_init(&heap, 1, 9, 0);
	heap_install(&heap, class_of(SIZE), pg);
	while (taken--)
		CHECK(heap_take(&heap, class_of(SIZE), &slot));
	return pg;
}

static void entries_say_what_the_handle_said(void)
{
	struct objcgs *v;
	struct page *pg;

	bring_up(0);
	pg = own_slab(8);
	CHECK(slab_push(pg, 2, slab_slot(pg, 2), true) == PUSH_DONE);
	CHECK(slab_push(pg, 5, slab_slot(pg, 5), true) == PUSH_DONE);
	CHECK(slab_convert(pg, (struct handle *)0x4000, 9) == 6);
	CHECK((v = page_objcgs_check(pg)) && !v->fallback && !(pg->slab.remote & SLAB_OWN));
	for (unsigned i = 0; i < 16; i++)
		CHECK(v->entry[i] == (i < 8 && i != 2 && i != 5 ? 9u : 0u));
	CHECK(atomic_load(&pg->slab.hold) & SLAB_HOLD_VEC);
	CHECK(slab_push(pg, 0, slab_slot(pg, 0), true) == PUSH_CHANGED);
	CHECK(slab_collect(pg) && slab_valid(pg) && slab_local(pg)->used == 6);
	pg = own_slab(8);
	CHECK(slab_exceptions(pg, (struct handle *)0x4000, 9, &v) && v);
	CHECK(slab_convert(pg, (struct handle *)0x4000, 9) == -17 && pg->slab.remote & SLAB_OWN);
}

/* Nothing left for a vector: the slab stays what it is. */
static void without_memory_nothing_changes(void)
{
	struct objcgs *v;
	struct page *pg, *bare;

	bring_up(64 * MIB);
	pg = own_slab(8);
	bare = own_slab(8);
	page_clear_objcgs(bare);
	bare->slab.remote = 0;
	while (block_alloc(0))
		;
	while (meta_alloc(objcgs_bytes(16)))
		;
	CHECK(slab_convert(pg, (struct handle *)0x4000, 9) == -12);
	CHECK(!slab_exceptions(pg, (struct handle *)0x4000, 9, &v) && !v);
	CHECK(page_objcg(pg) == (struct handle *)0x4000 && pg->slab.remote & SLAB_OWN);
	CHECK(!slab_vector(bare, true) && !page_owned(bare));
}

/* ---- threads that end while others free what they leave ---- */
#define OBJECTS 96
static void *left[OBJECTS];

static void *leave_and_run(void *arg)
{
	(void)arg;
	memcg_leave(memcg_get(cg));
	for (int i = 0; i < OBJECTS; i++)
		atomic_store_release(&left[i], memcg_malloc(SIZE));
	return NULL;
}

static void freed_while_their_thread_ends(void)
{
	cg = memcg_create(NULL, "a");
	for (int round = 0; round < 400; round++) {
		pthread_t thread;

		memset(left, 0, sizeof(left));
		CHECK(!pthread_create(&thread, NULL, leave_and_run, NULL));
		for (int i = 0; i < OBJECTS; i++) {
			while (!atomic_load_acquire(&left[i]))
				sched_yield();
			memcg_free(left[i]);
		}
		pthread_join(thread, NULL);
		CHECK(!held(cg) && !counter_underflows);
	}
	CHECK(slab_counts.promoted);
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(at_the_end_of_its_thread),
		PAGE_TEST(exceptions_keep_it_own),
		PAGE_TEST(entries_say_what_the_handle_said),
		PAGE_TEST(without_memory_nothing_changes),
		PAGE_TEST(freed_while_their_thread_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
