/* t_top_model.c - rows to a tree: rates, order, folds, the cursor and the search of memcg top. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "effort.h"
#include "top_fixture.h"
#include "top/bar.h"

struct both {
	struct model model;
	struct rows rows[2]; /* in turn: a model keeps the last ones */
};

static int setup(void **state)
{
	struct both *b = calloc(1, sizeof(*b));

	*state = b;
	return model_init(&b->model);
}

static int teardown(void **state)
{
	struct both *b = *state;

	model_exit(&b->model);
	free(b->rows[0].row);
	free(b->rows[1].row);
	free(b);
	return 0;
}

static void tree(struct rows *rows)
{
	rows_begin(rows, 0);
	ROW(rows, "/", .current = 100 << 20, .max = 200 << 20, .threads = 1);
	ROW(rows, "/a", .current = 20 << 20, .pgfault = 100, .refused = 4);
	ROW(rows, "/a/x", .current = 5 << 20, .threads = 2);
	ROW(rows, "/a/y", .current = 15 << 20, .high = 30 << 20, .threads = 3);
	ROW(rows, "/b", .current = 60 << 20, .max = 80 << 20);
	ROW(rows, "/b/Z", .current = 60 << 20, .threads = 4);
}

static struct model *with_tree(struct both *b)
{
	tree(&b->rows[0]);
	assert_int_equal(model_update(&b->model, &b->rows[0]), 0);
	return &b->model;
}

static void a_tree_of_rows(void **state)
{
	struct model *m = with_tree(*state);

	assert_string_equal(lines_of(m), "/ b Z a y x");
	assert_ptr_equal(group_at(m, "/a/y")->parent, group_at(m, "/a"));
	assert_int_equal(group_at(m, "/a/y")->depth, 2);
	assert_string_equal(model_cursor(m)->path, "/");
}

static void what_a_bar_ends_at(void **state)
{
	struct model *m = with_tree(*state);

	assert_int_equal(group_at(m, "/")->scale, SCALE_OWN);
	assert_int_equal(group_at(m, "/a/y")->scale, SCALE_HIGH);
	assert_true(group_at(m, "/a/y")->use == 5000);
	assert_int_equal(group_at(m, "/a/x")->scale, SCALE_INHERITED);
	assert_true(group_at(m, "/a/x")->limit == 200 * MIB);
	assert_true(group_at(m, "/b/Z")->use == 7500);
}

/* A run's sum may be beyond a limit that none of its processes is near. */
static void a_limit_of_each(void **state)
{
	struct both *b = *state;
	struct rows *rows = &b->rows[0];
	char text[NUMBER_TEXT];

	rows_begin(rows, 0);
	ROW(rows, "/", .current = 90 << 20, .max = 64 << 20, .each = 12, .fullest = 16 << 20);
	ROW(rows, "/1", .current = 16 << 20, .max = 64 << 20);
	assert_int_equal(model_update(&b->model, rows), 0);
	assert_true(group_at(&b->model, "/")->use == 2500);
	assert_string_equal(column_text(column_find("max"), group_at(&b->model, "/"), text),
			    "12x64.0M");
	assert_int_equal(column_width(column_find("max"), &b->model), 8);
	assert_string_equal(column_text(column_find("high"), group_at(&b->model, "/"), text),
			    "max");
	assert_string_equal(column_text(column_find("max"), group_at(&b->model, "/1"), text),
			    "64.0M");
	rows->row[0].each = 1;
	assert_string_equal(column_text(column_find("max"), group_at(&b->model, "/"), text),
			    "64.0M");
}

static void without_any_limit(void **state)
{
	struct both *b = *state;

	rows_begin(&b->rows[0], 0);
	ROW(&b->rows[0], "/", .current = 80);
	ROW(&b->rows[0], "/a", .current = 20);
	model_update(&b->model, &b->rows[0]);
	assert_int_equal(group_at(&b->model, "/a")->scale, SCALE_SHARE);
	assert_true(group_at(&b->model, "/a")->use == 2500);
	assert_true(isnan(group_at(&b->model, "/")->use));
	assert_int_equal(bar_parts(group_at(&b->model, "/"), 10).used, 0);
}

