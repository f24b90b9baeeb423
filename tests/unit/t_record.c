/* t_record.c - what a group has only once something happened to it: made by the first charge. */
#include "alloc_fixture.h"

#include <errno.h>

#include "group/record.h"
#include "reclaim/charge.h"

/* Six lines, with a name such as tenants have. */
_Static_assert(offsetof(struct memcg, name) + sizeof("tenant-0123456789-worker") <= 6 * CACHELINE,
	       "what every group has has grown: does it belong into the record?");

static u64 value(struct memcg *g, const char *file)
{
	char text[64];

	CHECK(memcg_read(g, file, text, sizeof(text)) > 0);
	return strcmp(text, "max\n") ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* Asked about, it is a group that nothing happened to, and goes on being one. */
static void an_idle_group_has_none(void)
{
	struct memcg_stat s;
	struct memcg *g;
	char text[4096];

	set_up();
	CHECK((g = memcg_create(cg, "idle")));
	CHECK(value(g, "memory.swap.max") == UINT64_MAX &&
	      value(g, "memory.swap.high") == UINT64_MAX);
	CHECK(value(g, "memory.zswap.max") == UINT64_MAX);
	CHECK(value(g, "cgroup.max.depth") == UINT64_MAX);
	CHECK(value(g, "cgroup.max.descendants") == UINT64_MAX);
	CHECK(memcg_read(g, "memory.events", text, sizeof(text)) > 0 && strstr(text, "max 0\n"));
	CHECK(memcg_read(g, "memory.pressure", text, sizeof(text)) > 0 && strstr(text, "total=0"));
	CHECK(!memcg_stat(g, &s, sizeof(s)) && !s.external && !s.charge_refused);
	CHECK(!memcg_set_limit(g, MEMCG_MAX, MIB) && !memcg_destroy(memcg_create(g, "below")));
	CHECK(!g->record);
}

static void the_first_charge_makes_it(void)
{
	struct memcg *mid, *low, *beside;

	set_up();
	CHECK((mid = memcg_create(cg, "mid")) && (low = memcg_create(mid, "low")));
	CHECK((beside = memcg_create(mid, "beside")));
	CHECK(charge_bytes(low->index, 100, 0));
	CHECK(low->record && mid->record && cg->record && root_group->record && !beside->record);
	uncharge_bytes(low->index, 100);
}

static void a_setting_makes_it(void)
{
	struct memcg *g;

	set_up();
	CHECK((g = memcg_create(cg, "g")) && !memcg_set_limit(g, MEMCG_SWAP_MAX, MIB));
	CHECK(g->record && value(g, "memory.swap.max") == MIB);
	CHECK(value(g, "memory.swap.high") == UINT64_MAX);
	CHECK((g = memcg_create(cg, "h")) && memcg_write(g, "cgroup.max.depth", "0", 1) == 0);
	CHECK(!memcg_create(g, "below") && errno == EAGAIN);
}

/* Refused, and nothing is counted that could not be told. */
static void without_memory(void)
{
	static struct memcg *group[2000];
	struct memcg_config config = MEMCG_CONFIG_INIT;
	unsigned charged = 0;
	char name[16];

	config.region = 64 * MIB;
	CHECK(!memcg_init(&config));
	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(group); i++) {
		snprintf(name, sizeof(name), "g%u", i);
		CHECK((group[i] = memcg_create(cg, name)));
	}
	while (block_alloc(0))
		;
	while (charged < ARRAY_SIZE(group) && charge_bytes(group[charged]->index, 10, 0))
		charged++;
	CHECK(charged < ARRAY_SIZE(group)); /* others found room beside what there were */
	CHECK(!group[charged]->record && !memcg_current(group[charged]));
	CHECK(memcg_set_limit(group[charged], MEMCG_SWAP_MAX, MIB) == -ENOMEM);
	CHECK(value(group[charged], "memory.swap.max") == UINT64_MAX);
	CHECK(memcg_write(group[charged], "cgroup.max.depth", "1", 1) == -ENOMEM);
	for (unsigned i = 0; i < charged; i++)
		uncharge_bytes(group[i]->index, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(an_idle_group_has_none),
		PAGE_TEST(the_first_charge_makes_it),
		PAGE_TEST(a_setting_makes_it),
		PAGE_TEST(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
