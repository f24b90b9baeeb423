/* t_zswap_threads.c - compressed copies whatever the thread, without memory, over a fork. */
#include "zswap_fixture.h"

#include <errno.h>

/* --- whatever the thread ------------------------------------------------------------- */

static u64 shared_entry;

static void *store_and_free_bare(void *arg)
{
	u64 mine[PAGE_SIZE / sizeof(u64)], entry;

	(void)arg;
	CHECK(!task_self());
	page_write(mine, 77, CONTENT_TEXT);
	CHECK(zswap_store(mine, handle_of_group(other), &entry) == WHERE_ZSWAP);
	CHECK(!zswap_load(entry, mine) && page_is(mine, 77, CONTENT_TEXT));
	zswap_free(entry);
	CHECK(!zswap_load(shared_entry, mine) && page_is(mine, 1, CONTENT_TEXT));
	zswap_free(shared_entry);
	CHECK(!task_self()); /* none was made for it */
	return NULL;
}

/* Before a thread's first allocation, or after its last: faults come then too. */
static void a_thread_without_a_record(void)
{
	pthread_t thread;

	set_up();
	shared_entry = store(1, CONTENT_TEXT, cg);
	CHECK(!pthread_create(&thread, NULL, store_and_free_bare, NULL));
	CHECK(!pthread_join(thread, NULL));
	CHECK(!held(cg) && !held(other));
	closes();
}

/* In the middle of the allocator: nothing is waited for, and its structures are not touched. */
static void a_busy_thread_frees(void)
{
	u64 entry[200];
	struct page *pg;
	u32 used;

	set_up();
	for (unsigned i = 0; i < 200; i++)
		entry[i] = store(i, CONTENT_TEXT, cg);
	pg = slab_of((void *)entry[0]);
	used = slab_local(pg)->used;
	task_self()->busy++;
	for (unsigned i = 0; i < 200; i++) {
		CHECK(loads(entry[i], i, CONTENT_TEXT));
		zswap_free(entry[i]);
	}
	task_self()->busy--;
	CHECK(!held(cg) && slab_local(pg)->used == used); /* a stranger's: to be collected */
	CHECK(REMOTE_COUNT(pg->slab.remote));
	closes();
	for (unsigned i = 0; i < 200; i++)
		entry[i] = store(i, CONTENT_TEXT, cg);
	for (unsigned i = 0; i < 200; i++)
		zswap_free(entry[i]);
	CHECK(!held(cg) && trim());
	closes();
}

/* What no copy is in goes back, also what strangers emptied. */
static void empty_slabs_go_back(void)
{
	u64 entry[500], before, with;

	set_up();
	zswap_free(store(1, CONTENT_TEXT, cg));
	(void)trim();
	before = slab_counts.shared;
	for (unsigned i = 0; i < 500; i++)
		entry[i] = store(i, CONTENT_MIXED, cg);
	with = slab_counts.shared - before;
	CHECK(with >= 500 * 1792 / (64 * KIB)); /* 200 of 512 words are noise */
	for (unsigned i = 0; i < 500; i++) {
		task_self()->busy += i % 2;
		zswap_free(entry[i]);
		task_self()->busy -= i % 2;
	}
	CHECK(trim() >= 64 * KIB && !trim());
	CHECK(!held(cg));
	closes();
}

/* --- no memory ----------------------------------------------------------------------- */

/* Whatever step fails, nothing is charged and nothing is lost. */
static void no_memory(void)
{
	static u64 entry[100000];
	unsigned n = 0;
	int where;

	set_up();
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
	page_write(page, 1, CONTENT_MIXED);
	for (;; n++) {
		CHECK(n < ARRAY_SIZE(entry));
		page[0] = n + 2;
		where = zswap_store(page, handle_of_group(cg), &entry[n]);
		if (where != WHERE_ZSWAP)
			break;
	}
	CHECK(where == -ENOMEM && sys_fault_count(SYS_FAULT_OPEN_RANGE));
	CHECK(n && held(cg) == (u64)n * zswap_bytes(entry[0]));
	closes();
	zswap_free(entry[--n]); /* there is room again, without the system */
	CHECK(zswap_store(page, handle_of_group(cg), &entry[n]) == WHERE_ZSWAP);
	sys_fault_disarm_all();
	for (n++; n--;)
		zswap_free(entry[n]);
	CHECK(!held(cg));
	closes();
}

/* Not even for the compressor. */
static void no_memory_for_a_press(void)
{
	static void *taken[1000000];
	unsigned n = 0;
	u64 entry;

	set_up();
	sys_fault_arm(SYS_FAULT_OPEN_RANGE, 1, 1, 0, 0);
	while ((taken[n] = meta_alloc(32 * KIB)))
		CHECK(++n < ARRAY_SIZE(taken));
	page_write(page, 1, CONTENT_TEXT);
	CHECK(zswap_store(page, handle_of_group(cg), &entry) == -ENOMEM && !held(cg));
	page_write(page, 1, CONTENT_SAME);
	CHECK(zswap_store(page, handle_of_group(cg), &entry) == WHERE_SAME);
	meta_free(taken[n - 1], 32 * KIB);
	page_write(page, 1, CONTENT_RANDOM);
	CHECK(zswap_store(page, handle_of_group(cg), &entry) == -E2BIG && !held(cg));
	closes();
}

/* --- against a model ----------------------------------------------------------------- */

#define PLACES	256
#define THREADS 3

