/* label.c - see label.h. */
#include "label.h"

#include <string.h>

/* Bytes of the character that begins here, 0: of none. Neither long forms nor halves of pairs. */
static unsigned length_of(const unsigned char *c)
{
	unsigned n = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

	if (c[0] > 0xf4)
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return n;
}

void label_clean(char *value)
{
	unsigned char *c = (unsigned char *)value;

	while (*c) {
		unsigned n = length_of(c);

		if (!n)
			*c = '?';
		c += n ? n : 1;
	}
}

void label_put(struct text *t, const char *value)
{
	for (;;) {
		size_t plain = strcspn(value, "\\\"\n");

		text_put(t, value, plain);
		value += plain;
		if (!*value)
			return;
		text_put(t, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\", 2);
		value++;
	}
}
