/* t_move.c - moving an mm's charges: whose it is then, among kin, by the file, and how long. */
#include "move_scene.h"

/* --- after it ------------------------------------------------------------------------ */

static void what_comes_later_is_the_targets(void)
{
	char *p;

	two_mms(false);
	p = range(mm, 600, 0);
	fill(p, 10, CONTENT_TEXT);
	CHECK(move_to(other, MEMCG_MOVE_ANON).moved == 10 * PAGE_SIZE);
	fill(p + 10 * PAGE_SIZE, 590, CONTENT_TEXT);
	CHECK(STAT(other, anon) == 600 * PAGE_SIZE && STAT(cg, anon) == 0 && !held(cg));
	CHECK(STAT(other, pagetables) == 2 * PAGE_SIZE);
	is_filled(p, 10, CONTENT_TEXT);
	closes();
	tear_down();
}

/* What is swapped in again is charged to who owned the copy, which moved. */
static void copies_come_back_to_the_target(void)
{
	char *p;

	two_mms(false);
	p = range(mm, 30, 0);
	fill(p, 10, CONTENT_SAME);
	fill(p + 10 * PAGE_SIZE, 10, CONTENT_TEXT);
	fill(p + 20 * PAGE_SIZE, 10, CONTENT_RANDOM);
	advise(mm, p, 30, MEMCG_PAGEOUT);
	CHECK(move_to(other, MEMCG_MOVE_ANON).moved == 30 * PAGE_SIZE);
	CHECK(!held(cg) && !swap_of(cg) && swap_of(other) == 30 * PAGE_SIZE);
	CHECK(!cg->vm->lru.pages[LRU_COPIES] && other->vm->lru.pages[LRU_COPIES] == 10);
	is_filled(p, 10, CONTENT_SAME);
	is_filled(p + 10 * PAGE_SIZE, 10, CONTENT_TEXT);
	is_filled(p + 20 * PAGE_SIZE, 10, CONTENT_RANDOM);
	CHECK(STAT(other, anon) == 30 * PAGE_SIZE && !STAT(other, zswap));
	closes();
	tear_down();
}

/* Its own group's and the same one's, again: nothing to do. */
static void to_where_it_is(void)
{
	static const struct memcg_move none;
	struct memcg_move r;
	char *p;

	two_mms(false);
	p = range(mm, 10, 0);
	fill(p, 10, CONTENT_TEXT);
	r = move_to(cg, MOVE_ALL);
	CHECK(!memcmp(&r, &none, sizeof(r)));
	CHECK(move_to(other, MOVE_ALL).moved == 10 * PAGE_SIZE);
	CHECK(!move_to(other, MOVE_ALL).moved);
	CHECK(!memcg_mm_move(mm, NULL, MOVE_ALL, NULL, 0)); /* the root */
	CHECK(STAT(other, anon) == 0 && memcg_root()->vm->lru.pages[LRU_ACTIVE_ANON] == 10);
	CHECK(move_to(cg, MOVE_ALL).moved == 10 * PAGE_SIZE);
	CHECK(STAT(cg, anon) == 10 * PAGE_SIZE);
	closes();
	tear_down();
}

static void bad_arguments(void)
{
	struct {
		struct memcg_move r;
		u64 more;
	} large;
	u64 small;
	char *p;

	two_mms(false);
	p = range(mm, 10, 0);
	fill(p, 10, CONTENT_TEXT);
	CHECK(memcg_mm_move(NULL, other, MOVE_ALL, NULL, 0) == -EINVAL);
	CHECK(memcg_mm_move(mm, other, 8, NULL, 0) == -EINVAL);
	CHECK(memcg_mm_move(mm, other, MOVE_ALL | 1u << 31, NULL, 0) == -EINVAL);
	CHECK(STAT(cg, anon) == 10 * PAGE_SIZE);
	mm->moving = 1;
	CHECK(memcg_mm_move(mm, other, MOVE_ALL, NULL, 0) == -EBUSY);
	mm->moving = 0;
	memset(&large, 0xff, sizeof(large));
	CHECK(!memcg_mm_move(mm, other, MOVE_ALL, &large.r, sizeof(large)));
	CHECK(large.r.moved == 10 * PAGE_SIZE && !large.more);
	CHECK(!memcg_mm_move(mm, cg, MOVE_ALL, (struct memcg_move *)&small, sizeof(small)));
	CHECK(small == 10 * PAGE_SIZE);
	closes();
	tear_down();
}

