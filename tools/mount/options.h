/* options.h - what `memcg mount` was told. */
#ifndef MEMCG_MOUNT_OPTIONS_H
#define MEMCG_MOUNT_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *dir, *target;
	bool foreground, debug;
	char fuse[1024]; /* of -o, with commas between */
};

/* -1: go on; else the status to end with: help was printed, or what is wrong. */
int options_parse(int argc, char **argv, struct options *o);

#endif
