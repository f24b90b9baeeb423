/* t_zswap.c - pages as words and compressed copies: every byte comes back, every byte is paid for.
 */
#include "swap_fixture.h"

#include <errno.h>
#include <lz4.h>

#include <memcg/event.h>

#include "reclaim/owed.h"
#include "vm/zswap.h"

static u64 page[PAGE_SIZE / sizeof(u64)], back[PAGE_SIZE / sizeof(u64)];

static u32 handle_of_group(const struct memcg *g)
{
	return g->handle->index;
}

static u64 store(u64 n, enum content kind, struct memcg *g)
{
	u64 entry = 0;

	page_write(page, n, kind);
	CHECK(zswap_store(page, handle_of_group(g), &entry) == WHERE_ZSWAP && entry);
	return entry;
}

static bool loads(u64 entry, u64 n, enum content kind)
{
	memset(back, 0xa5, sizeof(back));
	return !zswap_load(entry, back) && page_is(back, n, kind);
}

/* --- words ------------------------------------------------------------------------- */

static void a_page_of_one_word(void)
{
	static const u64 words[] = {0, 1, ~0ul, 0x0123456789abcdef, 1ul << 63};
	u64 entry;

	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		page_write(page, words[i], CONTENT_SAME);
		CHECK(zswap_store(page, handle_of_group(cg), &entry) == WHERE_SAME);
		CHECK(entry == words[i]);
		memset(back, 0xa5, sizeof(back));
		zswap_fill(entry, back);
		CHECK(!memcmp(page, back, sizeof(back)));
	}
	CHECK(!held(cg));
	closes();
}

/* One bit anywhere makes it another page: also in the first word and the last. */
static void a_page_of_almost_one_word(void)
{
	u64 entry;

	set_up();
	for (unsigned at = 0; at < PAGE_SIZE; at += at % 4088 < 16 ? 1 : 61) {
		page_write(page, 0x4141414141414141, CONTENT_SAME);
		((char *)page)[at] ^= 1;
		CHECK(zswap_store(page, handle_of_group(cg), &entry) == WHERE_ZSWAP);
		CHECK(!zswap_load(entry, back) && !memcmp(page, back, sizeof(back)));
		zswap_free(entry);
	}
	CHECK(!held(cg));
	closes();
}

/* Every byte the same is a word; a pattern of another length is not. */
static void a_pattern_is_no_word(void)
{
	u64 entry;

	set_up();
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		((char *)page)[i] = (char)(i % 12);
	CHECK(zswap_store(page, handle_of_group(cg), &entry) == WHERE_ZSWAP);
	zswap_free(entry);
	CHECK(!held(cg));
}

/* --- copies ------------------------------------------------------------------------ */

static void a_copy_is_charged_and_comes_back(void)
{
	u64 text, mixed;
	struct page *pg;

	set_up();
	text = store(7, CONTENT_TEXT, cg);
	CHECK(held(cg) == zswap_bytes(text) && zswap_bytes(text) < PAGE_SIZE / 2);
	CHECK(zswap_owner(text) == handle_of_group(cg));
	mixed = store(8, CONTENT_MIXED, other);
	CHECK(held(other) == zswap_bytes(mixed) && zswap_bytes(mixed) > zswap_bytes(text));
	closes();
	CHECK(loads(text, 7, CONTENT_TEXT) && loads(mixed, 8, CONTENT_MIXED));
	CHECK(loads(text, 7, CONTENT_TEXT)); /* loading does not free */
	/* Not in the slabs of the program. */
	pg = slab_of((void *)text);
	CHECK(pg->kind == PAGE_SLAB && slab_holder(pg) != thread_self()->task.tid);
	zswap_free(text);
	CHECK(!held(cg) && held(other) == zswap_bytes(mixed));
	zswap_free(mixed);
	CHECK(!held(other));
	closes();
}

static void what_does_not_compress(void)
{
	u64 entry = 12345;

	set_up();
	page_write(page, 3, CONTENT_RANDOM);
	CHECK(zswap_store(page, handle_of_group(cg), &entry) == -E2BIG && entry == 12345);
	CHECK(!held(cg));
	closes();
}

/* The bound is on the compressed bytes, and met exactly where the compressor says. */
static void the_bound_is_kept(void)
{
	static char out[2 * PAGE_SIZE];
	u64 seed = 1, entry, noise[PAGE_SIZE / sizeof(u64)];
	unsigned stored = 0, refused = 0;

	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(noise); i++)
		noise[i] = (u64)next_random(&seed) << 32 | next_random(&seed);
	for (unsigned n = 2950; n < 3150; n++) {
		int length, where;

		memset(page, 0, sizeof(page));
		memcpy(page, noise, n);
		length = LZ4_compress_default((char *)page, out, PAGE_SIZE, sizeof(out));
		where = zswap_store(page, handle_of_group(cg), &entry);
		/* At the very end of its room the compressor may give up a few bytes early. */
		CHECK(where == -E2BIG ? length > (int)ZSWAP_MAX - 16 : length <= (int)ZSWAP_MAX);
		stored += where == WHERE_ZSWAP;
		refused += where == -E2BIG;
		if (where == WHERE_ZSWAP) {
			CHECK(zswap_bytes(entry) <= slab_cost(3584));
			CHECK(!zswap_load(entry, back) && !memcmp(page, back, sizeof(back)));
			zswap_free(entry);
		}
	}
	CHECK(stored > 50 && refused > 50 && !held(cg));
}

