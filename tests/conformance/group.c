/* group.c - see group.h. */
#include "group.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "row.h"

#define STOCK_CAP   KIB(64) /* 16 pages: what the kernel calls the batch, which is 64 there */
#define STOCK_SLOTS 256u    /* 7 there */

struct memcg *group_make(struct memcg *parent, const char *name)
{
	struct memcg *cg = memcg_create(parent, name);

	if (!cg)
		row_fail(__FILE__, __LINE__, "memcg_create(%s): %s", name, strerror(errno));
	return cg;
}

void group_end(struct memcg *cg)
{
	EXPECT_IS(memcg_destroy(cg), ==, 0);
}

void file_write(struct memcg *cg, const char *file, const char *text)
{
	int err = memcg_write(cg, file, text, strlen(text));

	if (err)
		row_fail(__FILE__, __LINE__, "writing %s to %s: %s", text, file, strerror(-err));
}

void file_read(struct memcg *cg, const char *file, char *buf, size_t size)
{
	ssize_t n = memcg_read(cg, file, buf, size);

	if (n < 0)
		row_fail(__FILE__, __LINE__, "reading %s: %s", file, strerror((int)-n));
}

bool file_is(struct memcg *cg, const char *file, const char *text)
{
	char buf[256];

	file_read(cg, file, buf, sizeof(buf));
	return !strcmp(buf, text);
}

uint64_t file_number(struct memcg *cg, const char *file)
{
	char buf[64], *end;
	uint64_t n;

	file_read(cg, file, buf, sizeof(buf));
	n = strtoull(buf, &end, 10);
	if (end == buf || strcmp(end, "\n"))
		row_fail(__FILE__, __LINE__, "%s is no number: %s", file, buf);
	return n;
}

uint64_t file_key(struct memcg *cg, const char *file, const char *key)
{
	char buf[8192];
	size_t n = strlen(key);

	file_read(cg, file, buf, sizeof(buf));
	for (char *line = buf; line; line = strchr(line, '\n'), line += line != NULL)
		if (!strncmp(line, key, n) && line[n] == ' ')
			return strtoull(line + n + 1, NULL, 10);
	row_fail(__FILE__, __LINE__, "%s has no line %s", file, key);
}

uint64_t maxerr(unsigned groups)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	return (uint64_t)cpus * STOCK_CAP * (groups < STOCK_SLOTS ? groups : STOCK_SLOTS);
}
