/*
 * t_bad_input.c - every file that can be written, and everything that must not be taken: the
 * kernel's answer, and no file of the group has changed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <memcg.h>

#include "ctl/file.h"

static struct memcg *cg;

/* ---- files: what they take, and what stands in them meanwhile ---- */

enum form { LIMIT, RECLAIM, COUNT, FLAG, TYPE, CONTROL, FAIL, TRIGGER, ANYTHING, FORMS };

static const struct {
	const char *file;
	enum form form;
	const char *before; /* not what a new group has, where that can be */
} forms[] = {
	{"memory.min", LIMIT, "12288"},
	{"memory.low", LIMIT, "12288"},
	{"memory.high", LIMIT, "12288"},
	{"memory.max", LIMIT, "12288"},
	{"memory.swap.high", LIMIT, "12288"},
	{"memory.swap.max", LIMIT, "12288"},
	{"memory.zswap.max", LIMIT, "12288"},
	{"memory.reclaim", RECLAIM, NULL},
	{"memory.oom.group", FLAG, "1"},
	{"memory.zswap.writeback", FLAG, "0"},
	{"memory.accounting", FLAG, NULL},
	{"memory.move_charge_at_immigrate", COUNT, "1"},
	{"memory.balloon", LIMIT, NULL},
	{"memory.pressure", TRIGGER, NULL},
	{"memory.fail", FAIL, "nth=1000 seed=7"},
	{"memory.peak", ANYTHING, NULL},
	{"memory.swap.peak", ANYTHING, NULL},
	{"cgroup.type", TYPE, NULL},
	{"cgroup.subtree_control", CONTROL, NULL},
	{"cgroup.max.descendants", COUNT, "5"},
	{"cgroup.max.depth", COUNT, "5"},
};

static enum form form_of(const char *file)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(forms); i++)
		if (!strcmp(forms[i].file, file))
			return forms[i].form;
	fail_msg("%s can be written and is not in the table of this test", file);
	return FORMS;
}

/* The switch of accounting is the root's, and so is the balloon. */
static struct memcg *group_of(const char *file)
{
	return strcmp(file, "memory.accounting") && strcmp(file, "memory.balloon") ? cg
										   : memcg_root();
}

/* ---- texts ---- */

#define MEGABYTE (1u << 20)
static char nines[MEGABYTE], blanks[MEGABYTE], junk[MEGABYTE];

struct bad {
	const char *text;
	size_t len;
	int answer[FORMS];
};

#define TEXT(s) (s), sizeof(s) - 1
/* In the order of enum form. */
#define INV -EINVAL
#define ALL(e)                                              \
	{                                                   \
		(e), (e), (e), (e), (e), (e), (e), (e), (e) \
	}
#define INVALID                                           \
	{                                                 \
		INV, INV, INV, INV, INV, INV, INV, INV, 0 \
	}
#define OVER                                                      \
	{                                                         \
		INV, INV, -ERANGE, -ERANGE, INV, INV, INV, INV, 0 \
	}
#define NEGATIVE                                              \
	{                                                     \
		INV, INV, -ERANGE, INV, INV, INV, INV, INV, 0 \
	}
#define BLANK                                           \
	{                                               \
		INV, INV, INV, INV, INV, 0, INV, INV, 0 \
	}

