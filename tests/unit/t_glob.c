/* t_glob - patterns of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../preload/glob.c"

static void matches(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} rows[] = {
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"abcd", "abc", false},
		{"*", "", true},
		{"*", "anything", true},
		{"**", "", true},
		{"bio_*", "bio_close_file", true},
		{"bio_*", "bio_", true},
		{"bio_*", "xbio_", false},
		{"*.so.*", "libssl.so.3", true},
		{"*.so.*", "libssl.so", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-b-b-c-", false},
		{"a*bc", "abbc", true},
		{"*aab", "aaaab", true},
		{"?", "", false},
		{"?", "x", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"io-[0-9]", "io-7", true},
		{"io-[0-9]", "io-x", false},
		{"io-[!0-9]", "io-x", true},
		{"io-[!0-9]", "io-7", false},
		{"io-[!0-9]", "io-", false},
		{"[abc]*", "cde", true},
		{"[abc]*", "dce", false},
		{"[]]", "]", true},
		{"[!]]", "]", false},
		{"[!]]", "a", true},
		{"[a-]", "-", true},
		{"[", "[", true},
		{"[!", "[!", true},
		{"[a", "[a", true},
		{"[a", "a", false},
		{"*[0-9]x", "a1b2x", true},
		{"caf\xc3\xa9", "caf\xc3\xa9", true},
		{"[\xc3-\xc4]*", "\xc3\xa9", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (glob_match(rows[i].pattern, rows[i].name) != rows[i].match)
			fail_msg("'%s' against '%s'", rows[i].pattern, rows[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(matches)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
