/* t_report_page.c - the page of a report: text of others is no markup, and every group is named. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* The command is no library: its modules are compiled into the test. */
#include "../../tools/memcg/account.c"
#include "../../tools/memcg/quote.c"
#include "../../tools/memcg/series.c"
#include "../../tools/source/size.c"
#include "../../tools/memcg/web.c"
#include "../../tools/memcg/web_chart.c"
#include "../../tools/memcg/web_data.c"
#include "../../tools/memcg/web_order.c"
#include "../../tools/memcg/web_table.c"

#define GROUPS 25

/* A frame without style and script of its own: what is between them is all there is. */
#define PART(text, then)                     \
	{                                    \
		text, sizeof(text) - 1, then \
	}
const struct web_part web_parts[] = {
	PART("<title>", web_title),
	PART("</title>", web_heading),
	PART("<hr>", web_chart),
	PART("<hr>", web_processes),
	PART("<hr>", web_events),
	PART("<hr>", web_notes),
	PART("<hr>", web_text),
	PART("<script type=\"application/json\" id=\"data\">", web_data),
	PART("</script>", NULL),
};

static const char *const evil[] = {
	"/</script><script>alert(1)</script>",
	"/<!--<script>",
	"/\"onmouseover=\"alert(1)",
	"/' onx='&lt;b&amp;",
	"/\xff\xfe\xc0\x80\xed\xa0\x80 end\xe2",
	"/tab\tnew\nline\x01\x7f\x1b[31m",
	"/\u202egnp.exe \u2028 \u2029",
	"/gr\u00fc\u00dfe \U0001f600",
};

#define EVIL (sizeof(evil) / sizeof(evil[0]))

static char *written(const struct account *a)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	assert_int_equal(web_write(to, a), 0);
	assert_int_equal(fclose(to), 0);
	assert_int_equal(strlen(text), size); /* no NUL within */
	return text;
}

/* An account of a run of one process with `n` groups below its root. */
struct scene {
	struct account account;
	struct timeline time;
	struct series series[GROUPS];
	char names[GROUPS][64];
};

static void set_up(struct scene *s, size_t n, const char *(*name)(struct scene *, size_t))
{
	struct account_process *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	memset(s, 0, sizeof(*s));
	timeline_init(&s->time, 0, 50000000);
	s->account = (struct account){.command = "program",
				      .max = 1 << 20,
				      .max_was = 1 << 20,
				      .high = ACCOUNT_NONE,
				      .high_was = ACCOUNT_NONE,
				      .elapsed = 3000000000,
				      .time = &s->time,
				      .processes = p,
				      .nr_processes = 1,
				      .text = "the text"};
	*p = (struct account_process){
		.pid = 7, .comm = "program", .command = "program", .to = ACCOUNT_NONE};
	account_value(p, "unmanaged", ACCOUNT_NONE);
	account_value(p, "foreign", 0);
	p->groups = calloc(n + 1, sizeof(*p->groups));
	assert_non_null(p->groups);
	for (size_t i = 0; i <= n; i++) {
		p->groups[i] = (struct account_group){.path = i ? name(s, i - 1) : "/",
						      .depth = !!i,
						      .current = 1000 + i,
						      .peak = 2000 + i,
						      .max = i ? ACCOUNT_NONE : 1 << 20,
						      .high = ACCOUNT_NONE,
						      .series = &s->series[i]};
		for (unsigned k = 0; k < 10; k++) {
			timeline_open(&s->time, k * UINT64_C(50000000));
			timeline_add(&s->time, &s->series[i],
				     &(struct cell){1000 + i, 2000 + i, 0});
		}
	}
	p->nr_groups = n + 1;
}

static void tear_down(struct scene *s)
{
	timeline_exit(&s->time);
	account_free(&s->account);
}

static const char *evil_name(struct scene *s, size_t i)
{
	(void)s;
	return evil[i];
}

