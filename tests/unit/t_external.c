/* t_external.c - charges by hand: exact, surviving their group, returned once. */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

#include "alloc/external.h"
#include "group/tally.h"
#include "group/record.h"

static void charged_and_returned(void)
{
	struct memcg_charge *c, *d, *none;
	struct memcg_stat s;

	set_up();
	CHECK((c = memcg_charge(NULL, 12345)) && (d = memcg_charge(other, 1)));
	CHECK((none = memcg_charge(cg, 0)));
	CHECK(held(cg) == 12345 && held(other) == 1);
	CHECK(!memcg_stat(cg, &s, sizeof(s)) && s.external == 12345);
	closes();
	errno = 55;
	memcg_uncharge(c);
	memcg_uncharge(d);
	memcg_uncharge(none);
	memcg_uncharge(NULL);
	CHECK(errno == 55 && !held(cg) && !held(other));
	CHECK(!memcg_stat(cg, &s, sizeof(s)) && !s.external);
	closes();
}

static void refused_over_max(void)
{
	struct memcg_charge *c;

	set_up();
	CHECK(!memcg_set_limit(cg, MEMCG_MAX, 1 * MIB));
	errno = 0;
	CHECK(!memcg_charge(cg, MIB + 1) && errno == ENOMEM && !held(cg));
	CHECK((c = memcg_charge(cg, MIB)));
	errno = 0;
	CHECK(!memcg_charge(cg, 1) && errno == ENOMEM && held(cg) == MIB);
	memcg_uncharge(c);
	errno = 0;
	CHECK(!memcg_charge(other, SIZE_MAX) && errno == ENOMEM);
	CHECK(!memcg_charge(other, 1ul << 42) && !held(other)); /* more than a handle can hold */
	closes();
}

static void survives_its_group(void)
{
	struct memcg_charge *c;
	struct memcg *child;

	set_up();
	CHECK((child = memcg_create(cg, "c")) && (c = memcg_charge(child, 5000)));
	CHECK(held(child) == 5000 && !memcg_destroy(child) && held(cg) == 5000);
	closes();
	memcg_uncharge(c);
	CHECK(!held(cg));
	closes();
}

static void returned_twice(void)
{
	struct memcg_charge *c;
	u64 other_thing[8] = {0};

	set_up();
	CHECK((c = memcg_charge(cg, 100)));
	memcg_uncharge(c);
	EXPECT_BUG(memcg_uncharge(c), "returned before");
	EXPECT_BUG(memcg_uncharge((struct memcg_charge *)other_thing), "not a charge");
	CHECK(!held(cg));
}

/* No memory for the charge itself: nothing is charged; a refusal gives its memory back. */
static void without_memory(void)
{
	struct memcg_config config = MEMCG_CONFIG_INIT;
	u64 had;

	config.region = 64 * MIB;
	CHECK(!memcg_init(&config));
	set_up();
	CHECK(!memcg_set_limit(other, MEMCG_MAX, 4096) && memcg_charge(other, 4096));
	CHECK(!memcg_charge(other, 1)); /* the first one makes the group's memory.pressure */
	had = meta_bytes;
	for (int i = 0; i < 100000; i++)
		CHECK(!memcg_charge(other, 1));
	CHECK(meta_bytes == had);
	while (block_alloc(0))
		;
	errno = 0;
	for (int i = 0; i < 10000 && memcg_charge(cg, 0); i++)
		;
	CHECK(errno == ENOMEM && !memcg_charge(cg, 100) && !held(cg));
}

static void *charge_much(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		struct memcg_charge *c = memcg_charge(arg, 100 + i % 7);

		CHECK(c);
		memcg_uncharge(c);
	}
	return NULL;
}

static void three_threads(void)
{
	pthread_t thread[3];

	set_up();
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_create(&thread[i], NULL, charge_much, i ? cg : other));
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	CHECK(!held(cg) && !held(other));
	closes();
}

static void settle(void)
{
	stock_drain(NULL);
	while (rcu_pending())
		rcu_poll(true);
}

/* It names nobody: its group's handle goes with the group, and may be another's when it ends. */
static void nothing_charged(void)
{
	struct memcg_charge *c;
	struct memcg *next;
	u32 index;

	set_up();
	CHECK((c = memcg_charge(cg, 0)) && !c->handle);
	index = cg->handle->index;
	memcg_leave(NULL);
	CHECK(!memcg_destroy(cg));
	settle();
	CHECK(!group_dying(root_group) && (next = memcg_create(NULL, "next")));
	CHECK(next->handle->index == index && (cg = memcg_get(next)));
	CHECK(memcg_charge(cg, 5) && held(cg) == 5);
	memcg_uncharge(c);
	CHECK(held(cg) == 5);
	EXPECT_BUG(memcg_uncharge(c), "returned before");
	closes();
}

