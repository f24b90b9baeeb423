/* plugin.c - a library that comes by dlopen, allocates while it is loaded, and frees while it goes.
 */
#include <stdlib.h>
#include <string.h>

static char *text;

const char *plugin_text(void);

__attribute__((constructor)) static void arrive(void)
{
	text = malloc(1000);
	if (text)
		strcpy(text, "arrived");
}

__attribute__((destructor)) static void go(void)
{
	free(text);
}

const char *plugin_text(void)
{
	return text;
}
