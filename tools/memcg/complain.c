/* complain.c - see memcg_cmd.h. */
#include "memcg_cmd.h"

#include "quote.h"

#include <stdarg.h>
#include <stdio.h>

void complain(const char *command, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "memcg %s: %s\n", command, quote_plain(text));
}
