/*
 * web.h - an account as one page that needs nothing else: no network, no other file.
 *
 * page/report.html is its frame, with style and script from beside it; page/embed.py makes them
 * parts of the program, and a {{name}} in the frame a call of web_name(). Everything a name or a
 * command can hold goes through quote.h.
 *
 * Without script there are tables, with a line for each group that shows its course, and a chart
 * of the whole; the script draws a chart one can ask, and a map of who holds what, from the same
 * numbers (web_data.c). The page's policy allows this one script and this one style by their
 * hashes, and nothing else: no style attribute may be written here.
 *
 *   web.c        frame, heading, notes, text    web_table.c  processes, groups, events
 *   web_chart.c  lines without script           web_data.c   numbers for the script
 *   web_order.c  what comes first
 */
#ifndef MEMCG_TOOL_WEB_H
#define MEMCG_TOOL_WEB_H

#include "account.h"

#include <stdio.h>

/* 0 or -errno of the writing. */
int web_write(FILE *to, const struct account *account);

/* ---- what the frame asks for, in its order ---- */

struct web_part {
	const char *text; /* of the frame */
	size_t size;
	void (*then)(FILE *to, const struct account *account); /* NULL: the end */
};

extern const struct web_part web_parts[]; /* made by page/embed.py */

void web_title(FILE *to, const struct account *account);
void web_heading(FILE *to, const struct account *account);
void web_chart(FILE *to, const struct account *account);
void web_processes(FILE *to, const struct account *account);
void web_events(FILE *to, const struct account *account);
void web_notes(FILE *to, const struct account *account);
void web_text(FILE *to, const struct account *account);
void web_data(FILE *to, const struct account *account);

/* ---- between the parts ---- */

/* "1.5 MiB" with the exact number on it; "no limit" or "-" for ACCOUNT_NONE, as `none` says. */
void web_bytes(FILE *to, uint64_t bytes, const char *none);
void web_time(FILE *to, uint64_t ns); /* "12.3 s" */

/* Places in the account's tables in the order of the page, to be freed; NULL: no memory. */
size_t *web_order_processes(const struct account *account);
size_t *web_order_groups(const struct account_process *process);

/* A small chart of a series, for a cell of a table. */
void web_spark(FILE *to, const struct timeline *time, const struct series *series);

#endif
