/*
 * vm_torture_fixture.h - what the tortures of managed memory share: a tree of groups that end and
 * are made again, address spaces in them, and rounds of several threads from a seed until the time
 * is up. Between rounds all threads rest.
 *
 * Who includes it says before how many: GROUPS, SPACES, THREADS.
 */
#ifndef MEMCG_TESTS_VM_TORTURE_FIXTURE_H
#define MEMCG_TESTS_VM_TORTURE_FIXTURE_H

#include "faults_fixture.h"
#include "swap_fixture.h"

#include <errno.h>
#include <time.h>

#include <memcg/mm.h>

#include "group/vm.h"
#include "page/managed.h"

#define RW (PROT_READ | PROT_WRITE)

static struct memcg_mm *spaces[SPACES];

static pthread_mutex_t groups_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memcg *top, *groups[GROUPS]; /* under the lock */
static u64 groups_made;

static inline void group_make(unsigned i, struct memcg *parent)
{
	char name[32];

	snprintf(name, sizeof(name), "g%lu", (unsigned long)++groups_made);
	groups[i] = memcg_create(parent, name);
	CHECK(groups[i]);
}

static inline struct memcg *some_group(u64 *seed)
{
	struct memcg *g;

	pthread_mutex_lock(&groups_lock);
	g = memcg_get(groups[next_random(seed) % GROUPS]);
	pthread_mutex_unlock(&groups_lock);
	return g;
}

static inline void world_begin(void (*furnish)(unsigned i))
{
	top = memcg_create(NULL, "top");
	CHECK(top);
	for (unsigned i = 0; i < GROUPS; i++)
		furnish(i);
	for (unsigned i = 0; i < SPACES; i++) {
		spaces[i] = memcg_mm_create(groups[i]);
		CHECK(spaces[i]);
	}
}

/* Address spaces are gone, and files; children come after their parents. */
static inline void world_end(void)
{
	for (unsigned i = GROUPS; i--;)
		CHECK(!memcg_destroy(groups[i]));
	CHECK(!held(top) && !managed_resident());
	CHECK(!memcg_destroy(top));
	closes();
}

static inline void spaces_end(void)
{
	for (unsigned i = 0; i < SPACES; i++)
		memcg_mm_destroy(spaces[i]);
}

struct worker {
	unsigned me;
	u64 seed;
};

static inline void run_threads(void *(*work)(void *), u64 *seed)
{
	struct worker w[THREADS];
	pthread_t t[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){i, (u64)next_random(seed) << 32 | next_random(seed)};
		CHECK(!pthread_create(&t[i], NULL, work, &w[i]));
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(!pthread_join(t[i], NULL));
}

struct vm_torture {
	void (*begin)(u64 *seed), (*one_round)(u64 *seed), (*end)(void), (*tell)(void);
};

/* What main returns, of its arguments [SECONDS [SEED]]. */
static inline int vm_torture(const struct vm_torture *torture, int argc, char **argv)
{
	time_t seconds = argc > 1 ? atol(argv[1]) : 5, stop = time(NULL) + seconds;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (u64)time(NULL) * 2654435761u | 1;
	unsigned rounds = 0;

	if (!has_faults_or_says())
		return 77; /* skipped, for meson */
	printf("# seed %lu, %ld s, per-CPU back end %s\n", (unsigned long)seed, (long)seconds,
	       (memcg_root(), pcpu_backend == PCPU_RSEQ) ? "rseq" : "portable");
	fflush(stdout);
	torture->begin(&seed);
	do {
		torture->one_round(&seed);
		rounds++;
	} while (time(NULL) < stop);
	torture->end();
	torture->tell();
	printf("1..1\nok 1 - %u rounds, every recount closed\n", rounds);
	return 0;
}

#endif
