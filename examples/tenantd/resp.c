/* resp.c - see resp.h. */
#include "resp.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

void resp_init(struct resp *r)
{
	r->arg = r->few;
	r->room = RESP_FEW;
	r->args = r->words = 0;
	r->todo = -1;
	r->bulk = -1;
	r->at = (struct place){0, 0};
	r->error = NULL;
}

void resp_end(struct resp *r)
{
	if (r->arg != r->few)
		memcg_free(r->arg);
	r->arg = r->few;
	r->room = RESP_FEW;
	r->args = 0;
	r->todo = -1;
}

static enum resp_result fail(struct resp *r, const char *why)
{
	r->error = why;
	return RESP_ERROR;
}

/* ---- text ---- */

bool word_is(const char *text, size_t length, const char *lower)
{
	size_t i;

	for (i = 0; i < length && lower[i]; i++)
		if ((text[i] | (text[i] >= 'A' && text[i] <= 'Z' ? 0x20 : 0)) != lower[i])
			return false;
	return i == length && !lower[i];
}

bool word_number(const char *text, size_t length, long long *out)
{
	bool minus = length > 1 && *text == '-';
	unsigned long long n = 0, most = (unsigned long long)LLONG_MAX + minus;

	text += minus;
	length -= minus;
	if (!length || length > 19 || (*text == '0' && (length > 1 || minus)))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (unsigned long long)(text[i] - '0');
	}
	if (n > most)
		return false;
	*out = minus ? (long long)(0 - n) : (long long)n;
	return true;
}

/* ---- lines with a number ---- */

/* A line that lies in several fragments, byte by byte. It begins at r->at again until it is whole.
 */
static const char *split_line(struct resp *r, const struct input *in, size_t *length)
{
	struct place at = r->at;
	const char *bytes;

	for (*length = 0; *length < RESP_LINE && input_ahead(in, &at, &bytes); at.at++) {
		if (*bytes == '\n') {
			at.at++;
			r->at = at;
			return r->line;
		}
		r->line[(*length)++] = *bytes;
	}
	return NULL;
}

static const char *whole_line(struct resp *r, const struct input *in, size_t *length)
{
	const char *bytes, *end;
	size_t n = input_ahead(in, &r->at, &bytes);

	end = n ? memchr(bytes, '\n', n < RESP_LINE ? n : RESP_LINE) : NULL;
	if (!end)
		return split_line(r, in, length);
	*length = (size_t)(end - bytes);
	r->at.at += (uint32_t)*length + 1;
	return bytes;
}

static enum resp_result not_sign(struct resp *r, char got)
{
	snprintf(r->line, sizeof(r->line), "Protocol error: expected '$', got '%c'",
		 got == '\r' || got == '\n' ? ' ' : got);
	return fail(r, r->line);
}

/* "<sign>number\r\n" */
static enum resp_result number_line(struct resp *r, const struct input *in, char sign,
				    long long *out, const char *long_line, const char *no_number)
{
	size_t length;
	const char *line = whole_line(r, in, &length);

	if (!line && length && *r->line != sign)
		return not_sign(r, *r->line);
	if (!line)
		return length == RESP_LINE ? fail(r, long_line) : RESP_MORE;
	if (!length || *line != sign)
		return not_sign(r, length ? *line : ' ');
	if (line[length - 1] == '\r')
		length--;
	if (!word_number(line + 1, length - 1, out))
		return fail(r, no_number);
	return RESP_REQUEST;
}

/* ---- arguments ---- */

static struct slice *add_arg(struct resp *r)
{
	struct slice *more;

	if (r->args < r->room)
		return &r->arg[r->args++];
	more = memcg_reallocarray(r->arg == r->few ? NULL : r->arg, r->room * 2, sizeof(*more));
	if (!more)
		return NULL;
	if (r->arg == r->few)
		memcpy(more, r->few, sizeof(r->few));
	r->arg = more;
	r->room *= 2;
	return &r->arg[r->args++];
}

static enum resp_result begin_bulk(struct resp *r, const struct input *in)
{
	long long length = 0;
	enum resp_result result =
		number_line(r, in, '$', &length, "Protocol error: too big bulk count string",
			    "Protocol error: invalid bulk length");
	struct slice *s;

	if (result != RESP_REQUEST)
		return result;
	if (length < 0 || length > RESP_BULK)
		return fail(r, "Protocol error: invalid bulk length");
	s = add_arg(r);
	if (!s)
		return fail(r, "OOM the tenant's memory is at its limit");
	*s = (struct slice){.length = (size_t)length, .frag = UINT32_MAX};
	r->bulk = (long)length;
	return RESP_REQUEST;
}

/* The bytes that have come. The first of them say where the slice is. */
static enum resp_result pass_bulk(struct resp *r, const struct input *in)
{
	struct slice *s = &r->arg[r->args - 1];
	const char *bytes;
	size_t n;

