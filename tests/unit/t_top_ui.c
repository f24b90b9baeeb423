/* t_top_ui.c - keys of memcg top: questions, limits that are asked for and confirmed, the list. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "effort.h"
#include "top/ui.h"
#include "top_fixture.h"

static const struct source_info info = {.kind = SOURCE_SOCKET, .pid = 42, .comm = "tenantd"};

struct desk {
	struct ui ui;
	struct rows rows;
};

static int setup(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));

	*state = d;
	rows_begin(&d->rows, 0);
	ROW(&d->rows, "/", .current = 90 << 20);
	ROW(&d->rows, "/web", .current = 80 << 20, .max = 128 << 20);
	ROW(&d->rows, "/web/grün", .current = 70 << 20);
	ROW(&d->rows, "/job", .current = 1 << 20);
	return ui_init(&d->ui, &info, 1) || ui_rows(&d->ui, &d->rows);
}

static int teardown(void **state)
{
	struct desk *d = *state;

	ui_exit(&d->ui);
	free(d->rows.row);
	free(d);
	return 0;
}

static struct ui *typed(void **state, const char *keys)
{
	struct desk *d = *state;

	while (*keys) {
		long key = text_decode(&keys);

		ui_key(&d->ui, key == '\n'     ? UI_ENTER
			       : key == '\b'   ? UI_BACKSPACE
			       : key == '\x1b' ? UI_ESCAPE
					       : key);
	}
	return &d->ui;
}

static void a_limit_is_confirmed(void **state)
{
	struct ui *u = typed(state, "jl");

	assert_string_equal(u->view.question,
			    "memory.max of /web (now 128M; 64M, max, or low=64M): ");
	u = typed(state, "64M\n");
	assert_false(u->order.wanted);
	assert_string_equal(u->view.question,
			    "set memory.max of /web to 64M, below its usage? (y/n) ");
	u = typed(state, "y");
	assert_true(u->order.wanted);
	assert_string_equal(u->order.path, "/web");
	assert_string_equal(u->order.file, "memory.max");
	assert_string_equal(u->order.text, "64M");
	assert_null(u->view.question);
	ui_done(u, 0, "");
	assert_string_equal(u->view.status, "memory.max of /web is 64M");
	assert_true(u->refresh);
}

static void whatever_else_is_no(void **state)
{
	static const char *const others[] = {"n", "\n", "\x1b", " ", "q"};

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct ui *u = typed(state, "l64M\n");

		u = typed(state, others[i]);
		assert_false(u->order.wanted);
		assert_false(u->quit);
		assert_null(u->view.question);
		assert_string_equal(u->view.status, "nothing was changed");
	}
}

/* What the terminal says by itself is no answer. */
static void a_new_size_is_no_answer(void **state)
{
	struct ui *u = typed(state, "l64M\n");

	ui_key(u, 0);
	assert_non_null(u->view.question);
	u = typed(state, "y");
	assert_true(u->order.wanted);
}

static void an_error_is_told(void **state)
{
	struct ui *u = typed(state, "jL100M\ny");

	assert_string_equal(u->order.file, "memory.high");
	ui_done(u, -EOPNOTSUPP, "limits are set at / here");
	assert_string_equal(u->view.status,
			    "memory.high of /web is not set: limits are set at / here");
	ui_done(u, -EPERM, "");
	assert_string_equal(u->view.status,
			    "memory.high of /web is not set: Operation not permitted");
}

static void other_limits_by_name(void **state)
{
	struct ui *u = typed(state, "llow=1g\n");

	assert_string_equal(u->view.question, "set memory.low of / to 1g? (y/n) ");
	u = typed(state, "nlmemory.swap.max=max\ny");
	assert_string_equal(u->order.file, "memory.swap.max");
	assert_string_equal(u->order.text, "max");
}

static void what_is_no_size_is_refused(void **state)
{
	struct ui *u = typed(state, "l64X\n");

	assert_null(u->view.question);
	assert_non_null(strstr(u->view.status, "'64X' is no size"));
	u = typed(state, "l\n");
	assert_null(u->view.question);
	assert_string_equal(u->view.status, "");
	assert_false(u->order.wanted);
}

/* While one types rows come, and the cursor's group goes. */
static void the_group_asked_for_is_set(void **state)
{
	struct desk *d = *state;
	struct ui *u = typed(state, "jl1G");

	rows_begin(&d->rows, 1);
	ROW(&d->rows, "/", .current = 1);
	ROW(&d->rows, "/job", .current = 1);
	ui_rows(u, &d->rows);
	u = typed(state, "\ny");
	assert_string_equal(u->order.path, "/web");
}

