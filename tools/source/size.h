/* size.h - sizes as people write and read them. */
#ifndef MEMCG_TOOL_SIZE_H
#define MEMCG_TOOL_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * As cgroup v2 takes them: bytes, or a whole number with K, M, G or T (powers of 1024, either
 * case), or "max" (MEMCG_UNLIMITED). False: not a size, negative, or beyond 64 bits.
 */
bool size_from_text(const char *text, uint64_t *bytes);

#define SIZE_TEXT 24

/* "max", "512", "12.3M": for people, rounded down. Returns buf. */
const char *size_human(uint64_t bytes, char buf[SIZE_TEXT]);

/* "max" or all digits. Returns buf. */
const char *size_exact(uint64_t bytes, char buf[SIZE_TEXT]);

#endif
