/*
 * latency.h - how long something took, in 8 steps to each doubling: so a figure is at most an
 * eighth too small. One thread notes, any other may look. Nothing here is about memory groups.
 */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>
#include <time.h>

#define LATENCY_STEPS 512

struct latency {
	uint64_t count[LATENCY_STEPS];
};

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline void latency_note(struct latency *l, uint64_t ns)
{
	unsigned doubling = 63 - (unsigned)__builtin_clzll(ns | 8);

	__atomic_add_fetch(&l->count[doubling * 8 + ((ns >> (doubling - 3)) & 7)], 1,
			   __ATOMIC_RELAXED);
}

static inline uint64_t latency_count(const struct latency *l)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LATENCY_STEPS; i++)
		sum += __atomic_load_n(&l->count[i], __ATOMIC_RELAXED);
	return sum;
}

/* Microseconds that so many in a hundred took at most; 0 when there are none. */
static inline double latency_us(const struct latency *l, double percent)
{
	double left = (double)latency_count(l) * percent / 100;
	unsigned i;

	for (i = 0; i + 1 < LATENCY_STEPS; i++) {
		left -= (double)__atomic_load_n(&l->count[i], __ATOMIC_RELAXED);
		if (left <= 0)
			break;
	}
	return i < 24 ? 0 : (double)((uint64_t)(8 + i % 8) << (i / 8 - 3)) / 1000;
}

#endif
