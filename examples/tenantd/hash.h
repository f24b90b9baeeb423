/*
 * hash.h - a keyed hash of keys: 128-bit products of words with secrets of this process, so that
 * nobody can aim at one bucket. All bits are good, the top ones too.
 */
#ifndef TENANTD_HASH_H
#define TENANTD_HASH_H

#include <stdint.h>
#include <string.h>

extern uint64_t hash_secret[2]; /* random, from the start */

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_bytes(const char *bytes, size_t n)
{
	uint64_t h = hash_secret[0] ^ n, a, b;

	for (; n > 16; n -= 16, bytes += 16) {
		memcpy(&a, bytes, 8);
		memcpy(&b, bytes + 8, 8);
		h = hash_mix(a ^ hash_secret[1], b ^ h);
	}
	a = b = 0;
	memcpy(&a, bytes, n < 8 ? n : 8);
	if (n > 8)
		memcpy(&b, bytes + 8, n - 8);
	h = hash_mix(a ^ hash_secret[1], b ^ h);
	return hash_mix(h, hash_secret[1] | 1);
}

#endif
