/* file_limit.c - limits, and the two switches beside them. */
#include <errno.h>

#include "ctl/files.h"
#include "ctl/parse.h"
#include "group/stuck.h"

static int show_limit(struct memcg *cg, unsigned which, struct text *t)
{
	u64 bytes;
	int err = memcg_get_limit(cg, which, &bytes);

	if (!err)
		text_limit(t, bytes);
	return err;
}

static int store_limit(struct memcg *cg, unsigned which, const char *buf, size_t len)
{
	u64 bytes;

	if (parse_limit(buf, len, &bytes) < 0)
		return -EINVAL;
	return memcg_set_limit(cg, which, bytes);
}

#define LIMIT_FILE(name, which)                                         \
	int show_##name(struct memcg *cg, struct text *t)               \
	{                                                               \
		return show_limit(cg, which, t);                        \
	}                                                               \
	int store_##name(struct memcg *cg, const char *buf, size_t len) \
	{                                                               \
		return store_limit(cg, which, buf, len);                \
	}

LIMIT_FILE(min, MEMCG_MIN)
LIMIT_FILE(low, MEMCG_LOW)
LIMIT_FILE(high, MEMCG_HIGH)
LIMIT_FILE(max, MEMCG_MAX)
LIMIT_FILE(swap_high, MEMCG_SWAP_HIGH)
LIMIT_FILE(swap_max, MEMCG_SWAP_MAX)
LIMIT_FILE(zswap_max, MEMCG_ZSWAP_MAX)

int show_zswap_writeback(struct memcg *cg, struct text *t)
{
	text_number(t, !atomic_load(&cg->no_zswap_writeback));
	return 0;
}

int store_zswap_writeback(struct memcg *cg, const char *buf, size_t len)
{
	bool on;
	int err = parse_switch(buf, len, &on);

	if (!err)
		atomic_store(&cg->no_zswap_writeback, (u8)!on);
	stuck_over();
	return err;
}

int show_oom_group(struct memcg *cg, struct text *t)
{
	text_number(t, atomic_load(&cg->oom_group));
	return 0;
}

int store_oom_group(struct memcg *cg, const char *buf, size_t len)
{
	bool on;
	int err = parse_switch(buf, len, &on);

	if (!err)
		atomic_store(&cg->oom_group, (u8)on);
	return err;
}
