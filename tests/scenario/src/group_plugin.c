/* A library that allocates for itself: by malloc, and through the C library. Built twice, as NAME.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void plugin_take(void **kept, size_t size);
void plugin_take(void **kept, size_t size)
{
	kept[0] = malloc(size);
	memset(kept[0], 1, size);
}

/* Both of these ask malloc from inside the C library, the second from deep within. */
void plugin_copy(void **kept, const char *text);
void plugin_copy(void **kept, const char *text)
{
	char *printed;

	kept[0] = strdup(text);
	kept[1] = asprintf(&printed, "%s", text) > 0 ? printed : NULL;
}

void plugin_map(void **kept, size_t size);
void plugin_map(void **kept, size_t size)
{
	kept[0] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void **at_end;

void plugin_at_end(void **kept);
void plugin_at_end(void **kept)
{
	at_end = kept;
}

__attribute__((destructor)) static void end(void)
{
	if (at_end)
		plugin_take(at_end, (size_t)1 << 20);
}
