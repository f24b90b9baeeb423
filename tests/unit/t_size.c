/* t_size.c - sizes are taken as cgroup v2 takes them, and nothing else is. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* The command is no library: its module is compiled into the test. */
#include "../../tools/source/size.c"

static void test_good(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"1", 1},
		{"4096", 4096},
		{"007", 7},
		{"64K", 64 << 10},
		{"64k", 64 << 10},
		{"64M", 64 << 20},
		{"64m", 64 << 20},
		{"1G", 1 << 30},
		{"2g", 2ull << 30},
		{"1T", 1ull << 40},
		{"16777215t", 16777215ull << 40},
		{"18446744073709551615", UINT64_MAX},
		{"18014398509481983K", 18014398509481983ull << 10},
		{"max", MEMCG_UNLIMITED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t bytes = 99;

		assert_true(size_from_text(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"-1",
		"-0",
		"+1",
		" 1",
		"1 ",
		"1.5M",
		"64Q",
		"64KB",
		"64KiB",
		"K",
		"max ",
		"MAX",
		"maximum",
		"0x10",
		"1e6",
		"1,000",
		"M64",
		"16777216T",
		"18014398509481984K",
		"18446744073709551616",
		"99999999999999999999999K",
		"\xff",
	};
	uint64_t bytes = 99;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(size_from_text(bad[i], &bytes));
	assert_int_equal(bytes, 99);
}

static void expect_human(uint64_t bytes, const char *text)
{
	char buf[SIZE_TEXT];

	assert_string_equal(size_human(bytes, buf), text);
}

static void test_human(void **state)
{
	(void)state;
	expect_human(0, "0");
	expect_human(1023, "1023");
	expect_human(1024, "1K");
	expect_human(1536, "1.5K");
	expect_human(64 << 20, "64M");
	expect_human((64 << 20) + (300 << 10), "64.2M");
	expect_human((1 << 20) - 1, "1023.9K");
	expect_human((64 << 20) + 1, "64.0M");
	expect_human(1ull << 40, "1T");
	expect_human(UINT64_MAX - 1, "16777215.9T");
	expect_human(MEMCG_UNLIMITED, "max");
}

static void test_exact(void **state)
{
	char buf[SIZE_TEXT];

	(void)state;
	assert_string_equal(size_exact(UINT64_MAX - 1, buf), "18446744073709551614");
	assert_string_equal(size_exact(MEMCG_UNLIMITED, buf), "max");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_human),
		cmocka_unit_test(test_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
