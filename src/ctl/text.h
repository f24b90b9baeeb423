/* text.h - text being made in a buffer of the caller's, with a NUL behind it. Past the buffer's end
 * it only counts. */
#ifndef MEMCG_CTL_TEXT_H
#define MEMCG_CTL_TEXT_H

#include "base/compiler.h"
#include "base/types.h"

struct text {
	char *buf;
	size_t size, len; /* len may be past size: then the text is not whole */
};

__hidden_ __printf_(2, 3) void text_say(struct text *t, const char *fmt, ...);
__hidden_ void text_number(struct text *t, u64 n);		       /* with a newline */
__hidden_ void text_limit(struct text *t, u64 bytes);		       /* "max", or a number */
__hidden_ void text_line(struct text *t, const char *name, u64 value); /* "name value" */
__hidden_ void text_add(struct text *t, const char *from, size_t n);   /* as it is */

#endif
