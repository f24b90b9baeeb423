/*
 * t_export.c - memcg export: names in labels, exact numbers, both formats, what has no sample;
 * fleets that are shared and bounded. HTTP is tests/scenario/export.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/collector.h"
#include "export/label.h"
#include "export/options.h"
#include "export/page.h"

/* ---- labels and numbers ---- */

static void assert_label(const char *name, const char *expected)
{
	struct text t = {0};
	char *copy = strdup(name);

	label_clean(copy);
	label_put(&t, copy);
	text_put(&t, "", 1);
	assert_string_equal(t.bytes, expected);
	text_free(&t);
	free(copy);
}

static void names_become_values_of_labels(void **state)
{
	(void)state;
	assert_label("/web/tenant 7", "/web/tenant 7");
	assert_label("/a\"b\\c\nd", "/a\\\"b\\\\c\\nd");
	assert_label("\\", "\\\\");
	assert_label("", "");
	assert_label("/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		     "/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	/* Half a character, a long form, half of a pair, beyond the last one, a byte that none has.
	 */
	assert_label("/\xe2\x82", "/??");
	assert_label("\xe2(\xa1", "?(?");
	assert_label("\xc0\xaf", "??");
	assert_label("\xed\xa0\x80", "???");
	assert_label("\xf4\x90\x80\x80", "????");
	assert_label("a\xff\"", "a?\\\"");
}

static void assert_decimal(uint64_t n, unsigned digits, const char *expected)
{
	struct text t = {0};

	text_decimal(&t, n, digits);
	text_put(&t, "", 1);
	assert_string_equal(t.bytes, expected);
	text_free(&t);
}

static void numbers_are_exact(void **state)
{
	(void)state;
	assert_decimal(0, 0, "0");
	assert_decimal(0, 6, "0.000000");
	assert_decimal(1, 6, "0.000001");
	assert_decimal(12345678, 6, "12.345678");
	assert_decimal(10000, 4, "1.0000");
	assert_decimal(UINT64_MAX, 0, "18446744073709551615");
	assert_decimal(UINT64_MAX, 6, "18446744073709.551615");
}

/* ---- pages ---- */

static void set_all(struct row *row, uint64_t value)
{
#define SET(name) row->name = value;
	SOURCE_FIELDS(SET)
#undef SET
}

/* A process with these paths; every column is `value`. */
static void make_member(struct member *m, pid_t pid, const char *const *paths, size_t n,
			uint64_t value)
{
	size_t used = 0;

	*m = (struct member){.pid = pid, .up = 1, .left_out = 0, .asked_us = 1500};
	strcpy(m->comm, "pro\"gram");
	strcpy(m->where, "/run/x.sock");
	m->rows.row = calloc(n, sizeof(*m->rows.row));
	m->rows.text = malloc(4096);
	for (size_t i = 0; i < n; i++) {
		m->rows.row[i].path = strcpy(m->rows.text + used, paths[i]);
		set_all(&m->rows.row[i], value);
		used += strlen(paths[i]) + 1;
	}
	m->rows.n = n;
	member_settle(m);
	m->groups = m->rows.n;
}

static struct fleet *make_fleet(unsigned members)
{
	char *targets[] = {(char *)"/nowhere/1", (char *)"/nowhere/2", NULL};
	const struct fleet_wish nobody = {.targets = targets, .patience_ms = 1000};
	struct fleet *f = fleet_ask(&nobody);

	assert_non_null(f);
	assert_int_equal(f->n, 2);
	f->n = members;
	return f;
}

static char *all_of(struct fleet *f, enum page_format format, size_t piece)
{
	char *all = calloc(1, 1 << 20);
	size_t n = 0;
	struct page p;
	long got;

	fleet_get(f);
	page_begin(&p, f, format);
	while ((got = page_fill(&p, all + n, piece)) > 0)
		n += (size_t)got;
	assert_int_equal(got, 0);
	assert_int_equal(page_fill(&p, all + n, piece), 0);
	page_end(&p);
	return all;
}

static void assert_has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no '%s' in: %s", line, text);
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

static const char *const two_paths[] = {"/", "/a \"b\""};

static void both_formats(void **state)
{
	struct fleet *f = make_fleet(2);
	char *open, *text, *slow;

	(void)state;
	make_member(&f->member[0], 11, two_paths, 2, 70);
	make_member(&f->member[1], 12, two_paths, 1, 70);
	open = all_of(f, PAGE_OPENMETRICS, 65536);
	text = all_of(f, PAGE_PROMETHEUS, 65536);
	slow = all_of(f, PAGE_OPENMETRICS, 1);

	assert_string_equal(open, slow);
	assert_has(open,
		   "# TYPE container_memory_usage_bytes gauge\n"
		   "# UNIT container_memory_usage_bytes bytes\n"
		   "container_memory_usage_bytes{pid=\"11\",comm=\"pro\\\"gram\",group=\"/\"} 70\n"
		   "container_memory_usage_bytes{pid=\"11\",comm=\"pro\\\"gram\",group=\"/a "
		   "\\\"b\\\"\"} 70\n"
		   "container_memory_usage_bytes{pid=\"12\",");
	assert_has(open, "\n# TYPE memcg_events counter\n");
	assert_has(open, "group=\"/\",event=\"oom\"} 70\n");
	assert_has(open, "\ncontainer_pressure_memory_waiting_seconds_total{pid=\"11\",comm="
			 "\"pro\\\"gram\",group=\"/\"} 0.000070\n");
	assert_has(open, "\n# TYPE container_memory_failcnt unknown\n");
	assert_int_equal(count(open, "# EOF\n"), 1);
	assert_string_equal(open + strlen(open) - 6, "# EOF\n");

	assert_has(text, "\n# TYPE memcg_events_total counter\n");
	assert_has(text, "\n# TYPE container_memory_failcnt untyped\n");
	assert_int_equal(count(text, "# EOF"), 0);
	assert_int_equal(count(text, "# UNIT"), 0);
	/* All samples of a family stand together, behind its head. */
	assert_int_equal(count(open, "# TYPE "), nr_families);
	assert_int_equal(count(open, "\n# TYPE memcg_up "), 1);
	free(open);
	free(text);
	free(slow);
	fleet_put(f);
}

/* A sum over processes is not to be divided by the limit of each. */
static void a_run_has_the_limits_of_its_processes(void **state)
{
	struct fleet *f = make_fleet(1);
	struct member *m = &f->member[0];
	char *text;

	(void)state;
	make_member(m, 11, two_paths, 2, 4096);
	m->rows.row[0].each = 2;
	m->rows.row[1].each = 1;
	member_settle(m);
	text = all_of(f, PAGE_PROMETHEUS, 65536);
	assert_int_equal(count(text, "\ncontainer_memory_usage_bytes{"), 2);
	assert_int_equal(count(text, "\ncontainer_spec_memory_limit_bytes{"), 1);
	assert_has(text,
		   "\ncontainer_spec_memory_limit_bytes{pid=\"11\",comm=\"pro\\\"gram\",group="
		   "\"/a \\\"b\\\"\"} 4096\n");
	assert_int_equal(count(text, "limit=\"high\""), 1);
	free(text);
	fleet_put(f);
}

static void what_is_not_known_or_unlimited_has_no_sample(void **state)
{
	struct fleet *f = make_fleet(1);
	struct row *row;
	char *text;

	(void)state;
	make_member(&f->member[0], 11, two_paths, 2, SOURCE_UNKNOWN);
	row = f->member[0].rows.row;
	row[0].max = SOURCE_MAX;
	row[0].high = SOURCE_MAX;
	row[1].max = 0;
	row[1].current = 1000;
	text = all_of(f, PAGE_PROMETHEUS, 65536);
	assert_int_equal(count(text, "\ncontainer_spec_memory_limit_bytes{"), 1);
	assert_has(text,
		   "\ncontainer_spec_memory_limit_bytes{pid=\"11\",comm=\"pro\\\"gram\",group="
		   "\"/a \\\"b\\\"\"} 0\n");
	assert_int_equal(count(text, "limit=\""), 1);
	assert_int_equal(count(text, "1844674407370955161"), 0);
	assert_int_equal(count(text, "\ncontainer_memory_usage_bytes{"), 1);
	/* Not the usage: it would be less were inactive_file known. */
	assert_int_equal(count(text, "container_memory_working_set_bytes"), 0);
	assert_int_equal(count(text, "memcg_events"), 0);
	free(text);

	row[1].inactive_file = 300;
	text = all_of(f, PAGE_PROMETHEUS, 65536);
	assert_has(text, "container_memory_working_set_bytes{pid=\"11\",comm=\"pro\\\"gram\",group="
			 "\"/a \\\"b\\\"\"} 700\n");
	free(text);
	row[1].inactive_file = 1001;
	text = all_of(f, PAGE_PROMETHEUS, 65536);
	assert_has(text, "container_memory_working_set_bytes{pid=\"11\",comm=\"pro\\\"gram\",group="
			 "\"/a \\\"b\\\"\"} 0\n");
	free(text);
	fleet_put(f);
}

/* The value of the first sample of a counter with all columns at n. */
static double counter_at(uint64_t n, const char *name)
{
	struct fleet *f = make_fleet(1);
	char *text, *at;
	double value;

	make_member(&f->member[0], 11, two_paths, 1, n);
	text = all_of(f, PAGE_OPENMETRICS, 65536);
	at = strstr(text, name);
	assert_non_null(at);
	value = strtod(strchr(at, '}') + 1, NULL);
	free(text);
	fleet_put(f);
	return value;
}

static void counters_keep_rising(void **state)
{
	static const char *const names[] = {"container_memory_failures_total{",
					    "container_pressure_memory_waiting_seconds_total{",
					    "memcg_events_total{"};
	static const uint64_t from[] = {0, 9, 999999, 12345678, 1000000000000};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 5; j++)
			assert_true(counter_at(from[j] + 1, names[i]) >
				    counter_at(from[j], names[i]));
}