static struct place {
	pthread_mutex_t lock;
	int where; /* 0: nothing; or what zswap_store said */
	enum content kind;
	u64 entry, content;
	bool others;
} places[PLACES];

static void put_away(struct place *at, u64 *seed, void *buffer)
{
	at->content = next_random(seed);
	at->kind = next_random(seed) % CONTENT_KINDS;
	at->others = next_random(seed) % 2;
	page_write(buffer, at->content, at->kind);
	at->where = zswap_store(buffer, handle_of_group(at->others ? other : cg), &at->entry);
	switch (at->kind) {
	case CONTENT_SAME:
		CHECK(at->where == WHERE_SAME);
		break;
	case CONTENT_RANDOM:
		CHECK(at->where == -E2BIG);
		at->where = 0;
		break;
	default:
		CHECK(at->where == WHERE_ZSWAP);
	}
}

static void fetch(struct place *at, void *buffer)
{
	if (at->where == WHERE_SAME)
		zswap_fill(at->entry, buffer);
	else
		CHECK(!zswap_load(at->entry, buffer));
	CHECK(page_is(buffer, at->content, at->kind));
}

static void drop(struct place *at)
{
	if (at->where == WHERE_ZSWAP)
		zswap_free(at->entry);
	at->where = 0;
}

static void move(struct place *at)
{
	struct memcg *from = at->others ? other : cg, *to = at->others ? cg : other;

	if (at->where != WHERE_ZSWAP)
		return;
	CHECK(!zswap_recharge(at->entry, handle_of_group(from), handle_of_group(to), false));
	at->others = !at->others;
}

/* Each copy is made, read, moved and freed by whichever thread comes. */
static void *work(void *arg)
{
	u64 seed = (u64)(uintptr_t)arg, *buffer = pages_map(1);

	for (unsigned i = 0; i < effort(30000); i++) {
		struct place *at = &places[next_random(&seed) % PLACES];

		pthread_mutex_lock(&at->lock);
		if (!at->where) {
			put_away(at, &seed, buffer);
		} else {
			fetch(at, buffer);
			if (next_random(&seed) % 4)
				drop(at);
			else
				move(at);
		}
		pthread_mutex_unlock(&at->lock);
	}
	return NULL;
}

static u64 charged_to(bool others)
{
	u64 sum = 0;

	for (unsigned i = 0; i < PLACES; i++)
		if (places[i].where == WHERE_ZSWAP && places[i].others == others)
			sum += zswap_bytes(places[i].entry);
	return sum;
}

static void against_a_model(unsigned threads)
{
	pthread_t t[THREADS];

	set_up();
	for (unsigned i = 0; i < PLACES; i++)
		pthread_mutex_init(&places[i].lock, NULL);
	for (unsigned i = 0; i < threads; i++)
		CHECK(!pthread_create(&t[i], NULL, work, (void *)(uintptr_t)(i + 1)));
	for (unsigned i = 0; i < threads; i++)
		CHECK(!pthread_join(t[i], NULL));
	CHECK(held(cg) == charged_to(false) && held(other) == charged_to(true));
	CHECK(held(cg) && held(other));
	closes();
	for (unsigned i = 0; i < PLACES; i++) {
		if (places[i].where)
			fetch(&places[i], page);
		drop(&places[i]);
	}
	CHECK(!held(cg) && !held(other));
	closes();
}

static void by_one_thread(void)
{
	against_a_model(1);
}

static void by_several_threads(void)
{
	against_a_model(THREADS);
}

/* --- fork ---------------------------------------------------------------------------- */

static u32 stop;

static void *store_and_free(void *arg)
{
	u64 mine[PAGE_SIZE / sizeof(u64)], entry, n = 0;

	while (!atomic_load(&stop)) {
		page_write(mine, n++, CONTENT_TEXT);
		CHECK(zswap_store(mine, handle_of_group(other), &entry) == WHERE_ZSWAP);
		zswap_free(entry);
	}
	return arg;
}

/* Its own copies, readable, and a zswap that works: whatever the other threads were at. */
static void in_the_child(u64 kept)
{
	alarm(150); /* a lock that nobody gives back is -SIGALRM */
	CHECK(loads(kept, 42, CONTENT_TEXT));
	zswap_free(kept);
	for (unsigned i = 0; i < 20; i++) {
		u64 entry = store(i, CONTENT_TEXT, cg);

		CHECK(loads(entry, i, CONTENT_TEXT));
		zswap_free(entry);
	}
	(void)trim();
	_exit(0);
}

static void forks_while_others_store(void)
{
	u64 kept;
	pthread_t thread;
	int status;

	set_up();
	kept = store(42, CONTENT_TEXT, cg);
	CHECK(!pthread_create(&thread, NULL, store_and_free, NULL));
	for (unsigned i = 0; i < effort(40); i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			in_the_child(kept);
		CHECK(waitpid(pid, &status, 0) == pid && !status);
	}
	atomic_store(&stop, 1u);
	CHECK(!pthread_join(thread, NULL));
	CHECK(loads(kept, 42, CONTENT_TEXT));
	zswap_free(kept);
	CHECK(!held(cg) && !held(other));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(a_thread_without_a_record), PAGE_TEST(a_busy_thread_frees),
		PAGE_TEST(empty_slabs_go_back),	      PAGE_TEST(no_memory),
		PAGE_TEST(no_memory_for_a_press),     PAGE_TEST(by_one_thread),
		PAGE_TEST(by_several_threads),	      PAGE_TEST(forks_while_others_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
