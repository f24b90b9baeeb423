/* t_hollow.c - what an idle thread holds without an object alive is had by others at the root's
 * max. */
#define walk page_walk /* the recount has one of its own */
#include "page_fixture.h"
#undef walk

#include <semaphore.h>

#include <memcg.h>

#include "ctl/recount.h"
#include "group/stock.h"
#include "slab/slab.h"

#define OBJECTS 400000

static void *object[OBJECTS];
static unsigned filled;
static sem_t full, end;

static void *fill_and_sleep(void *arg)
{
	struct memcg *before = memcg_enter(arg);

	while (filled < OBJECTS && (object[filled] = memcg_malloc(100)))
		filled++;
	sem_post(&full);
	sem_wait(&end);
	memcg_leave(before);
	return NULL;
}

static void closes(void)
{
	struct recount_result r;

	stock_drain(NULL);
	CHECK(!recount(&r, NULL, NULL) && !r.differences);
}

static void an_idle_threads_memory_is_had(void)
{
	struct memcg *a = memcg_create(NULL, "a"), *b = memcg_create(NULL, "b"), *before;
	pthread_t thread;
	size_t got = 0;

	memcg_set_limit(memcg_root(), MEMCG_MAX, 64 << 20);
	sem_init(&full, 0, 0);
	sem_init(&end, 0, 0);
	CHECK(!pthread_create(&thread, NULL, fill_and_sleep, a));
	sem_wait(&full);
	CHECK(memcg_current(a) > 40 << 20);
	for (unsigned i = 0; i < filled; i++)
		memcg_free(object[i]);
	closes();
	CHECK(slab_counts.own && hollow_slabs && memcg_current(a) < 2 << 20);
	before = memcg_enter(b);
	while (memcg_malloc(100000))
		got += 100000;
	CHECK(got > 50 << 20 && !hollow_slabs);
	memcg_leave(before);
	closes();
	sem_post(&end); /* the holder finds its slabs without memory, and gives them up */
	CHECK(!pthread_join(thread, NULL));
	closes();
}

/* The system does not take the memory: the slab stays hollow and cached, nothing is lost. */
static void purge_refused(void)
{
	struct memcg *a = memcg_create(NULL, "a");
	pthread_t thread;
	u64 hollow;

	sem_init(&full, 0, 0);
	sem_init(&end, 0, 0);
	filled = 0;
	CHECK(!pthread_create(&thread, NULL, fill_and_sleep, a));
	sem_wait(&full);
	for (unsigned i = 0; i < filled; i++)
		memcg_free(object[i]);
	hollow = hollow_slabs;
	CHECK(hollow > 4);
	sys_fault_arm(SYS_FAULT_PURGE, 0, 1, 0, 0);
	CHECK(!hollow_purge() && hollow_slabs == hollow);
	sys_fault_disarm_all();
	closes();
	CHECK(hollow_purge() && !hollow_slabs && !hollow_purge());
	closes();
	sem_post(&end);
	CHECK(!pthread_join(thread, NULL));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(an_idle_threads_memory_is_had),
		PAGE_TEST(purge_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
