/* t_zswap.c - pages as words and compressed copies: every byte comes back, every byte is paid for.
 */
#include "zswap_fixture.h"

#include <errno.h>
#include <lz4.h>

#include <memcg/event.h>

#include "reclaim/owed.h"

/* --- words --------------------------------------------------------------------------- */

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

/* --- copies -------------------------------------------------------------------------- */

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

/* --- damage -------------------------------------------------------------------------- */

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

/* A copy of cg's, from there; and to whom it may go. */
static u64 a_copy_and(u32 *from, u32 *to)
{
	set_up();
	*from = handle_of_group(cg);
	*to = handle_of_group(other);
	return store(3, CONTENT_TEXT, cg);
}

static void a_copy_is_recharged(void)
{
	u32 from, to, cost;
	u64 entry = a_copy_and(&from, &to);

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
	u64 entry = a_copy_and(&from, &to);

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
