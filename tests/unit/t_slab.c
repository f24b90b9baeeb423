/* t_slab.c - making slabs, the remote word and what every push decides, vectors, double frees. */
#include "page_fixture.h"

#include "slab/slab_fast.h"

#define TID   7u
#define OWNER 99u

static struct heap heap;

static struct handle *fake(unsigned n)
{
	return (struct handle *)(uintptr_t)(0x10000 + 64 * n);
}

static void no_drop(struct page *pg, bool hollow)
{
	(void)hollow;
	slab_unmake(pg);
}

/* A held slab of 1 KiB slots, all 16 of them or some handed out, off the bins afterwards. */
static struct page *held(bool own, unsigned taken)
{
	unsigned class = class_of(1024), slot;
	struct page *pg = block_alloc(2);

	CHECK(pg);
	slab_make(pg, 1024, class, TID, own);
	if (own)
		page_set_objcg(pg, fake(OWNER), 0);
	heap_init(&heap, TID, own ? OWNER : 0, 0);
	heap_install(&heap, class, pg);
	for (unsigned i = 0; i < taken; i++)
		CHECK(heap_take(&heap, class, &slot) && slot == i);
	atomic_store(&slab_local(pg)->where, (u8)SLAB_NOWHERE);
	return pg;
}

static enum slab_push push(struct page *pg, unsigned i)
{
	return slab_push(pg, i, slab_slot(pg, i), pg->slab.remote & SLAB_OWN);
}

static void set_state(struct page *pg, enum slab_state state)
{
	pg->slab.remote = (pg->slab.remote & ~REMOTE_STATE_MASK) | REMOTE_STATE_OF(state);
}

static unsigned state_of(const struct page *pg)
{
	return REMOTE_STATE(pg->slab.remote);
}

static void a_slab_is_made_free_and_whole(void)
{
	u64 before;

	bring_up(0);
	before = walk_all().handed_out;
	for (unsigned c = 0; c < CLASS_NR; c++)
		for (unsigned order = class_order_shared(c); order <= 4; order++) {
			struct page *pg = block_alloc(order);

			memset(page_address(pg), 0xa5, page_bytes(pg));
			slab_make(pg, class_size[c], c, TID, order == 3);
			CHECK(slab_valid(pg) && pg->kind == PAGE_SLAB && slab_holder(pg) == TID);
			CHECK(!slab_local(pg)->used && !page_owned(pg) && !(pg->flags & PG_ZEROED));
			CHECK(!(pg->slab.remote & SLAB_OWN) == (order != 3));
			CHECK(pg->slab.capacity * class_size[c] <= page_bytes(pg));
			for (unsigned i = 0; i < pg->slab.capacity; i++)
				CHECK(slab_slot_idle(pg, i));
			slab_unmake(pg);
		}
	CHECK(walk_all().handed_out == before);
}

static void what_is_wrong_with_the_bits_is_seen(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(false, 5);
	CHECK(slab_valid(pg));
	slab_local(pg)->used++;
	CHECK(!slab_valid(pg));
	slab_local(pg)->used--;
	slab_idle(pg)[0] &= ~BIT(9); /* free, and the program has it */
	CHECK(!slab_valid(pg));
}

static void the_holder_takes_back_what_others_freed(void)
{
	struct page *pg;
	u64 gen;

	bring_up(0);
	pg = held(false, 10);
	CHECK(!slab_collect(pg));
	for (unsigned i = 0; i < 10; i += 2)
		CHECK(push(pg, i) == PUSH_DONE);
	CHECK(REMOTE_COUNT(pg->slab.remote) == 5 && slab_live(pg) == 5 && slab_valid(pg));
	CHECK(slab_local(pg)->used == 10 && !slab_slot_idle(pg, 4));
	gen = pg->slab.remote & ~(REMOTE_GEN - 1);
	CHECK(slab_collect(pg) && slab_valid(pg));
	CHECK((pg->slab.remote & ~(REMOTE_GEN - 1)) != gen);
	CHECK(slab_local(pg)->used == 5 && !REMOTE_COUNT(pg->slab.remote) && slab_live(pg) == 5);
	for (unsigned i = 0; i < 16; i++)
		CHECK(slab_slot_idle(pg, i) == (i >= 10 || i % 2 == 0));
	CHECK(!slab_collect(pg));
}

static void a_second_push_is_met_by_the_collect(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(false, 10);
	push(pg, 3);
	push(pg, 4);
	push(pg, 3);
	EXPECT_BUG(slab_collect(pg), "double free of");
}

static void a_push_after_the_holders_free_is_met(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(true, 10);
	heap_give(&heap, pg, 3, no_drop);
	push(pg, 3);
	EXPECT_BUG(slab_claim(pg), "double free of");
}

/* The list that makes a slab look empty is looked at too, although nobody needs its slots. */
static void the_end_of_a_slab_looks_at_its_list(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(true, 2);
	CHECK(push(pg, 1) == PUSH_DONE);
	CHECK(push(pg, 1) == PUSH_HOLLOW); /* slot 0 is alive */
	EXPECT_BUG(slab_unmake(pg), "double free of");
}

