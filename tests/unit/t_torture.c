/*
 * t_torture.c - eight threads, a thousand groups made and destroyed under
 * them, objects freed by other threads in other groups; after every round the
 * recount must close, and own, shared, promoted, demoted and recharged slabs
 * must all have occurred.
 *
 * Usage: t_torture [SECONDS [SEED]]; or MEMCG_TORTURE_SECONDS. The seed is printed.
 * Every object carries its address and size at both ends: a slot handed out twice is noticed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <memcg.h>

#include "ctl/recount.h"
#include "group/group.h"
#include "slab/slab.h"
#include "sync/percpu.h"

#define THREADS	 8
#define GROUPS	 1000
#define EXCHANGE 8192
#define STEPS	 400 /* visits of a thread in a round */
#define MAX_SIZE 60000

struct stamp {
	u64 check;
	u32 size;
};

static struct {
	pthread_mutex_t lock;
	struct memcg *cg; /* referenced by the table */
} groups[GROUPS];
static void *exchange[EXCHANGE]; /* objects on their way from thread to thread */
static struct memcg_cache *cache;
static u64 made, destroyed, refused, moved;

static u64 rnd(u64 *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static __attribute__((noreturn)) void fail(const char *what)
{
	printf("not ok - %s\n", what);
	exit(1);
}

/* --- objects ------------------------------------------------------------------ */

static void stamp(void *p, size_t size)
{
	struct stamp s = {(u64)p ^ size * 0x9e3779b97f4a7c15ul, (u32)size};

	memcpy(p, &s, sizeof(s));
	((u8 *)p)[size - 1] = (u8)size;
}

static void release(void *p)
{
	struct stamp s;

	if (!p)
		return;
	memcpy(&s, p, sizeof(s));
	if (s.check != ((u64)p ^ s.size * 0x9e3779b97f4a7c15ul) ||
	    ((u8 *)p)[s.size - 1] != (u8)s.size)
		fail("an object was overwritten");
	memcg_free(p);
}

static size_t random_size(u64 *s)
{
	u64 r = rnd(s);

	return r % 100 < 90 ? 24 + r / 128 % 600 : 24 + r / 128 % MAX_SIZE;
}

static void *object(u64 *s)
{
	size_t size = random_size(s);
	void *p = rnd(s) % 8 ? memcg_malloc(size) : memcg_calloc(1, size);

	if (p)
		stamp(p, size);
	else
		atomic_add_relaxed(&refused, 1ul);
	return p;
}

/* Into the exchange; what was there is freed by this thread, in whatever group it is. */
static void pass_on(void *p, u64 *s)
{
	release(atomic_xchg(&exchange[rnd(s) % EXCHANGE], p));
}

static void *regrow(void *p, u64 *s)
{
	size_t size = random_size(s);
	void *q = memcg_realloc(p, size);

	if (q)
		stamp(q, size);
	return q ? q : p;
}

/* --- groups --------------------------------------------------------------------- */

static struct memcg *random_group(u64 *s)
{
	unsigned i = rnd(s) % GROUPS;
	struct memcg *cg;

	pthread_mutex_lock(&groups[i].lock);
	cg = groups[i].cg ? memcg_get(groups[i].cg) : NULL;
	pthread_mutex_unlock(&groups[i].lock);
	return cg;
}

static void group_flip(u64 *s)
{
	unsigned i = rnd(s) % GROUPS;
	struct memcg *parent = rnd(s) % 2 ? random_group(s) : NULL;
	char name[32];

	snprintf(name, sizeof(name), "g%lu", rnd(s) % 1000000007);
	pthread_mutex_lock(&groups[i].lock);
	if (groups[i].cg) {
		if (memcg_destroy(groups[i].cg) == 0) {
			groups[i].cg = NULL;
			atomic_add_relaxed(&destroyed, 1ul);
		}
	} else {
		groups[i].cg = memcg_create(parent, name);
		if (groups[i].cg)
			atomic_add_relaxed(&made, 1ul);
		if (groups[i].cg && rnd(s) % 8 == 0)
			memcg_set_limit(groups[i].cg, MEMCG_MAX, 64 * 1024 + rnd(s) % (1 << 20));
	}
	pthread_mutex_unlock(&groups[i].lock);
	memcg_put(parent);
}

/* --- what a visit does ------------------------------------------------------------- */

static void few_objects(u64 *s)
{
	unsigned i;

	for (i = 0; i < 20; i++)
		pass_on(object(s), s);
}

/* Many of one size: the group becomes hot on this thread. Every third stays for others to free. */
static void burst(u64 *s)
{
	size_t size = 24 + rnd(s) % 400;
	void *p[1500];
	unsigned i;

	for (i = 0; i < 1500; i++) {
		p[i] = memcg_malloc(size);
		if (p[i])
			stamp(p[i], size);
	}
	for (i = 0; i < 1500; i++)
		if (i % 3)
			release(p[i]);
		else
			pass_on(p[i], s);
}

static void move_charges(u64 *s)
{
	unsigned i;

	for (i = 0; i < 16; i++) {
		void *p = atomic_xchg(&exchange[rnd(s) % EXCHANGE], NULL);
		struct memcg *to = random_group(s);

		if (p && memcg_recharge(p, to) == 0)
			atomic_add_relaxed(&moved, 1ul);
		memcg_put(to);
		pass_on(p ? regrow(p, s) : NULL, s);
	}
}

static void pages(u64 *s)
{
	struct memcg_page *pg[4];
	unsigned i;

	for (i = 0; i < 4; i++)
		pg[i] = memcg_pages_alloc(rnd(s) % 3, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	for (i = 0; i < 4; i++)
		if (pg[i] && rnd(s) % 2)
			memcg_page_put(memcg_page_get(pg[i]));
	memcg_pages_release(pg, 4);
}

static void others(u64 *s)
{
	struct memcg_charge *c = memcg_charge(NULL, rnd(s) % 100000);
	void *o = memcg_cache_alloc(cache, 0);
	void *p = memcg_alloc(NULL, 100, 0, MEMCG_UNACCOUNTED);
	struct memcg *owner = memcg_owner(o);

	if (p)
		stamp(p, 100);
	pass_on(p, s);
	memcg_put(owner);
	if (o)
		memcg_cache_free(cache, o);
	memcg_uncharge(c);
}

static void visit(u64 *s)
{
	switch (rnd(s) % 12) {
	case 0:
		burst(s);
		break;
	case 1:
		move_charges(s);
		break;
	case 2:
		pages(s);
		break;
	case 3:
		others(s);
		break;
	default:
		few_objects(s);
	}
}

static void *worker(void *arg)
{
	u64 seed = *(u64 *)arg;
	unsigned i;

	for (i = 0; i < STEPS; i++) {
		struct memcg *cg, *previous;

		group_flip(&seed);
		cg = random_group(&seed);
		previous = memcg_enter(cg);
		memcg_put(cg);
		visit(&seed);
		memcg_leave(previous);
	}
	return NULL;
}

/* --- rounds ---------------------------------------------------------------------------- */

static void say(void *arg, const char *line)
{
	(void)arg;
	printf("# %s\n", line);
}

static void check(unsigned round)
{
	struct recount_result r;

	if (recount(&r, say, NULL) < 0)
		fail("no recount");
	printf("# round %u: owned %lu groups %lu differences %lu | slabs own %lu shared %lu promoted "
	       "%lu demoted %lu recharged %lu orphaned %lu hollow %lu | groups made %lu destroyed "
	       "%lu, refused %lu, moved %lu\n",
	       round, r.owned, r.groups, r.differences, slab_counts.own, slab_counts.shared,
	       slab_counts.promoted, slab_counts.demoted, slab_counts.recharged,
	       slab_counts.orphaned, slab_counts.hollow, made, destroyed, refused, moved);
	if (r.differences)
		fail("the recount does not close");
}

static void run_round(u64 *seed, unsigned round)
{
	pthread_t thread[THREADS];
	u64 seeds[THREADS];
	unsigned i;

	for (i = 0; i < THREADS; i++) {
		seeds[i] = rnd(seed) | 1;
		if (pthread_create(&thread[i], NULL, worker, &seeds[i]))
			fail("no thread");
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	check(round);
}

static void empty_everything(void)
{
	struct memcg_stat st;
	unsigned i, left = 1;

	for (i = 0; i < EXCHANGE; i++)
		release(atomic_xchg(&exchange[i], NULL));
	while (left)
		for (i = 0, left = 0; i < GROUPS; i++)
			if (groups[i].cg && memcg_destroy(groups[i].cg) == 0)
				groups[i].cg = NULL;
			else if (groups[i].cg)
				left++;
	memcg_cache_destroy(cache);
	check(0);
	memcg_stat(memcg_root(), &st, sizeof(st));
	printf("# at the end: root owns %lu besides metadata %lu and cached %lu\n",
	       st.current - st.metadata - st.cached, st.metadata, st.cached);
}

int main(int argc, char **argv)
{
	const char *env = getenv("MEMCG_TORTURE_SECONDS");
	double seconds = argc > 1 ? atof(argv[1]) : env ? atof(env) : 5;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (u64)time(NULL) * 2654435761u | 1;
	time_t end = time(NULL) + (time_t)seconds;
	unsigned i, round = 0;

	printf("# seed %lu, %g s, per-CPU back end %s\n", seed, seconds,
	       (memcg_root(), pcpu_backend == PCPU_RSEQ) ? "rseq" : "portable");
	for (i = 0; i < GROUPS; i++)
		pthread_mutex_init(&groups[i].lock, NULL);
	cache = memcg_cache_create("torture", 200, 0, NULL);
	do {
		run_round(&seed, ++round);
	} while (time(NULL) < end);
	empty_everything();
	if (!slab_counts.own || !slab_counts.shared || !slab_counts.promoted ||
	    !slab_counts.demoted || !slab_counts.recharged)
		fail("own, shared, promoted, demoted and recharged slabs did not all occur");
	printf("1..1\nok 1 - %u rounds, every recount closed\n", round);
	return 0;
}
