/* glob.c - see glob.h. */
#include "glob.h"

#include <stddef.h>
#include <string.h>

/* The ] that ends the set at p, a [. The first place of a set may be a ] itself. NULL: none. */
static const char *set_end(const char *p)
{
	p += p[1] == '!' ? 2 : 1;
	return *p ? strchr(p + 1, ']') : NULL;
}

static bool set_has(const char *p, const char *end, unsigned char c)
{
	bool inverse = p[1] == '!', found = false;

	for (p += inverse ? 2 : 1; p < end; p++) {
		if (p[1] == '-' && p + 2 < end) {
			found |= (unsigned char)p[0] <= c && c <= (unsigned char)p[2];
			p += 2;
		} else {
			found |= (unsigned char)*p == c;
		}
	}
	return found != inverse;
}

/* One place of the pattern, which is no *, against c. Where the next one begins; NULL: no match. */
static const char *match_one(const char *p, char c)
{
	const char *end;

	if (!c)
		return NULL;
	if (*p == '?')
		return p + 1;
	end = *p == '[' ? set_end(p) : NULL;
	if (end)
		return set_has(p, end, (unsigned char)c) ? end + 1 : NULL;
	return *p == c ? p + 1 : NULL;
}

/* Only the last * is ever tried again: what an earlier one took more of, the last can take too. */
bool glob_match(const char *p, const char *s)
{
	const char *star = NULL, *from = NULL, *next;

	for (;;) {
		if (*p == '*') {
			star = ++p;
			from = s;
			continue;
		}
		if (!*p && !*s)
			return true;
		next = *p ? match_one(p, *s) : NULL;
		if (next) {
			p = next;
			s++;
			continue;
		}
		if (!star || !*from)
			return false;
		p = star;
		s = ++from;
	}
}
