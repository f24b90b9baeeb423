/* text.c - see text.h. */
#include "ctl/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

static size_t room(const struct text *t)
{
	return t->len < t->size ? t->size - t->len : 0;
}

void text_say(struct text *t, const char *fmt, ...)
{
	size_t left = room(t);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left ? t->buf + t->len : NULL, left, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

void text_add(struct text *t, const char *from, size_t n)
{
	size_t left = room(t), fits = left ? MIN(n, left - 1) : 0;

	if (left) {
		memcpy(t->buf + t->len, from, fits);
		t->buf[t->len + fits] = '\0';
	}
	t->len += n;
}

void text_number(struct text *t, u64 n)
{
	text_say(t, "%lu\n", (unsigned long)n);
}

void text_limit(struct text *t, u64 bytes)
{
	if (bytes == UINT64_MAX)
		text_say(t, "max\n");
	else
		text_number(t, bytes);
}

void text_line(struct text *t, const char *name, u64 value)
{
	text_say(t, "%s %lu\n", name, (unsigned long)value);
}
