/* socket.c - a process with a control socket as a source: requests, and what answers mean. */
#include "inside.h"
#include "proc.h"
#include "rows.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX 65536u
#define LINE_ROOM   (128u * 1024)
#define READ_MOST   (64u << 20)
#define ROWS_MOST   (1u << 30)
#define FILES_MAX   1024u

struct sock {
	struct source base;
	struct wire wire;
	char request[REQUEST_MAX];
};

/* ---- requests ---- */

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return true;
	return false;
}

/* A verb and its arguments; `last` may hold what others may not, but no newline. */
static int compose(struct sock *s, size_t *length, const char *const *words, const char *last)
{
	size_t n = 0;
	int added;

	for (unsigned i = 0; words[i]; i++) {
		if (has_control(words[i]))
			return source_fail(&s->base, -EINVAL,
					   "a path or name with a control character in it");
		added = snprintf(s->request + n, REQUEST_MAX - n, "%s%s", i ? "\t" : "", words[i]);
		if (added < 0 || (n += (size_t)added) >= REQUEST_MAX - 1)
			return source_fail(&s->base, -E2BIG, "more than %u bytes", REQUEST_MAX);
	}
	if (last) {
		added = snprintf(s->request + n, REQUEST_MAX - n, "\t%s", last);
		if (added < 0 || (n += (size_t)added) >= REQUEST_MAX - 1)
			return source_fail(&s->base, -E2BIG, "more than %u bytes", REQUEST_MAX);
	}
	s->request[n++] = '\n';
	*length = n;
	return 0;
}

static int drop(void *arg, const char *bytes, size_t n)
{
	(void)arg;
	(void)bytes;
	(void)n;
	return 0;
}

/* The process says what is wrong; about what is added here. */
static int say_why(struct sock *s, int err, const char *const *words)
{
	const char *path = words[1];

	if (!s->wire.refused || !path)
		return source_fail(&s->base, err, "%s", s->wire.why);
	if (!strcmp(words[0], "read") || !strcmp(words[0], "write"))
		return source_fail(&s->base, err, "%s of %s: %s", words[2], path, s->wire.why);
	if (!strcmp(words[0], "move"))
		return source_fail(&s->base, err, "%s to %s: %s", path, words[2], s->wire.why);
	return source_fail(&s->base, err, "%s: %s", path, s->wire.why);
}

static int ask(struct sock *s, const char *const *words, const char *last, wire_sink sink,
	       void *arg, size_t most)
{
	size_t length = 0;
	int err = compose(s, &length, words, last);

	if (err)
		return err;
	s->wire.why[0] = s->wire.fd < 0 ? s->wire.why[0] : '\0';
	err = wire_ask(&s->wire, s->request, length, sink, arg, most, WIRE_ANSWER_MS);
	return err && s->wire.why[0] ? say_why(s, err, words) : err;
}

#define WORDS(...)                \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static int ask_nothing(struct sock *s, const char *const *words)
{
	return ask(s, words, NULL, drop, NULL, READ_MOST);
}

/* ---- answers of lines ---- */

/* Lines of an answer that comes in any pieces. */
struct lines {
	int (*line)(void *arg, char *line);
	void *arg;
	char *buf;
	size_t n;
};

static int end_line(struct lines *l)
{
	l->buf[l->n] = '\0';
	l->n = 0;
	return l->line(l->arg, l->buf);
}

static int take_lines(void *arg, const char *bytes, size_t n)
{
	struct lines *l = arg;

	while (n) {
		const char *newline = memchr(bytes, '\n', n);
		size_t part = newline ? (size_t)(newline - bytes) : n;
		int err;

		if (l->n + part >= LINE_ROOM)
			return -EPROTO;
		memcpy(l->buf + l->n, bytes, part);
		l->n += part;
		if (!newline)
			return 0;
		err = end_line(l);
		if (err)
			return err;
		bytes += part + 1;
		n -= part + 1;
	}
	return 0;
}

