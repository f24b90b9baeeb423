/* t_free.c - giving back: exact, keeping errno, and misuse that ends the process with one line. */
#include "alloc_fixture.h"

#include <errno.h>

static void *free_it(void *p)
{
	memcg_free(p);
	return NULL;
}

static void free_elsewhere(void *p)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, free_it, p) && !pthread_join(thread, NULL));
}

/* 1 KiB objects: 16 of a shared slab, after which they come from own ones. */
static void *own_object(void)
{
	void *p;

	for (int i = 0; i < 16; i++)
		CHECK(memcg_malloc(1024));
	CHECK((p = memcg_malloc(1024)) && is_own(p));
	return p;
}

/* The line names the pointer, as misuse is looked for with nothing else in hand. */
static void names(const void *p, const char *call)
{
	char text[32];

	snprintf(text, sizeof(text), "%p", p);
	CHECK(strstr(bug_line, text) && strstr(bug_line, call));
	CHECK(!strchr(bug_line, '\n') || !strchr(bug_line, '\n')[1]);
}

static void names_slab(const void *slab)
{
	char text[40];

	snprintf(text, sizeof(text), "slab %p", slab);
	CHECK(strstr(bug_line, text));
}

static void every_free_credits_and_keeps_errno(void)
{
	static const size_t sizes[] = {1, 200, 1024, 32768, 40000, 9u << 20};
	void *p;

	set_up();
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
		for (int remote = 0; remote < 2; remote++) {
			u64 before = held(cg);

			CHECK((p = memcg_malloc(sizes[k])) && held(cg) > before);
			errno = 4321;
			if (remote)
				free_elsewhere(p);
			else
				memcg_free(p);
			CHECK(errno == 4321 && held(cg) == before);
		}
	memcg_free(NULL);
	memcg_free_sized(NULL, 5);
	closes();
}

static void the_payer_is_credited_not_the_freer(void)
{
	void *p, *q;

	set_up();
	CHECK((p = memcg_malloc(500)) && (q = memcg_malloc(500)));
	memcg_leave(memcg_get(other));
	CHECK(memcg_malloc(500));
	memcg_free(p);
	free_elsewhere(q);
	CHECK(!held(cg) && held(other) == 516);
}

static void double_free_of_an_own_object(void)
{
	void *p, *slab;

	set_up();
	p = own_object();
	slab = page_address(slab_of(p));
	memcg_free(p); /* parked now */
	EXPECT_BUG(memcg_free(p), "double free");
	names(p, "free(");
	names_slab(slab);
}

static void double_free_of_a_shared_object(void)
{
	void *p;

	set_up();
	CHECK((p = memcg_malloc(100)));
	memcg_free(p);
	EXPECT_BUG(memcg_free(p), "double free");
	names(p, "free(");
	names_slab(page_address(slab_of(p)));
}

static void double_free_after_a_spill(void)
{
	void *p[200];

	set_up();
	for (int i = 0; i < 200; i++)
		p[i] = own_object();
	for (int i = 0; i < 20; i++) /* room for 8: the first went back to its slab */
		memcg_free(p[i]);
	EXPECT_BUG(memcg_free(p[0]), "double free");
	names(p[0], "free(");
}

static void shared_double_free_after_a_spill(void)
{
	void *p[300];

	set_up();
	promote_off = true;
	for (int i = 0; i < 300; i++)
		CHECK((p[i] = memcg_malloc(64)));
	for (int i = 0; i < 290; i++)
		memcg_free(p[i]);
	EXPECT_BUG(memcg_free(p[0]), "double free");
	names(p[0], "free(");
}

static void remote_double_free_of_a_shared_object(void)
{
	void *p;

	set_up();
	CHECK(memcg_malloc(100) && (p = memcg_malloc(100)));
	free_elsewhere(p);
	EXPECT_BUG(memcg_free(p), "double free");
	names(p, "free(");
}

/* Entries tell at once, from whichever thread. */
static void *free_twice(void *p)
{
	memcg_free(p);
	EXPECT_BUG(memcg_free(p), "double free");
	names(p, "free(");
	return NULL;
}

