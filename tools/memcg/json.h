/*
 * json.h - JSON as it is printed: objects and arrays in each other, commas by themselves.
 *
 * Strings may be any bytes: what is no UTF-8 becomes U+FFFD, because JSON has no other way to
 * say it; control characters are escaped, also those of the upper half, which some terminals obey.
 */
#ifndef MEMCG_TOOL_JSON_H
#define MEMCG_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	unsigned depth;
	bool first; /* in the innermost object or array */
};

void json_begin(struct json *j, FILE *to);
void json_end(struct json *j); /* a newline behind it all */

void json_open(struct json *j, const char *key, char bracket); /* '{' or '['; key NULL in arrays */
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, uint64_t value);
/* A field of a row: a number, "max", or null where it is not known. */
void json_field(struct json *j, const char *key, uint64_t value);

/* A string alone. */
void json_text(FILE *to, const char *text);

/* The length of the character that text begins with; 0: it is none. */
unsigned utf8_length(const char *text);

#endif
