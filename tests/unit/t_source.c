/*
 * t_source.c - what comes from the other side of a control socket, or stands in a run's file, is
 * not believed: lengths, ends, rows, names, files that could shrink.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "source/rows.h"
#include "source/slots.h"
#include "source/source.h"
#include "source/wire.h"
#include "source_fixture.h"

/* ---- a peer that says what it is told to ---- */

#define HELLO "protocol\t1\nversion\t9\npid\t1\ncomm\tfake\x1b[31m\n"

/* A piece: its head, and the bytes. Until the next call but three. */
static const char *piece(const char *kind, const char *body)
{
	static char text[4][1024];
	static unsigned turn;
	char *at = text[turn++ % 4];

	snprintf(at, sizeof(text[0]), "%s %zu\n%s", kind, strlen(body), body);
	return at;
}

struct peer {
	char dir[32], path[64];
	int listening;
	const char *hello;
	const char *answer; /* to what is asked behind hello; then it hangs up */
	const char *again;  /* is said behind that for as long as anybody listens */
	pthread_t thread;
};

static void say(int fd, const char *text)
{
	for (size_t n = strlen(text); n;) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		text += sent;
		n -= (size_t)sent;
	}
}

static void *serve(void *arg)
{
	struct peer *p = arg;
	int fd = accept(p->listening, NULL, NULL);

	if (fd >= 0 && hear_line(fd)) {
		say(fd, p->hello);
		if (p->answer && hear_line(fd)) {
			say(fd, p->answer);
			while (p->again && send(fd, p->again, strlen(p->again), MSG_NOSIGNAL) > 0)
				;
		}
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static struct source *peer_start(struct peer *p, const char *answer, const char *again)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct source *s;
	char why[256] = "";

	*p = (struct peer){.hello = piece("ok", HELLO), .answer = answer, .again = again};
	strcpy(p->dir, "/tmp/t_source.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/1.sock", p->dir);
	strcpy(at.sun_path, p->path);
	p->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(p->listening, 1), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
	s = source_open(p->path, why, sizeof(why));
	if (!s)
		fail_msg("%s", why);
	return s;
}

static void peer_end(struct peer *p, struct source *s)
{
	source_close(s);
	pthread_join(p->thread, NULL);
	close(p->listening);
	unlink(p->path);
	rmdir(p->dir);
}

/* What rows of / come to, when this is the answer. */
static int rows_of(const char *answer, const char *again)
{
	struct rows rows = {0};
	struct peer p;
	struct source *s = peer_start(&p, answer, again);
	int err = source_rows(s, "/", UINT32_MAX, &rows);

	assert_true(err ? !rows.n : rows.n);
	if (err)
		assert_true(*source_why(s));
	rows_free(&rows);
	peer_end(&p, s);
	return err;
}

/* ---- answers ---- */

static void good_rows(void **state)
{
	struct rows rows = {0};
	struct peer p;
	char answer[1024];
	struct source *s;
	struct source_event e;

	(void)state;
	snprintf(answer, sizeof(answer), "%s%s%s",
		 piece("event", "/a\tmemory.events\tmax\t7\n/a\tx\ty\t18446744\n"),
		 piece("more", "path\tnew\tid\tcurrent\tmax\n/\t5\t1\t99\tmax\n"),
		 piece("ok", "/a b\t5\t2\t-\t18446744073\n"));
	s = peer_start(&p, answer, NULL);
	assert_string_equal(source_info(s)->comm, "fake?[31m");
	assert_int_equal(source_rows(s, "/", UINT32_MAX, &rows), 0);
	assert_int_equal(rows.n, 2);
	assert_int_equal(rows.row[0].current, 99);
	assert_true(rows.row[0].max == SOURCE_MAX && rows.row[0].anon == SOURCE_UNKNOWN);
	assert_string_equal(rows.row[1].path, "/a b");
	assert_string_equal(rows.row[1].name, "a b");
	assert_int_equal(rows.row[1].depth, 1);
	assert_true(rows.row[1].current == SOURCE_UNKNOWN && rows.row[1].max == 18446744073);
	/* What stood between answers has been kept. */
	assert_int_equal(source_event(s, &e, 0), 1);
	assert_string_equal(e.path, "/a");
	assert_int_equal(e.count, 7);
	assert_int_equal(source_event(s, &e, 0), 1);
	assert_int_equal(e.count, 18446744);
	assert_int_equal(source_event(s, &e, -1), -EPIPE);
	assert_int_equal(source_rows(s, "/", 0, &rows), -EPIPE);
	assert_int_equal(source_fd(s), -1);
	rows_free(&rows);
	peer_end(&p, s);
}

static void bad_answers(void **state)
{
	(void)state;
	assert_int_equal(rows_of("", NULL), -EPIPE);
	assert_int_equal(rows_of("ok 10\npath", NULL), -EPIPE);
	assert_int_equal(rows_of("fine 10\n", NULL), -EPROTO);
	assert_int_equal(rows_of("ok -1\n", NULL), -EPROTO);
	assert_int_equal(rows_of("ok 1x\n", NULL), -EPROTO);
	assert_int_equal(rows_of("ok 99999999999999999999\n", NULL), -EPROTO);
	assert_int_equal(rows_of("ok 1048577\n", NULL), -EPROTO); /* no piece is so long */
	assert_int_equal(rows_of("event 1048577\n", NULL), -EPROTO);
	assert_int_equal(rows_of("ok 0\n", NULL), -EPROTO);
	assert_int_equal(rows_of(piece("ok", "path\tid\n"), NULL), -EPROTO); /* names, no rows */
	assert_int_equal(rows_of(piece("ok", "id\tpath\n/\t1"), NULL), -EPROTO);
	assert_int_equal(rows_of(piece("ok", "path\tid\n/\n"), NULL), -EPROTO);	    /* too few */
	assert_int_equal(rows_of(piece("ok", "path\tid\n/\t-1\n"), NULL), -EPROTO); /* no number */
	assert_int_equal(rows_of(piece("ok", "path\tid\na\t1\n"), NULL), -EPROTO);  /* no path */
	assert_int_equal(rows_of(piece("ok", "path\tid\n/a\t1\n/b\t2\n"), NULL),
			 -EPROTO); /* not below */
	assert_int_equal(rows_of("err ENOENT nobody\n", NULL), -ENOENT);
	assert_int_equal(rows_of("err EWHAT nobody\n", NULL), -EIO);
	assert_int_equal(rows_of("err EBUSY\n", NULL), -EBUSY);
}

/* A line without an end, and events without an end, are given up; not waited for. */
static void endless_answers(void **state)
{
	(void)state;
	assert_int_equal(rows_of("", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), -EPROTO);
	assert_int_equal(rows_of("", "event 8\n/\ta\tb\t1\n"), -ENOBUFS);
}

/* Events that say nothing are no protocol. */
static int event_of(const char *again, int timeout_ms)
{
	struct source_event e;
	struct peer p;
	struct source *s = peer_start(&p, piece("ok", "path\tid\n/\t1\n"), again);
	struct rows rows = {0};
	int got;

	assert_int_equal(source_rows(s, "/", 0, &rows), 0);
	rows_free(&rows);
	got = source_event(s, &e, timeout_ms);
	peer_end(&p, s);
	return got;
}

static void endless_events(void **state)
{
	(void)state;
	assert_int_equal(event_of("event 0\n", -1), -EPROTO);
	assert_int_equal(rows_of("", "event 0\n"), -EPROTO);
}

static int drop(void *arg, const char *bytes, size_t n)
{
	(void)bytes;
	*(size_t *)arg += n;
	return 0;
}

/*
 * Pieces of a line that never ends are left lying when the time is over. There are so many that
 * taking them all is longer than the time on any machine.
 */
static void endless_line(void **state)
{
	static const char pieces[] = "event 1\nx";
	struct wire w = {.fd = -1, .buf = malloc(WIRE_BUFFER)};
	char line[64], all[sizeof(pieces) * 1000];
	int pair[2], left = 0;
	size_t n = 0;

	(void)state;
	assert_non_null(w.buf);
	for (unsigned i = 0; i < 1000; i++, n += sizeof(pieces) - 1)
		memcpy(all + n, pieces, sizeof(pieces) - 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (unsigned i = 0; send(pair[1], all, n, MSG_DONTWAIT) == (ssize_t)n; i++)
		assert_true(i < 100000);
	w.fd = pair[0];
	assert_int_equal(wire_event(&w, line, sizeof(line), 1), 0);
	assert_int_equal(ioctl(pair[0], FIONREAD, &left), 0);
	assert_true(left > 0 || w.at < w.end);
	wire_close(&w);
	close(pair[1]);
}

/* Who is refused at the door finds the reason there, though what it asked is not heard any more. */
static void refused_at_the_door(void **state)
{
	static const char reason[] = "err EBUSY 64 clients are here already\n";
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/t_source.XXXXXX";
	struct wire w;
	size_t got = 0;
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/1.sock", dir);
	assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(wire_open(&w, at.sun_path, 0), 0);
	fd = accept(listening, NULL, NULL);
	say(fd, reason);
	close(fd);
	assert_int_equal(wire_ask(&w, "a\n", 2, drop, &got, 100, 60000), -EBUSY);
	assert_string_equal(w.why, "64 clients are here already");
	assert_int_equal(wire_ask(&w, "a\n", 2, drop, &got, 100, 60000), -EPIPE);
	wire_close(&w);
	close(listening);
	unlink(at.sun_path);
	rmdir(dir);
}

/* An answer that goes on and on ends at the bound of who asked; one that stays away, with its time.
 */
static void bounds(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct peer p = {.hello = piece("ok", HELLO),
			 .answer = "more 8\n1234567\n",
			 .again = "more 8\n1234567\n"};
	struct wire w;
	size_t got = 0;

	(void)state;
	strcpy(p.dir, "/tmp/t_source.XXXXXX");
	assert_non_null(mkdtemp(p.dir));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/1.sock", p.dir);
	p.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p.listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(p.listening, 2), 0);
	/* Nobody accepts yet. */
	assert_int_equal(wire_open(&w, at.sun_path, 0), 0);
	assert_int_equal(wire_ask(&w, "a\n", 2, drop, &got, 100, 50), -ETIMEDOUT);
	assert_int_equal(w.fd, -1);
	assert_int_equal(wire_ask(&w, "a\n", 2, drop, &got, 100, 50), -EPIPE);
	wire_close(&w);
	close(accept(p.listening, NULL, NULL));
	assert_int_equal(pthread_create(&p.thread, NULL, serve, &p), 0);
	assert_int_equal(wire_open(&w, at.sun_path, 0), 0);
	assert_int_equal(wire_ask(&w, "a\n", 2, drop, &got, 4096, 60000), 0);
	got = 0;
	assert_int_equal(wire_ask(&w, "b\n", 2, drop, &got, 80000, 20000), -EPROTO);
	assert_int_equal(got, 80000);
	assert_int_equal(w.fd, -1);
	wire_close(&w);
	pthread_join(p.thread, NULL);
	close(p.listening);
	unlink(at.sun_path);
	rmdir(p.dir);
}

/* A request that would be two is none. */
static void requests(void **state)
{
	struct peer p;
	struct source *s = peer_start(&p, NULL, NULL);

	(void)state;
	assert_int_equal(source_mkdir(s, "/a\nrmdir\t/b"), -EINVAL);
	assert_int_equal(source_mkdir(s, "/a\tb"), -EINVAL);
	assert_int_equal(source_write(s, "/", "memory.max", "1\n2"), -EINVAL);
	assert_true(strlen(source_why(s)));
	peer_end(&p, s);
}

/* ---- rows ---- */

static struct row *add(struct rows_builder *b, const char *path)
{
	struct row *row = rows_add(b, path, strlen(path));

	assert_non_null(row);
	return row;
}

static void parents(void **state)
{
	static const struct {
		const char *path;
		unsigned depth;
		size_t parent;
	} want[] = {{"/a", 0, 0},      {"/a/b", 1, 0},	 {"/a/b/c", 2, 1}, {"/a/b/c/d", 3, 2},
		    {"/a/bc", 1, 0},   {"/a/d/e", 1, 0}, /* its parent went meanwhile */
		    {"/a/d/e/f", 2, 5}};
	const size_t n = sizeof(want) / sizeof(want[0]);
	struct rows rows = {0};
	struct rows_builder b;

	(void)state;
	rows_begin(&b, &rows);
	for (size_t i = 0; i < n; i++)
		add(&b, want[i].path)->id = i;
	assert_int_equal(rows_settle(&b), 0);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(rows.row[i].path, want[i].path);
		assert_int_equal(rows.row[i].depth, want[i].depth);
		assert_int_equal(rows.row[i].parent, want[i].parent);
		assert_int_equal(rows.row[i].id, i);
	}
	/* The memory is kept, what stood in it is not. */
	rows_begin(&b, &rows);
	add(&b, "/");
	add(&b, "/x");
	assert_int_equal(rows_settle(&b), 0);
	assert_int_equal(rows.n, 2);
	assert_string_equal(rows.row[1].name, "x");
	assert_string_equal(rows.row[0].name, "/");
	assert_true(row_field(&rows.row[1], "full_total") == &rows.row[1].full_total);
	assert_null(row_field(&rows.row[1], "path"));
	rows_free(&rows);
}

