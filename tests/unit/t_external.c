/* t_external.c - charges by hand: exact, surviving their group, returned once. */
#include "alloc_fixture.h"

#include <errno.h>

#include <memcg/page.h>

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
	for (int i = 0; i < 2000 && memcg_charge(cg, 0); i++)
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

/* It names its handle all the same: neither the grace period nor the return may find that gone. */
static void nothing_charged(void)
{
	struct memcg_charge *c;
	u64 pins;

	set_up();
	CHECK((c = memcg_charge(cg, 0)));
	memcg_leave(NULL);
	CHECK(!memcg_destroy(cg));
	rcu_poll(true);
	rcu_poll(true);
	pins = handle_of(HANDLE_ROOT)->refs / HANDLE_PIN;
	memcg_uncharge(c);
	rcu_poll(true);
	rcu_poll(true);
	CHECK(handle_of(HANDLE_ROOT)->refs / HANDLE_PIN == pins - 1 && !group_dying());
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(charged_and_returned), PAGE_TEST(refused_over_max),
		PAGE_TEST(survives_its_group),	 PAGE_TEST(returned_twice),
		PAGE_TEST(without_memory),	 PAGE_TEST(three_threads),
		PAGE_TEST(nothing_charged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
