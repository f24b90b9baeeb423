/* room.h - the memfd of `memcg run`: a header, and a slot for each process. See ctl/slot.h. */
#ifndef MEMCG_TOOL_ROOM_H
#define MEMCG_TOOL_ROOM_H

#include "ctl/slot.h"

struct room {
	struct slot_header *header;
	int fd;
	char path[64]; /* how processes open it: MEMCG_SLOT */
};

/* 0 or -errno. The descriptor stays open as long as processes may come. */
int room_create(struct room *room, uint64_t max, uint64_t high, unsigned group_by);

/* Slots claimed so far; those at the end may still be SLOT_EMPTY. */
uint32_t room_used(const struct room *room);

/* Processes that found no slot left. */
uint32_t room_turned_away(const struct room *room);

struct slot *room_slot(const struct room *room, uint32_t index);

/* SLOT_EXECS of them. */
const struct slot_exec *room_execs(const struct room *room);

/*
 * The numbers of a slot; false as of slot_read. The process's peak leaves out what is cached and
 * its current does not: what there is now has been reached, so the peak is no less.
 */
bool room_read(const struct slot *slot, struct slot_view *view);

#endif
