/* sum.c - the one place that compiles xxhash in; nothing of it is called that allocates. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* a third faster: its loops are written to be unrolled */
#endif
#include "vm/sum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

u32 sum_of(const void *data, size_t size)
{
	return (u32)XXH3_64bits(data, size);
}
