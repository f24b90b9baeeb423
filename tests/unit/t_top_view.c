/*
 * t_top_view.c - what memcg top draws: the text of whole screens, and that no name and no size of
 * the screen breaks it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <wctype.h>

#include "effort.h"
#include "top/bar.h"
#include "top/view.h"
#include "top_fixture.h"

struct scene {
	struct model model;
	struct rows rows;
	struct view view;
	struct grid grid;
};

static const struct source_info info = {.kind = SOURCE_SOCKET, .pid = 42, .comm = "tenantd"};

static void fill(struct rows *rows)
{
	rows_begin(rows, 0);
	ROW(rows, "/", .current = 120 << 20, .max = 200 << 20, .high = 160 << 20, .peak = 130 << 20,
	    .reclaimable = 40 << 20, .some_avg10 = 1234, .threads = 2);
	ROW(rows, "/web", .current = 80 << 20, .max = 84 << 20);
	ROW(rows, "/web/tenant-7", .current = 80 << 20, .reclaimable = 80 << 20);
	ROW(rows, "/job", .current = 1000, .max = 64 << 20, .refused = 3);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	*state = s;
	s->view.model = &s->model;
	s->view.info = &info;
	s->view.delay = 1;
	strcpy(s->view.clock, "12:34:56");
	fill(&s->rows);
	return model_init(&s->model) || model_update(&s->model, &s->rows);
}

static int teardown(void **state)
{
	struct scene *s = *state;

	model_exit(&s->model);
	grid_free(&s->grid);
	free(s->rows.row);
	free(s);
	return 0;
}

static void draw(struct scene *s, int width, int height, bool ascii)
{
	s->grid.ascii = ascii;
	assert_int_equal(grid_resize(&s->grid, width, height), 0);
	view_draw(&s->view, &s->grid);
}

/* A row as text, without the blanks at its end. */
static const char *row_text(const struct grid *g, int y)
{
	static char text[4096];
	size_t n = 0;

	for (int x = 0; x < g->width; x++)
		for (const wchar_t *ch = grid_at(g, y, x)->glyph.ch; *ch; ch++)
			n += text_encode(*ch, text + n);
	while (n && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
	return text;
}

static void row_is(const struct scene *s, int y, const char *text)
{
	assert_string_equal(row_text(&s->grid, y), text);
}

static void a_whole_screen(void **state)
{
	struct scene *s = *state;

	draw(s, 80, 13, true);
	row_is(s, 0,
	       "tenantd 42  4 groups                                          every 1s  12:34:56");
	row_is(s, 1,
	       "used 120M  reclaimable 40.0M  peak 130M  max 200M  [#########++++   |    ]  60.0");
	row_is(s, 2, "pressure some 12.3%  full 0.0%");
	row_is(s, 3,
	       "GROUP                             CURRENTv USE OF LIMIT             MAX  RECLAIM");
	row_is(s, 4,
	       "- /                                   120M [#####+++  |  ]  60.0   200M    40.0M");
	row_is(s, 5,
	       "  - web                              80.0M [############ ]  95.2  84.0M        0");
	row_is(s, 6,
	       "      tenant-7                       80.0M (++++++++++++ )  95.2    max    80.0M");
	row_is(s, 7,
	       "    job                              0.98K [#            ]   0.0  64.0M        0");
	row_is(s, 8, "");
	row_is(s, 12, "q quit  ? help  / search  <> sort  space fold  enter details  l limit");
}

/* What at / is a sum over processes has a limit for each of them. */
static void a_run(void **state)
{
	struct scene *s = *state;

	rows_begin(&s->rows, 1);
	ROW(&s->rows, "/", .current = 90 << 20, .max = 64 << 20, .peak = 95 << 20, .each = 12,
	    .fullest = 16 << 20, .reclaimable = SOURCE_UNKNOWN);
	ROW(&s->rows, "/11", .current = 16 << 20, .max = 64 << 20, .reclaimable = SOURCE_UNKNOWN);
	assert_int_equal(model_update(&s->model, &s->rows), 0);
	draw(s, 80, 13, true);
	row_is(s, 1,
	       "used 90.0M  peak 95.0M  max 12x64.0M  [#########                         ]  25.0");
	row_is(s, 3,
	       "GROUP         CURRENTv USE OF LIMIT               MAX  RECLAIM  GROW/S  REFUSE/S");
	row_is(s, 4,
	       "- /              90.0M [###          ]  25.0 12x64.0M        -  -30.0M         0");
}

static void a_small_screen(void **state)
{
	struct scene *s = *state;

	s->view.details = true;
	strcpy(s->view.detail_path, "/");
	strcpy(s->view.detail, "= memory.events\nlow 0\nmax 5\n= memory.stat\nanon 0\nsock 8192\n");
	draw(s, 40, 10, true);
	row_is(s, 0, "tenantd 42  4 groups  every 1s  12:34:56");
	row_is(s, 1, "GROUP            CURRENTv USE OF LIMIT");
	row_is(s, 2, "- /                  120M [###+| ]  60.0");
	row_is(s, 3, "  - web             80.0M [######]  95.2");
	row_is(s, 4, "      tenant-7      80.0M (++++++)  95.2");
	row_is(s, 5, "-- / -----------------------------------");
	row_is(s, 6, "memory.events");
	row_is(s, 7, "low                                  0");
	row_is(s, 8, "max                                  5");
	row_is(s, 9, "q quit  ? help  / search  <> sort");
	/* The next column of entries. */
	s->view.detail_top = 1;
	draw(s, 40, 10, true);
	row_is(s, 6, "memory.stat");
	row_is(s, 7, "sock                             8.00K");
}

static void in_characters_of_all_kinds(void **state)
{
	struct scene *s = *state;

	assert_true(model_select(&s->model, "/web"));
	model_fold(&s->model, true);
	draw(s, 80, 6, false);
	row_is(s, 1,
	       "GROUP                             CURRENT▼ USE OF LIMIT             MAX  RECLAIM");
	row_is(s, 2,
	       "▾ /                                   120M [█████▒▒▒  │  ]  60.0   200M    40.0M");
	row_is(s, 3,
	       "  ▸ web                              80.0M [████████████ ]  95.2  84.0M        0");
	assert_int_equal(grid_at(&s->grid, 2, 44)->style, STYLE_USED);
	assert_int_equal(grid_at(&s->grid, 2, 49)->style, STYLE_RECLAIMABLE);
	assert_int_equal(grid_at(&s->grid, 3, 44)->style, STYLE_BAD);
	assert_int_equal(grid_at(&s->grid, 3, 4)->style, STYLE_CURSOR);
}

static void what_is_sorted_by_is_shown(void **state)
{
	struct scene *s = *state;

	for (unsigned i = 1; i < nr_columns; i++) {
		s->model.sort = &columns[i];
		model_arrange(&s->model);
		draw(s, 40, 10, true);
		assert_non_null(strstr(row_text(&s->grid, 1), columns[i].heading));
	}
}

static void the_cursor_is_always_on_the_screen(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 5; i++) {
		draw(s, 40, 5, true);
		assert_true(s->model.cursor >= s->view.top &&
			    s->model.cursor < s->view.top + (size_t)s->view.page);
		model_move(&s->model, 1);
	}
	assert_int_equal(s->view.page, 2);
	assert_int_equal(s->view.top, 2);
	/* With more room there are no empty lines below while there are groups above. */
	draw(s, 40, 12, true);
	assert_int_equal(s->view.top, 0);
}

