/*
 * Loads one library after the other, mostly at the same addresses, has each allocate, and unloads
 * it. What they allocated stays: their groups must have it.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB    ((size_t)1 << 20)
#define ROUNDS 5

typedef void (*take_fn)(void **, size_t);
typedef void (*copy_fn)(void **, const char *);
typedef void (*end_fn)(void **);

static void *kept[ROUNDS * 16];
static unsigned nr_kept;

static void *look_up(void *library, const char *name)
{
	void *found = dlsym(library, name);

	if (!found)
		exit(4);
	return found;
}

/* Where its code was. */
static void *use(const char *file, size_t size, const char *text)
{
	void *library = dlopen(file, RTLD_NOW);
	void *code;

	if (!library)
		exit(3);
	code = look_up(library, "plugin_take");
	((take_fn)code)(&kept[nr_kept], size);
	((copy_fn)look_up(library, "plugin_copy"))(&kept[nr_kept + 1], text);
	((end_fn)look_up(library, "plugin_at_end"))(&kept[nr_kept + 3]);
	kept[nr_kept + 4] = malloc(100); /* so that the map is not charged to who was last */
	((take_fn)look_up(library, "plugin_map"))(&kept[nr_kept + 5], MIB);
	if (dlclose(library) || dlopen(file, RTLD_NOW | RTLD_NOLOAD))
		exit(5);
	nr_kept += 6;
	return code;
}

int main(void)
{
	char *text = malloc(MIB);
	unsigned same = 0;

	memset(text, 'x', MIB - 1);
	text[MIB - 1] = '\0';
	kept[nr_kept++] = text;
	for (unsigned i = 0; i < ROUNDS; i++)
		same += use("./plugin_a.so", 2 * MIB, text) == use("./plugin_b.so", 4 * MIB, text);
	printf("%u\n", same);
	return 0;
}
