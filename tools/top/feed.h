/*
 * feed.h - the thread that asks, so that keys are answered while a process is slow.
 *
 * It alone uses the source: every `delay` seconds, or when told to, it reads all rows at once, then
 * the files of the one group whose details are looked at, after it did what was ordered. What it
 * has is handed over whole, under the lock; the descriptor becomes readable then. Rows belong to
 * who took them until the next ones are taken: three sets go round, one being filled, one waiting,
 * one looked at.
 *
 * A process that does not answer keeps the thread waiting, nobody else. At the end such a
 * thread is left behind.
 */
#ifndef MEMCG_TOP_FEED_H
#define MEMCG_TOP_FEED_H

#include "label.h"

#define FEED_TEXT 16384

struct feed;

struct feed_news {
	const struct rows *rows; /* NULL: none new */
	const struct labels *labels;
	int err; /* of the last rows; -EPIPE: they were the last */
	char why[512];
	bool done; /* the order; 0 or its error in done_err */
	int done_err;
	char done_why[512];
	bool detailed;
	char detail_path[4096];
	char detail[FEED_TEXT];
};

/* Blocks all signals in its thread. 0 or a negative errno; then the source is still the caller's.
 */
int feed_start(struct feed **f, struct source *s, double delay);
/* Closes the source, unless the thread is stuck in it. */
void feed_stop(struct feed *f);

int feed_fd(const struct feed *f);
void feed_take(struct feed *f, struct feed_news *news);
void feed_refresh(struct feed *f);
void feed_detail(struct feed *f, const char *path); /* NULL: of none */
/* False: one is under way. */
bool feed_order(struct feed *f, const char *path, const char *file, const char *text);
/* Seconds that a question waits for its answer; 0: none is asked. */
double feed_waits(struct feed *f);

#endif