static void rates_are_per_second(void **state)
{
	struct both *b = *state;
	struct model *m = with_tree(b);

	assert_true(isnan(group_at(m, "/a")->faults));
	tree(&b->rows[1]);
	b->rows[1].taken += 2 * SECOND;
	b->rows[1].row[1].pgfault = 300;
	b->rows[1].row[1].refused = 5;
	b->rows[1].row[1].current = 10 << 20;
	assert_int_equal(model_update(m, &b->rows[1]), 0);
	assert_true(group_at(m, "/a")->faults == 100);
	assert_true(group_at(m, "/a")->refusals == 0.5);
	assert_true(group_at(m, "/a")->growth == -5 * MIB);
	assert_true(group_at(m, "/b")->faults == 0);
}

/* Another group has the path now. It has counted more than the old one, or less: nothing of that
 * happened within the second. */
static void a_replaced_group_has_no_rates(void **state)
{
	struct both *b = *state;
	struct model *m = with_tree(b);

	tree(&b->rows[1]);
	b->rows[1].taken += SECOND;
	b->rows[1].row[1].id++;
	b->rows[1].row[1].pgfault = 1000;
	b->rows[1].row[1].refused = 0;
	b->rows[1].row[1].current = 1 << 20;
	model_update(m, &b->rows[1]);
	assert_true(isnan(group_at(m, "/a")->faults));
	assert_true(isnan(group_at(m, "/a")->refusals));
	assert_true(isnan(group_at(m, "/a")->growth));
	assert_true(group_at(m, "/b")->growth == 0);
}

static void a_count_that_goes_down_has_no_rate(void **state)
{
	struct both *b = *state;
	struct model *m = with_tree(b);

	tree(&b->rows[1]);
	b->rows[1].taken += SECOND;
	b->rows[1].row[1].pgfault = 99;
	b->rows[1].row[1].refused = SOURCE_UNKNOWN;
	model_update(m, &b->rows[1]);
	assert_true(isnan(group_at(m, "/a")->faults));
	assert_true(isnan(group_at(m, "/a")->refusals));
}

/* Gone for a while under the same id: what it counted meanwhile was in more than one interval. */
static void a_group_that_was_away_has_no_rates(void **state)
{
	struct both *b = *state;
	struct model *m = with_tree(b);

	rows_begin(&b->rows[1], 1);
	ROW(&b->rows[1], "/", .current = 1);
	model_update(m, &b->rows[1]);
	assert_int_equal(m->groups, 1);
	tree(&b->rows[0]);
	b->rows[0].taken += 2 * SECOND;
	model_update(m, &b->rows[0]);
	assert_true(isnan(group_at(m, "/a")->faults));
}

static void a_folded_parent_keeps_its_sums(void **state)
{
	struct both *b = *state;
	struct model *m = with_tree(b);

	assert_true(model_select(m, "/a"));
	assert_true(group_at(m, "/a")->threads == 5);
	assert_true(group_at(m, "/")->threads == 10);
	model_fold(m, true);
	assert_string_equal(lines_of(m), "/ b Z a");
	tree(&b->rows[1]);
	b->rows[1].taken += SECOND;
	b->rows[1].row[1].pgfault = 150;
	model_update(m, &b->rows[1]);
	assert_string_equal(lines_of(m), "/ b Z a");
	assert_true(group_at(m, "/a")->threads == 5);
	assert_true(group_at(m, "/a")->faults == 50);
	assert_int_equal(group_at(m, "/a")->row->current, 20 << 20);
}

static void threads_nobody_knows(void **state)
{
	struct both *b = *state;

	tree(&b->rows[0]);
	for (size_t i = 0; i < 6; i++)
		b->rows[0].row[i].threads = i == 2 ? 2 : SOURCE_UNKNOWN;
	model_update(&b->model, &b->rows[0]);
	assert_true(group_at(&b->model, "/")->threads == 2);
	assert_true(isnan(group_at(&b->model, "/b")->threads));
}

