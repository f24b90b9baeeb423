/* t_orphan.c - slabs that nobody holds: listed, claimed, dead, taken, and what may come between. */
#include "page_fixture.h"

#include "slab/slab_fast.h"

static struct heap heap;
static const u32 size = 1024;

static unsigned class_here(void)
{
	return class_of(size);
}

/* A slab of 16 slots with the first `taken` in use, as its holder lets go of it. */
static struct page *let_go(bool own, unsigned taken)
{
	struct page *pg = block_alloc(2);
	unsigned slot;

	CHECK(pg);
	slab_make(pg, size, class_here(), 1, own);
	if (own)
		page_set_objcg(pg, (struct handle *)0x4000, 0);
	heap_init(&heap, 1, 0, 0);
	heap_install(&heap, class_here(), pg);
	while (taken--)
		CHECK(heap_take(&heap, class_here(), &slot));
	slab_local(pg)->where = SLAB_NOWHERE;
	pg->slab.bin = NULL;
	return pg;
}

static enum slab_push push(struct page *pg, unsigned i)
{
	return slab_push(pg, i, slab_slot(pg, i), pg->slab.remote & SLAB_OWN);
}

static unsigned state_of(const struct page *pg)
{
	return REMOTE_STATE(pg->slab.remote);
}

static struct page *take(u32 tid)
{
	struct page *pg = orphan_take(class_here(), tid);

	if (pg) {
		CHECK(slab_holder(pg) == tid && state_of(pg) == SLAB_HELD);
		CHECK(!slab_local(pg)->listed && !REMOTE_COUNT(pg->slab.remote) && slab_valid(pg));
	}
	return pg;
}

static void set_up(void)
{
	bring_up(0);
	orphan_init();
}

static void room_is_listed_and_taken_once(void)
{
	struct page *pg;

	set_up();
	CHECK(!take(2));
	pg = let_go(false, 3);
	CHECK(orphan_add(pg) == PUSH_DONE && state_of(pg) == SLAB_LISTED && !slab_holder(pg));
	CHECK(!orphan_take(class_here() + 1, 2));
	CHECK(take(2) == pg && !take(3));
	CHECK(orphan_add(pg) == PUSH_DONE && take(3) == pg);
}

static void a_full_one_is_listed_by_its_first_free(void)
{
	struct page *pg;

	set_up();
	pg = let_go(false, 16);
	CHECK(orphan_add(pg) == PUSH_DONE && state_of(pg) == SLAB_ORPHAN && !take(2));
	CHECK(push(pg, 5) == PUSH_LIST && state_of(pg) == SLAB_CLAIMED && !take(2));
	CHECK(!orphan_settle(pg) && state_of(pg) == SLAB_LISTED);
	CHECK(take(2) == pg && slab_slot_idle(pg, 5) && slab_local(pg)->used == 15);
}

static void own_slabs_and_caches_are_never_listed(void)
{
	struct page *pg;

	set_up();
	pg = let_go(true, 14);
	CHECK(orphan_add(pg) == PUSH_DONE && state_of(pg) == SLAB_ORPHAN && !take(2));
	pg = let_go(false, 14);
	pg->slab.class = SLAB_CLASS_CACHE;
	CHECK(orphan_add(pg) == PUSH_DONE && state_of(pg) == SLAB_ORPHAN);
	CHECK(push(pg, 0) == PUSH_DONE && state_of(pg) == SLAB_ORPHAN);
}

/* The last frees come between the holder's last look and its letting go. */
static void emptied_on_the_way(void)
{
	struct page *pg;

	set_up();
	pg = let_go(false, 2);
	CHECK(push(pg, 0) == PUSH_DONE && push(pg, 1) == PUSH_DONE);
	CHECK(orphan_add(pg) == PUSH_DEAD && !take(2));
	pg = let_go(true, 2);
	CHECK(push(pg, 0) == PUSH_DONE && push(pg, 1) == PUSH_HOLLOW);
	CHECK(orphan_add(pg) == PUSH_HOLLOW && state_of(pg) == SLAB_HOLLOW && !take(2));
}

static void a_dead_one_is_not_taken(void)
{
	struct page *pg[3];
	u64 before;

	set_up();
	before = walk_all().handed_out;
	for (int i = 0; i < 3; i++) {
		pg[i] = let_go(false, 1);
		CHECK(orphan_add(pg[i]) == PUSH_DONE);
	}
	/* The middle of the list, then both ends: linked, and dead until buried. */
	CHECK(push(pg[1], 0) == PUSH_DEAD && slab_local(pg[1])->listed);
	CHECK(take(2) == pg[2] && take(3) == pg[0] && !take(4));
	orphan_bury(pg[1]);
	CHECK(!take(4));
	for (int i = 0; i < 3; i += 2) {
		CHECK(orphan_add(pg[i]) == PUSH_DONE);
		CHECK(push(pg[i], 0) == PUSH_DEAD);
		orphan_bury(pg[i]);
	}
	CHECK(walk_all().handed_out == before && !take(4));
}