static const struct bad bad[] = {
	/* nothing */
	{TEXT(""), ALL(-EINVAL)},
	{TEXT(" "), BLANK},
	{TEXT("\n"), BLANK},
	{TEXT(" \t\r\v\f\n"), BLANK},
	/* huge */
	{TEXT("18446744073709551616"), OVER},
	{TEXT("99999999999999999999999"), OVER},
	{TEXT("0xfffffffffffffffff"), OVER},
	{TEXT("16E"), INVALID},
	{TEXT("16384P"), INVALID},
	{TEXT("18014398509481984K"), INVALID},
	/* negative */
	{TEXT("-1"), NEGATIVE},
	{TEXT("-4096"), NEGATIVE},
	{TEXT("-99999999999999999999999"), OVER},
	{TEXT("-1K"), INVALID},
	/* signs that are none */
	{TEXT("--1"), INVALID},
	{TEXT("-+1"), INVALID},
	{TEXT("+-1"), INVALID},
	{TEXT("- 1"), INVALID},
	{TEXT("-"), INVALID},
	{TEXT("+"), INVALID},
	/* fractions */
	{TEXT("1.5M"), INVALID},
	{TEXT("0.5"), INVALID},
	{TEXT("1e6"), INVALID},
	{TEXT(".5"), INVALID},
	{TEXT("1,000"), INVALID},
	/* no numbers */
	{TEXT("K"), INVALID},
	{TEXT("ten"), INVALID},
	{TEXT("ma"), INVALID},
	{TEXT("MAX"), INVALID},
	{TEXT("maximum"), INVALID},
	{TEXT("max max"), INVALID},
	{TEXT("0x"), INVALID},
	{TEXT("xff"), INVALID},
	{TEXT("\xff\xfe"), INVALID},
	{TEXT("thread"), INVALID},
	{TEXT("threaded domain"), INVALID},
	{TEXT("memory"), INVALID},
	{TEXT("+memor"), INVALID},
	{TEXT("+memory +cpu"), INVALID},
	{TEXT("+ memory"), INVALID},
	/* trailing junk */
	{TEXT("1xx"), INVALID},
	{TEXT("1 K"), INVALID},
	{TEXT("1KK"), INVALID},
	{TEXT("1Kb"), INVALID},
	{TEXT("1Z"), INVALID},
	{TEXT("4096 4096"), INVALID},
	{TEXT("4096;"), INVALID},
	{TEXT("09"), INVALID}, /* base 8 */
	{TEXT("0xfz"), INVALID},
	/* options of memory.reclaim */
	{TEXT("4096 swappiness=201"), INVALID},
	{TEXT("4096 swappiness=-1"), INVALID},
	{TEXT("4096 swappiness="), INVALID},
	{TEXT("4096 swappiness=maxx"), INVALID},
	{TEXT("4096 swappiness=10 x"), INVALID},
	{TEXT("swappiness=10"), INVALID},
	/* rules of memory.fail */
	{TEXT("nth="), INVALID},
	{TEXT("nth=1.5"), INVALID},
	{TEXT("nth=-1"), INVALID},
	{TEXT("nth=18446744073709551616"), INVALID},
	{TEXT("nth=1 off"), INVALID},
	{TEXT("nth =1"), INVALID},
	{TEXT("nth=1:every=2"), INVALID},
	{TEXT("p=10"), INVALID},
	{TEXT("p=1000001ppm"), INVALID},
	{TEXT("seed=0x7"), INVALID},
	{TEXT("seed=000000000000000000000000000000000000007"), INVALID},
	{TEXT("offf"), INVALID},
	/* triggers of memory.pressure */
	{TEXT("some"), INVALID},
	{TEXT("some 1000"), INVALID},
	{TEXT("some 0 1000000"), INVALID},
	{TEXT("some 1000001 1000000"), INVALID},
	{TEXT("some 1000 499999"), INVALID},
	{TEXT("some 1000 10000001"), INVALID},
	{TEXT("some 1000 1000000 1"), INVALID},
	{TEXT("some -1 1000000"), INVALID},
	{TEXT("some 1K 1000000"), INVALID},
	{TEXT("some 0x1 1000000"), INVALID},
	{TEXT("some 18446744073709551616 1000000"), INVALID},
	{TEXT("none 1000 1000000"), INVALID},
	{TEXT("some1000 1000000"), INVALID},
	/* NULs */
	{TEXT("4096\0"), ALL(-EINVAL)},
	{TEXT("1\0"), ALL(-EINVAL)},
	{TEXT("40\0"
	      "96"),
	 ALL(-EINVAL)},
	{TEXT("\0"), ALL(-EINVAL)},
	{TEXT("threaded\0"), ALL(-EINVAL)},
	{TEXT("+memory\0"), ALL(-EINVAL)},
	/* a megabyte, and the first that is too long */
	{nines, MEGABYTE, ALL(-E2BIG)},
	{blanks, MEGABYTE, ALL(-E2BIG)},
	{junk, MEGABYTE, ALL(-E2BIG)},
	{blanks, FILE_WRITE_MAX + 1, ALL(-E2BIG)},
	{nines, FILE_WRITE_MAX, OVER},
	{junk, FILE_WRITE_MAX, INVALID},
};

