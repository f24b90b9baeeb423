/*
 * swap.c - memory.swap.max and memory.swap.peak. The process is a range; a fault asks no handler,
 * so the one that ends the process, the kernel's killer, has its turn when its thread throttles.
 */
#include <string.h>

#include "range.h"
#include "row.h"
#include "rows.h"

static struct {
	struct memcg *cg;
	struct range process;
	struct memcg_ctl *peak, *swap_peak; /* readers that are reset */
} t;

static unsigned end_process(struct memcg *limited, uint64_t wanted, void *arg)
{
	(void)limited, (void)wanted, (void)arg;
	range_close(&t.process);
	return MEMCG_OOM_KILLED;
}

static void set_handler(void)
{
	struct memcg_oom_config config = MEMCG_OOM_CONFIG_INIT;

	config.oom = end_process;
	EXPECT_IS(memcg_set_oom_handler(t.cg, &config), ==, 0);
}

static void expect_peaks(uint64_t least)
{
	EXPECT_IS(file_number(t.cg, "memory.peak"), >=, least);
	EXPECT_IS(file_number(t.cg, "memory.swap.peak"), >=, least);
}

static void make_group(void)
{
	t.cg = group_make(NULL, "swap_max_peak");
	t.peak = reader_open(t.cg, "memory.peak");
	t.swap_peak = reader_open(t.cg, "memory.swap.peak");
	EXPECT(file_is(t.cg, "memory.max", "max\n"));
	EXPECT(file_is(t.cg, "memory.swap.max", "max\n"));
	EXPECT_IS(file_number(t.cg, "memory.peak"), ==, 0);
	EXPECT_IS(file_number(t.cg, "memory.swap.peak"), ==, 0);
	EXPECT_IS(reader_peak(t.peak), ==, 0);
	EXPECT_IS(reader_peak(t.swap_peak), ==, 0);
	file_write(t.cg, "memory.swap.max", "30M");
	file_write(t.cg, "memory.max", "30M");
	set_handler();
}

/* 100M into 30M and 30M. */
static void too_much(void)
{
	range_open(&t.process, t.cg, MIB(100));
	EXPECT(!range_fill(&t.process));
	EXPECT_IS(event_of(t.cg, "oom"), ==, 1);
	EXPECT_IS(event_of(t.cg, "oom_kill"), ==, 0);
	memcg_throttle();
	EXPECT(!t.process.mm);
	EXPECT_IS(event_of(t.cg, "oom"), ==, 1);
	EXPECT_IS(event_of(t.cg, "oom_kill"), ==, 1);
	expect_peaks(MIB(29));
	EXPECT_IS(reader_peak(t.peak), >=, MIB(29));
	EXPECT_IS(reader_peak(t.swap_peak), >=, MIB(29));
}

/* The kernel's alloc_anon_50M_check_swap. */
static void half_in_swap(void)
{
	uint64_t current, swap;

	range_open(&t.process, t.cg, MIB(50));
	EXPECT(range_fill(&t.process));
	current = current_of(t.cg);
	swap = file_number(t.cg, "memory.swap.current");
	EXPECT_CLOSE(current, MIB(30), 3);
	EXPECT_IS(swap, >, 0);
	EXPECT_CLOSE(current + swap, MIB(50), 3);
	note("50M: current %.1fM, swap %.1fM", (double)current / MIB(1), (double)swap / MIB(1));
	EXPECT(range_is_filled(&t.process));
	range_close(&t.process);
}

void row_swap_max_peak(void)
{
	make_group();
	too_much();

	reader_reset(t.swap_peak);
	EXPECT_IS(reader_peak(t.swap_peak), <=, MIB(10));
	EXPECT_IS(reader_peak(t.peak), >=, MIB(29));
	reader_reset(t.peak);
	EXPECT_IS(reader_peak(t.peak), <=, MIB(1));
	expect_peaks(MIB(29));

	half_in_swap();
	EXPECT_IS(event_of(t.cg, "max"), >, 0);
	EXPECT_IS(event_of(t.cg, "oom_kill"), ==, 1);
	expect_peaks(MIB(29));
	EXPECT_IS(reader_peak(t.peak), >=, MIB(29));
	EXPECT_IS(reader_peak(t.swap_peak), >=, MIB(19));
	memcg_ctl_close(t.peak);
	memcg_ctl_close(t.swap_peak);
	group_end(t.cg);
}