static int ask_lines(struct sock *s, const char *const *words, int (*line)(void *, char *),
		     void *arg, size_t most)
{
	struct lines l = {line, arg, malloc(LINE_ROOM), 0};
	int err;

	if (!l.buf)
		return source_fail(&s->base, -ENOMEM, "no memory");
	s->base.why[0] = '\0';
	err = ask(s, words, NULL, take_lines, &l, most);
	free(l.buf);
	if (err && !s->base.why[0])
		source_fail(&s->base, err, "process %d: its answer is not the protocol's",
			    (int)s->base.info.pid);
	return err;
}

/* The next word of a line; *line is then behind it, NULL at the end. */
static char *next_word(char **line)
{
	char *word = *line;
	char *tab = word ? strchr(word, '\t') : NULL;

	if (tab)
		*tab = '\0';
	*line = tab ? tab + 1 : NULL;
	return word;
}

/* ---- hello ---- */

struct hello {
	struct source_info *info;
	unsigned protocol;
};

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
	source_clean(to);
}

static int hello_line(void *arg, char *line)
{
	struct hello *h = arg;
	char *name = next_word(&line);

	if (!line)
		return 0;
	if (!strcmp(name, "protocol"))
		h->protocol = (unsigned)strtoul(line, NULL, 10);
	else if (!strcmp(name, "version"))
		copy_text(h->info->version, sizeof(h->info->version), line);
	else if (!strcmp(name, "comm"))
		copy_text(h->info->comm, sizeof(h->info->comm), line);
	else if (!strcmp(name, "command"))
		copy_text(h->info->command, sizeof(h->info->command), line);
	return 0;
}

static int say_hello(struct sock *s)
{
	struct hello h = {&s->base.info, 0};
	struct lines l = {hello_line, &h, malloc(LINE_ROOM), 0};
	int err = l.buf ? wire_ask(&s->wire, "hello\n", 6, take_lines, &l, READ_MOST, WIRE_HELLO_MS)
			: -ENOMEM;

	free(l.buf);
	if (err)
		return source_fail(&s->base, err, "%s",
				   s->wire.why[0] ? s->wire.why : strerror(-err));
	if (h.protocol != 1)
		return source_fail(&s->base, -EPROTO,
				   "process %d speaks protocol %u of the control socket, this "
				   "command 1",
				   (int)s->wire.pid, h.protocol);
	return 0;
}

/* ---- rows ---- */

#define COLUMNS_MAX 128

struct rows_reader {
	struct rows_builder builder;
	bool named; /* the line of names has come */
	unsigned nr, path, id;
	int offset[COLUMNS_MAX]; /* of the field; -1: not one of ours */
};

static int column_offset(const char *name)
{
	static const struct row none;
	const uint64_t *field = row_field(&none, name);

	return field ? (int)((const char *)field - (const char *)&none) : -1;
}

static int take_names(struct rows_reader *r, char *line)
{
	r->named = true;
	r->path = r->id = COLUMNS_MAX;
	while (line && r->nr < COLUMNS_MAX) {
		char *name = next_word(&line);

		if (!strcmp(name, "path"))
			r->path = r->nr;
		else if (!strcmp(name, "id"))
			r->id = r->nr;
		r->offset[r->nr++] = column_offset(name);
	}
	/* A path must be there before the numbers that belong to it. */
	return r->path == 0 && !line ? 0 : -EPROTO;
}

