/*
 * t_recount.c - the recount closes after every kind of traffic, and names what was seeded.
 *
 * Each seeded test breaks one word, looks, and puts it back: a look must find that word's
 * group, handle, page or slot by name, and the next look must close again.
 */
#include "group_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/alloc.h"
#include "ctl/recount.h"
#include "page/page.h"
#include "sys/fault.h"
#include "group/record.h"

static char lines[1 << 20];
static size_t lines_len;
static struct recount_result result;

static void keep(void *arg, const char *line)
{
	assert_null(arg);
	lines_len += (size_t)snprintf(lines + lines_len, sizeof(lines) - lines_len, "%s\n", line);
	assert_true(lines_len < sizeof(lines));
}

/* How many differences there are. */
static u64 look(void)
{
	lines_len = 0;
	lines[0] = '\0';
	assert_int_equal(recount(&result, keep, NULL), 0);
	return result.differences;
}

static void assert_closed(void)
{
	if (look())
		print_error("%s", lines);
	assert_int_equal(result.differences, 0);
}

/* One line that has both. */
static void assert_named(const char *what, const char *where)
{
	char copy[sizeof(lines)], *save, *line;

	memcpy(copy, lines, lines_len + 1);
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strstr(line, what) && strstr(line, where))
			return;
	print_error("no line has '%s' and '%s':\n%s", what, where, lines);
	fail();
}

static struct page *head_of(const void *p)
{
	return page_head(page_index(p));
}

static unsigned slot_of(const struct page *pg, const void *p)
{
	unsigned slot = 0;

	assert_true(slab_slot_start(pg, p, &slot));
	return slot;
}

/* A map's or charge's index that is in use by nobody. */
static u32 unused_handle(void)
{
	return handle_count() + 5;
}

/* ---- it closes ---- */
static void test_nothing_allocated(void **state)
{
	(void)state;
	assert_closed();
	assert_true(result.groups >= 1);
	assert_true(result.metadata > 0);
}

#define OBJECTS 20000
#define GROUPS	8

struct traffic {
	struct memcg *cg[GROUPS];
	void *object[OBJECTS];
	unsigned seed;
};

static unsigned draw(struct traffic *t, unsigned below)
{
	t->seed = t->seed * 1103515245u + 12345u;
	return (t->seed >> 8) % below;
}

static size_t draw_size(struct traffic *t)
{
	unsigned r = draw(t, 1000);

	if (r < 2)
		return 5 * MIB + draw(t, 1000000);
	if (r < 20)
		return 32769 + draw(t, 300000);
	return r < 100 ? draw(t, 32768) : draw(t, 512);
}

static void fill(struct traffic *t, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		if (i % 16 == 0)
			memcg_leave(memcg_enter(t->cg[draw(t, GROUPS)]));
		t->object[i] = i % 97 ? memcg_malloc(draw_size(t))
				      : memcg_alloc(NULL, draw_size(t), 0, MEMCG_UNACCOUNTED);
		assert_non_null(t->object[i]);
	}
}

static void drop(struct traffic *t, unsigned from, unsigned to, unsigned one_in)
{
	for (unsigned i = from; i < to; i++)
		if (t->object[i] && draw(t, one_in) == 0) {
			memcg_free(t->object[i]);
			t->object[i] = NULL;
		}
}

/* Another thread frees what the first allocated, allocates, and ends: slabs without a holder. */
static void *other_thread(void *arg)
{
	struct traffic *t = arg;
	struct memcg *before = memcg_enter(t->cg[1]);

	drop(t, 0, OBJECTS / 2, 3);
	fill(t, OBJECTS / 2, OBJECTS);
	memcg_leave(before);
	return NULL;
}

static void recharge_some(struct traffic *t)
{
	for (unsigned i = 0; i < OBJECTS; i += 41)
		if (t->object[i] && memcg_owner_id(t->object[i]))
			assert_int_equal(memcg_recharge(t->object[i], t->cg[draw(t, GROUPS)]), 0);
}

