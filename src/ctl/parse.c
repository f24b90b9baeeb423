/* parse.c - a cursor over the text, and what it may be over. Theory in parse.h. */
#include "ctl/parse.h"

#include <errno.h>
#include <string.h>

/* What is left of the text. */
struct cursor {
	const char *at, *end;
};

static bool blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->end && blank(*c->at))
		c->at++;
}

static struct cursor trimmed(const char *text, size_t len)
{
	struct cursor c = {.at = text, .end = text + len};

	skip_blanks(&c);
	while (c.end > c.at && blank(c.end[-1]))
		c.end--;
	return c;
}

static size_t left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

static bool at_end(const struct cursor *c)
{
	return c->at == c->end;
}

/* The next character, without taking it; 0 at the end. */
static char peek(const struct cursor *c, size_t ahead)
{
	return left(c) > ahead ? c->at[ahead] : '\0';
}

static bool take(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	if (left(c) < n || memcmp(c->at, word, n))
		return false;
	c->at += n;
	return true;
}

static bool take_last(struct cursor *c, const char *word)
{
	return left(c) == strlen(word) && take(c, word);
}

/* --- numbers ------------------------------------------------------------------ */

static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

/* By how the number begins; the 0x of base 16 is taken. */
static unsigned take_base(struct cursor *c)
{
	if (peek(c, 0) != '0')
		return 10;
	if ((peek(c, 1) | 0x20) != 'x' || digit(peek(c, 2)) >= 16)
		return 8;
	c->at += 2;
	return 16;
}

/* All digits there are. -EINVAL: none; -ERANGE: they are too many for 64 bits. */
static int take_digits(struct cursor *c, unsigned base, u64 *v)
{
	const char *from = c->at;
	bool fits = true;

	for (*v = 0; !at_end(c) && digit(*c->at) < base; c->at++)
		fits &= !__builtin_mul_overflow(*v, (u64)base, v) &&
			!__builtin_add_overflow(*v, (u64)digit(*c->at), v);
	if (c->at == from)
		return -EINVAL;
	return fits ? 0 : -ERANGE;
}

static unsigned suffix_shift(char c)
{
	static const char suffixes[] = {'k', 'm', 'g', 't', 'p', 'e'};
	unsigned i;

	for (i = 0; i < sizeof(suffixes); i++)
		if ((c | 0x20) == suffixes[i])
			return 10 * (i + 1);
	return 0;
}

/* Digits in that base, and a suffix. */
static int take_size(struct cursor *c, unsigned base, u64 *bytes)
{
	unsigned shift;
	u64 v;

	if (take_digits(c, base, &v) < 0)
		return -EINVAL;
	shift = suffix_shift(peek(c, 0));
	if (shift)
		c->at++;
	if (shift && v >> (64 - shift))
		return -EINVAL;
	*bytes = v << shift;
	return 0;
}

static int whole_size(struct cursor *c, unsigned base, u64 *bytes)
{
	u64 v;

	if (take_size(c, base, &v) < 0 || !at_end(c))
		return -EINVAL;
	*bytes = v;
	return 0;
}

/* What the kernel's counters hold at most: whoever asks for that, or more, asks for no limit. */
#define NO_LIMIT ((u64)INT64_MAX & ~(u64)(PAGE_SIZE - 1))

int parse_limit(const char *text, size_t len, u64 *bytes)
{
	struct cursor c = trimmed(text, len);
	u64 v = UINT64_MAX;

	if (!take_last(&c, "max") && whole_size(&c, take_base(&c), &v) < 0)
		return -EINVAL;
	*bytes = v < NO_LIMIT ? v : UINT64_MAX;
	return 0;
}

int size_parse(const char *text, size_t len, u64 *bytes)
{
	struct cursor c = trimmed(text, len);

	if (take_last(&c, "max")) {
		*bytes = UINT64_MAX;
		return 0;
	}
	return whole_size(&c, 10, bytes);
}

/* A signed int and nothing behind it. */
static int whole_int(struct cursor *c, s32 *n)
{
	bool minus = take(c, "-");
	u64 v;
	int err;

	if (!minus)
		take(c, "+");
	err = take_digits(c, take_base(c), &v);
	if (err)
		return err;
	if (!at_end(c))
		return -EINVAL;
	if (v > (u64)INT32_MAX + minus)
		return -ERANGE;
	*n = (s32)(minus ? -(s64)v : (s64)v);
	return 0;
}

int parse_count(const char *text, size_t len, u32 *n)
{
	struct cursor c = trimmed(text, len);
	s32 v = INT32_MAX;
	int err = take_last(&c, "max") ? 0 : whole_int(&c, &v);

	if (err || v < 0)
		return err ? err : -ERANGE;
	*n = (u32)v;
	return 0;
}

int parse_switch(const char *text, size_t len, bool *on)
{
	struct cursor c = trimmed(text, len);
	s32 v;
	int err = whole_int(&c, &v);

	if (err)
		return err;
	if (v != 0 && v != 1)
		return -EINVAL;
	*on = v;
	return 0;
}

/* --- words -------------------------------------------------------------------- */

bool parse_is(const char *text, size_t len, const char *word)
{
	struct cursor c = trimmed(text, len);

	return take_last(&c, word);
}

bool parse_word(const char **at, size_t *len, const char **word, size_t *n)
{
	struct cursor c = {.at = *at, .end = *at + *len};

	skip_blanks(&c);
	*word = c.at;
	while (!at_end(&c) && !blank(*c.at))
		c.at++;
	*n = (size_t)(c.at - *word);
	*at = c.at;
	*len = left(&c);
	return *n;
}

/* "swappiness=60", "swappiness=max": there is no swap to prefer, but the form is the kernel's. */
static bool reclaim_option(const char *word, size_t n)
{
	struct cursor c = {.at = word, .end = word + n};
	s32 swappiness;

	if (!take(&c, "swappiness="))
		return false;
	return take_last(&c, "max") ||
	       (!whole_int(&c, &swappiness) && swappiness >= 0 && swappiness <= 200);
}

int parse_reclaim(const char *text, size_t len, u64 *bytes)
{
	struct cursor c = trimmed(text, len);
	const char *at, *word;
	size_t rest, n;
	u64 v;

	if (take_size(&c, take_base(&c), &v) < 0)
		return -EINVAL;
	at = c.at;
	rest = left(&c);
	while (parse_word(&at, &rest, &word, &n))
		if (!reclaim_option(word, n))
			return -EINVAL;
	*bytes = v;
	return 0;
}

static bool take_number_word(const char **at, size_t *len, u64 *v)
{
	struct cursor c;
	const char *word;
	size_t n;

	if (!parse_word(at, len, &word, &n))
		return false;
	c = (struct cursor){.at = word, .end = word + n};
	return !take_digits(&c, 10, v) && at_end(&c);
}

int parse_trigger(const char *text, size_t len, struct parsed_trigger *trigger)
{
	struct parsed_trigger parsed;
	const char *word;
	size_t n;

	if (!parse_word(&text, &len, &word, &n))
		return -EINVAL;
	parsed.full = parse_is(word, n, "full");
	if (!parsed.full && !parse_is(word, n, "some"))
		return -EINVAL;
	if (!take_number_word(&text, &len, &parsed.stall_us) ||
	    !take_number_word(&text, &len, &parsed.window_us) || parse_word(&text, &len, &word, &n))
		return -EINVAL;
	*trigger = parsed;
	return 0;
}