static void a_path_is_there_once(void **state)
{
	static const char *const paths[] = {"/", "/b\xff", "/a", "/b", "/b\xfe", "/a"};
	struct fleet *f = make_fleet(1);
	char *text;

	(void)state;
	make_member(&f->member[0], 11, paths, 6, 5);
	assert_int_equal(f->member[0].rows.n, 4);
	text = all_of(f, PAGE_PROMETHEUS, 65536);
	assert_int_equal(count(text, "\nmemcg_threads{"), 4);
	assert_has(text, "group=\"/a\"} 5\n");
	assert_has(text, "group=\"/b?\"} 5\n");
	free(text);
	fleet_put(f);
}

static void who_is_not_there_is_down(void **state)
{
	struct fleet *f = make_fleet(2);
	char *text = all_of(f, PAGE_OPENMETRICS, 65536);

	(void)state;
	assert_has(text, "memcg_up{pid=\"\",comm=\"\",where=\"/nowhere/1\"} 0\n");
	assert_int_equal(count(text, "container_"), 0);
	assert_int_equal(count(text, "memcg_groups"), 0);
	free(text);
	fleet_put(f);
}

/* ---- Accept, --listen ---- */

static void formats_by_accept(void **state)
{
	(void)state;
	assert_int_equal(page_choose(NULL), PAGE_PROMETHEUS);
	assert_int_equal(page_choose(""), PAGE_PROMETHEUS);
	assert_int_equal(page_choose("*/*"), PAGE_PROMETHEUS);
	assert_int_equal(page_choose("text/plain"), PAGE_PROMETHEUS);
	assert_int_equal(page_choose("application/openmetrics-text"), PAGE_OPENMETRICS);
	/* As Prometheus 2.42 asks. */
	assert_int_equal(page_choose("application/openmetrics-text;version=1.0.0,"
				     "application/openmetrics-text;version=0.0.1;q=0.75,"
				     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
			 PAGE_OPENMETRICS);
	assert_int_equal(page_choose("text/plain, application/openmetrics-text; q=0.5"),
			 PAGE_PROMETHEUS);
	assert_int_equal(page_choose("application/openmetrics-text;q=0"), PAGE_PROMETHEUS);
	assert_int_equal(page_choose("application/openmetrics-texts"), PAGE_PROMETHEUS);
	assert_int_equal(page_choose(",, ;q=, Application/OpenMetrics-Text ; Q=0.1 ,"),
			 PAGE_OPENMETRICS);
}

static void addresses(void **state)
{
	struct options o;

	(void)state;
	assert_true(options_listen("127.0.0.1:9909", &o));
	assert_true(options_is_loopback(&o));
	assert_int_equal(ntohs(o.listen.in.sin_port), 9909);
	assert_true(options_listen("[::1]:0", &o));
	assert_true(options_is_loopback(&o));
	assert_true(options_listen("0.0.0.0:1", &o));
	assert_false(options_is_loopback(&o));
	assert_true(options_listen("[::]:1", &o));
	assert_false(options_is_loopback(&o));
	assert_false(options_listen(":9909", &o));
	assert_false(options_listen("9909", &o));
	assert_false(options_listen("localhost:9909", &o));
	assert_false(options_listen("::1:9909", &o));
	assert_false(options_listen("127.0.0.1:65536", &o));
	assert_false(options_listen("127.0.0.1:+1", &o));
	assert_false(options_listen("127.0.0.1:", &o));
}

/* ---- the collector ---- */

struct caller {
	struct waiter waiter; /* first */
	struct fleet *fleet;
	bool called; /* under the lock, with fleet */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;

static void note(struct waiter *w, struct fleet *fleet)
{
	struct caller *c = (struct caller *)w;

	pthread_mutex_lock(&lock);
	c->fleet = fleet;
	c->called = true;
	pthread_cond_broadcast(&called);
	pthread_mutex_unlock(&lock);
}

/* Takes the fleet that the collector makes for it; false: refused. */
static bool wait_for(struct collector *c, struct caller *who)
{
	*who = (struct caller){.waiter.call = note};
	if (!collector_wait(c, &who->waiter))
		return false;
	pthread_mutex_lock(&lock);
	while (!who->called)
		pthread_cond_wait(&called, &lock);
	pthread_mutex_unlock(&lock);
	return true;
}

static void fleets_are_shared_and_bounded(void **state)
{
	char *targets[] = {(char *)"/nowhere/1", NULL};
	const struct fleet_wish wish = {.targets = targets, .patience_ms = 100};
	struct collector *c = collector_start(&wish);
	struct caller reader[FLEETS_MOST], other;

	(void)state;
	assert_non_null(c);
	assert_null(collector_fresh(c));
	for (unsigned i = 0; i < FLEETS_MOST; i++) {
		assert_true(wait_for(c, &reader[i]));
		assert_non_null(reader[i].fleet);
		assert_true(!i || reader[i].fleet != reader[i - 1].fleet);
	}
	/* As many are held as may be. */
	assert_false(wait_for(c, &other));
	assert_int_equal(fleets_alive(), FLEETS_MOST);
	fleet_put(reader[0].fleet);
	assert_true(wait_for(c, &other));
	fleet_put(other.fleet);
	for (unsigned i = 1; i < FLEETS_MOST; i++)
		fleet_put(reader[i].fleet);
	collector_stop(c);
	assert_false(wait_for(c, &other));
	collector_free(c);
	assert_int_equal(fleets_alive(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_values_of_labels),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(both_formats),
		cmocka_unit_test(a_run_has_the_limits_of_its_processes),
		cmocka_unit_test(what_is_not_known_or_unlimited_has_no_sample),
		cmocka_unit_test(counters_keep_rising),
		cmocka_unit_test(a_path_is_there_once),
		cmocka_unit_test(who_is_not_there_is_down),
		cmocka_unit_test(formats_by_accept),
		cmocka_unit_test(addresses),
		cmocka_unit_test(fleets_are_shared_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