static bool parse_value(const char *text, uint64_t *value)
{
	uint64_t n = 0;

	if (!strcmp(text, "max"))
		n = SOURCE_MAX;
	else if (!strcmp(text, "-"))
		n = SOURCE_UNKNOWN;
	else if (!*text)
		return false;
	else
		for (; *text; text++)
			if (*text < '0' || *text > '9' || __builtin_mul_overflow(n, 10, &n) ||
			    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
				return false;
	*value = n;
	return true;
}

static int take_row(struct rows_reader *r, char *line)
{
	char *path = source_clean(next_word(&line));
	struct row *row = path[0] == '/' ? rows_add(&r->builder, path, strlen(path)) : NULL;
	uint64_t value;

	if (!row)
		return path[0] == '/' ? -ENOMEM : -EPROTO;
	for (unsigned i = 1; i < r->nr; i++) {
		char *word = next_word(&line);

		if (!word || !parse_value(word, &value))
			return -EPROTO;
		if (i == r->id)
			row->id = value;
		else if (r->offset[i] >= 0)
			*(uint64_t *)((char *)row + r->offset[i]) = value;
	}
	return 0;
}

static int rows_line(void *arg, char *line)
{
	struct rows_reader *r = arg;

	return r->named ? take_row(r, line) : take_names(r, line);
}

static int sock_rows(struct source *base, const char *path, unsigned depth, struct rows *rows)
{
	struct sock *s = (struct sock *)base;
	struct rows_reader r = {.named = false};
	char number[16];
	int err;

	snprintf(number, sizeof(number), "%u", depth);
	rows_begin(&r.builder, rows);
	err = ask_lines(s, depth == UINT32_MAX ? WORDS("rows", path) : WORDS("rows", path, number),
			rows_line, &r, ROWS_MOST);
	if (!err && (!rows->n || rows_settle(&r.builder)))
		err = source_fail(base, -EPROTO, "process %d: its answer is not the protocol's",
				  (int)base->info.pid);
	if (err)
		rows->n = 0;
	return err;
}

/* ---- files ---- */

struct text_room {
	char *buf;
	size_t n, size;
};

static int take_text(void *arg, const char *bytes, size_t n)
{
	struct text_room *t = arg;

	if (n >= t->size - t->n)
		return -ERANGE;
	memcpy(t->buf + t->n, bytes, n);
	t->n += n;
	return 0;
}

static ssize_t sock_read(struct source *base, const char *path, const char *file, char *buf,
			 size_t size)
{
	struct sock *s = (struct sock *)base;
	struct text_room t = {buf, 0, size};
	int err;

	if (!size)
		return source_fail(base, -ERANGE, "no room for the text");
	base->why[0] = '\0';
	err = ask(s, WORDS("read", path, file), NULL, take_text, &t, READ_MOST);
	if (err && !base->why[0])
		source_fail(base, err, "%s of %s does not fit in %zu bytes", file, path, size);
	if (err)
		return err;
	buf[t.n] = '\0';
	return (ssize_t)t.n;
}

struct files_reader {
	struct source_file *list;
	size_t n;
};

static int files_line(void *arg, char *line)
{
	struct files_reader *r = arg;
	char *name = next_word(&line);
	struct source_file *f;

	if (r->n == FILES_MAX || !line || strlen(name) >= sizeof(f->name) || strchr(name, '/'))
		return -EPROTO;
	f = &r->list[r->n++];
	copy_text(f->name, sizeof(f->name), name);
	f->readable = strchr(line, 'r');
	f->writable = strchr(line, 'w');
	f->tells = strchr(line, 'n');
	return 0;
}

static int sock_files(struct source *base, const char *path, struct source_file **list, size_t *n)
{
	struct sock *s = (struct sock *)base;
	struct files_reader r = {calloc(FILES_MAX, sizeof(*r.list)), 0};
	int err;

	if (!r.list)
		return source_fail(base, -ENOMEM, "no memory");
	err = ask_lines(s, WORDS("files", path), files_line, &r, READ_MOST);
	if (err) {
		free(r.list);
		return err;
	}
	*list = r.list;
	*n = r.n;
	return 0;
}

/* The request ends with a newline, so a text cannot; `echo` puts one there, which means nothing. */
static int sock_write(struct source *base, const char *path, const char *file, const char *text)
{
	struct sock *s = (struct sock *)base;
	size_t n = strlen(text);
	char *copy;
	int err;

	if (n && text[n - 1] == '\n')
		n--;
	if (memchr(text, '\n', n))
		return source_fail(base, -EINVAL, "%s: a text of more than one line", file);
	copy = strndup(text, n);
	if (!copy)
		return source_fail(base, -ENOMEM, "no memory");
	err = ask(s, WORDS("write", path, file), copy, drop, NULL, READ_MOST);
	free(copy);
	return err;
}

/* ---- groups ---- */

static int sock_mkdir(struct source *base, const char *path)
{
	return ask_nothing((struct sock *)base, WORDS("mkdir", path));
}

static int sock_rmdir(struct source *base, const char *path)
{
	return ask_nothing((struct sock *)base, WORDS("rmdir", path));
}

static int move_line(void *arg, char *line)
{
	struct source_move *m = arg;
	char *name = next_word(&line);
	const struct {
		const char *name;
		uint64_t *value;
	} fields[] = {{"moved", &m->moved},	{"mapped_elsewhere", &m->mapped_elsewhere},
		      {"busy", &m->busy},	{"not_ours", &m->not_ours},
		      {"refused", &m->refused}, {"nsec", &m->nsec}};

	for (size_t i = 0; line && i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(fields[i].name, name) && !parse_value(line, fields[i].value))
			return -EPROTO;
	return 0;
}

static int sock_move(struct source *base, const char *path, const char *to, bool dry,
		     struct source_move *out)
{
	*out = (struct source_move){0};
	return ask_lines((struct sock *)base,
			 dry ? WORDS("move", path, to, "dry") : WORDS("move", path, to), move_line,
			 out, READ_MOST);
}

/* ---- events ---- */

static int sock_watch(struct source *base, const char *path)
{
	return ask_nothing((struct sock *)base, WORDS("watch", path));
}

static bool parse_event(char *line, struct source_event *e)
{
	char *path = next_word(&line), *file = next_word(&line), *name = next_word(&line);

	if (!line || strlen(path) >= sizeof(e->path) || !parse_value(line, &e->count))
		return false;
	copy_text(e->path, sizeof(e->path), path);
	copy_text(e->file, sizeof(e->file), file);
	copy_text(e->name, sizeof(e->name), name);
	return true;
}

static int sock_event(struct source *base, struct source_event *e, int timeout_ms)
{
	struct sock *s = (struct sock *)base;
	int got = wire_event(&s->wire, s->request, sizeof(s->request), timeout_ms);

	if (got < 0)
		return source_fail(base, got, "%s", s->wire.why);
	if (got && !parse_event(s->request, e))
		return source_fail(base, -EPROTO, "process %d: its event is not the protocol's",
				   (int)base->info.pid);
	return got;
}

/* ---- the table ---- */

static void sock_close(struct source *base)
{
	struct sock *s = (struct sock *)base;

	wire_close(&s->wire);
	free(s);
}

static int sock_fd(const struct source *base)
{
	return ((const struct sock *)base)->wire.fd;
}

static const struct source_ops sock_ops = {
	.close = sock_close,
	.fd = sock_fd,
	.rows = sock_rows,
	.read = sock_read,
	.files = sock_files,
	.write = sock_write,
	.mkdir = sock_mkdir,
	.rmdir = sock_rmdir,
	.move = sock_move,
	.watch = sock_watch,
	.event = sock_event,
};

static int open_sock(struct sock *s, const char *path, pid_t pid)
{
	int err = wire_open(&s->wire, path, pid);

	if (err)
		return source_fail(&s->base, err, "%s: %s", path, s->wire.why);
	s->base.info.kind = SOURCE_SOCKET;
	s->base.info.pid = s->wire.pid;
	copy_text(s->base.info.where, sizeof(s->base.info.where), path);
	return say_hello(s);
}

struct source *socket_open(const char *path, pid_t pid, char *why, size_t size)
{
	struct sock *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(why, size, "no memory");
		return NULL;
	}
	s->base.ops = &sock_ops;
	s->wire.fd = -1;
	if (!open_sock(s, path, pid))
		return &s->base;
	snprintf(why, size, "%s", s->base.why);
	sock_close(&s->base);
	return NULL;
}
