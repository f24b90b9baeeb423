/* json.c - see json.h. */
#include "json.h"

#include "source/source.h"

#include <inttypes.h>

void json_begin(struct json *j, FILE *to)
{
	*j = (struct json){to, 0, true};
}

void json_end(struct json *j)
{
	fputc('\n', j->to);
}

/* ---- strings ---- */

static bool continues(const char *text, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* Longer than it need be, of a surrogate, or past the last character: no UTF-8. */
unsigned utf8_length(const char *text)
{
	unsigned char a = (unsigned char)text[0], b = a ? (unsigned char)text[1] : 0;
	unsigned n = a < 0x80 ? 1 : a < 0xc2 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : a < 0xf5 ? 4 : 0;

	if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) ||
	    (a == 0xf4 && b > 0x8f))
		return 0;
	return n && continues(text, n) ? n : 0;
}

/* Returns how many bytes of the text that was. */
static unsigned put_character(FILE *to, const char *text)
{
	unsigned n = utf8_length(text);
	unsigned char c = (unsigned char)text[0];

	if (!n)
		fputs("\\ufffd", to);
	else if (c == '"' || c == '\\')
		fprintf(to, "\\%c", c);
	else if (c < ' ' || c == 127)
		fprintf(to, "\\u%04x", c);
	else if (c == 0xc2 && (unsigned char)text[1] < 0xa0)
		fprintf(to, "\\u%04x", (unsigned char)text[1]);
	else
		fwrite(text, 1, n, to);
	return n ? n : 1;
}

void json_text(FILE *to, const char *text)
{
	fputc('"', to);
	while (*text)
		text += put_character(to, text);
	fputc('"', to);
}

/* ---- values ---- */

static void begin_value(struct json *j, const char *key)
{
	if (j->depth) {
		fputs(j->first ? "\n" : ",\n", j->to);
		for (unsigned i = 0; i < j->depth; i++)
			fputs("  ", j->to);
	}
	j->first = false;
	if (key) {
		json_text(j->to, key);
		fputs(": ", j->to);
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	begin_value(j, key);
	fputc(bracket, j->to);
	j->depth++;
	j->first = true;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (!j->first) {
		fputc('\n', j->to);
		for (unsigned i = 0; i < j->depth; i++)
			fputs("  ", j->to);
	}
	fputc(bracket, j->to);
	j->first = false;
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin_value(j, key);
	json_text(j->to, value);
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	begin_value(j, key);
	fprintf(j->to, "%" PRIu64, value);
}

void json_field(struct json *j, const char *key, uint64_t value)
{
	if (value == SOURCE_MAX)
		json_string(j, key, "max");
	else if (value != SOURCE_UNKNOWN) {
		json_number(j, key, value);
	} else {
		begin_value(j, key);
		fputs("null", j->to);
	}
}