/* Forms where a text of the table that is about another is none of theirs to refuse. */
static const struct bad just_one_form[] = {
	{TEXT("2"), {[FLAG] = -EINVAL}},
	{TEXT("max"), {[FLAG] = -EINVAL, [RECLAIM] = -EINVAL}},
	{TEXT("2147483648"), {[COUNT] = -ERANGE, [FLAG] = -ERANGE}},
	{TEXT("1K"), {[COUNT] = -EINVAL, [FLAG] = -EINVAL}},
	{TEXT("+1"), {[LIMIT] = -EINVAL, [RECLAIM] = -EINVAL}},
	{TEXT("domain"), {[TYPE] = -EINVAL}},
	{TEXT("threaded"), {[TYPE] = -EOPNOTSUPP}},
	{TEXT("-memory"), {[CONTROL] = -EBUSY}},
};

/* ---- all of it ---- */

static int make_group(void **state)
{
	size_t i;

	(void)state;
	memset(nines, '9', sizeof(nines));
	memset(blanks, ' ', sizeof(blanks));
	memset(junk, 'x', sizeof(junk));
	cg = memcg_create(NULL, "bad");
	memcg_uncharge(memcg_charge(cg, 12345));
	for (i = 0; i < ARRAY_SIZE(forms); i++)
		if (forms[i].before)
			assert_int_equal(memcg_write(cg, forms[i].file, forms[i].before,
						     strlen(forms[i].before)),
					 0);
	return 0;
}

static int drop_group(void **state)
{
	(void)state;
	return memcg_destroy(cg);
}

/* Every file of the group, one after the other. */
static const char *all_files(char *buf, size_t size)
{
	size_t i, at = 0;

	for (i = 0; i < file_count; i++)
		if (file_table[i].show) {
			ssize_t n = memcg_read(cg, file_table[i].name, buf + at, size - at);

			assert_true(n >= 0);
			at += (size_t)n;
		}
	return buf;
}

static void refuses(const char *file, const struct bad *b, int answer)
{
	static char before[32768], after[32768];

	all_files(before, sizeof(before));
	if (memcg_write(group_of(file), file, b->text, b->len) != answer)
		fail_msg("%s: \"%.*s\" (%zu bytes) is not answered with %d", file,
			 (int)(b->len < 40 ? b->len : 40), b->text, b->len, answer);
	assert_string_equal(all_files(after, sizeof(after)), before);
}

static void test_every_file_and_every_text(void **state)
{
	size_t f, i;

	(void)state;
	for (f = 0; f < file_count; f++) {
		enum form form;

		if (!file_table[f].store)
			continue;
		form = form_of(file_table[f].name);
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			refuses(file_table[f].name, &bad[i], bad[i].answer[form]);
		for (i = 0; i < ARRAY_SIZE(just_one_form); i++)
			if (just_one_form[i].answer[form])
				refuses(file_table[f].name, &just_one_form[i],
					just_one_form[i].answer[form]);
	}
}

static void test_no_text(void **state)
{
	size_t f;

	(void)state;
	for (f = 0; f < file_count; f++)
		if (file_table[f].store)
			refuses(file_table[f].name, &(struct bad){NULL, 4, ALL(0)}, -EINVAL);
}

/* What is refused above is refused for what it says, not for how long or padded it is. */
static void test_the_longest_text(void **state)
{
	char text[FILE_WRITE_MAX], now[32];

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text + sizeof(text) / 2, "8192", 4);
	assert_int_equal(memcg_write(cg, "memory.max", text, sizeof(text)), 0);
	assert_int_equal(memcg_read(cg, "memory.max", now, sizeof(now)), 5);
	assert_string_equal(now, "8192\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_file_and_every_text, make_group,
						drop_group),
		cmocka_unit_test_setup_teardown(test_no_text, make_group, drop_group),
		cmocka_unit_test_setup_teardown(test_the_longest_text, make_group, drop_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
