/*
 * t_resident.c - a page's content comes into memory and leaves it: charged before it has any, given
 * back when it has none, also where the system refuses.
 */
#include "vm_fixture.h"

#include "swap_fixture.h"

/* Memory that the system does not take back counts nowhere, and shows nobody what was in it. */
static void test_punch_fails_on_the_way_out(void)
{
	const size_t n = 8;
	char *p;

	rules_set_up();
	p = map(n);
	for (size_t i = 0; i < n; i++)
		page_write(p + (i << PAGE_SHIFT), i, CONTENT_MIXED);
	sys_fault_arm(SYS_FAULT_PUNCH, 0, 1, 0, 0);
	CHECK(!memcg_madvise(mm, p, n << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(!STAT(cg, anon) && managed_resident() == n << PAGE_SHIFT);
	sys_fault_disarm_all();
	for (size_t i = 0; i < n; i++) {
		const char *alias = page_address(page_of(p + (i << PAGE_SHIFT)));

		for (size_t k = 0; k < PAGE_SIZE; k++)
			CHECK(!alias[k]);
	}
	for (size_t i = 0; i < n; i++)
		CHECK(page_is(p + (i << PAGE_SHIFT), i, CONTENT_MIXED));
	rules_end();
}

/* What was dropped is zero when it is touched again, in the same place. */
static void test_punch_fails_for_what_is_dropped(void)
{
	char *p;

	rules_set_up();
	p = map(4);
	memset(p, 's', 4 * PAGE_SIZE);
	sys_fault_arm(SYS_FAULT_PUNCH, 0, 1, 0, 0);
	CHECK(!memcg_madvise(mm, p, 4 * PAGE_SIZE, MEMCG_DONTNEED));
	sys_fault_disarm_all();
	CHECK(!STAT(cg, anon));
	for (size_t i = 0; i < 4 * PAGE_SIZE; i++)
		CHECK(!p[i]);
	rules_end();
}

/* What cannot be read back is as it was: its copy, its charge, and no memory. */
static void test_punch_fails_after_a_damaged_read(void)
{
	char *p;

	rules_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", "0", 1));
	p = map(1);
	page_write(p, 1, CONTENT_RANDOM);
	CHECK(!memcg_madvise(mm, p, PAGE_SIZE, MEMCG_PAGEOUT) && !STAT(cg, anon));
	sys_fault_arm(SYS_FAULT_PREADV, 0, 1, 0, 0);
	sys_fault_arm(SYS_FAULT_PUNCH, 0, 1, 0, 0);
	CHECK(memcg_pin(p, 1) == -EIO && !STAT(cg, anon));
	CHECK(number_in(cg, "memory.swap.current", NULL) == PAGE_SIZE);
	sys_fault_disarm_all();
	CHECK(page_is(p, 1, CONTENT_RANDOM) && STAT(cg, anon) == PAGE_SIZE);
	CHECK(number_in(cg, "memory.swap.current", NULL) == 0);
	rules_end();
}

#ifdef MEMCG_DEBUG
/* --- between two steps: debug builds ---------------------------------------------------------- */

static u64 memory, charges;

/* Whoever is refused now must not have got any. Tables are there, nothing is in stock. */
static void not_yet_in_memory(void)
{
	charges++;
	CHECK(managed_resident() == memory);
}

static void watch(u64 bytes)
{
	memory = bytes;
	charges = 0;
	stock_drain(NULL);
	hook_charge_found = not_yet_in_memory;
	barrier(); /* what follows is a load, as far as the compiler knows */
}

static void watched(u64 bytes)
{
	barrier();
	hook_charge_found = NULL;
	CHECK(charges && managed_resident() == bytes);
	CHECK(STAT(cg, anon) + STAT(cg, file) == bytes);
}

static void test_new_is_charged_first(void)
{
	volatile char *p;

	rules_set_up();
	p = map(64);
	p[32 * PAGE_SIZE] = 1;
	watch(PAGE_SIZE);
	p[0] = 1;
	watched(2 * PAGE_SIZE);
	watch(2 * PAGE_SIZE);
	CHECK(!memcg_madvise(mm, (char *)p + 16 * PAGE_SIZE, 16 * PAGE_SIZE, MEMCG_WILLNEED));
	watched(18 * PAGE_SIZE);
	rules_end();
}

/* A page that was put away in this manner, alone. */
static void comes_back_charged(enum content content, const char *zswap)
{
	char *p;

	rules_set_up();
	CHECK(!memcg_write(cg, "memory.zswap.max", zswap, strlen(zswap)));
	p = map(1);
	page_write(p, 1, content);
	CHECK(!memcg_madvise(mm, p, PAGE_SIZE, MEMCG_PAGEOUT) && !STAT(cg, anon));
	watch(0);
	CHECK(page_is(p, 1, content));
	watched(PAGE_SIZE);
	rules_end();
}

static void test_word_is_charged_first(void)
{
	comes_back_charged(CONTENT_SAME, "max");
}

static void test_copy_is_charged_first(void)
{
	comes_back_charged(CONTENT_TEXT, "max");
}

static void test_slot_is_charged_first(void)
{
	comes_back_charged(CONTENT_RANDOM, "0");
}

/* One alone, as reading is not sequential; and one with what is read ahead. */
static void test_file_is_charged_first(void)
{
	char name[] = "/tmp/t_resident.XXXXXX", text[4 * PAGE_SIZE];
	struct memcg_file *f;
	int fd = mkstemp(name);
	volatile char *p;

	CHECK(fd >= 0 && !unlink(name));
	memset(text, 't', sizeof(text));
	CHECK(write(fd, text, sizeof(text)) == sizeof(text));
	rules_set_up();
	f = memcg_file_open(fd, 0);
	p = memcg_mmap(mm, sizeof(text), PROT_READ, 0, f, 0);
	CHECK(p);
	CHECK(p[3 * PAGE_SIZE] == 't');
	watch(PAGE_SIZE);
	CHECK(p[2 * PAGE_SIZE] == 't');
	watched(2 * PAGE_SIZE);
	watch(2 * PAGE_SIZE);
	CHECK(p[0] == 't');
	watched(4 * PAGE_SIZE);
	memcg_file_close(f);
	rules_end();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_punch_fails_on_the_way_out),
		FAULTS_TEST(test_punch_fails_for_what_is_dropped),
		FAULTS_TEST(test_punch_fails_after_a_damaged_read),
#ifdef MEMCG_DEBUG
		FAULTS_TEST(test_new_is_charged_first),
		FAULTS_TEST(test_word_is_charged_first),
		FAULTS_TEST(test_copy_is_charged_first),
		FAULTS_TEST(test_slot_is_charged_first),
		FAULTS_TEST(test_file_is_charged_first),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
