/*
 * result.c - from samples to rows.
 *
 * The best peer is the one with the lowest median over all repeats, not the best of each
 * repeat: the luckiest of four noisy figures is nobody's speed.
 */
#include "result.h"

#include <math.h>
#include <stdio.h>

/* [2 * metric]: its key; [2 * metric + 1]: the key it is held against. */
static double samples[CASES_MAX][ALLOCATORS][2 * METRICS_MAX][REPEATS_MAX];

void result_init(void)
{
	double *all = &samples[0][0][0][0];

	for (size_t i = 0; i < sizeof(samples) / sizeof(double); i++)
		all[i] = NAN;
}

void result_store(const struct bench_case *c, unsigned allocator, unsigned repeat,
		  const struct run_result *r)
{
	for (unsigned m = 0; m < METRICS_MAX && c->metric[m].key; m++) {
		const struct metric *metric = &c->metric[m];

		samples[case_nth(c)][allocator][2 * m][repeat] = run_value(r, metric->key);
		if (metric->against == AGAINST_KEY)
			samples[case_nth(c)][allocator][2 * m + 1][repeat] =
				run_value(r, metric->other);
	}
}

static void hold_against(struct row *row, const double *mine, const double *other, unsigned n)
{
	row->reference = stats_spread(other, n).median;
	row->ratio = stats_ratio(mine, other, n);
}

static void against_peers(struct row *row, const struct bench_case *c, unsigned metric,
			  const double *mine, unsigned n)
{
	int best = -1;

	for (unsigned i = 0; i < PEERS; i++) {
		row->peer[i] =
			stats_spread(samples[case_nth(c)][FIRST_PEER + i][2 * metric], n).median;
		if (!isnan(row->peer[i]) && (best < 0 || row->peer[i] < row->peer[best]))
			best = (int)i;
	}
	if (best < 0)
		return;
	row->reference_name = allocators[FIRST_PEER + best].name;
	hold_against(row, mine, samples[case_nth(c)][FIRST_PEER + best][2 * metric], n);
}

static void against_target(struct row *row, const double *mine, unsigned n)
{
	double target[REPEATS_MAX];

	for (unsigned i = 0; i < n; i++)
		target[i] = row->metric->target;
	row->reference_name = "target";
	hold_against(row, mine, target, n);
}

/* A goal is one of the library as it comes: `own`, and the calls. Accounting off has one of its own
 * where what is accounted is held against the peers. */
static double goal_for(const struct metric *m, unsigned allocator)
{
	if (allocator == UNACCOUNTED && m->goal > 0 && m->against == AGAINST_PEERS)
		return GOAL_OFF;
	return allocator == OWN || allocator == LINKED ? m->goal : 0;
}

struct row result_row(const struct bench_case *c, unsigned allocator, unsigned metric,
		      unsigned repeats)
{
	const double *mine = samples[case_nth(c)][allocator][2 * metric];
	struct row row = {.metric = &c->metric[metric], .reference = NAN};

	case_row_name(c, allocator, row.metric, row.name);
	row.value = stats_spread(mine, repeats);
	row.ratio = (struct spread){NAN, NAN, NAN, 0};
	for (unsigned i = 0; i < PEERS; i++)
		row.peer[i] = NAN;
	if (row.metric->against == AGAINST_PEERS)
		against_peers(&row, c, metric, mine, repeats);
	else if (row.metric->against == AGAINST_TARGET)
		against_target(&row, mine, repeats);
	else if (row.metric->against == AGAINST_KEY) {
		row.reference_name = row.metric->other;
		hold_against(&row, mine, samples[case_nth(c)][allocator][2 * metric + 1], repeats);
	}
	row.goal = goal_for(row.metric, allocator);
	if (row.goal > 0)
		row.verdict = stats_verdict(&row.ratio, row.goal);
	return row;
}
