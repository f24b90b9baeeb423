/* t_alloc.c - malloc's semantics, what an object costs and whom, promotion, refusals. */
#include "alloc_fixture.h"

#include <errno.h>

static bool refused(void *p)
{
	bool no = !p && errno == ENOMEM;

	errno = 0;
	return no;
}

/* Hides a size from the compiler, which knows that no object is as large. */
static size_t opaque(size_t n)
{
	__asm__("" : "+r"(n));
	return n;
}

/* ---- malloc and its family ---- */
static void every_size_is_aligned_and_all_of_it_usable(void)
{
	set_up();
	for (size_t n = 0; n < 70000; n += n < 4200 ? 1 : 97) {
		char *p = memcg_malloc(n), *q = memcg_malloc(n);
		size_t usable = memcg_usable_size(p);

		CHECK(p && q && p != q && IS_ALIGNED((uintptr_t)p, 16));
		CHECK(usable >= n && usable >= 16);
		CHECK(n > CLASS_MAX_SIZE ? usable == ALIGN_UP(n, PAGE_SIZE)
					 : usable == class_size[class_of(n)]);
		memset(p, 0x11, usable);
		memset(q, 0x22, memcg_usable_size(q));
		CHECK(p[0] == 0x11 && p[usable - 1] == 0x11);
		memcg_free(p);
		memcg_free_sized(q, n);
	}
	CHECK(!memcg_usable_size(NULL));
	closes();
}

static void too_large_is_refused(void)
{
	char *p;

	set_up();
	CHECK((p = memcg_malloc(10)));
	strcpy(p, "untouched");
	CHECK(refused(memcg_malloc(opaque(PTRDIFF_MAX + 1ul))));
	CHECK(refused(memcg_malloc(opaque(SIZE_MAX))) &&
	      refused(memcg_malloc(opaque(PTRDIFF_MAX))));
	CHECK(refused(memcg_calloc(1, opaque(PTRDIFF_MAX + 1ul))));
	CHECK(refused(memcg_calloc(opaque(SIZE_MAX / 2), 3)));
	CHECK(refused(memcg_calloc(opaque(1ul << 32), opaque(1ul << 32))));
	CHECK(refused(memcg_realloc(p, opaque(PTRDIFF_MAX + 1ul))));
	CHECK(refused(memcg_reallocarray(p, opaque(1ul << 33), opaque(1ul << 33))));
	CHECK(refused(memcg_reallocarray(p, opaque(SIZE_MAX), 16)));
	CHECK(refused(memcg_aligned_alloc(64, opaque(SIZE_MAX - 64))));
	CHECK(refused(memcg_aligned_alloc(2 * CHUNK_SIZE, 1)));
	CHECK(!strcmp(p, "untouched") && held(cg) == 20);
}

static void calloc_clears_what_was_used(void)
{
	static const size_t sizes[] = {1, 16, 100, 1000, 5000, 32768, 32769, 100000, 5u << 20};

	set_up();
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
		for (int again = 0; again < 3; again++) {
			char *p = memcg_calloc(1, sizes[k]);
			size_t n = memcg_usable_size(p);

			for (size_t i = 0; i < sizes[k]; i++)
				CHECK(!p[i]);
			memset(p, 0xff, n);
			memcg_free(p);
			p = memcg_alloc(NULL, sizes[k], 0, MEMCG_ZERO);
			for (size_t i = 0; i < sizes[k]; i++)
				CHECK(!p[i]);
			memset(p, 0xff, n);
			memcg_free(p);
		}
	CHECK((memcg_calloc(0, 5)));
}

static void realloc_in_place(void)
{
	char *p, *q;

	set_up();
	CHECK((p = memcg_realloc(NULL, 1000)) && memcg_usable_size(p) == 1024);
	CHECK(memcg_realloc(p, 1024) == p && memcg_realloc(p, 512) == p);
	q = memcg_realloc(p, 511); /* would waste half */
	CHECK(q != p && memcg_usable_size(q) == 512);
	CHECK((p = memcg_malloc(64)) && memcg_realloc(p, 1) == p); /* too small to matter */
	CHECK((p = memcg_malloc(80)) && memcg_realloc(p, 1) != p);
	CHECK((p = memcg_malloc(100000)) && memcg_realloc(p, 102400) == p);
	CHECK(memcg_realloc(p, 51200) == p);
	q = memcg_realloc(p, 40000);
	CHECK(q != p && memcg_usable_size(q) == 40960);
}

