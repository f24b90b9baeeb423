/* screen.h - memcg top on a terminal: ui, feed and term in one loop. */
#ifndef MEMCG_TOP_SCREEN_H
#define MEMCG_TOP_SCREEN_H

#include "options.h"

#include "../source/source.h"

/* The status to end with. Takes the source. Does not return from a signal that ends us: the
 * terminal is as it was, then the signal has its way. */
int screen_run(struct source *s, const struct options *o);

#endif
