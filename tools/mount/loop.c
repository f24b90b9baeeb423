/*
 * loop.c - waits for requests and for events, which one thread takes in turn.
 *
 * A control socket tells when something comes, or that it has ended. A `memcg run` is looked at
 * four times a second. A request's answer may have brought events along, so they are taken after
 * each. Signals come only while we wait, so none is missed between a look and a wait.
 */
#include "glue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define LOOK_NS 250000000

static int take_request(struct fuse_session *se, struct fuse_buf *buf)
{
	int n = fuse_session_receive_buf(se, buf);

	if (n > 0)
		fuse_session_process_buf(se, buf);
	/* Somebody else's request may be gone by the time we read it; 0 is the end. */
	return n == -EAGAIN || n == -EINTR || n > 0 ? 0 : n ? n : 1;
}

static int wait_and_take(struct fs *fs, struct fuse_session *se, struct fuse_buf *buf,
			 const sigset_t *mask)
{
	const struct timespec look = {.tv_nsec = LOOK_NS};
	struct pollfd fds[] = {{.fd = fuse_session_fd(se), .events = POLLIN},
			       {.fd = source_fd(fs->tree.source), .events = POLLIN}};
	int n = ppoll(fds, 2, fds[1].fd < 0 ? &look : NULL, mask);

	if (n > 0 && fds[0].revents)
		return take_request(se, buf);
	return n < 0 && errno != EINTR ? -errno : 0;
}

static void block_signals(sigset_t *before)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, before);
}

int glue_loop(struct fs *fs, struct fuse_session *se)
{
	struct fuse_buf buf = {.mem = NULL};
	int fd = fuse_session_fd(se), err = 0;
	sigset_t before;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	block_signals(&before);
	while (!err && !fuse_session_exited(se)) {
		err = wait_and_take(fs, se, &buf, &before);
		if (!err)
			err = fs_events(fs);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(buf.mem);
	return err > 0 ? 0 : err;
}