/* --- kin ----------------------------------------------------------------------------- */

static void up_and_down(void)
{
	struct memcg *child;
	char *p;
	u64 peak;

	two_mms(false);
	child = memcg_create(cg, "child");
	p = range(mm, 100, 0);
	fill(p, 100, CONTENT_RANDOM);
	peak = memcg_peak(cg);
	CHECK(move_to(child, MOVE_ALL).moved == 100 * PAGE_SIZE);
	CHECK(held(child) == 101 * PAGE_SIZE && held(cg) == 101 * PAGE_SIZE);
	CHECK(group_local_bytes(cg) == 0 && memcg_peak(cg) == peak);
	closes();
	CHECK(move_to(cg, MOVE_ALL).moved == 100 * PAGE_SIZE);
	CHECK(!held(child) && held(cg) == 101 * PAGE_SIZE && memcg_peak(cg) == peak);
	closes();
	CHECK(!memcg_destroy(child));
	tear_down();
}

/* Pages that a dead child had brought in are the parent's, through another handle. */
static void inherited_pages(void)
{
	struct memcg *child;
	char *p;

	child = mm_of_a_child();
	p = range(mm, 300, 0);
	for (unsigned i = 0; i < 150; i++) /* every other one is child's */
		page_write(p + 2 * (size_t)i * PAGE_SIZE, 2 * i + 1, CONTENT_TEXT);
	advise(mm, p, 20, MEMCG_PAGEOUT);
	CHECK(!move_to(cg, 0).moved); /* the mm alone */
	CHECK(STAT(child, anon) == 140 * PAGE_SIZE);
	for (unsigned i = 0; i < 150; i++)
		page_write(p + (2 * (size_t)i + 1) * PAGE_SIZE, 2 * i + 2, CONTENT_TEXT);
	CHECK(move_to(other, MOVE_ALL | MEMCG_MOVE_DRY_RUN).not_ours == 150 * PAGE_SIZE);
	CHECK(!memcg_destroy(child));
	CHECK(move_to(other, MOVE_ALL).moved == 300 * PAGE_SIZE);
	CHECK(!held(cg) && !swap_of(cg) && STAT(other, anon) + swap_of(other) == 300 * PAGE_SIZE);
	closes();
	is_filled(p, 300, CONTENT_TEXT);
	tear_down();
}

/* The mm's group is gone: its parent pays, and the mm goes from there. */
static void from_a_dead_group(void)
{
	struct memcg *child;
	char *p;

	child = mm_of_a_child();
	p = range(mm, 100, 0);
	fill(p, 100, CONTENT_TEXT);
	CHECK(!memcg_destroy(child));
	CHECK(!move_to(cg, MOVE_ALL).moved); /* is there already */
	CHECK(move_to(other, MOVE_ALL).moved == 100 * PAGE_SIZE);
	CHECK(!held(cg) && held(other) == 101 * PAGE_SIZE);
	closes();
	tear_down();
}

/* To a group that was destroyed and is referenced still: to who pays for it now. */
static void to_a_dead_group(void)
{
	struct memcg *child;
	char *p;

	two_mms(false);
	child = memcg_get(memcg_create(other, "child"));
	CHECK(!memcg_destroy(child));
	p = range(mm, 100, 0);
	fill(p, 100, CONTENT_TEXT);
	CHECK(move_to(child, MOVE_ALL).moved == 100 * PAGE_SIZE);
	memcg_put(child);
	CHECK(!held(cg) && held(other) == 101 * PAGE_SIZE);
	closes();
	tear_down();
}

/* --- time ---------------------------------------------------------------------------- */

static void as_slow_as_asked(void)
{
	struct memcg_move r;
	char *p;

	two_mms(false);
	p = range(mm, 256, 0);
	fill(p, 256, CONTENT_TEXT);
	move_rate = 4 * MIB;
	r = move_to(other, MOVE_ALL | MEMCG_MOVE_DRY_RUN);
	CHECK(r.nsec == 250000000);
	r = move_to(other, MOVE_ALL);
	CHECK(r.moved == MIB && r.nsec >= 250000000);
	move_rate = 0;
	tear_down();
}

