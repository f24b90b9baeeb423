/* group_file_fixture.h - one group, and its files as text. */
#ifndef MEMCG_TESTS_GROUP_FILE_FIXTURE_H
#define MEMCG_TESTS_GROUP_FILE_FIXTURE_H

#include "group_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/file.h"
#include "reclaim/charge.h"

static struct memcg *cg;

static inline int make_group(void **state)
{
	(void)state;
	cg = memcg_create(NULL, "files");
	return cg ? 0 : -1;
}

static inline int drop_group(void **state)
{
	int err = memcg_destroy(cg);

	(void)state;
	settle();
	return err;
}

static inline const char *get_of(struct memcg *of, const char *file)
{
	static char buf[4096];
	ssize_t n = memcg_read(of, file, buf, sizeof(buf));

	assert_int_equal(n, strlen(buf));
	return buf;
}

static inline void reads(const char *file, const char *text)
{
	assert_string_equal(get_of(cg, file), text);
}

static inline int put(const char *file, const char *text)
{
	return memcg_write(cg, file, text, strlen(text));
}

static inline void writes(const char *file, const char *text, const char *then)
{
	assert_int_equal(put(file, text), 0);
	reads(file, then);
}

static inline u64 value(const char *file, const char *key)
{
	const char *at = get_of(cg, file);
	size_t len = strlen(key);

	for (; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (!strncmp(at, key, len) && at[len] == ' ')
			return strtoull(at + len, NULL, 10);
	fail_msg("%s has no line %s", file, key);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_group, drop_group)

#endif
