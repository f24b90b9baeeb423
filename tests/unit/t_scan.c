/* t_scan.c - the policy of reclaim: whom it asks, in which order, for how much. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <memcg.h>

#include "reclaim/charge.h"
#include "reclaim/scan.h"
#include "group/record.h"

/* ---- a source: piles of charged bytes, one a group ---- */

#define PILES 4

static struct pile {
	struct memcg *cg;
	u64 bytes;
	unsigned counted, scanned;
	u64 asked, most; /* in all, and at once */
} pile[PILES];

static unsigned how_seen, depth_seen;
static struct memcg *slow; /* left out, unless nobody else has anything */
static struct memcg *rotated_behind;

static struct pile *pile_of(struct memcg *cg)
{
	for (unsigned i = 0; i < PILES; i++)
		if (pile[i].cg == cg)
			return &pile[i];
	return NULL;
}

static struct memcg *piles_next(struct memcg *top, struct memcg *prev)
{
	unsigned i = prev ? (unsigned)(pile_of(prev) - pile) + 1 : 0;

	group_put(prev);
	for (; i < PILES; i++)
		if (pile[i].cg && group_below(pile[i].cg, top))
			return memcg_get(pile[i].cg);
	return NULL;
}

static u64 piles_count(struct memcg *cg, unsigned how)
{
	how_seen |= 1u << (how & ~RECLAIM_LATE_TOO);
	pile_of(cg)->counted++;
	return slow == cg && !(how & RECLAIM_LATE_TOO) ? 0 : pile_of(cg)->bytes;
}

static u64 piles_scan(struct memcg *cg, u64 bytes, unsigned how)
{
	struct pile *p = pile_of(cg);
	u64 n = MIN(bytes, p->bytes);

	(void)how;
	depth_seen += memcg__self->busy;
	p->scanned++;
	p->asked += bytes;
	p->most = MAX(p->most, bytes);
	p->bytes -= n;
	uncharge_bytes(cg->handle->index, n);
	return n;
}

static void piles_rotate(struct memcg *top, struct memcg *last)
{
	(void)top;
	rotated_behind = last;
}

static bool raise_in_drain;

static u64 piles_drain(struct memcg *target, bool all)
{
	(void)target, (void)all;
	if (raise_in_drain)
		raise(SIGUSR1);
	return 0;
}

static unsigned others_at_it; /* how often yet another thread is found in the source */

static bool piles_await(struct memcg *top, unsigned how)
{
	(void)top;
	(void)how;
	if (!others_at_it)
		return false;
	others_at_it--;
	return true;
}

static const struct reclaim_source piles = {
	.name = "piles",
	.drain = piles_drain,
	.next = piles_next,
	.count = piles_count,
	.scan = piles_scan,
	.await = piles_await,
	.rotate = piles_rotate,
};

/* ---- A with B (C, D) and G ---- */

static struct memcg *a, *b, *c, *d, *g;

static void heap_up(struct memcg *cg, u64 bytes)
{
	for (unsigned i = 0; i < PILES; i++)
		if (!pile[i].cg) {
			assert_true(charge_bytes(cg->handle->index, bytes, 0));
			pile[i] = (struct pile){.cg = cg, .bytes = bytes};
			return;
		}
	fail();
}

static int set_up(void **state)
{
	unsigned i = 0;

	(void)state;
	memset(pile, 0, sizeof(pile));
	how_seen = depth_seen = 0;
	rotated_behind = NULL;
	slow = NULL;
	a = memcg_create(NULL, "a");
	b = memcg_create(a, "b");
	c = memcg_create(b, "c");
	d = memcg_create(b, "d");
	g = memcg_create(a, "g");
	while (reclaim_sources[i])
		i++;
	reclaim_sources[i] = &piles;
	return g ? 0 : -1;
}

static int tear_down(void **state)
{
	unsigned i = 0;

	(void)state;
	while (reclaim_sources[i] != &piles)
		i++;
	reclaim_sources[i] = NULL;
	for (i = 0; i < PILES; i++)
		if (pile[i].bytes)
			uncharge_bytes(pile[i].cg->handle->index, pile[i].bytes);
	stock_drain(NULL);
	return memcg_destroy(c) | memcg_destroy(d) | memcg_destroy(b) | memcg_destroy(g) |
	       memcg_destroy(a);
}

static u64 left(struct memcg *cg)
{
	return pile_of(cg)->bytes;
}

