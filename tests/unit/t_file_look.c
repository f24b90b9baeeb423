/*
 * t_file_look.c - what was written to files in windows is looked for when a group's statistics are
 * read that may have some of it, and for nobody else: a look at much costs milliseconds.
 */
#include "file_map_fixture.h"

#include "vm/object.h"

#define SIZE (64 * PAGE_SIZE)

static bool seen_dirty(const char *p)
{
	return page_of(p)->managed.flags & MG_DIRTY;
}

/* Mapped by a read, so that nobody but the system knows of the write. */
static void write_unseen(char *p, size_t at)
{
	CHECK(shows(p, at, 1));
	p[at]++;
	CHECK(!seen_dirty(p + at));
}

static void test_not_for_others(void)
{
	char *shared, *p = file_set_up(SIZE, true);

	CHECK(mech == MECH_FAULTS);
	write_unseen(p, 5 * PAGE_SIZE);
	CHECK(STAT(other, file_dirty) == 0 && !seen_dirty(p + 5 * PAGE_SIZE));
	shared = memcg_mmap(mm2, SIZE, RW, MEMCG_MAP_SHARED, NULL, 0);
	CHECK(shared);
	memset(shared, 1, SIZE);
	CHECK(STAT(other, file_mapped) == SIZE && !seen_dirty(p + 5 * PAGE_SIZE));
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE && seen_dirty(p + 5 * PAGE_SIZE));
	file_tear_down();
}

/* Also one page, of which no CPU has told yet; and whoever is above. */
static void test_for_those_above(void)
{
	char *p = file_set_up(SIZE, true);

	write_unseen(p, 0);
	CHECK(STAT(memcg_root(), file_dirty) == PAGE_SIZE && seen_dirty(p));
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE);
	file_tear_down();
}

/* Written through a window of another group: it is the payer's. */
static void test_for_who_pays(void)
{
	char *p = file_set_up(SIZE, true), *q = map_file(mm2, the_file, SIZE, true);

	CHECK(shows(p, PAGE_SIZE, 1) && STAT(other, file) == 0);
	CHECK(!memcg_munmap(mm, p, SIZE));
	write_unseen(q, PAGE_SIZE);
	CHECK(STAT(other, file_dirty) == 0 && !seen_dirty(q + PAGE_SIZE));
	CHECK(STAT(cg, file_dirty) == PAGE_SIZE);
	CHECK(!memcg_munmap(mm2, q, SIZE) && STAT(cg, file_dirty) == PAGE_SIZE);
	file_tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_not_for_others),
		FAULTS_TEST(test_for_those_above),
		FAULTS_TEST(test_for_who_pays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
