/*
 * options.c - see options.h.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

#define REPEATS	      15 /* where a ratio near 1 is claimed, fewer do not tell */
#define REPEATS_QUICK 3

_Static_assert(REPEATS <= REPEATS_MAX && REPEATS >= STATS_ENOUGH, "repeats fit and suffice");

bool options_want_row(const struct options *o, const struct bench_case *c, unsigned allocator,
		      const char *row)
{
	if (o->left_out[allocator])
		return false;
	for (size_t i = 0; i < o->names; i++)
		if (case_name_covers(o->name[i], row))
			return true;
	return !o->names && c->weight <= o->weight;
}

struct search {
	const struct options *o;
	const char *name; /* this one only; NULL: whatever is wanted */
	const struct bench_case *c;
	bool found;
};

static void match(const struct bench_case *c, unsigned allocator, unsigned metric, const char *row,
		  void *arg)
{
	struct search *s = arg;

	(void)metric;
	if (s->c && s->c != c)
		return;
	if (s->name ? case_name_covers(s->name, row) : options_want_row(s->o, c, allocator, row))
		s->found = true;
}

bool options_want_case(const struct options *o, const struct bench_case *c)
{
	struct search s = {.o = o, .c = c};

	case_rows(match, &s);
	return s.found;
}

/* A misspelt name must not pass for a case that printed nothing. */
static void check_names(const struct options *o)
{
	for (size_t i = 0; i < o->names; i++) {
		struct search s = {.o = o, .name = o->name[i]};

		case_rows(match, &s);
		if (s.found)
			continue;
		fprintf(stderr, "memcg-bench: no case is called '%s'; see memcg-bench --list\n",
			o->name[i]);
		exit(2);
	}
}

_Noreturn static void usage(FILE *to, int status)
{
	fprintf(to, "usage: memcg-bench [NAME ...] [--curves | --full] [--runs N] "
		    "[--without ALLOCATOR] [--objects | --calls] [--json] [--list] [--quick]\n"
		    "NAME: a row of --list --full, or what some rows begin with: pair, "
		    "tenants/16, pair/64/own\n"
		    "--curves: also the points that curves are drawn through; --full: also "
		    "those that take gigabytes\n"
		    "--objects: only what runs under every allocator; --calls: only the rest\n"
		    "--quick: every case runs, briefly; no verdict can rest on the figures\n");
	exit(status);
}

/* The argument of an option, which is taken out of argv's turn. */
static const char *argument(char ***a)
{
	const char *option = **a;

	if (!*++*a) {
		fprintf(stderr, "memcg-bench: %s wants something after it\n", option);
		usage(stderr, 2);
	}
	return **a;
}

static void leave_out(struct options *o, const char *name)
{
	for (unsigned i = 0; i < LINKED; i++)
		if (!strcmp(allocators[i].name, name)) {
			o->left_out[i] = true;
			return;
		}
	fprintf(stderr, "memcg-bench: no allocator is called '%s'\n", name);
	exit(2);
}

static unsigned repeats_of(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !n || n > REPEATS_MAX) {
		fprintf(stderr, "memcg-bench: --runs: 1 to %d, not '%s'\n", REPEATS_MAX, text);
		exit(2);
	}
	return (unsigned)n;
}

void options_parse(struct options *o, char **argv)
{
	*o = (struct options){.repeats = REPEATS, .length = {.rounds = 3}};
	o->name = argv + 1;
	for (char **a = argv + 1; *a; a++) {
		if (!strcmp(*a, "--json"))
			o->json = true;
		else if (!strcmp(*a, "--list"))
			o->list = true;
		else if (!strcmp(*a, "--curves"))
			o->weight = WEIGHT_CURVE;
		else if (!strcmp(*a, "--full"))
			o->weight = WEIGHT_HEAVY;
		else if (!strcmp(*a, "--objects"))
			o->left_out[LINKED] = true;
		else if (!strcmp(*a, "--calls"))
			memset(o->left_out, true, LINKED);
		else if (!strcmp(*a, "--runs"))
			o->repeats = repeats_of(argument(&a));
		else if (!strcmp(*a, "--without"))
			leave_out(o, argument(&a));
		else if (!strcmp(*a, "--quick")) {
			o->repeats = REPEATS_QUICK;
			o->length = (struct run_length){.ms = 1, .rounds = 3};
		} else if (!strcmp(*a, "--help") || !strcmp(*a, "-h"))
			usage(stdout, 0);
		else if (**a == '-') {
			fprintf(stderr, "memcg-bench: unknown option '%s'\n", *a);
			usage(stderr, 2);
		} else
			o->name[o->names++] = *a;
	}
	check_names(o);
}
