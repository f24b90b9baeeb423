/*
 * class.h - the sizes objects come in: 16-byte steps to 128, then four to each
 * doubling, to 32 KiB. Larger objects are pages (alloc/large.c).
 */
#ifndef MEMCG_SLAB_CLASS_H
#define MEMCG_SLAB_CLASS_H

#include "base/bits.h"
#include "base/types.h"

#define CLASS_NR       40u
#define CLASS_MAX_SIZE (32 * KIB)
#define CLASS_SMALL    1024u /* up to here the class comes from a table */

/*
 * The class of a size: in steps of 16 bytes to CLASS_SMALL, in steps of 256
 * above. Here, so that each shared object that compiles the first path in has its own, near by.
 */
static const u8 class_small[CLASS_SMALL / 16 + 1] = {
	0,  0,	1,  2,	3,  4,	5,  6,	7,  8,	8,  9,	9,  10, 10, 11, 11, 12, 12, 12, 12, 13,
	13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 15, 16, 16, 16, 16, 16, 16, 16, 16, 17, 17, 17,
	17, 17, 17, 17, 17, 18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19,
};
static const u8 class_big[CLASS_MAX_SIZE / 256 + 1] = {
	0,  11, 15, 17, 19, 20, 21, 22, 23, 24, 24, 25, 25, 26, 26, 27, 27, 28, 28, 28, 28, 29,
	29, 29, 29, 30, 30, 30, 30, 31, 31, 31, 31, 32, 32, 32, 32, 32, 32, 32, 32, 33, 33, 33,
	33, 33, 33, 33, 33, 34, 34, 34, 34, 34, 34, 34, 34, 35, 35, 35, 35, 35, 35, 35, 35, 36,
	36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 36, 37, 37, 37, 37, 37, 37, 37,
	37, 37, 37, 37, 37, 37, 37, 37, 37, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38, 38,
	38, 38, 38, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39, 39,
};
extern __hidden_ const u32 class_size[CLASS_NR];

__always_inline_ unsigned class_of_small(size_t size)
{
	return class_small[(size + 15) >> 4];
}

__always_inline_ unsigned class_of_big(size_t size)
{
	return class_big[(size + 255) >> 8];
}

/* The smallest class that holds size bytes; size <= CLASS_MAX_SIZE. */
__always_inline_ unsigned class_of(size_t size)
{
	return likely(size <= CLASS_SMALL) ? class_of_small(size) : class_of_big(size);
}

/* The smallest class of at least size whose slots are all aligned; CLASS_NR: none. */
__hidden_ unsigned class_aligned(size_t size, size_t align);

/*
 * Slab orders. Shared: 16 KiB to 1 KiB objects, else 64 KiB. Own: grows with what the heap has, by
 * a quarter of it at most once that is 512 KiB, up to 64 KiB, or as many as make a slab of large
 * objects worth its while, ten slots or so: 64 KiB hold two of 24 or 32 KiB. No further: when nine
 * of ten objects have gone, and nine of ten of those left, a small slab is empty and a large one is
 * not.
 */
static inline unsigned class_order_shared(unsigned class)
{
	return class_size[class] <= 1024 ? 2 : 4;
}

static inline unsigned class_order_most(unsigned class)
{
	if (class_size[class] <= 4096)
		return 4;
	return class_size[class] <= 16384 ? 5 : 6;
}

static inline unsigned class_order_own(unsigned class, u32 slabs)
{
	unsigned first = class_order_shared(class), order;

	if (first == 2)
		order = slabs < 2 ? 2 : slabs < 8 ? 3 : 4;
	else
		order = slabs < 8 ? 4 : slabs < 12 ? 5 : 6;
	return order < class_order_most(class) ? order : class_order_most(class);
}

#endif
