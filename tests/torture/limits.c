/* limits.c - see limits.h. */
#include "limits.h"

#include <string.h>

#include "groups.h"
#include "item.h"

static u64 any_bytes(struct chance *c)
{
	static const u64 odd[] = {0, 4096, MEMCG_UNLIMITED, MEMCG_UNLIMITED - 1, 65536, 1};

	return one_in(c, 3) ? odd[below(c, ARRAY_SIZE(odd))] : below(c, 8 * MIB);
}

/* A high that is passed by far costs 2 s for each memcg_leave: it stands for an instant only. */
void limits_set(struct chance *c)
{
	static const unsigned which[] = {MEMCG_MIN, MEMCG_LOW, MEMCG_MAX, MEMCG_MIN,
					 MEMCG_LOW, MEMCG_MAX, MEMCG_HIGH};
	unsigned limit = which[below(c, ARRAY_SIZE(which))];
	struct memcg *cg = group_random(c);
	bool lift = limit == MEMCG_HIGH || one_in(c, 4);

	if (cg == top && limit == MEMCG_MAX) {
		memcg_set_limit(cg, MEMCG_MAX, one_in(c, 2) ? opt.top_max : opt.top_max / 2);
		lift = false;
	} else {
		memcg_set_limit(cg, limit, any_bytes(c));
	}
	if (lift)
		memcg_set_limit(cg, limit, limit < MEMCG_HIGH ? 0 : MEMCG_UNLIMITED);
	memcg_put(cg);
}

static void put_file(struct memcg *cg, const char *file, const char *text)
{
	int err = memcg_write(cg, file, text, strlen(text));

	EXPECT(err == 0 || !memcg_online(cg), "writing %s to %s: %d", text, file, err);
}

void limits_refuse(struct chance *c)
{
	static const char *const rule[] = {"every=7", "p=20000ppm seed=5", "nth=3", "off", "off"};
	struct memcg *cg = group_random(c);

	if (cg != top)
		put_file(cg, "memory.fail", rule[below(c, ARRAY_SIZE(rule))]);
	memcg_put(cg);
}

void limits_reclaim(struct chance *c)
{
	struct memcg *cg = group_random(c);

	if (one_in(c, 2))
		memcg_reclaim(cg, any_bytes(c));
	else
		memcg_write(cg, "memory.reclaim", "64K swappiness=0", 16);
	memcg_put(cg);
}

void limits_shape(struct chance *c)
{
	const char *file = one_in(c, 2) ? "cgroup.max.descendants" : "cgroup.max.depth";
	struct memcg *cg = group_random(c);

	if (cg != top)
		put_file(cg, file, one_in(c, 2) ? "2" : "max");
	memcg_put(cg);
}

void limits_reclaimer(struct chance *c)
{
	if (one_in(c, 2))
		memcg_reclaimer_start();
	else
		memcg_reclaimer_stop();
}

/* One round in eight has it at all: while it does nobody can tell what should be charged. */
void limits_account(struct chance *c)
{
	unsigned n = 1 + (unsigned)below(c, 40);

	items_note_switch();
	put_file(memcg_root(), "memory.accounting", "0");
	while (n--)
		item_pass_on(item_any(c), c);
	put_file(memcg_root(), "memory.accounting", "1");
}

void limits_balloon(struct chance *c)
{
	put_file(memcg_root(), "memory.balloon", one_in(c, 2) ? "4M" : "300K");
	item_pass_on(item_any(c), c);
	put_file(memcg_root(), "memory.balloon", "0");
}

void limits_quiet(void)
{
	put_file(memcg_root(), "memory.balloon", "0");
	memcg_reclaimer_stop();
	put_file(memcg_root(), "memory.accounting", "1");
}