static void burying_leaves_the_others_linked(void)
{
	struct page *pg[5];

	set_up();
	for (int i = 0; i < 5; i++) {
		pg[i] = let_go(false, 1);
		orphan_add(pg[i]);
	}
	for (int i = 0; i < 5; i += 2) {
		CHECK(push(pg[i], 0) == PUSH_DEAD);
		orphan_bury(pg[i]);
	}
	CHECK(take(2) == pg[3] && take(2) == pg[1] && !take(2));
}

/* Between a claim and its end others free the rest: the claimer must see that nothing is left. */
static void emptied_while_claimed(void)
{
	struct page *pg;
	u64 before;

	set_up();
	before = walk_all().handed_out;
	pg = let_go(false, 16);
	CHECK(orphan_add(pg) == PUSH_DONE && push(pg, 0) == PUSH_LIST);
	for (unsigned i = 1; i < 16; i++)
		CHECK(push(pg, i) == PUSH_DONE);
	CHECK(orphan_settle(pg) && state_of(pg) == SLAB_DEAD && !take(2));
	orphan_bury(pg);
	CHECK(walk_all().handed_out == before);
}

/* Claimed for its sparseness, converted, then on the list like any shared one. */
static void claimed_converted_and_listed(void)
{
	struct page *pg;

	set_up();
	pg = let_go(true, 12);
	CHECK(orphan_add(pg) == PUSH_DONE && push(pg, 0) == PUSH_CONVERT && !take(2));
	CHECK(push(pg, 1) == PUSH_DONE); /* comes between */
	CHECK(slab_convert(pg, (struct handle *)0x4000, 7) == 10);
	CHECK(push(pg, 2) == PUSH_DONE); /* as one of a shared slab */
	CHECK(!orphan_settle(pg) && state_of(pg) == SLAB_LISTED);
	CHECK(take(2) == pg && slab_local(pg)->used == 9);
	CHECK(atomic_load(&pg->slab.hold) == (slab_hold_of(2) | SLAB_HOLD_VEC));
}

static void frees_of_listed_ones_come_with_the_taking(void)
{
	struct page *pg;

	set_up();
	pg = let_go(false, 10);
	orphan_add(pg);
	for (unsigned i = 0; i < 9; i++)
		CHECK(push(pg, i) == PUSH_DONE && state_of(pg) == SLAB_LISTED);
	CHECK(take(2) == pg && slab_local(pg)->used == 1);
	CHECK(push(pg, 9) == PUSH_DONE && slab_live(pg) == 0); /* held: nobody else's to bury */
}

/* ---- threads that take, fill, let go and free each other's ---- */
#define ROUNDS 3000
static void *out[256]; /* slots that anybody may free */
static u32 buried;

static void free_one(void *p)
{
	struct page *pg = page_head(page_index(p));
	unsigned i;

	CHECK(slab_slot_start(pg, p, &i));
	switch (slab_push(pg, i, p, false)) {
	case PUSH_DEAD:
		orphan_bury(pg);
		atomic_add(&buried, 1u);
		break;
	case PUSH_LIST:
		if (orphan_settle(pg)) {
			orphan_bury(pg);
			atomic_add(&buried, 1u);
		}
		break;
	default:
		break;
	}
}

static struct page *take_or_make(u32 tid)
{
	struct page *pg = orphan_take(class_here(), tid);

	if (!pg && (pg = block_alloc(2)))
		slab_make(pg, size, class_here(), tid, false);
	CHECK(pg && slab_holder(pg) == tid);
	return pg;
}

static void *churn(void *arg)
{
	struct heap *h = meta_alloc(sizeof(*h));
	u32 tid = (u32)(uintptr_t)arg;
	u64 seed = tid;

	heap_init(h, tid, 0, 0);
	for (int n = 0; n < ROUNDS; n++) {
		struct page *pg = take_or_make(tid);
		unsigned slot, some = 1 + next_random(&seed) % 16;
		void *p;

		heap_install(h, class_here(), pg);
		while (some-- && (p = heap_take(h, class_here(), &slot))) {
			p = atomic_xchg(&out[next_random(&seed) % 256], p);
			if (p)
				free_one(p);
		}
		h->bin[class_here()].slab = NULL;
		slab_collect(pg);
		if (!slab_local(pg)->used || orphan_add(pg) == PUSH_DEAD)
			slab_unmake(pg);
	}
	return NULL;
}

static void threads_pass_slabs_on(void)
{
	pthread_t thread[3];
	struct page *pg;

	set_up();
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread[i], NULL, churn, (void *)(i + 1)));
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < 256; i++)
		if (out[i])
			free_one(out[i]);
	CHECK(buried && !(pg = take(1)));
	for (u32 i = 0; i < regn.chunks * CHUNK_PAGES; i++)
		CHECK(page_at(i)->kind != PAGE_SLAB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(room_is_listed_and_taken_once),
		PAGE_TEST(a_full_one_is_listed_by_its_first_free),
		PAGE_TEST(own_slabs_and_caches_are_never_listed),
		PAGE_TEST(emptied_on_the_way),
		PAGE_TEST(a_dead_one_is_not_taken),
		PAGE_TEST(burying_leaves_the_others_linked),
		PAGE_TEST(emptied_while_claimed),
		PAGE_TEST(claimed_converted_and_listed),
		PAGE_TEST(frees_of_listed_ones_come_with_the_taking),
		PAGE_TEST(threads_pass_slabs_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
