/* wire.c - see wire.h. */
#include "wire.h"

#include "inside.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 4096u /* of the line before a piece */

unsigned wire_patience;

static int fail(struct wire *w, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct wire *w, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	source_clean(w->why);
	return err;
}

/* Nothing that is said from here on can be told from the middle of something else. */
static int give_up(struct wire *w, int err, const char *what)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	return fail(w, err, "process %d: %s", (int)w->pid, what);
}

static int gone(struct wire *w)
{
	return give_up(w, -EPIPE, "it has ended, or closed its control socket");
}

static int nonsense(struct wire *w)
{
	return give_up(w, -EPROTO, "what came from its control socket is not the protocol");
}

/* ---- the connection ---- */

/*
 * What listens there must be ours, or root's; root may look at anybody. A file's name says nothing:
 * who was asked for by number must have called listen itself.
 */
static int check_peer(struct wire *w, pid_t pid)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(w->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return fail(w, -errno, "%s", strerror(errno));
	w->pid = peer.pid;
	if (geteuid() && peer.uid && peer.uid != geteuid())
		return fail(w, -EACCES, "it belongs to user %u", (unsigned)peer.uid);
	if (pid && peer.pid != pid)
		return fail(w, -EACCES,
			    "it is named for process %d, and process %d listens there: say its "
			    "path if that is the one you mean",
			    (int)pid, (int)peer.pid);
	return 0;
}

static int explain_connect(struct wire *w, int err)
{
	if (err == ECONNREFUSED || err == ENOENT)
		return fail(w, -err, "nobody listens there%s",
			    err == ECONNREFUSED ? " any more" : "");
	if (err == EAGAIN)
		return fail(w, -ETIMEDOUT, "too many are waiting for it: is it stopped?");
	return fail(w, -err, "%s", strerror(err));
}

static unsigned patience_of(unsigned ms)
{
	return wire_patience && wire_patience < ms ? wire_patience : ms;
}

static int connect_to(struct wire *w, const char *path, pid_t pid)
{
	unsigned ms = patience_of(WIRE_HELLO_MS);
	struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(to.sun_path))
		return fail(w, -ENAMETOOLONG, "the path is too long for a socket");
	strcpy(to.sun_path, path);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return fail(w, -errno, "%s", strerror(errno));
	/* connect waits in the queue of a process that is stopped. */
	setsockopt(w->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(w->fd, (struct sockaddr *)&to, sizeof(to)))
		return explain_connect(w, errno);
	return check_peer(w, pid);
}

int wire_open(struct wire *w, const char *path, pid_t pid)
{
	int err;

	*w = (struct wire){.fd = -1};
	w->buf = malloc(WIRE_BUFFER);
	err = w->buf ? connect_to(w, path, pid) : fail(w, -ENOMEM, "no memory");
	if (err)
		wire_close(w);
	return err;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->buf);
	free(w->events);
	w->fd = -1;
	w->buf = w->events = NULL;
}

