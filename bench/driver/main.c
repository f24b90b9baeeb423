/*
 * memcg-bench [NAME ...] [--curves | --full] [--runs N] [--without ALLOCATOR]
 *	       [--objects | --calls] [--json] [--list] [--quick]
 *
 * 1. Repeats are the outermost loop, then cases, then allocators; odd repeats run the
 *    allocators backwards. What drifts (heat, neighbours) drifts for all of them alike, and a ratio
 *    compares runs that stood beside each other.
 * 2. Each figure is a process of its own (run.h).
 * 3. A figure is the median over repeats with its 95 % interval; a goal is met or missed
 *    when the interval of the ratio lies on one side of it, and cannot be told otherwise.
 */
#include "options.h"
#include "progress.h"
#include "result.h"

#include <stdio.h>

/* False: a run failed. */
static bool run_allocators(const struct options *o, const struct bench_case *c, unsigned repeat)
{
	bool good = true;

	for (unsigned i = 0; i < ALLOCATORS; i++) {
		unsigned a = repeat % 2 ? ALLOCATORS - 1 - i : i;
		struct run_result r;

		if (!case_runs_on(c, a) || o->left_out[a])
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

/* Whether it has a turn in this repeat. */
static bool has_turn(const struct options *o, const struct bench_case *c, unsigned repeat)
{
	return (!c->repeats || repeat < c->repeats) && options_want_case(o, c);
}

static unsigned turns(const struct options *o)
{
	unsigned n = 0;

	for (unsigned repeat = 0; repeat < o->repeats; repeat++)
		for (size_t i = 0; i < case_count(); i++)
			n += has_turn(o, case_at(i), repeat);
	return n;
}

static bool run_all(const struct options *o)
{
	unsigned of = turns(o), done = 0;
	bool good = true;

	for (unsigned repeat = 0; repeat < o->repeats; repeat++) {
		for (size_t i = 0; i < case_count(); i++) {
			if (!has_turn(o, case_at(i), repeat))
				continue;
			progress_say(done++, of, case_at(i)->name);
			if (!run_allocators(o, case_at(i), repeat))
				good = false;
		}
		noise_probe();
	}
	progress_end();
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

	if (!options_want_row(s->o, c, allocator, name))
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
	options_parse(&o, argv);
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
