/*
 * run.h - one execution of one case under one allocator.
 */
#ifndef MEMCG_BENCH_RUN_H
#define MEMCG_BENCH_RUN_H

#include "case.h"

#define RUN_KEYS 8

struct run_result {
	size_t n;
	struct {
		char key[24];
		double value;
	} pair[RUN_KEYS];
};

struct run_length {
	unsigned ms;	 /* of a round; 0: the case's own */
	unsigned rounds; /* timed in one execution */
};

enum run_outcome { RUN_DONE = 0, RUN_SKIPPED = 1, RUN_FAILED = 2 };

/* What went wrong is said on standard error, once for each case and allocator. */
enum run_outcome run_case(const struct bench_case *c, unsigned allocator,
			  const struct run_length *length, struct run_result *out);

/* NaN when the child did not print it. */
double run_value(const struct run_result *r, const char *key);

#endif