/* ---- the file of a run ---- */

static int opens(const char *path)
{
	struct slots s;
	int err = slots_open(&s, path);

	if (!err)
		slots_close(&s);
	return err;
}

static void what_is_no_run(void **state)
{
	char path[64];
	int fd;

	(void)state;
	fd = make_run(path, F_SEAL_SHRINK, SLOT_VERSION, NULL);
	assert_int_equal(opens(path), 0);
	assert_int_equal(slots_are_at(path, getpid()), 0);
	assert_int_equal(slots_are_at(path, getpid() + 1), -ENOENT); /* a link of another process */
	close(fd);
	assert_int_equal(opens(path), -ENOENT);
	assert_int_equal(slots_are_at(path, getpid()), -ENOENT);
	/* Cut short it would be a SIGBUS here. */
	fd = make_run(path, 0, SLOT_VERSION, NULL);
	assert_int_equal(opens(path), -ENOENT);
	close(fd);
	fd = make_run(path, F_SEAL_SHRINK, SLOT_VERSION + 1, NULL);
	assert_int_equal(opens(path), -EPROTO);
	close(fd);
	assert_int_equal(opens("/proc/self/fd/0"), -ENOENT);
	assert_int_equal(opens("/tmp"), -ENOENT);
}

static void fill_slot(struct slot_header *h)
{
	struct slot *s = (struct slot *)((char *)h + slot_offset(0));
	FILE *stat = fopen("/proc/self/stat", "r");
	char text[1024] = "", *end;

	assert_non_null(stat);
	assert_true(fread(text, 1, sizeof(text) - 1, stat) > 0);
	fclose(stat);
	end = strrchr(text, ')');
	for (unsigned field = 2; field < 22; field++)
		end = strchr(end + 1, ' ');
	s->pid = (u32)getpid();
	s->start = strtoull(end, NULL, 10);
	s->state = SLOT_RUNNING;
	memset(s->comm, 'c', sizeof(s->comm)); /* strings without an end */
	memset(s->command, '\x1b', sizeof(s->command));
	s->view.current = 100;
	s->view.max = UINT64_MAX;
	s->view.high = UINT64_MAX;
	s->view.nr_rows = 1000;
	for (unsigned i = 0; i < SLOT_ROWS; i++)
		memset(s->view.rows[i].name, 'a' + (int)i, SLOT_NAME_MAX);
	h->next = 77; /* more than there are */
}

