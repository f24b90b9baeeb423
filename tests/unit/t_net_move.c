/*
 * t_net_move.c - views of network pages whose address space goes to another group, while others
 * unmap, hold, recharge and put the same pages.
 */
#include "effort.h"
#include "move_scene.h"

#include <pthread.h>

#include <memcg.h>

#include "page/free.h"

#define ALL ((u64)N << PAGE_SHIFT)

/* Of `from`'s pages, in a view of the mover's; fragments are there as well. */
static void shown(struct scene *s)
{
	scene_set(s);
	received(s, s->from);
	s->p = view_in(s, mm);
	s->table = true;
}

static struct page *desc_of(const struct scene *s, unsigned i)
{
	return (struct page *)s->frags[i].page;
}

static void ends(struct scene *s)
{
	CHECK(!page_bad_count);
	scene_strike(s);
}

/* --- who pays then ------------------------------------------------------------------------- */

/* Fragments that others hold are the target's, and are put to its credit. */
static void holders_follow(void)
{
	struct scene s;

	shown(&s);
	CHECK(move_to(s.to, MEMCG_MOVE_ANON).moved == ALL);
	CHECK(!STAT(s.from, sock) && STAT(s.to, sock) == ALL && !held(s.from));
	CHECK(memcg_owner_id(memcg_page_address(s.frags[3].page)) == memcg_id(s.to));
	closes();
	CHECK(!memcg_munmap(mm, s.p, ALL) && STAT(s.to, sock) == ALL);
	memcg_frags_put(s.frags, N);
	CHECK(!STAT(s.to, sock) && held(s.to) == 0);
	ends(&s);
}

/* There and back, to the byte, every time. */
static void to_and_fro(void)
{
	struct scene s;

	shown(&s);
	memcg_frags_put(s.frags, N);
	for (unsigned i = 0; i < 7; i++) {
		struct memcg *to = i % 2 ? s.from : s.to;

		CHECK(move_to(to, MEMCG_MOVE_ANON).moved == ALL);
		CHECK(STAT(to, sock) == ALL && held(s.parent) == held(to));
	}
	is_filled(s.p, N, s.content);
	ends(&s);
}

static void refused_at_the_targets_max(void)
{
	struct memcg_move r;
	struct scene s;

	shown(&s);
	CHECK(!memcg_set_limit(s.to, MEMCG_MAX, ALL / 2));
	CHECK(memcg_mm_move(mm, s.to, MEMCG_MOVE_ANON, &r, sizeof(r)) == -ENOMEM && !r.moved);
	CHECK(STAT(s.from, sock) == ALL && !held(s.to));
	closes();
	ends(&s);
}

static void groups_of_both_go(void)
{
	struct scene s;
	struct memcg *a, *b;
	struct memcg_mm *theirs;

	scene_set(&s);
	a = memcg_create(s.from, "a");
	b = memcg_create(s.to, "b");
	received(&s, a);
	theirs = memcg_mm_create(a);
	CHECK(a && b && theirs);
	s.p = view_in(&s, theirs);
	CHECK(!memcg_destroy(a) && STAT(s.from, sock) == ALL);
	CHECK(!memcg_mm_move(theirs, b, MEMCG_MOVE_ANON, NULL, 0));
	CHECK(STAT(b, sock) == ALL && !STAT(s.from, sock));
	CHECK(!memcg_destroy(b) && STAT(s.to, sock) == ALL);
	is_filled(s.p, N, s.content);
	closes();
	memcg_mm_destroy(theirs);
	ends(&s);
}

/* --- at a page that somebody has in hand ------------------------------------------------- */

static void busy_pages_stay(void)
{
	struct memcg_move r;
	struct scene s;

	shown(&s);
	CHECK(page_trylock(desc_of(&s, 40), PAGE_BUSY));
	r = move_to(s.to, MEMCG_MOVE_ANON);
	page_unlock(desc_of(&s, 40));
	CHECK(r.moved == ALL - PAGE_SIZE && r.busy == PAGE_SIZE);
	CHECK(STAT(s.from, sock) == PAGE_SIZE && STAT(s.to, sock) == ALL - PAGE_SIZE);
	closes();
	ends(&s);
}

