/* text.h - a text that grows; what did not fit for want of memory is remembered, not reported each
 * time. */
#ifndef MEMCG_EXPORT_TEXT_H
#define MEMCG_EXPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *bytes;
	size_t n, room;
	bool failed; /* something is missing: there was no memory for it */
};

void text_put(struct text *t, const char *bytes, size_t n);
void text_string(struct text *t, const char *string);
void text_number(struct text *t, uint64_t n);
/* n / 10^digits, exactly: a counter that is rounded stands still, then leaps. */
void text_decimal(struct text *t, uint64_t n, unsigned digits);
void text_free(struct text *t);

#endif
