/* t_heap.c - a thread's bins and lists: where slots come from, where they go, what is given up. */
#include "page_fixture.h"

#include "slab/slab_fast.h"

#define TID   3u
#define OWNER 50u

static struct heap h;
static unsigned class;
static struct page *gone[256], *kept[64];
static unsigned drops, hollows, keeps;

static void drop(struct page *pg, bool hollow)
{
	CHECK(hollow == (REMOTE_STATE(pg->slab.remote) == SLAB_HOLLOW) && !pg->slab.bin);
	CHECK(slab_local(pg)->used == REMOTE_COUNT(pg->slab.remote));
	gone[drops++ % 256] = pg;
	hollows += hollow;
	slab_unmake(pg);
}

static void keep(struct page *pg)
{
	CHECK(slab_local(pg)->used && !REMOTE_COUNT(pg->slab.remote) && slab_valid(pg));
	kept[keeps++ % 64] = pg;
}

static void set_up(u32 size, u32 handle)
{
	bring_up(0);
	class = class_of(size);
	heap_init(&h, TID, handle, 2);
}

static struct page *more(void)
{
	struct page *pg = block_alloc(class_order_shared(class));

	CHECK(pg);
	slab_make(pg, class_size[class], class, TID, h.handle);
	if (h.handle)
		page_set_objcg(pg, (struct handle *)0x4000, 0);
	heap_install(&h, class, pg);
	return pg;
}

static struct page *slab_of(void *p)
{
	return page_head(page_index(p));
}

/* As the layer above allocates, past the stacks. */
static void *get(void)
{
	unsigned slot;
	void *p = heap_take(&h, class, &slot);

	if (p)
		return p;
	if (!heap_refill(&h, class, drop))
		more();
	p = heap_take(&h, class, &slot);
	CHECK(p && slab_slot(slab_of(p), slot) == p);
	return p;
}

static void give(void *p)
{
	unsigned i;

	CHECK(slab_slot_start(slab_of(p), p, &i));
	heap_give(&h, slab_of(p), i, drop);
}

static enum slab_push push(void *p)
{
	struct page *pg = slab_of(p);
	unsigned i;

	CHECK(slab_slot_start(pg, p, &i));
	return slab_push(pg, i, p, pg->slab.remote & SLAB_OWN);
}

static unsigned fill(void **p, unsigned slabs)
{
	unsigned n = 0;

	while (h.bin[class].slabs < slabs ||
	       slab_local(h.bin[class].slab)->used < h.bin[class].slab->slab.capacity)
		p[n++] = get();
	return n;
}

static void stacks_have_room_of_their_own(void)
{
	struct parked *end;

	set_up(64, 0);
	end = h.entry;
	for (unsigned c = 0; c < CLASS_NR; c++) {
		struct bin *b = &h.bin[c];

		CHECK(b->bottom == end && b->top == b->bottom && b->limit == b->bottom + b->room);
		CHECK(b->room >= 2 && b->room <= 64);
		end = b->limit;
	}
	CHECK(end <= h.entry + HEAP_ENTRIES);
}

static void every_slot_once_and_in_order(void)
{
	set_up(16, 0);
	for (class = 0; class < CLASS_NR; class ++) {
		struct page *pg = more();
		unsigned slot;

		CHECK(slab_local(pg)->heap == 2 && pg->slab.bin == &h.bin[class]);
		for (unsigned i = 0; i < pg->slab.capacity; i++) {
			if (h.bin[class].slab != pg || !heap_take(&h, class, &slot)) {
				CHECK(heap_refill(&h, class, drop));
				CHECK(heap_take(&h, class, &slot));
			}
			CHECK(slot == i && !slab_slot_idle(pg, i));
		}
		CHECK(slab_local(pg)->used == pg->slab.capacity && slab_valid(pg));
		CHECK(!heap_take(&h, class, &slot) && !heap_refill(&h, class, drop));
		CHECK(!heap_take(&h, class, &slot) && slab_local(pg)->where == SLAB_FULL);
	}
	CHECK(!drops);
}

