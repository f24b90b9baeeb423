/*
 * record.h - what `memcg run` takes down for a page while the program runs.
 *
 * After each look at /proc (track.h) the numbers of every process that lives, and once more of one
 * that has ended, are added to series (series.h): the root, each group that has a row, and the
 * process's resident memory. A spike between two looks is not lost: a slot tells the highest value
 * there was, so when that rose since the last look, it was reached in this point.
 *
 * Bounded, and told in the page where a bound was met: RECORD_GROUPS groups of a process,
 * RECORD_CHANGES changes of limits, and the cells of all series.
 *
 * Of the one thread of `run`; without a page nothing is recorded.
 */
#ifndef MEMCG_TOOL_RECORD_H
#define MEMCG_TOOL_RECORD_H

#include "room.h"
#include "run.h"
#include "series.h"

#define RECORD_GROUPS  64u  /* of a process, those that have gone among them */
#define RECORD_CHANGES 512u /* of limits, in all */
#define RECORD_STEP_NS 50000000ull

struct record_group {
	char name[SLOT_NAME_MAX]; /* "" is the root */
	uint64_t current, peak, max, refusals;
	struct series series;
};

struct record_process {
	uint64_t refreshed; /* of the slot, when its numbers were taken */
	bool ended;	    /* at the last look */
	unsigned missed;    /* looks in a row that did not find it alive */
	uint64_t ended_at;  /* ns; when it was first missed */
	uint64_t high;
	struct series resident;	      /* all of it, files too */
	struct record_group **groups; /* the root is the first */
	unsigned nr_groups;
};

struct record_change {
	uint64_t when; /* ns */
	uint32_t slot; /* RECORD_EVERYBODY: set for all at once */
	bool high;     /* else max */
	char name[SLOT_NAME_MAX];
	uint64_t from, to;
};

#define RECORD_EVERYBODY UINT32_MAX

struct record {
	struct timeline time;
	struct record_process *processes; /* SLOT_DEFAULT, beside the slots */
	struct record_change changes[RECORD_CHANGES];
	unsigned nr_changes, lost_changes;
	bool lost_groups;   /* more than RECORD_GROUPS in a process */
	uint64_t max, high; /* as the header had them at the last look */
};

/* NULL: no memory. */
struct record *record_create(const struct room *room, uint64_t began);
void record_destroy(struct record *record); /* NULL is fine */

void record_look(struct record *record, const struct track *track, uint64_t now);

/* Once, after the last look: final numbers of all. */
void record_finish(struct record *record, const struct track *track, uint64_t now);

#endif
