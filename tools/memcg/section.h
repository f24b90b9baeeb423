/*
 * section.h - one process in the report of `memcg run`: its slot, what an onlooker saw of it, and
 * what both together say. For the text (report.c) and for the page (account_run.c).
 */
#ifndef MEMCG_TOOL_SECTION_H
#define MEMCG_TOOL_SECTION_H

#include "room.h"
#include "run.h"

struct section {
	const struct track *track;
	const struct slot *slot;
	const struct tracked *seen;
	struct slot_view view;
	enum slot_state state;
	bool alive;  /* its process is still there */
	bool whole;  /* the view is of one moment */
	bool execed; /* it became another program */
};

/* False: nobody's slot, or of a copy that became a program with a section of its own. */
bool section_read(const struct track *track, uint32_t index, struct section *section);

#define SECTION_TEXT 192

/* How it ended; what the recount gave. Both return buf. */
const char *section_end(const struct section *section, char buf[SECTION_TEXT]);
const char *section_recount(const struct section *section, char buf[SECTION_TEXT]);

/*
 * What the process has besides ours: stacks, data of libraries, maps made past the hooks. Of one
 * moment: its own last, or our last look. False: neither was there.
 */
bool section_unmanaged(const struct section *section, uint64_t *bytes);

const char *section_command(const struct section *section);

#endif
