/* options.c - see options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_USAGE 2
#define LEAST_DELAY  0.05
#define MOST_DELAY   86400

static const char help[] =
	"usage: memcg top [OPTIONS] [TARGET]\n"
	"Groups of a running process: a process with a control socket, or `memcg run`.\n"
	"TARGET is a PID or the path of a socket; without one, the only process there is.\n"
	"\n"
	"  -d, --delay SECONDS    between refreshes (default 1)\n"
	"  -s, --sort COLUMN      sort by it: current, use, growth, faults, refusals, ...\n"
	"  -r, --reverse          smallest first\n"
	"  -f, --flat             no tree: all groups in one order\n"
	"  -b, --batch            plain lines; so too when the output is no terminal\n"
	"      --json             an object for each group and refresh, one a line\n"
	"  -n, --iterations N     end after N refreshes\n"
	"  -p, --process TARGET   as TARGET\n"
	"  -h, --help             this\n"
	"\n"
	"Keys: ? shows them.\n";

static int misuse(const char *what, const char *value)
{
	fprintf(stderr, "memcg top: %s: '%s'; memcg top --help\n", what, value);
	return STATUS_USAGE;
}

static int parse_delay(const char *text, struct options *o)
{
	char *end;

	o->delay = strtod(text, &end);
	if (end == text || *end || !(o->delay >= LEAST_DELAY && o->delay <= MOST_DELAY))
		return misuse("--delay takes seconds, from 0.05 to 86400", text);
	return -1;
}

static int parse_rounds(const char *text, struct options *o)
{
	char *end;

	errno = 0;
	o->rounds = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || !o->rounds)
		return misuse("--iterations takes a number from 1", text);
	return -1;
}

static int parse_sort(const char *text, struct options *o)
{
	o->sort = column_find(text);
	if (o->sort)
		return -1;
	misuse("--sort takes a column", text);
	fprintf(stderr, "columns:");
	for (unsigned i = 0; i < nr_columns; i++)
		fprintf(stderr, " %s", columns[i].name);
	fprintf(stderr, "\n");
	return STATUS_USAGE;
}

static int parse_target(const char *text, struct options *o)
{
	if (o->target)
		return misuse("one process at a time", text);
	o->target = text;
	return -1;
}

static int take(int c, const char *value, struct options *o)
{
	switch (c) {
	case 'd':
		return parse_delay(value, o);
	case 'n':
		return parse_rounds(value, o);
	case 's':
		return parse_sort(value, o);
	case 'p':
		return parse_target(value, o);
	case 'r':
		o->reversed = true;
		return -1;
	case 'f':
		o->flat = true;
		return -1;
	case 'j':
		o->json = true;
		/* fall through */
	case 'b':
		o->batch = true;
		return -1;
	case 'h':
		fputs(help, stdout);
		return 0;
	default:
		fprintf(stderr, "memcg top: see memcg top --help\n");
		return STATUS_USAGE;
	}
}

int options_parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{"delay", required_argument, NULL, 'd'},
		{"iterations", required_argument, NULL, 'n'},
		{"sort", required_argument, NULL, 's'},
		{"process", required_argument, NULL, 'p'},
		{"reverse", no_argument, NULL, 'r'},
		{"flat", no_argument, NULL, 'f'},
		{"json", no_argument, NULL, 'j'},
		{"batch", no_argument, NULL, 'b'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c, status = -1;

	*o = (struct options){.delay = 1, .sort = column_find("current")};
	while (status < 0 && (c = getopt_long(argc, argv, "d:n:s:p:rfbh", names, NULL)) != -1)
		status = take(c, optarg, o);
	while (status < 0 && optind < argc)
		status = parse_target(argv[optind++], o);
	return status;
}