static void nobodys_copy(void)
{
	u64 entry;

	set_up();
	page_write(page, 5, CONTENT_TEXT);
	CHECK(zswap_store(page, 0, &entry) == WHERE_ZSWAP && !zswap_owner(entry));
	CHECK(!held(cg) && loads(entry, 5, CONTENT_TEXT));
	closes();
	zswap_free(entry);
	closes();
}

/* A copy frees more than it takes: no limit refuses it, nothing is reclaimed or owed for it. */
static void past_every_limit(void)
{
	struct memcg_events e = {0};
	u64 entry[64], sum = 0;

	set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 0) && !memcg_set_limit(cg, MEMCG_HIGH, 0));
	for (unsigned i = 0; i < 64; i++) {
		entry[i] = store(i, CONTENT_TEXT, cg);
		sum += zswap_bytes(entry[i]);
	}
	CHECK(held(cg) == sum);
	CHECK(!memcg_event_read(cg, &e, sizeof(e)) && !e.max && !e.oom && !e.high);
	CHECK(!task_self()->owed && !task_self()->refused.wanted);
	closes();
	for (unsigned i = 0; i < 64; i++)
		zswap_free(entry[i]);
	CHECK(!held(cg));
	closes();
}

/* The group is gone: what its pages become is its parent's. */
static void a_handle_without_a_group(void)
{
	struct memcg *child;
	u32 handle;
	u64 entry;
	void *p;

	set_up();
	CHECK((child = memcg_create(other, "child")));
	CHECK((p = memcg_alloc(child, 100, 0, 0)));
	handle = handle_of_group(child);
	CHECK(!memcg_destroy(child) && held(other) == 116);
	page_write(page, 4, CONTENT_TEXT);
	CHECK(zswap_store(page, handle, &entry) == WHERE_ZSWAP);
	CHECK(zswap_owner(entry) == handle && held(other) == 116 + zswap_bytes(entry));
	closes();
	memcg_free(p); /* now the copy alone keeps the handle */
	CHECK(held(other) == zswap_bytes(entry) && loads(entry, 4, CONTENT_TEXT));
	closes();
	zswap_free(entry);
	CHECK(!held(other));
	closes();
}

static void given_back_twice(void)
{
	u64 entry, keep;

	set_up();
	keep = store(1, CONTENT_TEXT, cg);
	entry = store(2, CONTENT_TEXT, cg);
	zswap_free(entry);
	EXPECT_BUG(zswap_free(entry), "double free");
	CHECK(loads(keep, 1, CONTENT_TEXT));
}

static void no_copy_at_all(void)
{
	void *p;

	set_up();
	CHECK((p = memcg_malloc(500)));
	EXPECT_BUG(zswap_free((u64)(uintptr_t)p), "no object of an arena");
	EXPECT_BUG(zswap_free(store(1, CONTENT_TEXT, cg) + 16), "no object of an arena");
	EXPECT_BUG(zswap_free((u64)(uintptr_t)page), "no object of an arena");
}

/* --- damage ------------------------------------------------------------------------ */

/* Any bit of a copy, its header's too: an error and a line, never another page. */
static void damage_is_found(void)
{
	int said = stderr_to_pipe();
	char text[512];
	unsigned bytes;
	u8 *copy;
	u64 entry;

	set_up();
	entry = store(9, CONTENT_TEXT, cg);
	copy = (u8 *)entry;
	bytes = 8 + *(u32 *)(copy + 4);
	CHECK(bytes > 16 && bytes <= zswap_bytes(entry));
	for (unsigned i = 0; i < bytes; i++) {
		copy[i] ^= (u8)(1u << i % 8);
		CHECK(zswap_load(entry, back) == -EIO);
		copy[i] ^= (u8)(1u << i % 8);
		read_said(said, text, sizeof(text));
		CHECK(strstr(text, "is damaged"));
	}
	CHECK(loads(entry, 9, CONTENT_TEXT));
	zswap_free(entry);
	CHECK(!held(cg));
}

/* --- who pays ------------------------------------------------------------------------ */

