/*
 * noise.h - was the machine ours while we measured?
 *
 * Two witnesses: a loop of arithmetic, the same each time, run between repeats; and the system's
 * own account of the CPUs' time, less what our children used.
 */
#ifndef MEMCG_BENCH_NOISE_H
#define MEMCG_BENCH_NOISE_H

#include <stdbool.h>

struct noise {
	double spin;   /* slowest loop over the fastest, less 1 */
	double others; /* share of all CPUs that went to others */
	double stolen; /* share the hypervisor took */
	bool noisy;
};

void noise_begin(void);
void noise_probe(void); /* between repeats */
struct noise noise_end(void);

#endif