static void realloc_of_nothing_frees(void)
{
	void *p;

	set_up();
	CHECK((p = memcg_malloc(1000)) && held(cg) == 1028);
	CHECK(!memcg_realloc(p, 0) && !held(cg));
	CHECK((p = memcg_malloc(100000)) && held(cg) == 102400);
	CHECK(!memcg_reallocarray(p, 0, 8) && !held(cg));
}

static void realloc_keeps_the_bytes(void)
{
	static const size_t sizes[] = {1, 17, 300, 70, 5000, 40, 32768, 32769, 9u << 20, 200000, 3};
	unsigned char *p;
	size_t had = 1;

	set_up();
	CHECK((p = memcg_malloc(1)));
	p[0] = 0;
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		CHECK((p = memcg_realloc(p, sizes[k])));
		for (size_t i = 0; i < MIN(had, sizes[k]); i++)
			CHECK(p[i] == (unsigned char)(i * 7));
		for (size_t i = 0; i < sizes[k]; i++)
			p[i] = (unsigned char)(i * 7);
		had = sizes[k];
	}
	closes();
}

static void realloc_keeps_the_owner(void)
{
	void *p, *bare;

	set_up();
	CHECK((p = memcg_malloc(100)) && (bare = memcg_alloc(NULL, 100, 0, MEMCG_UNACCOUNTED)));
	memcg_leave(memcg_get(other));
	CHECK((p = memcg_realloc(p, 1000)) && memcg_owner_id(p) == memcg_id(cg));
	CHECK(held(cg) == 1028 && !held(other));
	CHECK((p = memcg_realloc(p, 100000)) && held(cg) == 102400 && !held(other));
	CHECK((bare = memcg_realloc(bare, 1000)) && !memcg_owner_id(bare));
	CHECK((bare = memcg_realloc(bare, 50000)) && !memcg_owner_id(bare) && !held(other));
	/* Its group destroyed: whoever inherited it. */
	CHECK(!memcg_destroy(cg) && (p = memcg_realloc(p, 1000)) && memcg_owner_id(p) == 1);
	closes();
}

/* Accounting was switched off: a new block is nobody's, an old one's new place is not. */
static void realloc_keeps_the_owner_without_accounting(void)
{
	void *p;

	set_up();
	CHECK((p = memcg_malloc(100)) && held(cg) == 116);
	CHECK(memcg_write(memcg_root(), "memory.accounting", "0", 1) >= 0);
	memcg_free(memcg_malloc(100)); /* a slow path takes the switch over */
	CHECK((p = memcg_realloc(p, 1000)) && memcg_owner_id(p) == memcg_id(cg) &&
	      held(cg) == 1028);
	CHECK((p = memcg_realloc(p, 90000)) && memcg_owner_id(p) == memcg_id(cg));
	memcg_free(p);
	CHECK(!held(cg));
	closes();
}

/* Slots that lie ready for the first path while accounting is off get no entry: an owned object's
 * slab must not have any. */
static void an_owned_object_among_ready_ones(void)
{
	void *owned, *p[64];

	set_up();
	CHECK((owned = memcg_malloc(1000)));
	CHECK(memcg_write(memcg_root(), "memory.accounting", "0", 1) >= 0);
	for (int i = 0; i < 3; i++)
		CHECK((p[i] = memcg_malloc(200)));
	CHECK((owned = memcg_realloc(owned, 200)) && memcg_owner_id(owned) == memcg_id(cg));
	CHECK(page_objcgs_check(slab_of(p[2])) == page_objcgs_check(slab_of(owned)));
	for (int i = 3; i < 64; i++)
		CHECK((p[i] = memcg_malloc(200)) && !memcg_owner_id(p[i]));
	closes();
	for (int i = 0; i < 64; i++) {
		struct objcgs *v = page_objcgs_check(slab_of(p[i]));
		unsigned slot;

		CHECK(slab_slot_start(slab_of(p[i]), p[i], &slot));
		CHECK(!v || v->entry[slot]);
		memcg_free(p[i]);
	}
	memcg_free(owned);
	CHECK(!held(cg));
	closes();
}

