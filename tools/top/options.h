/* options.h - what the command line asks for. */
#ifndef MEMCG_TOP_OPTIONS_H
#define MEMCG_TOP_OPTIONS_H

#include "column.h"

struct options {
	const char *target; /* NULL: the only one there is */
	bool batch, json;
	bool reversed, flat;
	unsigned long rounds; /* 0: until the end */
	double delay;	      /* seconds */
	const struct column *sort;
};

/* -1: go on; else the status to end with, and everything was said. */
int options_parse(int argc, char **argv, struct options *o);

#endif
