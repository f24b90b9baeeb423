/* bits.h - rounding and bit scans. Arguments named `a` or `to` are powers of two. */
#ifndef MEMCG_BASE_BITS_H
#define MEMCG_BASE_BITS_H

#include "base/compiler.h"
#include "base/types.h"

#define BIT(n)		   (1UL << (n))
#define ALIGN_UP(x, a)	   (((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a)   ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a)   (((x) & ((__typeof__(x))(a)-1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define MIN(a, b)	   ((a) < (b) ? (a) : (b))
#define MAX(a, b)	   ((a) > (b) ? (a) : (b))

static inline bool is_pow2(u64 x)
{
	return x && !(x & (x - 1));
}

/* Index of the lowest set bit; x != 0. */
static inline unsigned bit_first(u64 x)
{
	return (unsigned)__builtin_ctzll(x);
}

/* Index of the highest set bit; x != 0. */
static inline unsigned bit_last(u64 x)
{
	return 63u - (unsigned)__builtin_clzll(x);
}

static inline unsigned bit_count(u64 x)
{
	return (unsigned)__builtin_popcountll(x);
}

/* Smallest n with 2^n >= x; x != 0. */
static inline unsigned log2_up(u64 x)
{
	return x <= 1 ? 0 : bit_last(x - 1) + 1;
}

#endif
