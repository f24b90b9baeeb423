/*
 * recount.c - the walk over this process: memory is read where it is. What lies in the region may
 * become a guard that moment, when others allocate meanwhile, so the system is asked to read it.
 */
#include "ctl/recount.h"

#include <string.h>

#include "alloc/external.h"
#include "alloc/maps.h"
#include "group/tally.h"
#include "sys/map.h"

static bool read_here(void *arg, u64 from, void *to, size_t n)
{
	(void)arg;
	if (region_has((const void *)from))
		return sys_peek((const void *)from, to, n);
	memcpy(to, (const void *)from, n);
	return true;
}

static void extra_one(u32 handle, u64 bytes, unsigned stat_item, void *arg)
{
	walk_extra(arg, handle, bytes, stat_item);
}

static bool extra_here(struct walk *w, void *arg)
{
	(void)arg;
	external_each(extra_one, w);
	maps_each(extra_one, w);
	return true;
}

void recount_env(struct walk_env *env)
{
	*env = (struct walk_env){
		.read = read_here,
		.map = sys_map,
		.unmap = sys_unmap,
		.extra = extra_here,
		.handles = handle_count(),
		.folded = true,
		.external = tally_sum(TALLY_EXTERNAL, NULL) - (s64)stock_hand_sum(NULL),
		.sock = tally_sum(TALLY_SOCK, NULL),
		.large = tally_sum(TALLY_LARGE, NULL),
		.kept = page_cached_more ? page_cached_more() : 0,
	};
	stat_fold_all();
}

int recount(struct recount_result *result, void (*say)(void *arg, const char *line), void *arg)
{
	struct walk_env env;
	struct walk w;
	int err;

	recount_env(&env);
	env.say = say;
	env.say_arg = arg;
	err = walk_open(&w, &env, &memcg__layout);
	if (!err)
		err = walk_tree(&w);
	if (!err)
		err = walk_recount(&w);
	*result = w.sum;
	walk_close(&w);
	return err;
}
