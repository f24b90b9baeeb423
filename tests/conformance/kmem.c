/*
 * kmem.c - rows about what the kernel calls kernel memory, which is what all of ours is: small
 * objects, stacks, groups themselves. And that what is shown adds up.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache.h"
#include "row.h"
#include "rows.h"

/* A negative dentry with a name of 110 bytes is about 200 (kernel-observed.md). */
#define DENTRY_LEAST 160u
#define DENTRY_MOST  240u

void row_kmem_basic(void)
{
	struct memcg *cg = group_make(NULL, "kmem_basic");
	struct cache dentries;
	uint64_t slab0, slab1, current;

	cache_init_small(&dentries, cg, DENTRY_LEAST, DENTRY_MOST);
	cache_add(&dentries, 100000);
	slab0 = file_key(cg, "memory.stat", "slab");
	EXPECT_IS(slab0, >=, MIB(1));
	file_write(cg, "memory.high", "1M");
	slab1 = file_key(cg, "memory.stat", "slab");
	current = current_of(cg);
	EXPECT_IS(slab1, <, slab0 / 2);
	EXPECT_IS(current, <, slab0 / 2);
	note("slab %.1fM, then %.1fM", (double)slab0 / MIB(1), (double)slab1 / MIB(1));
	cache_exit(&dentries);
	group_end(cg);
}

/* --- objects of threads that are over, in groups that are gone ------------------------------- */

#define CHILDREN     100u
#define PER_THREAD   100u
#define THREADS_MOST 64

static void *objects[CHILDREN * PER_THREAD * THREADS_MOST];
static unsigned nr_objects;
static struct memcg *paying;

static void allocate(unsigned n)
{
	MEMCG_SCOPE(paying);

	while (n--) {
		void *p = memcg_malloc(DENTRY_LEAST + n % (DENTRY_MOST - DENTRY_LEAST));
		unsigned at = __atomic_fetch_add(&nr_objects, 1, __ATOMIC_RELAXED);

		EXPECT(p && at < sizeof(objects) / sizeof(*objects));
		objects[at] = p;
	}
}

static void *allocate_some(void *arg)
{
	(void)arg;
	allocate(PER_THREAD);
	return NULL;
}

static void free_objects(void)
{
	while (nr_objects)
		memcg_free(objects[--nr_objects]);
}

static unsigned thread_count(void)
{
	long n = 2 * sysconf(_SC_NPROCESSORS_ONLN);

	return n > THREADS_MOST ? THREADS_MOST : (unsigned)n;
}