static void two_remote_frees_of_a_shared_object(void)
{
	pthread_t thread;
	void *p;

	set_up();
	CHECK(memcg_malloc(100) && (p = memcg_malloc(100)));
	CHECK(!pthread_create(&thread, NULL, free_twice, p) && !pthread_join(thread, NULL));
}

/* Own slabs have no entries: at the latest when the holder takes the list back. */
static void two_remote_frees_of_an_own_object(void)
{
	void *p;

	set_up();
	p = own_object();
	CHECK(memcg_malloc(1024));
	free_elsewhere(p);
	free_elsewhere(p);
	EXPECT_BUG(for (int i = 0; i < 64; i++) CHECK(memcg_malloc(1024)), "double free of");
	names(p, "");
	names_slab(page_address(slab_of(p)));
}

static void inner_pointers(void)
{
	char *p, *large;

	set_up();
	CHECK((p = memcg_malloc(100)) && (large = memcg_malloc(100000)));
	EXPECT_BUG(memcg_free(p + 16), "inner pointer");
	names(p + 16, "free(");
	names_slab(page_address(slab_of(p)));
	EXPECT_BUG(free_it(large + 4096), "not the start of an object");
	names(large + 4096, "free(");
	EXPECT_BUG((void)!memcg_realloc(p + 1, 10), "inner pointer");
	names(p + 1, "realloc(");
	EXPECT_BUG((void)memcg_usable_size(p + 8), "inner pointer");
	names(p + 8, "memcg_usable_size(");
}

static void inner_pointer_into_an_own_slab(void)
{
	char *p;

	set_up();
	p = own_object();
	EXPECT_BUG(memcg_free(p + 8), "inner pointer");
	names(p + 8, "free(");
}

static void pointers_that_are_not_ours(void)
{
	char local[64];
	char *beyond = (char *)regn.base;

	set_up();
	EXPECT_BUG(memcg_free(local), "not a pointer of this library");
	names(local, "memcg_free(");
	beyond = (char *)regn.base + regn.span - 64;
	EXPECT_BUG(memcg_free(beyond), "never handed out");
	names(beyond, "free(");
	EXPECT_BUG(memcg_free((char *)regn.base + 64), "not the start of an object"); /* our own */
	EXPECT_BUG((void)!memcg_realloc(local, 10), "not a pointer of this library");
	names(local, "realloc(");
}

static void large_objects_twice(void)
{
	void *p, *q;

	set_up();
	CHECK((p = memcg_malloc(100000)) && (q = memcg_malloc(9u << 20)));
	memcg_free(p);
	EXPECT_BUG(memcg_free(p), "freed before");
	names(p, "free(");
	memcg_free(q);
	EXPECT_BUG(memcg_free(q), "freed before");
	names(q, "free(");
	EXPECT_BUG((void)!memcg_realloc(q, 10), "freed before");
}

/* An object of a cache is not malloc's. */
static void objects_of_a_cache(void)
{
	struct memcg_cache *c;
	void *p;

	set_up();
	CHECK((c = memcg_cache_create("c", 100, 0, NULL)) && (p = memcg_cache_alloc(c, 0)));
	EXPECT_BUG(memcg_free(p), "belongs to a cache");
	names(p, "free(");
	names_slab(page_address(slab_of(p)));
}

static void more_than_the_block_has(void)
{
	void *p;

	set_up();
	CHECK((p = memcg_malloc(100)));
	EXPECT_BUG(memcg_free_sized(p, 113), "112 bytes");
	names(p, "memcg_free_sized(");
	memcg_free_sized(p, 112);
}

/*
 * A slab of 64 KiB goes, its memory becomes slabs of 16 KiB: what pointed into the old one
 * is in no slot, or in one that is not in use, or in the middle of one.
 */
