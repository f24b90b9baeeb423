/*
 * wire.h - a connection to a control socket, as bytes (docs/control.md).
 *
 * Answers come in pieces; a piece's bytes go to whoever asked as they come, so a large one needs no
 * memory here. Events that stand between answers are kept in a queue. Whatever the
 * peer says, an answer has an end: a number of bytes, and a time. A peer that breaks the protocol
 * or falls silent is not spoken to again: `fd` is -1 from then on.
 */
#ifndef MEMCG_SOURCE_WIRE_H
#define MEMCG_SOURCE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_BUFFER    65536u
#define WIRE_PIECE_MAX (1u << 20)
#define WIRE_EVENTS    (1u << 20) /* bytes that wait to be asked for */
#define WIRE_ANSWER_MS 60000
#define WIRE_HELLO_MS  10000

struct wire {
	int fd;
	pid_t pid; /* of who listens */
	char *buf;
	size_t at, end; /* what has come and was not taken is between */
	char *events;
	size_t event_at, event_end;
	bool refused; /* the last answer was the peer's `err`; why is its text */
	char why[384];
};

/* Takes a part of an answer. 0; -errno: the rest is read and dropped, and that is the result. */
typedef int (*wire_sink)(void *arg, const char *bytes, size_t n);

/* No answer is waited for longer than this, in place of what was asked for; 0: of that. */
extern unsigned wire_patience;

/* pid: who must be the one that listens; 0: whoever does. */
int wire_open(struct wire *w, const char *path, pid_t pid);
void wire_close(struct wire *w);

/*
 * Sends a request, a whole line, and gives its answer to the sink; `most` bytes at most
 * within timeout_ms. 0; -errno: of the sink, the peer's refusal (why has its text), -EPIPE: the
 * process is gone, -ETIMEDOUT, -EPROTO.
 */
int wire_ask(struct wire *w, const char *line, size_t length, wire_sink sink, void *arg,
	     size_t most, int timeout_ms);

/* The next line of events, NUL-terminated, until the next call. 1; 0: none within timeout_ms. */
int wire_event(struct wire *w, char *line, size_t size, int timeout_ms);

#endif
