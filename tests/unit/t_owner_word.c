/*
 * t_owner_word.c - the helpers of the owner word: what each gives for each kind of page, what
 * each refuses, and the race they exist for: a vector that appears under a reader.
 */
#include "alloc_fixture.h"

#include <memcg/page.h>

#include "group/owner.h"

/* One page of each way to be owned. */
static struct {
	struct page *kernel, *own, *exceptions, *shared, *bare;
	void *in_own, *in_bare;
} one;

/* The first object of an own slab of that size. */
static void *first_own(size_t size)
{
	void *p;

	do
		CHECK((p = memcg_malloc(size)));
	while (!is_own(p));
	return p;
}

static void make_one_of_each(void)
{
	struct memcg_page *page;
	void *p;

	set_up();
	CHECK((page = memcg_pages_alloc(1, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	one.kernel = (struct page *)page;
	CHECK((one.in_bare = memcg_alloc(NULL, 200, 0, MEMCG_UNACCOUNTED)));
	one.bare = slab_of(one.in_bare);
	CHECK((p = memcg_malloc(3000)) && !is_own(p));
	one.shared = slab_of(p);
	one.in_own = first_own(1000);
	one.own = slab_of(one.in_own);
	p = first_own(500);
	CHECK(!memcg_recharge(p, other));
	one.exceptions = slab_of(p);
}

static void what_each_gives(void)
{
	make_one_of_each();
	CHECK(page_objcg(one.kernel) == cg->handle && page_objcg(one.own) == cg->handle);
	CHECK(owner_type(page_owner_word(one.kernel)) == MEMCG_DATA_KMEM);
	CHECK(!page_objcg(one.bare) && !page_objcgs(one.bare) && !page_owned(one.bare));
	CHECK(page_objcgs(one.shared) && page_objcgs(one.shared)->nr == one.shared->slab.capacity);
	CHECK(page_objcgs_check(one.exceptions)->fallback == cg->handle->index);
	CHECK(!page_objcgs_check(one.kernel) && !page_objcgs_check(one.own));
	CHECK(page_objcg_check(one.own) == cg->handle && page_owned(one.shared));
	CHECK(!page_objcg_check(one.shared) && !page_objcg_check(one.exceptions));
	rcu_read_lock(NULL);
	CHECK(page_objcg_rcu(one.kernel) == cg->handle);
	CHECK(page_memcg(one.kernel) == cg && page_memcg_rcu(one.kernel) == cg);
	CHECK(page_memcg(one.own) == cg && page_memcg_check(one.own) == cg);
	CHECK(page_memcg_check(one.kernel) == cg && !page_memcg_check(one.shared));
	CHECK(!page_memcg_check(one.exceptions) && !page_memcg_check(one.bare));
	rcu_read_unlock(NULL);
}

/* The binding stays, the group it leads to is another. */
static void the_heir_of_a_page(void)
{
	struct memcg *child;
	struct memcg_page *page;
	struct page *pg;

	set_up();
	CHECK((child = memcg_create(cg, "child")));
	memcg_leave(memcg_get(child));
	CHECK((page = memcg_pages_alloc(0, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT)));
	memcg_leave(memcg_get(cg));
	pg = (struct page *)page;
	rcu_read_lock(NULL);
	CHECK(page_memcg(pg) == child);
	rcu_read_unlock(NULL);
	CHECK(!memcg_destroy(child));
	rcu_read_lock(NULL);
	CHECK(page_objcg(pg) != cg->handle && page_memcg(pg) == cg && page_memcg_rcu(pg) == cg);
	rcu_read_unlock(NULL);
	CHECK(!memcg_page_recharge(page, other) && page_objcg(pg) == other->handle);
	CHECK(owner_type(page_owner_word(pg)) == MEMCG_DATA_KMEM);
	memcg_page_put(page);
	CHECK(!page_owned(pg) && !held(other) && !held(cg));
	closes();
}

/* Always on: a mark that is written over is a charge that nobody gives back. */
static void a_mark_is_not_written_over(void)
{
	make_one_of_each();
	EXPECT_BUG(page_set_objcg(one.kernel, other->handle, MEMCG_DATA_KMEM), "memcg_data != 0");
	EXPECT_BUG(page_set_objcg(one.shared, other->handle, 0), "memcg_data != 0");
}

#ifdef MEMCG_DEBUG

/* Calls that must not be left out because their result is not looked at. */
static const void *volatile seen;

static void a_vector_is_no_handle(void)
{
	make_one_of_each();
	EXPECT_BUG(seen = page_objcg(one.shared), "owner_is_objcgs");
	EXPECT_BUG(seen = page_objcg(one.exceptions), "owner_is_objcgs");
	EXPECT_BUG(page_replace_objcg(one.shared, other->handle), "owner_is_objcgs");
	rcu_read_lock(NULL);
	EXPECT_BUG(seen = page_objcg_rcu(one.shared), "owner_is_objcgs");
	EXPECT_BUG(seen = page_memcg(one.shared), "owner_is_objcgs");
	rcu_read_unlock(NULL);
}

static void a_handle_is_no_vector(void)
{
	make_one_of_each();
	EXPECT_BUG(seen = page_objcgs(one.own), "owner_is_objcgs");
	EXPECT_BUG(seen = page_objcgs(one.kernel), "owner_is_objcgs");
}

static void the_group_is_of_a_moment(void)
{
	make_one_of_each();
	EXPECT_BUG(seen = page_objcg_rcu(one.kernel), "rcu_read_lock_held");
	EXPECT_BUG(seen = page_memcg(one.kernel), "rcu_read_lock_held");
	EXPECT_BUG(seen = page_memcg_rcu(one.kernel), "rcu_read_lock_held");
	EXPECT_BUG(seen = page_memcg_check(one.own), "rcu_read_lock_held");
	EXPECT_BUG(seen = handle_group(cg->handle), "rcu_read_lock_held");
	EXPECT_BUG(CHECK(handle_below(cg->handle, other->handle)), "rcu_read_lock_held");
	seen = page_memcg_check(one.shared); /* there is no second step */
	CHECK(!seen);
}

/* Sections nest, of a reader or without one, and end. */
static void sections_are_counted(void)
{
	struct rcu_reader *self;

	set_up();
	self = self_rcu();
	CHECK(!rcu_read_lock_held());
	rcu_read_lock(self);
	rcu_read_lock(NULL);
	rcu_read_unlock(self);
	CHECK(rcu_read_lock_held());
	rcu_read_unlock(NULL);
	CHECK(!rcu_read_lock_held());
}

/* Called under the tree lock. */
static struct memcg *found;

static void look_under_the_lock(struct memcg *going)
{
	(void)going;
	CHECK(tree_locked() && !rcu_read_lock_held());
	found = page_memcg(one.kernel);
}

static void the_tree_lock_does(void)
{
	struct memcg *child;

	make_one_of_each();
	CHECK((child = memcg_create(NULL, "child")));
	group_offlined = look_under_the_lock;
	CHECK(!tree_locked() && !memcg_destroy(child) && found == cg);
}

static void the_type_fits_the_page(void)
{
	make_one_of_each();
	EXPECT_BUG(page_set_objcg(one.bare, cg->handle, MEMCG_DATA_KMEM), "PAGE_SLAB");
	EXPECT_BUG(page_set_objcg(one.bare, NULL, 0), "h &&");
	EXPECT_BUG(page_set_objcg(one.bare, cg->handle, MEMCG_DATA_OBJCGS), "h &&");
	EXPECT_BUG(page_clear_objcg(one.own), "PAGE_SLAB");
	EXPECT_BUG(page_clear_objcgs(one.kernel), "PAGE_SLAB");
	EXPECT_BUG(page_set_objcgs(one.kernel, page_objcgs(one.shared)), "PAGE_SLAB");
	EXPECT_BUG(page_convert_objcgs(one.kernel, cg->handle, NULL), "PAGE_SLAB");
	CHECK(!page_owned(one.bare) && page_objcg(one.kernel) == cg->handle);
}

/* ---- by hand: the word has been loaded, and now something else is true ---- */
static struct memcg_cache *cache;
static void *owned;

static void *allocate_owned(void *arg)
{
	memcg_leave(memcg_get(arg));
	CHECK((owned = memcg_cache_alloc(cache, 0)));
	return NULL;
}

static void install_vector(void)
{
	pthread_t thread;

	hook_owner_loaded = NULL;
	CHECK(!pthread_create(&thread, NULL, allocate_owned, cg) && !pthread_join(thread, NULL));
}

static void the_vector_comes_between(void)
{
	void *bare;

	set_up();
	CHECK((cache = memcg_cache_create("c", 100, 0, NULL)));
	CHECK((bare = memcg_cache_alloc(cache, MEMCG_UNACCOUNTED)) && !page_owned(slab_of(bare)));
	hook_owner_loaded = install_vector;
	CHECK(!memcg_owner(bare));
	CHECK(owned && slab_of(owned) == slab_of(bare) && page_objcgs(slab_of(bare)));
	CHECK(!memcg_owner(bare) && memcg_owner_id(owned) == memcg_id(cg));
	closes();
}

static void *recharge_own(void *arg)
{
	CHECK(!memcg_recharge(arg, other));
	return NULL;
}

static void move_neighbour(void)
{
	pthread_t thread;

	hook_owner_loaded = NULL;
	CHECK(!pthread_create(&thread, NULL, recharge_own, (char *)one.in_own));
	CHECK(!pthread_join(thread, NULL));
}

static void exceptions_come_between(void)
{
	void *next;

	make_one_of_each();
	CHECK((next = memcg_malloc(1000)) && slab_of(next) == one.own && next != one.in_own);
	hook_owner_loaded = move_neighbour;
	CHECK(memcg_owner_id(next) == memcg_id(cg) && page_objcgs_check(one.own));
	CHECK(memcg_owner_id(next) == memcg_id(cg));
	CHECK(memcg_owner_id(one.in_own) == memcg_id(other));
	closes();
}

/* The group was found and dies before the reference is taken: its heir is the answer. */
static struct memcg *dying;

static void *destroy(void *arg)
{
	CHECK(!memcg_destroy(arg));
	return NULL;
}

static void destroy_it(void)
{
	pthread_t thread;

	hook_owner_group = NULL;
	CHECK(!pthread_create(&thread, NULL, destroy, dying) && !pthread_join(thread, NULL));
}

static void the_group_dies_between(void)
{
	struct memcg_page *page;
	struct memcg *g;
	void *p;

	set_up();
	CHECK((dying = memcg_create(cg, "dying")) && (p = memcg_alloc(dying, 100, 0, 0)));
	hook_owner_group = destroy_it;
	CHECK((g = memcg_owner(p)) == cg && !hook_owner_group);
	memcg_put(g);
	CHECK((dying = memcg_create(cg, "dying")));
	CHECK((page = memcg_pages_alloc(0, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)));
	CHECK(!memcg_page_recharge(page, dying));
	hook_owner_group = destroy_it;
	CHECK((g = memcg_page_owner(page)) == cg && !hook_owner_group);
	memcg_put(g);
	closes();
}
#endif

/* ---- by force: thousands of vectors appear on slabs with live objects, under two readers ---- */
#define READERS 2
static void **target; /* whose slab is about to get its vector; of nobody, or cg's */
static u64 expected;  /* id; constant while readers run */
static u32 nr, at, stop;
static u64 asked[READERS];

static void *ask(void *arg)
{
	u64 *count = arg;

	while (!atomic_load(&stop)) {
		u32 i = atomic_load(&at);
		struct memcg *g = memcg_owner(target[i]);

		CHECK(expected ? g == cg : !g);
		memcg_put(g);
		CHECK(memcg_owner_id(target[i]) == expected);
		atomic_add(count, 1ul);
	}
	return NULL;
}

static void wait_for_readers(u64 more)
{
	for (int i = 0; i < READERS; i++) {
		u64 from = atomic_load(&asked[i]);

		while (atomic_load(&asked[i]) < from + more)
			sched_yield();
	}
}

/* Readers look at the slab of target[i] while change(i) gives it its vector. */
static void under_readers(void (*change)(u32 i))
{
	pthread_t thread[READERS];

	for (int i = 0; i < READERS; i++)
		CHECK(!pthread_create(&thread[i], NULL, ask, &asked[i]));
	wait_for_readers(1);
	for (u32 i = 0; i < nr; i++) {
		atomic_store(&at, i);
		if (i % 64 == 0)
			wait_for_readers(1);
		for (u32 spin = 0; spin < 200; spin++)
			cpu_relax(); /* they get there first, if they run at all */
		change(i);
	}
	wait_for_readers(1);
	atomic_store(&stop, 1u);
	for (int i = 0; i < READERS; i++)
		CHECK(!pthread_join(thread[i], NULL));
}

static struct memcg_cache *crowd;

static void own_one(u32 i)
{
	void *p = memcg_cache_alloc(crowd, 0);

	CHECK(p && slab_of(p) == slab_of(target[i]) && page_objcgs(slab_of(p)));
	CHECK(memcg_owner_id(p) == memcg_id(cg));
}

/* Full bare slabs, each with one slot given back: each owned object goes to another. */
static void vectors_appear(void)
{
	void **p;
	u32 slots;

	set_up();
	nr = effort(3000);
	CHECK((crowd = memcg_cache_create("crowd", 1024, 0, NULL)));
	CHECK((*(target = calloc(nr, sizeof(*target))) =
		       memcg_cache_alloc(crowd, MEMCG_UNACCOUNTED)));
	slots = slab_of(target[0])->slab.capacity;
	CHECK((p = calloc((size_t)nr * slots, sizeof(*p))));
	p[0] = target[0];
	for (u32 i = 1; i < nr * slots; i++)
		CHECK((p[i] = memcg_cache_alloc(crowd, MEMCG_UNACCOUNTED)));
	for (u32 i = 0; i < nr; i++) {
		target[nr - 1 - i] = p[i * slots + 1]; /* last given back, first taken */
		memcg_cache_free(crowd, p[i * slots]);
	}
	under_readers(own_one);
	CHECK(held(cg) == nr * 1028ul);
	closes();
	free(p);
	free(target);
}

/* Own slabs that get exceptions: the neighbour of the target is moved. */
static void **neighbour;

static void move_one(u32 i)
{
	CHECK(!memcg_recharge(neighbour[i], other));
	CHECK(memcg_owner_id(neighbour[i]) == memcg_id(other));
}

static void exceptions_appear(void)
{
	void *p;

	set_up();
	nr = effort(300);
	CHECK((target = calloc(nr, sizeof(*target))));
	CHECK((neighbour = calloc(nr, sizeof(*neighbour))));
	p = first_own(2000);
	for (u32 i = 0; i < nr; i++) {
		struct page *pg = slab_of(p);

		CHECK(is_own(p));
		target[i] = p;
		CHECK((neighbour[i] = memcg_malloc(2000)) && slab_of(neighbour[i]) == pg);
		do
			CHECK((p = memcg_malloc(2000)));
		while (slab_of(p) == pg);
	}
	expected = memcg_id(cg);
	under_readers(move_one);
	CHECK(held(other) == nr * 2048ul);
	closes();
	free(neighbour);
	free(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(what_each_gives),
		PAGE_TEST(the_heir_of_a_page),
		PAGE_TEST(a_mark_is_not_written_over),
#ifdef MEMCG_DEBUG
		PAGE_TEST(a_vector_is_no_handle),
		PAGE_TEST(a_handle_is_no_vector),
		PAGE_TEST(the_group_is_of_a_moment),
		PAGE_TEST(sections_are_counted),
		PAGE_TEST(the_tree_lock_does),
		PAGE_TEST(the_type_fits_the_page),
		PAGE_TEST(the_vector_comes_between),
		PAGE_TEST(exceptions_come_between),
		PAGE_TEST(the_group_dies_between),
#endif
		PAGE_TEST(vectors_appear),
		PAGE_TEST(exceptions_appear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
