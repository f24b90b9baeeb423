/* room.c - see room.h. */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sealed: a process that cut the file short would end the others by SIGBUS. */
static int make_file(uint64_t size)
{
	int fd = memfd_create("memcg-run", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)size) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int room_create(struct room *room, uint64_t max, uint64_t high, unsigned group_by)
{
	uint64_t size = slot_file_size(SLOT_DEFAULT);
	int err;

	room->fd = make_file(size);
	if (room->fd < 0)
		return room->fd;
	room->header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, room->fd, 0);
	if (room->header == MAP_FAILED) {
		err = -errno;
		close(room->fd);
		return err;
	}
	*room->header = (struct slot_header){
		.magic = SLOT_MAGIC,
		.version = SLOT_VERSION,
		.slot_size = SLOT_SIZE,
		.nr_slots = SLOT_DEFAULT,
		.group_by = group_by,
		.max = max,
		.high = high,
	};
	snprintf(room->path, sizeof(room->path), "/proc/%d/fd/%d", (int)getpid(), room->fd);
	return 0;
}

uint32_t room_used(const struct room *room)
{
	uint32_t next = atomic_load_acquire(&room->header->next);

	return next < SLOT_DEFAULT ? next : SLOT_DEFAULT;
}

uint32_t room_turned_away(const struct room *room)
{
	return atomic_load_acquire(&room->header->next) - room_used(room);
}

struct slot *room_slot(const struct room *room, uint32_t index)
{
	return (struct slot *)((char *)room->header + slot_offset(index));
}

const struct slot_exec *room_execs(const struct room *room)
{
	return (const void *)((char *)room->header + slot_execs_offset(SLOT_DEFAULT));
}

bool room_read(const struct slot *slot, struct slot_view *view)
{
	bool whole = slot_read(slot, view);

	if (view->peak < view->current)
		view->peak = view->current;
	return whole;
}
