/*
 * glob.h - patterns of shells: * any bytes, ? one byte, [abc] [a-z] [!a-z] one of a set.
 *
 * fnmatch converts to wide characters and may allocate; names are bytes here, and are matched
 * where memory is being allocated.
 */
#ifndef MEMCG_GLOB_H
#define MEMCG_GLOB_H

#include <stdbool.h>

/* Does all of name match? A [ that nothing closes is itself. */
bool glob_match(const char *pattern, const char *name);

#endif
