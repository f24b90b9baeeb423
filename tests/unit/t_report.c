/* t_report.c - the report's text: the tree, differences, what it says when it cannot. */
#include "group_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc/alloc.h"
#include "ctl/print.h"
#include "ctl/report.h"
#include "page/page.h"
#include "sys/fault.h"

static char text[1 << 20];

/* What memcg_report returns; its output in text[]. */
static int report_text(unsigned flags)
{
	char path[] = "/tmp/t_recount.XXXXXX";
	int fd = mkstemp(path), got;
	ssize_t n;

	assert_true(fd >= 0);
	unlink(path);
	got = memcg_report(fd, flags);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return got;
}

static void test_report(void **state)
{
	struct memcg *a = group(NULL, "shop"), *b = group(a, "till");
	void *p = alloc_in(b, 3 * MIB / 2);

	(void)state;
	assert_int_equal(memcg_set_limit(b, MEMCG_MAX, 2 * MIB), 0);
	assert_null(memcg_malloc_in(b, 4 * MIB));
	assert_int_equal(report_text(0), 0);
	assert_non_null(strstr(text, "\n  shop "));
	assert_non_null(strstr(text, "\n    till "));
	assert_non_null(strstr(text, "1.5M"));
	assert_non_null(strstr(text, "recount: closed ("));
	assert_int_equal(report_text(MEMCG_REPORT_QUIET), 0);
	assert_string_equal(text, "");
	assert_int_equal(report_text(MEMCG_REPORT_NO_RECOUNT), 0);
	assert_non_null(strstr(text, "till"));
	assert_null(strstr(text, "recount"));
	memcg_free(p);
	memcg_destroy(b);
	memcg_destroy(a);
}

/* What is cached is the root's and charged to nobody: its peak is not below what it has. */
static void test_peak_of_the_root(void **state)
{
	char current[16], peak[16];

	(void)state;
	atomic_add(&page_cached, 64ul * MIB);
	report_text(MEMCG_REPORT_NO_RECOUNT);
	atomic_sub(&page_cached, 64ul * MIB);
	assert_int_equal(sscanf(strchr(text, '\n'), "%*s %15s %15s", current, peak), 2);
	assert_int_equal(strtoul(current, NULL, 10) / 64, 1);
	assert_string_equal(peak, current);
}

static void test_report_of_differences(void **state)
{
	(void)state;
	atomic_add(&page_cached, 4096ul);
	assert_int_equal(report_text(MEMCG_REPORT_QUIET), 1);
	assert_non_null(strstr(text, "difference: cached"));
	assert_non_null(strstr(text, "recount: 1 difference ("));
	atomic_sub(&page_cached, 4096ul);
}

static void test_report_fails(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(memcg_report(-1, 0), -EBADF);
	assert_int_equal(memcg_report(1, 1u << 20), -EINVAL);
	assert_true(full >= 0);
	assert_int_equal(memcg_report(full, 0), -ENOSPC);
	close(full);
	sys_fault_arm(SYS_FAULT_MAP, 1, 0, 0, 0);
	assert_int_equal(report_text(0), -ENOMEM);
	sys_fault_disarm_all();
	assert_non_null(strstr(text, "recount: not taken (no memory"));
}

/* Long names, a deep tree: columns are pushed aside, long paths lose their beginning. */
static void test_long_names(void **state)
{
	struct memcg *cg[12] = {NULL};
	char name[256];

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	for (unsigned i = 0; i < ARRAY_SIZE(cg); i++)
		cg[i] = group(i ? cg[i - 1] : NULL, name);
	atomic_add(&cg[11]->counter.usage, 4096ul);
	assert_int_equal(report_text(0), 1);
	assert_non_null(strstr(text, "difference: group .../nnn"));
	atomic_sub(&cg[11]->counter.usage, 4096ul);
	for (unsigned i = ARRAY_SIZE(cg); i--;)
		memcg_destroy(cg[i]);
	assert_int_equal(report_text(MEMCG_REPORT_QUIET), 0);
}

static void test_sizes(void **state)
{
	static const struct {
		u64 bytes;
		const char *text;
	} row[] = {
		{0, "0"},
		{1023, "1023"},
		{1024, "1K"},
		{1536, "1.5K"},
		{64 * MIB, "64M"},
		{99 * MIB + 900 * KIB, "99.8M"},
		{500 * MIB + 900 * KIB, "500M"},
		{GIB - 1, "1023M"},
		{3ul << 60, "3E"},
		{UINT64_MAX, "max"},
	};
	char buf[PRINT_SIZE];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++)
		assert_string_equal(print_size(row[i].bytes, buf), row[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),	     cmocka_unit_test(test_report_of_differences),
		cmocka_unit_test(test_report_fails), cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_sizes),	     cmocka_unit_test(test_peak_of_the_root),
	};

	lib_up();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
