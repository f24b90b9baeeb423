/*
 * scan.c - SCAN, and the patterns that it and CONFIG GET match with.
 *
 * What one SCAN does is bounded, whatever it asks for, as the tenant's other clients wait for its
 * lock: keys looked at, and steps of a match, which may take as many as pattern times key.
 */
#include <stdio.h>

#include "command.h"

#define SCAN_MOST  4096		/* keys */
#define MATCH_STEP 1024		/* steps of a match that count as another key */
#define MATCH_MOST (16ul << 20) /* steps at one key */

struct scan {
	struct request *r;
	const struct slice *match;
	bool nothing; /* of another type */
	bool tell;    /* the second time */
	bool too_long;
	long long count, n;
};

/* "[...]" or one character, at *p. Moves behind it. */
static bool glob_one(const char **p, const char *end, char c)
{
	bool not, found = false;

	if (**p == '\\' && *p + 1 < end)
		(*p)++;
	else if (**p == '?')
		return (*p)++, true;
	else if (**p == '[') {
		not = ++*p < end && **p == '^';
		for (*p += not ; *p < end && **p != ']'; ++*p) {
			char low = **p == '\\' && *p + 1 < end ? *++*p : **p, high = low;

			if (*p + 2 < end && (*p)[1] == '-') {
				*p += 2;
				high = **p;
			}
			found |= low <= high ? low <= c && c <= high : high <= c && c <= low;
		}
		*p += *p < end;
		return found != not ;
	}
	return *(*p)++ == c;
}

/* Goes back to the last star only, so its time is bounded by m * n. */
bool glob(const char *p, size_t m, const char *text, size_t n)
{
	const char *end = p + m, *text_end = text + n, *star = NULL, *from = NULL;

	for (;;) {
		if (p < end && *p == '*') {
			star = ++p;
			from = text;
			continue;
		}
		if (text == text_end && p == end)
			return true;
		if (text < text_end && p < end && glob_one(&p, end, *text)) {
			text++;
			continue;
		}
		if (!star || from == text_end)
			return false;
		p = star;
		text = ++from;
	}
}

/* For how many keys it counts: a match may take as many steps as pattern times key. */
static size_t visit(struct entry *e, void *arg)
{
	struct scan *s = arg;
	size_t steps = s->match ? s->match->length * e->key : 0;

	s->too_long |= steps > MATCH_MOST;
	if (s->too_long ||
	    (s->match && !glob(s->match->bytes, s->match->length, entry_key(e), e->key)))
		return 1 + steps / MATCH_STEP;
	s->n++;
	if (s->tell)
		reply_bulk(s->r->out, entry_key(e), e->key);
	return 1 + steps / MATCH_STEP;
}

/* NULL, or why not. */
static const char *options(struct request *r, struct scan *s)
{
	for (unsigned i = 2; i < r->args; i += 2) {
		if (i + 1 == r->args)
			return NO_SYNTAX;
		if (arg_is(r, i, "match"))
			s->match = &r->arg[i + 1];
		else if (arg_is(r, i, "type"))
			s->nothing = !arg_is(r, i + 1, "string");
		else if (!arg_is(r, i, "count"))
			return NO_SYNTAX;
		else if (!arg_number(r, i + 1, &s->count))
			return NO_NUMBER;
		else if (s->count < 1)
			return NO_SYNTAX;
	}
	if (s->count > SCAN_MOST)
		s->count = SCAN_MOST;
	return NULL;
}

/* An unsigned number; word_number is one bit short. */
static bool cursor_of(const struct request *r, uint64_t *cursor)
{
	const struct slice *s = &r->arg[1];

	*cursor = 0;
	for (size_t i = 0; i < s->length; i++) {
		if (s->bytes[i] < '0' || s->bytes[i] > '9' ||
		    __builtin_mul_overflow(*cursor, 10, cursor) ||
		    __builtin_add_overflow(*cursor, (uint64_t)(s->bytes[i] - '0'), cursor))
			return false;
	}
	return s->length;
}

/* Twice over the same entries, under the tenant's lock: how many there are is said first. */
const char *command_scan(struct request *r)
{
	struct scan s = {.r = r, .count = 10};
	uint64_t cursor, next;
	const char *why;
	char text[24];

	if (!cursor_of(r, &cursor))
		return "ERR invalid cursor";
	why = options(r, &s);
	if (why)
		return why;
	next = store_scan(r->s, cursor, (size_t)s.count, visit, &s);
	if (s.too_long)
		return "ERR the pattern is too long for the length of a key";
	reply_text(r->out, "*2\r\n");
	reply_bulk(r->out, text, (size_t)snprintf(text, sizeof(text), "%lu", next));
	reply_number(r->out, '*', s.nothing ? 0 : s.n);
	s.tell = true;
	if (!s.nothing)
		store_scan(r->s, cursor, (size_t)s.count, visit, &s);
	return NULL;
}
