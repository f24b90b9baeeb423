/*
 * result.h - the samples of every case, and the rows made from them.
 */
#ifndef MEMCG_BENCH_RESULT_H
#define MEMCG_BENCH_RESULT_H

#include "case.h"
#include "noise.h"
#include "run.h"
#include "stats.h"

struct row {
	char name[ROW_NAME_MAX];
	const struct metric *metric;
	struct spread value, ratio;
	double reference; /* NaN: none */
	const char *reference_name;
	double goal;	     /* 0: none */
	const char *verdict; /* NULL: no goal */
	double peer[PEERS];  /* medians; NaN: not run */
};

void result_init(void);
void result_store(const struct bench_case *c, unsigned allocator, unsigned repeat,
		  const struct run_result *r);
struct row result_row(const struct bench_case *c, unsigned allocator, unsigned metric,
		      unsigned repeats);

void print_json(const struct row *row, const struct noise *noise);
void print_table_head(void);
void print_table(const struct row *row);
void print_noise(const struct noise *noise); /* on standard error */

#endif