static void a_copy_is_recharged(void)
{
	u32 from, to, cost;
	u64 entry;

	set_up();
	from = handle_of_group(cg), to = handle_of_group(other);
	entry = store(3, CONTENT_TEXT, cg);
	cost = zswap_bytes(entry);
	CHECK(zswap_recharge(entry, to, from, false) == -EINVAL); /* it is not to's */
	CHECK(held(cg) == cost && !held(other));
	CHECK(!zswap_recharge(entry, from, to, false));
	CHECK(!held(cg) && held(other) == cost && zswap_owner(entry) == to);
	closes();
	CHECK(zswap_recharge(entry, from, to, false) == -EINVAL && held(other) == cost);
	CHECK(!zswap_recharge(entry, 0, from, false)); /* whoever pays */
	CHECK(held(cg) == cost && !held(other));
	closes();
	zswap_free(entry);
	CHECK(!held(cg));
}

/* Of a charge that the caller moves: nothing is charged here, nor credited. */
static void a_copy_is_recharged_beforehand(void)
{
	u32 from, to, cost;
	u64 entry;

	set_up();
	from = handle_of_group(cg), to = handle_of_group(other);
	entry = store(3, CONTENT_TEXT, cg);
	cost = zswap_bytes(entry);
	CHECK(charge_bytes(to, 2 * cost, 0));
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 2 * cost));
	CHECK(!zswap_recharge(entry, from, to, true));
	CHECK(held(cg) == cost && held(other) == 2 * cost && zswap_owner(entry) == to);
	CHECK(zswap_recharge(entry, from, to, true) == -EINVAL && held(other) == 2 * cost);
	uncharge_bytes(from, cost);
	uncharge_bytes(to, cost);
	CHECK(!held(cg) && held(other) == cost);
	closes();
	zswap_free(entry);
	CHECK(!held(other));
	closes();
}

static void a_recharge_is_refused(void)
{
	u64 entry;
	u32 cost;

	set_up();
	entry = store(3, CONTENT_TEXT, cg);
	cost = zswap_bytes(entry);
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 0));
	CHECK(zswap_recharge(entry, handle_of_group(cg), handle_of_group(other), false) == -ENOMEM);
	CHECK(held(cg) == cost && !held(other) && zswap_owner(entry) == handle_of_group(cg));
	CHECK(!task_self()->refused.wanted);
	closes();
	zswap_free(entry);
	CHECK(!held(cg));
}

/* --- whatever the thread --------------------------------------------------------------- */

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
	CHECK(!zswap_trim());
	task_self()->busy--;
	CHECK(!held(cg) && slab_local(pg)->used == used); /* a stranger's: to be collected */
	CHECK(REMOTE_COUNT(pg->slab.remote));
	closes();
	for (unsigned i = 0; i < 200; i++)
		entry[i] = store(i, CONTENT_TEXT, cg);
	for (unsigned i = 0; i < 200; i++)
		zswap_free(entry[i]);
	CHECK(!held(cg) && zswap_trim());
	closes();
}

/* What no copy is in goes back, also what strangers emptied. */
static void empty_slabs_go_back(void)
{
	u64 entry[500], before, with;

	set_up();
	zswap_free(store(1, CONTENT_TEXT, cg));
	(void)zswap_trim();
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
	CHECK(zswap_trim() >= 64 * KIB && !zswap_trim());
	CHECK(!held(cg));
	closes();
}

/* --- no memory --------------------------------------------------------------------------- */

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

/* --- against a model ------------------------------------------------------------------------ */

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

/* --- fork ------------------------------------------------------------------------------------- */

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
	alarm(60); /* a lock that nobody gives back is -SIGALRM */
	CHECK(loads(kept, 42, CONTENT_TEXT));
	zswap_free(kept);
	for (unsigned i = 0; i < 20; i++) {
		u64 entry = store(i, CONTENT_TEXT, cg);

		CHECK(loads(entry, i, CONTENT_TEXT));
		zswap_free(entry);
	}
	(void)zswap_trim();
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
		PAGE_TEST(a_page_of_one_word),
		PAGE_TEST(a_page_of_almost_one_word),
		PAGE_TEST(a_pattern_is_no_word),
		PAGE_TEST(a_copy_is_charged_and_comes_back),
		PAGE_TEST(what_does_not_compress),
		PAGE_TEST(the_bound_is_kept),
		PAGE_TEST(nobodys_copy),
		PAGE_TEST(past_every_limit),
		PAGE_TEST(a_handle_without_a_group),
		PAGE_TEST(given_back_twice),
		PAGE_TEST(no_copy_at_all),
		PAGE_TEST(damage_is_found),
		PAGE_TEST(a_copy_is_recharged),
		PAGE_TEST(a_copy_is_recharged_beforehand),
		PAGE_TEST(a_recharge_is_refused),
		PAGE_TEST(a_thread_without_a_record),
		PAGE_TEST(a_busy_thread_frees),
		PAGE_TEST(empty_slabs_go_back),
		PAGE_TEST(no_memory),
		PAGE_TEST(no_memory_for_a_press),
		PAGE_TEST(by_one_thread),
		PAGE_TEST(by_several_threads),
		PAGE_TEST(forks_while_others_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
