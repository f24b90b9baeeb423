/*
 * run.h - what the parts of `memcg run` share.
 *
 *   run.c      the order of things, from the options to the status
 *   options.c  the command line
 *   rules.c    the file of --rules
 *   launch.c   the environment, and the start of the program
 *   watch.c    waiting: children that end, signals to hand on, the clock
 *   track.c    what became of each process; who escaped
 *   live.c     lines while it runs       report.c  what is written at the end, as text
 *   holders.c  which groups those show
 *   record.c   what is taken down for a page (web.h)
 *   section.c  one process in the report
 */
#ifndef MEMCG_TOOL_RUN_H
#define MEMCG_TOOL_RUN_H

#include "room.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct record;

struct run_options {
	uint64_t max, high;
	const char *max_text; /* as it was given */
	unsigned group_by;    /* enum slot_group_by */
	const char *rules;    /* the user's file; NULL: none */
	unsigned top;	      /* groups to show; 0: all */
	const char *report;   /* NULL: standard error */
	bool quiet;
	bool no_children;
	bool control;
	char **command;
};

/* 0; or STATUS_USAGE after one line that says why. */
int run_options_parse(int argc, char **argv, struct run_options *options);

const char *options_group_by(unsigned way); /* enum slot_group_by as it is written */

/* ---- launch.c ---- */

/* The library to preload; 0, or STATUS_OURS after one line. */
int launch_find_library(char *path, size_t size);

struct launch {
	const struct run_options *options;
	const struct room *room;
	const char *library;
	int rules;	  /* descriptor, as rules_load made it; -1: none */
	const void *mask; /* the program's signal mask */
};

/* The program's process; or -status after one line. */
pid_t launch_program(const struct launch *launch);

/* ---- track.c ---- */

/* Beside each slot: what only an onlooker can know. */
struct tracked {
	bool reaped; /* `status` holds, as of waitpid(2) */
	bool alive;  /* at the last look */
	int status;
	uint64_t rss, rss_anon; /* at the last look, and our part of it in the same moment */
	uint64_t ours;
};

struct escape {
	pid_t pid;
	uint64_t start;
	uint64_t since; /* first seen without a slot, ns */
	bool counted;
	char comm[16];
	char why[48];
};

struct track {
	const struct room *room;
	pid_t self, main;
	int main_status; /* as of waitpid(2) */
	bool main_ended;
	bool seek_escapes;
	struct tracked *slots;	/* SLOT_DEFAULT of them */
	uint64_t main_ended_at; /* ns */
	struct escape *escapes;
	size_t nr_escapes, room_escapes;
};

int track_init(struct track *track, const struct room *room, bool seek_escapes);
void track_exit(struct track *track);

/* Looks at /proc once: who lives, how much memory they have, who has no slot. */
void track_look(struct track *track, uint64_t now);

/* A process of ours has ended; `status` as of waitpid(2). */
void track_reaped(struct track *track, pid_t pid, int status);

/* At the end, after the last look: execs that no image answered are escapes too. */
void track_pending(struct track *track);

unsigned track_escaped(const struct track *track);

bool track_has_later(const struct track *track, uint32_t index); /* slot of the same process */

/* A later slot, or word of an exec: this one is what the process was before. */
bool track_was_execed(const struct track *track, uint32_t index);

/* ---- watch.c ---- */

/* Returns when the program has ended; `track` then holds its status. */
struct watch {
	int signals;	/* signalfd */
	uint64_t began; /* ns */
	bool quiet;
	unsigned top;	       /* as of run_options */
	struct record *record; /* NULL: nobody wants one */
};

/* Before the program starts: takes signals over. `mask` receives the mask as it was. */
int watch_init(struct watch *watch, void *mask);
void watch_run(struct watch *watch, struct track *track);

/* Takes down the status of every child of ours that has ended. */
void watch_reap(struct track *track);

/* ---- live.c and report.c ---- */
void live_print(const struct track *track, uint64_t elapsed_ns, unsigned top);

/* 0 or -errno of the writing. */
int report_write(FILE *to, const struct track *track, const struct run_options *options);

uint64_t run_clock_ns(void);

#endif
