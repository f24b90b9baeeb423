/*
 * print.h - a walk as text: the tree, the lines, the verdict. For the report of a
 * process about itself, and for memcg-check; so it takes the writer from its caller and uses
 * no stdio stream.
 */
#ifndef MEMCG_CTL_PRINT_H
#define MEMCG_CTL_PRINT_H

#include "ctl/walk.h"

struct print {
	void (*write)(void *arg, const char *text, size_t n);
	void *arg;
};

#define PRINT_SIZE 40

__hidden_ __printf_(2, 3) void print_text(struct print *p, const char *fmt, ...);
/* The group at that place and all below it; 0: all. Columns: group, current, peak, max, refusals,
 * times at max, own bytes. After walk_tree. */
__hidden_ void print_tree(struct print *p, struct walk *w, u32 top);
__hidden_ void print_sums(struct print *p, const struct walk *w); /* after walk_recount */
/* "recount: closed (...)", or how many differences there are. */
__hidden_ void print_verdict(struct print *p, const struct recount_result *r);
/* "max", "512", "1.5M". Returns buf. */
__hidden_ const char *print_size(u64 bytes, char buf[PRINT_SIZE]);

#endif