static void alignments(void)
{
	set_up();
	for (size_t align = 1; align <= 4 * MIB; align *= 2)
		for (size_t size = 1; size <= 3 * MIB; size = size * 5 + 3) {
			char *p = memcg_aligned_alloc(align, size), *q;

			CHECK(p && IS_ALIGNED((uintptr_t)p, align) && IS_ALIGNED((uintptr_t)p, 16));
			CHECK(memcg_usable_size(p) >= size);
			memset(p, 1, size);
			CHECK((q = memcg_alloc(other, size, align, 0)));
			CHECK(IS_ALIGNED((uintptr_t)q, align) &&
			      memcg_owner_id(q) == memcg_id(other));
			memcg_free(p);
			memcg_free(q);
		}
	CHECK(!held(other));
	for (size_t align = 0; align < 70; align++) {
		errno = 0;
		CHECK(is_pow2(align) || (!memcg_aligned_alloc(align, 8) && errno == EINVAL));
	}
	errno = 0;
	CHECK(!memcg_alloc(NULL, 8, 24, 0) && errno == EINVAL);
	errno = 0;
	CHECK(!memcg_alloc(NULL, 8, 0, MEMCG_ACCOUNT) && errno == EINVAL);
	errno = 0;
	CHECK(!memcg_alloc(NULL, 8, 0, 1u << 20) && errno == EINVAL);
}

/* ---- what it costs ---- */
static void a_slot_and_its_entry(void)
{
	set_up();
	for (unsigned c = 0; c < CLASS_NR; c++) {
		void *p = memcg_alloc(other, class_size[c], 0, 0);

		CHECK(p && held(other) == class_size[c] + 4 &&
		      memcg_owner_id(p) == memcg_id(other));
		memcg_free(p);
		CHECK(!held(other));
	}
}

/* An own slab: three quarters of a shared one must have been this group's. */
static unsigned promoted_after(unsigned mine)
{
	u64 before = slab_counts.promoted;

	set_up();
	for (unsigned i = 0; i < 16; i++) {
		memcg_leave(memcg_get(i < mine ? cg : other));
		CHECK(memcg_malloc(1024));
	}
	memcg_leave(memcg_get(cg));
	CHECK(slab_counts.promoted == before);
	CHECK(is_own(memcg_malloc(1024)) == (slab_counts.promoted != before));
	return (unsigned)(slab_counts.promoted - before);
}

static void three_quarters_earn_own_slabs(void)
{
	CHECK(promoted_after(12) == 1);
	CHECK(held(cg) == 12 * 1028 + 16 * KIB && held(other) == 4 * 1028);
	CHECK(!is_own(memcg_malloc(512))); /* for that class only */
	closes();
}

static void less_does_not(void)
{
	CHECK(!promoted_after(11));
	CHECK(held(cg) == 12 * 1028);
}

#define ALONE ((CROWD_VOTES + 1) * (CROWD_TURNS + 1))

/* Takes a slot and gives it back so often; true: the last was of an own slab. */
static bool own_after_turns_of(size_t size, unsigned turns)
{
	bool own = false;

	for (unsigned i = 0; i < turns; i++) {
		void *p = memcg_malloc(size);

		CHECK(p);
		own = is_own(p);
		memcg_free(p);
	}
	return own;
}

static bool own_after_turns(unsigned turns)
{
	return own_after_turns_of(256, turns);
}

static void who_takes_and_gives_alone_earns_own_slabs(void)
{
	set_up();
	CHECK(!own_after_turns(CROWD_TURNS * (CROWD_VOTES - 1)));
	CHECK(own_after_turns(ALONE));
	CHECK(held(cg) == 16 * KIB);
	CHECK(!own_after_turns_of(1025, ALONE)); /* its slabs have 64 KiB */
	CHECK(held(cg) == 16 * KIB);
	closes();
}

