/* t_file_write.c - files of a group that are written; refused, nothing has changed. */
#include "group_file_fixture.h"

static const char *const limits[] = {"memory.min",	"memory.low",	    "memory.high",
				     "memory.max",	"memory.swap.high", "memory.swap.max",
				     "memory.zswap.max"};

static void test_sizes(void **state)
{
	static const struct {
		const char *text, *then;
	} good[] = {
		{"0", "0\n"},
		{"4096", "4096\n"},
		{"4097", "4096\n"},
		{"8191\n", "4096\n"},
		{"64K", "65536\n"},
		{"64k", "65536\n"},
		{"3M", "3145728\n"},
		{"3m", "3145728\n"},
		{"2G", "2147483648\n"},
		{"1g", "1073741824\n"},
		{"1T", "1099511627776\n"},
		{"1p", "1125899906842624\n"},
		{"1E", "1152921504606846976\n"},
		{"max", "max\n"},
		{" max \n", "max\n"},
		{"\t4096\v\f\r\n", "4096\n"},
		{"010000", "4096\n"},
		{"0x1000", "4096\n"},
		{"0X1fff", "4096\n"},
		{"0x4K", "4096\n"},
		{"9223372036854771711", "9223372036854767616\n"},
		{"9223372036854771712", "max\n"}, /* what the kernel's counters hold at most */
		{"8E", "max\n"},
		{"18446744073709551615", "max\n"},
	};
	unsigned i, f;

	(void)state;
	for (f = 0; f < ARRAY_SIZE(limits); f++)
		for (i = 0; i < ARRAY_SIZE(good); i++) {
			assert_int_equal(put(limits[f], "12288"), 0);
			writes(limits[f], good[i].text, good[i].then);
		}
}

/* Each file has a limit of its own. */
static void test_limits_do_not_mix(void **state)
{
	unsigned f;

	(void)state;
	for (f = 0; f < ARRAY_SIZE(limits); f++) {
		const char text[] = {(char)('1' + (char)f), 'M', '\0'};

		assert_int_equal(put(limits[f], text), 0);
	}
	reads("memory.min", "1048576\n");
	reads("memory.low", "2097152\n");
	reads("memory.high", "3145728\n");
	reads("memory.max", "4194304\n");
	reads("memory.swap.high", "5242880\n");
	reads("memory.swap.max", "6291456\n");
	reads("memory.zswap.max", "7340032\n");
}

/* The text ends where its length says. */
static void test_length_counts(void **state)
{
	(void)state;
	assert_int_equal(memcg_write(cg, "memory.max", "40960000", 5), 0);
	reads("memory.max", "40960\n");
}

static void test_counts(void **state)
{
	static const char *const file[] = {"cgroup.max.descendants", "cgroup.max.depth"};
	unsigned f;

	(void)state;
	for (f = 0; f < ARRAY_SIZE(file); f++) {
		writes(file[f], "7", "7\n");
		writes(file[f], " 0\n", "0\n");
		writes(file[f], "+8", "8\n");
		writes(file[f], "0x10", "16\n");
		writes(file[f], "2147483646", "2147483646\n");
		writes(file[f], "2147483647", "max\n");
		writes(file[f], "max", "max\n");
		writes(file[f], "5", "5\n");
		reads(file[1 - f], f ? "5\n" : "max\n");
	}
}

static void test_switches(void **state)
{
	static const char *const file[] = {"memory.oom.group", "memory.zswap.writeback"};
	unsigned f;

	(void)state;
	for (f = 0; f < ARRAY_SIZE(file); f++) {
		writes(file[f], "0", "0\n");
		writes(file[f], " 1\n", "1\n");
		reads(file[1 - f], "1\n");
		writes(file[f], "00", "0\n");
		writes(file[f], "+1", "1\n");
	}
}

/* There is one controller, and it stays. */
static void test_controllers(void **state)
{
	(void)state;
	writes("cgroup.subtree_control", "+memory", "memory\n");
	writes("cgroup.subtree_control", " +memory +memory\n", "memory\n");
	assert_int_equal(put("cgroup.subtree_control", "-memory"), -EBUSY);
	assert_int_equal(put("cgroup.subtree_control", "-memory +memory"), 0);
	assert_int_equal(put("cgroup.subtree_control", "+memory +cpu"), -EINVAL);
	assert_int_equal(put("cgroup.type", "threaded\n"), -EOPNOTSUPP);
}

/* No reader: as through a descriptor that is closed at once. */
static void test_peak_written(void **state)
{
	(void)state;
	memcg_uncharge(memcg_charge(cg, 12345));
	writes("memory.peak", "reset", "12345\n");
	writes("memory.swap.peak", "reset", "0\n");
}

static void test_reclaim(void **state)
{
	u64 ahead;

	(void)state;
	assert_true(charge(cg->handle->index, 16));
	ahead = memcg_slack(cg);
	assert_int_equal(put("memory.reclaim", "1G"), -EAGAIN);
	assert_int_equal(memcg_current(cg), 16);
	uncharge(cg->handle->index, 16);
	assert_true(charge(cg->handle->index, 16));
	assert_int_equal(memcg_reclaim(cg, 0), 0);
	assert_true(charge(cg->handle->index, 16));
	ahead = memcg_slack(cg);
	assert_true(ahead >= PAGE_SIZE);
	assert_int_equal(put("memory.reclaim", "4K"), 0);
	assert_int_equal(put("memory.reclaim", "4095"), 0); /* no page */
	assert_int_equal(put("memory.reclaim", "0 swappiness=0"), 0);
	assert_int_equal(put("memory.reclaim", " 0K  swappiness=200\tswappiness=max \n"), 0);
	uncharge_bytes(cg->handle->index, 32);
}

static void test_accounting(void **state)
{
	void *before, *off;

	(void)state;
	assert_int_equal(put("memory.accounting", "0"), -EACCES); /* the root's alone */
	assert_int_equal(memcg_write(memcg_root(), "memory.accounting", "2", 1), -EINVAL);
	reads("memory.accounting", "1\n");
	before = memcg_malloc_in(cg, 100);
	assert_int_equal(memcg_write(memcg_root(), "memory.accounting", "0", 1), 0);
	reads("memory.accounting", "0\n");
	off = memcg_malloc_in(cg, 100000);
	assert_int_equal(memcg_owner_id(off), 0);
	assert_int_equal(memcg_owner_id(before),
			 memcg_id(cg)); /* its mark counts, not the switch */
	memcg_free(before);
	assert_int_equal(memcg_write(memcg_root(), "memory.accounting", "1", 1), 0);
	memcg_free(off);
	stock_drain(NULL);
	assert_int_equal(memcg_current(cg), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sizes),	 TEST(test_limits_do_not_mix), TEST(test_length_counts),
		TEST(test_counts),	 TEST(test_switches),	       TEST(test_controllers),
		TEST(test_peak_written), TEST(test_reclaim),	       TEST(test_accounting),
	};

	memcg_leave(memcg_enter(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
