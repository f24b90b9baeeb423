/*
 * page.h - the answer to a scrape, made line by line as its reader takes it.
 *
 * Two formats: OpenMetrics 1.0 (UNIT, a family's name without _total, `# EOF` at the end) and
 * the text format of Prometheus. A page is a place in four loops (families, processes, groups,
 * parts) and one line, so its memory does not grow with the answer: what grows is the fleet.
 */
#ifndef MEMCG_EXPORT_PAGE_H
#define MEMCG_EXPORT_PAGE_H

#include "family.h"

enum page_format { PAGE_PROMETHEUS, PAGE_OPENMETRICS };

struct page {
	struct fleet *fleet;
	enum page_format format;
	unsigned family;
	size_t member, row;
	unsigned part;
	bool headed; /* the family's first lines have been said */
	bool ended;  /* so has the last one */
	struct text line;
	size_t at; /* in the line: what comes next */
};

/* Takes over the caller's reference. */
void page_begin(struct page *p, struct fleet *fleet, enum page_format format);
void page_end(struct page *p);

/* As many bytes as there is room for; 0: that was all. -1: no memory, the answer is cut off. */
long page_fill(struct page *p, char *buf, size_t size);

const char *page_type(enum page_format format);
/* What the header Accept asks for; NULL: there is none. */
enum page_format page_choose(const char *accept);

#endif
