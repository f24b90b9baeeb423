/*
 * sum.h - checksums of what was put away, held against what comes back. XXH3, of which 32 bits are
 * kept: with nothing but SSE2 it takes 150 ns for a page, next to nothing of a read from disk, and
 * less than a tenth of a decompression. (A chain of CRC32C instructions takes three cycles for
 * eight bytes, three times as long, and they need looking for.) It is against damage, not forgery.
 */
#ifndef MEMCG_VM_SUM_H
#define MEMCG_VM_SUM_H

#include "base/compiler.h"
#include "base/types.h"

__hidden_ u32 sum_of(const void *data, size_t size);

#endif