static void typed_and_rubbed_out(void **state)
{
	struct ui *u = typed(state, "/grün\b\bx");

	assert_string_equal(u->view.question, "search: grx");
	typed(state, "\b\b\b\b\b");
	assert_null(u->view.question);
	/* Control characters are not typed; what is too long is not either. */
	typed(state, "/\x01\t");
	for (int i = 0; i < 500; i++)
		ui_key(u, 0x10348);
	assert_in_range(strlen(u->input), 240, UI_INPUT - 1);
}

static void searches(void **state)
{
	struct ui *u = typed(state, "n");

	assert_non_null(strstr(u->view.status, "nothing was searched for"));
	typed(state, "/ün\n");
	assert_string_equal(model_cursor(&u->model)->path, "/web/grün");
	typed(state, "/none\n");
	assert_string_equal(u->view.status, "no group has 'none' in its name");
	typed(state, "/o\n");
	assert_string_equal(model_cursor(&u->model)->path, "/job");
	typed(state, "k");
	assert_string_equal(u->view.status, "");
	typed(state, "N");
	assert_string_equal(model_cursor(&u->model)->path, "/job");
}

static void sorts(void **state)
{
	struct ui *u = typed(state, "sAnon\n");

	assert_string_equal(u->model.sort->name, "anon");
	typed(state, "snone\n");
	assert_string_equal(u->view.status, "no column is called 'none'");
	assert_string_equal(u->model.sort->name, "anon");
	for (unsigned i = 0; i < nr_columns; i++)
		typed(state, ">");
	assert_string_equal(u->model.sort->name, "anon");
	typed(state, "scurrent\n<");
	assert_string_equal(u->model.sort->name, "group");
	typed(state, "<r");
	assert_ptr_equal(u->model.sort, &columns[nr_columns - 1]);
	assert_true(u->model.reversed);
	typed(state, "t");
	assert_true(u->model.flat);
}

static void moves_and_folds(void **state)
{
	struct ui *u = typed(state, "jj");

	u->view.page = 3;
	assert_string_equal(model_cursor(&u->model)->path, "/web/grün");
	typed(state, "h ");
	assert_string_equal(model_cursor(&u->model)->path, "/web");
	assert_true(model_cursor(&u->model)->folded);
	ui_key(u, UI_RIGHT);
	assert_false(model_cursor(&u->model)->folded);
	typed(state, "-");
	assert_int_equal(u->model.lines, 3);
	typed(state, "+G");
	assert_string_equal(model_cursor(&u->model)->path, "/job");
	ui_key(u, UI_PAGE_UP);
	assert_string_equal(model_cursor(&u->model)->path, "/web");
	ui_key(u, UI_HOME);
	assert_string_equal(model_cursor(&u->model)->path, "/");
}

static void looks(void **state)
{
	struct ui *u = typed(state, "\n]]][");

	assert_true(u->view.details);
	assert_true(u->refresh);
	assert_int_equal(u->view.detail_top, 2);
	typed(state, "[[[d");
	assert_int_equal(u->view.detail_top, 0);
	assert_false(u->view.details);
	/* Any key ends the help, and does nothing else. */
	typed(state, "?q");
	assert_false(u->quit);
	typed(state, "q");
	assert_true(u->quit);
}

static void any_keys(void **state)
{
	struct desk *d = *state;
	unsigned seed = 5;

	for (unsigned i = 0; i < effort(20000); i++) {
		long key = rand_r(&seed) % 4 ? rand_r(&seed) % 128
					     : UI_UP + rand_r(&seed) % (UI_BACKSPACE - UI_UP + 1);

		ui_key(&d->ui, key);
		if (i % 16 == 0)
			assert_int_equal(ui_rows(&d->ui, &d->rows), 0);
		assert_non_null(model_cursor(&d->ui.model));
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_limit_is_confirmed),
		T(a_new_size_is_no_answer),
		T(whatever_else_is_no),
		T(an_error_is_told),
		T(other_limits_by_name),
		T(what_is_no_size_is_refused),
		T(the_group_asked_for_is_set),
		T(typed_and_rubbed_out),
		T(searches),
		T(sorts),
		T(moves_and_folds),
		T(looks),
		T(any_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