static void test_random_traffic(void **state)
{
	static struct traffic t = {.seed = 20};
	struct memcg *before;
	pthread_t thread;

	(void)state;
	for (unsigned i = 0; i < GROUPS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%u", i);
		t.cg[i] = group(i % 3 ? t.cg[i - 1] : NULL, name);
	}
	before = memcg_enter(t.cg[0]);
	fill(&t, 0, OBJECTS / 2);
	assert_closed();
	assert_int_equal(pthread_create(&thread, NULL, other_thread, &t), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_closed();
	recharge_some(&t);
	assert_closed();
	assert_true(result.slabs_own && result.slabs_shared && result.slabs_exceptions);
	assert_true(result.item[STAT_LARGE] && result.unaccounted);
	drop(&t, 0, OBJECTS, 2);
	memcg_leave(before);
	for (unsigned i = GROUPS; i--;)
		assert_int_equal(memcg_destroy(t.cg[i]), 0);
	assert_closed();
	drop(&t, 0, OBJECTS, 1);
	assert_closed();
}

static void test_pages_stacks_and_charges(void **state)
{
	struct memcg *cg = group(NULL, "pages"), *before = memcg_enter(cg);
	struct memcg_page *buffer = memcg_pages_alloc(3, MEMCG_PAGE_BUFFER, MEMCG_ACCOUNT);
	struct memcg_page *table = memcg_pages_alloc(0, MEMCG_PAGE_TABLE, MEMCG_ACCOUNT);
	struct memcg_page *nobodys = memcg_pages_alloc(1, MEMCG_PAGE_BUFFER, 0);
	struct memcg_charge *charge = memcg_charge(NULL, 123457);
	void *stack = memcg_stack_alloc(60000);
	u64 unaccounted;

	(void)state;
	assert_non_null(buffer);
	assert_non_null(table);
	assert_non_null(charge);
	assert_non_null(stack);
	memcg_leave(before);
	assert_closed();
	assert_int_equal(result.item[STAT_BUFFER], 8 * PAGE_SIZE);
	assert_int_equal(result.item[STAT_TABLE], PAGE_SIZE);
	assert_int_equal(result.item[STAT_STACK], 16 * PAGE_SIZE);
	assert_int_equal(result.item[STAT_EXTERNAL], 123457);
	unaccounted = result.unaccounted;
	assert_int_equal(memcg_destroy(cg), 0);
	assert_closed();
	memcg_page_put(buffer);
	memcg_page_put(table);
	memcg_page_put(nobodys);
	memcg_uncharge(charge);
	memcg_stack_free(stack);
	assert_closed();
	assert_int_equal(result.unaccounted, unaccounted - 2 * PAGE_SIZE);
	assert_int_equal(result.item[STAT_EXTERNAL], 0);
}

/* A longer range leaves more resident than the shorter one that takes its place uses. */
static void test_shorter_range(void **state)
{
	void *p = alloc_in(NULL, 30 * MIB);

	(void)state;
	memset(p, 1, 30 * MIB);
	memcg_free(p);
	assert_closed();
	p = alloc_in(NULL, 9 * MIB + 5000);
	assert_closed();
	memcg_free(p);
	assert_closed();
}

/* ---- it names what is wrong ---- */
static void test_wrong_counter(void **state)
{
	struct memcg *top = group(NULL, "top"), *cg = group(top, "wrong");

	(void)state;
	atomic_add(&cg->counter.usage, 4096ul);
	assert_int_equal(look(), 1);
	assert_named("its counter says", "group /top/wrong:");
	atomic_sub(&cg->counter.usage, 4096ul);
	assert_closed();
	atomic_add(&root_group->counter.usage, 1ul);
	assert_int_equal(look(), 1);
	assert_named("its counter says", "group /:");
	atomic_sub(&root_group->counter.usage, 1ul);
	memcg_destroy(cg);
	memcg_destroy(top);
	assert_closed();
}

static void test_wrong_handle(void **state)
{
	struct memcg *cg = group(NULL, "held");
	struct handle *h = cg->handle;
	void *p = alloc_in(cg, 100000);

	(void)state;
	handle_add(h, 16);
	assert_int_equal(look(), 1);
	assert_named("charged for", "group /held:");
	handle_sub(h, 16);
	assert_int_equal(memcg_destroy(cg), 0);
	handle_add(h, 16);
	assert_int_equal(look(), 1);
	assert_named("charged for", "of a group that is gone, now paid by /:");
	handle_sub(h, 16);
	memcg_free(p);
	assert_closed();
}

static void test_wrong_owner_word(void **state)
{
	struct memcg *a = group(NULL, "payer"), *b = group(NULL, "thief");
	void *p = alloc_in(a, 100000);
	struct page *pg = head_of(p);
	char where[32];

	(void)state;
	page_replace_objcg(pg, b->handle);
	assert_true(look() >= 4);
	assert_named("charged for", "group /payer:");
	assert_named("charged for", "group /thief:");
	assert_named("its counter says", "group /payer:");
	assert_named("its counter says", "group /thief:");
	page_replace_objcg(pg, (struct handle *)0xdeadbeef000ul);
	look();
	snprintf(where, sizeof(where), "page %u (%p, large", page_to_index(pg), p);
	assert_named(where, "names no handle in use");
	page_replace_objcg(pg, handle_of(unused_handle()));
	look();
	assert_named(where, "names no handle in use");
	page_replace_objcg(pg, a->handle);
	assert_closed();
	memcg_free(p);
	memcg_destroy(a);
	memcg_destroy(b);
}

/* An owner vector that stands nowhere in the region must not be followed. */
static void test_wrong_vector(void **state)
{
	struct memcg *cg = group(NULL, "vector");
	void *p = alloc_in(cg, 3000);
	struct page *pg = head_of(p);
	u64 *word = (u64 *)pg, was = *word; /* the owner word is a page's first */
	char where[64];

	(void)state;
	assert_non_null(page_objcgs_check(pg));
	snprintf(where, sizeof(where), "page %u (%p, slab", page_to_index(pg), page_address(pg));
	for (u64 bad = 0x1000; bad; bad <<= 7) {
		*word = owner_address(bad) | MEMCG_DATA_OBJCGS;
		look();
		assert_named(where, "leads to no vector");
	}
	*word = was;
	assert_closed();
	memcg_free(p);
	memcg_destroy(cg);
}

static void test_wrong_entry(void **state)
{
	struct memcg *a = group(NULL, "right"), *b = group(NULL, "left");
	void *p = alloc_in(a, 700);
	struct page *pg = head_of(p);
	struct objcgs *v = page_objcgs_check(pg);
	unsigned slot = slot_of(pg, p);
	char where[64];

	(void)state;
	assert_non_null(v);
	assert_int_equal(v->entry[slot], a->handle->index);
	v->entry[slot] = b->handle->index;
	assert_true(look() >= 4);
	assert_named("charged for", "group /right:");
	assert_named("charged for", "group /left:");
	v->entry[slot] = unused_handle();
	look();
	snprintf(where, sizeof(where), "entry of slot %u (%p)", slot, p);
	assert_named(where, "not in use");
	v->entry[slot] = a->handle->index;
	assert_closed();
	memcg_free(p);
	memcg_destroy(a);
	memcg_destroy(b);
}

static void test_wrong_bits(void **state)
{
	void *p = alloc_in(NULL, 900);
	struct page *pg = head_of(p);
	unsigned slot = slot_of(pg, p);
	char where[64];

	(void)state;
	snprintf(where, sizeof(where), "page %u (%p, slab", page_to_index(pg), page_address(pg));
	slab_free_bits(pg)[slot / 64] ^= BIT(slot % 64);
	look();
	assert_named(where, "free by the bits");
	slab_free_bits(pg)[slot / 64] ^= BIT(slot % 64);
	assert_closed();
	memcg_free(p);
}

static void *free_it(void *p)
{
	memcg_free(p);
	return NULL;
}

static void test_write_after_free(void **state)
{
	struct memcg *cg = group(NULL, "after");
	void *keep_one = alloc_in(cg, 2500), *p = alloc_in(cg, 2500);
	pthread_t thread;
	u16 was;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, free_it, p), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_closed();
	was = *(u16 *)p;
	*(u16 *)p = 60000;
	look();
	assert_named("slab", "written to after free");
	*(u16 *)p = was;
	assert_closed();
	memcg_free(keep_one);
	memcg_destroy(cg);
}