static void two_in_turn_do_not(void)
{
	set_up();
	for (unsigned i = 0; i < 2 * ALONE / CROWD_TURNS; i++) {
		memcg_leave(memcg_get(i % 2 ? cg : other));
		CHECK(!own_after_turns(CROWD_TURNS));
	}
	CHECK(!held(cg) && !held(other));
}

static void nor_one_under_a_little_max(void)
{
	set_up();
	memcg_set_limit(cg, MEMCG_MAX, 256 * 16 * KIB - 4096);
	CHECK(!own_after_turns(ALONE) && !held(cg));
	memcg_set_limit(cg, MEMCG_MAX, 256 * 16 * KIB);
	CHECK(own_after_turns(ALONE));
}

static void promotion_can_be_switched_off(void)
{
	setenv("MEMCG_PROMOTE", "0", 1);
	CHECK(!promoted_after(16));
	for (int i = 0; i < 200; i++)
		CHECK(!is_own(memcg_malloc(1024)));
	CHECK(held(cg) == 217 * 1028);
}

/* ---- how much may be parked ---- */

static u32 most_of(struct memcg *g)
{
	struct heap *own;

	memcg_leave(memcg_get(g));
	for (int i = 0; i < 17; i++)
		CHECK(memcg_malloc(1024));
	own = thread_self()->own_now;
	CHECK(own);
	return own->bin[class_of(1024)].most;
}

/* Slots that are charged one by one are parked as others are: the stack grows by what it spills. */
static void stacks_of_shared_slabs_grow(void)
{
	const struct bin *b;
	static void *p[1000];

	setenv("MEMCG_PROMOTE", "0", 1);
	set_up();
	b = &thread_self()->shared.bin[class_of(64)];
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 1000; i++)
			CHECK((p[i] = memcg_malloc(64)) && !is_own(p[i]));
		for (int i = 0; i < 1000; i++)
			memcg_free(p[i]);
	}
	CHECK(b->room >= 256 && b->top - b->bottom > 64);
	CHECK(!held(cg));
	closes();
}

static pthread_barrier_t met;

static void *lives_meanwhile(void *arg)
{
	memcg_free(memcg_malloc(16));
	pthread_barrier_wait(&met);
	pthread_barrier_wait(&met);
	return arg;
}

static void parking_is_a_share_of_the_least_max(void)
{
	struct memcg *below;
	pthread_t thread;

	set_up();
	CHECK(most_of(cg) == 2048);
	memcg_set_limit(other, MEMCG_MAX, 8 * MIB);
	below = memcg_create(other, "below");
	CHECK(most_of(below) == 8 * MIB / 256 / 1024);
	memcg_set_limit(other, MEMCG_MAX, 16 * MIB);
	(void)thread_trim(thread_self(), false); /* looks again */
	CHECK(thread_self()->own_now->bin[class_of(1024)].most == 64);
	pthread_barrier_init(&met, NULL, 2);
	CHECK(!pthread_create(&thread, NULL, lives_meanwhile, NULL));
	pthread_barrier_wait(&met);
	(void)thread_trim(thread_self(), false);
	CHECK(thread_self()->own_now->bin[class_of(1024)].most == 32); /* each has half */
	pthread_barrier_wait(&met);
	CHECK(!pthread_join(thread, NULL));
	closes();
}

/* A thread that sleeps keeps one or two slabs of each class: they are small where the limit is. */
static void own_slabs_grow_with_the_least_max(void)
{
	set_up();
	memcg_set_limit(cg, MEMCG_MAX, 8 * MIB); /* 32 KiB a class */
	for (int i = 0; i < 15000; i++) {
		void *p = memcg_malloc(256);

		CHECK(p && slab_of(p)->npages <= 8);
	}
	memcg_set_limit(cg, MEMCG_MAX, 64 * MIB);
	(void)thread_trim(thread_self(), false);
	for (int i = 0; i < 1000; i++)
		CHECK(memcg_malloc(256));
	CHECK(slab_of(memcg_malloc(256))->npages == 16);
}