static void a_dry_run_knows_the_time(void)
{
	struct memcg_move one, two;
	char *p;

	two_mms(false);
	p = range(mm, 200, 0);
	fill(p, 100, CONTENT_TEXT);
	one = move_to(other, MOVE_ALL | MEMCG_MOVE_DRY_RUN);
	fill(p, 200, CONTENT_TEXT);
	two = move_to(other, MOVE_ALL | MEMCG_MOVE_DRY_RUN);
	CHECK(one.nsec && two.nsec == 2 * one.nsec);
	CHECK(move_to(other, MOVE_ALL).nsec > 0);
	tear_down();
}

/* --- memory.move_charge_at_immigrate ------------------------------------------------- */

static int write_mask(const char *text)
{
	return memcg_write(other, "memory.move_charge_at_immigrate", text, strlen(text));
}

static void the_file(void)
{
	static const char *const bad[] = {"4", "", "x", "1.5", "max", "1 2"};
	char buf[16];

	two_mms(false);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(write_mask(bad[i]) == -EINVAL);
	CHECK(write_mask("-1") == -ERANGE && write_mask("99999999999") == -ERANGE);
	CHECK(memcg_read(other, "memory.move_charge_at_immigrate", buf, sizeof(buf)) == 2);
	CHECK(!strcmp(buf, "0\n") && STAT(other, move_charge) == 0);
	CHECK(!write_mask("0") && STAT(other, move_charge) == 0);
	CHECK(!write_mask("3\n") && !write_mask("1"));
	CHECK(memcg_read(other, "memory.move_charge_at_immigrate", buf, sizeof(buf)) == 2);
	CHECK(!strcmp(buf, "1\n") && STAT(other, move_charge) == 2);
	tear_down();
}

/* The target's counts, not the source's; and flags before either. */
static void the_targets_file_decides(void)
{
	char *p, *q;

	two_mms(false);
	p = range(mm, 10, 0);
	q = range(mm, 10, MEMCG_MAP_SHARED);
	fill(p, 10, CONTENT_TEXT);
	fill(q, 10, CONTENT_TEXT);
	CHECK(!memcg_write(cg, "memory.move_charge_at_immigrate", "3", 1));
	CHECK(!move_to(other, 0).moved && STAT(cg, anon) && STAT(cg, shmem));
	CHECK(move_to(cg, 0).not_ours == 20 * PAGE_SIZE); /* they never left */
	CHECK(!write_mask("2"));
	CHECK(move_to(other, 0).moved == 10 * PAGE_SIZE && STAT(other, shmem) == 10 * PAGE_SIZE);
	CHECK(!memcg_mm_move(mm, cg, MOVE_ALL, NULL, 0));
	CHECK(move_to(other, MEMCG_MOVE_ANON).moved == 10 * PAGE_SIZE);
	CHECK(STAT(other, anon) == 10 * PAGE_SIZE && !STAT(other, shmem));
	tear_down();
}

static void deprecated_is_said_once(void)
{
	char buf[1024] = "", *at;
	int fd[2], saved = dup(2);

	two_mms(false);
	CHECK(!pipe(fd) && dup2(fd[1], 2) == 2);
	CHECK(!write_mask("0") && write_mask("7") == -EINVAL);
	CHECK(!write_mask("3") && !write_mask("2"));
	CHECK(dup2(saved, 2) == 2 && !close(fd[1]));
	CHECK(read(fd[0], buf, sizeof(buf) - 1) > 0);
	at = strstr(buf, "deprecated");
	CHECK(at && !strstr(at + 1, "deprecated"));
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(what_comes_later_is_the_targets),
		FAULTS_TEST(copies_come_back_to_the_target),
		FAULTS_TEST(to_where_it_is),
		FAULTS_TEST(bad_arguments),
		FAULTS_TEST(up_and_down),
		FAULTS_TEST(inherited_pages),
		FAULTS_TEST(from_a_dead_group),
		FAULTS_TEST(to_a_dead_group),
		FAULTS_TEST(as_slow_as_asked),
		FAULTS_TEST(a_dry_run_knows_the_time),
		FAULTS_TEST(the_file),
		FAULTS_TEST(the_targets_file_decides),
		FAULTS_TEST(deprecated_is_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
