/* text.c - see text.h. */
#include "text.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct text *t, size_t wanted)
{
	size_t room = t->room ? t->room : 512;
	char *grown;

	while (room < wanted)
		room *= 2;
	if (room == t->room)
		return true;
	grown = realloc(t->bytes, room);
	if (!grown)
		return false;
	t->bytes = grown;
	t->room = room;
	return true;
}

void text_put(struct text *t, const char *bytes, size_t n)
{
	if (!n)
		return;
	if (!make_room(t, t->n + n)) {
		t->failed = true;
		return;
	}
	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
}

void text_string(struct text *t, const char *string)
{
	text_put(t, string, strlen(string));
}

void text_number(struct text *t, uint64_t n)
{
	text_decimal(t, n, 0);
}

void text_decimal(struct text *t, uint64_t n, unsigned digits)
{
	char all[24], *at = all + sizeof(all);
	unsigned put = 0;

	do {
		if (digits && put == digits)
			*--at = '.';
		*--at = (char)('0' + n % 10);
		n /= 10;
		put++;
	} while (n || put <= digits);
	text_put(t, at, (size_t)(all + sizeof(all) - at));
}

void text_free(struct text *t)
{
	free(t->bytes);
	*t = (struct text){0};
}