static void what_shrinks_stays_where_a_smaller_one_is_refused(void)
{
	char *p;

	set_up();
	memcg_set_limit(cg, MEMCG_MAX, 24 * MIB);
	CHECK((p = memcg_malloc(20 * MIB)));
	strcpy(p, "untouched");
	errno = 0;
	CHECK(memcg_realloc(p, 8 * MIB) == p && !errno && !strcmp(p, "untouched"));
	CHECK(held(cg) == 20 * MIB);
	memcg_free(p);
	closes();
}

/* p[0] .. p[31]: two own slabs of 16. */
static void two_own_slabs(void **p)
{
	set_up();
	for (int i = 0; i < 16; i++) /* which earn them */
		CHECK(memcg_malloc(1024));
	for (int i = 0; i < 32; i++)
		CHECK((p[i] = memcg_malloc(1024)) && is_own(p[i]));
	CHECK(slab_of(p[0]) == slab_of(p[15]) && slab_of(p[16]) == slab_of(p[31]));
	CHECK(slab_of(p[0]) != slab_of(p[16]));
}

static void *free_16(void *arg)
{
	for (int i = 0; i < 16; i++)
		memcg_free(((void **)arg)[i]);
	return NULL;
}

/* What a limit does not look for, memcg_reclaim finds. */
static void reclaim_on_demand_finds_hollow_slabs(void)
{
	pthread_t thread;
	void *p[32];

	two_own_slabs(p);
	reclaim_sources[0] = &held_slabs;
	CHECK(!pthread_create(&thread, NULL, free_16, p) && !pthread_join(thread, NULL));
	CHECK(slab_of(p[0])->kind == PAGE_SLAB);
	(void)memcg_reclaim(cg, MIB);
	CHECK(slab_of(p[0])->kind != PAGE_SLAB && slab_of(p[16])->kind == PAGE_SLAB);
	closes();
}

static void an_own_slab_goes_whole_with_its_last_object(void)
{
	u64 base, cached;
	pthread_t thread;
	void *p[32];

	two_own_slabs(p);
	base = held(cg);
	CHECK(base == 16 * 1028 + 32 * KIB);
	cached = page_cached;
	CHECK(!pthread_create(&thread, NULL, free_16, p) && !pthread_join(thread, NULL));
	/* By another: uncharged in that call, hollow until its thread looks. */
	CHECK(held(cg) == base - 16 * KIB && slab_of(p[0])->kind == PAGE_SLAB);
	CHECK(page_cached >= cached + 16 * KIB);
	closes();
	CHECK(thread_trim(thread_self(), true) >= 16 * KIB && slab_of(p[0])->kind != PAGE_SLAB);
	CHECK(held(cg) == base - 16 * KIB);
	free_16(p + 16);
	thread_trim(thread_self(), true);
	CHECK(held(cg) == base - 32 * KIB);
	closes();
}

/* ---- nobody's objects ---- */
static void unaccounted_then_owned(void)
{
	void *bare, *owned, *again;

	set_up();
	CHECK((bare = memcg_alloc(NULL, 200, 0, MEMCG_UNACCOUNTED)));
	CHECK(!page_objcgs_check(slab_of(bare)) && !memcg_owner_id(bare) && !held(cg));
	CHECK((owned = memcg_malloc(200)) && slab_of(owned) == slab_of(bare));
	CHECK(page_objcgs_check(slab_of(bare)) && held(cg) == 228);
	CHECK(!memcg_owner_id(bare) && memcg_owner_id(owned) == memcg_id(cg));
	CHECK((again = memcg_alloc(NULL, 200, 0, MEMCG_UNACCOUNTED)) && !memcg_owner_id(again));
	closes();
	memcg_free(bare);
	CHECK(held(cg) == 228);
	memcg_free(owned);
	CHECK(!held(cg));
	memcg_free(again);
	closes();
}