static void test_wrong_page(void **state)
{
	void *p = alloc_in(NULL, 40000);
	struct page *pg = head_of(p);
	u32 npages = pg->npages;

	(void)state;
	pg->kind = 200;
	look();
	assert_named("kind 200", "none that is in use");
	pg->kind = PAGE_BUDDY;
	look();
	assert_named("buddy", "is free and has an owner");
	pg->kind = PAGE_LARGE;
	pg->npages = UINT32_MAX;
	look();
	assert_named("large", "larger than what is open");
	pg->npages = npages;
	assert_closed();
	memcg_free(p);
}

static void test_wrong_slab(void **state)
{
	struct memcg *cg = group(NULL, "slab");
	void *p = alloc_in(cg, 5000);
	struct page *pg = head_of(p);
	u64 was = pg->slab.remote;
	u32 size = pg->slab.size;

	(void)state;
	pg->slab.size = 1u << 30;
	look();
	assert_named("slab", "contradicts itself");
	pg->slab.size = size;
	pg->slab.remote = was ^ SLAB_OWN;
	look();
	assert_named("slab", "under way");
	pg->slab.remote = (was & ~REMOTE_STATE_MASK) | REMOTE_STATE_OF(SLAB_DEAD);
	look();
	assert_named("slab", "giving it back");
	pg->slab.remote = was;
	assert_closed();
	memcg_free(p);
	memcg_destroy(cg);
}