static void taking_more_parks_half_a_stack(void)
{
	struct bin *b;
	struct page *pg;
	char *p;

	set_up(64, OWNER);
	pg = more();
	b = &h.bin[class];
	p = heap_take_more(&h, class);
	CHECK(p == slab_slot(pg, 0) && b->top - b->bottom == 32 && slab_local(pg)->used == 33);
	for (unsigned i = 1; i <= 32; i++) {
		CHECK(slab_slot_idle(pg, i));
		CHECK(bin_pop(b) == slab_slot(pg, i) && !slab_slot_idle(pg, i));
	}
	CHECK(bin_empty(b) && slab_valid(pg));
	CHECK(heap_take_more(&h, class) == slab_slot(pg, 33) && !bin_empty(b));
	CHECK(heap_take_more(&h, class) && b->top - b->bottom == 32); /* there are some: no more */
}

static void parking(void)
{
	struct bin *b;
	struct page *pg;
	void *p[80];

	set_up(64, OWNER);
	pg = more();
	b = &h.bin[class];
	for (unsigned i = 0; i < 80; i++)
		p[i] = get();
	CHECK(slab_park(pg, p[1], 64 + 8) == FREE_BAD && b->top == b->bottom);
	for (unsigned i = 0; i < 64; i++) {
		CHECK(slab_park(pg, p[i], i * 64) == FREE_DONE && slab_slot_idle(pg, i));
		CHECK(slab_park(pg, p[i], i * 64) == FREE_BAD);
	}
	CHECK(slab_park(pg, p[70], 70 * 64) == FREE_FULL && !slab_slot_idle(pg, 70));
	CHECK(slab_local(pg)->used == 80 && slab_valid(pg)); /* to the slab they are in use */
	heap_spill(&h, b, drop);
	CHECK(slab_local(pg)->used == 48 && b->top - b->bottom == 32 && slab_valid(pg));
	for (unsigned i = 0; i < 64; i++) /* the older half; the younger is still parked */
		CHECK(slab_slot_idle(pg, i) && !(slab_free_bits(pg)[0] >> i & 1) == (i >= 32));
	CHECK(slab_park(pg, p[70], 70 * 64) == FREE_DONE && bin_pop(b) == p[70]);
	CHECK(bin_pop(b) == p[63]);
	heap_unpark(&h, drop);
	CHECK(b->top == b->bottom && slab_local(pg)->used == 17 && slab_valid(pg));
}

/* ---- stacks that grow ---- */

static void *get_as_programs_do(void)
{
	struct bin *b = &h.bin[class];
	void *p = bin_empty(b) ? heap_take_more(&h, class) : bin_pop(b);

	if (p)
		return p;
	if (!heap_refill(&h, class, drop))
		more();
	p = heap_take_more(&h, class);
	CHECK(p);
	return p;
}

static void give_as_programs_do(void *p)
{
	struct page *pg = slab_of(p);
	u64 off = (uintptr_t)p - (uintptr_t)page_address(pg);

	if (slab_park(pg, p, off) == FREE_DONE)
		return;
	heap_spill(&h, pg->slab.bin, drop);
	CHECK(slab_park(pg, p, off) == FREE_DONE);
}

static void take_and_give(unsigned n)
{
	static void *p[1024];

	for (unsigned i = 0; i < n; i++)
		p[i] = get_as_programs_do();
	for (unsigned i = 0; i < n; i++)
		give_as_programs_do(p[i]);
}