/* What was cut from the view is not seen any more; it stays its holder's. */
static void holes_stay(void)
{
	struct scene s;

	shown(&s);
	CHECK(!memcg_munmap(mm, s.p + 10 * PAGE_SIZE, 20 * PAGE_SIZE));
	CHECK(move_to(s.to, MEMCG_MOVE_ANON).moved == ALL - 20 * PAGE_SIZE);
	CHECK(STAT(s.from, sock) == 20 * PAGE_SIZE);
	closes();
	ends(&s);
}

/* Twice in one view: the second entry finds it moved. */
static void twice_in_a_view(void)
{
	struct memcg_frag twice[2];
	struct memcg_move r;
	struct scene s;

	scene_set(&s);
	received(&s, s.from);
	twice[0] = twice[1] = s.frags[5];
	CHECK(memcg_frags_map(mm, twice, 2));
	r = move_to(s.to, MEMCG_MOVE_ANON);
	CHECK(r.moved == PAGE_SIZE && r.not_ours == PAGE_SIZE);
	CHECK(STAT(s.to, sock) == PAGE_SIZE && STAT(s.from, sock) == ALL - PAGE_SIZE);
	closes();
	ends(&s);
}

/* --- between two steps ---------------------------------------------------------------------- */

#ifdef MEMCG_DEBUG

static struct scene stage;
static void *(*meanwhile)(void *);
static unsigned hooked;
static char *second_at;

/* The mover holds a table's lock: what needs one is another thread's to do. */
static void do_meanwhile(void)
{
	pthread_t t;

	if (hooked++)
		return;
	CHECK(!pthread_create(&t, NULL, meanwhile, NULL));
	CHECK(!pthread_join(t, NULL));
}

static void *unmap_second(void *arg)
{
	CHECK(!memcg_munmap(stage.second, second_at, ALL));
	return arg;
}

/* In no statistic this moment, while a third group's view of it ends, and its fragments go. */
static void unmapped_elsewhere_meanwhile(void)
{
	hooked = 0;
	shown(&stage);
	stage.second = memcg_mm_create(stage.third);
	second_at = view_in(&stage, stage.second);
	memcg_frags_put(stage.frags, N);
	meanwhile = unmap_second;
	hook_move_halfway = do_meanwhile;
	CHECK(move_to(stage.to, MEMCG_MOVE_ANON).moved == ALL && hooked == N);
	hook_move_halfway = NULL;
	CHECK(STAT(stage.to, sock) == ALL && !STAT(stage.from, sock));
	closes();
	CHECK(!memcg_munmap(mm, stage.p, ALL) && !STAT(stage.to, sock));
	ends(&stage);
}

static void *recharge_all(void *arg)
{
	for (unsigned i = 0; i < N; i++)
		CHECK(memcg_frag_recharge(&stage.frags[i], stage.third) == -EBUSY);
	return arg;
}

/* The payer has been read, and is about to be replaced: nobody else replaces it. */
static void recharged_meanwhile(void)
{
	hooked = 0;
	shown(&stage);
	meanwhile = recharge_all;
	hook_move_halfway = do_meanwhile;
	CHECK(move_to(stage.to, MEMCG_MOVE_ANON).moved == ALL && hooked == N);
	hook_move_halfway = NULL;
	CHECK(STAT(stage.to, sock) == ALL && !STAT(stage.third, sock));
	closes();
	ends(&stage);
}

/* The same of a page that has the view alone: what is left to its holder is no reference. */
static void recharged_without_a_reference(void)
{
	hooked = 0;
	shown(&stage);
	meanwhile = recharge_all;
	for (unsigned i = 0; i < N; i++)
		memcg_page_put(stage.frags[i].page);
	hook_move_halfway = do_meanwhile;
	CHECK(move_to(stage.to, MEMCG_MOVE_ANON).moved == ALL && hooked == N);
	hook_move_halfway = NULL;
	memset(stage.frags, 0, sizeof(stage.frags));
	CHECK(STAT(stage.to, sock) == ALL && !STAT(stage.third, sock));
	closes();
	ends(&stage);
}

#endif

/* --- everything at once ---------------------------------------------------------------------- */

#define ROUNDS 60u
#define PART   24u

static struct memcg *groups[3];
static struct memcg_mm *spaces[2];
static struct memcg_pool *pool;
static u64 left, seed_of;

static u64 word_at(u64 tag, unsigned i)
{
	return tag * 1000003 + i;
}

static void tag_pages(const struct memcg_frag *f, unsigned n, u64 tag)
{
	for (unsigned i = 0; i < n; i++)
		((u64 *)memcg_page_address(f[i].page))[i] = word_at(tag, i);
}