/* ---- bytes ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 1; 0: the time is over. */
static int wait_for(struct wire *w, short what, int64_t end)
{
	struct pollfd fd = {.fd = w->fd, .events = what};
	int64_t left = end - now_ms();
	int n;

	if (left < 0)
		left = 0;
	do
		n = poll(&fd, 1, left > 100000 ? 100000 : (int)left);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

static int silent(struct wire *w)
{
	return give_up(w, -ETIMEDOUT, "no answer: is it stopped?");
}

static int send_line(struct wire *w, const char *line, size_t n, int64_t end)
{
	while (n) {
		ssize_t sent = send(w->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EAGAIN) {
			if (!wait_for(w, POLLOUT, end))
				return silent(w);
			continue;
		}
		if (sent < 0 && errno == EINTR)
			continue;
		/* It has hung up; what it said before may still be read, and why it did. */
		if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (sent < 0)
			return gone(w);
		line += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* Makes more of the answer come: 0, or why none does. */
static int receive(struct wire *w, int64_t end)
{
	ssize_t n;

	if (w->at == w->end)
		w->at = w->end = 0;
	if (w->end == WIRE_BUFFER) {
		memmove(w->buf, w->buf + w->at, w->end - w->at);
		w->end -= w->at;
		w->at = 0;
	}
	for (;;) {
		n = recv(w->fd, w->buf + w->end, WIRE_BUFFER - w->end, MSG_DONTWAIT);
		if (n > 0) {
			w->end += (size_t)n;
			return 0;
		}
		if (!n || (errno != EAGAIN && errno != EINTR))
			return gone(w);
		if (!wait_for(w, POLLIN, end))
			return silent(w);
	}
}

/* A line, with a NUL instead of its newline; in the buffer until more is received. */
static int take_line(struct wire *w, char **line, int64_t end)
{
	char *newline;
	int err;

	while (!(newline = memchr(w->buf + w->at, '\n', w->end - w->at))) {
		if (w->end - w->at > HEAD_MAX)
			return nonsense(w);
		err = receive(w, end);
		if (err)
			return err;
	}
	*newline = '\0';
	*line = w->buf + w->at;
	w->at = (size_t)(newline + 1 - w->buf);
	return 0;
}

/* Hands n bytes on as they come. What the sink says first counts; the rest is dropped. */
static int take_bytes(struct wire *w, size_t n, wire_sink sink, void *arg, int *said, int64_t end)
{
	while (n) {
		size_t have = w->end - w->at;
		int err;

		if (!have) {
			err = receive(w, end);
			if (err)
				return err;
			continue;
		}
		if (have > n)
			have = n;
		if (!*said)
			*said = sink(arg, w->buf + w->at, have);
		w->at += have;
		n -= have;
	}
	return 0;
}

/* ---- events ---- */

static int keep_event(void *arg, const char *bytes, size_t n)
{
	struct wire *w = arg;

	if (!w->events)
		w->events = malloc(WIRE_EVENTS);
	if (!w->events)
		return -ENOMEM;
	if (w->event_end + n > WIRE_EVENTS) {
		memmove(w->events, w->events + w->event_at, w->event_end - w->event_at);
		w->event_end -= w->event_at;
		w->event_at = 0;
	}
	if (w->event_end + n > WIRE_EVENTS)
		return -ENOBUFS;
	memcpy(w->events + w->event_end, bytes, n);
	w->event_end += n;
	return 0;
}

static int take_events(struct wire *w, size_t n, int64_t end)
{
	int said = 0, err = take_bytes(w, n, keep_event, w, &said, end);

	if (!err && said)
		return give_up(w, said, "its events came faster than they were read");
	return err;
}

static bool parse_length(const char *text, size_t *n)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	*n = value;
	return !*end && !errno && value <= WIRE_PIECE_MAX;
}

int wire_event(struct wire *w, char *line, size_t size, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX / 2 : now_ms() + timeout_ms;
	char *head, *newline;
	size_t n;
	int err;

	if (w->fd < 0)
		return -EPIPE;
	while (!(newline = w->events ? memchr(w->events + w->event_at, '\n',
					      w->event_end - w->event_at)
				     : NULL)) {
		if (w->at == w->end && !wait_for(w, POLLIN, end)) {
			if (now_ms() >= end)
				return 0;
			continue;
		}
		/* Pieces of a line may come for ever; whoever waits was told how long. */
		if (timeout_ms > 0 && now_ms() > end)
			return 0;
		err = take_line(w, &head, now_ms() + WIRE_ANSWER_MS);
		if (err)
			return err;
		if (strncmp(head, "event ", 6) || !parse_length(head + 6, &n) || !n)
			return nonsense(w);
		err = take_events(w, n, now_ms() + WIRE_ANSWER_MS);
		if (err)
			return err;
	}
	n = (size_t)(newline - (w->events + w->event_at));
	if (n >= size)
		return nonsense(w);
	memcpy(line, w->events + w->event_at, n);
	line[n] = '\0';
	w->event_at += n + 1;
	return 1;
}

/* ---- answers ---- */

static int number_of(const char *name, size_t n)
{
	for (int err = 1; err < 134; err++) {
		const char *is = strerrorname_np(err);

		if (is && strlen(is) == n && !memcmp(is, name, n))
			return err;
	}
	return EIO;
}

static int refused(struct wire *w, const char *text)
{
	size_t n = strcspn(text, " ");

	w->refused = true;
	return fail(w, -number_of(text, n), "%s", text[n] ? text + n + 1 : text);
}

/* 1: the answer goes on. */
static int take_piece(struct wire *w, wire_sink sink, void *arg, int *said, size_t *most,
		      int64_t end)
{
	char *head;
	size_t n;
	int err = take_line(w, &head, end);
	bool more;

	if (err)
		return err;
	if (!strncmp(head, "err ", 4))
		return refused(w, head + 4);
	if (!strncmp(head, "event ", 6) && parse_length(head + 6, &n) && n) {
		err = take_events(w, n, end);
		return err ? err : 1;
	}
	more = !strncmp(head, "more ", 5);
	if ((!more && strncmp(head, "ok ", 3)) || !parse_length(head + (more ? 5 : 3), &n))
		return nonsense(w);
	if (n > *most)
		return give_up(w, -EPROTO, "its answer has no end");
	*most -= n;
	err = take_bytes(w, n, sink, arg, said, end);
	return err ? err : more;
}

int wire_ask(struct wire *w, const char *line, size_t length, wire_sink sink, void *arg,
	     size_t most, int timeout_ms)
{
	int64_t end = now_ms() + patience_of((unsigned)timeout_ms);
	int said = 0, got;

	w->refused = false;
	if (w->fd < 0)
		return -EPIPE; /* why is what it was */
	got = send_line(w, line, length, end);
	if (got)
		return got;
	do {
		got = now_ms() > end ? silent(w) : take_piece(w, sink, arg, &said, &most, end);
	} while (got > 0);
	return got ? got : said;
}
