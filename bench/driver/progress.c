/*
 * progress.c - see progress.h.
 */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_BETWEEN 15

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double began, said;

/* Pieces are unlike each other, but the same ones come back with each repeat. */
static double left(double took, unsigned done, unsigned of)
{
	return took / (double)done * (double)(of - done);
}

void progress_say(unsigned done, unsigned of, const char *name)
{
	double now = seconds();
	char rest[64] = "";

	if (!began)
		began = said = now;
	if (done * 20 > of)
		snprintf(rest, sizeof(rest), ", about %.0f s left", left(now - began, done, of));
	if (isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r\033[K%3u %% %s%s", done * 100 / of, name, rest);
	} else if (now - said >= SECONDS_BETWEEN) {
		said = now;
		fprintf(stderr, "memcg-bench: %u %% after %.0f s%s\n", done * 100 / of, now - began,
			rest);
	}
}

void progress_end(void)
{
	if (began && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}