static void test_wrong_sums(void **state)
{
	(void)state;
	atomic_add(&page_cached, 4096ul);
	assert_int_equal(look(), 1);
	assert_named("cached", "the sum says");
	atomic_sub(&page_cached, 4096ul);
	atomic_add(&meta_bytes, 4096ul);
	assert_int_equal(look(), 1);
	assert_named("metadata", "the sum says");
	atomic_sub(&meta_bytes, 4096ul);
	atomic_add(&root_group->record->stat[STAT_TABLE], 8192l);
	assert_int_equal(look(), 1);
	assert_named("memory.stat of /", "pagetables");
	atomic_sub(&root_group->record->stat[STAT_TABLE], 8192l);
	assert_closed();
}

static void test_wrong_stock(void **state)
{
	struct stock_area *area = memcg__stock;
	u32 handle = unused_handle();
	u64 *word = &area->word[handle % STOCK_SLOTS], was = *word;

	(void)state;
	*word = (u64)handle << 32 | 512;
	look();
	assert_named("stock of CPU 0", "not in use");
	*word = was;
	assert_closed();
}

static void test_broken_tree(void **state)
{
	struct memcg *cg = group(NULL, "crooked"), *child = group(cg, "child");
	struct list *was = cg->children.next;
	struct handle *handle = cg->handle;
	u64 word;

	(void)state;
	cg->children.next = (struct list *)0x10;
	look();
	assert_named("below group /crooked", "is not a group");
	cg->children.next = &cg->sibling; /* would go round for ever */
	look();
	assert_named("below group /crooked", "there twice");
	cg->children.next = was;
	word = handle->word;
	handle->word = 0x10;
	look();
	assert_named("its group", "does not stand in its word");
	handle->word = word;
	assert_closed();
	memcg_destroy(child);
	memcg_destroy(cg);
}

static void test_broken_chain(void **state)
{
	struct memcg *cg = group(NULL, "gone");
	struct handle *h = cg->handle;
	void *p = alloc_in(cg, 50000);
	char where[32];
	u64 word;

	(void)state;
	assert_int_equal(memcg_destroy(cg), 0);
	assert_closed(); /* and folds the statistics, whose way leads along the chain too */
	word = h->word;
	snprintf(where, sizeof(where), "handle %u:", h->index);
	h->word = (u64)h | HANDLE_REDIRECT; /* a circle */
	look();
	assert_named(where, "leads to no living group");
	h->word = 0x123457;
	look();
	assert_named(where, "leads to no living group");
	h->word = word;
	assert_closed();
	memcg_free(p);
}

/* ---- failures ---- */
static void test_no_memory(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth <= 6; nth++) {
		sys_fault_arm(SYS_FAULT_MAP, nth, 0, 0, 0);
		assert_int_equal(recount(&result, NULL, NULL), -ENOMEM);
		assert_int_equal(sys_fault_count(SYS_FAULT_MAP), 1);
		sys_fault_disarm_all();
	}
	assert_int_equal(recount(&result, NULL, NULL), 0);
}

static void test_counts_without_saying(void **state)
{
	(void)state;
	atomic_add(&page_cached, 4096ul);
	assert_int_equal(recount(&result, NULL, NULL), 0);
	assert_int_equal(result.differences, 1);
	atomic_sub(&page_cached, 4096ul);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_allocated),
		cmocka_unit_test(test_random_traffic),
		cmocka_unit_test(test_pages_stacks_and_charges),
		cmocka_unit_test(test_shorter_range),
		cmocka_unit_test(test_wrong_counter),
		cmocka_unit_test(test_wrong_handle),
		cmocka_unit_test(test_wrong_owner_word),
		cmocka_unit_test(test_wrong_vector),
		cmocka_unit_test(test_wrong_entry),
		cmocka_unit_test(test_wrong_bits),
		cmocka_unit_test(test_write_after_free),
		cmocka_unit_test(test_wrong_page),
		cmocka_unit_test(test_wrong_slab),
		cmocka_unit_test(test_wrong_sums),
		cmocka_unit_test(test_wrong_stock),
		cmocka_unit_test(test_broken_tree),
		cmocka_unit_test(test_broken_chain),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_counts_without_saying),
	};

	lib_up();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
