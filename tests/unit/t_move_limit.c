/* t_move_limit.c - moving an mm's charges to where there is no room: refused whole, or made. */
#include "move_scene.h"

/* Nothing has moved, and what is touched next is the old group's. */
static void is_refused(char *p, u64 wanted)
{
	struct bill from = bill_of(cg), to = bill_of(other);
	struct memcg_move r;

	CHECK(memcg_mm_move(mm, other, MOVE_ALL, &r, sizeof(r)) == -ENOMEM);
	CHECK(r.refused == wanted && !r.moved && !r.busy && !r.not_ours && !r.mapped_elsewhere);
	CHECK(same_bill(&from, &(struct bill[]){bill_of(cg)}[0]));
	CHECK(same_bill(&to, &(struct bill[]){bill_of(other)}[0]));
	*p = 1;
	CHECK(STAT(other, anon) == to.line[0] && STAT(cg, anon) == from.line[0] + PAGE_SIZE);
	closes();
}

static void over_the_targets_max(void)
{
	char *p;

	two_mms(false);
	p = range(mm, 512, 0);
	fill(p, 500, CONTENT_RANDOM);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 500 * PAGE_SIZE)); /* not its table */
	CHECK(move_to(other, MOVE_ALL | MEMCG_MOVE_DRY_RUN).refused == 501 * PAGE_SIZE);
	is_refused(p + 511 * PAGE_SIZE, 501 * PAGE_SIZE);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 502 * PAGE_SIZE));
	CHECK(move_to(other, MOVE_ALL | MEMCG_MOVE_DRY_RUN).refused == 0);
	CHECK(move_to(other, MOVE_ALL).moved == 501 * PAGE_SIZE);
	CHECK(held(other) == 502 * PAGE_SIZE && memcg_peak(other) == 502 * PAGE_SIZE);
	tear_down();
}

static void over_the_targets_swap_max(void)
{
	char *p;

	two_mms(false);
	p = range(mm, 100, 0);
	fill(p, 50, CONTENT_SAME);
	advise(mm, p, 50, MEMCG_PAGEOUT);
	CHECK(!memcg_set_limit(other, MEMCG_SWAP_MAX, 49 * PAGE_SIZE));
	is_refused(p + 99 * PAGE_SIZE, 51 * PAGE_SIZE);
	tear_down();
}

/* A max between the target and the common ancestor counts as the target's own. */
static void over_a_max_between(void)
{
	struct memcg *between, *to;
	struct memcg_move r;
	char *p;

	two_mms(false);
	between = memcg_create(other, "between");
	to = memcg_create(between, "to");
	p = range(mm, 100, 0);
	fill(p, 100, CONTENT_RANDOM);
	CHECK(!memcg_set_limit(between, MEMCG_MAX, 50 * PAGE_SIZE));
	CHECK(memcg_mm_move(mm, to, MOVE_ALL, &r, sizeof(r)) == -ENOMEM && !r.moved);
	CHECK(!held(other) && STAT(cg, anon) == 100 * PAGE_SIZE);
	CHECK(!memcg_set_limit(between, MEMCG_MAX, MEMCG_UNLIMITED));
	CHECK(move_to(to, MOVE_ALL).moved == 100 * PAGE_SIZE);
	CHECK(held(to) == 101 * PAGE_SIZE && held(other) == 101 * PAGE_SIZE && !held(cg));
	memcg_mm_destroy(mm);
	mm = NULL;
	CHECK(!memcg_destroy(to) && !memcg_destroy(between));
	tear_down();
}

