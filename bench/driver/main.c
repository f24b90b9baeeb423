/*
 * memcg-bench [NAME ...] [--json] [--list] [--quick]
 *
 * 1. Repeats are the outermost loop, then cases, then allocators; odd repeats run the
 *    allocators backwards. What drifts (heat, neighbours) drifts for all of them alike, and a ratio
 *    compares runs that stood beside each other.
 * 2. Each figure is a process of its own (run.h).
 * 3. A figure is the median over repeats with its 95 % interval; a goal is met or missed
 *    when the interval of the ratio lies on one side of it, and cannot be told otherwise.
 */
#include "result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPEATS	      9
#define REPEATS_QUICK 3

_Static_assert(REPEATS <= REPEATS_MAX && REPEATS >= STATS_ENOUGH, "repeats fit and suffice");

struct options {
	bool json, list;
	unsigned repeats;
	struct run_length length;
	char **name;
	size_t names;
};

static bool wanted(const struct options *o, const char *row)
{
	for (size_t i = 0; i < o->names; i++)
		if (case_name_covers(o->name[i], row))
			return true;
	return !o->names;
}

struct search {
	const struct options *o;
	const char *name;
	const struct bench_case *c;
	bool found;
};

static void match(const struct bench_case *c, unsigned allocator, unsigned metric, const char *row,
		  void *arg)
{
	struct search *s = arg;

	(void)allocator;
	(void)metric;
	if (s->c && s->c != c)
		return;
	if (s->name ? case_name_covers(s->name, row) : wanted(s->o, row))
		s->found = true;
}

static bool case_wanted(const struct options *o, const struct bench_case *c)
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
	fprintf(to, "usage: memcg-bench [NAME ...] [--json] [--list] [--quick]\n"
		    "NAME: a row of --list, or what some rows begin with: pair, tenants/16, "
		    "pair/64/own\n"
		    "--quick: every case runs, briefly; no verdict can rest on the figures\n");
	exit(status);
}

static void parse(struct options *o, char **argv)
{
	*o = (struct options){.repeats = REPEATS, .length = {.rounds = 5}};
	o->name = argv + 1;
	for (char **a = argv + 1; *a; a++) {
		if (!strcmp(*a, "--json"))
			o->json = true;
		else if (!strcmp(*a, "--list"))
			o->list = true;
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
}

/* False: a run failed. */
static bool run_allocators(const struct options *o, const struct bench_case *c, unsigned repeat)
{
	bool good = true;

	for (unsigned i = 0; i < ALLOCATORS; i++) {
		unsigned a = repeat % 2 ? ALLOCATORS - 1 - i : i;
		struct run_result r;

		if (!case_runs_on(c, a))
			continue;
		switch (run_case(c, a, &o->length, &r)) {
		case RUN_DONE:
			result_store(c, a, repeat, &r);
			break;
		case RUN_SKIPPED:
			break;
		case RUN_FAILED:
			good = false;
			break;
		}
	}
	return good;
}

static bool run_all(const struct options *o)
{
	bool good = true;

	for (unsigned repeat = 0; repeat < o->repeats; repeat++) {
		for (size_t i = 0; i < case_count(); i++) {
			const struct bench_case *c = case_at(i);

			if (!case_wanted(o, c) || (c->repeats && repeat >= c->repeats))
				continue;
			if (isatty(STDERR_FILENO))
				fprintf(stderr, "\r\033[K%u/%u %s", repeat + 1, o->repeats,
					c->name);
			if (!run_allocators(o, c, repeat))
				good = false;
		}
		noise_probe();
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	return good;
}

struct showing {
	const struct options *o;
	const struct noise *noise;
};

static void show(const struct bench_case *c, unsigned allocator, unsigned metric, const char *name,
		 void *arg)
{
	const struct showing *s = arg;
	struct row row;

	if (!wanted(s->o, name))
		return;
	if (s->o->list) {
		puts(name);
		return;
	}
	row = result_row(c, allocator, metric, s->o->repeats);
	if (s->o->json)
		print_json(&row, s->noise);
	else
		print_table(&row);
}

int main(int argc, char **argv)
{
	struct noise noise = {0};
	struct options o;
	struct showing showing = {&o, &noise};
	bool good = true;

	(void)argc;
	parse(&o, argv);
	check_names(&o);
	if (!o.list) {
		result_init();
		noise_begin();
		good = run_all(&o);
		noise = noise_end();
		if (!o.json)
			print_table_head();
	}
	case_rows(show, &showing);
	print_noise(&noise);
	if (fflush(stdout) || ferror(stdout)) {
		perror("memcg-bench: standard output");
		return 1;
	}
	return good ? 0 : 1;
}