static const char *plain_name(struct scene *s, size_t i)
{
	snprintf(s->names[i], sizeof(s->names[i]), "/group-%zu-of-many", i);
	return s->names[i];
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

static bool is_utf8(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";

	while (*text) {
		const char *from = text;

		if (utf8_next(&text) == REPLACEMENT && strncmp(from, replacement, 3))
			return false;
	}
	return true;
}

static void names_are_no_markup(void **state)
{
	struct scene s;
	char *page;

	(void)state;
	set_up(&s, EVIL, evil_name);
	s.account.command = evil[0];
	s.account.processes[0].command = evil[1];
	s.account.processes[0].comm = evil[2];
	s.account.text = s.account.leftovers = s.account.owners = evil[0];
	account_note(&s.account, evil[0]);
	account_event(&s.account, &(struct account_event){.what = EVENT_START, .text = evil[0]});
	account_event(&s.account,
		      &(struct account_event){.what = EVENT_REFUSED, .path = evil[3], .count = 1});
	page = written(&s.account);
	assert_int_equal(count(page, "<script"), 1);
	assert_int_equal(count(page, "</script"), 1);
	assert_int_equal(count(page, "<!--"), 0);
	assert_int_equal(count(page, "onmouseover=\""), 0);
	assert_int_equal(count(page, "onx='"), 0);
	assert_int_equal(count(page, "\x1b"), 0);
	assert_int_equal(count(page, "\u202e"), 0);
	assert_int_equal(count(page, "\u2028"),
			 1); /* as HTML; in a string of JSON it is an escape */
	assert_true(is_utf8(page));
	assert_true(count(page, "gr\u00fc\u00dfe \U0001f600") >= 2);
	free(page);
	tear_down(&s);
}

static const char *json(const char *text, char buf[256])
{
	FILE *to = fmemopen(buf, 256, "w");

	assert_non_null(to);
	quote_json(to, text);
	fclose(to);
	return buf;
}

static void strings_of_json(void **state)
{
	char buf[256];

	(void)state;
	assert_string_equal(json("plain", buf), "\"plain\"");
	assert_string_equal(json("a\"b\\c/d", buf), "\"a\\u0022b\\u005cc/d\"");
	assert_string_equal(json("</script>", buf), "\"\\u003c/script\\u003e\"");
	assert_string_equal(json("\n\x7f", buf), "\"\\u000a\\u007f\"");
	assert_string_equal(json("\xff", buf), "\"\xef\xbf\xbd\"");
	assert_string_equal(json("\xe2\x82", buf), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string_equal(json("\xf4\x90\x80\x80", buf),
			    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string_equal(json("\U0001f600", buf), "\"\U0001f600\"");
}

static const char *plain(const char *text, char buf[64])
{
	snprintf(buf, 64, "%s", text);
	return quote_plain(buf);
}

/* For a terminal: what is no letter there is one '?' each. */
static void plain_lines(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(plain("gr\u00fc\u00dfe \U0001f600 a/b", buf),
			    "gr\u00fc\u00dfe \U0001f600 a/b");
	assert_string_equal(plain("\x1b[31m\n\t\x7f", buf), "?[31m???");
	assert_string_equal(plain("a\u202eb\xc2\x9b"
				  "c\u2066\u200f",
				  buf),
			    "a?b?c??");
	assert_string_equal(plain("\xff\xe2\x82", buf), "???");
	assert_string_equal(plain("\ufffd", buf), "\ufffd");
}

/* In the table, and in the numbers for the script. */
static void every_group_is_named(void **state)
{
	struct scene s;
	char *page, as_cell[96], as_json[96];

	(void)state;
	set_up(&s, GROUPS - 1, plain_name);
	page = written(&s.account);
	for (size_t i = 0; i < GROUPS - 1; i++) {
		snprintf(as_cell, sizeof(as_cell), "<bdi>%s</bdi>", s.names[i]);
		snprintf(as_json, sizeof(as_json), "{\"path\":\"%s\"", s.names[i]);
		assert_int_equal(count(page, as_cell), 1);
		assert_int_equal(count(page, as_json), 1);
	}
	assert_int_equal(count(page, "<bdi>/</bdi>"), 1);
	assert_int_equal(count(page, "class=\"spark\""), GROUPS);
	free(page);
	tear_down(&s);
}

static void no_limit_is_no_number(void **state)
{
	struct scene s;
	char *page;

	(void)state;
	set_up(&s, 1, plain_name);
	page = written(&s.account);
	assert_int_equal(count(page, "18446744073709551615"), 0);
	assert_true(count(page, "\"max\":null") >= 1);
	assert_non_null(strstr(page, "\"unmanaged\":null"));
	assert_non_null(strstr(page, "\"max\":1048576"));
	free(page);
	tear_down(&s);
}

/* Policy of the page: nothing that it would stop is written. */
/* Of several processes the sum is not held against the limit of each. */
static void limit_of_each(void **state)
{
	struct account_group *root;
	struct scene s;
	char *page;

	(void)state;
	set_up(&s, 1, plain_name);
	root = s.account.processes[0].groups;
	root->current = root->peak = 3 << 19;
	root->each = 4;
	root->fullest = 1 << 19;
	page = written(&s.account);
	assert_non_null(strstr(page, "<td class=\"n\">4 × <data value=\"1048576\""));
	assert_non_null(strstr(page, "the fullest process 50 % of the limit"));
	assert_non_null(strstr(page, "<rect class=\"part\" width=\"40\""));
	assert_non_null(strstr(page, ">limit of each process<"));
	assert_non_null(strstr(page, "\"each\":4,\"fullest\":524288"));
	assert_null(strstr(page, "peak 100 %"));
	free(page);
	tear_down(&s);
}

static void limits_that_changed(void **state)
{
	struct scene s;
	char *page;

	(void)state;
	set_up(&s, 1, plain_name);
	page = written(&s.account);
	assert_null(strstr(page, ">was "));
	assert_null(strstr(page, "slowed down"));
	free(page);
	s.account.max_was = 2 << 20;
	s.account.high_was = 1 << 19;
	page = written(&s.account);
	assert_non_null(
		strstr(page, ">1 MiB</data> <span class=\"was\">was <data value=\"2097152\""));
	assert_non_null(strstr(page, "<dd>none <span class=\"was\">was <data value=\"524288\""));
	free(page);
	tear_down(&s);
}

/* The page names these one behind the other. */
static void in_this_order(const char *page, const char *const *what)
{
	for (; *what; what++) {
		page = strstr(page, *what);
		if (!page)
			fail_msg("%s is not there, or too early", *what);
		page += strlen(*what);
	}
}

static void by_peak_below_each_parent(void **state)
{
	static const struct account_group of_one[] = {{.path = "/", .peak = 100},
						      {.path = "/b", .depth = 1, .peak = 10},
						      {.path = "/b/x", .depth = 2, .peak = 5},
						      {.path = "/b/y", .depth = 2, .peak = 9},
						      {.path = "/c", .depth = 1, .peak = 90},
						      {.path = "/c/z", .depth = 2, .peak = 90},
						      {.path = "/d", .depth = 1, .peak = 10}};
	struct account_process p[] = {{.pid = 1, .command = "small"},
				      {.pid = 2, .command = "large"},
				      {.pid = 3, .command = "equal"}};
	struct account_group root[] = {{.path = "/", .peak = 70}, {.path = "/", .peak = 70}};
	struct account a = {.live = true, .command = "a", .processes = p, .nr_processes = 3};
	char *page;

	(void)state;
	p[0].groups = &root[0];
	p[2].groups = &root[1];
	p[1].groups = (struct account_group *)of_one;
	p[0].nr_groups = p[2].nr_groups = 1;
	p[1].nr_groups = 7;
	page = written(&a);
	in_this_order(page,
		      (const char *const[]){"<bdi>large</bdi>", "<bdi>/</bdi>", "<bdi>/c</bdi>",
					    "<bdi>/c/z</bdi>", "<bdi>/b</bdi>", "<bdi>/b/y</bdi>",
					    "<bdi>/b/x</bdi>", "<bdi>/d</bdi>", "<bdi>small</bdi>",
					    "<bdi>equal</bdi>", NULL});
	in_this_order(page, (const char *const[]){"\"pid\":1,", "\"pid\":2,", "\"/b\"", "\"/c\"",
						  "\"pid\":3,", NULL});
	free(page);
}

static void nothing_inline(void **state)
{
	struct scene s;
	char *page;

	(void)state;
	set_up(&s, GROUPS - 1, plain_name);
	page = written(&s.account);
	assert_int_equal(count(page, " style="), 0);
	assert_int_equal(count(page, "http"), 0);
	assert_int_equal(count(page, " src="), 0);
	free(page);
	tear_down(&s);
}

static void more_events_are_counted(void **state)
{
	struct scene s;
	char *page;

	(void)state;
	set_up(&s, 1, plain_name);
	for (unsigned i = 0; i < ACCOUNT_EVENTS + 100; i++)
		account_event(&s.account, &(struct account_event){.when = ACCOUNT_EVENTS - i % 50,
								  .what = EVENT_REFUSED,
								  .count = 1});
	assert_int_equal(s.account.nr_events + s.account.lost_events, ACCOUNT_EVENTS + 100);
	account_sort(&s.account);
	for (size_t i = 1; i < s.account.nr_events; i++)
		assert_true(s.account.events[i - 1].when <= s.account.events[i].when);
	page = written(&s.account);
	assert_non_null(strstr(page, "<p>And 3100 more.</p>"));
	free(page);
	tear_down(&s);
}

static void a_full_disk_is_told(void **state)
{
	FILE *to = fopen("/dev/full", "w");
	struct scene s;

	(void)state;
	if (!to)
		skip();
	set_up(&s, 1, plain_name);
	assert_int_equal(web_write(to, &s.account), -ENOSPC);
	fclose(to);
	tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_no_markup),
		cmocka_unit_test(strings_of_json),
		cmocka_unit_test(every_group_is_named),
		cmocka_unit_test(no_limit_is_no_number),
		cmocka_unit_test(by_peak_below_each_parent),
		cmocka_unit_test(limit_of_each),
		cmocka_unit_test(limits_that_changed),
		cmocka_unit_test(nothing_inline),
		cmocka_unit_test(more_events_are_counted),
		cmocka_unit_test(a_full_disk_is_told),
		cmocka_unit_test(plain_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