static void accounting_off_and_on(void)
{
	void *before[50], *while_off[50], *after[50];

	set_up();
	for (int i = 0; i < 50; i++)
		before[i] = memcg_malloc(200);
	CHECK(memcg_write(memcg_root(), "memory.accounting", "0", 1) >= 0);
	CHECK(held(cg) == 50 * 228);
	for (int i = 0; i < 50; i++) {
		CHECK((while_off[i] = memcg_malloc(200)));
		CHECK(i < 1 || !memcg_owner_id(while_off[i]));
	}
	for (int i = 0; i < 25; i++) {
		memcg_free(before[i]);
		memcg_free(while_off[i]);
	}
	CHECK(held(cg) <= 25 * 228 + 228);
	closes();
	CHECK(memcg_write(memcg_root(), "memory.accounting", "1", 1) >= 0);
	CHECK(memcg_malloc(70000)); /* a slow path takes the switch over */
	for (int i = 0; i < 200; i++)
		CHECK(memcg_malloc(200));
	for (int i = 0; i < 50; i++)
		CHECK((after[i] = memcg_malloc(200)) && memcg_owner_id(after[i]) == memcg_id(cg));
	for (int i = 25; i < 50; i++) {
		memcg_free(before[i]);
		memcg_free(while_off[i]);
	}
	closes();
}

/* ---- refusals ---- */
static u64 given_back;

static u64 count_give_back(struct memcg *limited, bool all)
{
	(void)limited, (void)all;
	given_back++;
	return 0;
}

static const struct reclaim_source counting = {.name = "counting", .drain = count_give_back};

static void at_max_nothing_changes(void)
{
	static const size_t sizes[] = {1, 1000, 32768, 32769, 5u << 20};
	char *p;

	set_up();
	CHECK((p = memcg_malloc(100)));
	strcpy(p, "here");
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0));
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		CHECK(refused(memcg_malloc(sizes[k])) && refused(memcg_calloc(1, sizes[k])));
		CHECK(refused(memcg_aligned_alloc(256, sizes[k])));
		CHECK(held(cg) == 116);
	}
	CHECK(refused(memcg_realloc(p, 5000)) && refused(memcg_realloc(p, 100000)));
	CHECK(!strcmp(p, "here") && memcg_owner_id(p) == memcg_id(cg) && held(cg) == 116);
	memcg_free(p);
	CHECK(!held(cg));
	closes();
}

/* A whole slab does not fit, a slot does: nothing was refused, and nobody asked to give back. */
static void a_slot_where_no_slab_fits(void)
{
	void *p[32];
	u64 base;

	two_own_slabs(p);
	reclaim_sources[0] = &counting;
	given_back = 0;
	base = held(cg);
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, ALIGN_UP(base, PAGE_SIZE) + PAGE_SIZE));
	CHECK(!is_own(memcg_malloc(1024)) && held(cg) == base + 1028);
	CHECK(!given_back && !event_count(cg, EV_MAX));
	closes();
}

static void nofail_and_nowait(void)
{
	static const size_t sizes[] = {100, 100000};

	set_up();
	reclaim_sources[0] = &counting;
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0));
	given_back = 0;
	for (size_t k = 0; k < 2; k++) {
		CHECK(refused(memcg_alloc(cg, sizes[k], 0, MEMCG_NOWAIT)) && !given_back);
		CHECK(!held(cg));
	}
	for (size_t k = 0; k < 2; k++) {
		CHECK(refused(memcg_alloc(cg, sizes[k], 0, 0)) && given_back);
		given_back = 0;
	}
	for (size_t k = 0; k < 2; k++) {
		void *p = memcg_alloc(cg, sizes[k], 0, MEMCG_NOFAIL | MEMCG_ZERO);

		CHECK(p && memcg_owner_id(p) == memcg_id(cg) && held(cg) >= sizes[k]);
		memcg_free(p);
		CHECK(!held(cg));
	}
	closes();
}

/* A signal handler in the middle of a slow path. */
static void inside_a_slow_path_nothing_is_had(void)
{
	void *p;

	set_up();
	CHECK((p = memcg_malloc(100)));
	memcg__self->busy++;
	CHECK(refused(memcg_malloc(900)) && refused(memcg_malloc(100000)));
	CHECK(refused(memcg_calloc(1, 900)) && refused(memcg_realloc(p, 900)));
	memcg__self->busy--;
	CHECK(memcg_malloc(1000) && held(cg) == 116 + 1028);
}