static void a_list_that_was_written_to_is_met(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(false, 10);
	push(pg, 3);
	push(pg, 4);
	*(u16 *)slab_slot(pg, 4) = 0;
	EXPECT_BUG(slab_collect(pg), "written to after free");
}

static void a_link_out_of_the_slab_is_met(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(false, 10);
	push(pg, 3);
	push(pg, 4);
	*(u16 *)slab_slot(pg, 4) = 4000;
	EXPECT_BUG(slab_collect(pg), "double free of");
}

/* ---- what a push decides ---- */
static void held_slabs(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(false, 2);
	CHECK(push(pg, 0) == PUSH_DONE && push(pg, 1) == PUSH_DONE && state_of(pg) == SLAB_HELD);
	pg = held(true, 2);
	atomic_store(&slab_local(pg)->where, (u8)SLAB_CURRENT);
	CHECK(push(pg, 0) == PUSH_DONE && push(pg, 1) == PUSH_DONE && state_of(pg) == SLAB_HELD);
	for (unsigned where = SLAB_PARTIAL; where <= SLAB_NOWHERE; where++) {
		pg = held(true, 2);
		atomic_store(&slab_local(pg)->where, (u8)where);
		CHECK(push(pg, 0) == PUSH_DONE && state_of(pg) == SLAB_HELD);
		CHECK(push(pg, 1) == PUSH_HOLLOW && state_of(pg) == SLAB_HOLLOW);
		CHECK(!slab_collect(pg) && !slab_claim(pg));
	}
}

static void orphans(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(false, 3);
	set_state(pg, SLAB_ORPHAN);
	CHECK(push(pg, 0) == PUSH_LIST && state_of(pg) == SLAB_CLAIMED);
	CHECK(push(pg, 1) == PUSH_DONE && push(pg, 2) == PUSH_DONE); /* the claimer looks */
	CHECK(state_of(pg) == SLAB_CLAIMED && REMOTE_COUNT(pg->slab.remote) == 3);
	pg = held(false, 3);
	set_state(pg, SLAB_LISTED);
	CHECK(push(pg, 0) == PUSH_DONE && push(pg, 1) == PUSH_DONE && state_of(pg) == SLAB_LISTED);
	CHECK(push(pg, 2) == PUSH_DEAD && state_of(pg) == SLAB_DEAD);
	pg = held(false, 1);
	set_state(pg, SLAB_ORPHAN);
	CHECK(push(pg, 0) == PUSH_DEAD);
}

/* 12 x 1028 is three quarters of 16 KiB and a little, 11 is less. */
static void own_orphans_convert_when_sparse(void)
{
	struct objcgs *exceptions;
	struct page *pg;

	bring_up(0);
	pg = held(true, 14);
	set_state(pg, SLAB_ORPHAN);
	CHECK(push(pg, 0) == PUSH_DONE && push(pg, 1) == PUSH_DONE && state_of(pg) == SLAB_ORPHAN);
	CHECK(!slab_sparse(pg, 12) && slab_sparse(pg, 11));
	CHECK(push(pg, 2) == PUSH_CONVERT && state_of(pg) == SLAB_CLAIMED);
	pg = held(true, 2);
	CHECK(slab_exceptions(pg, fake(OWNER), OWNER, &exceptions)); /* those stay as they are */
	set_state(pg, SLAB_ORPHAN);
	CHECK(push(pg, 0) == PUSH_DONE && push(pg, 1) == PUSH_DEAD);
}

static void a_free_after_the_last_ends_the_process(void)
{
	struct page *pg;

	bring_up(0);
	pg = held(true, 3);
	set_state(pg, SLAB_HOLLOW);
	EXPECT_BUG(push(pg, 0), "freed before");
	set_state(pg, SLAB_DEAD);
	EXPECT_BUG(push(pg, 0), "freed before");
}

static void a_push_for_another_kind_changes_nothing(void)
{
	struct page *pg;
	u64 word;

	bring_up(0);
	pg = held(true, 3);
	*(u16 *)slab_slot(pg, 0) = 0x1234;
	word = pg->slab.remote;
	CHECK(slab_push(pg, 0, slab_slot(pg, 0), false) == PUSH_CHANGED);
	CHECK(pg->slab.remote == word && *(u16 *)slab_slot(pg, 0) == 0x1234);
}