static void a_stack_grows_when_what_it_gave_back_is_wanted_again(void)
{
	struct bin *b;

	set_up(64, OWNER);
	b = &h.bin[class];
	heap_allow(&h, 16 * KIB);
	CHECK(b->most == 256);
	take_and_give(1000);
	CHECK(b->room == 64 && b->spilled); /* it has spilled, and nothing was wanted since */
	take_and_give(1000);
	CHECK(b->room == 128 && heap_grown == 128 * 64);
	take_and_give(1000);
	take_and_give(1000);
	take_and_give(1000);
	CHECK(b->room == 256 && heap_grown == 256 * 64); /* no further than allowed */
	heap_unpark(&h, drop);
	CHECK(b->room == 256);
	heap_allow(&h, 16 * KIB);
	CHECK(b->room == 256);
	heap_allow(&h, 8 * KIB);
	CHECK(b->room == 64 && !heap_grown); /* more than is allowed now */
	take_and_give(1000);
	take_and_give(1000);
	CHECK(b->room == 128);
	heap_grown = 0; /* as in the child of a fork */
	heap_count_grown(&h);
	CHECK(heap_grown == 128 * 64);
	heap_trim(&h, true, drop);
	CHECK(b->room == 64 && b->bottom == h.entry + b->home && !heap_grown);
}

static void a_stack_that_does_not_spill_stays_small(void)
{
	struct bin *b;

	set_up(64, OWNER);
	b = &h.bin[class];
	heap_allow(&h, MIB);
	for (unsigned i = 0; i < 100; i++)
		take_and_give(30);
	CHECK(b->room == 64 && !heap_grown);
	heap_trim(&h, true, drop);
}

static void stacks_do_not_grow_past_their_sum(void)
{
	struct bin *b;

	set_up(64, OWNER);
	b = &h.bin[class];
	heap_allow(&h, MIB);
	heap_grown = HEAP_GROWN_MOST - 128 * 64 + 1;
	for (unsigned i = 0; i < 4; i++)
		take_and_give(1000);
	CHECK(b->room == 64);
	heap_grown--;
	take_and_give(1000);
	CHECK(b->room == 128);
	heap_grown = 128 * 64;
	heap_trim(&h, true, drop);
	CHECK(!heap_grown);
}

static void nothing_grows_unless_allowed(void)
{
	set_up(64, OWNER);
	for (unsigned i = 0; i < 4; i++)
		take_and_give(1000);
	CHECK(h.bin[class].room == 64 && !heap_grown);
	heap_trim(&h, true, drop);
}

/* A slab whose last slots lie in a stack stays until they are spilled. */
static void parked_slots_keep_their_slab(void)
{
	void *p[64];
	unsigned n;

	set_up(1024, OWNER);
	n = fill(p, 3);
	for (unsigned i = 0; i < n; i++) {
		struct page *pg = slab_of(p[i]);
		u64 off = (uintptr_t)p[i] - (uintptr_t)page_address(pg);

		if (slab_park(pg, p[i], off) == FREE_FULL) {
			heap_spill(&h, pg->slab.bin, drop);
			CHECK(slab_park(pg, p[i], off) == FREE_DONE);
		}
		CHECK(pg->kind == PAGE_SLAB);
	}
	heap_unpark(&h, drop);
	/* One of those that are not current is kept. */
	CHECK(h.bin[class].slabs == 2 && drops == 1 && !hollows);
	CHECK(heap_trim(&h, true, drop) == 32 * KIB && drops == 3 && !h.bin[class].slabs);
}

static void a_slab_goes_full_partial_current(void)
{
	void *p[64];
	struct page *first, *second;

	set_up(1024, 0);
	CHECK(fill(p, 3) == 48);
	first = slab_of(p[0]);
	second = slab_of(p[16]);
	CHECK(slab_local(first)->where == SLAB_FULL && slab_local(second)->where == SLAB_FULL);
	give(p[20]);
	CHECK(slab_local(second)->where == SLAB_PARTIAL);
	give(p[3]);
	CHECK(slab_local(first)->where == SLAB_PARTIAL);
	CHECK(get() == p[20] && h.bin[class].slab == second); /* longest partial first */
	CHECK(get() == p[3] && h.bin[class].slab == first && h.bin[class].slabs == 3);
	CHECK(slab_of(get()) != first && h.bin[class].slabs == 4);
}

