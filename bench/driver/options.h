/*
 * options.h - what memcg-bench was asked for.
 */
#ifndef MEMCG_BENCH_OPTIONS_H
#define MEMCG_BENCH_OPTIONS_H

#include "run.h"

struct options {
	bool json, list;
	bool left_out[ALLOCATORS]; /* --without, --objects, --calls */
	enum weight weight;	   /* of a case that nobody named: at most this */
	unsigned repeats;
	struct run_length length;
	char **name;
	size_t names;
};

/* Ends the process where there is nothing to run: --help, or what nobody understands. */
void options_parse(struct options *o, char **argv);

bool options_want_row(const struct options *o, const struct bench_case *c, unsigned allocator,
		      const char *row);
/* True when a row of it is wanted. */
bool options_want_case(const struct options *o, const struct bench_case *c);

#endif
