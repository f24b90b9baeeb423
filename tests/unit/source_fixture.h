/* source_fixture.h - the file of a run, as its commands find it. */
#ifndef MEMCG_TEST_SOURCE_FIXTURE_H
#define MEMCG_TEST_SOURCE_FIXTURE_H

#include <sys/socket.h>

#include "source/slots.h"

/* The peer's end of a socket: one line of what a command asks. */
static inline bool hear_line(int fd)
{
	char c;

	while (recv(fd, &c, 1, 0) == 1)
		if (c == '\n')
			return true;
	return false;
}

/* A file in memory like a run's, with one process: this one. Returns its descriptor. */
static int make_run(char path[64], int seals, uint32_t version, struct slot_header **mapped)
{
	struct slot_header h = {.magic = SLOT_MAGIC,
				.version = version,
				.slot_size = SLOT_SIZE,
				.nr_slots = 2,
				.max = UINT64_MAX,
				.high = UINT64_MAX};
	int fd = memfd_create("t_source", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)slot_file_size(2)), 0);
	assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	snprintf(path, 64, "/proc/%d/fd/%d", (int)getpid(), fd);
	if (mapped) {
		*mapped = mmap(NULL, slot_file_size(2), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_true(*mapped != MAP_FAILED);
	}
	return fd;
}

#endif