/* ---- every system call failing in turn ---- */
static void *work(void)
{
	static void *p[600];
	static const size_t sizes[] = {16, 1024, 9000, 40000, 3u << 20, 6u << 20};
	unsigned n = 0;

	memset(p, 0, sizeof(p));
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
		for (unsigned i = 0; i < (k < 3 ? 150 : 6); i++)
			p[n++] = memcg_malloc(sizes[k]);
	return p;
}

/* 0: no call was made to fail; else the work met failures and everything was exact. */
static int fail_nth(enum sys_call call, u64 nth, u64 every)
{
	u64 failed;
	void **p;

	set_up();
	sys_fault_arm(call, nth, every, 0, 0);
	p = work();
	failed = sys_fault_count(call);
	sys_fault_disarm_all();
	closes();
	for (unsigned i = 0; i < 600; i++)
		memcg_free(p[i]);
	thread_trim(thread_self(), true);
	CHECK(!held(cg));
	closes();
	work(); /* and it goes on */
	closes();
	return failed > 0;
}

static bool fails_well(enum sys_call call, u64 nth, u64 every)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(fail_nth(call, nth, every) ? 42 : 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 42);
	return WEXITSTATUS(status) == 42;
}

/* Neither an own slab nor a shared one can be had: what was charged for it is given back. */
static void no_memory_for_a_slab(void)
{
	set_up();
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
	errno = 0;
	while (memcg_malloc(500))
		;
	CHECK(errno == ENOMEM && sys_fault_count(SYS_FAULT_OPEN_RANGE));
	CHECK(refused(memcg_malloc(500)));
	sys_fault_disarm_all();
	closes();
	CHECK(memcg_malloc(500));
}

static void every_call_failing_in_turn(void)
{
	static const enum sys_call calls[] = {SYS_FAULT_OPEN_RANGE, SYS_FAULT_MAP, SYS_FAULT_PURGE,
					      SYS_FAULT_FUTEX, SYS_FAULT_MEMBARRIER};

	for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
		u64 nth = 1;

		while (fails_well(calls[c], nth, 0))
			nth++;
		CHECK(calls[c] != SYS_FAULT_OPEN_RANGE || nth > 2);
		for (nth = 1; nth < 6; nth++)
			fails_well(calls[c], nth, 1); /* from then on for good */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(every_size_is_aligned_and_all_of_it_usable),
		PAGE_TEST(too_large_is_refused),
		PAGE_TEST(calloc_clears_what_was_used),
		PAGE_TEST(realloc_in_place),
		PAGE_TEST(realloc_of_nothing_frees),
		PAGE_TEST(realloc_keeps_the_bytes),
		PAGE_TEST(realloc_keeps_the_owner),
		PAGE_TEST(realloc_keeps_the_owner_without_accounting),
		PAGE_TEST(an_owned_object_among_ready_ones),
		PAGE_TEST(alignments),
		PAGE_TEST(a_slot_and_its_entry),
		PAGE_TEST(three_quarters_earn_own_slabs),
		PAGE_TEST(less_does_not),
		PAGE_TEST(stacks_of_shared_slabs_grow),
		PAGE_TEST(parking_is_a_share_of_the_least_max),
		PAGE_TEST(own_slabs_grow_with_the_least_max),
		PAGE_TEST(what_shrinks_stays_where_a_smaller_one_is_refused),
		PAGE_TEST(who_takes_and_gives_alone_earns_own_slabs),
		PAGE_TEST(two_in_turn_do_not),
		PAGE_TEST(nor_one_under_a_little_max),
		PAGE_TEST(promotion_can_be_switched_off),
		PAGE_TEST(reclaim_on_demand_finds_hollow_slabs),
		PAGE_TEST(an_own_slab_goes_whole_with_its_last_object),
		PAGE_TEST(unaccounted_then_owned),
		PAGE_TEST(accounting_off_and_on),
		PAGE_TEST(at_max_nothing_changes),
		PAGE_TEST(a_slot_where_no_slab_fits),
		PAGE_TEST(nofail_and_nowait),
		PAGE_TEST(inside_a_slow_path_nothing_is_had),
		PAGE_TEST(no_memory_for_a_slab),
		PAGE_TEST(every_call_failing_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