	while (r->bulk > 0) {
		n = input_ahead(in, &r->at, &bytes);
		if (!n)
			return RESP_MORE;
		if (s->frag == UINT32_MAX) {
			s->frag = r->at.frag - in->first;
			s->at = r->at.at;
			s->bytes = n >= s->length ? bytes : NULL;
		}
		n = n < (size_t)r->bulk ? n : (size_t)r->bulk;
		r->at.at += (uint32_t)n;
		r->bulk -= (long)n;
	}
	return RESP_REQUEST;
}

static enum resp_result end_bulk(struct resp *r, const struct input *in)
{
	struct slice *s = &r->arg[r->args - 1];
	struct place at = r->at;
	const char *bytes;

	for (const char *end = "\r\n"; *end; end++, at.at++) {
		if (!input_ahead(in, &at, &bytes))
			return RESP_MORE;
		if (*bytes != *end)
			return fail(r, "Protocol error: expected the end of a bulk string");
	}
	r->at = at;
	r->bulk = -1;
	r->todo--;
	if (!s->length)
		*s = (struct slice){.bytes = ""};
	return RESP_REQUEST;
}

static enum resp_result next_args(struct resp *r, const struct input *in)
{
	enum resp_result result = RESP_REQUEST;

	while (r->todo > 0 && result == RESP_REQUEST) {
		if (r->bulk < 0)
			result = begin_bulk(r, in);
		if (result == RESP_REQUEST)
			result = pass_bulk(r, in);
		if (result == RESP_REQUEST)
			result = end_bulk(r, in);
	}
	return result;
}

static enum resp_result begin_array(struct resp *r, const struct input *in)
{
	long long n = 0;
	enum resp_result result =
		number_line(r, in, '*', &n, "Protocol error: too big mbulk count string",
			    "Protocol error: invalid multibulk length");

	if (result != RESP_REQUEST)
		return result;
	if (n > RESP_ARGS)
		return fail(r, "Protocol error: invalid multibulk length");
	r->todo = n > 0 ? (long)n : 0;
	return RESP_REQUEST;
}

/* ---- a line of words ---- */

static bool add_word(struct resp *r, const struct input *in, struct place at, const char *bytes,
		     size_t left, size_t length)
{
	struct slice *s = add_arg(r);

	if (s)
		*s = (struct slice){.bytes = left >= length ? bytes : NULL,
				    .frag = at.frag - in->first,
				    .at = at.at,
				    .length = length};
	return s;
}

/* Where the word begins is known when its end is met: it is looked at once more from there. */
static enum resp_result split_words(struct resp *r, const struct input *in, size_t length)
{
	struct place begin = r->at, at = r->at;
	const char *bytes = "\n", *first = NULL;
	size_t word = 0, left = 0;

	for (size_t i = 0; i <= length; i++, at.at++) {
		size_t n = input_ahead(in, &at, &bytes);
		bool blank = *bytes == ' ' || *bytes == '\t' || *bytes == '\r' || *bytes == '\n';

		if (!blank && !word++) {
			begin = at;
			first = bytes;
			left = n;
		}
		if (blank && word) {
			if (!add_word(r, in, begin, first, left, word))
				return fail(r, "OOM the tenant's memory is at its limit");
			word = 0;
		}
	}
	r->at = at;
	return RESP_REQUEST;
}

static enum resp_result next_words(struct resp *r, const struct input *in)
{
	struct place at = r->at;
	size_t length = 0, n;
	const char *bytes, *end;

	/* What was searched before is passed over fragment by fragment. */
	while ((n = input_ahead(in, &at, &bytes))) {
		size_t known = length < r->words ? r->words - length : 0;

		end = known < n ? memchr(bytes + known, '\n', n - known) : NULL;
		length += end ? (size_t)(end - bytes) : n;
		if (length > RESP_WORDS)
			return fail(r, "Protocol error: too big inline request");
		if (end) {
			r->words = 0;
			r->todo = 0;
			return split_words(r, in, length);
		}
		at.at += (uint32_t)n;
	}
	r->words = (uint32_t)length;
	return RESP_MORE;
}

/* ---- a request ---- */

static enum resp_result begin(struct resp *r, struct input *in)
{
	const char *bytes;

	if (!input_ahead(in, &r->at, &bytes)) {
		in->first = r->at.frag;
		return RESP_MORE;
	}
	in->first = r->at.frag;
	return *bytes == '*' ? begin_array(r, in) : next_words(r, in);
}

enum resp_result resp_next(struct resp *r, struct input *in)
{
	enum resp_result result = RESP_REQUEST;

	/* Empty requests are no requests. */
	while (r->todo < 0 && result == RESP_REQUEST) {
		result = begin(r, in);
		if (result == RESP_REQUEST && !r->todo && !r->args)
			r->todo = -1;
	}
	return result == RESP_REQUEST ? next_args(r, in) : result;
}