static void equals(struct rows *rows, double seconds)
{
	rows_begin(rows, seconds);
	ROW(rows, "/", .current = 100);
	ROW(rows, "/m", .current = 10);
	ROW(rows, "/c", .current = 10);
	ROW(rows, "/u", .current = SOURCE_UNKNOWN);
	ROW(rows, "/z", .current = 20);
	ROW(rows, "/a", .current = 10);
}

/* Lines that are equal stay in the order of the rows, in both directions and from one refresh to
 * the next; what is not known is last. */
static void the_order_is_stable(void **state)
{
	struct both *b = *state;
	struct model *m = &b->model;

	for (unsigned i = 0; i < 4; i++) {
		equals(&b->rows[i & 1], i);
		model_update(m, &b->rows[i & 1]);
		assert_string_equal(lines_of(m), "/ z m c a u");
	}
	m->reversed = true;
	model_arrange(m);
	assert_string_equal(lines_of(m), "/ m c a z u");
	m->sort = column_find("group");
	model_arrange(m);
	assert_string_equal(lines_of(m), "/ z u m c a");
	m->reversed = false;
	model_arrange(m);
	assert_string_equal(lines_of(m), "/ a c m u z");
}

static void by_every_column(void **state)
{
	struct model *m = with_tree(*state);

	for (unsigned i = 0; i < nr_columns; i++) {
		m->sort = &columns[i];
		model_arrange(m);
		assert_int_equal(m->lines, 6);
	}
	assert_null(column_find("nothing"));
	assert_ptr_equal(column_find("CURRENT"), column_find("current"));
}

static void flat(void **state)
{
	struct model *m = with_tree(*state);

	m->flat = true;
	model_arrange(m);
	assert_string_equal(lines_of(m), "/ b Z a y x");
	m->sort = column_find("threads");
	model_arrange(m);
	assert_string_equal(lines_of(m), "/ a b Z y x");
}

static void the_cursor_stays_on_its_group(void **state)
{
	struct both *b = *state;
	struct model *m = with_tree(b);

	assert_true(model_select(m, "/a/y"));
	tree(&b->rows[1]);
	b->rows[1].row[1].current = 90 << 20;
	model_update(m, &b->rows[1]);
	assert_string_equal(lines_of(m), "/ a y x b Z");
	assert_string_equal(model_cursor(m)->path, "/a/y");
	/* What it is on is hidden: it is on what hides it. */
	group_at(m, "/a")->folded = true;
	model_arrange(m);
	assert_string_equal(model_cursor(m)->path, "/a");
	/* A leaf has nothing to fold: its parent is next. */
	assert_true(model_select(m, "/b/Z"));
	model_fold(m, true);
	assert_string_equal(model_cursor(m)->path, "/b");
}

static void the_cursor_of_a_group_that_goes(void **state)
{
	struct both *b = *state;
	struct model *m = with_tree(b);

	assert_true(model_select(m, "/a/x"));
	rows_begin(&b->rows[1], 1);
	ROW(&b->rows[1], "/", .current = 1);
	ROW(&b->rows[1], "/b", .current = 1);
	model_update(m, &b->rows[1]);
	assert_string_equal(model_cursor(m)->path, "/b");
	assert_false(model_select(m, "/a/x"));
	rows_begin(&b->rows[0], 2);
	model_update(m, &b->rows[0]);
	assert_null(model_cursor(m));
	model_move(m, 1);
	model_fold(m, true);
	assert_false(model_search(m, "a", 1));
}

static void the_cursor_moves_within(void **state)
{
	struct model *m = with_tree(*state);

	model_move(m, 2);
	assert_int_equal(m->cursor, 2);
	model_move(m, 100);
	assert_int_equal(m->cursor, 5);
	model_move(m, -3);
	assert_int_equal(m->cursor, 2);
	model_move(m, -100);
	assert_int_equal(m->cursor, 0);
}