static void frees_by_others_are_found(void)
{
	void *p[1024];
	unsigned n, looks;

	set_up(1024, 0);
	n = fill(p, 60);
	for (unsigned i = 0; i < 16; i++)
		push(p[50 * 16 + i]);
	/* Sixteen are looked at for every slab that would be made. */
	for (looks = 0; h.bin[class].slabs < 64; looks++) {
		void *q = get();

		if (slab_of(q) == slab_of(p[50 * 16]))
			break;
		while (slab_local(h.bin[class].slab)->used < 16)
			get();
	}
	CHECK(n == 960 && looks <= 3);
	/* The current slab's own list before anything else. */
	for (unsigned i = 1; i < 16; i++)
		get();
	push(p[50 * 16 + 7]);
	CHECK(get() == p[50 * 16 + 7]);
}

static void one_empty_slab_is_kept(void)
{
	void *p[64];

	set_up(1024, 0);
	fill(p, 4);
	for (unsigned i = 0; i < 16; i++)
		give(p[i]);
	CHECK(!drops && h.bin[class].slabs == 4);
	for (unsigned i = 16; i < 32; i++)
		give(p[i]);
	CHECK(drops == 1 && gone[0] == slab_of(p[16]) && h.bin[class].slabs == 3);
	for (unsigned i = 48; i < 64; i++) /* the current one is not looked at */
		give(p[i]);
	CHECK(drops == 1 && heap_trim(&h, false, drop) == 32 * KIB && drops == 3);
	CHECK(h.bin[class].slabs == 1 && slab_live(slab_of(p[32])) == 16);
	CHECK(!heap_trim(&h, true, drop));
}

/* The last free by another uncharged it: whoever finds it must not do so again. */
static void hollow_first_slab(void **p)
{
	set_up(1024, OWNER);
	CHECK(fill(p, 3) == 48);
	for (unsigned i = 0; i < 15; i++)
		CHECK(push(p[i]) == PUSH_DONE);
	CHECK(push(p[15]) == PUSH_HOLLOW);
}

static void a_hollow_slab_is_found_by_refill(void)
{
	void *p[64];
	unsigned slot;

	hollow_first_slab(p);
	CHECK(!heap_take(&h, class, &slot) && !heap_refill(&h, class, drop));
	CHECK(drops == 1 && hollows == 1 && gone[0] == slab_of(p[0]) && h.bin[class].slabs == 2);
}

/* At a limit it would be a look at every slab for nothing that is charged. */
static void a_hollow_slab_is_found_by_trim_of_all(void)
{
	void *p[64];

	hollow_first_slab(p);
	CHECK(!heap_trim(&h, false, drop) && !drops && h.bin[class].slabs == 3);
	CHECK(heap_trim(&h, true, drop) == 16 * KIB && drops == 1 && hollows == 1);
	CHECK(gone[0] == slab_of(p[0]) && h.bin[class].slabs == 2);
}

static void a_hollow_slab_is_found_at_the_end(void)
{
	void *p[64];

	hollow_first_slab(p);
	push(p[20]);
	heap_dissolve(&h, keep, drop);
	CHECK(drops == 1 && hollows == 1 && keeps == 2 && !h.bin[class].slabs);
	CHECK(slab_local(slab_of(p[20]))->used == 15);
}

/* The last free by another comes between the holder's own and its look: as hollow as any. */
static void the_last_two_frees_cross(void)
{
	void *p[64];
	struct page *first;

	set_up(1024, OWNER);
	fill(p, 4);
	first = slab_of(p[0]);
	give(p[20]); /* another one is partial: the first will not be kept */
	for (unsigned i = 0; i < 14; i++)
		give(p[i]);
	CHECK(push(p[14]) == PUSH_DONE);
	first->slab.remote |= REMOTE_STATE_OF(SLAB_HOLLOW);
	give(p[15]);
	CHECK(drops == 1 && hollows == 1 && gone[0] == first);
}

/* A current slab emptied by others is no hollow one: the holder may allocate from it any moment. */
static void a_current_slab_is_never_hollow(void)
{
	void *p[64];

	set_up(1024, OWNER);
	CHECK(fill(p, 1) == 16);
	for (unsigned i = 0; i < 16; i++)
		CHECK(push(p[i]) == PUSH_DONE);
	CHECK(heap_trim(&h, true, drop) == 16 * KIB && drops == 1 && !hollows);
}

