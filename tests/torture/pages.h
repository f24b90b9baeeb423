/*
 * pages.h - counted pages that several threads have at once: a table of them, each with a reference
 * of its own, replaced now and then. Who takes one from the table takes a reference under its lock
 * and may then do anything that a holder may, others doing the same. Their payer is whoever
 * recharged them last, so it is only asked that there is one.
 */
#ifndef MEMCG_TORTURE_PAGES_H
#define MEMCG_TORTURE_PAGES_H

#include "torture.h"

void pages_shared(struct chance *c);  /* take references, use, and drop them all in one release */
void pages_replace(struct chance *c); /* the table's reference goes in a put */
void pages_batch(struct chance *c);   /* of the exchange: any mix, in one release */
void pages_end(void);

#endif