/* In proportion to what each has; not all of one before the next. */
static void test_in_proportion(void **state)
{
	(void)state;
	heap_up(c, 96 * MIB);
	heap_up(d, 32 * MIB);
	assert_true(reclaim_group(a, 64 * MIB, RECLAIM_ANY) >= 64 * MIB);
	assert_in_range(left(c), 40 * MIB, 56 * MIB); /* 48 */
	assert_in_range(left(d), 12 * MIB, 20 * MIB); /* 16 */
}

/* Where what is wanted is a good part of what there is, shares that are a 4096th of it would only
 * be asked for again and again: what is dear by the call would be done for a page at a time. */
static void test_in_few_calls(void **state)
{
	(void)state;
	heap_up(c, 48 * MIB);
	heap_up(d, 16 * MIB);
	assert_true(reclaim_group(a, 5 * MIB, RECLAIM_ANY) >= 5 * MIB);
	assert_in_range(left(c), 44 * MIB, 45 * MIB);
	assert_in_range(left(d), 14 * MIB, 15 * MIB);
	assert_in_range(pile_of(c)->scanned + pile_of(d)->scanned, 2, 4);
}

/* One page is not answered with the whole cache, nor everybody asked for it. */
static void test_little_by_little(void **state)
{
	(void)state;
	heap_up(c, 64 * MIB);
	heap_up(d, 64 * MIB);
	assert_true(reclaim_group(a, PAGE_SIZE, RECLAIM_ANY) >= PAGE_SIZE);
	assert_true(left(c) + left(d) >= 128 * MIB - 64 * KIB);
	assert_int_equal(pile_of(c)->scanned + pile_of(d)->scanned, 1);
	assert_ptr_equal(rotated_behind, c); /* the next walk begins with D */
}

static void test_all_there_is(void **state)
{
	(void)state;
	heap_up(c, 3 * MIB);
	heap_up(d, 5 * PAGE_SIZE);
	assert_int_equal(reclaim_group(a, 100 * MIB, RECLAIM_ANY), 3 * MIB + 5 * PAGE_SIZE);
	assert_int_equal(memcg_reclaim(a, 1), -EAGAIN);
}

/* Who is over its limit pays, and those below it: not their neighbours. */
static void test_in_the_subtree_of_the_limit(void **state)
{
	(void)state;
	heap_up(c, MIB);
	heap_up(g, MIB);
	memcg_set_limit(b, MEMCG_MAX, MIB);
	assert_true(charge_bytes(d->handle->index, 64 * KIB, 0));
	assert_true(left(c) < MIB);
	assert_int_equal(left(g), MIB);
	assert_int_equal(pile_of(g)->counted, 0);
	assert_true(group_record(b)->events_local[EV_MAX] > 0);
	assert_int_equal(group_record(b)->events[EV_OOM], 0);
	uncharge_bytes(d->handle->index, 64 * KIB);
}

static void test_min_is_never_broken(void **state)
{
	(void)state;
	memcg_set_limit(b, MEMCG_MIN, 50 * MIB);
	memcg_set_limit(c, MEMCG_MIN, 50 * MIB);
	heap_up(c, 50 * MIB);
	heap_up(g, 10 * MIB);
	memcg_set_limit(a, MEMCG_MAX, 64 * MIB);
	assert_true(charge_bytes(a->handle->index, 13 * MIB, 0));
	assert_int_equal(left(c), 50 * MIB);
	assert_true(left(g) <= MIB);
	assert_false(charge_bytes(a->handle->index, 2 * MIB, 0));
	assert_int_equal(left(c), 50 * MIB);
	assert_int_equal(group_record(a)->events[EV_LOW], 0);
	uncharge_bytes(a->handle->index, 13 * MIB);
	/* Of a target's own min nothing is kept from the target. */
	assert_int_equal(memcg_reclaim(c, 50 * MIB), 0);
}

static void test_low_is_broken_last_and_counted(void **state)
{
	(void)state;
	memcg_set_limit(b, MEMCG_LOW, 50 * MIB);
	memcg_set_limit(c, MEMCG_LOW, 50 * MIB);
	heap_up(c, 50 * MIB);
	heap_up(g, 10 * MIB);
	assert_true(reclaim_group(a, 10 * MIB, RECLAIM_ANY) >= 10 * MIB);
	assert_int_equal(left(c), 50 * MIB);
	assert_int_equal(group_record(c)->events[EV_LOW], 0);
	assert_int_equal(left(g), 0);
	assert_true(reclaim_group(a, MIB, RECLAIM_ANY) >= MIB);
	assert_true(left(c) < 50 * MIB);
	assert_true(group_record(c)->events_local[EV_LOW] > 0);
	assert_true(group_record(a)->events[EV_LOW] > 0);
	assert_int_equal(group_record(g)->events[EV_LOW], 0);
}

