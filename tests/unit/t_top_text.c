/* t_top_text.c - names and numbers of memcg top, and its plain lines. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <locale.h>
#include <stdio.h>

#include "top/batch.h"
#include "top/text.h"
#include "top_fixture.h"

/* Glyphs one after another, in brackets those of two columns. */
static const char *glyphs(const char *text, bool ascii)
{
	static char out[512];
	struct glyph g;
	size_t n = 0;

	while (text_glyph(&text, ascii, &g)) {
		if (g.width == 2)
			out[n++] = '[';
		for (const wchar_t *ch = g.ch; *ch; ch++)
			n += text_encode(*ch, out + n);
		if (g.width == 2)
			out[n++] = ']';
	}
	out[n] = '\0';
	return out;
}

static void what_is_shown_of_names(void **state)
{
	(void)state;
	assert_string_equal(glyphs("web 7", false), "web 7");
	assert_string_equal(glyphs("文a", false), "[文]a");
	assert_string_equal(glyphs("e\xcc\x81!", false), "e\xcc\x81!");
	assert_string_equal(glyphs("\xcc\x81", false), "\xef\xbf\xbd");
	assert_string_equal(glyphs("a\x1b[1m\n\x7f", false),
			    "a\xef\xbf\xbd[1m\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(glyphs("\xc2\x9b\xe2\x80\xae", false), "\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(glyphs("\xe6\x96", false), "\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(glyphs("\xc0\xaf\xff", false), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_string_equal(glyphs("文e\xcc\x81\x1b!", true), "?e?\?!");
	assert_int_equal(text_width("文文", false), 4);
}

static void every_character_and_back(void **state)
{
	(void)state;
	for (long ch = 1; ch < 0x110000; ch += ch < 0x3000 ? 1 : 97) {
		char bytes[5] = "";
		const char *text = bytes;

		bytes[text_encode(ch, bytes)] = '\0';
		assert_int_equal(text_decode(&text), ch >= 0xd800 && ch < 0xe000 ? -1 : ch);
		assert_true(ch >= 0xd800 && ch < 0xe000 ? true : *text == '\0');
	}
}

static void numbers_fit(void **state)
{
	char text[NUMBER_TEXT];

	(void)state;
	for (double n = 0; n < 1e19; n = n * 1.01 + 1) {
		assert_in_range(strlen(number_size(n, text)), 1, 5);
		assert_in_range(strlen(number_growth(-n, text)), 1, 6);
		assert_in_range(strlen(number_count(n, text)), 1, 6);
	}
}

static void numbers_as_text(void **state)
{
	char text[NUMBER_TEXT];

	(void)state;
	assert_string_equal(number_size(0, text), "0");
	assert_string_equal(number_size(999, text), "999");
	assert_string_equal(number_size(1000, text), "0.98K");
	assert_string_equal(number_size(64 * MIB, text), "64.0M");
	assert_string_equal(number_size(NAN, text), "-");
	assert_string_equal(number_size(INFINITY, text), "max");
	assert_string_equal(number_growth(2 * MIB, text), "+2.00M");
	assert_string_equal(number_growth(0.2, text), "0");
	assert_string_equal(number_rate(0.25, text), "0.2");
	assert_string_equal(number_rate(1234567, text), "1.23M");
	assert_string_equal(number_percent(1234, text), "12.3");
	assert_string_equal(number_percent(12345, text), "123");
}

/* ---- plain lines ---- */

static const struct source_info info = {.kind = SOURCE_SOCKET, .pid = 42, .comm = "x\033y"};

struct printed {
	struct model model;
	struct rows rows;
	char *text;
	size_t size;
	FILE *out;
};

static void begin(struct printed *p)
{
	*p = (struct printed){.text = NULL};
	rows_begin(&p->rows, 0);
	ROW(&p->rows, "/", .current = 4096, .max = 8192);
	ROW(&p->rows, "/a\"\\\033\xff", .current = 1, .threads = SOURCE_UNKNOWN);
	assert_int_equal(model_init(&p->model), 0);
	assert_int_equal(model_update(&p->model, &p->rows), 0);
	p->out = open_memstream(&p->text, &p->size);
}

static void end(struct printed *p)
{
	free(p->text);
	free(p->rows.row);
	model_exit(&p->model);
}

static void lines_of_a_table(void **state)
{
	struct printed p;

	(void)state;
	begin(&p);
	batch_table(p.out, &p.model, &info, "noon");
	fclose(p.out);
	assert_memory_equal(p.text, "# noon x\xef\xbf\xbdy 42\n CURRENT   USE% ", 30);
	assert_non_null(strstr(p.text, "   4.00K   50.0  8.00K "));
	assert_non_null(strstr(p.text, " /a\"\\\xef\xbf\xbd\xef\xbf\xbd\n"));
	end(&p);
}

static void lines_of_json(void **state)
{
	struct printed p;

	(void)state;
	begin(&p);
	batch_json(p.out, &p.model, &info, 1.5);
	fclose(p.out);
	assert_memory_equal(p.text, "{\"time\":1.500,\"pid\":42,\"path\":\"/\",\"id\":", 39);
	assert_non_null(strstr(p.text, "\"current\":4096,"));
	assert_non_null(strstr(p.text, "\"use_percent\":50.000,\"growth_per_s\":null,"));
	assert_non_null(strstr(p.text, "\"path\":\"/a\\\"\\\\\\u001b\xef\xbf\xbd\","));
	assert_non_null(strstr(p.text, "\"max\":\"max\","));
	assert_non_null(strstr(p.text, "\"threads\":null,"));
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_shown_of_names),
		cmocka_unit_test(every_character_and_back),
		cmocka_unit_test(numbers_fit),
		cmocka_unit_test(numbers_as_text),
		cmocka_unit_test(lines_of_a_table),
		cmocka_unit_test(lines_of_json),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