/* One that becomes current again is of a new generation, so that no free that looked before
 * decides what is not true any more. */
static void becoming_current_turns_old_looks_away(void)
{
	void *p[64];
	struct page *first;
	u64 old, new;

	set_up(1024, OWNER);
	fill(p, 2);
	first = slab_of(p[0]);
	give(p[0]);
	old = first->slab.remote;
	CHECK(get() == p[0] && h.bin[class].slab == first);
	new = first->slab.remote;
	CHECK(old != new && (u32)old == (u32) new);
}

static void letting_go(void)
{
	void *p[64];

	set_up(1024, 0);
	fill(p, 4);
	for (unsigned i = 0; i < 16; i++)
		give(p[i]); /* partial, empty */
	for (unsigned i = 16; i < 32; i++)
		push(p[i]); /* full, emptied by others */
	push(p[60]);
	give(p[61]); /* current */
	heap_dissolve(&h, keep, drop);
	CHECK(drops == 2 && !hollows && keeps == 2 && !h.bin[class].slab);
	CHECK(kept[0] == slab_of(p[60]) && slab_local(kept[0])->used == 14);
	CHECK(kept[1] == slab_of(p[32]) && slab_local(kept[1])->used == 16);
	for (unsigned i = 0; i < 2; i++)
		CHECK(!kept[i]->slab.bin);
}

/* Random work on three classes against a list of what is out: every slot once, all comes back. */
static void any_mix_comes_back(void)
{
	static const u32 sizes[] = {16, 640, 5120};
	static void *out[3][600];
	u64 seed = 11, before;
	unsigned n[3] = {0};

	set_up(16, 0);
	before = walk_all().handed_out;
	for (int i = 0; i < 60000; i++) {
		unsigned c = next_random(&seed) % 3, k;

		class = class_of(sizes[c]);
		if (n[c] < 600 && next_random(&seed) % (i / 10000 % 2 ? 3 : 2)) {
			out[c][n[c]] = get();
			*(u64 *)out[c][n[c]] = (u64)(uintptr_t)out[c][n[c]];
			n[c]++;
		} else if (n[c]) {
			k = next_random(&seed) % n[c];
			CHECK(*(u64 *)out[c][k] == (u64)(uintptr_t)out[c][k]);
			if (next_random(&seed) % 2)
				give(out[c][k]);
			else
				push(out[c][k]);
			out[c][k] = out[c][--n[c]];
		}
	}
	for (unsigned c = 0; c < 3; c++)
		while (n[c])
			push(out[c][--n[c]]);
	heap_trim(&h, true, drop);
	for (unsigned c = 0; c < CLASS_NR; c++)
		CHECK(!h.bin[c].slabs);
	CHECK(walk_all().handed_out == before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(stacks_have_room_of_their_own),
		PAGE_TEST(every_slot_once_and_in_order),
		PAGE_TEST(taking_more_parks_half_a_stack),
		PAGE_TEST(parking),
		PAGE_TEST(parked_slots_keep_their_slab),
		PAGE_TEST(a_stack_grows_when_what_it_gave_back_is_wanted_again),
		PAGE_TEST(a_stack_that_does_not_spill_stays_small),
		PAGE_TEST(stacks_do_not_grow_past_their_sum),
		PAGE_TEST(nothing_grows_unless_allowed),
		PAGE_TEST(a_slab_goes_full_partial_current),
		PAGE_TEST(frees_by_others_are_found),
		PAGE_TEST(one_empty_slab_is_kept),
		PAGE_TEST(a_hollow_slab_is_found_by_refill),
		PAGE_TEST(a_hollow_slab_is_found_by_trim_of_all),
		PAGE_TEST(a_hollow_slab_is_found_at_the_end),
		PAGE_TEST(the_last_two_frees_cross),
		PAGE_TEST(a_current_slab_is_never_hollow),
		PAGE_TEST(becoming_current_turns_old_looks_away),
		PAGE_TEST(letting_go),
		PAGE_TEST(any_mix_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