static void stale_pointers_into_memory_used_anew(void)
{
	char *p[64], *base;
	struct page *pg;

	set_up();
	promote_off = true;
	for (int i = 0; i < 64; i++)
		CHECK((p[i] = memcg_malloc(2048)));
	base = page_address(slab_of(p[0]));
	for (int i = 0; i < 64; i++)
		memcg_free(p[i]);
	thread_trim(thread_self(), true);
	pcp_drain_all();
	CHECK(page_head(page_index(base))->kind != PAGE_SLAB);
	EXPECT_BUG(memcg_free(base + 6 * 2048), "freed before");
	do
		pg = block_alloc(2);
	while ((char *)page_address(pg) != base);
	slab_make(pg, 160, class_of(160), 900, false);
	EXPECT_BUG(memcg_free(base + 2048), "inner pointer");
	EXPECT_BUG(memcg_free(base + 20 * 2048), "free(");
	names(base + 20 * 2048, "free(");
}

/* Bare objects have no entry: the bits say it. */
static void double_free_of_nobodys(void)
{
	void *p;

	set_up();
	CHECK((p = memcg_alloc(NULL, 300, 0, MEMCG_UNACCOUNTED)));
	memcg_free(p);
	EXPECT_BUG(memcg_free(p), "double free");
	names(p, "free(");
}

/* Without a hook the line is all that is left of the process. */
static void the_process_ends_with_one_line(void)
{
	char said[512];
	int from, status;
	pid_t pid;

	set_up();
	from = stderr_to_pipe();
	pid = fork();
	if (!pid) {
		struct rlimit none = {0, 0};
		void *p = memcg_malloc(100);

		setrlimit(RLIMIT_CORE, &none);
		memcg_free(p);
		memcg_free(p);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	read_said(from, said, sizeof(said));
	CHECK(strstr(said, "double free") && strchr(said, '\n') == said + strlen(said) - 1);
}

/* ---- any thread frees any object; nothing is lost, nothing counted twice ---- */
#define SHELF 512
static void *shelf[SHELF];

static void *mix(void *arg)
{
	u64 seed = (uintptr_t)arg;

	memcg_leave(memcg_get((uintptr_t)arg % 2 ? cg : other));
	for (int i = 0; i < 40000; i++) {
		u32 r = next_random(&seed);
		size_t n = r % 64 ? r % 2000 : r % 60000;
		unsigned char *p = memcg_malloc(n + 1), tag = (unsigned char)(uintptr_t)p >> 4;

		CHECK(p);
		p[0] = p[n] = tag;
		p = atomic_xchg(&shelf[next_random(&seed) % SHELF], p);
		if (p)
			CHECK(p[0] == (unsigned char)((unsigned char)(uintptr_t)p >> 4));
		memcg_free(p);
	}
	return NULL;
}

static void four_threads(void)
{
	pthread_t thread[4];

	set_up();
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&thread[i], NULL, mix, (void *)(i + 1)));
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	closes();
	for (int i = 0; i < SHELF; i++)
		memcg_free(shelf[i]);
	CHECK(!held(cg) && !held(other));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(every_free_credits_and_keeps_errno),
		PAGE_TEST(the_payer_is_credited_not_the_freer),
		PAGE_TEST(double_free_of_an_own_object),
		PAGE_TEST(double_free_of_a_shared_object),
		PAGE_TEST(double_free_after_a_spill),
		PAGE_TEST(shared_double_free_after_a_spill),
		PAGE_TEST(remote_double_free_of_a_shared_object),
		PAGE_TEST(two_remote_frees_of_a_shared_object),
		PAGE_TEST(two_remote_frees_of_an_own_object),
		PAGE_TEST(inner_pointers),
		PAGE_TEST(inner_pointer_into_an_own_slab),
		PAGE_TEST(pointers_that_are_not_ours),
		PAGE_TEST(large_objects_twice),
		PAGE_TEST(objects_of_a_cache),
		PAGE_TEST(more_than_the_block_has),
		PAGE_TEST(stale_pointers_into_memory_used_anew),
		PAGE_TEST(double_free_of_nobodys),
		PAGE_TEST(the_process_ends_with_one_line),
		PAGE_TEST(four_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