static void check_tags(const char *p, unsigned n, u64 tag)
{
	for (unsigned i = 0; i < n; i++)
		CHECK(((const u64 *)(p + ((size_t)i << PAGE_SHIFT)))[i] == word_at(tag, i));
}

/* Takes, tags, maps twice, puts and unmaps in any order, what it recharges besides. */
static void use_pages(u64 *seed, u64 tag)
{
	struct memcg_frag f[PART];
	unsigned n = 1 + (unsigned)(next_random(seed) % PART), k = next_random(seed) % 2;
	char *p, *q;

	n = (unsigned)memcg_pool_alloc(pool, groups[next_random(seed) % 2], f, n);
	CHECK(n && n <= PART);
	tag_pages(f, n, tag);
	if (!memcg_frag_recharge(&f[0], groups[2]) && n > 1) /* alone: it has to be done */
		CHECK(!memcg_frag_recharge(&f[0], groups[next_random(seed) % 3]));
	p = memcg_frags_map(spaces[k], f, n);
	if (!p) { /* they lie too scattered */
		CHECK(errno == E2BIG);
		memcg_frags_put(f, n);
		return;
	}
	q = memcg_frags_map(spaces[!k], f, n);
	CHECK(q && memcg_frag_recharge(&f[n - 1], groups[2]) == -EBUSY);
	check_tags(p, n, tag);
	if (next_random(seed) % 2)
		memcg_frags_put(f, n);
	CHECK(!memcg_munmap(spaces[k], p, (size_t)n << PAGE_SHIFT));
	check_tags(q, n, tag);
	CHECK(!memcg_munmap(spaces[!k], q + ((size_t)(n / 2) << PAGE_SHIFT),
			    (size_t)(n - n / 2) << PAGE_SHIFT));
	check_tags(q, n / 2, tag);
	if (n / 2)
		CHECK(!memcg_munmap(spaces[!k], q, (size_t)(n / 2) << PAGE_SHIFT));
	if (f[0].page)
		memcg_frags_put(f, n);
}

static void *user(void *arg)
{
	u64 seed = atomic_add(&seed_of, 1ul) * 77777, tag = seed << 20;

	for (unsigned i = 0; i < effort(ROUNDS * 10); i++)
		use_pages(&seed, tag++);
	atomic_sub(&left, 1ul);
	return arg;
}

static void *mover(void *arg)
{
	u64 seed = 5, moves = 0;

	while (atomic_load_acquire(&left) || !moves) {
		struct memcg *to = groups[next_random(&seed) % 3];

		CHECK(!memcg_mm_move(spaces[next_random(&seed) % 2], to, MOVE_ALL, NULL, 0));
		moves++;
	}
	return arg;
}

static void everything_at_once(void)
{
	pthread_t t[3];

	set_up();
	groups[0] = memcg_create(cg, "0");
	groups[1] = memcg_create(cg, "1");
	groups[2] = memcg_create(other, "2");
	for (unsigned i = 0; i < 2; i++)
		CHECK((spaces[i] = memcg_mm_create(groups[i])));
	CHECK((pool = memcg_pool_create(NULL)));
	left = 2;
	for (unsigned i = 0; i < 3; i++)
		CHECK(!pthread_create(&t[i], NULL, i ? user : mover, NULL));
	for (unsigned i = 0; i < 3; i++)
		CHECK(!pthread_join(t[i], NULL));
	for (unsigned i = 0; i < 2; i++)
		memcg_mm_destroy(spaces[i]);
	for (unsigned i = 0; i < 3; i++) {
		CHECK(!held(groups[i]) && !STAT(groups[i], sock));
		CHECK(!memcg_destroy(groups[i]));
	}
	CHECK(!page_bad_count && !memcg_pool_destroy(pool));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(holders_follow),
		FAULTS_TEST(to_and_fro),
		FAULTS_TEST(refused_at_the_targets_max),
		FAULTS_TEST(groups_of_both_go),
		FAULTS_TEST(busy_pages_stay),
		FAULTS_TEST(holes_stay),
		FAULTS_TEST(twice_in_a_view),
		FAULTS_TEST(everything_at_once),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(unmapped_elsewhere_meanwhile),
		FAULTS_TEST(recharged_meanwhile),
		FAULTS_TEST(recharged_without_a_reference),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