/* The bytes keep the handle; nothing else does. */
static void bytes_are_the_reference(void)
{
	struct memcg_charge *c[20];
	struct memcg *child;
	struct handle *h;

	set_up();
	CHECK((child = memcg_create(cg, "child")));
	h = child->handle;
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++)
		CHECK((c[i] = memcg_charge(child, 10)));
	CHECK(h->refs / HANDLE_PIN == 1 && handle_bytes(h) == memcg_current(child));
	CHECK(!memcg_destroy(child));
	settle();
	CHECK(h->refs == 200 && group_dying(root_group) == 1);
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++)
		memcg_uncharge(c[i]);
	settle();
	CHECK(!h->refs && !group_dying(root_group) && !held(cg));
	closes();
}

/* ---- ahead, and not ---- */

/* The first charges of a group are made to the byte; who goes on charging it gets a batch. */
static void ahead_for_the_hot(void)
{
	struct memcg_charge *c[CHARGE_HOT];
	u64 now;

	set_up();
	for (unsigned i = 0; i < CHARGE_HOT; i++) {
		CHECK((c[i] = memcg_charge(cg, 100)));
		CHECK(memcg_current(cg) == 100 * (i + 1) && !memcg_slack(cg));
	}
	memcg_uncharge(c[0]); /* hot by now: it is parked */
	CHECK(memcg_current(cg) == 100 * CHARGE_HOT && memcg_slack(cg) == 100);
	CHECK(memcg_charge(cg, 200));
	now = memcg_current(cg);
	CHECK(memcg_slack(cg) >= PAGE_SIZE && now == memcg_slack(cg) + 100 * CHARGE_HOT + 100);
	for (unsigned i = 0; i < 10; i++)
		memcg_uncharge(memcg_charge(cg, 1000));
	CHECK(memcg_current(cg) == now);
	memcg_uncharge(memcg_charge(other, 100));
	CHECK(!memcg_current(other));
	CHECK(memcg_charge(cg, STOCK_CAP_MAX) && memcg_current(cg) == now + STOCK_CAP_MAX);
	closes();
}

/* ---- records ---- */

static u64 pages(void)
{
	const struct charge_page *page = external_pages;
	u64 n = 0;

	for (; page; page = page->next)
		n++;
	return n;
}

/* Others return what one makes: records go round, and no more are made. */
static struct memcg_charge *made[1000];

static void *return_all(void *arg)
{
	for (unsigned i = 0; i < ARRAY_SIZE(made); i++)
		memcg_uncharge(made[i]);
	return arg;
}

static void records_go_round(void)
{
	pthread_t thread;
	u64 had = 0;

	set_up();
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(made); i++)
			CHECK((made[i] = memcg_charge(cg, i)));
		CHECK(!pthread_create(&thread, NULL, return_all, NULL));
		CHECK(!pthread_join(thread, NULL));
		CHECK(!had || pages() == had);
		had = pages();
	}
	CHECK(!held(cg));
	closes();
}

static void *return_one(void *arg)
{
	memcg_uncharge(arg);
	return NULL;
}

static void returned_by_another_thread(void)
{
	struct memcg_charge *c;
	pthread_t thread;

	set_up();
	CHECK((c = memcg_charge(cg, 5000)));
	CHECK(!pthread_create(&thread, NULL, return_one, c) && !pthread_join(thread, NULL));
	CHECK(!held(cg));
	EXPECT_BUG(memcg_uncharge(c), "returned before");
	closes();
}

/* A thread that has no record of its own yet, or any more. */
static void without_a_thread(void)
{
	struct task *self;
	struct memcg_charge *c;

	set_up();
	CHECK((c = memcg_charge(cg, 5000)));
	self = memcg__self;
	memcg__self = (struct task *)calloc(1, sizeof(struct thread)); /* tid 0 */
	memcg_uncharge(c);
	free(memcg__self);
	memcg__self = self;
	CHECK(!held(cg));
	closes();
}

/* ---- the line of memory.stat ---- */

static u64 line(struct memcg *g)
{
	struct memcg_stat s;

	CHECK(!memcg_stat(g, &s, sizeof(s)));
	return s.external;
}