static void lying_slots(void **state)
{
	char path[64], why[256], text[64], name[64], link[64], dir[] = "/tmp/t_source.XXXXXX";
	struct slot_header *h;
	struct rows rows = {0};
	struct source *s;
	int fd = make_run(path, F_SEAL_SHRINK, SLOT_VERSION, &h);

	(void)state;
	fill_slot(h);
	/* A path without /proc is a link, as runs make them. */
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof(link), "%s/%d.run", dir, (int)getpid());
	assert_int_equal(symlink(path, link), 0);
	s = source_open(link, why, sizeof(why));
	assert_non_null(s);
	assert_int_equal(source_rows(s, "/", UINT32_MAX, &rows), 0);
	assert_int_equal(rows.n, 2 + SLOT_ROWS);
	assert_int_equal(rows.row[1].current, 100);
	assert_int_equal(strlen(rows.row[2].name), SLOT_NAME_MAX - 1);
	snprintf(name, sizeof(name), "/%d", (int)getpid());
	assert_string_equal(rows.row[1].path, name);
	assert_int_equal(source_read(s, name, "comm", text, sizeof(text)), 16);
	assert_int_equal(source_read(s, name, "comm", text, 4), -ERANGE);
	/* Limits are the header's, rounded as the library does. */
	assert_int_equal(source_write(s, "/", "memory.max", " 1000001\n"), 0);
	assert_int_equal(h->max, 999424);
	assert_int_equal(source_write(s, "/", "memory.high", "max"), 0);
	assert_true(h->high == UINT64_MAX);
	assert_int_equal(source_write(s, "/", "memory.max", "1 2"), -EINVAL);
	assert_int_equal(source_write(s, "/", "memory.max", "-1"), -EINVAL);
	assert_int_equal(h->max, 999424);
	assert_int_equal(source_write(s, name, "memory.max", "1M"), -EOPNOTSUPP);
	assert_int_equal(source_mkdir(s, "/x"), -EOPNOTSUPP);
	/* The process has gone: another one may have its number. */
	((struct slot *)((char *)h + slot_offset(0)))->start++;
	assert_int_equal(source_rows(s, "/", UINT32_MAX, &rows), 0);
	assert_int_equal(rows.n, 1);
	assert_int_equal(source_read(s, name, "comm", text, sizeof(text)), -ENOENT);
	source_close(s);
	rows_free(&rows);
	munmap(h, slot_file_size(2));
	close(fd);
	unlink(link);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_rows),	   cmocka_unit_test(bad_answers),
		cmocka_unit_test(endless_answers), cmocka_unit_test(bounds),
		cmocka_unit_test(requests),	   cmocka_unit_test(endless_events),
		cmocka_unit_test(endless_line),	   cmocka_unit_test(refused_at_the_door),
		cmocka_unit_test(parents),	   cmocka_unit_test(what_is_no_run),
		cmocka_unit_test(lying_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