/* Rather slow than refused; and rather slow than low broken. */
static void test_the_slow_are_asked_last(void **state)
{
	(void)state;
	memcg_set_limit(b, MEMCG_LOW, 8 * MIB);
	memcg_set_limit(c, MEMCG_LOW, 8 * MIB);
	heap_up(c, 8 * MIB);
	heap_up(g, 8 * MIB);
	heap_up(d, 2 * MIB);
	slow = g;
	assert_true(reclaim_group(a, MIB, RECLAIM_ANY) >= MIB);
	assert_int_equal(left(g), 8 * MIB);
	while (left(d))
		assert_true(reclaim_group(a, left(d), RECLAIM_ANY));
	assert_true(reclaim_group(a, MIB, RECLAIM_ANY) >= MIB);
	assert_true(left(g) < 8 * MIB);
	assert_int_equal(left(c), 8 * MIB);
	assert_int_equal(group_record(c)->events[EV_LOW], 0);
}

/* While another thread is getting what there is, nothing seems to be left: low is not broken for
 * that. */
static void test_low_is_not_broken_while_others_free(void **state)
{
	(void)state;
	memcg_set_limit(b, MEMCG_LOW, 50 * MIB);
	memcg_set_limit(c, MEMCG_LOW, 50 * MIB);
	heap_up(c, 50 * MIB);
	others_at_it = 1;
	assert_int_equal(reclaim_group(a, MIB, RECLAIM_ANY), 1); /* try again */
	assert_int_equal(left(c), 50 * MIB);
	assert_int_equal(group_record(c)->events[EV_LOW], 0);
	assert_true(reclaim_group(a, MIB, RECLAIM_ANY) >= MIB);
	assert_true(group_record(c)->events[EV_LOW] > 0);
}

/* Above its protection a group gives in proportion to how far above. */
static void test_only_the_excess_is_exposed(void **state)
{
	(void)state;
	memcg_set_limit(b, MEMCG_LOW, 60 * MIB);
	memcg_set_limit(c, MEMCG_LOW, 60 * MIB);
	heap_up(c, 80 * MIB);
	heap_up(g, 80 * MIB);
	assert_true(reclaim_group(a, 40 * MIB, RECLAIM_ANY) >= 40 * MIB);
	assert_true(left(c) >= 60 * MIB);
	assert_true(80 * MIB - left(g) > 2 * (80 * MIB - left(c)));
	assert_int_equal(group_record(c)->events[EV_LOW], 0);
}

/* Quiet reclaim, slow paths and sources that are at it already never get to a source. */
static void test_where_program_code_may_not_run(void **state)
{
	(void)state;
	heap_up(c, MIB);
	assert_int_equal(reclaim_group(a, MIB, RECLAIM_QUIET), 0);
	memcg__self->busy++;
	assert_int_equal(reclaim_group(a, MIB, RECLAIM_ANY), 0);
	memcg__self->busy--;
	memcg__self->reclaiming++;
	assert_int_equal(reclaim_group(a, MIB, RECLAIM_ANY), 0);
	memcg__self->reclaiming--;
	assert_int_equal(pile_of(c)->counted, 0);
	assert_int_equal(reclaim_group(a, MIB, RECLAIM_INLINE), MIB);
	assert_int_equal(how_seen, 1u << RECLAIM_INLINE);
}

/* Objects of every way to allocate: the refusal unwinds, the source frees, the attempt is made
 * again, and no slow path of this thread is open meanwhile. */
