/* size.c - see size.h. */
#include "size.h"

#include <ctype.h>
#include <inttypes.h>
#include <memcg/base.h>
#include <stdio.h>
#include <string.h>

static const char suffixes[] = "KMGT";

/* Powers of two that a suffix stands for; -1: it is none. */
static int suffix_shift(const char *s)
{
	const char *found;

	if (!*s)
		return 0;
	found = s[1] ? NULL : strchr(suffixes, toupper((unsigned char)*s));
	return found ? 10 * (int)(found - suffixes + 1) : -1;
}

bool size_from_text(const char *text, uint64_t *bytes)
{
	uint64_t n = 0;
	int shift;

	if (!strcmp(text, "max")) {
		*bytes = MEMCG_UNLIMITED;
		return true;
	}
	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
			return false;
	shift = suffix_shift(text);
	if (shift < 0 || (shift && n >> (64 - shift)))
		return false;
	*bytes = n << shift;
	return true;
}

const char *size_human(uint64_t bytes, char buf[SIZE_TEXT])
{
	unsigned unit = 0;
	uint64_t tenths;

	if (bytes == MEMCG_UNLIMITED || bytes < 1024)
		return size_exact(bytes, buf);
	while (unit < strlen(suffixes) - 1 && bytes >> (10 * (unit + 2)))
		unit++;
	if (bytes & ((1ull << (10 * (unit + 1))) - 1)) {
		/* In two steps: ten times the bytes may not fit. */
		tenths = (bytes >> (10 * unit)) * 10 / 1024;
		snprintf(buf, SIZE_TEXT, "%" PRIu64 ".%u%c", tenths / 10, (unsigned)(tenths % 10),
			 suffixes[unit]);
	} else {
		snprintf(buf, SIZE_TEXT, "%" PRIu64 "%c", bytes >> (10 * (unit + 1)),
			 suffixes[unit]);
	}
	return buf;
}

const char *size_exact(uint64_t bytes, char buf[SIZE_TEXT])
{
	if (bytes == MEMCG_UNLIMITED)
		snprintf(buf, SIZE_TEXT, "max");
	else
		snprintf(buf, SIZE_TEXT, "%" PRIu64, bytes);
	return buf;
}
