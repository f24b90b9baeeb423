/*
 * account.h - what a page tells, whoever it comes from: the record of `memcg run`
 * (account_run.c), or a process that was asked (account_live.c). The page's writers (web.h) see
 * nothing else.
 *
 * Strings and series belong to who made the account and outlive it, save those of account_keep.
 */
#ifndef MEMCG_TOOL_ACCOUNT_H
#define MEMCG_TOOL_ACCOUNT_H

#include "series.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCOUNT_NONE   UINT64_MAX /* no limit, no end, not known: `max` and `-` */
#define ACCOUNT_EVENTS 4000u	  /* more are counted, not listed */
#define ACCOUNT_TEXT   192
#define ACCOUNT_VALUES 48

struct account_value {
	const char *name;
	uint64_t value;
};

struct account_group {
	const char *path;
	unsigned depth; /* of the tree; the process's root has 0 */
	uint64_t current, peak, max, high, refusals;
	uint64_t each, fullest;	      /* as in a row (source/source.h) */
	bool gone;		      /* it has no row at the end any more: numbers as last seen */
	const struct series *series;  /* NULL: only this moment is known */
	struct account_value *values; /* what it holds by kind, and counts of events */
	size_t nr_values;
};

struct account_process {
	int pid, ppid;
	const char *comm, *command;
	char ended[ACCOUNT_TEXT], recount[ACCOUNT_TEXT];
	uint64_t from, to; /* ns since the beginning; to may be ACCOUNT_NONE */
	struct account_value values[ACCOUNT_VALUES]; /* ACCOUNT_NONE: not seen */
	size_t nr_values;
	const struct series *resident;
	struct account_group *groups; /* parents first; the root, then what is below it */
	size_t nr_groups;
};

enum account_what { EVENT_START, EVENT_END, EVENT_REFUSED, EVENT_MAX, EVENT_HIGH, EVENT_ESCAPED };

struct account_event {
	uint64_t when, until; /* ns since the beginning */
	enum account_what what;
	int pid;	   /* 0: of all */
	const char *path;  /* NULL: the process */
	const char *text;  /* EVENT_START, EVENT_END, EVENT_ESCAPED */
	uint64_t count;	   /* EVENT_REFUSED */
	uint64_t from, to; /* EVENT_MAX, EVENT_HIGH */
};

struct account {
	bool live; /* a process that was asked; else the end of a run */
	const char *command;
	const char *version; /* of the library; NULL where not known */
	uint64_t date;	     /* seconds since 1970, of the beginning */
	uint64_t elapsed;    /* ns */
	uint64_t max, high;
	uint64_t max_was, high_was;  /* in the beginning; the same where nobody changed them */
	const struct timeline *time; /* NULL: of one moment */
	struct account_process *processes;
	size_t nr_processes;
	struct account_event *events; /* in the order of time */
	size_t nr_events, room_events, lost_events;
	const char *notes[8]; /* what is missing, and why */
	size_t nr_notes;
	unsigned escaped;
	const char *leftovers; /* text, or NULL */
	const char *owners;    /* text of memory.owners, or NULL */
	const char *text;      /* the report as text */
	char **kept;	       /* strings of its own */
	size_t nr_kept;
};

void account_free(struct account *account);

/* A string that is freed with the account; "" for want of memory. */
const char *account_keep(struct account *account, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void account_event(struct account *account, const struct account_event *event);
void account_note(struct account *account, const char *text);
void account_sort(struct account *account); /* events, once all are there */

void account_value(struct account_process *process, const char *name, uint64_t value);

/* The value of that name, or ACCOUNT_NONE. */
uint64_t account_find(const struct account_process *process, const char *name);

#endif