static void found_in(struct model *m, const char *text, int step, const char *path)
{
	assert_true(model_search(m, text, step));
	assert_string_equal(model_cursor(m)->path, path);
}

static void searched_for(void **state)
{
	struct model *m = with_tree(*state);

	model_fold_all(m, true);
	assert_string_equal(lines_of(m), "/ b a");
	found_in(m, "z", 1, "/b/Z");
	assert_string_equal(lines_of(m), "/ b Z a");
	/* Capitals count when they are typed. */
	assert_false(model_search(m, "A", 1));
	assert_string_equal(model_cursor(m)->path, "/b/Z");
	found_in(m, "a/", 1, "/a/y");
	found_in(m, "a/", 1, "/a/x");
	found_in(m, "a/", 1, "/a/y");
	found_in(m, "a/", -1, "/a/x");
	assert_false(model_search(m, "", 1));
	m->flat = true;
	model_arrange(m);
	found_in(m, "b", 1, "/b");
}

/* Rows that no tree has: a path twice, a parent behind its child. */
static void rows_that_are_wrong(void **state)
{
	struct both *b = *state;
	struct rows *rows = &b->rows[0];

	tree(rows);
	ROW(rows, "/a", .current = 7);
	rows->row[6].parent = 3;
	ROW(rows, "/c", .current = 7);
	rows->row[7].parent = 4000;
	rows->row[2].parent = 3;
	assert_int_equal(model_update(&b->model, rows), 0);
	assert_int_equal(b->model.lines, 7);
	assert_int_equal(group_at(&b->model, "/a")->row->current, 20 << 20);
}

/* ---- many, that come and go ---- */

#define PATHS 2000

static char paths[PATHS][32];

static void make_paths(void)
{
	strcpy(paths[0], "/");
	for (unsigned i = 1; i < PATHS; i++)
		if (i <= 20)
			snprintf(paths[i], sizeof(paths[i]), "/g%u", i);
		else
			snprintf(paths[i], sizeof(paths[i]), "/g%u/h%u", i % 20 + 1, i);
}

/* Groups under the first twenty; those of an odd draw are absent. */
static void some(struct rows *rows, unsigned round, unsigned *seed)
{
	rows_begin(rows, round);
	for (unsigned i = 0; i < PATHS; i++)
		if (i <= 20 || rand_r(seed) % 4)
			ROW(rows, paths[i], .current = (uint64_t)rand_r(seed) % 50,
			    .pgfault = (uint64_t)rand_r(seed), .id = i + 1 + round % 3 * (i % 2));
}

static void assert_ordered(const struct model *m)
{
	for (size_t i = 0; i < m->lines; i++) {
		const struct group *g = m->line[i], *n = g->next;

		assert_true(!(g->faults < 0) && !(g->refusals < 0));
		assert_true(!n || g->row->current > n->row->current ||
			    (g->row->current == n->row->current && g->index < n->index));
	}
}

static void many_come_and_go(void **state)
{
	struct both *b = *state;
	unsigned seed = 1;

	make_paths();
	for (unsigned round = 0; round < effort(20); round++) {
		struct rows *rows = &b->rows[round & 1];

		some(rows, round, &seed);
		assert_int_equal(model_update(&b->model, rows), 0);
		assert_int_equal(b->model.lines, rows->n);
		assert_int_equal(b->model.groups, rows->n);
		assert_ordered(&b->model);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_tree_of_rows),
		T(what_a_bar_ends_at),
		T(a_limit_of_each),
		T(without_any_limit),
		T(rates_are_per_second),
		T(a_replaced_group_has_no_rates),
		T(a_count_that_goes_down_has_no_rate),
		T(a_group_that_was_away_has_no_rates),
		T(a_folded_parent_keeps_its_sums),
		T(threads_nobody_knows),
		T(the_order_is_stable),
		T(by_every_column),
		T(flat),
		T(the_cursor_stays_on_its_group),
		T(the_cursor_of_a_group_that_goes),
		T(the_cursor_moves_within),
		T(searched_for),
		T(rows_that_are_wrong),
		T(many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
