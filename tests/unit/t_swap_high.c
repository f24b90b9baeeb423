/* t_swap_high.c - memory.swap.high: who charges a group that has too much in swap is held for it.
 */
#include "faults_fixture.h"

#include <sys/mman.h>

#include <memcg/mm.h>

#include "group/vm.h"
#include "reclaim/owed.h"
#include "reclaim/throttle.h"
#include "sys/clock.h"
#include "group/record.h"

#define RW   (PROT_READ | PROT_WRITE)
#define MS   1000000ul
#define UNIT (64 * PAGE_SIZE)

static struct memcg_mm *mm;
static char *range;

/* So many pages of cg's are in swap, as a word each. */
static void swap_out(struct memcg *g, size_t pages)
{
	CHECK((mm = memcg_mm_create(g)));
	CHECK((range = memcg_mmap(mm, pages << PAGE_SHIFT, RW, 0, NULL, 0)));
	memset(range, 1, pages << PAGE_SHIFT);
	CHECK(!memcg_madvise(mm, range, pages << PAGE_SHIFT, MEMCG_PAGEOUT));
	CHECK(counter_read(&g->vm->swap) == pages << PAGE_SHIFT);
	CHECK(!memcg__self->owed);
}

static u64 throttled_for(void)
{
	u64 before = sys_clock_ns();

	memcg_throttle();
	CHECK(!memcg__self->owed);
	return sys_clock_ns() - before;
}

static u64 total_stall(struct memcg *g)
{
	char buf[512], *at;

	CHECK(memcg_read(g, "memory.pressure", buf, sizeof(buf)) > 0);
	CHECK((at = strstr(buf, "total=")));
	return strtoull(at + 6, NULL, 10);
}

/* Not before it is over; then by how much, for what was charged. */
static void test_by_excess(void)
{
	struct memcg_charge *c;

	set_up();
	swap_out(cg, 105);
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_HIGH, 105 * PAGE_SIZE));
	CHECK((c = memcg_charge(cg, UNIT)) && !memcg__self->owed);
	memcg_uncharge(c);
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_HIGH, 100 * PAGE_SIZE));
	CHECK((c = memcg_charge(cg, UNIT)));
	CHECK(memcg__self->owed == OWED_HIGH && memcg__self->high_bytes == UNIT);
	CHECK(throttled_for() >= 159 * MS);
	CHECK(total_stall(cg) >= 159 * MS / 1000);
	CHECK(!atomic_load(&group_record(cg)->events[EV_HIGH])); /* that is memory.high's */
	memcg_uncharge(c);
	memcg_mm_destroy(mm);
	closes();
}

/* In addition to what memory.high costs, which a tenth over it would be 639 ms alone. */
static void test_beside_high(void)
{
	struct memcg_charge *c;

	set_up();
	swap_out(cg, 110);
	CHECK((c = memcg_charge(cg, 110 * MIB - held(cg))));
	memcg__self->owed = 0;
	counter_set_high(&cg->counter, 100 * MIB); /* as t_throttle.c: reclaims nothing */
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_HIGH, 100 * PAGE_SIZE));
	memcg__self->high_group = group_ref(cg);
	memcg__self->high_bytes = UNIT;
	memcg__self->owed = OWED_HIGH;
	CHECK(throttled_for() >= 2 * 639 * MS);
	CHECK(atomic_load(&group_record(cg)->events[EV_HIGH]) == 1);
	memcg_uncharge(c);
	memcg_mm_destroy(mm);
	closes();
}

/* A group above that has too much holds those below; also for what a fault charges. */
static void test_of_an_ancestor(void)
{
	struct memcg *child;

	set_up();
	CHECK((child = memcg_create(cg, "child")));
	swap_out(child, 96 + 110);
	CHECK(!memcg_set_limit(cg, MEMCG_SWAP_HIGH, 100 * PAGE_SIZE));
	for (size_t i = 0; i < 96; i++) /* in batches, of which one may have been there */
		((volatile char *)range)[i << PAGE_SHIFT] = 2;
	CHECK(memcg__self->owed == OWED_HIGH && memcg__self->high_bytes >= UNIT);
	CHECK(counter_read(&cg->vm->swap) == 110 * PAGE_SIZE);
	CHECK(throttled_for() >= 639 * MS);
	memcg_mm_destroy(mm);
	CHECK(!memcg_destroy(child));
	closes();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTS_TEST(test_by_excess),
		FAULTS_TEST(test_beside_high),
		FAULTS_TEST(test_of_an_ancestor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