static void messages_wrap(void **state)
{
	struct scene *s = *state;

	strcpy(s->view.status,
	       "memory.max of /web is not set: the reason for it is longer than a line");
	draw(s, 40, 10, true);
	row_is(s, 8, "memory.max of /web is not set: the reaso");
	row_is(s, 9, "n for it is longer than a line");
	s->view.question = "search: web";
	draw(s, 40, 10, true);
	row_is(s, 9, "search: web");
	assert_int_equal(grid_at(&s->grid, 9, 11)->style, STYLE_CURSOR);
}

static void helped(void **state)
{
	struct scene *s = *state;

	s->view.help = true;
	draw(s, 80, 24, true);
	assert_non_null(strstr(row_text(&s->grid, 2), "pgup"));
	row_is(s, 23, "q quit  ? help  / search  <> sort  space fold  enter details  l limit");
}

/* ---- bars ---- */

static void parts_of_a_bar(void **state)
{
	struct scene *s = *state;
	struct group *g = group_at(&s->model, "/");
	struct row row = *g->row;

	g->row = &row;
	for (unsigned i = 0; i < 2000; i++) {
		int room = (int)(i % 50);
		struct bar_parts p;

		row.current = (uint64_t)(i * 7919 % 300) << 20;
		row.reclaimable = i % 3 ? (uint64_t)(i * 104729 % 300) << 20 : SOURCE_UNKNOWN;
		g->used = (double)row.current;
		p = bar_parts(g, room);
		assert_true(p.used >= 0 && p.reclaimable >= 0 && p.used + p.reclaimable <= room);
		assert_true(!row.current || !room || p.used + p.reclaimable > 0);
		assert_true(p.mark < room || !room);
		assert_true(row.reclaimable < row.current || !p.used || p.reclaimable == 0);
	}
}

