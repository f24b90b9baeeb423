/*
 * config.h - structs that the program fills in and passes with their size, in their first member:
 * one that was built with another version of the header may know fewer fields, or more.
 */
#ifndef MEMCG_BASE_CONFIG_H
#define MEMCG_BASE_CONFIG_H

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/types.h"

static inline bool config_is_zero(const u8 *at, const u8 *end)
{
	for (; at < end; at++)
		if (*at)
			return false;
	return true;
}

/*
 * Copies what both know of `from` into `to`, which has `known` bytes; the rest of that becomes 0.
 * 0; -EINVAL: not even the first `least` bytes are there; -E2BIG: fields that only the program
 * knows are not zero, and would be ignored in silence. No struct is longer than a page: a size
 * that was never set must not be walked to its end.
 */
static inline int config_copy(void *to, size_t known, const void *from, size_t least)
{
	size_t size;

	memcpy(&size, from, sizeof(size));
	if (size < least)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size > known && !config_is_zero((const u8 *)from + known, (const u8 *)from + size))
		return -E2BIG;
	memset(to, 0, known);
	memcpy(to, from, MIN(size, known));
	return 0;
}

#endif