/* A max of the common ancestor or above is no reason: it has the bytes. */
static void the_ancestor_is_full(void)
{
	struct memcg *a, *b;
	u64 peak;
	char *p;

	two_mms(false);
	a = memcg_create(other, "a");
	b = memcg_create(other, "b");
	memcg_mm_destroy(mm);
	mm = memcg_mm_create(a);
	p = range(mm, 100, 0);
	fill(p, 100, CONTENT_RANDOM);
	CHECK(held(other) == 101 * PAGE_SIZE);
	peak = memcg_peak(other); /* what was charged ahead is in it */
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 101 * PAGE_SIZE));
	CHECK(move_to(b, MOVE_ALL).moved == 100 * PAGE_SIZE);
	CHECK(held(b) == 101 * PAGE_SIZE && !held(a) && memcg_peak(other) == peak);
	is_filled(p, 100, CONTENT_RANDOM);
	memcg_mm_destroy(mm);
	mm = NULL;
	CHECK(!memcg_destroy(a) && !memcg_destroy(b));
	tear_down();
}

/* The target's own cold pages make room. */
static void reclaim_makes_room(void)
{
	char *p, *q;

	two_mms(true);
	q = range(mm2, 400, 0);
	fill(q, 400, CONTENT_SAME);
	p = range(mm, 300, 0);
	fill(p, 300, CONTENT_SAME);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 500 * PAGE_SIZE));
	CHECK(move_to(other, MOVE_ALL).moved == 300 * PAGE_SIZE);
	CHECK(held(other) <= 500 * PAGE_SIZE && swap_of(other) && !held(cg));
	is_filled(q, 400, CONTENT_SAME);
	is_filled(p, 300, CONTENT_SAME);
	tear_down();
}

/* --- pages that come between the passes ---------------------------------------------- */

static char *growing;
static unsigned grown;

static size_t count_one(struct memcg *g, void *arg)
{
	(void)g, (void)arg;
	return grown ? 0 : 64 * PAGE_SIZE;
}

/* The program's code, while the first pass's bytes are charged: it touches another page. */
static size_t grow(struct memcg *g, size_t bytes, uint64_t deadline_ns, void *arg)
{
	(void)g, (void)bytes, (void)deadline_ns;
	page_write(growing, 4, CONTENT_TEXT);
	grown++;
	memcg_free(*(void **)arg);
	*(void **)arg = NULL;
	return 64 * PAGE_SIZE;
}

static void grows_meanwhile(u64 max, bool has_room)
{
	struct memcg_shrinker_config c = MEMCG_SHRINKER_CONFIG_INIT;
	struct memcg_move r;
	struct memcg_shrinker *s;
	void *cache;
	char *p;

	two_mms(false);
	cache = memcg_malloc_in(other, 64 * PAGE_SIZE);
	p = range(mm, 200, 0);
	fill(p, 100, CONTENT_RANDOM);
	growing = p + 150 * PAGE_SIZE;
	grown = 0;
	c.name = "grows", c.count = count_one, c.scan = grow, c.arg = &cache;
	c.flags = MEMCG_SHRINK_INLINE, c.deadline_ms = 600000;
	s = memcg_shrinker_register(other, &c);
	CHECK(s && cache);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, max));
	r = move_to(other, MOVE_ALL);
	CHECK(grown == 1 && !cache);
	CHECK(r.moved == (has_room ? 101 : 100) * PAGE_SIZE &&
	      r.busy == (has_room ? 0 : PAGE_SIZE));
	CHECK(held(cg) == (has_room ? 0 : PAGE_SIZE));
	memcg_shrinker_unregister(s);
	closes();
	is_filled(p, 100, CONTENT_RANDOM);
	tear_down();
}

static void a_page_comes_between(void)
{
	grows_meanwhile(102 * PAGE_SIZE, true);
}

static void a_page_too_many_comes_between(void)
{
	grows_meanwhile(101 * PAGE_SIZE, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(over_the_targets_max),
		FAULTS_TEST(over_the_targets_swap_max),
		FAULTS_TEST(over_a_max_between),
		FAULTS_TEST(the_ancestor_is_full),
		FAULTS_TEST(reclaim_makes_room),
		FAULTS_TEST(a_page_comes_between),
		FAULTS_TEST(a_page_too_many_comes_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
