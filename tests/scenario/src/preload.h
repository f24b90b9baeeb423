/*
 * preload.h - for programs that run under the preload and link nothing: the library's functions are
 * found by name, as any plug-in could, and a check that fails says where.
 */
#ifndef SCENARIO_PRELOAD_H
#define SCENARIO_PRELOAD_H

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <memcg.h>

#define CHECK(cond)                                                                        \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                           \
		}                                                                          \
	} while (0)

#define FIND(name) ((__typeof__(&(name)))find(#name))

static inline void *find(const char *name)
{
	void *p = dlsym(RTLD_DEFAULT, name);

	if (!p) {
		fprintf(stderr, "%s is not in this process: is the preload?\n", name);
		exit(1);
	}
	return p;
}

#endif