/* ---- whatever comes ---- */

static void is_whole(const struct grid *g)
{
	for (int y = 0; y < g->height; y++)
		for (int x = 0; x < g->width; x += grid_at(g, y, x)->glyph.width) {
			const struct cell *c = grid_at(g, y, x);

			assert_in_range(c->glyph.width, 1, g->width - x);
			if (c->glyph.width == 2)
				assert_int_equal(c[1].glyph.width, 0);
			assert_int_equal(wcwidth(c->glyph.ch[0]), c->glyph.width);
			for (const wchar_t *ch = c->glyph.ch; *ch; ch++)
				assert_true(g->ascii ? *ch >= 0x20 && *ch < 0x7f
						     : iswprint((wint_t)*ch));
		}
}

static void any_name(char *name, unsigned *seed)
{
	static const char *const pieces[] = {
		"\x1b[2J",	"\xe6\x96\x87", "e\xcc\x81\xcc\x81\xcc\x81",
		"\xe2\x80\xae", "\xff\xfe",	"\xf0\x9f\x90\x98",
		"\t",		"\xc2\x9b[31m", "name",
		"\xe2\x80\x8d", "\xf0\x9f",	"\xed\xa0\x80",
		"\xcc\x81",	"\x7f",		"\xf3\xa0\x80\xa0"};

	strcpy(name, "/");
	for (unsigned n = 1 + (unsigned)rand_r(seed) % 12; n; n--)
		strcat(name, pieces[(unsigned)rand_r(seed) % (sizeof(pieces) / sizeof(pieces[0]))]);
}

static void no_name_breaks_the_screen(void **state)
{
	struct scene *s = *state;
	unsigned seed = 3;

	s->view.details = true;
	for (unsigned i = 0; i < effort(3000); i++) {
		char name[256];

		any_name(name, &seed);
		rows_begin(&s->rows, i);
		ROW(&s->rows, "/", .current = 1);
		ROW(&s->rows, name, .current = 1);
		assert_int_equal(model_update(&s->model, &s->rows), 0);
		model_move(&s->model, 1);
		s->view.question = i % 3 ? NULL : name;
		snprintf(s->view.status, sizeof(s->view.status), "no %s", i % 2 ? name : "");
		snprintf(s->view.detail_path, sizeof(s->view.detail_path), "%s", name);
		snprintf(s->view.detail, sizeof(s->view.detail), "= %s\n%s\n\xff 5\n", name, name);
		draw(s, 1 + (int)((unsigned)rand_r(&seed) % 90),
		     1 + (int)((unsigned)rand_r(&seed) % 20), i & 1);
		is_whole(&s->grid);
	}
}

static void no_size_breaks_it(void **state)
{
	struct scene *s = *state;

	for (int width = 0; width < 250; width += width < 60 ? 1 : 17)
		for (int height = 0; height < 40; height += height < 16 ? 1 : 7) {
			s->view.help = width % 5 == 0;
			draw(s, width, height, false);
			is_whole(&s->grid);
		}
}

static void deep_below(void **state)
{
	struct scene *s = *state;
	char path[400] = "";
	char kept[100][400];

	rows_begin(&s->rows, 1);
	ROW(&s->rows, "/", .current = 1);
	for (int i = 0; i < 90; i++) {
		strcat(path, "/d");
		strcpy(kept[i], path);
		ROW(&s->rows, kept[i], .current = 1);
	}
	assert_int_equal(model_update(&s->model, &s->rows), 0);
	model_move(&s->model, 100);
	draw(s, 80, 10, true);
	is_whole(&s->grid);
	assert_non_null(strstr(row_text(&s->grid, 8), " d "));
	model_update(&s->model, &(struct rows){0});
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_whole_screen),
		T(a_run),
		T(a_small_screen),
		T(in_characters_of_all_kinds),
		T(what_is_sorted_by_is_shown),
		T(the_cursor_is_always_on_the_screen),
		T(messages_wrap),
		T(helped),
		T(parts_of_a_bar),
		T(no_name_breaks_the_screen),
		T(no_size_breaks_it),
		T(deep_below),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
