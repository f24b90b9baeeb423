/* quote.c - see quote.h. */
#include "quote.h"

#include <string.h>

#define REPLACEMENT 0xfffdu
#define PICTURES    0x2400u
#define DELETE	    0x7fu

/* Bytes that must follow a first byte; -1: it begins no character. */
static int following(unsigned char first)
{
	if (first < 0x80)
		return 0;
	if (first >= 0xc2 && first < 0xe0)
		return 1;
	if (first >= 0xe0 && first < 0xf0)
		return 2;
	return first >= 0xf0 && first < 0xf5 ? 3 : -1;
}

/* Overlong forms, halves of pairs, and what is beyond the last character. */
static int valid(uint32_t c, int follow)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

	return c >= least[follow] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

uint32_t utf8_next(const char **text)
{
	const unsigned char *s = (const unsigned char *)*text;
	int follow = following(*s);
	uint32_t c = follow > 0 ? *s & (0x3fu >> follow) : *s;

	++*text;
	if (follow < 0)
		return REPLACEMENT;
	for (int i = 1; i <= follow; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return REPLACEMENT; /* the next character may begin there */
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (!valid(c, follow))
		return REPLACEMENT;
	*text += follow;
	return c;
}

static void put_utf8(FILE *to, uint32_t c)
{
	if (c < 0x80) {
		fputc((int)c, to);
	} else if (c < 0x800) {
		fprintf(to, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		fprintf(to, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
	} else {
		fprintf(to, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 0x3f),
			0x80 | (c >> 6 & 0x3f), 0x80 | (c & 0x3f));
	}
}

/* A name must not turn round what stands after it. */
static int turns_text(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Lines and columns of a text stay what they are. */
static uint32_t visible(uint32_t c)
{
	if (c == '\n' || c == '\t')
		return c;
	if (c == DELETE)
		return PICTURES + 0x21;
	if ((c >= 0x80 && c < 0xa0) || turns_text(c))
		return REPLACEMENT;
	return c < 0x20 ? PICTURES + c : c;
}

/* Marks of direction, joiners and the like: not seen, and what stands beside them is. */
static bool is_format(uint32_t c)
{
	return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff0 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

bool quote_is_shown(uint32_t c)
{
	return c >= ' ' && (c < DELETE || c >= 0xa0) && !is_format(c);
}

/* What is replaced was one byte at least, so writing never overtakes reading. */
char *quote_plain(char *text)
{
	const char *from = text, *begin;
	char *to = text;

	while (*from) {
		uint32_t c;

		begin = from;
		c = utf8_next(&from);
		if (!quote_is_shown(c) || (c == REPLACEMENT && from - begin == 1)) {
			*to++ = '?';
			continue;
		}
		memmove(to, begin, (size_t)(from - begin));
		to += from - begin;
	}
	*to = '\0';
	return text;
}

static const char *html_entity(uint32_t c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	}
	return NULL;
}

void quote_html(FILE *to, const char *text)
{
	while (*text) {
		uint32_t c = visible(utf8_next(&text));
		const char *entity = html_entity(c);

		if (entity)
			fputs(entity, to);
		else
			put_utf8(to, c);
	}
}

/* Line separators end a line of script, and so a string, for older readers of JSON. */
static int needs_escape(uint32_t c)
{
	return c < 0x20 || c == '"' || c == '\'' || c == '\\' || c == '<' || c == '>' || c == '&' ||
	       (c >= DELETE && c < 0xa0) || c == 0x2028 || c == 0x2029 || turns_text(c);
}

void quote_json(FILE *to, const char *text)
{
	fputc('"', to);
	while (*text) {
		uint32_t c = utf8_next(&text);

		if (needs_escape(c))
			fprintf(to, "\\u%04x", c);
		else
			put_utf8(to, c);
	}
	fputc('"', to);
}
