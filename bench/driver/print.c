/*
 * print.c - rows as JSON objects, one a line, or as a table.
 */
#include "result.h"

#include <math.h>
#include <stdio.h>

/* JSON has no NaN: what was not measured is null. */
static void number(const char *key, double value)
{
	if (isnan(value))
		printf(",\"%s\":null", key);
	else
		printf(",\"%s\":%.6g", key, value);
}

static void peers(const struct row *row)
{
	const char *comma = "";

	printf(",\"peers\":{");
	for (unsigned i = 0; i < PEERS; i++) {
		if (isnan(row->peer[i]))
			continue;
		printf("%s\"%s\":%.6g", comma, allocators[FIRST_PEER + i].name, row->peer[i]);
		comma = ",";
	}
	printf("}");
}

/* The quotient of the two figures shown, so that the row agrees with itself. */
static double ratio(const struct row *row)
{
	return row->value.median / row->reference;
}

void print_json(const struct row *row, const struct noise *noise)
{
	printf("{\"bench\":\"%s\",\"unit\":\"%s\"", row->name, row->metric->unit);
	number("value", row->value.median);
	number("low", row->value.low);
	number("high", row->value.high);
	number("reference", row->reference);
	number("ratio", ratio(row));
	number("ratio_low", row->ratio.low);
	number("ratio_high", row->ratio.high);
	if (row->reference_name)
		printf(",\"against\":\"%s\"", row->reference_name);
	if (row->verdict) {
		number("goal", row->goal);
		printf(",\"verdict\":\"%s\"", row->verdict);
	}
	if (row->metric->against == AGAINST_PEERS)
		peers(row);
	printf(",\"runs\":%zu,\"noisy\":%s", row->value.n, noise->noisy ? "true" : "false");
	if (noise->noisy) {
		number("spin", noise->spin);
		number("others", noise->others);
		number("stolen", noise->stolen);
	}
	printf("}\n");
}

void print_table_head(void)
{
	printf("%-44s %10s %21s  %-5s %10s %-9s %6s %13s  %s\n", "bench", "median", "95% interval",
	       "unit", "reference", "of", "ratio", "interval", "goal");
}

static void cell(double value, const char *format, int width)
{
	if (isnan(value))
		printf(" %*s", width, "-");
	else
		printf(format, value);
}

static void interval(const struct spread *s, int width, int digits)
{
	char text[64];

	if (s->n)
		snprintf(text, sizeof(text), "%.*f .. %.*f", digits, s->low, digits, s->high);
	else
		snprintf(text, sizeof(text), "-");
	printf(" %*s", width, text);
}

void print_table(const struct row *row)
{
	printf("%-44s", row->name);
	cell(row->value.median, " %10.2f", 10);
	interval(&row->value, 21, 2);
	printf("  %-5s", row->metric->unit);
	cell(row->reference, " %10.2f", 10);
	printf(" %-9s", row->reference_name ? row->reference_name : "");
	cell(ratio(row), " %6.2f", 6);
	interval(&row->ratio, 13, 2);
	if (row->verdict)
		printf("  <= %.2f %s", row->goal, row->verdict);
	printf("\n");
}

void print_noise(const struct noise *n)
{
	if (n->noisy)
		fprintf(stderr,
			"memcg-bench: noisy machine: the same loop took up to %.0f %% longer, "
			"others had %.0f %% of the CPUs, the hypervisor took %.1f %%; differences "
			"of that order mean nothing\n",
			n->spin * 100, n->others * 100, n->stolen * 100);
}
