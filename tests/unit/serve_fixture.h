/* serve_fixture.h - a control socket in a directory of its own, and clients of it. */
#ifndef MEMCG_TESTS_SERVE_FIXTURE_H
#define MEMCG_TESTS_SERVE_FIXTURE_H

#include "group_fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/serve.h"
#include "effort.h"
#include "sys/fault.h"

#define PATIENCE_S 120 /* of who waits for an answer: then it hangs */

static char place_dir[64], place_path[96];

/* From the system: what a client keeps is not the library's business. */
struct talk {
	int fd;
	char *text; /* of the last answer */
	size_t len, size;
	char word[16]; /* ok, err, event */
	unsigned pieces;
};

static inline int place_up(void **state)
{
	(void)state;
	strcpy(place_dir, "/tmp/t_serve-XXXXXX");
	assert_non_null(mkdtemp(place_dir));
	snprintf(place_path, sizeof(place_path), "%s/s", place_dir);
	return 0;
}

static inline int place_down(void **state)
{
	(void)state;
	sys_fault_disarm_all();
	memcg_serve_stop();
	unlink(place_path);
	assert_int_equal(rmdir(place_dir), 0);
	settle();
	return 0;
}

#define SERVED(f) cmocka_unit_test_setup_teardown(f, place_up, place_down)

static inline struct sockaddr_un address(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	assert_true(strlen(path) < sizeof(at.sun_path));
	strcpy(at.sun_path, path);
	return at;
}

static inline void talk_to(struct talk *t, const char *path)
{
	struct sockaddr_un at = address(path);
	struct timeval patience = {.tv_sec = PATIENCE_S};

	*t = (struct talk){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_true(t->fd >= 0);
	setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(t->fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

static inline void talk_end(struct talk *t)
{
	close(t->fd);
	free(t->text);
}

static inline void say(struct talk *t, const char *line)
{
	size_t n = strlen(line);

	assert_int_equal(send(t->fd, line, n, MSG_NOSIGNAL), n);
}

/* False: the end. */
static inline bool take_line(struct talk *t, char *line, size_t size)
{
	size_t n = 0;

	for (; n < size - 1; n++) {
		if (recv(t->fd, line + n, 1, 0) <= 0)
			return false;
		if (line[n] == '\n')
			break;
	}
	line[n] = '\0';
	return true;
}

static inline void take_text(struct talk *t, size_t n)
{
	if (t->len + n + 1 > t->size) {
		t->size = 2 * (t->len + n + 1);
		t->text = realloc(t->text, t->size);
		assert_non_null(t->text);
	}
	while (n) {
		ssize_t got = recv(t->fd, t->text + t->len, n, 0);

		assert_true(got > 0);
		t->len += (size_t)got;
		n -= (size_t)got;
	}
	t->text[t->len] = '\0';
}

/* One whole answer, or event. False: the connection has ended. */
static inline bool hear(struct talk *t)
{
	char line[512];
	size_t n;

	t->len = t->pieces = 0;
	do {
		if (!take_line(t, line, sizeof(line)))
			return false;
		if (sscanf(line, "%15s", t->word) != 1)
			fail_msg("head '%s'", line);
		t->pieces++;
		if (!strcmp(t->word, "err")) {
			take_text(t, 0);
			t->size = 1024;
			t->text = realloc(t->text, t->size);
			strcpy(t->text, line + 4);
			return true;
		}
		assert_int_equal(sscanf(line, "%*s %zu", &n), 1);
		assert_true(n < SERVE_PIECE);
		take_text(t, n);
		assert_true(!n || t->text[t->len - 1] == '\n'); /* pieces are whole lines */
	} while (!strcmp(t->word, "more"));
	return true;
}

static inline const char *ask(struct talk *t, const char *line)
{
	say(t, line);
	assert_true(hear(t));
	return t->text;
}

#define asks_ok(t, line, expected)                           \
	do {                                                 \
		assert_string_equal(ask(t, line), expected); \
		assert_string_equal((t)->word, "ok");        \
	} while (0)

#define asks_err(t, line, name)                                                      \
	do {                                                                         \
		ask(t, line);                                                        \
		assert_string_equal((t)->word, "err");                               \
		assert_int_equal(strncmp((t)->text, name " ", strlen(name) + 1), 0); \
	} while (0)

/* The value of `column` in the row of `path`, as text; NULL: there is no such row. */
static inline const char *cell(const struct talk *t, const char *path, const char *column)
{
	static char value[512];
	const char *line = t->text, *end = t->text + t->len;
	unsigned at = 0, want = 0, found = 0;

	for (const char *word = line; word < end; word++, at++) {
		size_t n = strcspn(word, "\t\n");

		if (n == strlen(column) && !memcmp(word, column, n)) {
			want = at;
			found = 1;
		}
		word += n;
		if (*word == '\n')
			break;
	}
	assert_true(found);
	while ((line = strchr(line, '\n')) && *++line) {
		size_t n = strcspn(line, "\t");

		if (n != strlen(path) || memcmp(line, path, n))
			continue;
		for (at = 0; at < want; at++)
			line += strcspn(line, "\t\n") + 1;
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\t\n"), line);
		return value;
	}
	return NULL;
}

static inline unsigned long long number(const struct talk *t, const char *path, const char *column)
{
	const char *value = cell(t, path, column);

	assert_non_null(value);
	return strtoull(value, NULL, 10);
}

#endif
