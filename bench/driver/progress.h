/*
 * progress.h - what a run of many minutes says meanwhile, on standard error: on a terminal one line
 * that changes, elsewhere a line now and then.
 */
#ifndef MEMCG_BENCH_PROGRESS_H
#define MEMCG_BENCH_PROGRESS_H

/* Before each of `of` pieces of work: done are over, `name` is next. */
void progress_say(unsigned done, unsigned of, const char *name);
void progress_end(void);

#endif
