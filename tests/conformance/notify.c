/*
 * notify.c - being told that a group is gone. The kernel's test watches a file and sees
 * IN_DELETE_SELF, then IN_IGNORED; here it is a descriptor that becomes readable, a group that is
 * not online, and a watch that can be given back although its group went.
 */
#include <errno.h>
#include <poll.h>

#include "group.h"
#include "row.h"
#include "rows.h"

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* A reader of memory.events; it keeps the struct, and answers that there is nothing to read. */
void row_delete_file(void)
{
	struct memcg *cg = group_make(NULL, "delete_file");
	struct memcg_ctl *ctl = memcg_ctl_open(cg, "memory.events");
	char buf[256];
	int fd;

	EXPECT(ctl);
	fd = memcg_ctl_fd(ctl);
	EXPECT_IS(fd, >=, 0);
	EXPECT(!readable(fd, 0));
	group_end(cg);
	EXPECT(readable(fd, 0));
	EXPECT_IS(memcg_ctl_read(ctl, buf, sizeof(buf)), ==, -ENODEV);
	memcg_ctl_close(ctl);
	errno = 0;
	EXPECT(!memcg_lookup("/delete_file") && errno == ENOENT);
}

/* The group itself: its descriptor outlives it, and closes. */
void row_delete_dir(void)
{
	struct memcg *cg = group_make(NULL, "delete_dir"), *kept = memcg_get(cg);
	int fd = memcg_eventfd(cg, MEMCG_EVENT_MAX);

	EXPECT_IS(fd, >=, 0);
	EXPECT(!readable(fd, 0));
	group_end(cg);
	EXPECT(readable(fd, 0));
	EXPECT(!memcg_online(kept));
	EXPECT_IS(memcg_eventfd(kept, MEMCG_EVENT_MAX), ==, -ENODEV);
	EXPECT_IS(memcg_eventfd_close(fd), ==, 0);
	EXPECT_IS(memcg_eventfd_close(fd), ==, -EBADF);
	memcg_put(kept);
}
