/*
 * check.h - what must hold while an input is tried: libFuzzer takes abort() for a find, and keeps
 * the input.
 */
#ifndef MEMCG_FUZZ_CHECK_H
#define MEMCG_FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(x)                                                                \
	do {                                                                    \
		if (!(x)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                \
		}                                                               \
	} while (0)

#endif
