/* options.c - the command line of memcg-torture. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../unit/effort.h"
#include "torture.h"

static const char usage[] =
	"memcg-torture [OPTION...] - everything at once, and a recount whenever it stands still\n"
	"  --seed N           the same again, as far as threads allow (else: by the clock)\n"
	"  --seconds N        no new round after that (60)\n"
	"  --rounds N         after so many rounds, whatever the time\n"
	"  --threads N        workers (8)\n"
	"  --groups N         places for groups (2000)\n"
	"  --steps N          of a worker in a round (100)\n"
	"  --limits on|off    limits, reclaim, shrinkers, handlers (on)\n"
	"  --mix all|memory|limits  what is done how often (all)\n"
	"Ends with one line, and 0: all held; 1: something was wrong; 2: not understood.\n";

enum { SEED, SECONDS, ROUNDS, THREADS, GROUPS, STEPS, LIMITS, MIX, HELP };

static const struct option names[] = {
	{"seed", required_argument, NULL, SEED},     {"seconds", required_argument, NULL, SECONDS},
	{"rounds", required_argument, NULL, ROUNDS}, {"threads", required_argument, NULL, THREADS},
	{"groups", required_argument, NULL, GROUPS}, {"steps", required_argument, NULL, STEPS},
	{"limits", required_argument, NULL, LIMITS}, {"mix", required_argument, NULL, MIX},
	{"help", no_argument, NULL, HELP},	     {NULL, 0, NULL, 0},
};

/* The place of text among the words; n: it is none of them. */
static unsigned word_of(const char *text, const char *const *words, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && strcmp(text, words[i]); i++)
		;
	return i;
}

static bool number(const char *text, u64 most, u64 *to)
{
	char *end;

	*to = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end && *to <= most;
}

static bool count(const char *text, u64 most, unsigned *to)
{
	u64 n;

	if (!number(text, most, &n) || !n)
		return false;
	*to = (unsigned)n;
	return true;
}

static bool take(struct options *o, int which, const char *text)
{
	static const char *const mixes[] = {"all", "memory", "limits"};
	static const char *const switches[] = {"off", "on"};
	char *end;

	switch (which) {
	case SEED:
		return number(text, UINT64_MAX, &o->seed);
	case SECONDS:
		o->seconds = strtod(text, &end);
		return end != text && !*end && o->seconds >= 0;
	case ROUNDS:
		return count(text, UINT32_MAX, &o->rounds);
	case THREADS:
		return count(text, THREADS_MAX, &o->threads);
	case GROUPS:
		return count(text, GROUPS_MAX, &o->groups);
	case STEPS:
		return count(text, 1000000, &o->steps);
	case LIMITS:
		o->limits = word_of(text, switches, 2) == 1;
		return word_of(text, switches, 2) < 2;
	case MIX:
		o->mix = (enum mix)word_of(text, mixes, MIX_NR);
		return o->mix < MIX_NR;
	default:
		return false;
	}
}

static u64 seed_by_the_clock(void)
{
	return chance_mix((u64)time(NULL) ^ (u64)getpid() << 32);
}

void options_of_test(struct options *o, int argc, char **argv)
{
	o->seconds = argc > 1 ? atof(argv[1]) : 5;
	o->seed = argc > 2 ? strtoull(argv[2], NULL, 0) : seed_by_the_clock();
	if (effort_divisor() > 1)
		o->enough = NULL;
}

int options_parse(struct options *o, int argc, char **argv)
{
	int which;

	o->seed = seed_by_the_clock();
	while ((which = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (which == HELP) {
			fputs(usage, stdout);
			exit(0);
		}
		if (which == '?' || !take(o, which, optarg)) {
			if (which != '?')
				fprintf(stderr, "memcg-torture: --%s %s is not understood\n",
					names[which].name, optarg);
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind == argc)
		return 0;
	fputs(usage, stderr);
	return 2;
}