/* Counted per CPU: told exactly without anything being handed on, also through the dead. */
static void the_line_is_exact(void)
{
	struct memcg *child, *beside;
	struct memcg_charge *c[2000];
	u64 sum = 0;

	set_up();
	CHECK((child = memcg_create(cg, "child")) && (beside = memcg_create(cg, "beside")));
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		sum += 10 * i;
		CHECK((c[i] = memcg_charge(child, 10 * i)) && line(child) == sum);
	}
	CHECK(line(cg) == sum && line(NULL) == sum && !line(beside) && !line(other));
	CHECK(!memcg_destroy(child));
	CHECK(line(cg) == sum && !line(beside));
	for (unsigned i = 0; i < ARRAY_SIZE(c); i++) {
		memcg_uncharge(c[i]);
		sum -= 10 * i;
		CHECK(line(cg) == sum);
	}
	closes();
}

/* More groups than words: each takes another's place, and nothing is lost. */
static void words_are_taken_over(void)
{
	static struct memcg *group[2 * TALLY_SLOTS];
	char name[16];

	set_up();
	for (unsigned i = 0; i < ARRAY_SIZE(group); i++) {
		snprintf(name, sizeof(name), "g%u", i);
		CHECK((group[i] = memcg_create(cg, name)));
	}
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < ARRAY_SIZE(group); i++)
			CHECK(memcg_charge(group[i], 100 + i));
	for (unsigned i = 0; i < ARRAY_SIZE(group); i++)
		CHECK(line(group[i]) == 3 * (100 + i));
	CHECK(line(cg) == 3 * (100 + ARRAY_SIZE(group) - 1 + 100) * ARRAY_SIZE(group) / 2);
	closes();
}

/* In words, and handed on because no word holds so much. */
static void lines_are_apart(void)
{
	static const u64 much[] = {4096, 3 * GIB};
	struct memcg_stat s;

	set_up();
	for (unsigned k = 0; k < ARRAY_SIZE(much); k++) {
		for (unsigned line = 0; line < TALLY_NR; line++)
			tally_add((enum tally_line)line, cg->handle->index, much[k] << line);
		CHECK(!memcg_stat(cg, &s, sizeof(s)));
		CHECK(s.external == much[k] << TALLY_EXTERNAL && s.sock == much[k] << TALLY_SOCK);
		CHECK(s.large == much[k] << TALLY_LARGE);
		for (unsigned line = 0; line < TALLY_NR; line++)
			tally_sub((enum tally_line)line, cg->handle->index, much[k] << line);
		CHECK(!memcg_stat(cg, &s, sizeof(s)) && !s.external && !s.sock && !s.large);
	}
	closes();
}

/* What CPUs held under an index is not the line of its next group. */
static void the_line_goes_to_the_heir(void)
{
	struct memcg_charge *c;
	struct memcg *next;
	u64 word;
	u32 index;

	set_up();
	CHECK((next = memcg_create(cg, "before")) && (c = memcg_charge(next, 70000)));
	index = next->handle->index;
	word = atomic_load(&group_record(cg)->stat[STAT_EXTERNAL]);
	CHECK(!word && line(cg) == 70000);
	memcg_uncharge(memcg_charge(next, 300));
	tally_add(TALLY_EXTERNAL, index, 4096); /* as if another CPU's word had the rest */
	tally_sub(TALLY_EXTERNAL, cg->handle->index, 4096);
	memcg_uncharge(c);
	CHECK(!memcg_destroy(next));
	settle();
	CHECK((next = memcg_create(other, "after")) && next->handle->index == index);
	CHECK(!line(next) && !line(other) && !line(cg));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(charged_and_returned), PAGE_TEST(refused_over_max),
		PAGE_TEST(survives_its_group),	 PAGE_TEST(returned_twice),
		PAGE_TEST(without_memory),	 PAGE_TEST(three_threads),
		PAGE_TEST(nothing_charged),	 PAGE_TEST(bytes_are_the_reference),
		PAGE_TEST(ahead_for_the_hot),	 PAGE_TEST(records_go_round),
		PAGE_TEST(without_a_thread),	 PAGE_TEST(returned_by_another_thread),
		PAGE_TEST(the_line_is_exact),	 PAGE_TEST(words_are_taken_over),
		PAGE_TEST(lines_are_apart),	 PAGE_TEST(the_line_goes_to_the_heir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