static void test_every_allocation_reclaims(void **state)
{
	struct memcg_cache *cache = memcg_cache_create("scan", 500, 0, NULL);
	struct memcg *was = memcg_enter(d);
	void *p[7];

	(void)state;
	heap_up(c, 8 * MIB);
	memcg_set_limit(b, MEMCG_MAX, 8 * MIB);
	for (unsigned i = 0; i < 7; i++) {
		u64 room;

		stock_drain(NULL);
		room = memcg_headroom(d);
		assert_true(charge_bytes(c->handle->index, room, MEMCG_NOWAIT)); /* full again */
		pile_of(c)->bytes += room;
		pile_of(c)->scanned = 0;
		p[i] = i == 0	? memcg_malloc(100)
		       : i == 1 ? memcg_malloc(200000)
		       : i == 2 ? memcg_calloc(10, 20)
		       : i == 3 ? memcg_aligned_alloc(4096, 4096)
		       : i == 4 ? (void *)memcg_pages_alloc(2, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT)
		       : i == 5 ? memcg_stack_alloc(16384)
				: memcg_cache_alloc(cache, 0);
		assert_non_null(p[i]);
		assert_true(pile_of(c)->scanned > 0);
	}
	assert_int_equal(depth_seen, 0);
	assert_int_equal(group_record(b)->events[EV_OOM], 0);
	memcg_leave(was);
	for (unsigned i = 0; i < 4; i++)
		memcg_free(p[i]);
	memcg_page_put(p[4]);
	memcg_stack_free(p[5]);
	memcg_cache_free(cache, p[6]);
	assert_int_equal(memcg_cache_destroy(cache), 0);
}

static void test_setters_reclaim(void **state)
{
	(void)state;
	heap_up(c, 10 * MIB);
	assert_int_equal(memcg_set_limit(b, MEMCG_HIGH, 8 * MIB), 0);
	assert_true(memcg_current(b) <= 8 * MIB);
	assert_true(memcg_current(b) >= 4 * MIB);
	assert_int_equal(memcg_set_limit(b, MEMCG_MAX, MIB), 0);
	assert_true(memcg_current(b) <= MIB);
	assert_int_equal(group_record(b)->events[EV_OOM], 0);
}

static void test_reclaim_says_what_it_did(void **state)
{
	(void)state;
	heap_up(c, 10 * MIB);
	assert_int_equal(memcg_reclaim(a, 4 * MIB), 0);
	assert_true(left(c) <= 6 * MIB && left(c) >= 4 * MIB);
	assert_int_equal(memcg_reclaim(a, 100 * MIB), -EAGAIN);
	assert_int_equal(left(c), 0);
	assert_int_equal(memcg_reclaim(a, 0), 0);
}

/* A refusal where nobody has anything costs a walk or two, not one for each priority. */
static void test_nobody_to_ask(void **state)
{
	struct pile *p = pile;

	(void)state;
	heap_up(c, MIB);
	p->bytes = 0; /* they are in use, so to speak */
	assert_int_equal(memcg_reclaim(a, PAGE_SIZE), -EAGAIN);
	assert_in_range(p->counted, 1, 2);
	p->bytes = MIB;
}

static unsigned signals_taken, signals_served;

static void allocates(int sig)
{
	void *p = memcg_malloc(MIB);

	(void)sig;
	signals_taken++;
	signals_served += p != NULL;
	memcg_free(p);
}

/* Draining goes through this thread's heaps, also where no slow path is open around it: a signal
 * handler must not get into them. */
static void test_draining_is_a_slow_path(void **state)
{
	(void)state;
	heap_up(c, 4 * MIB);
	signal(SIGUSR1, allocates);
	raise(SIGUSR1);
	assert_int_equal(signals_served, 1);
	raise_in_drain = true;
	assert_int_equal(memcg_reclaim(a, MIB), 0);
	assert_int_equal(memcg_set_limit(c, MEMCG_MAX, MIB), 0);
	assert_false(charge_bytes(c->handle->index, 4 * MIB, 0));
	raise_in_drain = false;
	assert_true(signals_taken > 3);
	assert_int_equal(signals_served, 1);
	assert_int_equal(memcg__self->busy, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_proportion),
		TEST(test_in_few_calls),
		TEST(test_little_by_little),
		TEST(test_all_there_is),
		TEST(test_in_the_subtree_of_the_limit),
		TEST(test_min_is_never_broken),
		TEST(test_low_is_broken_last_and_counted),
		TEST(test_the_slow_are_asked_last),
		TEST(test_low_is_not_broken_while_others_free),
		TEST(test_only_the_excess_is_exposed),
		TEST(test_where_program_code_may_not_run),
		TEST(test_every_allocation_reclaims),
		TEST(test_setters_reclaim),
		TEST(test_reclaim_says_what_it_did),
		TEST(test_nobody_to_ask),
		TEST(test_draining_is_a_slow_path),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
