/* t_parse.c - what texts mean. What is refused, and where: t_bad_input.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "ctl/parse.h"

#define UNTOUCHED 99u

static const struct {
	const char *text;
	u64 bytes;
} limits[] = {
	{"0", 0},
	{"00", 0},
	{"1", 1},
	{"4096", 4096},
	{" 4096\n", 4096},
	{"\t\v\f\r4096 ", 4096},
	{"010", 8},
	{"0x10", 16},
	{"0XfF", 255},
	{"010K", 8192},
	{"0x10k", 16384},
	{"1k", 1ul << 10},
	{"1M", 1ul << 20},
	{"1g", 1ul << 30},
	{"1T", 1ul << 40},
	{"1p", 1ul << 50},
	{"1E", 1ul << 60},
	{"9223372036854771711", 9223372036854771711ul},
	{"9223372036854771712", UINT64_MAX},
	{"18446744073709551615", UINT64_MAX},
	{"8E", UINT64_MAX},
	{"max", UINT64_MAX},
	{"\n max\t", UINT64_MAX},
};

static void test_limits(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		u64 bytes = UNTOUCHED;

		assert_int_equal(parse_limit(limits[i].text, strlen(limits[i].text), &bytes), 0);
		assert_int_equal(bytes, limits[i].bytes);
	}
}

/* Every byte behind a number is junk, save suffixes, blanks and digits. */
static void test_every_byte_behind(void **state)
{
	char text[] = "12?";
	unsigned c;

	(void)state;
	for (c = 0; c < 256; c++) {
		bool good = c && strchr("KMGTPEkmgtpe0123456789 \t\n\v\f\r", (int)c);
		u64 bytes = UNTOUCHED;

		text[2] = (char)c;
		assert_int_equal(parse_limit(text, 3, &bytes), good ? 0 : -EINVAL);
		assert_int_equal(bytes == UNTOUCHED, !good);
	}
}

/* It ends where its length says, whatever stands behind. */
static void test_length(void **state)
{
	u64 bytes = UNTOUCHED;

	(void)state;
	assert_int_equal(parse_limit("12K", 2, &bytes), 0);
	assert_int_equal(bytes, 12);
	assert_int_equal(parse_limit("0x10", 2, &bytes), -EINVAL);
	assert_int_equal(parse_limit("0x10", 1, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(parse_limit("maxi", 3, &bytes), 0);
	assert_int_equal(parse_limit("max", 2, &bytes), -EINVAL);
}

static void test_reclaim(void **state)
{
	static const struct {
		const char *text;
		int answer;
		u64 bytes;
	} text[] = {
		{"4096", 0, 4096},
		{"64K swappiness=60", 0, 65536},
		{"64 swappiness=60", 0, 64},
		{" 0x10  swappiness=0 \t swappiness=200\n", 0, 16},
		{"1M swappiness=max", 0, 1 << 20},
		{"1M swappiness=0x10", 0, 1 << 20},
		{"1Mswappiness=1", 0, 1 << 20}, /* as the kernel has it */
		{"max", -EINVAL, 0},
		{"1M swappiness=201", -EINVAL, 0},
		{"1M swappiness=-1", -EINVAL, 0},
		{"1M swappiness =1", -EINVAL, 0},
		{"1M 1M", -EINVAL, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		u64 bytes = UNTOUCHED;

		assert_int_equal(parse_reclaim(text[i].text, strlen(text[i].text), &bytes),
				 text[i].answer);
		assert_int_equal(bytes, text[i].answer ? UNTOUCHED : text[i].bytes);
	}
}

static void test_counts(void **state)
{
	u32 n = UNTOUCHED;

	(void)state;
	assert_int_equal(parse_count("-0", 2, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(parse_count("+7", 2, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(parse_count("2147483647", 10, &n), 0);
	assert_int_equal(n, INT32_MAX);
	n = UNTOUCHED;
	assert_int_equal(parse_count("2147483648", 10, &n), -ERANGE);
	assert_int_equal(parse_count("-2147483648", 11, &n), -ERANGE);
	assert_int_equal(parse_count("-2147483649", 11, &n), -ERANGE);
	assert_int_equal(n, UNTOUCHED);
	assert_int_equal(parse_count("max", 3, &n), 0);
	assert_int_equal(n, INT32_MAX);
}

static void test_switches(void **state)
{
	bool on = true;

	(void)state;
	assert_int_equal(parse_switch("0", 1, &on), 0);
	assert_false(on);
	assert_int_equal(parse_switch("2", 1, &on), -EINVAL);
	assert_int_equal(parse_switch("-1", 2, &on), -EINVAL);
	assert_false(on);
	assert_int_equal(parse_switch("0x1", 3, &on), 0);
	assert_true(on);
}

static void test_words(void **state)
{
	const char *text = "  one two\tthree\n", *word;
	size_t len = strlen(text), n;

	(void)state;
	assert_true(parse_word(&text, &len, &word, &n));
	assert_int_equal(n, 3);
	assert_memory_equal(word, "one", 3);
	assert_true(parse_word(&text, &len, &word, &n));
	assert_memory_equal(word, "two", 3);
	assert_true(parse_word(&text, &len, &word, &n));
	assert_int_equal(n, 5);
	assert_false(parse_word(&text, &len, &word, &n));
	assert_false(parse_word(&text, &len, &word, &n));
	assert_true(parse_is(" one\n", 5, "one"));
	assert_false(parse_is("one two", 7, "one"));
	assert_false(parse_is("on", 2, "one"));
}

/* Settings are decimal: a variable "010" was ten. */
static void test_settings(void **state)
{
	u64 bytes = UNTOUCHED;

	(void)state;
	assert_int_equal(size_parse("010K", 4, &bytes), 0);
	assert_int_equal(bytes, 10240);
	assert_int_equal(size_parse("0x10", 4, &bytes), -EINVAL);
	assert_int_equal(size_parse(" max ", 5, &bytes), 0);
	assert_int_equal(bytes, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits), cmocka_unit_test(test_every_byte_behind),
		cmocka_unit_test(test_length), cmocka_unit_test(test_reclaim),
		cmocka_unit_test(test_counts), cmocka_unit_test(test_switches),
		cmocka_unit_test(test_words),  cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
