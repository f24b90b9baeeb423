/*
 * files.c - libFuzzer: whatever is written to the files of groups, through names and through
 * readers. `make fuzz SECONDS=600`.
 *
 * An input is a list of operations: a byte that says which file of which group, by which way; a
 * byte for the length of the text; the text. After each one:
 *   - what was refused has changed nothing: the file reads as before;
 *   - the answer is one that file.h knows;
 *   - parsers see exactly their text, in memory of its own, so that a byte too far is found.
 * At the end limits go, and the groups must be empty.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <memcg.h>

#include "check.h"
#include "ctl/file.h"
#include "ctl/parse.h"

static struct memcg *group[3]; /* the root, a group, one below it */
static const struct file *writable[64];
static unsigned writable_nr;
static struct memcg_ctl *reader[3][64];

static void bring_up(void)
{
	size_t i, g;

	group[0] = memcg_root();
	group[1] = memcg_create(NULL, "fuzz");
	group[2] = memcg_create(group[1], "below");
	CHECK(group[1] && group[2]);
	for (i = 0; i < file_count; i++)
		if (file_table[i].store)
			writable[writable_nr++] = &file_table[i];
	for (g = 0; g < 3; g++)
		for (i = 0; i < writable_nr; i++)
			reader[g][i] = memcg_ctl_open(group[g], writable[i]->name);
}

/* Time changes pressure whoever reads it. */
static bool comparable(const struct file *f)
{
	return f->show && strcmp(f->name, "memory.pressure");
}

static ssize_t read_one(struct memcg *cg, const struct file *f, char *buf, size_t size)
{
	memset(buf, 0, size);
	return comparable(f) ? memcg_read(cg, f->name, buf, size) : 0;
}

static bool known(int answer)
{
	switch (answer) {
	case 0:
	case -EINVAL:
	case -ERANGE:
	case -EACCES:
	case -ENOENT:
	case -EAGAIN:
	case -EBUSY:
	case -EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

static void write_one(unsigned g, unsigned f, bool by_reader, const char *text, size_t len)
{
	char before[512], after[512];
	ssize_t had = read_one(group[g], writable[f], before, sizeof(before)), has;
	int answer;

	if (by_reader && reader[g][f])
		answer = memcg_ctl_write(reader[g][f], text, len);
	else
		answer = memcg_write(group[g], writable[f]->name, text, len);
	CHECK(known(answer));
	has = read_one(group[g], writable[f], after, sizeof(after));
	CHECK(has >= 0 || has == -ENOENT);
	if (answer && answer != -EAGAIN)
		CHECK(had == has && !memcmp(before, after, sizeof(before)));
	if (by_reader && reader[g][f])
		CHECK(memcg_ctl_read(reader[g][f], after, sizeof(after)) > 0 || !writable[f]->show);
}

/* What the files of today do not reach, and the answers that parsers give to each other's text. */
static void parse_one(const char *text, size_t len)
{
	struct parsed_trigger trigger;
	u64 limit = 99, size = 99, reclaim = 99;
	u32 count = 99;
	bool on;

	/* They agree, but for base 8 and 16 and for what no counter holds. */
	if (!parse_limit(text, len, &limit) && !size_parse(text, len, &size))
		CHECK(limit == size || limit == UINT64_MAX || memchr(text, '0', len));
	if (parse_count(text, len, &count))
		CHECK(count == 99);
	else
		CHECK(count <= INT32_MAX);
	if (parse_reclaim(text, len, &reclaim))
		CHECK(reclaim == 99);
	if (!parse_switch(text, len, &on))
		CHECK(!parse_count(text, len, &count) && count <= 1);
	(void)parse_trigger(text, len, &trigger);
}

/* The text alone, in memory that ends with it. */
static char *copy_of(const uint8_t *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	CHECK(copy);
	memcpy(copy, text, len);
	return copy;
}

static void one(uint8_t which, uint8_t way, const uint8_t *text, size_t len)
{
	char *copy = copy_of(text, len);

	parse_one(copy, len);
	write_one(way % 3, which % writable_nr, way & 4, copy, len);
	if (way & 8)
		memcg_uncharge(memcg_charge(group[2], (size_t)(way >> 4) * 1000 + 1));
	free(copy);
}

static void put_back(void)
{
	unsigned g, which;

	for (g = 0; g < 3; g++) {
		CHECK(!memcg_write(group[g], "memory.fail", "off", 3));
		for (which = MEMCG_MIN; which <= MEMCG_ZSWAP_MAX; which++)
			CHECK(!memcg_set_limit(group[g], which,
					       which <= MEMCG_LOW ? 0 : MEMCG_UNLIMITED));
	}
	CHECK(!memcg_write(group[0], "memory.accounting", "1", 1));
	CHECK(memcg_current(group[1]) == memcg_slack(group[1]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!writable_nr)
		bring_up();
	while (size >= 3) {
		size_t len = data[2] < size - 3 ? data[2] : size - 3;

		one(data[0], data[1], data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	put_back();
	return 0;
}
