/*
 * range.h - the kernel's anonymous memory where there is swap: managed pages that a process writes
 * and reads. A page that cannot be had is SIGBUS; who gets it has died, as far as a row is
 * concerned, and its range stays until it is closed. One thread at a time touches ranges.
 */
#ifndef CONFORMANCE_RANGE_H
#define CONFORMANCE_RANGE_H

#include "group.h"

struct range {
	struct memcg_mm *mm;
	char *at;
	uint64_t bytes;
};

#define RANGE_PAGE 4096u

void range_open(struct range *r, struct memcg *cg, uint64_t bytes);
/* Writes to the first byte of each of its pages, one after the other. False: it died. */
bool range_fill(struct range *r);
/* Copies a page to each. False: it died. */
bool range_fill_with(struct range *r, const char page[RANGE_PAGE]);
bool range_is_filled(struct range *r); /* all of it reads as range_fill left it */
bool range_is_filled_with(struct range *r, const char page[RANGE_PAGE]);
void range_close(struct range *r); /* also one that is closed already */

#endif
