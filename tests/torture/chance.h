/*
 * chance.h - streams of chance. Each step of each worker has its own, made from seed, round, worker
 * and step: so what a step sets out to do does not depend on what any thread met before, and the
 * same seed sets out to do the same again.
 */
#ifndef MEMCG_TORTURE_CHANCE_H
#define MEMCG_TORTURE_CHANCE_H

#include "base/types.h"

struct chance {
	u64 at;
};

static inline u64 chance_mix(u64 z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
	z = (z ^ z >> 27) * 0x94d049bb133111ebul;
	return z ^ z >> 31;
}

static inline struct chance chance_of(u64 seed, u64 a, u64 b, u64 c)
{
	return (struct chance){
		.at = chance_mix(chance_mix(chance_mix(chance_mix(seed) + a) + b) + c)};
}

static inline u64 draw(struct chance *c)
{
	return chance_mix(c->at += 0x9e3779b97f4a7c15ul);
}

static inline u64 below(struct chance *c, u64 n)
{
	return draw(c) % n;
}

static inline bool one_in(struct chance *c, u64 n)
{
	return below(c, n) == 0;
}

#endif
