/*
 * effort.h - how much of a long test is enough.
 *
 * A test that repeats something to be sure of it says how often on a plain machine. Under a tool
 * that multiplies the time of every instruction scripts/variant divides that, by MEMCG_TEST_EFFORT:
 * memcheck looks at each path once and needs no ten thousandth turn. Only how often is
 * divided; what is asserted stays, and the full number runs in every other variant.
 */
#ifndef MEMCG_TESTS_EFFORT_H
#define MEMCG_TESTS_EFFORT_H

#include <stdlib.h>

static inline unsigned effort_divisor(void)
{
	const char *text = getenv("MEMCG_TEST_EFFORT");
	unsigned n = text ? (unsigned)strtoul(text, NULL, 10) : 1;

	return n ? n : 1;
}

/* `full` times, or the share of it that is enough here; never 0. */
static inline unsigned effort(unsigned full)
{
	unsigned n = full / effort_divisor();

	return n ? n : 1;
}

#endif
