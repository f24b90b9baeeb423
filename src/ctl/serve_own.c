/*
 * serve_own.c - whose a descriptor's number is.
 *
 * A program may close what it did not open (closefrom), and its own next files get those numbers.
 * So before a number is closed or written to at the end of the socket, and once in each round of
 * the thread, it is asked whether it is our file still. Sockets and the directory are known by
 * device and inode, noted when they were opened. Those of a poll and an eventfd are the same for
 * all there are: a poll is ours if it has our listening socket or our bell in it, and a bell if it
 * is in our poll. What cannot be told is not closed.
 * Tolerated: a program that changes its numbers between the question and the use.
 */
#include "ctl/serve.h"
#include "sys/io.h"
#include "sys/poller.h"

void serve_own_note(struct serve_own *own, int fd)
{
	struct sys_file_info info;

	*own = (struct serve_own){.device = 0};
	if (!sys_file_info(fd, &info))
		*own = (struct serve_own){.device = info.device, .inode = info.inode};
}

bool serve_own_is(const struct serve_own *own, int fd)
{
	struct sys_file_info info;

	return fd >= 0 && own->inode && !sys_file_info(fd, &info) && info.device == own->device &&
	       info.inode == own->inode;
}

bool serve_own_poll(const struct serve_place *p, int poll, int bell)
{
	if (poll < 0)
		return false;
	return (serve_own_is(&p->listen_is, p->listen) && sys_poll_has(poll, p->listen)) ||
	       (bell >= 0 && sys_poll_has(poll, bell));
}

void serve_own_place(struct serve_place *p)
{
	if (!serve_own_is(&p->listen_is, p->listen))
		p->listen = -1;
	if (!serve_own_is(&p->dir_is, p->dir))
		p->dir = -1;
}

void serve_own_client(struct serve_client *c, int poll)
{
	if (!serve_own_is(&c->is, c->fd))
		c->fd = -1;
	if (c->watch.bell >= 0 && (poll < 0 || !sys_poll_has(poll, c->watch.bell)))
		c->watch.bell = -1;
}