static void allocate_by_threads(struct memcg *cg)
{
	unsigned n = thread_count();
	pthread_t thread[THREADS_MOST];

	paying = cg;
	for (unsigned i = 0; i < n; i++)
		EXPECT_IS(pthread_create(&thread[i], NULL, allocate_some, NULL), ==, 0);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

/*
 * The four terms of the kernel's sum: within MAXERR as there, and exact with what CPUs hold. That
 * is no proof: `slab` is what the counter has beside the other lines. The proof is the recount from
 * the memory, and that the lines have room for what the program knows it holds.
 */
static void check_sum(struct memcg *cg, unsigned groups)
{
	struct memcg_stat s;
	uint64_t sum, usable = 0;

	for (unsigned i = 0; i < nr_objects; i++)
		usable += memcg_usable_size(objects[i]);
	EXPECT_IS(memcg_stat(cg, &s, sizeof(s)), ==, 0);
	sum = s.anon + s.file + s.kernel + s.sock;
	EXPECT_IS(llabs((int64_t)sum - (int64_t)s.current), <, maxerr(groups));
	EXPECT_IS(sum + s.stock, ==, s.current);
	EXPECT_IS(sum, >=, usable);
	EXPECT_IS(sum, <=, usable + usable / 4);
	row_recount();
	note("usable %ju, sum %ju, current %ju, MAXERR %ju", (uintmax_t)usable, (uintmax_t)sum,
	     (uintmax_t)s.current, (uintmax_t)maxerr(groups));
}

void row_memcg_deletion(void)
{
	struct memcg *parent = group_make(NULL, "deletion");

	for (unsigned i = 0; i < CHILDREN; i++) {
		char name[16];
		struct memcg *child;

		snprintf(name, sizeof(name), "child%u", i);
		child = group_make(parent, name);
		allocate_by_threads(child);
		group_end(child);
	}
	EXPECT_IS(current_of(parent), >=, (uint64_t)nr_objects * DENTRY_LEAST);
	check_sum(parent, CHILDREN + 1);
	free_objects();
	check_sum(parent, CHILDREN + 1);
	group_end(parent);
}

/*
 * The kernel's file names the owner of every page, and must not fault on any. Here the recount
 * visits every descriptor, slot and entry; its differences are what it returns.
 */
void row_proc_kpagecgroup(void)
{
	struct memcg *cg = group_make(NULL, "kpagecgroup");
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	allocate_by_threads(cg);
	EXPECT_IS(memcg_report(null, 0), ==, 0);
	for (unsigned i = 0; i < nr_objects; i++)
		EXPECT_IS(memcg_owner_id((char *)objects[i] + DENTRY_LEAST / 2), ==, memcg_id(cg));
	free_objects();
	close(null);
	group_end(cg);
}

#define STACKS	   1000u
#define STACK_SIZE 16384u

void row_kernel_stacks(void)
{
	struct memcg *cg = group_make(NULL, "kernel_stacks"), *was = memcg_enter(cg);
	static void *stack[STACKS];

	for (unsigned i = 0; i < STACKS; i++) {
		stack[i] = memcg_stack_alloc(STACK_SIZE);
		EXPECT(stack[i]);
		((char *)stack[i])[STACK_SIZE - 1] = 1;
	}
	EXPECT_IS(file_key(cg, "memory.stat", "kernel_stack"), >=, STACKS * STACK_SIZE);
	EXPECT_IS(file_key(cg, "memory.stat", "kernel_stack"), <=, current_of(cg));
	note("kernel_stack %ju", (uintmax_t)file_key(cg, "memory.stat", "kernel_stack"));
	for (unsigned i = 0; i < STACKS; i++)
		memcg_stack_free(stack[i]);
	EXPECT_IS(file_key(cg, "memory.stat", "kernel_stack"), ==, 0);
	memcg_leave(was);
	group_end(cg);
}

static unsigned dropped;

static void count_drop(void *data)
{
	(void)data;
	dropped++;
}

/*
 * What dies at once is the group: its struct goes although its objects live, which the parent pays
 * from then on. What is left until they go too is the handle they name, counted where it is paid
 * for.
 */
void row_dead_cgroups(void)
{
	struct memcg *parent = group_make(NULL, "dead"), *root = memcg_root();

	for (unsigned i = 0; i < 30; i++) {
		struct memcg *child = group_make(parent, "child");

		memcg_set_data(child, child, count_drop);
		paying = child;
		allocate(PER_THREAD);
		group_end(child);
		EXPECT_IS(dropped, ==, i + 1);
	}
	EXPECT_IS(file_key(parent, "cgroup.stat", "nr_dying_descendants"), ==, 30);
	EXPECT_IS(file_key(parent, "cgroup.stat", "nr_descendants"), ==, 0);
	EXPECT_IS(current_of(parent), >=, (uint64_t)nr_objects * DENTRY_LEAST);
	note("handles left: %ju with their objects",
	     (uintmax_t)file_key(root, "cgroup.stat", "nr_dying_descendants"));
	free_objects();
	memcg_reclaim(parent, MIB(100)); /* what threads and CPUs keep of them */
	EXPECT_IS(file_key(parent, "cgroup.stat", "nr_dying_descendants"), ==, 0);
	EXPECT_IS(file_key(root, "cgroup.stat", "nr_dying_descendants"), ==, 0);
	group_end(parent);
}

/*
 * The kernel charges a child's per-CPU memory to its parent. Here a group has none while it is
 * idle; what it has is `metadata` of the root, which is what must add up.
 */
void row_percpu_basic(void)
{
	struct memcg *parent = group_make(NULL, "percpu");
	static struct memcg *child[1000];
	struct memcg_stat before, after;
	int64_t grew, metadata;
	char name[16];

	EXPECT_IS(memcg_stat(memcg_root(), &before, sizeof(before)), ==, 0);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "child%u", i);
		child[i] = group_make(parent, name);
	}
	EXPECT_IS(memcg_stat(memcg_root(), &after, sizeof(after)), ==, 0);
	metadata = (int64_t)(after.metadata - before.metadata);
	grew = (int64_t)(after.current - before.current);
	EXPECT_IS(current_of(parent), ==, 0);
	EXPECT_IS(metadata, >, 0);
	EXPECT_IS(llabs(grew - metadata - (int64_t)(after.cached - before.cached)), <, maxerr(1));
	note("%jd bytes a group", (intmax_t)metadata / 1000);
	for (unsigned i = 0; i < 1000; i++)
		group_end(child[i]);
	group_end(parent);
}