/* ---- owner vectors ---- */
static void the_first_vector_of_a_bare_slab(void)
{
	struct objcgs *v;
	struct page *pg;

	bring_up(0);
	pg = held(false, 4);
	v = slab_vector(pg, true);
	CHECK(v && v == page_objcgs_check(pg) && v->nr == 16 && !v->fallback);
	for (unsigned i = 0; i < 16; i++)
		CHECK(v->entry[i] == (i < 4 ? OWNER_NOBODY : 0u));
	CHECK(atomic_load(&pg->slab.hold) == (slab_hold_of(TID) | SLAB_HOLD_VEC));
	CHECK(slab_vector(pg, true) == v); /* whoever is second uses the first's */
	slab_set_hold(pg, 9);
	CHECK(atomic_load(&pg->slab.hold) == (slab_hold_of(9) | SLAB_HOLD_VEC));
	slab_set_hold(pg, 0);
	CHECK(!slab_holder(pg));
	pg = held(false, 4);
	v = slab_vector(pg, false); /* a stranger cannot trust the bits */
	for (unsigned i = 0; i < 16; i++)
		CHECK(v->entry[i] == OWNER_NOBODY);
	pg = held(false, 0);
	slab_set_hold(pg, 9);
	CHECK(atomic_load(&pg->slab.hold) == slab_hold_of(9));
}

/* What comes back is free, so nobody's entry stays behind; an own slab's go back to its handle. */
static void entries_end_with_their_object(void)
{
	struct objcgs *again;
	struct objcgs *v;
	struct page *pg;

	bring_up(0);
	pg = held(false, 4);
	v = slab_vector(pg, true);
	v->entry[2] = 55;
	push(pg, 2);
	slab_collect(pg);
	CHECK(!v->entry[2] && v->entry[1] == OWNER_NOBODY);
	pg = held(true, 4);
	CHECK(slab_exceptions(pg, fake(OWNER), OWNER, &v) && v && v->fallback == OWNER);
	CHECK(!slab_exceptions(pg, fake(OWNER), OWNER, &again) && again == v);
	for (unsigned i = 0; i < 16; i++)
		CHECK(v->entry[i] == OWNER);
	push(pg, 2);
	slab_collect(pg);
	CHECK(v->entry[2] == OWNER);
	CHECK(atomic_load(&pg->slab.hold) & SLAB_HOLD_VEC);
}

static void vectors_go_with_their_slab(void)
{
	u64 had;

	bring_up(0);
	slab_vector(held(false, 1), true);
	had = meta_bytes;
	for (int i = 0; i < 20000; i++) {
		struct page *pg = held(false, 1);

		CHECK(slab_vector(pg, true));
		push(pg, 0);
		slab_unmake(pg);
	}
	CHECK(meta_bytes == had);
}

/* ---- frees by several threads against the holder ---- */
static struct page *common;
static u16 slots_of[4][4096 / 4];
static u32 started;

static void *push_mine(void *arg)
{
	u16 *mine = slots_of[(uintptr_t)arg];

	atomic_add(&started, 1u);
	while (atomic_load(&started) < 4)
		cpu_relax();
	for (unsigned i = 0; mine[i] != 0xffff; i++)
		CHECK(push(common, mine[i]) == PUSH_DONE);
	return NULL;
}

static void deal_slots(void)
{
	unsigned n[4] = {0};

	for (unsigned i = 0; i < common->slab.capacity; i++)
		slots_of[i % 4][n[i % 4]++] = (u16)i;
	for (unsigned k = 0; k < 4; k++)
		slots_of[k][n[k]] = 0xffff;
}

static void one_round(void)
{
	pthread_t thread[4];
	struct slab_local *l = slab_local(common);
	unsigned slot;

	while (heap_take(&heap, 0, &slot) || heap_refill(&heap, 0, no_drop))
		;
	CHECK(l->used == common->slab.capacity);
	heap.bin[0].slab = common; /* it went to the full list: current again */
	heap.full[0].head = heap.full[0].tail = 0;
	l->where = SLAB_CURRENT;
	started = 0;
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&thread[i], NULL, push_mine, (void *)i));
	while (atomic_load(&l->used))
		slab_collect(common);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CHECK(!l->used && slab_valid(common) && !REMOTE_COUNT(common->slab.remote));
}

static void four_threads_against_the_holder(void)
{
	bring_up(0);
	common = block_alloc(2);
	slab_make(common, 16, 0, TID, false);
	heap_init(&heap, TID, 0, 0);
	heap_install(&heap, 0, common);
	deal_slots();
	for (int round = 0; round < 100; round++)
		one_round();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(a_slab_is_made_free_and_whole),
		PAGE_TEST(what_is_wrong_with_the_bits_is_seen),
		PAGE_TEST(the_holder_takes_back_what_others_freed),
		PAGE_TEST(a_second_push_is_met_by_the_collect),
		PAGE_TEST(a_push_after_the_holders_free_is_met),
		PAGE_TEST(the_end_of_a_slab_looks_at_its_list),
		PAGE_TEST(a_list_that_was_written_to_is_met),
		PAGE_TEST(a_link_out_of_the_slab_is_met),
		PAGE_TEST(held_slabs),
		PAGE_TEST(orphans),
		PAGE_TEST(own_orphans_convert_when_sparse),
		PAGE_TEST(a_free_after_the_last_ends_the_process),
		PAGE_TEST(a_push_for_another_kind_changes_nothing),
		PAGE_TEST(the_first_vector_of_a_bare_slab),
		PAGE_TEST(entries_end_with_their_object),
		PAGE_TEST(vectors_go_with_their_slab),
		PAGE_TEST(four_threads_against_the_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
